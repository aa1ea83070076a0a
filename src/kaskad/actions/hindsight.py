"""What was forecast of launches, beside what has happened since.

The runs of a launch are those of its version, and of those on trial beside it, that entered from the hour of
its beginning until that of the next launch of them. Of cascades that people enter by themselves it is the
week after a version was that of all, until the forecast was made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from itertools import islice

import msgspec
from msgspec import Struct, structs

from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.forecast import Expected
from kaskad.actions.office import Office
from kaskad.actions.weeks import DAYS, Told, Week
from kaskad.analytics.calibration import Calibration, Held, calibration
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import look_ahead, tally
from kaskad.analytics.exchange import exchanges
from kaskad.analytics.reach import Line, lines_of
from kaskad.analytics.scope import FOREVER, Scope
from kaskad.analytics.services import services
from kaskad.domain.policy import DAY
from kaskad.planning.entries import scaled
from kaskad.planning.forecast import Range
from kaskad.planning.history import Happened, happened
from kaskad.planning.walk import Stage, stages
from kaskad.store import cascades as store
from kaskad.store import trials, week_forecasts
from kaskad.store.cascades import Foretold
from kaskad.store.courses import HOUR_MS
from kaskad.store.db import Transaction
from kaskad.store.trials import TrialRow
from kaskad.store.week_forecasts import WeekRow

LAUNCHES = 20  # the last ones of a cascade with a forecast
MOST = 60  # the last ones of all cascades
SETTLED = 0.01  # of the runs may still be under way where a launch counts as over
PEOPLE = ("entered", "reached", "silent", "messages", "converted")


class Compared(Struct, frozen=True):
    """A figure: what was expected, between what it was to lie, what happened so far. `currency` "": people or
    messages; else minor units."""

    figure: str
    currency: str
    expected: int
    between: Range
    happened: int

    @property
    def held(self) -> bool:
        """Say whether what happened lies in the range, whose ends are whole."""
        return self.placed.side == 0

    @property
    def placed(self) -> Held:
        """Return the figure as calibration counts it."""
        return Held(self.figure, round(self.between.low), round(self.between.high), self.happened)


class Hindsight(Struct, frozen=True):
    """A launch, what was expected of it, and what has become of it; `launch` 0: a `version`'s week.

    `versions` are those whose runs are counted, where versions were on trial meanwhile. `uncounted` is what
    the forecast did not count (`Expected`). `again`: of a week it was made once more, as dates were known.
    """

    cascade: str
    launch: int
    version: int
    audience: str
    started_at: int
    basis: str
    over: bool
    under_way: int
    figures: tuple[Compared, ...]
    versions: tuple[int, ...] = ()
    uncounted: tuple[str, ...] = ()
    again: bool = False


def of_cascade(office: Office, slug: str, limit: int = LAUNCHES) -> list[Hindsight]:
    """Return a cascade's last forecasts, of launches and of weeks, the latest first; raises NotFound."""
    with office.read() as tx:
        return list(_latest(office, tx, slug, limit, ahead=True))


def lately(office: Office, slug: str, most: int) -> list[Hindsight]:
    """Return of these the last that have figures, so many at most, and look at no others."""
    with office.read() as tx:
        told = (one for one in _latest(office, tx, slug, LAUNCHES) if one.figures)
        return list(islice(told, most))


def of_all(office: Office, limit: int = MOST) -> list[Hindsight]:
    """Return the last forecasts of all cascades, the latest first."""
    with office.read() as tx:
        seen = _Seen(office, tx)
        launches, weeks = store.foretold_everywhere(tx, limit), week_forecasts.latest(tx, limit)
        _look_ahead(seen, [(cascade_id, one) for _, cascade_id, one in launches], weeks)
        found = [_compared(seen, slug, cascade_id, one) for slug, cascade_id, one in launches]
        found += [_week(seen, one) for one in weeks]
    return sorted(found, key=lambda one: -one.started_at)[:limit]


def among(every: Sequence[Hindsight], slug: str) -> list[Hindsight] | None:
    """Return what `of_cascade` does, of what `of_all` has returned; None where that may lack some of it."""
    own = [one for one in every if one.cascade == slug]
    return own if len(every) < MOST and len(own) <= LAUNCHES else None


def calibrated(told: Sequence[Hindsight]) -> Calibration:
    """Return how far the forecasts of launches can be trusted, by those that are over."""
    return calibration([[one.placed for one in each.figures] for each in told if each.over])


