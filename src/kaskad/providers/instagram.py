"""Instagram Messaging: https://developers.facebook.com/documentation/business-messaging/instagram-messaging

As Messenger, with another window's words, reading told of a message instead of an instant, and no delivery.
The account is reached through its Facebook page, or, without a page, by Instagram's own login.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote

from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import facebook_messenger, meta, meta_chat
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    Outgoing,
    Provider,
    Request,
    Response,
    Setting,
    Told,
)

MAX_BYTES = 1000  # of a text
INSTAGRAM_URL = "https://graph.instagram.com"

ERRORS: dict[int, Reason] = {**facebook_messenger.ERRORS}
SUBCODES: dict[int, Reason] = {
    **facebook_messenger.SUBCODES,
    2534014: Reason.INVALID_ADDRESS,  # no such person
    2534022: Reason.WINDOW,  # the person has not written for 24 hours
}


class Instagram(Provider):
    """A direct message of a professional account on Instagram."""

    name = "instagram"
    title = "Instagram"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.INSTAGRAM})
    settings = (
        Setting("access_token", secret=True, help="Of the page, or, by Instagram's login, of the account"),
        Setting("instagram_id", help="Of the professional account, digits: webhooks name it"),
        Setting(
            "page_id", required=False, help="Of its Facebook page; empty: the token is of Instagram's login"
        ),
        Setting("username", required=False, help="Without @; opt-in links need it"),
        meta.APP_SECRET,
        meta.VERIFY_TOKEN,
        meta.GRAPH_VERSION,
        Setting("base_url", required=False, help=f"{meta.BASE_URL}; without a page {INSTAGRAM_URL}"),
    )
    connect = (
        "Add Instagram messaging to an app at https://developers.facebook.com/apps. Through a Facebook page: "
        "the page's token with instagram_manage_messages and pages_manage_metadata, and `page_id`. By "
        "Instagram's own login: its token with instagram_business_manage_messages.",
        "Under Webhooks give the address `https://…/hooks/<account>` and the text of `verify_token`, and "
        "subscribe to messages, messaging_postbacks, messaging_seen, message_reactions, messaging_referral.",
        "People write first. Opt-in links are told of only where the account has an ice breaker set.",
    )
    capabilities = Capabilities(
        receipts=frozenset({Kind.READ, Kind.CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.READ, Reaction.CLICKED, Reaction.REPLIED}),
        buttons=meta_chat.MAX_QUICK_REPLIES,
        media=True,
        max_text=MAX_BYTES,
        window_ms=meta.DAY_MS,
        concurrency=16,
        per_second=100.0,
        burst=100,
    )
    unverified: ClassVar[tuple[str, ...]] = (
        "The body of a report of reading.",
        f"A text of up to {MAX_BYTES} bytes; 100 messages a second.",
        "Sending by Instagram's own login, at graph.instagram.com.",
        "Opt-in links by ig.me, as others describe them.",
    )

    def check(self, account: Account) -> list[str]:
        return [
            f"`{name}` is a number that Meta gives, {account[name]!r} is none."
            for name in ("instagram_id", "page_id")
            if account[name] and not account[name].isdecimal()
        ]

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        size = len(outgoing.text.encode())
        if size > MAX_BYTES:
            told = (
                f"the text has {size} bytes, Instagram takes {MAX_BYTES}: about half as many Cyrillic letters"
            )
            raise SendError(Reason.CONTENT, told)
        fields = {"recipient": {"id": outgoing.to}, "message": meta_chat.message(outgoing, self.title)}
        sender, base = account["page_id"], meta.BASE_URL
        if not sender:
            sender, base = account["instagram_id"], INSTAGRAM_URL
        return Request.of_json(meta.url(account, sender, "messages", base=base), fields, meta.bearer(account))

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            raise meta.refusal(response, ERRORS, SUBCODES)
        return meta_chat.taken(response)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        meta.verify(hook, account)

    def read_webhook(self, hook: Request, account: Account) -> Sequence[Told]:
        return meta_chat.read(hook.body, "instagram", account["instagram_id"], Channel.INSTAGRAM)

    def answer_look(self, hook: Request, account: Account) -> tuple[str, bytes]:
        return meta.challenge(hook, account)

    def opt_in_link(self, account: Account, token: str) -> str:
        name = account["username"].removeprefix("@")
        if not name:
            told = f"Account {account.name!r} does not say its name: give `username`, without @."
            raise Invalid([told])
        return f"https://ig.me/m/{quote(name)}?ref={token}"
