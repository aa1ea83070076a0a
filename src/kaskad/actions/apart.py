"""Simulations in processes of their own: they reckon for seconds, and the server has other things to do.

Each gets a process that gives way to all others, tells how far it is, and is ended when it takes too long.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import BoundedSemaphore
from time import monotonic

from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.worded import worded
from kaskad.planning.scene import Scene, Staged, staged

AT_ONCE = 2
LIMIT_S = 55.0  # less than what waits for an answer does
_places = BoundedSemaphore(AT_ONCE)


def play_apart(scene: Scene, tell: Callable[[float], None] | None = None) -> Staged:
    """Return what comes of a scene. Raises Conflict where too many are played just now, Invalid where it
    takes too long or its process ends; what `tell` raises ends it too."""
    if not _places.acquire(blocking=False):
        raise Conflict(
            worded("%(n)s simulations are under way already: wait for one of them to end.", n=AT_ONCE)
        )
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_play, args=(theirs, scene), daemon=True)
    try:
        process.start()
        theirs.close()
        return _heard(ours, tell or (lambda share: None), LIMIT_S)
    finally:
        ours.close()
        if process.pid is not None:
            process.kill()
            process.join()
        _places.release()


def _heard(line: Connection, tell: Callable[[float], None], limit_s: float) -> Staged:
    until_s = monotonic() + limit_s
    while monotonic() < until_s:
        if not line.poll(0.2):
            continue
        try:
            told = line.recv()
        except EOFError:
            raise Invalid(
                [worded("The simulation has ended before its end: ask again with fewer people.")]
            ) from None
        if isinstance(told, Staged):
            return told
        tell(told)
    took = worded(
        "The simulation took over %(seconds)s seconds: ask again with fewer people.", seconds=f"{limit_s:.0f}"
    )
    raise Invalid([took])


def _play(line: Connection, scene: Scene) -> None:
    import gc

    gc.disable()  # nothing of a simulation goes before its end: the collector took a tenth of the time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)
    line.send(staged(scene, line.send))
    line.close()
