"""On what people have decided an answer about a cascade stands, so that none of before a change is given."""

from __future__ import annotations

from hashlib import sha256

from kaskad.actions.office import Office
from kaskad.store import cascades as store
from kaskad.store import rates

_MOST = 10_000  # lists and segments


def grounds(office: Office, slug: str) -> str:
    """Return a mark: another one once a draft was saved, a version activated, or the cascade paused; once
    lists, segments, accounts, policy, brand or rates were changed. There need be no such cascade yet.

    Who is in a list, and what has happened since, is not in it: that changes all the time.
    """
    with office.read() as tx:
        row = tx.one("cascade_by_slug", slug=slug)  # its id first
        draft = None if row is None else store.draft(tx, row[0])
        found = (
            row and row[:4], None if draft is None else draft.source, rates.told_mark(tx),
            *(tx.one("setting", name=name) for name in ("policy", "brand")),
            tx.all("list_names", after="", limit=_MOST), tx.all("segments", after="", limit=_MOST),
            tx.all("accounts"), tx.all("price_lists"),
        )  # fmt: skip
    return sha256(repr(found).encode()).hexdigest()
