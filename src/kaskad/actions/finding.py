"""Contacts found by several things at once: how they are called, what they are in and are reached by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic

from msgspec import Struct

from kaskad.actions import contacts, scores
from kaskad.actions.office import Office
from kaskad.domain.condition import Condition
from kaskad.domain.condition_written import quoted
from kaskad.domain.errors import NotFound
from kaskad.domain.segment import read
from kaskad.domain.worded import worded
from kaskad.store import cards, segments
from kaskad.store import cascades as launched
from kaskad.store.cards import Card
from kaskad.store.db import Transaction

PATIENCE_S = 0.06  # of looking for more: a page that was not filled by then says where to go on
_FIRST, _MOST = 60, 480  # contacts judged at once


class Wanted(Struct, frozen=True):
    """Who is meant; what is empty asks nothing. `channel` is one on which they can be reached, `consent` one
    by which they may be sent advertising as far as consents go, `refused` one by which they may not."""

    said: str = ""
    segment: str = ""
    list_name: str = ""
    channel: str = ""
    consent: str = ""
    refused: str = ""
    country: str = ""

    @property
    def asks(self) -> str:
        """Return what is asked beside the words, as a condition; "" for nothing."""
        parts = [
            self.segment and f"segment({quoted(self.segment)})",
            self.said and self.list_name and f"in_list({quoted(self.list_name)})",
            self.channel and f"reachable({quoted(self.channel)})",
            self.consent and f'consent("advertising", {quoted(self.consent)})',
            self.refused and f'not consent("advertising", {quoted(self.refused)})',
        ]
        return " and ".join(part for part in parts if part)


class Found(Struct, frozen=True):
    """A page of contacts; `next` is the id after which the next one begins, None at the end."""

    page: contacts.Page
    next: int | None


def find(office: Office, wanted: Wanted, *, after: int, limit: int, patience_s: float = PATIENCE_S) -> Found:
    """Return who is meant, in the order of their ids; a page may have fewer than `limit` though more follow.

    Raises NotFound for a segment or list that is not there, Invalid.
    """
    condition = read(wanted.asks) if wanted.asks else None
    if condition is not None:
        scores.ready(office, [condition.tree])
    until_s, found, last, more = monotonic() + patience_s, list[Card](), after, False
    with office.read() as tx:
        for some in _candidates(tx, wanted, after, _FIRST if condition else limit + 1):
            met = _met(tx, condition, some, office.now())
            found += [each for each in some if each.id in met and wanted.country in ("", each.country)]
            last, more = some[-1].id, len(found) > limit
            if more or (condition is not None and monotonic() > until_s):
                break
        else:
            return Found(contacts.with_addresses(tx, found[:limit]), None)
        shown = found[:limit]
        return Found(contacts.with_addresses(tx, shown), shown[-1].id if more else last)


def _candidates(tx: Transaction, wanted: Wanted, after: int, size: int) -> Iterator[Sequence[Card]]:
    """Yield those who may be meant, some at a time, more from time to time."""
    if wanted.segment and segments.find(tx, wanted.segment) is None:
        raise NotFound(
            worded(
                "There is no segment %(segment)r: `kaskad segment list` shows them.", segment=wanted.segment
            )
        )
    list_id = launched.list_id(tx, wanted.list_name) if wanted.list_name else None
    while True:
        if list_id is not None and not wanted.said:
            some = cards.members(tx, list_id, after=after, limit=size)
        else:
            some = cards.page(tx, said=wanted.said, country=wanted.country, after=after, limit=size)
        if some:
            yield some
        if len(some) < size:
            return
        after, size = some[-1].id, min(2 * size, _MOST)


def _met(tx: Transaction, condition: Condition | None, some: Sequence[Card], now: int) -> set[int]:
    ids = [each.id for each in some]
    return set(ids if condition is None else segments.judged(tx, condition, ids, now))