def _latest(
    office: Office, tx: Transaction, slug: str, limit: int, *, ahead: bool = False
) -> Iterator[Hindsight]:
    """Yield a cascade's last forecasts, the latest first: each when it is asked for, or all `ahead`."""
    row, seen = store.by_slug(tx, slug), _Seen(office, tx)
    launches, weeks = store.foretold(tx, row.id, limit), week_forecasts.latest(tx, limit, row.id)
    if ahead:
        _look_ahead(seen, [(row.id, one) for one in launches], weeks)
    found = [(one.started_at, partial(_compared, seen, slug, row.id, one)) for one in launches]
    found += [(one.at, partial(_week, seen, one)) for one in weeks]
    for _, made in sorted(found, key=lambda one: -one[0])[:limit]:
        yield made()


def _look_ahead(seen: _Seen, launches: Sequence[tuple[int, Foretold]], weeks: Sequence[WeekRow]) -> None:
    """Sum what all of them will ask for at once: a statement for each takes longer than what it sums."""
    scopes: list[tuple[int, Scope]] = []
    for cascade_id, told in launches:
        ids = _versions(seen, cascade_id, told)
        scope = _scope(seen, told, ids)
        scopes += [(cascade_id, structs.replace(scope, version_id=version_id)) for version_id in ids]
    for row in weeks:
        scope = _scope_of_week(row)
        scopes += [(row.cascade_id, scope), (row.cascade_id, structs.replace(scope, version_id=0))]
    look_ahead(seen.tx, scopes, seen.changed)


class _Seen:
    """One state of the database, of which what all launches ask for is looked up once."""

    def __init__(self, office: Office, tx: Transaction) -> None:
        self.office, self.tx, self.now = office, tx, office.now()
        self.changed, self.services = Changed(tx, self.now), services(tx)
        self._launches: dict[int, list[tuple[int, int]]] = {}
        self._trials: dict[int, list[TrialRow]] = {}
        self._stages: dict[int, Sequence[Stage]] = {}
        self._numbers: dict[int, int] = {}

    def launches(self, version_id: int) -> list[tuple[int, int]]:
        """Return the launches of a version, by id, and when each began."""
        if version_id not in self._launches:
            rows = self.tx.all("launches_by_version", version_id=version_id)
            self._launches[version_id] = [(row[0], row[1]) for row in rows]
        return self._launches[version_id]

    def trials(self, cascade_id: int) -> list[TrialRow]:
        """Return a cascade's trials, the earliest first."""
        if cascade_id not in self._trials:
            self._trials[cascade_id] = trials.of_cascade(self.tx, cascade_id)[::-1]
        return self._trials[cascade_id]

    def stages(self, version_id: int) -> Sequence[Stage]:
        """Return the steps of a version."""
        if version_id not in self._stages:
            self._stages[version_id] = stages(cascade_of(self.office, self.tx, version_id))
        return self._stages[version_id]

    def number(self, version_id: int) -> int:
        """Return which version of its cascade it is."""
        if version_id not in self._numbers:
            self._numbers[version_id] = store.version(self.tx, version_id).number
        return self._numbers[version_id]

    def cost(
        self, lines: Sequence[Line], told: Collection[str], cascade_id: int, scope: Scope
    ) -> Counter[str]:
        """Return what messages cost, in the currencies in which it was told beforehand what they would."""
        own = Counter[str]()
        for line in lines:
            own.update(line.cost)
        if own.keys() <= set(told):
            return own
        told_in = exchanges(self.tx, cascade_id, self.now, scope).cost
        values = {name: value for name, value in told_in.values.items() if name not in told}
        return Counter(structs.replace(told_in, values=values).told(own))


def _compared(seen: _Seen, slug: str, cascade_id: int, told: Foretold) -> Hindsight:
    expected = msgspec.json.decode(told.forecast, type=Expected)
    ids = _versions(seen, cascade_id, told)
    past, lines, numbers = Happened({}), list[Line](), list[int]()
    scope = _scope(seen, told, ids)
    for version_id in ids:
        found = tally(seen.tx, cascade_id, structs.replace(scope, version_id=version_id), seen.changed)
        own = happened(seen.stages(version_id), found.shapes, found.legs)
        past.include(own)
        numbers += [seen.number(version_id)] if own.over + own.under_way else []
        lines += lines_of(found, {}, seen.services)
    cost = seen.cost(lines, expected.cost, cascade_id, scope)
    entered = past.over + past.under_way
    figures = [
        *_people(expected, past, sum(line.sent for line in lines)),
        *(
            Compared("cost", name, minor, expected.cost_ranges[name], cost[name])
            for name, minor in expected.cost.items()
        ),
    ]
    over = told.state == "done" and past.under_way <= SETTLED * entered  # of one stopped, some never entered
    return Hindsight(
        slug, told.launch, 0, told.audience, told.started_at, expected.basis, over, past.under_way,
        tuple(figures), tuple(sorted(numbers)) if len(numbers) > 1 else (), expected.uncounted,
    )  # fmt: skip


