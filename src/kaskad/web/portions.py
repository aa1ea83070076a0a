"""A long webhook is read and kept in portions, each by a tick: timers wait for one of them, not for all.

It is answered once the last one is durable, so that a "no" anywhere in it counts before the answer. Whoever
is killed before leaves it unanswered: its service tells all of it again, and what was kept counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import Struct, structs

from kaskad.providers.base import Request, Told

LONG = 64 * 1024  # bytes of a body, from which on it is read in portions: a shorter one holds few reports
PORTION = 500  # reports, which a tick keeps and decides about in less time than a timer may be late
AHEAD = 2  # portions on their way: while one is kept the next one is read

Read = Callable[[Request], tuple[Sequence[Told], str | None]]


class Portion(Struct, frozen=True):
    """What some reports of a webhook say, or the `problem` why they cannot be read.

    `body` is what is to be kept raw: with the first portion the whole of it, later only what cannot be read.
    """

    told: Sequence[Told]
    body: bytes | None
    problem: str | None


def portions(hook: Request, read: Read) -> Iterator[Portion]:
    """Yield what a webhook says, in its order; each portion is read when it is asked for."""
    body: bytes | None = hook.body
    for part in _parts(hook.body):
        told, problem = read(structs.replace(hook, body=part))
        if body is None and problem is not None:
            body = part
        for first in range(0, max(1, len(told)), PORTION):
            yield Portion(told[first : first + PORTION], body, problem)
            body = None


def _parts(body: bytes) -> Iterator[bytes]:
    """Yield a JSON array as several shorter ones; anything else as it is."""
    reports: list[msgspec.Raw] = []
    if body[:100].lstrip().startswith(b"["):
        try:
            reports = msgspec.json.decode(body, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            reports = []  # whoever reads it whole says what is wrong
    if len(reports) <= PORTION:
        yield body
        return
    for first in range(0, len(reports), PORTION):
        yield b"[" + b",".join(reports[first : first + PORTION]) + b"]"
