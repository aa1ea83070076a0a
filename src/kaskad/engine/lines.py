"""Where those stand who are due while their account has no slots left for so many; `backlog` claims them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.run import Run
from kaskad.store import runs as run_store

ROUND_MS = 2_000


class Line(Struct):
    """Those who wait for one account in one lane."""

    channel: int
    places: set[int]
    head: int  # nobody of them has been due for longer


class Lines(dict[tuple[int, int], Line]):
    """The lines of all accounts, by account and lane."""

    def __init__(self) -> None:
        super().__init__()
        self.since = 0  # all timers before this are of those who stand in line, or under way
        self.round_at = 0  # when the next round begins
        self.seen = 0

    def accounts(self) -> set[int]:
        """Return the accounts that have more to do than slots."""
        return {account_id for account_id, _ in self}

    def rewind(self) -> None:
        """Begin a new round: what was claimed since the last one may be due still."""
        self.round_at = 0

    def begin_round(self, now: int) -> None:
        """Look at all timers again from the first on."""
        self.since, self.round_at = 0, now + ROUND_MS
        for line in self.values():
            line.head = 0

    def stand(self, account_id: int, lane: int, channel: int, runs: Sequence[Run]) -> None:
        """Let runs, oldest first, stand in line."""
        places = {run_store.place_of(run.version_id, run.phase, run.step) for run in runs}
        head = runs[0].wake_at or 0
        line = self.setdefault((account_id, lane), Line(channel, set(), head))
        line.places |= places
        line.head = min(line.head, head)
