"""By which clock of the person's the messages of a simulation go, and how many outside of their windows."""

from __future__ import annotations

from kaskad.domain.hours import hour_of_day
from kaskad.domain.policy import MINUTE
from kaskad.domain.run import Send
from kaskad.domain.terms import Channel
from kaskad.domain.version import Version
from kaskad.planning.world import Sort

_CHANNELS = {channel.code: channel for channel in Channel}


class Clocks:
    """Counts messages by the minute of the person's day, and by step those that went while the windows of
    such messages were closed."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._places: dict[tuple[tuple[str, ...], str], int] = {}
        self._place_of: dict[int, int] = {}  # by sort: people in one place have one clock and one law
        self._known: dict[tuple[int, int], tuple[int, bool]] = {}
        self.by_clock: dict[int, int] = {}
        self.outside: dict[int, int] = {}

    def count(self, sort: Sort, send: Send, now: int) -> None:
        """Count a message that goes to such people now."""
        place = self._place_of.get(sort.number)
        if place is None:
            where = sort.answers.zones, sort.answers.country
            place = self._place_of[sort.number] = self._places.setdefault(where, len(self._places))
        key = place * 100_000 + send.step * 20 + send.channel, now // MINUTE
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._clock(sort, send, now)
        minute, is_open = found
        self.by_clock[minute] = self.by_clock.get(minute, 0) + 1
        if not is_open:
            self.outside[send.step] = self.outside.get(send.step, 0) + 1

    def _clock(self, sort: Sort, send: Send, now: int) -> tuple[int, bool]:
        windows, message_class = self._version.windows, self._version.cascade.message_class
        zones = sort.answers.zones
        urgent = self._version.cascade.urgent or self._version.cascade.steps[send.step].urgent
        key = windows.key(_CHANNELS[send.channel], message_class, zones, sort.answers.country, urgent)
        return hour_of_day(now, zones[0]) // MINUTE, windows.next(now, key) == now
