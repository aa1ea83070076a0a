"""Opt-in links: each lets one contact start a chat with us, and says who it is."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions.contacts import find
from kaskad.actions.office import Office
from kaskad.domain.consent import ANY
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import MessageClass
from kaskad.domain.worded import worded
from kaskad.engine.opt_in import TTL_MS, make_link
from kaskad.store.db import Transaction

DAY_MS = 86_400_000


class Wanted(Struct, frozen=True):
    """What a link is for. `consent` is what the person reads beside it and agrees to by opening it."""

    account: str
    topic: str = ""
    consent: str = ""
    purpose: MessageClass | None = None  # None: any
    confirm: bool = True  # ask who opens it for the last digits of the phone, where one is known
    days: int = TTL_MS // DAY_MS


class Link(Struct, frozen=True):
    url: str
    expires_at: int


def make(office: Office, who: str, wanted: Wanted) -> Link:
    """Make a link for a contact; raises NotFound for the contact, Invalid for the account."""
    account = office.engine.world.accounts.by_name.get(wanted.account)
    if account is None:
        told = worded(
            "There is no account %(account)r: `kaskad account list` shows them.", account=wanted.account
        )
        raise Invalid([told], ["/account"])
    now, ttl_ms = office.now(), wanted.days * DAY_MS
    purpose = ANY if wanted.purpose is None else wanted.purpose.code

    def change(tx: Transaction) -> str:
        return make_link(
            tx, account, find(tx, who), now, topic=wanted.topic, consent=wanted.consent, purpose=purpose,
            confirm=wanted.confirm, ttl_ms=ttl_ms,
        )  # fmt: skip

    url = office.write(change)
    return Link(f"{office.base_url}{url}" if url.startswith("/") else url, now + ttl_ms)
