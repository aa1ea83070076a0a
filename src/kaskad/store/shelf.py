"""What was made of blocks of `run_columns`, kept in memory as long as the blocks are what they were.

Each database has a shelf. A block that is made anew has another generation, which is drawn by lot, so what is
found here by block and generation is what would be read, whatever was brought back meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar, cast

from msgspec import Struct


class Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=Sized)
Read = Callable[[Sequence[int]], Iterable[tuple[int, T]]]  # what blocks come to; some to nothing

MOST = 96 * 2**20  # bytes: of a million people and runs all that figures ask for takes some 65 million
MANY = 40_000  # under one name

Blocks = dict[int, tuple[Hashable, Sized | None]]  # by block its generation, and what it comes to


class _Kept(Struct, frozen=True):
    blocks: Blocks
    nbytes: int


def _size(blocks: Blocks) -> int:
    return sum(each.nbytes for _, each in blocks.values() if each is not None)


class Shelf:
    """Keeps at most so many bytes; what was asked for longest ago goes first."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: dict[Hashable, _Kept] = {}  # in the order in which they were asked for

    def take(self, name: Hashable, made: Mapping[int, Hashable], read: Read[T]) -> dict[int, T]:
        """Return under a name what each of some blocks comes to: `made` has their generations, as a
        transaction sees them. What is not kept is read; blocks that come to nothing are left out.

        Contacts may stand for blocks: of very many the others go, under this name.
        """
        with self._lock:
            kept = self._kept.get(name, _Kept({}, 0))
        known = kept.blocks
        missing = [block for block, own in made.items() if block not in known or known[block][0] != own]
        if missing:
            anew = dict(read(missing))
            if len(known) + len(missing) > MANY:
                known = {block: known[block] for block in made if block in known}
            known = known | {block: (made[block], anew.get(block)) for block in missing}
            kept = _Kept(known, _size(known))
        self._put(name, kept)
        found = ((block, known[block][1]) for block in made)
        return {block: cast(T, each) for block, each in found if each is not None}

    def drop_gone(self, word: str, made: Mapping[int, Hashable]) -> None:
        """Keep under names that begin with a word only what is of these generations."""
        with self._lock:
            for name, kept in self._kept.items():
                if isinstance(name, tuple) and name[0] == word:
                    stays = {block: own for block, own in kept.blocks.items() if made.get(block) == own[0]}
                    self._kept[name] = _Kept(stays, _size(stays))

    def _put(self, name: Hashable, kept: _Kept) -> None:
        with self._lock:
            self._kept.pop(name, None)
            self._kept[name] = kept
            while sum(each.nbytes for each in self._kept.values()) > self._most:
                del self._kept[next(iter(self._kept))]
