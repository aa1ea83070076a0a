"""What is to happen when: a queue of events for a clock that only goes forward."""

from __future__ import annotations

from heapq import heappop, heappush

Event = tuple[int, int, int, int, int, int]  # instant, number, what, whom, two more numbers

_WIDTH_MS = 60_000


class Agenda:
    """Events in order of time, then as they were put. Those of later minutes lie unsorted by minute."""

    def __init__(self) -> None:
        self._now: list[Event] = []
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
            heappush(self._now, event)
            return
        later = self._later.get(minute)
        if later is None:
            self._later[minute] = [event]
            heappush(self._minutes, minute)
        else:
            later.append(event)

    def take(self) -> Event | None:
        """Return the next event, None after the last."""
        if not self._now:
            if not self._minutes:
                return None
            self._minute = heappop(self._minutes)
            self._now = self._later.pop(self._minute)
            self._now.sort()
        return heappop(self._now)
