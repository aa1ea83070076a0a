"""Guardrails: what is watched while cascades run, what was stopped, and bounds of one's own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import guards, step_holds
from kaskad.actions.guards import Guarded, Watched
from kaskad.actions.step_holds import HeldStep
from kaskad.domain.guard import MEANINGS, Figure, Guard, Then
from kaskad.domain.guarded import Count
from kaskad.store.guards import Stop
from kaskad.web.api.cascades import READ, WRITE, Slug
from kaskad.web.api.fields import NameInPath
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, Told, View, instant, when
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1", tags=["guardrails"], route_class=IdempotentRoute)

Bound = Annotated[int, Field(ge=0, lt=10_000, description="Of 10 000 messages; 0: not watched.")]


class BoundsView(View):
    """The bounds in force, of 10 000 messages; `then`: what is done besides telling."""

    complaints: Annotated[int, Field(description=MEANINGS[Figure.COMPLAINTS])]
    opt_outs: Annotated[int, Field(description=MEANINGS[Figure.OPT_OUTS])]
    bounces: Annotated[int, Field(description=MEANINGS[Figure.BOUNCES])]
    failures: Annotated[int, Field(description=MEANINGS[Figure.FAILURES])]
    then: Then

    @classmethod
    def of(cls, guard: Guard) -> BoundsView:
        return cls(then=guard.then, **{figure.value: guard.bound(figure) for figure in Figure})


class CountView(View):
    """So many bad messages of so many; `rate` null: of none."""

    bad: int
    of: int
    rate: float | None

    @classmethod
    def of_(cls, count: Count) -> CountView:
        return cls(bad=count.bad, of=count.of, rate=count.rate)


class WatchedView(View):
    """One figure of one step as it stands."""

    version: int
    step: str
    figure: Figure
    bound: int
    day: Annotated[CountView, Field(description="Of runs that entered today (UTC).")]
    days: Annotated[CountView, Field(description="Of runs that entered within thirty days at most.")]
    suspicion: Annotated[float, Field(description="How near it is to being stopped: 0 to 1.")]
    stopped: bool

    @classmethod
    def of(cls, one: Watched) -> WatchedView:
        return cls(
            version=one.version, step=one.step, figure=one.stream.figure, bound=one.bound,
            day=CountView.of_(one.day), days=CountView.of_(one.days), suspicion=one.suspicion,
            stopped=one.stop is not None,
        )  # fmt: skip


class StopView(View):
    """What was beyond its bound; `paused` false: it was told only. `looked_at` null: nobody has looked."""

    figure: Figure
    step: int
    count: CountView
    bound: int
    paused: bool
    at: datetime
    looked_at: datetime | None
    looked_by: str

    @classmethod
    def of(cls, stop: Stop) -> StopView:
        return cls(
            figure=stop.stream.figure, step=stop.stream.step, count=CountView.of_(stop.count),
            bound=stop.bound, paused=stop.paused, at=instant(stop.at), looked_at=when(stop.looked_at),
            looked_by=stop.looked_by,
        )  # fmt: skip


class GuardedView(View):
    """The guardrails of a cascade: bounds, what is watched, what waits for somebody to look, and the last.

    `block_since`: when the block of thirty days began whose people `days` are of.
    """

    cascade: str
    bounds: BoundsView
    watched: list[WatchedView]
    stopped: list[StopView]
    history: list[StopView]
    block_since: datetime

    @classmethod
    def of(cls, told: Guarded) -> GuardedView:
        return cls(
            cascade=told.slug, bounds=BoundsView.of(told.guard),
            watched=[WatchedView.of(one) for one in told.watched],
            stopped=[StopView.of(stop) for stop in told.stops],
            history=[StopView.of(stop) for stop in told.history], block_since=instant(told.block_since),
        )  # fmt: skip


class BoundsTold(Told):
    """Bounds to set, of 10 000; what is left out stays."""

    complaints: Bound | None = None
    opt_outs: Bound | None = None
    bounces: Bound | None = None
    failures: Bound | None = None

    def told(self) -> dict[Figure, int]:
        """Return those that are told."""
        given = {figure: getattr(self, figure.value) for figure in Figure}
        return {figure: bound for figure, bound in given.items() if bound is not None}


class HeldStepView(View):
    """A step that is paused while the rest goes on; `by` empty: a guardrail did it."""

    version: int
    step: str
    skip: Annotated[bool, Field(description="People pass it over; else they wait at it.")]
    at: datetime
    by: str
    why: str

    @classmethod
    def of(cls, held: HeldStep) -> HeldStepView:
        one = held.hold
        return cls(version=held.version, step=held.step, skip=one.skip, at=instant(one.at), by=one.by,
                   why=one.why)  # fmt: skip


class StepPauseTold(Told):
    """What people do who come to the paused step."""

    skip: Annotated[bool, Field(description="They pass it over; else they wait at it.")] = False


class ResumedStepView(View):
    """A step that goes on; `runs` wanted to be sent it meanwhile, and look again now."""

    step: str
    runs: int


class LookedView(View):
    """How many stops somebody has looked at."""

    looked: int


@router.get("/cascades/{slug}/guard", dependencies=[may(READ)])
def show_guard(office: InOffice, slug: Slug) -> GuardedView:
    """Show the guardrails of a cascade: bounds, what is watched, and what was stopped."""
    return GuardedView.of(guards.status(office, slug))


@router.patch("/cascades/{slug}/guard", dependencies=[may(WRITE)])
def set_guard(office: InOffice, slug: Slug, told: BoundsTold) -> GuardedView:
    """Give the current version of a cascade bounds of its own."""
    guards.raise_bounds(office, slug, told.told())
    return GuardedView.of(guards.status(office, slug))


@router.post("/cascades/{slug}/guard/look")
def look_at_guard(office: InOffice, slug: Slug, caller: Annotated[Caller, may(WRITE)]) -> LookedView:
    """Say that a person has looked: it is watched anew from here. What is paused stays so until resumed."""
    return LookedView(looked=guards.looked(office, slug, caller.name))


@router.get("/cascades/{slug}/steps/paused", dependencies=[may(READ)])
def list_paused_steps(office: InOffice, slug: Slug) -> Page[HeldStepView]:
    """List the steps of a cascade that are paused by themselves, in each version."""
    return Page(items=[HeldStepView.of(one) for one in step_holds.listing(office, slug)])


@router.post("/cascades/{slug}/steps/{step}/pause")
def pause_step(
    office: InOffice, slug: Slug, step: NameInPath, caller: Annotated[Caller, may(WRITE)],
    told: StepPauseTold | None = None,
) -> Page[HeldStepView]:  # fmt: skip
    """Send this step to nobody from now on, in any version; the rest of the cascade goes on."""
    skip = told is not None and told.skip
    return Page(items=[
        HeldStepView.of(one) for one in step_holds.pause(office, slug, step, skip=skip, by=caller.name)
    ])  # fmt: skip


@router.post("/cascades/{slug}/steps/{step}/resume")
def resume_step(
    office: InOffice, slug: Slug, step: NameInPath, caller: Annotated[Caller, may(WRITE)]
) -> ResumedStepView:
    """Send a paused step again: `runs` wait at it, and look again now. Guardrails watch it anew."""
    done = step_holds.resume(office, slug, step, by=caller.name)
    return ResumedStepView(step=done.step, runs=done.runs)


@router.patch("/accounts/{name}/guard", status_code=204, dependencies=[may("accounts:write")])
def set_account_guard(office: InOffice, name: NameInPath, told: BoundsTold) -> None:
    """Give an account bounds of its own."""
    guards.raise_account_bounds(office, name, told.told())
