"""What SMS and voice messages of MTS Exolve have in common: the key, refusals, the words of statuses.

https://docs.exolve.ru/docs/ru/api-reference/. All methods are POST with JSON, numbers are digits without +.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.providers.base import STATUSES, Account, Request, Response, Setting, decode, status_error

BASE_URL = "https://api.exolve.ru"
SETTINGS = (
    Setting("api_key", secret=True, help="Of the application"),
    Setting("sender", help="A number rented there, digits; for SMS also a registered name"),
)
HOOK_SETTING = Setting(
    "webhook_secret",
    secret=True,
    required=False,
    help="Any long text; write the webhook's address there with ?key= and this text",
)
NOT_OURS = {402: Reason.AUTH, 404: Reason.AUTH}  # money, a wrong address

T = TypeVar("T")


def post(account: Account, method: str, told: Mapping[str, Any]) -> Request:
    """Return the request of a method such as `messaging/v1/SendSMS`."""
    base_url = account.base_url(BASE_URL)
    headers = {"Authorization": f"Bearer {account['api_key']}"}
    return Request.of_json(f"{base_url}/{method}", told, headers)


def digits(number: str) -> str:
    """Return a number as Exolve writes it."""
    return number.lstrip("+")


def read(response: Response) -> dict[str, Any]:
    """Return the answer's object; raises SendError where it refuses, or where nobody can know."""
    if not response.ok:
        raise _refusal(response)
    answer = response.json()
    if not isinstance(answer, dict):
        raise status_error(response, "the answer is no object")
    return answer


def _refusal(response: Response) -> SendError:
    """Return why it was refused; two shapes of errors are met, and both are read."""
    try:
        answer = decode(response.body)
    except ValueError:
        return status_error(response)
    told = answer.get("error", answer) if isinstance(answer, dict) else None
    if not isinstance(told, dict):
        return status_error(response)
    code, words = text(told.get("code")), text(told.get("message")).lower()
    general = status_error(response, code=code)
    if general.accepted is None:
        return general
    reason = NOT_OURS.get(response.status, STATUSES.get(response.status, general.reason))
    if "insufficient" in words or "funds" in words:
        reason = Reason.AUTH
    elif reason is Reason.CONTENT and "destination" in words:
        reason = Reason.INVALID_ADDRESS
    return SendError(reason, general.detail, code=code, retry_after_ms=general.retry_after_ms)


def word(table: Mapping[str, T], *told: object) -> T | None:
    """Return what the first status that holds a word of `table` means; None where none does."""
    for status in told:
        upper = text(status).upper()
        for name, meaning in table.items():
            if name in upper:
                return meaning
    return None


def instant(value: object) -> int | None:
    """Return milliseconds of a time as RFC 3339 writes it."""
    try:
        moment = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return None if moment.tzinfo is None else int(moment.timestamp() * 1000)


def text(value: object) -> str:
    """Return a text or a whole number as text; "" for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
