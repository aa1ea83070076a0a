"""Changes that need no turn between two ticks, where several may write to a database at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import TypeVar

from kaskad.domain.errors import Locked, Unavailable
from kaskad.store.db import Database, Transaction

T = TypeVar("T")

_REPEATS = 20  # of a change that another transaction was in the way of


class Aside:
    """Makes changes one after the other, in a thread of its own; none that is begun is lost by `close`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._thread = ThreadPoolExecutor(1, "aside")  # none before the first change
        self._closing = False

    def write(self, change: Callable[[Transaction], T]) -> Future[T]:
        """Run `change` in a transaction that a loss of power may take back; the future ends with it."""
        try:
            return self._thread.submit(self._run, change)
        except RuntimeError:  # closed meanwhile
            future: Future[T] = Future()
            future.set_exception(_stopping())
            return future

    def close(self) -> None:
        """Wait for the change under way; refuse all others."""
        self._closing = True
        self._thread.shutdown()

    def _run(self, change: Callable[[Transaction], T]) -> T:
        for tries in count(1):
            if self._closing:
                raise _stopping()
            try:
                with self._db.write(synced=False) as tx:
                    return change(tx)
            except Locked:
                if tries >= _REPEATS:
                    raise
        raise AssertionError


def _stopping() -> Unavailable:
    return Unavailable("The server is stopping; try again.")
