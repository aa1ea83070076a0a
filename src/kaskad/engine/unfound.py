"""Receipts that say that an address does not exist: a service that finds nobody has gone wrong itself.

The same rule holds for answers at sending (`AccountLimits.knows_addresses`). A service that takes all
messages and tells later is judged by what it tells later: taking them says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from kaskad.domain.policy import HOUR
from kaskad.domain.terms import Kind
from kaskad.engine.limits import DEAD

REACHED = frozenset(
    kind.value
    for kind in (
        Kind.DELIVERED, Kind.OPENED, Kind.READ, Kind.ANSWERED, Kind.CLICKED, Kind.REPLIED, Kind.UNSUBSCRIBED,
        Kind.COMPLAINED, Kind.MACHINE_OPENED, Kind.MACHINE_ANSWERED, Kind.KEYPRESS,
    )
)  # fmt: skip
Row = tuple[int, int]  # how many, and when the last was told


class Unfound:
    """How many receipts in a row have found nobody, by account; the tick's thread only."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._before: dict[int, Row | None] = {}  # as they were before this tick

    @property
    def waits(self) -> bool:
        """Say whether a message that has reached somebody would end a row."""
        return bool(self._rows)

    def reached(self, account_ids: Iterable[int]) -> None:
        """Count messages that have reached somebody.

        What a tick hears is in no order, so of several each stands before a row of its own.
        """
        for account_id in account_ids:
            many, at = self._note(account_id)
            self._rows[account_id] = (0 if many > 0 else many - DEAD, at)

    def believes(self, account_id: int, now: int) -> bool:
        """Count an address that is said not to exist; return whether that is to be believed."""
        many, at = self._note(account_id)
        many = 1 if many > 0 and now - at > HOUR else many + 1  # so late, it begins a row of its own
        self._rows[account_id] = (many, now)
        return many <= DEAD

    def committed(self) -> None:
        """Let what this tick has counted stay."""
        for account_id in self._before:
            if self._rows[account_id][0] <= 0:
                del self._rows[account_id]
        self._before.clear()

    def forget(self) -> None:
        """Undo what a tick that was rolled back has counted."""
        for account_id, row in self._before.items():
            if row is None:
                self._rows.pop(account_id, None)
            else:
                self._rows[account_id] = row
        self._before.clear()

    def _note(self, account_id: int) -> Row:
        row = self._rows.get(account_id)
        if account_id not in self._before:
            self._before[account_id] = row
        return row or (0, 0)
