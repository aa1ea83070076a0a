"""SMSC.ru, SMSC.kz: SMS over HTTP. https://smsc.ru/api/http/

Our reference travels as the message's `id` (up to 40 letters, digits, ".", "-", "_") and comes back in
every report. Reports are called to the address in the account's settings there: choose POST and write
`https://…/hooks/<account>?charset=utf-8&sha1`, with the secret word that is `callback_secret` here.
"""

from __future__ import annotations

import hmac
import re
from hashlib import md5, sha1
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from kaskad.domain import sms
from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.money import charged
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import senders
from kaskad.providers.base import (
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
    status_error,
)

MAX_TEXT = 1000  # `mes`; what is longer would be cut
MAX_VALID_MIN = 24 * 60
REFUSED_MS = 60_000  # how long errors 4 and 9 hold

ERRORS: dict[int, Reason] = {  # https://smsc.ru/api/http/send/sms/#menu, error_code; all come with HTTP 200
    1: Reason.CONTENT,  # parameters
    2: Reason.AUTH,  # login, password, or an address that is not in the client's list
    3: Reason.AUTH,  # no money
    4: Reason.RATE_LIMITED,  # our address is blocked for a while after many errors
    5: Reason.CONTENT,  # a date's format
    6: Reason.CONTENT,  # the text or the sender's name is forbidden
    7: Reason.INVALID_ADDRESS,  # the number's format
    8: Reason.INVALID_ADDRESS,  # cannot be delivered to this number
    9: Reason.AMBIGUOUS,  # the same request within a minute: the first one has been taken
}
STATUSES: dict[
    int, Kind | None
] = {  # https://smsc.ru/api/http/status_messages/statuses/; None changes nothing
    -3: None,  # not found (yet)
    -2: None,  # stopped
    -1: None,  # waits there
    0: Kind.SENT,  # with the carrier
    1: Kind.DELIVERED,
    2: Kind.READ,  # Viber, Telegram, e-mail; never a plain SMS
    3: Kind.EXPIRED,
    4: Kind.CLICKED,  # their short links
    20: Kind.FAILED,  # cannot be delivered: `err` tells why
    22: Kind.FAILED,
    23: Kind.FAILED,
    24: Kind.FAILED,
    25: Kind.FAILED,
}
WHY: dict[int, Reason] = {  # of statuses that say it themselves
    22: Reason.INVALID_ADDRESS,  # wrong number
    23: Reason.WINDOW,  # forbidden
    24: Reason.AUTH,  # no money
    25: Reason.INVALID_ADDRESS,  # unavailable number
}
ERR: dict[int, Reason | None] = {  # `err` beside a status; None: no failure after all
    0: Reason.OTHER,
    1: Reason.INVALID_ADDRESS,  # no such subscriber
    6: Reason.TRANSIENT,  # out of the network: the number stays good
    11: Reason.INVALID_ADDRESS,  # cannot receive SMS
    12: Reason.INVALID_ADDRESS,  # an error of the phone
    13: Reason.INVALID_ADDRESS,  # the subscriber is blocked
    21: Reason.INVALID_ADDRESS,  # no SMS there
    200: Reason.OTHER,  # a virtual sending
    220: Reason.TRANSIENT,  # queue overflow
    240: Reason.TRANSIENT,  # busy
    241: Reason.CONTENT,  # the sound could not be converted
    242: Reason.OTHER,  # an answering machine
    243: Reason.AUTH,  # no contract
    244: Reason.AUTH,  # mailings are forbidden to the account
    245: None,  # the carrier reported nothing: it stays sent
    246: Reason.WINDOW,  # the hour
    247: Reason.RATE_LIMITED,  # the account's limit of messages
    248: Reason.INVALID_ADDRESS,  # no route
    249: Reason.INVALID_ADDRESS,  # the number's format
    250: Reason.WINDOW,  # the number is forbidden by settings
    251: Reason.RATE_LIMITED,  # the limit for one number
    252: Reason.WINDOW,  # the number is forbidden
    253: Reason.CONTENT,  # spam filter
    254: Reason.AUTH,  # the sender's name is not registered
    255: Reason.OTHER,  # the carrier refused it
}
_NEGATIVE = (Kind.FAILED, Kind.EXPIRED)
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}").fullmatch
_NUMBER = re.compile(r"\+?[0-9]{5,15}").fullmatch
_WHOLE = re.compile(r"-?[0-9]{1,6}").fullmatch


