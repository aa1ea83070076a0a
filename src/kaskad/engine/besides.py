"""What goes into the transactions of one request besides its changes: the mark of its `Idempotency-Key`.

Whoever carries the request out need not know of it; threads that outlive the request have none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from kaskad.store.db import Transaction

T = TypeVar("T")
Mark = Callable[[Transaction], None]

MARK: ContextVar[Mark | None] = ContextVar("mark", default=None)


def marked(change: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
    """Return the change with the mark of the request that makes it, in the same transaction."""
    mark = MARK.get()
    if mark is None:
        return change

    def both(tx: Transaction) -> T:
        mark(tx)
        return change(tx)

    return both
