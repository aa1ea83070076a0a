"""What was seen outside the engine, in the order in which it happened: the only source of the checker.

Kept as four bytes an entry, since a million contacts make six million entries while memory is measured.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator
from enum import IntEnum
from threading import Lock

from msgspec import Struct

STEPS = 4


class What(IntEnum):
    SENT = 1  # the engine handed it over
    ACCEPTED = 2
    FAILED = 3  # refused at once: nothing was sent
    REACTED = 4  # intake has said that it keeps the reaction
    RETURNED = 5  # nothing was sent, or the key makes sending again safe: it is due again


class Entry(Struct, frozen=True):
    """One thing that happened, to many messages at once."""

    at: int
    what: What
    keys: array[int]  # see `key_of`
    order: int  # nanoseconds since the machine was started: several journals are one in this order

    def messages(self) -> Iterator[tuple[int, int]]:
        """Return (contact, step) of each message."""
        for key in self.keys:
            yield divmod(key, STEPS)


class Journal:
    """Append-only; may be written by any thread, whose order then is the order of what happened."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.entries: list[Entry] = []
        self.counts = dict.fromkeys(What, 0)

    def note(self, at: int, what: What, keys: Iterable[int], order: int | None = None) -> None:
        """Append one entry of messages, each as `key_of` (contact, step).

        `order`, where what happened is known to have been settled before now.
        """
        packed = array("I", keys)
        if packed:
            with self._lock:
                self.entries.append(Entry(at, what, packed, time.monotonic_ns() if order is None else order))
                self.counts[what] += len(packed)

    def size(self) -> int:
        """Return the bytes that it takes."""
        return sum(entry.keys.buffer_info()[1] * entry.keys.itemsize + 200 for entry in self.entries)


def key_of(contact_id: int, step: int) -> int:
    """Return a message's number in the journal."""
    return contact_id * STEPS + step
