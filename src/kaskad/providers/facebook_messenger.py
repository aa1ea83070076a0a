"""Messenger Platform: https://developers.facebook.com/documentation/business-messaging/messenger-platform

A page answers people who have written to it, within 24 hours; message tags for anything later are gone since
April 2026. What was delivered and read is told by a watermark: everything until an instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import meta, meta_chat
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

MAX_TEXT = 2000
FIELDS = "messages,messaging_postbacks,message_deliveries,message_reads,message_reactions,messaging_referrals"

# https://developers.facebook.com/documentation/business-messaging/messenger-platform/error-codes
ERRORS: dict[int, Reason] = {
    **meta.GENERAL,
    32: Reason.RATE_LIMITED,  # of the page
    230: Reason.AUTH,
    551: Reason.INVALID_ADDRESS,  # the person has blocked the page, or is gone
    613: Reason.RATE_LIMITED,
    1200: Reason.TRANSIENT,
    80006: Reason.RATE_LIMITED,
}
SUBCODES: dict[int, Reason] = {
    33: Reason.AUTH,  # no such page, or not for this token
    1545041: Reason.INVALID_ADDRESS,
    1893063: Reason.AUTH,  # the page may send nothing for some time
    2018001: Reason.INVALID_ADDRESS,  # no such person, or of another page
    2018012: Reason.TRANSIENT,
    2018047: Reason.CONTENT,  # the file could not be fetched
    2018065: Reason.WINDOW,
    2018109: Reason.CONTENT,  # the file is too large
    2018278: Reason.WINDOW,  # the person has not written for 24 hours
}


class FacebookMessenger(Provider):
    """A message of a Facebook page in Messenger."""

    name = "facebook_messenger"
    title = "Messenger"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.FACEBOOK_MESSENGER})
    settings = (
        Setting("access_token", secret=True, help="Of the page, with pages_messaging"),
        Setting("page_id", help="Of the page, digits"),
        Setting("page", required=False, help="The page's name in m.me links; its id does as well"),
        meta.APP_SECRET,
        meta.VERIFY_TOKEN,
        meta.GRAPH_VERSION,
        Setting("base_url", required=False, default=meta.BASE_URL),
    )
    connect = (
        "Add the product Messenger to an app at https://developers.facebook.com/apps. Its token of the page, "
        "with pages_messaging and pages_manage_metadata, is `access_token`.",
        "Under Webhooks give the address `https://…/hooks/<account>` and the text of `verify_token`; the "
        "app's secret is `app_secret`. Kaskad subscribes the page itself, and sets its button Get started.",
        "People write first: make opt-in links, `POST /api/v1/contacts/{contact}/opt-in-links`.",
    )
    judges = ("fbmessenger",)
    capabilities = Capabilities(
        receipts=frozenset({Kind.DELIVERED, Kind.READ, Kind.CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.READ, Reaction.CLICKED, Reaction.REPLIED}),
        buttons=meta_chat.MAX_QUICK_REPLIES,
        media=True,
        max_text=MAX_TEXT,
        window_ms=meta.DAY_MS,
        concurrency=16,
        per_second=40.0,
        burst=40,
    )
    unverified: ClassVar[tuple[str, ...]] = (
        "Most error codes' meaning, as others list them.",
        "Utility messages by approved texts, which replace what was sent with tags, are not sent.",
        "40 messages a second.",
    )

    def check(self, account: Account) -> list[str]:
        page = account["page_id"]
        return [] if page.isdecimal() else [f"`page_id` is a number that Meta gives, {page!r} is none."]

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if len(outgoing.text) > MAX_TEXT:
            told = f"the text has {len(outgoing.text)} characters, Messenger takes {MAX_TEXT}"
            raise SendError(Reason.CONTENT, told)
        message = meta_chat.message(outgoing, self.title)
        if outgoing.reference:
            message["metadata"] = outgoing.reference
        fields = {
            "recipient": {"id": outgoing.to},
            # of our own accord within the 24 hours, or the answer to a start
            "messaging_type": "UPDATE" if outgoing.reference else "RESPONSE",
            "message": message,
        }
        return Request.of_json(
            meta.url(account, account["page_id"], "messages"), fields, meta.bearer(account)
        )

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            raise meta.refusal(response, ERRORS, SUBCODES)
        return meta_chat.taken(response)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        meta.verify(hook, account)

    def read_webhook(self, hook: Request, account: Account) -> Sequence[Told]:
        return meta_chat.read(hook.body, "page", account["page_id"], Channel.FACEBOOK_MESSENGER)

    def answer_look(self, hook: Request, account: Account) -> tuple[str, bytes]:
        return meta.challenge(hook, account)

    def setup_requests(self, account: Account, webhook_url: str) -> list[Request]:
        # https://developers.facebook.com/docs/graph-api/reference/page/subscribed_apps and, without whose
        # button no link with `ref` is told, https://developers.facebook.com/docs/messenger-platform/reference/messenger-profile-api/
        headers = meta.bearer(account)
        page = account["page_id"]
        return [
            Request.of_json(
                meta.url(account, page, "subscribed_apps"), {"subscribed_fields": FIELDS}, headers
            ),
            Request.of_json(
                meta.url(account, page, "messenger_profile"),
                {"get_started": {"payload": meta_chat.START}},
                headers,
            ),
        ]

    def read_setup(self, response: Response) -> None:
        if not response.ok:
            raise meta.refusal(response, ERRORS, SUBCODES)

    def opt_in_link(self, account: Account, token: str) -> str:
        # https://developers.facebook.com/docs/messenger-platform/discovery/m-me-links
        return f"https://m.me/{quote(account['page'] or account['page_id'])}?ref={token}"
