"""Figures that take long to count are counted rarely, however many people look at them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from msgspec import Struct

from kaskad.web.soon import BeingCounted, Busy, Soon

T = TypeVar("T")
Asked = Callable[[], T]  # gives what was begun; raises BeingCounted where it is not there soon
PATIENCE = 10  # times as long as it took to count: a tenth of one core at most
LEAST_S = 1.0
MOST = 1_000
STALE_S = 600.0  # so old a value may be that is shown while a new one is being made


class _Kept(Struct, Generic[T], frozen=True):
    value: T
    until: float


class Remembered(Generic[T]):
    """Values by name, each made again when it is older than ten times what making it took.

    While one caller makes a value, others get the one before; only where there is none yet they wait.
    """

    def __init__(self, soon: Soon | None = None) -> None:
        self._soon = soon or Soon()
        self._kept: dict[str, _Kept[T]] = {}
        self._making: dict[str, threading.Lock] = {}

    def get(self, name: str, make: Callable[[], T]) -> T:
        """Return the value of that name, by `make` where there is none that is fresh enough."""
        making = self._making.setdefault(name, threading.Lock())
        kept = self._kept.get(name)
        if kept is not None and (time.monotonic() < kept.until or making.locked()):
            return kept.value
        with making:
            kept, began = self._kept.get(name), time.monotonic()
            if kept is not None and began < kept.until:
                return kept.value
            value = make()
            now = time.monotonic()
            if len(self._kept) >= MOST:
                self._kept.clear()
            if self._making.get(name) is making:  # else it was forgotten meanwhile
                self._kept[name] = _Kept(value, now + max(LEAST_S, PATIENCE * (now - began)))
            return value

    def soon(self, name: str, make: Callable[[], T]) -> T:
        """Return the value of that name without waiting for long.

        Raises BeingCounted, Busy where there is none that is fresh enough, nor an old one for the time being.
        """
        kept = self._fresh(name)
        if kept is not None:
            return kept.value
        try:
            return self._soon.get((id(self), name), lambda: self.get(name, make))
        except (BeingCounted, Busy):
            kept = self._kept.get(name)
            if kept is None or time.monotonic() > kept.until + STALE_S:
                raise
            return kept.value

    def begin(self, name: str, make: Callable[[], T]) -> Asked[T]:
        """Return what gives the value, as `soon` does; begin it, so that several are waited for together."""
        if self._fresh(name) is None:
            with suppress(Busy):  # who asks for it is told so, unless there is an old one
                self._soon.begin((id(self), name), lambda: self.get(name, make))
        return lambda: self.soon(name, make)

    def _fresh(self, name: str) -> _Kept[T] | None:
        kept = self._kept.get(name)
        if kept is None or time.monotonic() < kept.until:
            return kept
        self._soon.forget_counted((id(self), name))  # that value, which nobody may have asked for there
        return None

    def forget(self, name: str) -> None:
        """Make again, when asked for next, the value and those whose names begin by this one and a NUL."""
        begun = [each for each in list(self._making) if each.startswith(f"{name}\0")]
        for each in (name, *begun):
            self._making.pop(each, None)
            self._kept.pop(each, None)
            self._soon.forget((id(self), each))
