"""Voximplant: a robot call by a scenario of ours. https://voximplant.com/docs/references/httpapi

The call is carried out by `scenarios/voximplant.js`, which stands in the user's application there; here it is
only started (StartScenarios). It posts what happens to our webhook: JSON with our reference and a key that is
made from the account's `webhook_secret` for this one message, since scenarios have no HMAC to sign with.
A session that dies before it has told how it ended is asked for (GetCallHistory), with its price.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.money import charged
from kaskad.domain.terms import CallResult, Channel, Kind, Reaction, Reason
from kaskad.providers import jwt
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
    decode,
    encode,
    status_error,
)
from kaskad.providers.calls import LISTENED_S, REASONS, SIP, THANKS, language_of
from kaskad.providers.signatures import check_secret, hmac_hex

MAX_TEXT = 1500  # characters of one `say`
TOKEN_S = 300
BASE_URL = "https://api.voximplant.com"

ERRORS: dict[str, Reason] = {  # https://voximplant.com/docs/references/httpapi: of {"error": {"code": …}}
    "100": Reason.AUTH,
    "101": Reason.AUTH,
    "127": Reason.AUTH,  # no money
    "340": Reason.AUTH,  # the rule
}
EVENTS: dict[str, Kind | None] = {  # what our scenario tells; None changes nothing
    "ringing": Kind.SENT,
    "connected": Kind.SENT,  # somebody or something has picked up
    "machine": Kind.MACHINE_ANSWERED,
    "tone": Kind.KEYPRESS,
    "failed": Kind.FAILED,
    "ended": Kind.DELIVERED,  # answered, who listened for 15 s; machine_answered, a machine
}
VOICES = {
    "ru": "Yandex.Neural.ru_RU_alena",
    "kk": "Yandex.Neural.kk_KK_amira",
    "en": "Google.en_US_Wavenet_C",
}
MODELS = ("EU_GENERAL", "RU", "KZ", "US", "BR", "CL", "CO", "ES", "MX", "PE", "PH")
NO_MONEY = "402"  # SIP


class Voximplant(Provider):
    """A robot call by our scenario there: it says a text, takes a key, and tells people from machines."""

    name = "voximplant"
    title = "Voximplant"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.ROBOT_CALL})
    settings = (
        Setting(
            "service_account",
            secret=True,
            lines=True,
            help="The whole text of the JSON file of a service account",
        ),
        Setting("rule_id", help="The number of the routing rule of the scenario"),
        Setting("caller", help="The number that calls, digits: rented there, or verified"),
        Setting("webhook_secret", secret=True, help="Any long text: the reports' keys are made from it"),
        Setting(
            "voice",
            required=False,
            help="Of VoiceList, such as Yandex.Neural.ru_RU_alena; empty: the contact's language",
        ),
        Setting(
            "amd",
            default="RU",
            choices=("off", *MODELS),
            help="The country whose answering machines it knows",
        ),
        Setting("base_url", default=BASE_URL),
    )
    connect = (
        "There create an application and in it a scenario with the text of "
        "`kaskad/providers/scenarios/voximplant.js`, and a routing rule that starts it: its number is "
        "`rule_id`.",
        "Create a service account that may start scenarios and see the history; the JSON file that is "
        "offered then is `service_account`, all of its text.",
        "Rent or verify the number that calls: `caller`. For Russian accounts set `base_url` to "
        "`https://api.voximplant.ru`.",
        "Set `webhook_secret` to a long text of yours; it is never sent. Kaskad's `base_url` must be an "
        "address that Voximplant reaches.",
        "Say the currency by the account's price: the scenario tells what a call cost, but not in which "
        "currency.",
    )
    judges = ("voximplant.apiclient", "quickjs")
    capabilities = Capabilities(
        receipts=frozenset({*(kind for kind in EVENTS.values() if kind), Kind.ANSWERED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.ANSWERED, Reaction.CLICKED, Reaction.REPLIED}),
        echoes_reference=True,
        reports_sent=True,
        price_in_receipt=True,
        look_ups=(300_000, 1_800_000, 7_200_000),
        max_text=MAX_TEXT,
        concurrency=4,
        per_second=1.0,
        burst=1,
    )
    unverified = (
        "The scenario's names of VoxEngine are those of its reference, but it has not run in a live account. "
        "A voice that does not exist there is replaced by the default one.",
        "That `sessionId` of a scenario is the `call_session_history_id` of its start.",
        "The numbers of API errors, and that a text may have 1500 characters.",
        "In which currency a call's cost is told: it is taken to be that of the account's price.",
    )

    def check(self, account: Account) -> list[str]:
        try:
            _service_account(account["service_account"])
        except Invalid as error:
            return list(error.problems)
        return []

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if not outgoing.status_url:
            told = "calls need Kaskad's base_url: without it nobody learns how they ended"
            raise SendError(Reason.AUTH, told)
        if len(outgoing.say) > MAX_TEXT:
            told = f"the text has {len(outgoing.say)} characters, Voximplant says {MAX_TEXT}"
            raise SendError(Reason.CONTENT, told)
        language = language_of(outgoing)
        order = {
            "to": outgoing.to.lstrip("+"),
            "from": account["caller"].lstrip("+"),
            "text": outgoing.say,
            "thanks": THANKS[language],
            "keys": "".join(sorted(outgoing.keys)),
            "voice": account["voice"] or VOICES[language],
            "amd": "" if account["amd"] == "off" else account["amd"] or "RU",
            "callback": outgoing.status_url,
            "reference": outgoing.reference,
            "key": key_of(outgoing.reference, account["webhook_secret"]),
        }
        fields = {"rule_id": account["rule_id"], "script_custom_data": encode(order).decode()}
        return _request(account, "StartScenarios", fields, outgoing.at)

    def read_response(self, response: Response) -> Accepted:
        answer = _read(response)
        identity = _text(answer.get("call_session_history_id"))
        if _text(answer.get("result")) != "1" or not identity:
            raise SendError(Reason.AMBIGUOUS, "the answer names no session", accepted=None)
        return Accepted(identity, kind=None)

    def look_up(self, sent: Sent, account: Account, now: int) -> Request:
        day_ms = 86_400_000
        fields = {
            "from_date": _date(sent.at - day_ms),
            "to_date": _date(sent.at + day_ms),
            "call_session_history_id": sent.provider_id,
            "with_calls": "true",
        }
        return _request(account, "GetCallHistory", fields, now)

    def read_look_up(self, response: Response, sent: Sent, account: Account) -> tuple[list[Receipt], bool]:
        """Return how the call ended where the scenario could not tell; it knows better who has picked up."""
        sessions = _read(response).get("result")
        calls = [
            call
            for session in (sessions if isinstance(sessions, list) else [])
            if isinstance(session, dict) and isinstance(session.get("calls"), list)
            for call in session["calls"]
            if isinstance(call, dict)
        ]
        if not calls:
            return [], False
        call = calls[0]
        taken = call.get("successful") in (True, "true")
        name = "ended" if taken else "failed"
        receipt = Receipt(
            kind=EVENTS[name],
            event=f"{sent.provider_id} {name}",
            name=name,
            provider_id=sent.provider_id,
            cost=charged(call["cost"], "") if "cost" in call else None,
            raw=response.body,
        )
        return [receipt], True

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        told, secret = _told(hook), account["webhook_secret"]
        reference, key = _text(told.get("reference")), _text(told.get("key"))
        check_secret(key_of(reference, secret) if secret else "", key)

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        told = _told(hook)
        if not _text(told.get("session")):
            raise ValueError("the report names no session")
        return [_receipt(told, hook.body)]


def key_of(reference: str, secret: str) -> str:
    """Return the key that lets a scenario tell of one message."""
    return hmac_hex("sha256", secret, f"voximplant {reference}".encode())


def _told(hook: Request) -> dict[str, Any]:
    told = hook.json()
    if not isinstance(told, dict):
        raise ValueError("the report is no object")
    return told


def _receipt(told: Mapping[str, Any], raw: bytes) -> Receipt:
    name, session = _text(told.get("event")), _text(told.get("session"))
    kind, code, reason = EVENTS.get(name), "", None
    if name == "ended":
        if told.get("machine") is True:
            kind = Kind.MACHINE_ANSWERED
        elif _whole(told.get("listened")) >= LISTENED_S:
            kind = Kind.ANSWERED
    elif name == "failed":
        code, reason = _failure(_text(told.get("code")))
    cost = told.get("cost")
    return Receipt(
        kind=kind,
        event=f"{session} {'key' if name == 'tone' else name}",  # the first key that means something counts
        name=name,
        reference=_text(told.get("reference")),
        provider_id=session,
        at=_whole(told.get("at")) or None,
        reason=reason,
        code=code,
        detail=f"SIP {_text(told.get('code'))}" if code else "",
        cost=None if cost is None else charged(cost, ""),
        key=_text(told.get("tone")),
        raw=raw,
    )


def _failure(sip: str) -> tuple[str, Reason]:
    """Return the code and the reason of a call that nobody took."""
    if sip == NO_MONEY:
        return sip, Reason.AUTH
    result = SIP.get(sip, CallResult.UNREACHABLE)
    return result, REASONS[result]


def _request(account: Account, method: str, fields: Mapping[str, str], at: int) -> Request:
    """Return a request of the API, which names its method among its fields, as the official clients do."""
    base_url = account.base_url(BASE_URL)
    request = Request.form("POST", f"{base_url}/platform_api", {"cmd": method, **fields})
    headers = {**request.headers, "Authorization": f"Bearer {_token(account, at)}"}
    return Request("POST", request.url, headers, request.body)


def _token(account: Account, at: int) -> str:
    try:
        account_id, key_id, private_key = _service_account(account["service_account"])
        issued = at // 1000 - 5
        claims: dict[str, str | int] = {"iss": account_id, "iat": issued, "exp": issued + TOKEN_S}
        return jwt.rs256(claims, private_key, key_id=key_id)
    except Invalid as error:
        raise SendError(Reason.AUTH, error.problems[0]) from None


@lru_cache(maxsize=64)
def _service_account(text: str) -> tuple[str, str, str]:
    """Return account_id, key_id and private_key of a service account's file; raises Invalid."""
    try:
        told = decode(text)
    except ValueError:
        told = None
    names = ("account_id", "key_id", "private_key")
    values = [_text(told.get(name)) for name in names] if isinstance(told, dict) else []
    if not values or not all(values):
        what = "account_id, key_id and private_key"
        raise Invalid([f"service_account is not the JSON file of a service account: it has no {what}"])
    jwt.check_key(values[2])
    return values[0], values[1], values[2]


def _read(response: Response) -> dict[str, Any]:
    """Return the answer's object; raises SendError. Refusals come with HTTP 200."""
    if not response.ok:
        raise status_error(response)
    answer = response.json()
    if not isinstance(answer, dict):
        raise status_error(response, "the answer is no object")
    error = answer.get("error")
    if isinstance(error, dict):
        code = _text(error.get("code"))
        raise SendError(
            ERRORS.get(code, Reason.OTHER), f"Voximplant answered {code or 'an error'}", code=code
        )
    return answer


def _date(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
