"""What is to happen when: a queue of events for a clock that only goes forward."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

Event = tuple[int, int, int, int, int, int]  # instant, number, what, whom, two more numbers

# What an event is about: a run is due, a service answers, something is told of a message or of a run, a
# service has room, is asked again, a call was missed; a call desk looks for work, a call of it ends.
WAKE, ANSWER, FACT, MARK, TURN, REPEAT, MISSED, DESK, CALLED = range(9)

_WIDTH_MS = 60_000


class Agenda:
    """Events in order of time, then as they were put. Those of later minutes lie unsorted by minute."""

    def __init__(self) -> None:
        self._soon: list[Event] = []  # of the minute under way, put since it began: a heap
        self._minute = -1
        self._later: dict[int, list[Event]] = {}
        self._minutes: list[int] = []
        self._number = 0

    def put(self, at: int, what: int, whom: int, one: int = 0, two: int = 0) -> None:
        """Add an event."""
        self._number += 1
        event = (at, self._number, what, whom, one, two)
        minute = at // _WIDTH_MS
        if minute <= self._minute:
            heappush(self._soon, event)
            return
        later = self._later.get(minute)
        if later is None:
            self._later[minute] = [event]
            heappush(self._minutes, minute)
        else:
            later.append(event)

    def until(self, horizon: int) -> Iterator[Event]:
        """Yield the events up to that instant, those that are put meanwhile too."""
        soon = self._soon
        while self._minutes:
            self._minute = heappop(self._minutes)
            here = self._later.pop(self._minute)
            here.sort(reverse=True)
            while here or soon:
                event = heappop(soon) if soon and (not here or soon[0] < here[-1]) else here.pop()
                if event[0] > horizon:
                    return
                yield event
