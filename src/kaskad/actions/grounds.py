"""On what people have decided an answer about a cascade stands, so that none of before a change is given."""

from __future__ import annotations

from hashlib import sha256

from kaskad.actions.audience import Audience
from kaskad.actions.cascade_texts import source_of
from kaskad.actions.crowds import audience_of, drawn
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid, NotFound
from kaskad.store import cascades as store
from kaskad.store import rates

_MOST = 10_000  # lists and segments


def grounds(office: Office, slug: str) -> str:
    """Return a mark: another one once a draft was saved, a version activated, or the cascade paused; once
    lists, segments, accounts, policy, brand or rates were changed. There need be no such cascade yet.

    Who is in a list (`on_list` tells that), and what has happened since, is not in it: that changes all the
    time.
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


def on_list(office: Office, slug: str, whom: Audience | None, text: str = "") -> str:
    """Return a mark: another one once somebody was put on the list that an audience is, or taken off it.

    Without an audience it is that of the trigger, by `text`, else by the draft or what runs. "": no list.
    """
    try:
        if whom is None:
            with office.read() as tx:
                text = text or source_of(tx, slug)[0]
            whom = audience_of(office, drawn(slug, text))
    except (NotFound, Invalid):  # told by what is asked for
        return ""
    if whom is None or not whom.list:
        return ""
    with office.read() as tx:
        return repr(tx.one("list_mark", name=whom.list))
