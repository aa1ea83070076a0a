"""Texts that nobody has checked yet are made in processes of their own, with a limit of memory and of time.

A draft may ask for gigabytes or never end. A process that does is killed, and the next look gets a new one;
one that does not stays for the next look, and ends when nobody has asked it for a while.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any, TypeVar

from msgspec import Struct

from kaskad.domain.errors import Invalid, Unavailable
from kaskad.domain.worded import worded, wording

T = TypeVar("T")

PROCESSES = 2
TIME_S = 10.0  # of one look, the start of its process left out
START_S = 60.0  # a busy machine takes its time
MEMORY = 256 * 1024 * 1024  # bytes beyond what an idle process has
IDLE_S = 120.0
TOO_LONG = worded(
    "The text takes over %(time_s)s seconds to be made: look for loops in loops.", time_s=f"{TIME_S:.0f}"
)
TOO_LARGE = worded(
    "The text takes over %(memory)s MB to be made: look for loops that make it grow.", memory=MEMORY >> 20
)


class _Worker(Struct):
    process: BaseProcess
    line: Connection

    def has_left(self) -> bool:
        """Return whether it has ended of its own will: nobody had asked it for a while."""
        self.process.join(1.0)
        return self.process.exitcode == 0

    def end(self) -> None:
        self.line.close()
        self.process.kill()
        self.process.join()


class _Gone(Invalid):
    """The process was leaving when it was asked."""


class Renderers:
    """Up to PROCESSES processes, started when they are first needed; any thread may ask."""

    def __init__(self) -> None:
        self._free = BoundedSemaphore(PROCESSES)
        self._lock = Lock()
        self._idle: list[_Worker] = []

    def call(self, function: Callable[..., T], *args: object, time_s: float = TIME_S) -> T:
        """Return what a function of some module returns; raises Invalid (its own too) and Unavailable."""
        if not self._free.acquire(timeout=2 * TIME_S):
            raise Unavailable(worded("Too many previews are being made: try again in a moment."))
        try:
            worker = self._taken()
            try:
                return self._ask(worker, function, args, time_s)
            except _Gone:
                return self._ask(_started(), function, args, time_s)
        finally:
            self._free.release()

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def _taken(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.is_alive() and not worker.line.poll():
                    return worker
                worker.end()
        return _started()

    def _ask(self, worker: _Worker, function: Callable[..., T], args: object, time_s: float) -> T:
        try:
            worker.line.send((function, args))
            if not worker.line.poll(time_s):
                worker.end()
                raise Invalid([TOO_LONG])
            problems, result = worker.line.recv()
        except (EOFError, OSError):  # the kernel has killed it, or it has not found the memory to say so
            left = worker.has_left()
            worker.end()
            if left:
                raise _Gone([TOO_LARGE]) from None
            raise Invalid([TOO_LARGE]) from None
        with self._lock:
            self._idle.append(worker)
        if problems:
            raise Invalid(problems)
        made: T = result
        return made


def _started() -> _Worker:
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_work, args=(there,), name="preview", daemon=True)
    process.start()
    there.close()
    worker = _Worker(process, here)
    try:
        ready = here.poll(START_S) and here.recv()
    except (EOFError, OSError):
        ready = False
    if not ready:
        worker.end()
        raise Unavailable(worded("No process for previews can be started: try again in a moment."))
    return worker


def _work(line: Connection) -> None:
    """Answer calls until nobody asks any more, or the process that asks has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)
    import kaskad.actions.frames  # noqa: F401  its memory is not the text's

    _limit()
    with suppress(EOFError, OSError):
        line.send(True)
        while line.poll(IDLE_S):
            function, args = line.recv()
            line.send(_answer(function, args))


def _answer(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[list[str], Any]:
    try:
        return [], function(*args)
    except Invalid as invalid:
        return list(invalid.problems), None
    except MemoryError:
        return [TOO_LARGE], None
    except RecursionError:
        return [worded("The text is nested too deeply.")], None
    except Exception as error:
        return [
            worded(
                "The text cannot be made: %(name)s: %(error)s",
                name=type(error).__name__,
                error=wording(error),
            )[:500]
        ], None


def _limit() -> None:
    """Allow MEMORY more than there is now, where the system can be asked to keep to that."""
    statm = Path("/proc/self/statm")
    if sys.platform == "win32" or not statm.exists():
        return
    import resource

    most = int(statm.read_text().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
