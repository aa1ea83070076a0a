"""Launches of cascades, and their reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from msgspec import structs
from pydantic import Field

from kaskad.actions import launch_dates, launches, reports
from kaskad.actions.audience import Audience
from kaskad.actions.canaries import wanted
from kaskad.actions.launch_dates import clock_text
from kaskad.analytics.measures import Rate
from kaskad.analytics.reach import Level, Line
from kaskad.domain.errors import NotFound
from kaskad.domain.figures import OF_MONEY
from kaskad.domain.ids import launch_text, read_launch
from kaskad.domain.measures import OF_MESSAGES
from kaskad.store.canaries import Canary
from kaskad.store.cascades import LaunchRow
from kaskad.store.launch_dates import OWN
from kaskad.web.api.cascades import READ, WRITE, Slug
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.rates import number
from kaskad.web.api.views import LARGEST, Page, Slice, Told, View, instant, when
from kaskad.web.api.when import Since, Until, period
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/cascades/{slug}", tags=["cascades"], route_class=IdempotentRoute)

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Money = Annotated[dict[str, int], Field(description="Minor units (tiyn, kopecks) by currency.")]
_SHARES = ("open_rate", "open_rate_raw", "ctr", "ctr_raw")


class NewLaunch(Told):
    """Whom a launch is for, exactly one of the three, and how many may enter in a time."""

    list: Name | None = None
    segment: Name | None = None
    everybody: bool = False
    pace: Annotated[
        str, Field(max_length=20, description="1000/h, 20/m, 5/s; else that of the definition.")
    ] = ""
    canary: Annotated[
        str,
        Field(max_length=20, description="How many go first, 1% (at least 200); the rest waits for them."),
    ] = ""
    canary_after: Annotated[
        str, Field(max_length=20, description="After what time it is judged, 6h; else the first step's own.")
    ] = ""
    at: Annotated[
        str,
        Field(max_length=30, description="When it begins, by the brand's clock: 2026-12-04T10:00; else now."),
    ] = ""
    own_clock: Annotated[bool, Field(description="With `at`: each enters when their own clock shows it.")] = (
        False
    )


class BegunView(View):
    """A launch that has begun, or waits for its date; `pace` 0 is as fast as it goes."""

    id: str
    size: Annotated[int | None, Field(description="Null: counted when it begins.")]
    pace: int
    begins_at: Annotated[datetime | None, Field(description="When it begins, where it has a date.")] = None
    canary: Annotated[int, Field(description="So many go first; 0: all at once.")]


class CanaryView(View):
    """The first part of a launch, and how it fared; `due_at` null: not all of them are in yet."""

    launch: str
    people: int
    state: str
    why: str
    due_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, canary: Canary) -> CanaryView:
        return cls(
            launch=launch_text(canary.first_id), people=canary.people, state=canary.state, why=canary.why,
            due_at=when(canary.due_at), ended_at=when(canary.ended_at),
        )  # fmt: skip


class LaunchView(View):
    """A launch; `enrolled` of `size` have been let in or were refused by the re-entry rule."""

    id: str
    version: int
    audience: str
    pace: int
    started_at: datetime
    enrolled: int
    size: int | None
    state: Annotated[str, Field(description="planned, missed, running, paused, done, stopped.")]
    at: Annotated[str | None, Field(description="Its date, where it was given one, as clocks show it.")]
    own_clock: Annotated[bool, Field(description="Each enters when their own clock shows it.")]
    why: Annotated[str, Field(description="Why it missed its date.")]
    canary: Annotated[CanaryView | None, Field(description="What it waits or has waited for.")]

    @classmethod
    def of(cls, row: LaunchRow, canary: Canary | None = None) -> LaunchView:
        return cls(
            id=launch_text(row.id),
            version=row.version,
            audience=row.audience,
            pace=row.pace,
            started_at=instant(row.started_at),
            enrolled=row.enrolled,
            size=row.size,
            state=row.state,
            at=clock_text(row.wall_at) if row.wall_at is not None else None,
            own_clock=row.clock == OWN,
            why=row.why,
            canary=CanaryView.of(canary) if canary else None,
        )


class LineView(View):
    """One step on one channel, in messages; `reached`: contacts who saw it first of all."""

    step: int
    id: str
    channel: str
    sent: int
    delivered: int
    seen: int
    reacted: int
    machine: int
    suspected: int
    opened: int
    opened_raw: Annotated[int, Field(description="By people and machines.")]
    clicked: int
    clicked_raw: Annotated[int, Field(description="By people and machines.")]
    prefetched: Annotated[int, Field(description="Opened by a machine only.")]
    arrived: Annotated[int, Field(description="Sent, and not known to have failed.")]
    silent: Annotated[int, Field(description="Of these, those about whom no person was heard of.")]
    open_rate: Annotated[float | None, Field(description=OF_MESSAGES["open_rate"].says)]
    open_rate_raw: Annotated[float | None, Field(description=OF_MESSAGES["open_rate_raw"].says)]
    ctr: Annotated[float | None, Field(description=OF_MESSAGES["ctr"].says)]
    ctr_raw: Annotated[float | None, Field(description=OF_MESSAGES["ctr_raw"].says)]
    failed: int
    unknown: int
    waiting: int
    reached: int
    price: Money
    cost: Money

    @classmethod
    def of(cls, line: Line, rates: Mapping[str, Rate]) -> LineView:
        shares = {name: rates[name].share if name in rates else None for name in _SHARES}
        return cls.model_validate(structs.asdict(line) | shares)


class LevelView(View):
    """How many contacts were reached in one sense, their share of those who entered, the cost of each."""

    name: str
    contacts: int
    share: float
    cost_each: Money

    @classmethod
    def of(cls, level: Level) -> LevelView:
        return cls.model_validate(level, from_attributes=True)


Reasons = dict[str, dict[str, int]]


class FlowView(View):
    """How many runs went from a place to the next: `entered`, `step:ID`, `end:OUTCOME`, `end:under_way`."""

    source: str
    target: str
    runs: int


class VariantView(View):
    """One variant of a step, in all its messages: they add up to the step's.

    `uplift` compares fewer: without people who were moved from another version, or entered again.
    """

    step: str
    id: str
    sent: int
    delivered: int
    seen: int
    reacted: int
    machine: int
    cost: Money


class AmongQuery:
    """Which runs a report is about."""

    def __init__(
        self,
        office: InOffice,
        segment: Annotated[str, Query(max_length=100, description="Only people who are in it now.")] = "",
        version: Annotated[int, Query(ge=0, le=2**31 - 1, description="Only runs of it; 0: any.")] = 0,
        since: Since = None,
        until: Until = None,
    ) -> None:
        self.told = reports.Among(segment, version, *period(office, since, until))


class DayView(View):
    """What was handed over on one day by the installation's clock, with all that became of it since."""

    day: date
    sent: int
    arrived: int
    seen: int
    reacted: int
    failed: int
    cost: Money


