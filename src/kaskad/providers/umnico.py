"""Umnico: WhatsApp through an inbox that several messengers share. https://api.umnico.com/docs/ru

Its API speaks of dialogues, and only a WhatsApp integration takes a message by the phone's number; so that is
what it carries here. No report tells delivery or reading. Its webhooks are signed by nobody: the secret
stands in the address that Umnico was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    Inbound,
    Outgoing,
    Provider,
    Request,
    Response,
    Setting,
    Told,
    status_error,
)
from kaskad.providers.crm import branch, text_of
from kaskad.providers.signatures import check_url_key

ERRORS: dict[int, Reason] = {  # HTTP statuses
    400: Reason.CONTENT,
    401: Reason.AUTH,
    404: Reason.INVALID_ADDRESS,
}
TYPES: dict[str, Kind | None] = {  # `type` of a webhook; others are kept and change nothing
    "message.incoming": Kind.REPLIED,
    "message.outgoing": None,
}


class Umnico(Provider):
    """WhatsApp through Umnico, whose inbox then holds the dialogue."""

    name = "umnico"
    title = "Umnico"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.WHATSAPP})
    settings = (
        Setting("token", secret=True, help="Settings, API"),
        Setting("integration_id", help="`saId` of the WhatsApp integration"),
        Setting("webhook_secret", secret=True, help="`key` in the address of the webhook: nothing is signed"),
        Setting("base_url", required=False, default="https://api.umnico.com/v1.3"),
    )
    connect = (
        "Connect WhatsApp in Umnico, and create a token in its settings (API).",
        "The number of the integration (`saId`) is `integration_id`.",
        "Where Kaskad's address is https, it sets the webhook itself; else create one to "
        "`https://…/hooks/<account>?key=<webhook_secret>`.",
    )
    capabilities = Capabilities(
        receipts=frozenset({Kind.REPLIED}),
        reactions=frozenset({Reaction.REPLIED}),
        concurrency=2,
        per_second=5.0,
        burst=5,
    )
    unverified = (
        "the limits of the API, and what 400 and 404 mean for an address",
        "the sender's phone in `sender.login` of an incoming message",
        "delivery and reading: no report of them is documented",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        sa_id = account["integration_id"]
        message: dict[str, Any] = {
            "message": {"text": _text(outgoing)},
            "destination": outgoing.to.lstrip("+"),
            "saId": int(sa_id) if sa_id.isdigit() else sa_id,
        }
        return Request.of_json(f"{_base(account)}/messaging/post", message, _headers(account))

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            general = status_error(response)
            if response.status in ERRORS:
                raise SendError(ERRORS[response.status], general.detail, code=str(response.status))
            raise general
        number = text_of(branch(response.json()).get("leadId"))
        if not number:
            raise SendError(Reason.AMBIGUOUS, "the answer names no dialogue", accepted=None)
        return Accepted()  # a dialogue holds many messages: its number tells none of them

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        check_url_key(hook.url, account["webhook_secret"])

    def read_webhook(self, hook: Request, account: Account) -> list[Told]:
        told = hook.json()
        kind = TYPES.get(text_of(branch(told).get("type")))
        message = branch(told, "message")
        if not isinstance(told, dict) or not text_of(told.get("type")):
            raise ValueError("the webhook has no type")
        if kind is None or branch(message, "sa").get("type") not in (None, "whatsapp"):
            return []
        phone = _phone(branch(message, "sender").get("login"))
        if not phone or message.get("incoming") is False:
            return []
        text = text_of(message.get("text")) or text_of(branch(message, "message").get("text"))
        return [Inbound(channel=Channel.WHATSAPP, address=phone, kind=kind, text=text,
                        event=text_of(message.get("messageId")), raw=hook.body)]  # fmt: skip

    def setup_requests(self, account: Account, webhook_url: str) -> list[Request]:
        if not webhook_url.startswith("https://"):
            return []
        told = {"url": f"{webhook_url}?key={account['webhook_secret']}", "name": "kaskad"}
        return [Request.of_json(f"{_base(account)}/webhooks", told, _headers(account))]


def _base(account: Account) -> str:
    return account.base_url("https://api.umnico.com/v1.3")


def _headers(account: Account) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {account['token']}"}


def _text(outgoing: Outgoing) -> str:
    """Return the text with its links below it: the dialogue has no buttons."""
    links = [f"{button.text}: {button.url}" for button in outgoing.buttons if button.url]
    return "\n".join([outgoing.text, *links])


def _phone(login: object) -> str:
    digits = text_of(login)
    try:
        return normalise(Channel.WHATSAPP, digits if digits.startswith("+") else f"+{digits}")
    except BadAddress:
        return ""
