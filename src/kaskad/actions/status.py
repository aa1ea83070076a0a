"""What an installation is doing: its engine and what has left it lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.analytics.courses import carried, left_between
from kaskad.domain.figures import LEFT
from kaskad.domain.terms import Channel

HOUR_MS = 3_600_000


class Status(Struct, frozen=True):
    """The engine as of `as_of`; `problem` is why it does not work.

    `sent` is what left in this hour of the clock and the last, by channel; `by_account` the same by the
    account's number. By `carriers` something has left, whenever.
    """

    as_of: int
    problem: str | None
    sent: Mapping[str, int]
    by_account: Mapping[int, int] = {}
    carriers: frozenset[int] = frozenset()


def status(office: Office) -> Status:
    """Return how the engine is, and what was sent in this hour of its clock and the last."""
    now = office.now()
    with office.read() as tx:
        left = left_between(tx, now // HOUR_MS - 1, now // HOUR_MS + 1, by=1)
        carriers = carried(tx)
    sent: Counter[str] = Counter()
    by_account: Counter[int] = Counter()
    for (_, _, leg), count in sorted(left.items(), key=lambda one: one[0][2].channel):
        if leg.state in LEFT and count:
            sent[Channel.of(leg.channel).value] += count
            by_account[leg.account_id or 0] += count
    return Status(now, office.engine.problem(), sent, by_account, carriers | by_account.keys())


def has_people(office: Office) -> bool:
    """Say whether anybody is in the base."""
    with office.read() as tx:
        row = tx.one("last_contact")
    return bool(row and row[0])


def has_runs(office: Office) -> bool:
    """Say whether anybody has ever entered a cascade."""
    with office.read() as tx:
        return tx.one("any_run") is not None
