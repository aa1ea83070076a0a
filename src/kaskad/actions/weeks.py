"""Forecasts of cascades that people enter by themselves: of the week after a version is that of all.

Nobody launches what an event, a date or a segment begins, so the forecast is made by itself, soon after, and
kept: how many will enter, by the days before, and what will become of a hundred and of ten thousand of them.
What happens then is held against what was told for as many as have entered.

Where steps are due by dates of which nothing is known yet, it is made again, once, when those who have
entered tell them: both are kept, each held against those who enter after it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from kaskad.actions import forecast
from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.crowds import SAMPLE, Sampled
from kaskad.actions.forecast import Expected
from kaskad.actions.last_events import last_events
from kaskad.actions.office import Office
from kaskad.actions.past import past
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import tally
from kaskad.analytics.scope import FOREVER, Scope
from kaskad.domain.cascade import Cascade
from kaskad.domain.policy import DAY
from kaskad.planning import dates
from kaskad.planning.entries import Entries, entries
from kaskad.planning.forecast import Range
from kaskad.store import cascades as store
from kaskad.store import trials, version_canaries
from kaskad.store import week_forecasts as weeks
from kaskad.store.cascades import CascadeRow
from kaskad.store.db import Transaction

DAYS = 7
SEEN_DAYS = 56  # fewer do not tell a level that wanders from days that differ by more than chance
LATELY_DAYS = 28  # whoever it has happened to since is like those to whom it will
SMALL, LARGE = 100, 10_000
FEW = 50  # people to whom it has happened: fewer say little of whom it will happen to
FIGURES = ("reached", "silent", "messages", "converted")


class Told(Struct, frozen=True):
    """A figure of those who enter: of each one, and its ranges of SMALL and of LARGE people."""

    rate: float
    small: Range
    large: Range


class Week(Struct, frozen=True):
    """What is expected. `entries` None: too few days are known; `people`: so many of the last ones were asked
    what each step would be for them, 0: whom each step reaches. `basis` is that of the forecast."""

    trigger: str
    entries: Entries | None
    people: int
    basis: str
    figures: Mapping[str, Told]
    costs: Mapping[str, Told]  # by currency, minor units
    uncounted: tuple[str, ...] = ()  # as that of Expected


def go_on(office: Office) -> None:
    """Make the forecasts that are due: of versions that are that of all since the last look, and again of
    those whose dates are known now."""
    with office.read() as tx:
        made = weeks.made(tx)
        alone = [row for row in store.all_cascades(tx) if _is_alone(office, tx, row, made)]
    for row in alone:
        again = row.version_id in made
        if not again or _knows_dates(office, row):
            keep(office, row, again=again)


def keep(office: Office, row: CascadeRow, *, again: bool = False) -> Week:
    """Make the forecast of a cascade's current version, and keep it; return it."""
    assert row.version_id is not None
    version_id, now = row.version_id, office.now()
    with office.read() as tx:
        cascade = cascade_of(office, tx, version_id)
        daily = _daily(tx, row, cascade, now)
        lately = weeks.lately(tx, cascade.trigger.event, now // DAY - LATELY_DAYS, SAMPLE)
    told = week(office, row.slug, cascade, daily, lately)
    text = msgspec.json.encode(told).decode()
    office.write(lambda tx: weeks.put(tx, version_id, text, now, again=again))
    return told


def week(
    office: Office, slug: str, cascade: Cascade, daily: list[int], lately: tuple[int, ...]
) -> Week:  # fmt: skip
    """Return what is expected, by how many entered each day before and who the last ones were."""
    known, name = past(office, slug, cascade), _name(cascade)
    enough = lately if len(lately) >= FEW else ()

    def of(size: int) -> Expected:
        people = Sampled(name, size, enough) if enough else None
        return forecast.of_people(office, cascade, people, known, what_if=False, size=size, is_whole=False)

    small, large = of(SMALL), of(LARGE)
    stays = (large.size - large.held_out) / large.size
    figures = {
        each: _told(getattr(large, each) / LARGE, small.ranges[each], large.ranges[each], stays)
        for each in FIGURES
        if getattr(large, each) is not None
    }
    costs = {
        each: _told(minor / LARGE, small.cost_ranges[each], large.cost_ranges[each], stays)
        for each, minor in large.cost.items()
        if each in small.cost_ranges
    }
    return Week(name, entries(daily, DAYS), len(enough), large.basis, figures, costs, large.uncounted)


def _name(cascade: Cascade) -> str:
    return cascade.trigger.event or cascade.trigger.date or cascade.trigger.segment


def _told(rate: float, small: Range, large: Range, stays: float) -> Told:
    """Return a figure of each who is not held out."""
    of = [Range(one.low / stays, one.high / stays) for one in (small, large)] if stays else [small, large]
    return Told(rate / stays if stays else rate, of[0], of[1])


def _is_alone(office: Office, tx: Transaction, row: CascadeRow, made: Mapping[int, bool]) -> bool:
    """Say whether a forecast may be made of a cascade's current version: not twice again, nor while others
    are entered beside it."""
    if row.state != store.ACTIVE or row.version_id is None or made.get(row.version_id):
        return False
    if row.version_id in office.engine.world.versions.unread:
        return False
    if cascade_of(office, tx, row.version_id).trigger.broadcast:
        return False
    return trials.under_way(tx, row.id) is None and version_canaries.under_way(tx, row.id) is None


def _knows_dates(office: Office, row: CascadeRow) -> bool:
    """Say whether the dates are known now of which the first forecast of a version knew nothing.

    Once as many have come as tell who will; after a day fewer do, as then it may be long until more come.
    """
    assert row.version_id is not None
    now = office.now()
    with office.read() as tx:
        cascade = cascade_of(office, tx, row.version_id)
        if not dates.lacks_dates(cascade, contacts=False, events=False):
            return False  # before anything is asked of the store, at each look at each cascade
        kept = weeks.first(tx, row.version_id)
        if kept is None or "dates" not in msgspec.json.decode(kept[1], type=Week).uncounted:
            return False
        enough = FEW if now < kept[0] + DAY else dates.FEW
        seen = tally(tx, row.id, Scope(None, row.version_id, now - LATELY_DAYS * DAY, FOREVER))
        if sum(seen.shapes.values()) < enough:
            return False
        lately = weeks.lately(tx, cascade.trigger.event, now // DAY - LATELY_DAYS, FEW)
    events = bool(last_events(office, cascade, now))
    return not dates.lacks_dates(cascade, contacts=len(lately) >= FEW, events=events)


def _daily(tx: Transaction, row: CascadeRow, cascade: Cascade, now: int) -> list[int]:
    """Return how many entered on each whole day before, the first one first; [] where nothing tells.

    Those of the cascade itself, where it has run for a week; else those to whom its event has happened.
    """
    today = now // DAY
    began = [version.activated_at // DAY + 1 for version in store.versions_of(tx, row.id)]
    first = max(min(began, default=today), today - SEEN_DAYS)
    if today - first >= DAYS:
        changed = Changed(tx)
        return [_entered(tx, row, day, changed) for day in range(first, today)]
    event = cascade.trigger.event
    known = weeks.people_by_day(tx, event, today - SEEN_DAYS, today) if event else {}
    return [known.get(day, 0) for day in range(min(known, default=today), today)]


def _entered(tx: Transaction, row: CascadeRow, day: int, changed: Changed) -> int:
    seen = tally(tx, row.id, Scope(None, 0, day * DAY, (day + 1) * DAY), changed)
    return sum(runs for shape, runs in seen.shapes.items() if not shape.holdout)
