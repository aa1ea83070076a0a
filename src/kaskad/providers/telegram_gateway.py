"""Telegram's Gateway API: https://core.telegram.org/gateway/api. Codes to a telephone number, nothing else:
Telegram words the message itself, so the text of a step must be the code alone.

The address on channel `telegram` is then a number in E.164, which a bot cannot write to; a bot's is a chat.
"""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import digest
from typing import ClassVar

import msgspec
from msgspec import Struct

from kaskad.domain.cascade import Money
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
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
    Setting,
    status_error,
)
from kaskad.providers.signatures import check_age, check_secret

BASE_URL = "https://gatewayapi.telegram.org"

STATUSES: dict[str, Kind | None] = {  # https://core.telegram.org/gateway/api#deliverystatus
    "sent": Kind.SENT,
    "delivered": Kind.DELIVERED,
    "read": Kind.READ,
    "expired": Kind.EXPIRED,
    "revoked": None,  # we never do
}
ERRORS = {  # the documentation names one; the rest as https://github.com/deus-developer/tgateway lists them
    "ACCESS_TOKEN_INVALID": Reason.AUTH,
    "ACCESS_TOKEN_REQUIRED": Reason.AUTH,
    "BALANCE_NOT_ENOUGH": Reason.AUTH,
    "CALLBACK_URL_INVALID": Reason.AUTH,
    "CODE_INVALID": Reason.CONTENT,
    "CODE_LENGTH_INVALID": Reason.CONTENT,
    "CODE_LENGTH_REQUIRED": Reason.CONTENT,
    "PAYLOAD_INVALID": Reason.CONTENT,
    "PHONE_NUMBER_INVALID": Reason.INVALID_ADDRESS,
    "PHONE_NUMBER_NOT_FOUND": Reason.INVALID_ADDRESS,  # nobody there uses Telegram
    "REQUEST_ID_INVALID": Reason.CONTENT,
    "REQUEST_ID_REQUIRED": Reason.CONTENT,
    "SENDER_NOT_OWNED": Reason.AUTH,
    "SENDER_NOT_VERIFIED": Reason.AUTH,
    "SENDER_USERNAME_INVALID": Reason.AUTH,
    "TTL_INVALID": Reason.CONTENT,
    "UNKNOWN_METHOD": Reason.AUTH,
}
MIN_TTL_S, MAX_TTL_S = 60, 86_400
MAX_CALLBACK = 256  # bytes
MOST_COST = 1_000_000  # of one code, in whole units: what is told beyond it is a mistake, and no column's

_code = re.compile(r"[0-9]{4,8}").fullmatch
_wait = re.compile(r"FLOOD_WAIT_([0-9]{1,6})").fullmatch


