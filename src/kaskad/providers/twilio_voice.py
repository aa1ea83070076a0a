"""Twilio Programmable Voice: a robot call. https://www.twilio.com/docs/voice/api/call-resource

What the call says goes with the request (`Twiml`), and so nothing of it is kept for the time of the call.
Our reference stands in the address of the reports, which Twilio signs. The text is said twice; a key may be
pressed at any moment and comes to the `action` of `<Gather>`, which is answered with TwiML.

Who has picked up is found out while the text is read (`AsyncAmd`): a person waits for nothing, and a machine
is hung up on, mostly before its tone. No report tells the price: it stands in `GET …/Calls/<sid>.json` some
time after the call, which is asked for (`look_ups`). Twilio's voices speak no Kazakh: a Russian one reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from email.utils import parsedate_to_datetime
from typing import ClassVar
from xml.sax.saxutils import escape, quoteattr

from msgspec import structs

from kaskad.domain.errors import SendError
from kaskad.domain.terms import CallResult, Channel, Kind, Reaction, Reason
from kaskad.providers import twilio_api
from kaskad.providers.base import (
    NOTHING,
    Accepted,
    Account,
    Capabilities,
    Inbound,
    Outgoing,
    Provider,
    Receipt,
    Request,
    Response,
    Sent,
    Setting,
)
from kaskad.providers.calls import LISTENED_S, REASONS, SIP, THANKS, language_of

MAX_TWIML = 4000
RING_S = 25  # longer and a voicemail takes the call
LIMIT_S = 180
KEY_S = 5  # how long a key is waited for after the text

STATUSES: dict[str, Kind | None] = {  # CallStatus: every documented value; None changes nothing
    "queued": None,
    "initiated": None,
    "ringing": Kind.SENT,
    "in-progress": Kind.SENT,  # somebody or something has picked up: who, the end of the call tells
    "completed": Kind.DELIVERED,  # answered, who listened for 15 s
    "busy": Kind.FAILED,
    "no-answer": Kind.FAILED,
    "failed": Kind.FAILED,
    "canceled": Kind.FAILED,
}
ANSWERED_BY: dict[str, bool] = {  # AnsweredBy: is it a machine? In doubt it is a person, who is never cut off
    "human": False,
    "unknown": False,
    "machine_start": True,
    "machine_end_beep": True,
    "machine_end_silence": True,
    "machine_end_other": True,
    "fax": True,
}
ERRORS: dict[str, Reason] = {  # https://www.twilio.com/docs/api/errors: of the request, or later in a report
    **twilio_api.ERRORS,
    "10004": Reason.RATE_LIMITED,  # too many calls at once
    "12100": Reason.CONTENT,  # the TwiML cannot be parsed
    "13223": Reason.INVALID_ADDRESS,  # the number's format
    "13224": Reason.INVALID_ADDRESS,
    "13225": Reason.WINDOW,  # the number is blocked for the account
    "13227": Reason.WINDOW,  # no permission for the country: other numbers can be called
    "21201": Reason.INVALID_ADDRESS,  # no To
    "21202": Reason.WINDOW,  # a premium number
    "21203": Reason.AUTH,  # no international calls
    "21205": Reason.AUTH,  # the address of the reports
    "21208": Reason.CONTENT,  # Timeout
    "21210": Reason.AUTH,  # From is not verified
    "21212": Reason.AUTH,  # From is no number
    "21213": Reason.AUTH,  # no From
    "21214": Reason.INVALID_ADDRESS,  # cannot be reached
    "21215": Reason.WINDOW,  # no permission for the country
    "21216": Reason.WINDOW,  # the account may not call this number
    "21217": Reason.INVALID_ADDRESS,
    "21219": Reason.AUTH,  # a trial account calls verified numbers only
}
RESULTS: dict[str, CallResult] = {  # CallStatus of a call that nobody took
    "busy": CallResult.BUSY,
    "no-answer": CallResult.NO_ANSWER,
    "failed": CallResult.UNREACHABLE,  # unless SipResponseCode or ErrorCode say more
}
FAULTS: dict[str, CallResult] = {  # ErrorCode of a report that tells how a call ended
    "13223": CallResult.INVALID_NUMBER,
    "13224": CallResult.INVALID_NUMBER,
    "21211": CallResult.INVALID_NUMBER,
    "21214": CallResult.INVALID_NUMBER,
    "21217": CallResult.INVALID_NUMBER,
}
_SAID_BY_SIP_ONLY = (CallResult.REJECTED, CallResult.CARRIER_BLOCKED)  # Twilio calls them busy or failed
LOOKED_UP = {
    "CallStatus": "status",
    "CallDuration": "duration",
    "AnsweredBy": "answered_by",
}  # report: look-up
VOICES: dict[str, tuple[str, str]] = {  # contact's language -> language and voice of <Say>
    "en": ("en-US", "Polly.Joanna"),
    "ru": ("ru-RU", "Polly.Tatyana"),
    "kk": ("ru-RU", "Polly.Tatyana"),
}
_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
_USUAL = re.compile(
    rf"[A-Z][a-z]{{2}}, (?:[01]\d|2[0-8]) (?:{'|'.join(_MONTHS)}) (?:19[7-9]\d|20\d\d) "
    r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d \+0000"
).fullmatch  # a day that every month has
_EPOCH = date(1970, 1, 1).toordinal()
XML = "text/xml; charset=utf-8"


class TwilioVoice(Provider):
    """A robot call that says a text, waits for a key, and tells people from machines."""

    name = "twilio_voice"
    title = "Twilio Voice"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.ROBOT_CALL})
    settings = (
        *twilio_api.SETTINGS,
        Setting("caller", help="The number that calls, +1…: yours at Twilio, or verified there"),
        Setting("language", required=False, help="Of <Say>, such as ru-RU; empty: the contact's"),
        Setting("voice", required=False, help="Of <Say>, such as Polly.Tatyana; empty: by the language"),
        Setting(
            "amd",
            default="on",
            choices=("on", "off"),
            help="on: tell machines from people, which costs extra",
        ),
        Setting("base_url", default=twilio_api.BASE_URL),
    )
    connect = (
        "Take the account's SID and primary auth token, and a number that may call.",
        "Kaskad's `base_url` must be an address that Twilio reaches: reports and keys come there. "
        "Nothing has to be set at Twilio.",
        "Give the account a price in Twilio's currency: it counts until Twilio has told its own.",
    )
    judges = ("twilio",)
    capabilities = Capabilities(
        receipts=frozenset(
            {
                *(kind for kind in STATUSES.values() if kind),
                Kind.ANSWERED,
                Kind.MACHINE_ANSWERED,
                Kind.KEYPRESS,
            }
        ),
        reactions=frozenset({Reaction.DELIVERED, Reaction.ANSWERED, Reaction.CLICKED, Reaction.REPLIED}),
        echoes_reference=True,
        reports_sent=True,
        look_ups=twilio_api.LOOK_UPS,
        max_text=MAX_TWIML,
        concurrency=4,
        per_second=1.0,  # more are queued there, and would ring later than we think
        burst=1,
    )

    unverified = (
        "The fields of reports, also of the asynchronous detection's, are those of Twilio's documentation; "
        "no published description has them.",
        "Whether the last report of a call that we hung up on says who had answered: it need not.",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if not outgoing.status_url:
            raise SendError(
                Reason.AUTH, "calls need Kaskad's base_url: without it nobody learns how they ended"
            )
        fields = [
            ("To", outgoing.to),
            ("From", account["caller"]),
            ("Twiml", _twiml(outgoing, account)),
            ("Timeout", str(RING_S)),
            ("TimeLimit", str(LIMIT_S)),
            ("StatusCallback", twilio_api.callback(outgoing, {})),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", name) for name in ("initiated", "ringing", "answered", "completed")),
        ]
        if account["amd"] != "off":
            fields += [
                ("MachineDetection", "Enable"),
                ("AsyncAmd", "true"),  # a person hears the text at once
                ("AsyncAmdStatusCallback", twilio_api.callback(outgoing, {})),
                ("AsyncAmdStatusCallbackMethod", "POST"),
            ]
        return twilio_api.post(account, "Calls", fields)

    def read_response(self, response: Response) -> Accepted:
        return twilio_api.read_sid(response, ERRORS)

    def look_up(self, sent: Sent, account: Account, now: int) -> Request:
        return twilio_api.get(account, "Calls", sent.provider_id)

    def read_look_up(self, response: Response, sent: Sent, account: Account) -> tuple[list[Receipt], bool]:
        told = twilio_api.read(response, ERRORS)
        fields = {
            "CallSid": sent.provider_id,
            **{name: str(told[key]) for name, key in LOOKED_UP.items() if told.get(key)},
        }
        receipt = structs.replace(_report(fields, {}, response.body), cost=twilio_api.read_price(told))
        known = receipt.cost is not None or receipt.kind is Kind.FAILED
        return [receipt], known and receipt.kind not in (None, Kind.SENT)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        twilio_api.verify(hook, account)

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told, query = dict(twilio_api.pairs(hook)), twilio_api.query(hook)
        if not told.get("CallSid"):
            raise ValueError("the report names no call")
        if "Digits" in told:
            return [_keypress(told, query, hook.body)]
        return [_report(told, query, hook.body)]

    def follow_up(self, told: Sequence[Receipt | Inbound], account: Account) -> list[Request]:
        """Return the request that hangs up on a machine: its greeting is heard out by nobody."""
        return [
            twilio_api.post(account, f"Calls/{one.provider_id}", [("Status", "completed")])
            for one in told
            if isinstance(one, Receipt) and one.kind is Kind.MACHINE_ANSWERED and one.name == "amd"
        ]

    def answer_webhook(self, hook: Request, account: Account) -> tuple[str, bytes]:
        """Return TwiML to a pressed key: thanks, or another chance where the key means nothing."""
        told, query = dict(twilio_api.pairs(hook)), twilio_api.query(hook)
        if "Digits" not in told:
            return NOTHING
        if _means_something(told, query):
            said = _say(
                THANKS.get(query.get("language", ""), THANKS["en"]), query.get("language", ""), account
            )
            return XML, f"<Response>{said}<Hangup/></Response>".encode()
        return XML, f"<Response>{_gather(hook.url)}</Gather></Response>".encode()


def _twiml(outgoing: Outgoing, account: Account) -> str:
    """Return what the call says: the text twice, each time with room for a key where keys mean something."""
    language = language_of(outgoing)
    said = _say(outgoing.say, language, account)
    keys = "".join(sorted(outgoing.keys))
    if keys:
        action = twilio_api.callback(outgoing, {"keys": keys, "language": language})
        said = f"{_gather(action)}{said}</Gather>"
    text = f'<Response>{said}<Pause length="1"/>{said}</Response>'
    if len(text) > MAX_TWIML:
        told = f"the call says its text twice in {len(text)} characters of TwiML, Twilio takes {MAX_TWIML}"
        raise SendError(Reason.CONTENT, told)
    return text


def _gather(action: str) -> str:
    return f'<Gather input="dtmf" numDigits="1" timeout="{KEY_S}" action={quoteattr(action)} method="POST">'


def _say(text: str, language: str, account: Account) -> str:
    spoken, voice = VOICES.get(language, VOICES["en"])
    if account["language"]:
        spoken, voice = account["language"], ""
    voice = account["voice"] or voice
    named = f" voice={quoteattr(voice)}" if voice else ""
    clean = "".join(sign for sign in text if sign >= " " or sign in "\n\t")  # XML has no other controls
    return f"<Say language={quoteattr(spoken)}{named}>{escape(clean)}</Say>"


def _means_something(told: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Say whether the key that was pressed is one of the step's."""
    return told["Digits"] in tuple(query.get("keys", ""))


