"""Step 3 of the tick, too: who enters a cascade because of a date of their own.

Every hour all contacts are looked through, a piece a tick; the database picks out whose date may be near.
Runs are begun up to an hour before they are due, and wait for their time like all others. What was missed
while nothing ran is begun late, as late as the cascade allows. A date begins one run, however often seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import astuple

from kaskad.domain.dated import Dated, Due, due, wanted
from kaskad.domain.policy import HOUR
from kaskad.domain.span import approximate_ms
from kaskad.domain.version import Version
from kaskad.engine.enrol import Request
from kaskad.engine.world import World
from kaskad.store.db import Row, Transaction

PIECE = 5_000  # contacts of one tick: some milliseconds
PAUSE_MS = 20  # between two pieces, for whatever else there is to do
EVERY_MS = HOUR


def next_look_at(tx: Transaction, world: World) -> int | None:
    """Return when contacts' dates are looked at next; None where no cascade asks for them."""
    if not world.versions.dated:
        return None
    row = tx.one("next_date_look")
    return int(row[0]) if row else 0


def dated(tx: Transaction, world: World, now: int) -> list[Request]:
    """Look at the next piece of contacts where that is due; return the runs that their dates begin."""
    if not world.versions.dated or (next_look_at(tx, world) or 0) > now:
        return []
    if tx.one("next_date_look") is None:
        tx.run("add_date_look")
    row = tx.one("take_date_look", now=now)
    if row is None:  # another process has it
        return []
    began_at, after = row
    if not after:
        began_at = now
    (last,) = tx.one("piece_of_contacts", after=after, limit=PIECE) or (None,)
    if last is None:
        tx.run("put_date_look", began_at=began_at, after=0, next_at=max(began_at + EVERY_MS, now + PAUSE_MS))
        return []
    tx.run("put_date_look", began_at=began_at, after=last, next_at=now + PAUSE_MS)
    found: list[Request] = []
    for version, what in world.versions.dated:
        if not world.cascades.paused(version.cascade_id):
            found += _begun(tx, version, what, (after, last), now)
    return found


def _begun(tx: Transaction, version: Version, what: Dated, piece: tuple[int, int], now: int) -> list[Request]:
    lateness_ms = _lateness_ms(version)
    low = wanted(what, now, lateness_ms)
    start, *texts = astuple(low)
    rows = tx.all(
        "dated_contacts", name=what.attribute, after=piece[0], until=piece[1], start=start,
        low=texts[0], high=texts[1], low2=texts[2], high2=texts[3],
    )  # fmt: skip
    zone = version.policy.zone
    told = [(row[0], each) for row in rows if (each := _due(what, row, zone, now, lateness_ms)) is not None]
    known = _known(tx, version, [contact_id for contact_id, _ in told])
    return [
        Request(version, contact_id, each.at, each.key, {"date": each.on, "years": each.years})
        for contact_id, each in told
        if (contact_id, each.key) not in known
    ]


def _due(what: Dated, row: Row, brand_zone: str, now: int, lateness_ms: int) -> Due | None:
    zones = (row[1] or "").split()
    return due(what, row[2], zones[0] if zones else brand_zone, now, lateness_ms)


def _known(tx: Transaction, version: Version, ids: Sequence[int]) -> set[tuple[int, str]]:
    """Return of these contacts the dates that have begun a run of the cascade before."""
    rows: Iterable[Row] = ()
    if ids:
        rows = tx.among("trigger_keys", sorted(set(ids)), cascade_id=version.cascade_id)
    return {(row[0], row[1]) for row in rows}


def _lateness_ms(version: Version) -> int:
    own = version.cascade.max_lateness
    return version.policy.max_lateness_ms if own is None else approximate_ms(own)