def _versions(seen: _Seen, cascade_id: int, told: Foretold) -> frozenset[int]:
    """Return the versions by which people of a launch may have entered: its own, and those that were on trial
    with it since it began."""
    found = {told.version_id}
    for trial in seen.trials(cascade_id):
        tried = {trial.base_id, *(arm.version_id for arm in trial.arms)}
        began, ended = trial.started_at, trial.ended_at
        if not found & tried or (ended is not None and ended <= told.started_at):
            continue
        if began < (_next(seen, told, found) or FOREVER):
            found |= tried
    return frozenset(found)


def _week(seen: _Seen, row: WeekRow) -> Hindsight:
    """Hold what was told of a version's first week against those who have entered in it."""
    told = msgspec.json.decode(row.forecast, type=Week)
    tx, now = seen.tx, seen.now
    scope = _scope_of_week(row)
    found = tally(tx, row.cascade_id, scope, seen.changed)
    past = happened(seen.stages(row.version_id), found.shapes, found.legs)
    lines = lines_of(found, {}, seen.services)
    cost = seen.cost(lines, told.costs, row.cascade_id, scope)
    people = past.over + past.under_way
    came = {
        "reached": past.reached, "silent": past.silent, "converted": past.converted,
        "messages": sum(line.sent for line in lines),
    }  # fmt: skip
    figures = (
        []
        if not people
        else [
            *(
                _of_each(name, "", told.figures[name], came[name], people)
                for name in PEOPLE
                if name in told.figures
            ),
            *(_of_each("cost", name, one, cost[name], people) for name, one in told.costs.items()),
        ]
    )
    if told.entries is not None and scope.until - scope.since == DAYS * DAY:
        all_told = tally(tx, row.cascade_id, structs.replace(scope, version_id=0), seen.changed)
        entered = sum(runs for shape, runs in all_told.shapes.items() if not shape.holdout)
        figures.insert(0, Compared("entered", "", told.entries.expected, told.entries.between, entered))
    over = now >= scope.until and past.under_way <= SETTLED * people and people > 0
    return Hindsight(
        row.slug, 0, row.number, f"trigger {told.trigger}", row.at, told.basis, over, past.under_way,
        tuple(figures), uncounted=told.uncounted, again=row.again,
    )  # fmt: skip


def _scope_of_week(row: WeekRow) -> Scope:
    """Return the week after a version's first hour, or less where another forecast followed."""
    since = _hour(row.at) + HOUR_MS
    until = min(since + DAYS * DAY, FOREVER if row.until is None else _hour(row.until) + HOUR_MS)
    return Scope(version_id=row.version_id, since=since, until=max(since, until))


def _of_each(name: str, currency: str, told: Told, came: int, people: int) -> Compared:
    """Return a figure of as many people as have entered."""
    between = scaled(told.small, told.large, told.rate, people)
    return Compared(name, currency, round(told.rate * people), between, came)


def _scope(seen: _Seen, told: Foretold, versions: frozenset[int]) -> Scope:
    """Return the time of a launch: in whole hours, which are counted already, unless one has two launches."""
    ends_at = _next(seen, told, versions)
    before = max((at for at in _others(seen, told, versions) if at < told.started_at), default=None)
    since, until = _hour(told.started_at), FOREVER if ends_at is None else _hour(ends_at)
    if since == until or (before is not None and before >= since):
        since, until = told.started_at, ends_at or FOREVER
    return Scope(since=since, until=until)


def _next(seen: _Seen, told: Foretold, versions: Collection[int]) -> int | None:
    """Return when the next launch of any of these versions began."""
    return min((at for at in _others(seen, told, versions) if at > told.started_at), default=None)


def _others(seen: _Seen, told: Foretold, versions: Collection[int]) -> list[int]:
    """Return when other launches of these versions began."""
    return [
        at
        for version_id in versions
        for launch_id, at in seen.launches(version_id)
        if launch_id != told.launch
    ]


def _hour(at: int) -> int:
    return at // HOUR_MS * HOUR_MS


def _people(expected: Expected, past: Happened, messages: int) -> list[Compared]:
    entering = expected.size - expected.held_out
    told = {
        "entered": (entering, expected.ranges["entered"], past.over + past.under_way),
        "reached": (expected.reached, expected.ranges["reached"], past.reached),
        "silent": (expected.silent, expected.ranges["silent"], past.silent),
        "messages": (expected.messages, expected.ranges["messages"], messages),
    }
    if expected.converted is not None:
        told["converted"] = expected.converted, expected.ranges["converted"], past.converted
    return [Compared(name, "", *told[name]) for name in PEOPLE if name in told]
