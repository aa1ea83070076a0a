"""Steps that are paused, as somebody who looks ahead meets them: nobody knows when they go on.

Whoever comes to such a step waits there and looks again every hour, as in the engine. What such a look finds
can only change at some instants: when it gets too late for the step, or its windows open or close.
"""

from __future__ import annotations

from kaskad.domain.cascade import Step
from kaskad.domain.policy import DAY, HOUR
from kaskad.domain.timing import latest
from kaskad.domain.version import Version

FOLLOWED_MS = 8 * DAY  # a week with all its windows: who waits for longer than that waits for good
Zones = tuple[str, ...]


def next_look(version: Version, step: Step, zones: Zones, country: str, due_at: int, now: int) -> int:
    """Return the first of the hourly looks after `now` that may find something else than this one."""
    turns = [latest(version, due_at) + 1]
    for channel in step.channels:
        urgent = step.urgent or version.cascade.urgent
        key = version.windows.key(channel, version.cascade.message_class, zones, country, urgent)
        turns.append(version.windows.turns(now, key))
    ahead = [turn for turn in turns if turn > now]
    return now + max(1, -(-(min(ahead, default=now) - now) // HOUR)) * HOUR


def gets_late(version: Version, step: Step, zones: Zones, country: str, now: int) -> bool:
    """Say whether people who are due at a paused step pass it over in the end, as it has got too late for it.

    An opening of the windows begins their time anew: where these close every night that is mostly never.
    """
    urgent = step.urgent or version.cascade.urgent
    if step.at is not None:
        return step.at.before and not step.at.day
    if urgent:
        return False
    key = version.windows.key(step.channels[0], version.cascade.message_class, zones, country, urgent)
    due_at = at = now
    while at < now + FOLLOWED_MS:
        opens = version.windows.next(at, key)
        if opens is None:
            return True
        if at > latest(version, due_at):
            return True
        if opens > at:
            due_at = at = opens
        else:
            at = next_look(version, step, zones, country, due_at, at)
    return False
