"""Calls by people: what an agent can say of one, what that means for the run, and how much a desk can do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from kaskad.domain.hours import zone_info
from kaskad.domain.policy import DAY, HOUR, MINUTE
from kaskad.domain.terms import Disposition, Kind, Reason

MOST_CALLS = 3  # that nobody takes, in one step; then it has failed
AGAIN_AFTER_MS = (2 * HOUR, 25 * HOUR)  # after the first and the second: next day at another hour
LEASE_MS = 15 * MINUTE  # a task that was claimed and not dialled goes to others then
TALK_MS = 30 * MINUTE  # a call that was dialled has so long before the task may expire
DAYS_OF_CALL_BACK = 30
CALL_BACK_WITHIN_MS = DAYS_OF_CALL_BACK * DAY


class Meaning(Struct, frozen=True):
    """What a disposition tells of the message: facts, each with what stands beside it."""

    facts: tuple[tuple[Kind, Mapping[str, str]], ...]
    closes: bool  # the task; a call that is to be made again leaves it open


_FAILED_NUMBER = {"reason": Reason.INVALID_ADDRESS.value}
_STOP = {"scope": "channel"}
MEANINGS: dict[Disposition, Meaning] = {
    Disposition.REACHED_AGREED: Meaning(((Kind.ANSWERED, {}), (Kind.REPLIED, {})), True),
    Disposition.REACHED_REFUSED: Meaning(((Kind.ANSWERED, {}),), True),
    Disposition.CALLBACK_AT: Meaning(((Kind.CALL_BACK, {}),), False),
    Disposition.NO_ANSWER: Meaning(((Kind.NO_ANSWER, {}),), False),
    Disposition.WRONG_NUMBER: Meaning(((Kind.FAILED, _FAILED_NUMBER),), True),
    Disposition.DO_NOT_CALL: Meaning(((Kind.UNSUBSCRIBED, _STOP),), True),
}
GIVEN_UP = Meaning(  # the last call that nobody took
    ((Kind.FAILED, {"reason": Reason.NO_ANSWER.value, "detail": f"no answer to {MOST_CALLS} calls"}),), True
)


def meaning(disposition: Disposition, misses: int) -> Meaning:
    """Return what a disposition means; `misses` are the calls of the step that nobody took, this one too."""
    if disposition is Disposition.NO_ANSWER and misses >= MOST_CALLS:
        return GIVEN_UP
    return MEANINGS[disposition]


DAYS = {"every": 7, "mon-sat": 6, "mon-fri": 5}  # how many days of the week, from Monday on


class DeskPlan(Struct, frozen=True):
    """What a desk can do: people at once, how long a call takes, when they work, how soon a task is done."""

    agents: int = 1
    call_ms: int = 10 * MINUTE
    sla_ms: int = DAY
    per_day: int = 0  # tasks that may be opened in a day; 0: as many as can be done
    opens: int = 0  # minutes of the day
    closes: int = 24 * 60
    days: int = 7  # of the week, from Monday on
    zone: str = "UTC"

    @property
    def capacity(self) -> int:
        """Return how many tasks may be open: as many as the agents can do within the SLA, working days."""
        minutes = self.closes - self.opens
        whole, rest = divmod(self.sla_ms, DAY)
        working_ms = whole * minutes * MINUTE + min(rest, minutes * MINUTE)
        return max(1, self.agents * (working_ms // self.call_ms))

    def day_began(self, now: int) -> int:
        """Return the midnight of the desk's zone before `now`."""
        return _ms(_wall(now, self.zone).replace(hour=0, minute=0, second=0, microsecond=0))

    def opens_at(self, now: int) -> int:
        """Return when the desk works: `now` where it does at this moment."""
        wall = _wall(now, self.zone)
        midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
        for ahead in range(8):
            day = midnight + timedelta(days=ahead)
            if day.weekday() >= self.days:
                continue
            begins = _ms(day.replace(hour=self.opens // 60, minute=self.opens % 60))
            ends_day, ends = divmod(self.closes, 24 * 60)
            closing = (day + timedelta(days=ends_day)).replace(hour=ends // 60, minute=ends % 60)
            if now < _ms(closing):
                return max(now, begins)
        raise AssertionError("a desk works on one day of the week at least")

    def due_at(self, at: int) -> int:
        """Return when a task of that instant is to be done; days on which nobody works do not count."""
        left = self.sla_ms
        while True:
            midnight = self.next_day(at)
            if _wall(at, self.zone).weekday() < self.days:
                if at + left <= midnight:
                    return at + left
                left -= midnight - at
            at = midnight

    def next_day(self, now: int) -> int:
        """Return the next midnight of the desk's zone."""
        began = _wall(self.day_began(now), self.zone)
        return _ms(began + timedelta(days=1))


def _wall(at: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone_info(zone))


def _ms(wall: datetime) -> int:
    return int(wall.timestamp() * 1000)