def _keypress(told: Mapping[str, str], query: Mapping[str, str], raw: bytes) -> Receipt:
    return Receipt(
        kind=Kind.KEYPRESS if _means_something(told, query) else None,
        event=f"{told['CallSid']} key",  # the first key that means something counts
        name="digits",
        reference=query.get("reference", ""),
        provider_id=told["CallSid"],
        at=_instant(told),
        key=told["Digits"],
        raw=raw,
    )


def _report(told: Mapping[str, str], query: Mapping[str, str], raw: bytes) -> Receipt:
    name = told.get("CallStatus") or ("amd" if "AnsweredBy" in told else "")
    kind = STATUSES.get(name)
    if ANSWERED_BY.get(told.get("AnsweredBy", ""), False):
        kind = Kind.MACHINE_ANSWERED
    elif kind is Kind.DELIVERED and _seconds(told) >= LISTENED_S:
        kind = Kind.ANSWERED
    code, reason = "", None
    if kind is Kind.FAILED:
        code, reason = _failure(name, told)
    return Receipt(
        kind=kind,
        event=f"{told['CallSid']} {name}",  # a call may be dialled again for the same message
        name=name,
        reference=query.get("reference", ""),
        provider_id=told["CallSid"],
        at=_instant(told),
        reason=reason,
        code=code,
        detail=_why(told) if kind is Kind.FAILED else told.get("AnsweredBy", ""),
        raw=raw,
    )


