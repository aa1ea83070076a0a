"""What Twilio's messages and calls have in common: account, refusals, webhooks, asking what became of one.

https://www.twilio.com/docs/usage/api. Our reference stands in the address of the reports, which Twilio signs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from kaskad.domain.cascade import Money
from kaskad.domain.errors import SendError
from kaskad.domain.money import charged
from kaskad.domain.terms import Reason
from kaskad.providers.base import (
    Accepted,
    Account,
    Outgoing,
    Request,
    Response,
    Setting,
    basic_auth,
    status_error,
)
from kaskad.providers.signatures import check_twilio

MINUTE_MS = 60_000
# The first tells how it stands where no report can reach us; prices come later.
LOOK_UPS = (MINUTE_MS, 15 * MINUTE_MS, 120 * MINUTE_MS, 1440 * MINUTE_MS)
BASE_URL = "https://api.twilio.com"
SETTINGS = (
    Setting("account_sid", help="AC…"),
    Setting("auth_token", secret=True, help="The primary one: it signs the reports"),
)
ERRORS: dict[str, Reason] = {  # https://www.twilio.com/docs/api/errors: those of any request
    "10001": Reason.AUTH,  # the account is not active
    "10002": Reason.AUTH,  # a trial account may not do this
    "20001": Reason.CONTENT,  # parameters
    "20003": Reason.AUTH,
    "20005": Reason.AUTH,  # the account is not active
    "20006": Reason.AUTH,  # access denied
    "20008": Reason.AUTH,  # test credentials
    "20404": Reason.AUTH,  # no such account
    "20429": Reason.RATE_LIMITED,
    "21211": Reason.INVALID_ADDRESS,
}


def post(account: Account, resource: str, fields: Sequence[tuple[str, str]]) -> Request:
    """Return the request that makes a message or a call (`resource`: Messages or Calls)."""
    sid = account["account_sid"]
    return Request.form("POST", _url(account, resource), fields, basic=(sid, account["auth_token"]))


def get(account: Account, resource: str, sid: str) -> Request:
    """Return the request for what has become of a message or a call, with its price."""
    credentials = (account["account_sid"], account["auth_token"])
    return Request("GET", _url(account, f"{resource}/{sid}"), {"Authorization": basic_auth(credentials)})


def _url(account: Account, resource: str) -> str:
    base_url = account.base_url(BASE_URL)
    return f"{base_url}/2010-04-01/Accounts/{account['account_sid']}/{resource}.json"


def read_sid(response: Response, errors: Mapping[str, Reason]) -> Accepted:
    """Return what Twilio has queued; raises SendError by Twilio's code, else by the HTTP status."""
    sid = read(response, errors).get("sid")
    if not isinstance(sid, str):
        raise SendError(Reason.AMBIGUOUS, "the answer names no message or call", accepted=None)
    return Accepted(sid, kind=None)


def read(response: Response, errors: Mapping[str, Reason]) -> dict[str, Any]:
    """Return the answer's object; raises SendError as `read_sid` does."""
    if not response.ok:
        raise _refusal(response, errors)
    answer = response.json()
    if not isinstance(answer, dict):
        raise SendError(Reason.AMBIGUOUS, "the answer is no object", accepted=None)
    return answer


def _refusal(response: Response, errors: Mapping[str, Reason]) -> SendError:
    try:
        answer = response.json()
    except SendError:
        return status_error(response)
    told = answer.get("code") if isinstance(answer, dict) else None
    code = str(told) if isinstance(told, int | str) and not isinstance(told, bool) else ""
    general = status_error(response, code=code)
    if general.accepted is None or code not in errors:
        return general
    detail = f"Twilio answered {code}"  # its words repeat the number
    return SendError(errors[code], detail, code=code, retry_after_ms=general.retry_after_ms)


def read_price(told: Mapping[str, Any]) -> Money | None:
    """Return what a message or a call has cost; None while Twilio does not tell."""
    price, unit = told.get("price"), told.get("price_unit")
    if not isinstance(price, str) or not isinstance(unit, str):
        return None
    return charged(price.removeprefix("-"), unit.upper())


def verify(hook: Request, account: Account) -> None:
    """Raise BadSignature unless Twilio sent the webhook."""
    check_twilio(account["auth_token"], hook.url, pairs(hook), hook.headers.get("x-twilio-signature", ""))


def callback(outgoing: Outgoing, more: Mapping[str, str]) -> str:
    """Return the address for reports about a message, with its reference."""
    return f"{outgoing.status_url}?{urlencode({'reference': outgoing.reference, **more})}"


def pairs(hook: Request) -> Sequence[tuple[str, str]]:
    """Return the fields of a webhook, repeated ones too: as `parse_qsl` does, in a third of its time."""
    return _pairs(hook.body)


@lru_cache(maxsize=1)  # verified, read and answered one after the other
def _pairs(body: bytes) -> Sequence[tuple[str, str]]:
    parts = (part.partition("=") for part in body.decode(errors="replace").split("&") if part)
    return tuple((_plain(name), _plain(value)) for name, _, value in parts)


def _plain(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def query(hook: Request) -> dict[str, str]:
    """Return what stands in the address that Twilio called."""
    return dict(parse_qsl(urlsplit(hook.url).query))
