"""What an installation is doing: its engine and what has left it lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain.terms import Channel

HOUR_MS = 3_600_000


class Status(Struct, frozen=True):
    """The engine as of `as_of`; `problem` is why it does not work.

    `sent` is what left in the last hour, by channel; `by_account` the same by the account's number.
    """

    as_of: int
    problem: str | None
    sent: Mapping[str, int]
    by_account: Mapping[int, int] = {}


def status(office: Office) -> Status:
    """Return how the engine is, and what was sent in the last hour of the installation's time."""
    now = office.now()
    with office.read() as tx:
        rows = tx.all("sent_since", since=now - HOUR_MS)
    sent: Counter[str] = Counter()
    by_account: Counter[int] = Counter()
    for channel, account_id, count in rows:
        sent[Channel.of(channel).value] += count
        by_account[account_id] += count
    return Status(now, office.engine.problem(), sent, by_account)


def has_people(office: Office) -> bool:
    """Say whether anybody is in the base."""
    with office.read() as tx:
        row = tx.one("last_contact")
    return bool(row and row[0])


def has_runs(office: Office) -> bool:
    """Say whether anybody has ever entered a cascade."""
    with office.read() as tx:
        return tx.one("any_run") is not None
