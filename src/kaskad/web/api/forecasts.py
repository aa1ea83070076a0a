"""What a cascade is expected to reach, send and cost, before it runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from kaskad.actions import forecast, hindsight
from kaskad.actions.forecast import Expected
from kaskad.actions.grounds import grounds, on_list
from kaskad.actions.hindsight import Hindsight
from kaskad.domain.ids import launch_text
from kaskad.planning.edges import By
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.templates import PEOPLE
from kaskad.web.api.views import View, instant
from kaskad.web.api.whom import Reckoned
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/cascades", tags=["cascades"], route_class=IdempotentRoute)
backtest_router = APIRouter(prefix="/api/v1/backtest", tags=["cascades"], route_class=IdempotentRoute)

Minor = Annotated[dict[str, int], Field(description="Minor units (tiyn, kopecks) by currency.")]
Each = Annotated[dict[str, float], Field(description="Minor units by currency.")]


class NewForecast(Reckoned):
    """Whom to forecast for, at most one of the three, and by which definition.

    With none of them it is for whom the trigger names; where it names nobody, for typical people.
    """

    sample: Annotated[int, Field(ge=1, le=10_000, description="Contacts that are looked at.")] = 1_000


class RangeView(View):
    """What eight of ten outcomes are expected to lie between (P10 to P90)."""

    low: float
    high: float


Ranges = dict[str, RangeView]


class StepForecastView(View):
    """One step, in people. Who arrives and reacts is told in whole people, so sums may be off by one."""

    step: str
    arrived: int
    messages: int
    reacted: int
    ended: Annotated[int, Field(description="Of those who reacted, for whom that ends the run.")]
    branched: Annotated[int, Field(description="Of those who reacted, who are led to another step.")]
    left: Annotated[int, Field(description="Who buy, say no or leave otherwise, without a reaction.")]
    went_on: Annotated[int, Field(description="To the step after silence, or to the end.")]
    rate: Annotated[float, Field(description="The share that is taken to react, of those written to.")]
    seen: Annotated[int, Field(description="People of this step itself on whom the share rests.")]
    cost: Minor
    each: Annotated[float | None, Field(description="What one message costs, minor units; null: not known.")]
    currency: str
    parts: Annotated[int, Field(description="Of an SMS; 0: the step sends none.")]
    passed: Annotated[
        dict[str, int],
        Field(description="Whom it would pass over, of all who enter, by reason; over_budget: of who comes."),
    ]
    notes: Annotated[
        list[str],
        Field(
            description="no_prior: nobody counts as reacting; no_account: none is set up that could send "
            "the step; no_price; price_changes: messages count at "
            "the price of when they go; condition: counted as if it held; paused: people wait at the step; "
            "late: until it is too late for it; passed_over: it is paused, and passed over."
        ),
    ]
    ranges: Annotated[Ranges, Field(description="Of arrived, messages and reacted.")]


class EdgeView(View):
    """People who go from one place to another: `entered`, `step:ID` or `end:NAME`."""

    source: str
    target: Annotated[
        str,
        Field(description="Ends: responded, exhausted (every step tried), left (bought, said no), waiting."),
    ]
    by: Annotated[By, Field(description="What leads there; other: a goal, a no or a stop, no reaction.")]
    people: int
    between: RangeView


class WithoutView(View):
    """What leaving a step out would change."""

    step: str
    mean_reach: Annotated[float, Field(description="Of the share of people that reacts.")]
    reach: RangeView
    messages: int
    cost: Minor


class OverView(View):
    """When so many of the runs are over, in seconds after the first enters."""

    share: Annotated[str, Field(description="50%, 90% or 100%.")]
    after_s: float
    between: RangeView


class ForecastView(View):
    """Real addresses, consents and prices; reactions by the past, and by priors where that tells little."""

    audience: Annotated[str, Field(description="Empty: typical people, whom each step reaches.")]
    size: int
    sample: int
    held_out: int
    steps: list[StepForecastView]
    reached: Annotated[int, Field(description="People who react to any message.")]
    reach: float
    silent: Annotated[int, Field(description="People who come to the end without any reaction.")]
    messages: int
    cost: Minor
    each_entered: Each
    each_reached: Each
    converted: Annotated[
        int | None, Field(description="People who reach the goal; null: no run of the cascade tells yet.")
    ]
    ranges: Annotated[Ranges, Field(description="Of entered, reached, silent, messages and converted.")]
    cost_ranges: Annotated[Ranges, Field(description="Minor units by currency.")]
    edges: Annotated[list[EdgeView], Field(description="Along which somebody may go, by the same draws.")]
    budget_left: Annotated[
        Minor,
        Field(
            description="What is left of the cascade's budget, where all would cost more: steps that would "
            "overspend it are passed over (over_budget), as all figures here reckon. Empty: it is enough."
        ),
    ]
    coarse: Annotated[
        list[str],
        Field(
            description="What was reckoned of far fewer groups of people than there are, as money may run "
            "out in many ways: figures, without. What all costs hardly changes; which of the steps that "
            "compete for it gets it may be wrong by a tenth."
        ),
    ]
    uncounted: Annotated[
        list[str],
        Field(
            description="budgets: there are some, which are not counted as these people stand for others; "
            "others: money is short, and reckoned as if runs under way and other cascades spent nothing, all "
            "were in the brand's time zone, and services took all messages at once; dates: steps are due by "
            "some of which nothing is known: for whom they come too late is not counted."
        ),
    ]
    without: Annotated[list[WithoutView], Field(description="The same with one step left out.")]
    over: Annotated[
        list[OverView],
        Field(description="If all enter at once, or at the trigger's pace; empty: nobody does."),
    ]
    basis: Annotated[
        str,
        Field(
            description="What reactions rest on: prior (the field's figures), others (other cascades' past "
            "too), own (this cascade's past)."
        ),
    ]


class ComparedView(View):
    """One figure of a launch: what was expected, between what, and what happened so far."""

    figure: Annotated[str, Field(description="entered, reached, silent, messages, converted or cost.")]
    currency: Annotated[str, Field(description="Of costs, which are in minor units; else empty.")]
    expected: int
    between: RangeView
    happened: int
    held: Annotated[bool, Field(description="Whether what happened lies in the range.")]


class HindsightView(View):
    """A launch, what was expected of it, and what has become of it; or a version's first week.

    A week has no `launch` but a `version`, and its figures are of as many as have entered.
    """

    cascade: str
    launch: Annotated[str, Field(description="Empty: of a version's first week.")]
    version: Annotated[int, Field(description="0: of a launch.")]
    versions: Annotated[
        tuple[int, ...],
        Field(description="Whose runs are counted, where versions were on trial meanwhile; else empty."),
    ]
    audience: str
    started_at: datetime
    basis: str
    over: Annotated[bool, Field(description="At most one run of a hundred is still under way.")]
    under_way: int
    figures: list[ComparedView]
    uncounted: Annotated[
        tuple[str, ...],
        Field(
            description="What the forecast did not count: budgets, others, dates; see those of a forecast."
        ),
    ]
    again: Annotated[
        bool,
        Field(
            description="Of a week: made again, as the first to enter had told the dates by which steps are "
            "due. Its figures are of those who came after it."
        ),
    ]

    @classmethod
    def of(cls, told: Hindsight) -> HindsightView:
        return cls(
            cascade=told.cascade, launch=launch_text(told.launch) if told.launch else "",
            version=told.version, versions=told.versions, audience=told.audience,
            started_at=instant(told.started_at), basis=told.basis, over=told.over, under_way=told.under_way,
            figures=[ComparedView.model_validate(one, from_attributes=True) for one in told.figures],
            uncounted=told.uncounted, again=told.again,
        )  # fmt: skip


class CountedView(View):
    """How many times a figure came out below, in and above its range."""

    figure: str
    below: int
    inside: int
    above: int


class CalibrationView(View):
    """How far forecasts can be trusted, by the launches and weeks that are over."""

    launches: Annotated[int, Field(description="Launches and weeks with a figure that is counted.")]
    certain: Annotated[
        int,
        Field(
            description="Figures left out: certain beforehand, and came so; others are counted, as missed."
        ),
    ]
    whole: CountedView
    figures: list[CountedView]
    share: Annotated[float | None, Field(description="Of figures in their range: 0.8 is right; null: none.")]
    believed: Annotated[
        RangeView | None,
        Field(description="Where that share may truly lie (95 %); those of one launch or week count as one."),
    ]
    verdict: Annotated[
        str, Field(description="few: nothing is known yet; good; narrow: ranges hold too little; wide.")
    ]
    below: Annotated[
        tuple[str, ...],
        Field(description="Figures that miss their range below it more often than by chance: less comes."),
    ]
    above: Annotated[tuple[str, ...], Field(description="Figures of which more comes than is expected.")]


class BacktestView(View):
    """The last launches and weeks that were forecast, the latest first, and what came of it all."""

    launches: list[HindsightView]
    calibration: CalibrationView


@backtest_router.get("", dependencies=[may(READ)], responses=COUNTING)
def backtest(
    office: InOffice, counted: Counted,
    cascade: Annotated[str, Query(max_length=64, description="Of this one; else of all.")] = "",
) -> BacktestView:  # fmt: skip
    """Hold what was forecast of launches and weeks against what happened; count how often ranges held."""
    told = counted.soon(
        lambda: hindsight.of_cascade(office, cascade) if cascade else hindsight.of_all(office)
    )
    return BacktestView(
        launches=[HindsightView.of(one) for one in told],
        calibration=CalibrationView.model_validate(hindsight.calibrated(told), from_attributes=True),
    )


@router.get("/{slug}/forecasts", dependencies=[may(READ)], responses=COUNTING)
def forecasts_of(
    office: InOffice, counted: Counted, slug: Slug,
    limit: Annotated[int, Query(ge=1, le=100)] = hindsight.LAUNCHES,
) -> list[HindsightView]:  # fmt: skip
    """Hold what was forecast of the last launches of a cascade against what has happened since."""
    found = counted.soon(lambda: hindsight.of_cascade(office, slug, limit))
    return [HindsightView.of(one) for one in found]


@router.post("/{slug}/forecast", dependencies=[may(READ), may(PEOPLE)], responses=COUNTING)
def forecast_cascade(office: InOffice, counted: Counted, slug: Slug, told: NewForecast) -> ForecastView:
    """Forecast reach, messages and cost of a cascade, step by step, with ranges; nothing is saved.

    Mistakes in the definition are left out.
    """

    def made() -> Expected:
        if told.typical:
            return forecast.of_typical(office, slug, told.definition)
        return forecast.expect(office, slug, told.definition, whom=told.whom, sample=told.sample)

    mark = "" if told.typical else on_list(office, slug, told.whom, told.definition)
    found = counted.soon(made, told, grounds(office, slug), mark=mark)
    return ForecastView.model_validate(found, from_attributes=True)
