"""What a channel's services take at once: so many messages a second, and nothing while they are down."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from kaskad.domain.clocks import patience_ms
from kaskad.domain.policy import SECOND
from kaskad.domain.terms import Channel
from kaskad.domain.version import Version
from kaskad.planning.world import World


class Line:
    """One channel of a simulation that is limited or goes down. `queue` has people and steps that wait."""

    def __init__(self, code: int, per_second: float, outages: list[tuple[int, int]]) -> None:
        self.code, self._per_second, self._outages = code, per_second, outages
        self.queue: deque[tuple[int, int]] = deque()
        self.has_turn = False
        self._burst = max(1.0, per_second)
        self._tokens, self._counted_at, self._serving = self._burst, 0, False

    def turns(self, version: Version) -> list[int]:
        """Return when answers about the channel change: as it goes down, is given up and comes back."""
        waits = [patience_ms(version, step.number) for step in version.cascade.steps]
        return [at for since, until in self._outages for at in (since, until, *(since + ms for ms in waits))]

    def is_down(self, now: int, patience: int) -> bool:
        """Say whether the channel has been down for so long that steps go on without it."""
        return any(since + patience <= now < until for since, until in self._outages)

    def takes(self, now: int, stands: float = 1.0) -> bool:
        """Say whether the next message may go; if so it counts, as so many. Whoever waits already comes
        first."""
        if (self.queue and not self._serving) or not self.has_room(now, stands):
            return False
        if self._per_second:
            self._tokens -= stands
        return True

    def has_room(self, now: int, stands: float = 1.0) -> bool:
        """Say whether a message that stands for so many may go now."""
        if any(since <= now < until for since, until in self._outages):
            return False
        if not self._per_second:
            return True
        grown = (now - self._counted_at) * self._per_second / SECOND
        self._tokens, self._counted_at = min(self._burst, self._tokens + grown), now
        return self._tokens >= min(stands, 1.0)

    def next_at(self, now: int, stands: float = 1.0) -> int:
        """Return when to look again at those who wait, of whom the first stands for so many."""
        for since, until in self._outages:
            if since <= now < until:
                return until
        if not self._per_second:
            return now + 1
        return now + max(SECOND, int(SECOND * min(stands, 1.0) / self._per_second))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Let those who wait take what room there is."""
        self._serving = True
        try:
            yield
        finally:
            self._serving = False


def outages_of(world: World, channel: Channel) -> list[tuple[int, int]]:
    """Return from when until when the channel's services are down."""
    return sorted(
        (world.start + one.since_ms, world.start + one.until_ms)
        for one in world.outages
        if one.channel is channel
    )


def lines(world: World) -> dict[int, Line]:
    """Return the channels that are limited or go down, by code."""
    channels = {*world.per_second, *(outage.channel for outage in world.outages)}
    return {
        channel.code: Line(
            channel.code, world.per_second.get(channel, 0.0) / world.scale,
            outages_of(world, channel),
        )
        for channel in channels
    }  # fmt: skip
