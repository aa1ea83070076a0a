"""Whether a cascade works: against who was held out of it by lot, and its steps and variants likewise."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from kaskad.actions import uplift
from kaskad.analytics.effects import ArmEffect, Effect, StepEffect, VariantEffects
from kaskad.analytics.intervals import Interval
from kaskad.analytics.uplift import Plan, Uplift, Worth
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.launches import AmongQuery, Money
from kaskad.web.api.views import View, instant
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/cascades/{slug}", tags=["cascades"], route_class=IdempotentRoute)

P = Annotated[
    float | None, Field(description="p-value of groups being so full by lot; below 0.001: they are not.")
]


class IntervalView(View):
    """Where the truth lies, with 95 % confidence."""

    low: float
    high: float


Between = IntervalView | None


class GroupView(View):
    """So many people, so many of them with the goal (or a reaction)."""

    people: int
    hits: int
    rate: float | None


class EffectView(View):
    """One group against another; null where one of them is empty."""

    treated: GroupView
    control: GroupView
    difference: Annotated[float | None, Field(description="Of the rates: 0.018 is 1.8 points.")]
    between: Annotated[Between, Field(description="Newcombe, for one look at a time fixed beforehand.")]
    at_any_look: Annotated[Between, Field(description="The same for whoever looks again and again.")]
    lift: Annotated[Between, Field(description="How much higher the rate is, relatively: 0.43 is +43 %.")]
    shown: Annotated[bool, Field(description="Whether `between` excludes zero; else nothing is shown.")]
    shown_at_any_look: bool

    @classmethod
    def of(cls, told: Effect) -> EffectView:
        return cls(
            treated=GroupView(people=told.one.of, hits=told.one.hits, rate=told.one.rate),
            control=GroupView(people=told.other.of, hits=told.other.hits, rate=told.other.rate),
            difference=told.estimate, between=between_of(told.difference),
            at_any_look=between_of(told.any_look), lift=between_of(told.lift), shown=told.shown,
            shown_at_any_look=told.shown_at_any_look,
        )  # fmt: skip


class WorthView(View):
    """Revenue per person, in minor units."""

    currency: str
    treated: float | None
    control: float | None
    between: Annotated[
        Between, Field(description="Of the difference: bootstrap over people, zeros included.")
    ]
    shown: bool

    @classmethod
    def of(cls, told: Worth) -> WorthView:
        return cls(
            currency=told.currency, treated=told.treated, control=told.held,
            between=between_of(told.difference), shown=told.shown,
        )  # fmt: skip


class PlanView(View):
    """How many people it takes to see a lift (0.1: +10 %) at 80 % power, and from when there are as many."""

    lift: float
    people: int
    ready_at: Annotated[datetime | None, Field(description="At the pace of the last 28 days; null: never.")]

    @classmethod
    def of(cls, told: Plan) -> PlanView:
        at = None if told.ready_at is None else instant(told.ready_at)
        return cls(lift=told.lift, people=told.people, ready_at=at)


class StepEffectView(View):
    """What a step brings: whom it wrote to or would have, against whom `holdout` made skip it."""

    step: str
    holdout: float
    goal: EffectView
    evenly: P

    @classmethod
    def of(cls, told: StepEffect) -> StepEffectView:
        return cls(step=told.step, holdout=told.share, goal=EffectView.of(told.goal), evenly=told.evenly)


class ArmView(View):
    """A variant against the first one; p-values are corrected for the number of variants (Holm)."""

    id: str
    messages: Annotated[int, Field(description="That were made, whatever became of them.")]
    reacted: EffectView
    goal: EffectView
    p_reacted: float | None
    p_goal: float | None

    @classmethod
    def of(cls, told: ArmEffect) -> ArmView:
        return cls(
            id=told.id, messages=told.messages, reacted=EffectView.of(told.reacted),
            goal=EffectView.of(told.goal), p_reacted=told.p_reacted, p_goal=told.p_goal,
        )  # fmt: skip


class VariantsView(View):
    """How the variants of a step compare."""

    step: str
    evenly: P
    until: Annotated[
        datetime | None, Field(description="The best one took over: only who entered before counts.")
    ]
    arms: list[ArmView]

    @classmethod
    def of(cls, told: VariantEffects) -> VariantsView:
        until = None if told.until is None else instant(told.until)
        arms = [ArmView.of(arm) for arm in told.arms]
        return cls(step=told.step, evenly=told.evenly, until=until, arms=arms)


class OrdersView(View):
    """Goals that there would not have been without the cascade."""

    count: float
    between: IntervalView


class CostEachView(View):
    """What each of them cost, in minor units; from the interval of their number."""

    cost: Money
    at_least: Money
    at_most: Money


class UpliftView(View):
    """What a cascade brings. A person counts once, by the first run, in the group that the lot gave."""

    cascade: str
    version: Annotated[int, Field(description="Whose steps and variants are compared.")]
    as_of: datetime
    until: Annotated[datetime, Field(description="People who entered before are counted.")]
    only: Annotated[
        tuple[int, ...],
        Field(description="Versions that are counted, where others hold out another share; empty: all."),
    ]
    since: Annotated[
        datetime | None,
        Field(description="Only who entered from then on counts: before, another share was held out."),
    ]
    later: Annotated[
        bool,
        Field(description="Who entered after `until` does not count: another share was held out by then."),
    ]
    first_counted_at: Annotated[datetime | None, Field(description="Where nobody is counted yet: when.")]
    goal: Annotated[str, Field(description="The goal's event; empty: the cascade has none.")]
    within_ms: Annotated[int, Field(description="How long after the entry the goal counts.")]
    holdout: Annotated[float, Field(description="The share that is held out now.")]
    waiting: Annotated[
        int, Field(description="People who have entered, whose time for the goal is not over.")
    ]
    effect: EffectView
    orders: Annotated[OrdersView | None, Field(description="Nothing is shown where `effect.shown` is false.")]
    expected_holdout: float | None
    evenly: P
    uneven: Annotated[
        bool, Field(description="The lot did not fall as it should: no effect can be read off.")
    ]
    worth: WorthView | None
    cost: Money
    cost_each: Annotated[CostEachView | None, Field(description="Null: no effect upwards is shown.")]
    touched: Annotated[int, Field(description="Held out, and written to by other cascades meanwhile.")]
    touched_of: Annotated[int, Field(description="Of so many held out that were looked at.")]
    pace: Annotated[float, Field(description="New people a day, over 28 days.")]
    plans: list[PlanView]
    steps: list[StepEffectView]
    variants: list[VariantsView]
    uncounted: int

    @classmethod
    def of(cls, told: Uplift) -> UpliftView:
        orders, each = told.orders, told.cost_each
        ripe_at = told.first_ripe_at
        return cls(
            cascade=told.cascade, version=told.version, as_of=instant(told.as_of), until=instant(told.until),
            only=told.only, since=None if told.since is None else instant(told.since), later=told.later,
            first_counted_at=None if ripe_at is None else instant(ripe_at), goal=told.goal,
            within_ms=told.within_ms, holdout=told.share, waiting=told.waiting,
            effect=EffectView.of(told.effect),
            orders=orders and OrdersView(count=orders[0], between=_told(orders[1])),
            expected_holdout=told.expected_share, evenly=told.evenly, uneven=told.uneven,
            worth=None if told.worth is None else WorthView.of(told.worth),
            cost=told.cost,
            cost_each=each and CostEachView(cost=each[0], at_least=each[1], at_most=each[2]),
            touched=told.touched.touched, touched_of=told.touched.looked_at, pace=told.pace,
            plans=[PlanView.of(one) for one in told.plans],
            steps=[StepEffectView.of(one) for one in told.steps],
            variants=[VariantsView.of(one) for one in told.variants], uncounted=told.uncounted,
        )  # fmt: skip


def _told(interval: Interval) -> IntervalView:
    return IntervalView(low=interval.low, high=interval.high)


def between_of(interval: Interval | None) -> IntervalView | None:
    """Return an interval as it is answered."""
    return None if interval is None else _told(interval)


@router.get("/uplift", dependencies=[may(READ)], responses=COUNTING)
def show_uplift(
    office: InOffice, slug: Slug, among: Annotated[AmongQuery, Depends()], counted: Counted,
    all: Annotated[bool, Query(description="Also people whose time for the goal is not over.")] = False,
) -> UpliftView:  # fmt: skip
    """Measure what a cascade brings, against the people whom it was withheld from by lot."""
    return UpliftView.of(counted.soon(lambda: uplift.measure(office, slug, among.told, ripe=not all)))
