"""A cascade played on a clock of its own before it runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, Field

from kaskad.actions import simulate
from kaskad.actions.grounds import grounds, on_list
from kaskad.actions.simulate import Asked
from kaskad.planning.world_file import MOST_PEOPLE
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.forecasts import Minor
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.templates import PEOPLE
from kaskad.web.api.views import View
from kaskad.web.api.whom import Reckoned
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/cascades", tags=["cascades"], route_class=IdempotentRoute)

Seconds = Annotated[float | None, Field(description="After the start; null: never.")]


class NewSimulation(Reckoned):
    """Whom to play, by which definition, in which world, and what is expected.

    With none of the three and not `typical` it is for whom the trigger names, else for typical people.
    """

    expectations: Annotated[
        str, Field(max_length=400_000, description="YAML or JSON: the world, and what is expected.")
    ] = ""
    file_name: Annotated[str, Field(max_length=200, description="What findings call it.")] = ""
    people: Annotated[
        int | None, Field(ge=1, le=MOST_PEOPLE, description="How many are played; null: 10 000 at most.")
    ] = None
    seed: Annotated[int | None, Field(ge=0, le=2**31)] = None
    start: Annotated[AwareDatetime | None, Field(description="null: now.")] = None
    trace: Annotated[int, Field(ge=0, le=50, description="Of so many people every moment is told.")] = 0

    @property
    def asked(self) -> Asked:
        """Return the same as the action takes it."""
        start = None if self.start is None else int(self.start.astimezone(UTC).timestamp() * 1000)
        return Asked(
            text=self.definition, file=self.expectations, file_name=self.file_name or "expectations",
            whom=self.whom, typical=self.typical,
            people=self.people, seed=self.seed, start=start, traced=self.trace,
        )  # fmt: skip


class StepPlayedView(View):
    """One step, in people."""

    step: str
    arrived: int
    messages: int
    attempts: int
    failed: int
    skipped: Annotated[dict[str, int], Field(description="Whom it passed over, by reason.")]
    unsent: Annotated[int, Field(description="Whose message was taken back, or waited to the end.")]
    uncalled: Annotated[int, Field(description="Calls that the own desk has not made in time.")]
    waiting: Annotated[int, Field(description="Who waits at it to the end, as it is paused.")]
    reacted: int
    cost: Minor
    channels: dict[str, int]
    first_s: Seconds
    last_s: Seconds
    outside: Annotated[int, Field(description="Messages outside of the window of such messages.")]
    twice: Annotated[int, Field(description="Messages to people to whom one had gone already.")]


class CheckView(View):
    """Something expected, and what came out; shares are of 1, money in minor units, times in seconds."""

    path: str
    line: int
    column: int
    unit: Annotated[str, Field(description="share, count, money or time.")]
    at_least: float | None
    at_most: float | None
    currency: str
    got: float | None
    holds: bool


class MomentView(View):
    """Something that happened to one person."""

    at: Annotated[float, Field(description="Seconds after the start.")]
    what: str
    step: str
    why: str


class NoteView(View):
    """What was assumed: no_prior, no_price, condition, date_assumed or copied; paused, passed_over: the step
    is paused."""

    step: Annotated[str, Field(description="Empty: all.")]
    note: str


class SimulationView(View):
    """A simulation; shares are of those who entered and were not held out."""

    audience: Annotated[str, Field(description="Empty: typical people.")]
    looked: Annotated[int, Field(description="Contacts that were looked at.")]
    kinds: Annotated[int, Field(description="Kinds of people they are to the rules.")]
    basis: Annotated[str, Field(description="What reactions rest on: prior, others or own.")]
    people: int
    size: Annotated[int, Field(description="Of the audience.")]
    held_out: int
    seed: int
    start: datetime
    steps: list[StepPlayedView]
    reached: int
    reach: float
    messages: int
    cost: Minor
    outcomes: dict[str, int]
    under_way: int
    finished: Annotated[dict[str, Seconds], Field(description="When so many of the runs were over.")]
    hours: Annotated[list[dict[str, int]], Field(description="Messages by channel, an hour each.")]
    touches: Annotated[dict[str, int], Field(description="People by the number of their messages.")]
    by_hour_of_day: Annotated[list[int], Field(description="Messages by the clock of the person.")]
    outside: int
    checks: list[CheckView]
    holds: Annotated[bool, Field(description="Whether all that was expected holds.")]
    notes: list[NoteView]
    traces: list[list[MomentView]]
    seconds: Annotated[float, Field(description="That it took.")]


@router.post("/{slug}/simulate", dependencies=[may(READ), may(PEOPLE)], responses=COUNTING)
def simulate_cascade(office: InOffice, counted: Counted, slug: Slug, told: NewSimulation) -> SimulationView:
    """Play a cascade on a clock of its own, with the rules that then run; nothing is saved or sent.

    It is done in a process of its own, and ended after 55 seconds.
    """
    found = counted.soon(
        lambda: simulate.simulate(office, slug, told.asked), told, grounds(office, slug), apart=True,
        mark="" if told.typical else on_list(office, slug, told.whom, told.definition),
    )  # fmt: skip
    return SimulationView.model_validate(simulate.as_told(found))