class ReportView(View):
    """How a cascade does as of one moment: who entered, who was reached, by what, for how much."""

    cascade: str
    title: str
    state: str
    version: int
    launches: Annotated[int, Field(description="Launches under way.")]
    as_of: datetime
    uncounted: Annotated[
        int,
        Field(description="0; where very much has just changed, so many runs or more are left out."),
    ]
    uneven: Annotated[
        list[str],
        Field(description="Which lots do not fall as they should, in words: compare nothing there."),
    ]
    entered: int
    under_way: int
    outcomes: dict[str, int]
    holdouts: int
    holdouts_under_way: int
    lines: list[LineView]
    skips: Annotated[Reasons, Field(description="Step, reason, how many.")]
    failures: Reasons
    failure_words: Annotated[
        dict[str, Reasons], Field(description="Step, reason, the provider's code or words, how many.")
    ]
    levels: list[LevelView]
    flows: Annotated[list[FlowView], Field(description="Where people went from step to step.")]
    variants: list[VariantView]
    price: Money
    cost: Money
    goals: Annotated[int, Field(description=OF_MONEY["goals"])]
    revenue: Annotated[Money, Field(description=OF_MONEY["revenue"])]
    revenue_each: Annotated[Money, Field(description=OF_MONEY["revenue_each"])]
    goal_cost: Annotated[Money, Field(description=OF_MONEY["goal_cost"])]
    return_rate: Annotated[float | None, Field(description=OF_MONEY["return_rate"])]
    returned: Annotated[Money, Field(description=OF_MONEY["returned"])]
    goals_returned: Annotated[int, Field(description=OF_MONEY["goals_returned"])]
    returned_late: Annotated[int, Field(description=OF_MONEY["returned_late"])]
    returned_unread: Annotated[int, Field(description=OF_MONEY["returned_unread"])]
    told_in: Annotated[str, Field(description="The currency of figures; what has no rate stands apart.")]
    rates: Annotated[
        dict[str, str],
        Field(
            description="What one unit of each currency that was converted counted as in costs, on average."
        ),
    ]
    worth_rates: Annotated[
        dict[str, str],
        Field(description="The same of what goals were worth, by the days on which their runs entered."),
    ]
    returns_known: Annotated[bool, Field(description="The definition of now names the event of returns.")]

    @classmethod
    def of(cls, told: reports.Told) -> ReportView:
        made = told.report
        return cls(
            cascade=made.cascade,
            title=made.title,
            state=told.state,
            version=told.version,
            launches=told.launches,
            as_of=instant(made.as_of),
            uncounted=made.uncounted,
            uneven=told.uneven,
            entered=made.entered,
            under_way=made.under_way,
            outcomes=made.outcomes,
            holdouts=made.holdouts,
            holdouts_under_way=made.holdouts_under_way,
            lines=[LineView.of(line, told.rates.get((line.id, line.channel), {})) for line in made.lines],
            skips=made.skips,
            failures=made.failures,
            failure_words=made.failure_words,
            levels=[LevelView.of(level) for level in made.levels],
            flows=[FlowView.model_validate(each, from_attributes=True) for each in told.flows],
            variants=[VariantView.model_validate(each, from_attributes=True) for each in told.variants],
            price=made.price,
            cost=made.cost,
            goals=made.goals,
            revenue=made.revenue,
            revenue_each=made.revenue_each,
            goal_cost=made.goal_cost,
            return_rate=made.return_rate,
            returned=made.returned,
            goals_returned=made.goals_returned,
            returned_late=made.returned_late,
            returned_unread=made.returned_unread,
            returns_known=made.returns_known,
            told_in=made.told_in,
            rates={name: number(value) for name, value in made.rates.items()},
            worth_rates={name: number(value) for name, value in made.worth_rates.items()},
        )