class SmscRu(Provider):
    """SMS through SMSC.ru or SMSC.kz."""

    name = "smsc_ru"
    title = "SMSC"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.SMS})
    settings = (
        Setting("login", required=False, usual=True, help="With the password; or give api_key alone"),
        Setting("password", secret=True, required=False, usual=True),
        Setting("api_key", secret=True, required=False, usual=True, help="Instead of login and password"),
        Setting("sender", required=False, help=senders.HELP),
        Setting(
            "callback_secret", secret=True, required=False, help="The secret word of reports, set there too"
        ),
        Setting("base_url", default="https://smsc.ru", help="https://smsc.kz for Kazakhstan"),
    )
    connect = (
        "Create an `api_key` at SMSC, or use the login and password; register the sender's name there.",
        "In the settings there give the address `https://…/hooks/<account>?charset=utf-8&sha1`, the "
        "method POST, and a secret word, which is `callback_secret` here.",
        "Say the currency by the account's price: SMSC tells what a message cost, but not in which currency.",
    )
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in STATUSES.values() if kind), Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.READ, Reaction.CLICKED, Reaction.REPLIED}),
        echoes_reference=True,
        finds=(5_000, 20_000, 60_000, 600_000, 7_200_000, 86_400_000),
        ttl=True,
        max_text=MAX_TEXT,
        concurrency=10,  # refuses more than 15 at once
        per_second=50.0,
        burst=50,
    )

    def check(self, account: Account) -> list[str]:
        return senders.check_senders(account)

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if len(outgoing.text) > MAX_TEXT:
            parts = sms.parts(outgoing.text)
            told = f"the text has {len(outgoing.text)} characters ({parts} parts), SMSC cuts it at {MAX_TEXT}"
            raise SendError(Reason.CONTENT, told)
        fields = {
            **_credentials(account),
            "phones": outgoing.to,  # with its +, so that nothing there corrects it
            "mes": outgoing.text,
            "charset": "utf-8",
            "fmt": "3",
            "cost": "3",
        }
        if _ID(outgoing.reference):
            fields["id"] = outgoing.reference
        if sender := senders.sender_for(account, outgoing.to):
            fields["sender"] = sender
        if outgoing.valid_for_ms:
            minutes = min(max(1, outgoing.valid_for_ms // 60_000), MAX_VALID_MIN)
            fields["valid"] = f"{minutes // 60:02}:{minutes % 60:02}"
        base_url = account.base_url("https://smsc.ru")
        return Request.form("POST", f"{base_url}/sys/send.php", fields)

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            raise status_error(response)
        answer = response.json()
        if not isinstance(answer, dict):
            raise status_error(response, "the answer is no object")
        if "error_code" in answer or "error" in answer:
            raise _refusal(answer)
        if "id" not in answer or "cnt" not in answer:
            raise SendError(Reason.AMBIGUOUS, "the answer names no message", accepted=None)
        cost = charged(answer["cost"], "") if "cost" in answer else None
        return Accepted(
            _text(answer["id"]), cost
        )  # sent: reports are a setting there, the clock must not wait

    def look_up(self, sent: Sent, account: Account, now: int) -> Request:
        fields = {
            **_credentials(account), "phone": sent.to, "id": sent.provider_id, "charset": "utf-8", "fmt": "3",
        }  # fmt: skip
        return Request.form("POST", f"{account.base_url('https://smsc.ru')}/sys/status.php", fields)

    def read_look_up(self, response: Response, sent: Sent, account: Account) -> tuple[list[Receipt], bool]:
        if not response.ok:
            raise status_error(response)
        answer = response.json()
        if not isinstance(answer, dict):
            raise status_error(response, "the answer is no object")
        if "status" not in answer:
            raise _refusal(answer)
        told = {name: _text(answer.get(name)) for name in ("status", "err")}
        told["time"], told["id"] = _text(answer.get("last_timestamp")), sent.provider_id
        receipt = _receipt(told, response.body)
        if receipt.kind is None:
            return [], False
        return [receipt], receipt.kind is not Kind.SENT

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        secret = account["callback_secret"]
        if not secret:
            raise BadSignature("the account has no callback_secret: set one here and at SMSC")
        told = dict(parse_qsl(hook.body.decode("latin-1"), keep_blank_values=True, encoding="latin-1"))
        names = ("phone", "mes", "to") if "mes" in told else ("id", "phone", "status")
        signed = ":".join(told.get(name, "") for name in names).encode("latin-1") + b":" + secret.encode()
        digests = {"sha1": sha1(signed), "md5": md5(signed)}  # what it offers; crc32 proves nothing
        given = [name for name in digests if told.get(name)]
        if not given or not all(
            hmac.compare_digest(digests[name].hexdigest().encode(), told[name].lower().encode("latin-1"))
            for name in given
        ):
            raise BadSignature("neither sha1 nor md5 of the report is right")

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told = _fields(hook.body)
        if not _NUMBER(told.get("phone", "")):
            raise ValueError("the report names no phone")
        phone = "+" + told["phone"].lstrip("+")
        if "mes" in told:
            return [
                Inbound(
                    channel=Channel.SMS,
                    address=phone,
                    kind=Kind.REPLIED,
                    event=told.get("id", ""),
                    at=_instant(told.get("time", "")),
                    text=told["mes"],
                    raw=hook.body,
                )
            ]
        return [_receipt(told, hook.body)]


def _credentials(account: Account) -> dict[str, str]:
    """Return what opens the account; in the body, never in the URL, which logs keep."""
    if account["api_key"]:
        return {"apikey": account["api_key"]}
    if not (account["login"] and account["password"]):
        raise SendError(Reason.AUTH, f"account {account.name!r} needs api_key, or login and password")
    return {"login": account["login"], "psw": account["password"]}


def _refusal(answer: dict[str, Any]) -> SendError:
    """Return why it was refused; HTTP said 200."""
    code, words = _text(answer.get("error_code")), _text(answer.get("error"))
    number = abs(int(code)) if _WHOLE(code) else 0
    reason = ERRORS.get(number, Reason.OTHER)
    # Two things are called 9. Only "too many concurrent requests" proves that nothing was taken; a repeat
    # is refused because its first one is there, under our id, and its reports will tell what became of it.
    if number == 9 and "concurrent" in words.lower():
        reason = Reason.RATE_LIMITED
    return SendError(
        reason,
        f"SMSC answered {code or 'an error without code'}",  # its words may repeat the number or the text
        code=code,
        retry_after_ms=REFUSED_MS if reason is Reason.RATE_LIMITED else None,
        accepted=None if reason is Reason.AMBIGUOUS else False,
    )


def _receipt(told: dict[str, str], raw: bytes) -> Receipt:
    name, err = told.get("status", ""), told.get("err", "")
    status = int(name) if _WHOLE(name) else None
    kind = STATUSES.get(status) if status is not None else None
    code = int(err) if _WHOLE(err) else 0
    reason = None
    if kind is Kind.FAILED and status is not None:
        reason = WHY.get(status) or ERR.get(code, Reason.OTHER)
        if reason is None:
            kind = None
    elif kind is Kind.EXPIRED:
        reason = Reason.TRANSIENT  # a phone that was off: the number stays good
    identity = told.get("id", "")
    # `cost` is not read: the digest does not cover it, and the answer to the sending has told it.
    return Receipt(
        kind=kind,
        name=name,
        reference=identity,
        provider_id=identity,
        at=_instant(told.get("time", "")),
        reason=reason,
        code=err if kind in _NEGATIVE and code else "",
        raw=raw,
    )


def _fields(body: bytes) -> dict[str, str]:
    """Return a report's fields; it comes in windows-1251 unless its address asks for another charset."""
    text = body.decode("latin-1")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        return dict(parse_qsl(text, keep_blank_values=True, encoding="windows-1251", errors="replace"))


def _instant(text: str) -> int | None:
    """Return milliseconds of unix seconds; a local date names no zone, so it says nothing."""
    return int(text) * 1000 if text.isascii() and text.isdigit() and 9 < len(text) < 12 else None


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
