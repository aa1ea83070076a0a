"""Runs that are being moved to another version in the background, as one process knows them."""

from __future__ import annotations

import threading

from msgspec import Struct, field

from kaskad.actions.questions import RUNNING
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.worded import worded

_KEPT = 50


class Migration(Struct):
    """One move of a cascade's runs: `seen` of about `total` were looked at."""

    id: str
    cascade: str
    version: int
    total: int
    state: str = RUNNING
    seen: int = 0
    moved: int = 0
    places: dict[str, int] = field(default_factory=dict)  # "letter -> chat" -> how many runs
    stay: dict[str, int] = field(default_factory=dict)  # why -> how many runs
    problem: str = ""
    is_stopping: bool = False


class Migrations:
    """Those of one process, the last ones; any thread may use it."""

    def __init__(self) -> None:
        self._kept: dict[str, Migration] = {}
        self._lock = threading.Lock()

    def put(self, made: Migration) -> None:
        """Take one in; raises Conflict where another moves runs of that cascade."""
        with self._lock:
            other = self.latest(made.cascade)
            if other is not None and other.state == RUNNING:
                raise Conflict(
                    worded(
                        "%(id)s moves the runs of %(slug)r already: wait, or stop it.",
                        id=other.id, slug=made.cascade,
                    )
                )  # fmt: skip
            ended = [each.id for each in self._kept.values() if each.state != RUNNING]
            for one in ended[: max(0, len(self._kept) - _KEPT)]:
                del self._kept[one]
            self._kept[made.id] = made

    def show(self, slug: str, migration_id: str) -> Migration:
        """Return how one stands; raises NotFound."""
        found = self._kept.get(migration_id)
        if found is None or found.cascade != slug:
            raise NotFound(
                worded(
                    "There is no migration %(id)r: it is too old, or the server has started anew. Begun "
                    "again, it goes on with those who are left.",
                    id=migration_id[:40],
                )
            )
        return found

    def latest(self, slug: str) -> Migration | None:
        """Return the one of a cascade that was begun last, None where there is none."""
        return next((each for each in reversed(list(self._kept.values())) if each.cascade == slug), None)