class TelegramGateway(Provider):
    """Verification codes in Telegram, by telephone number; no other text can be sent."""

    name = "telegram_gateway"
    title = "Telegram Gateway"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.TELEGRAM})
    settings = (
        Setting("token", secret=True, help="From gateway.telegram.org, Account settings"),
        Setting("sender", required=False, help="A verified channel of yours, without @, to send from"),
        Setting("base_url", required=False, default=BASE_URL),
    )
    connect = (
        "At gateway.telegram.org sign in, fund the account, and take the token from its settings.",
        "Give the account a `price`: its currency is that in which Telegram's costs are counted.",
        "Give contacts an address of `telegram` that is their number, such as +79000000001, and let a step "
        'name this account: `{channel: telegram, account: NAME, text: "{{ trigger.code }}"}`. The text must '
        "be the code alone, 4 to 8 digits: Telegram words the message itself.",
        "Let the cascade's goal be the event of the code that was entered: a step of this channel cannot "
        "wait for `read`, since bots are not told of it, although the Gateway's reads are kept and shown.",
        "A contact has one best address of a channel: who has a chat with a bot of yours gets no code here, "
        "and the cascade goes on to its next step.",
    )
    judges = ("tgateway",)
    capabilities = Capabilities(
        receipts=frozenset({Kind.SENT, Kind.DELIVERED, Kind.READ, Kind.EXPIRED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.READ}),
        echoes_reference=True,
        price_in_receipt=True,
        ttl=True,
        max_text=8,
        concurrency=8,
        per_second=10.0,
        burst=10,
    )
    unverified = (
        "the statuses delivered and expired, and is_refunded, which newer revisions of the page have",
        "the names of errors besides ACCESS_TOKEN_INVALID",
        "how many requests a second are taken: 10 is a guess on the safe side",
        "that a credit has a hundred parts, as a unit of money has",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        code = outgoing.text.strip()
        if not outgoing.to.startswith("+"):
            raise SendError(
                Reason.WINDOW, "the Telegram Gateway sends to numbers, and this address is a chat with a bot"
            )
        if not _code(code):
            raise SendError(
                Reason.CONTENT, "the Telegram Gateway sends codes only: the text must be 4 to 8 digits, alone"
            )
        fields: dict[str, str | int] = {
            "phone_number": outgoing.to,
            "code": code,
            "payload": outgoing.reference,
        }
        if account["sender"]:
            fields["sender_username"] = account["sender"].removeprefix("@")
        if outgoing.valid_for_ms:
            fields["ttl"] = min(max(outgoing.valid_for_ms // 1000, MIN_TTL_S), MAX_TTL_S)
        base, told = account.base_url(BASE_URL), outgoing.status_url
        secure = told.startswith("https://") or (
            told and base.startswith("http://")
        )  # of one's own, as there
        if secure and len(told.encode()) <= MAX_CALLBACK:
            fields["callback_url"] = told
        headers = {"Authorization": f"Bearer {account['token']}"}
        return Request.of_json(f"{base}/sendVerificationMessage", fields, headers)

    def read_response(self, response: Response) -> Accepted:
        try:
            answer = _decode_answer(response.body)
        except ValueError:
            raise status_error(response, "the answer is not the Gateway's") from None
        if answer.ok and response.ok:
            status = answer.result
            return Accepted() if status is None else Accepted(status.request_id, _cost(status, ""))
        if response.status >= 500 or not answer.error:
            raise status_error(response, answer.error)
        wait = _wait(answer.error)
        reason = Reason.RATE_LIMITED if wait else ERRORS.get(answer.error, Reason.OTHER)
        wait_ms = int(wait[1]) * 1000 if wait else None
        raise SendError(reason, answer.error, code=answer.error, retry_after_ms=wait_ms)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        # https://core.telegram.org/gateway/api#checking-report-integrity
        stamp, token = hook.headers.get("x-request-timestamp", ""), account["token"]
        signed = stamp.encode() + b"\n" + hook.body
        made = digest(sha256(token.encode()).digest(), signed, "sha256").hex() if token else ""
        check_secret(made, hook.headers.get("x-request-signature", "").lower())
        check_age(int(stamp) * 1000, now)

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        status = msgspec.json.decode(hook.body, type=_Status)
        told = status.delivery_status or _Delivery()
        at = told.updated_at * 1000 if 0 < told.updated_at < 1 << 38 else None
        currency = account.price.currency if account.price is not None else None
        return [
            Receipt(
                kind=STATUSES.get(told.status), name=told.status, reference=status.payload,
                provider_id=status.request_id, at=at, raw=hook.body,
                cost=None if currency is None else _cost(status, currency),
            )
        ]  # fmt: skip


class _Delivery(Struct):
    status: str = ""
    updated_at: int = 0


class _Status(Struct):
    """https://core.telegram.org/gateway/api#requeststatus"""

    request_id: str = ""
    request_cost: float | None = None
    is_refunded: bool = False  # nothing was delivered in time
    delivery_status: _Delivery | None = None
    payload: str = ""


class _Answer(Struct):
    ok: bool
    result: _Status | None = None
    error: str = ""


_decode_answer = msgspec.json.Decoder(_Answer).decode


def _cost(status: _Status, currency: str) -> Money | None:
    if status.request_cost is None or not 0 <= status.request_cost < MOST_COST:
        return None
    return Money(0 if status.is_refunded else round(status.request_cost * 100), currency)
