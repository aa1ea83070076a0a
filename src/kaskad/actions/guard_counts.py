"""What guardrails count: what befell how many messages, of today and of thirty days."""

from __future__ import annotations

from kaskad.actions.office import Office
from kaskad.analytics.courses import part_of_text
from kaskad.domain.course import Leg
from kaskad.domain.guard import OF_ACCOUNTS
from kaskad.domain.guarded import Count, counted
from kaskad.store import cascades, guards
from kaskad.store.db import Transaction
from kaskad.store.guards import Stream

Counts = dict[tuple[Stream, int], Count]  # by stream and first hour of the window


def counts_of(tx: Transaction, now: int, cascade_id: int = 0) -> Counts:
    """Return what befell the messages of runs that entered today, and within the longer window; of the one
    before too, while it is watched still."""
    day, days = guards.windows(now)
    first = guards.first_watched(now)
    found: Counts = {}
    for version_id, hour, text, runs in guards.counts(tx, first, cascade_id):
        windows = {since for since in (day, days) if hour >= since} or {first}
        leg = part_of_text(text)
        if not isinstance(leg, Leg):
            continue
        for figure, bad in counted(leg).items():
            streams = [Stream(version_id, 0, leg.step, figure)]
            if leg.account_id and figure in OF_ACCOUNTS:
                streams.append(Stream(0, leg.account_id, -1, figure))
            for stream in streams:
                for since in windows:
                    count = found.setdefault((stream, since), Count())
                    count.of += runs
                    count.bad += runs * bad
    return found


def less_bases(tx: Transaction, counts: Counts, now: int) -> None:
    """Leave out of `counts` what had been counted when somebody looked."""
    for key, base in guards.bases(tx, guards.first_watched(now)).items():
        if key in counts:
            counts[key] = counts[key].less(base)


def forgive(office: Office, *, cascade_id: int = 0, account_id: int = 0, by: str = "") -> int:
    """Let what was stopped be watched anew, from what has been counted until now: a person has looked.

    Return how many stops that concerns; where there are none, nothing is changed.
    """
    now = office.now()
    with office.read() as tx:
        versions = {row.id for row in cascades.versions_of(tx, cascade_id)} if cascade_id else set()
        if not any(
            stop.stream.version_id in versions or (account_id and stop.stream.account_id == account_id)
            for stop in guards.stops(tx)
        ):
            return 0
        counts = {
            key: count
            for key, count in counts_of(tx, now, cascade_id).items()
            if key[0].version_id in versions or (account_id and key[0].account_id == account_id)
        }

    def change(tx: Transaction) -> int:
        guards.put_bases(tx, counts)
        return guards.look(tx, now, by, cascade_id=cascade_id, account_id=account_id)

    return office.write(change)