def _failure(name: str, told: Mapping[str, str]) -> tuple[str, Reason]:
    """Return the code and the reason of a call that nobody took: a `CallResult`, else Twilio's own."""
    error, by_sip = told.get("ErrorCode", ""), SIP.get(told.get("SipResponseCode", ""))
    if error in ERRORS and error not in FAULTS:
        return error, ERRORS[error]  # ours: credentials, money, countries
    result = FAULTS.get(error) or RESULTS.get(name)
    if by_sip is not None and (result is CallResult.UNREACHABLE or by_sip in _SAID_BY_SIP_ONLY):
        result = by_sip
    return (result, REASONS[result]) if result else (name, Reason.OTHER)


def _why(told: Mapping[str, str]) -> str:
    """Return what else a report tells of how the call ended."""
    error, sip = told.get("ErrorCode", ""), told.get("SipResponseCode", "")
    words = (f"Twilio {error}" if error else "", f"SIP {sip}" if sip else "", told.get("AnsweredBy", ""))
    return ", ".join(word for word in words if word)


def _seconds(told: Mapping[str, str]) -> int:
    text = told.get("CallDuration", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _instant(told: Mapping[str, str]) -> int | None:
    """Return milliseconds of `Timestamp` (RFC 2822)."""
    text = told.get("Timestamp", "")
    if _USUAL(text):  # the standard library's way takes as long as all the rest of a report
        days = date(int(text[12:16]), _MONTHS[text[8:11]], int(text[5:7])).toordinal() - _EPOCH
        return (days * 86_400 + int(text[17:19]) * 3600 + int(text[20:22]) * 60 + int(text[23:25])) * 1000
    try:
        return round(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        return None
