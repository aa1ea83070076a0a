"""What machines are told by: lists of their addresses, and judging again what was opened and clicked."""

from __future__ import annotations

from datetime import date

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.worded import worded
from kaskad.engine.hits import Rejudged, judge_again
from kaskad.engine.ranges import KINDS, read_file, starters
from kaskad.store import sites
from kaskad.store.db import Transaction
from kaskad.store.runs import MessageKey
from kaskad.store.sites import RangeList

PIECE = 50  # messages judged between two ticks: some milliseconds
PIECES = 40  # of one request
START: MessageKey = (0, 0, 0)


class Reclassified(Struct, frozen=True):
    """What judging again found in one stretch; `next` is where the following one begins, None at the end."""

    told: Rejudged
    next: MessageKey | None


def ranges(office: Office) -> list[RangeList]:
    """Return the lists that count, those that come with Kaskad first."""
    with office.read() as tx:
        return [*starters(), *sites.range_names(tx)]


def bring(office: Office, name: str, kind: str, source: str, as_of: str, body: bytes) -> RangeList:
    """Keep a list of networks in place of the one of that name; raises Invalid with all its problems."""
    problems = (
        []
        if kind in KINDS
        else [worded("There is no kind %(kind)r: choose from %(known)s.", kind=kind, known=", ".join(KINDS))]
    )
    try:
        day = date.fromisoformat(as_of)
    except ValueError:
        problems.append(worded("%(as_of)r is no day: write it like 2026-11-26.", as_of=as_of))
    if not source.strip():
        problems.append(worded("Say where the list is from, such as the address it is published at."))
    if problems:
        raise Invalid(problems)
    networks = read_file(body)
    kept = RangeList(name, kind, source.strip(), day.isoformat(), len(networks), office.now(), networks)
    office.write(lambda tx: sites.put_ranges(tx, kept, office.now()))
    office.reload()
    return kept


def drop(office: Office, name: str) -> None:
    """Forget a list; raises NotFound, Invalid for one that comes with Kaskad."""
    if any(one.name == name for one in starters()):
        raise Invalid([worded("%(name)r comes with Kaskad and stays.", name=name)])
    if not office.write(lambda tx: sites.drop_ranges(tx, name)):
        raise NotFound(worded("There is no list %(name)r: `kaskad hits ranges list` shows them.", name=name))
    office.reload()


def reclassify(office: Office, *, since: int, after: MessageKey = START, dry_run: bool) -> Reclassified:
    """Judge a stretch of what was opened and clicked since `since` again, by what is known now.

    Where a server moves runs, it goes on meanwhile. What a person did after all upgrades their run, what a
    machine did is taken back; nothing is sent, and nothing that was sent is undone.
    """
    told = Rejudged()
    for _ in range(PIECES):
        with office.read() as tx:
            rows = tx.all(
                "judged_messages", contact_id=after[0], run_id=after[1], step=after[2], since=since,
                limit=PIECE,
            )  # fmt: skip
        keys: list[MessageKey] = [(row[0], row[1], row[2]) for row in rows]
        if keys:
            after = keys[-1]
            told.add(_judged(office, keys, dry_run))
        if len(keys) < PIECE:
            return Reclassified(told, None)
    return Reclassified(told, after)


def _judged(office: Office, keys: list[MessageKey], dry_run: bool) -> Rejudged:
    world = office.engine.world
    if dry_run:
        with office.read() as tx:
            return judge_again(tx, world, keys, change=False)[0]

    def change(tx: Transaction) -> Rejudged:
        told, arrivals = judge_again(tx, world, keys, change=True)
        if arrivals:
            now = office.now()
            rows = [(now, a.contact_id, a.run_id, a.step, a.kind, a.event, a.at, a.value) for a in arrivals]
            tx.many("put_inbox", rows)
        return told

    return office.write(change)
