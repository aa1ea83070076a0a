"""What the events tell that begin simulated runs: dates among it, and the hour of those that are assumed."""

from __future__ import annotations

from collections.abc import Mapping

from kaskad.domain.cascade import Span, Step
from kaskad.domain.hours import add, subtract
from kaskad.domain.policy import DAY, MINUTE
from kaskad.domain.run import Answers
from kaskad.domain.timing import earliest
from kaskad.domain.version import Version
from kaskad.planning.world import Assumed

_APART = 30 * MINUTE  # events begin on the hour, or half past
_WITHIN = 7 * DAY

Where = tuple[tuple[str, ...], str]  # zones and country


class Begun:
    """The properties of the events by which the runs of one simulation begin."""

    def __init__(self, version: Version, trigger: Mapping[str, object]) -> None:
        self._version, self._trigger = version, trigger
        self._counting = {name: self._counting_back(f"trigger.{name}") for name in trigger}
        self._known: dict[tuple[int, Where], dict[str, object]] = {}
        self._dates: dict[tuple[str, int, Where], int] = {}

    def told(self, entered_at: int, answers: Answers) -> Mapping[str, object]:
        """Return what the event tells of a person who enters then."""
        where = answers.zones, answers.country
        found = self._known.get((entered_at, where))
        if found is None:
            found = self._known[entered_at, where] = {
                name: self._instant(name, value, entered_at, where) if isinstance(value, Span) else value
                for name, value in self._trigger.items()
            }
        return found

    def _instant(self, name: str, span: Span, entered_at: int, where: Where) -> int:
        at = add(entered_at, span, self._version.policy.zone)
        if not isinstance(span, Assumed):
            return at
        first = -(-at // _APART) * _APART
        known = self._dates.get((name, first, where))
        if known is None:
            known = self._dates[name, first, where] = self._best(name, first, where)
        return known

    def _best(self, name: str, first: int, where: Where) -> int:
        """Return the first instant within a week by which most steps may go, and most of them when due."""
        steps, best, most = self._counting[name], first, (-1, -1)
        for at in range(first, first + _WITHIN, _APART):
            early = [self._early_ms(step, at, where) for step in steps]
            fit = len(steps) - early.count(None), early.count(0)
            if fit > most:
                best, most = at, fit
            if early.count(0) == len(steps):
                break
        return best

    def _counting_back(self, path: str) -> list[Step]:
        """Return the steps that are due before a date: those after it wait for their windows themselves."""
        steps = self._version.cascade.steps
        return [step for step in steps if step.at is not None and step.at.before and step.at.path == path]

    def _early_ms(self, step: Step, date: int, where: Where) -> int | None:
        """Return how much earlier than due a step goes by any of its channels; None: not at all."""
        assert step.at is not None
        version, (zones, country) = self._version, where
        urgent = step.urgent or version.cascade.urgent
        due_at = subtract(date, step.at.by, zones[0])
        since = earliest(version, step, due_at, zones[0])
        most = 0
        for channel in step.channels:
            key = version.windows.key(channel, version.cascade.message_class, zones, country, urgent)
            at = version.windows.last_before(due_at, since, key)
            if at is None:
                return None
            most = max(most, due_at - at)
        return most