@router.post("/launch", status_code=201, dependencies=[may(WRITE)])
def begin_launch(office: InOffice, slug: Slug, told: NewLaunch) -> BegunView:
    """Let the people of a list or a segment, or everybody, enter the cascade, now or at a date."""
    if told.at or told.own_clock:
        made = launch_dates.plan(office, slug, _at_a_date(told))
        return BegunView(id=launch_text(made.id), size=None, pace=made.pace, canary=0,
                         begins_at=instant(made.started_at))  # fmt: skip
    audience = Audience(told.list or "", told.segment or "", told.everybody)
    begun = launches.begin(office, slug, audience, told.pace, wanted(told.canary, told.canary_after))
    return BegunView(id=launch_text(begun.id), size=begun.size, pace=begun.pace, canary=begun.canary)


@router.put("/launches/{launch}", dependencies=[may(WRITE)])
def change_launch(office: InOffice, slug: Slug, launch: str, told: NewLaunch) -> LaunchView:
    """Give a launch that has not begun another date, and whom it is for, its pace and canary anew."""
    return LaunchView.of(launch_dates.change(office, slug, read_launch(launch) or 0, _at_a_date(told)))


def _at_a_date(told: NewLaunch) -> launch_dates.Told:
    audience = Audience(told.list or "", told.segment or "", told.everybody)
    return launch_dates.Told(audience, told.at, told.own_clock, told.pace, told.canary, told.canary_after)


@router.get("/launches", dependencies=[may(READ)])
def list_launches(office: InOffice, slug: Slug, part: Annotated[Slice, Depends()]) -> Page[LaunchView]:
    """List the launches of a cascade, the latest first, with how far they have come."""
    before = part.after or LARGEST
    found = launches.listing(office, slug, before=before, limit=part.limit + 1)
    canaries = launches.canaries_of(office, slug)
    shown = [LaunchView.of(row, canaries.get(row.id)) for row in found]
    return part.page(shown, [row.id for row in found])


@router.post("/launches/{launch}/stop", dependencies=[may(WRITE)])
def stop_launch(office: InOffice, slug: Slug, launch: str) -> LaunchView:
    """Let nobody enter any more by this launch; who has entered goes on."""
    return LaunchView.of(launches.stop(office, slug, _number(launch)))


@router.post("/launches/{launch}/go", dependencies=[may(WRITE)])
def let_launch_go(office: InOffice, slug: Slug, launch: str) -> LaunchView:
    """Let the rest of a launch enter, whatever its canary says."""
    return LaunchView.of(launches.go(office, slug, _number(launch)))


def _number(launch: str) -> int:
    launch_id = read_launch(launch)
    if launch_id is None:
        raise NotFound(f"There is no launch {launch!r}: an id is like launch_12.")
    return launch_id


@router.get("/report", dependencies=[may(READ)], responses=COUNTING)
def show_report(
    office: InOffice,
    slug: Slug,
    among: Annotated[AmongQuery, Depends()],
    counted: Counted,
) -> ReportView:
    """Report who entered, who was reached, by what, and for how much."""
    return ReportView.of(counted.soon(lambda: reports.report(office, slug, among.told)))


@router.get("/report/days", dependencies=[may(READ)], responses=COUNTING)
def list_report_days(
    office: InOffice, slug: Slug, counted: Counted,
    days: Annotated[int, Query(ge=1, le=400, description="Today and days before.")] = 92,
    version: Annotated[int, Query(ge=0, le=2**31 - 1, description="Only runs of it; 0: any.")] = 0,
) -> list[DayView]:  # fmt: skip
    """Report what a cascade sent day by day, the oldest first; days without messages are there too."""
    found = counted.soon(lambda: reports.days(office, slug, days, version))
    return [DayView.model_validate(one, from_attributes=True) for one in found]
