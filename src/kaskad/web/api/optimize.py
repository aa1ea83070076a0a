"""What a cascade could do better: the orders of its steps compared, times to wait learnt, and proposals."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from kaskad.domain.cascade import Money
from kaskad.domain.errors import Invalid
from kaskad.domain.money import BadMoney, parse_money
from kaskad.domain.span import approximate_ms, parse_span
from kaskad.domain.worded import wording
from kaskad.web.api.cascades import READ, Slug
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.fields import PLAIN
from kaskad.web.api.forecasts import RangeView
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.templates import PEOPLE
from kaskad.web.api.views import View
from kaskad.web.api.whom import Name, Reckoned
from kaskad.web.auth import InOffice, may

MOST_SEGMENTS = 5
router = APIRouter(prefix="/api/v1/cascades", tags=["cascades"], route_class=IdempotentRoute)

Amount = Annotated[str, Field(max_length=40, pattern=PLAIN, examples=["500 KZT"])]
PerPerson = Annotated[
    float, Field(description="For each who enters, in minor units; messages without prices.")
]


class NewOptimization(Reckoned):
    """What is wished, of whom, and by which definition; of nothing said: as much reach as now, for less.

    Without a list, segment, everybody or typical it is for whom the trigger names, else for those who have
    entered so far, else for typical people.
    """

    sample: Annotated[int, Field(ge=1, le=10_000, description="Contacts that are looked at.")] = 1_000
    target_reach: Annotated[float | None, Field(gt=0, le=1, description="The share to be reached.")] = None
    budget: Annotated[Amount, Field(description="For the whole audience.")] = ""
    value: Annotated[Amount, Field(description="What a reached person is worth.")] = ""
    annoyance: Annotated[Amount, Field(description="What each message costs besides its price.")] = ""
    fades: Annotated[
        str, Field(max_length=20, pattern=PLAIN, description="In which time half of the value is lost: 48h.")
    ] = ""
    calls: Annotated[int | None, Field(ge=0, description="That people can make, for the audience.")] = None
    order: Annotated[
        Literal["gentle", "free", "as-is"],
        Field(description="gentle: nothing more intrusive comes earlier; as-is: steps are only left out."),
    ] = "gentle"
    segments: Annotated[
        tuple[Name, ...],
        Field(
            max_length=MOST_SEGMENTS,
            description="Which may go ways of their own; somebody in several is in the first of them.",
        ),
    ] = ()


class SpotView(View):
    """An order of steps, and what it does."""

    steps: list[str]
    reach: Annotated[float, Field(description="The share of those who enter that it reaches.")]
    cost: PerPerson
    messages: Annotated[float, Field(description="For each who enters.")]
    hours: Annotated[float, Field(description="Until the message goes that reaches somebody; a mean.")]
    efficient: Annotated[bool, Field(description="No order reaches more for less.")]
    today: bool


class StepWorthView(View):
    """A step where it stands today."""

    step: str
    channel: str
    open: Annotated[float, Field(description="The share of people to whom it can be sent.")]
    rate: Annotated[
        float | None,
        Field(description="The share that reacts, of those who get it while silent; null: nobody would."),
    ]
    seen: Annotated[int, Field(description="People of this step itself on whom that rests.")]
    price: Annotated[float | None, Field(description="Of a message, minor units; null: not known.")]
    each_reached: Annotated[float | None, Field(description="What one more reached person costs here.")]
    keeps: Annotated[bool | None, Field(description="Whether that is worth the value; null: none was told.")]
    fixed: Annotated[
        str,
        Field(
            description="Why it stays: anchor, branch, keys, condition, informs, looked_at; empty: no reason."
        ),
    ]
    wait_hours: float


class ShareView(View):
    """Of how many people which order."""

    steps: list[str]
    share: float


class MixedView(View):
    """Orders that do it best together (a linear programme)."""

    shares: list[ShareView]
    reach: float
    cost: PerPerson
    marginal: Annotated[float | None, Field(description="What one more reached person costs there.")]


class SortView(View):
    """People to whom the same steps can be sent, and what today's order and the proposed one do for them."""

    steps: list[str]
    share: float
    reach: float
    cost: PerPerson
    best_reach: float
    best_cost: PerPerson


class PatienceView(View):
    """How long a step waits. `hours` and `silent` are the curve of those silent still (Kaplan-Meier)."""

    step: str
    channel: str
    people: int
    reactions: int
    wait_hours: float
    proposed_hours: Annotated[float | None, Field(description="null: it stays; `why` says for what reason.")]
    why: str
    hours: list[float]
    silent: list[float]
    low: list[float]
    high: list[float]
    late: Annotated[float, Field(description="The share of today's reactions that would come later.")]
    spared: Annotated[
        float,
        Field(description="Of those silent at its end, whom a longer wait spares the next message."),
    ]
    extra_cost: PerPerson
    extra_messages: float


class ChangeView(View):
    """One change: moved, left_out or wait."""

    kind: str
    step: str
    was: str
    becomes: str
    why: str


class RejectedView(View):
    """An order that was not chosen, and why."""

    steps: list[str]
    reach: float
    cost: PerPerson
    why: str


class FigureView(View):
    """A figure for each who enters, as it is and as proposed; eight of ten worlds lie between."""

    now: float
    proposed: float
    now_between: RangeView
    proposed_between: RangeView
    change: RangeView


class TheirsView(View):
    """What is proposed for one of the segments, or for everybody else."""

    segment: Annotated[str, Field(description="Empty: everybody else.")]
    share: Annotated[float, Field(description="Of the audience.")]
    changes: list[ChangeView]
    figures: Annotated[dict[str, FigureView], Field(description="Of those in it; empty: nobody is.")]
    order: list[str]
    waits: dict[str, str]


class ProposalView(View):
    """One proposal; PUT its `definition` with the `revision` to make it the draft.

    Where segments go ways of their own, these are the `parts`; `changes`, `order` and `waits` are empty then.
    """

    name: Annotated[str, Field(description="order or waits.")]
    ready: Annotated[bool, Field(description="Nothing speaks against making it a draft.")]
    changes: list[ChangeView]
    figures: Annotated[dict[str, FigureView], Field(description="reach, cost, messages and hours.")]
    hindrances: list[str]
    cautions: list[str]
    rejected: list[RejectedView]
    order: list[str]
    waits: dict[str, str]
    definition: str
    parts: list[TheirsView]


class PartView(View):
    """One of the segments, or everybody else: how many they are, and what their way does for them."""

    segment: Annotated[str, Field(description="Empty: everybody else.")]
    size: int
    share: float
    seen: Annotated[int, Field(description="Of how many of them something is known.")]
    own: Annotated[bool, Field(description="Whether they go a way of their own.")]
    why: Annotated[str, Field(description="Why they go with everybody else, where they do.")]
    today: SpotView
    proposed: SpotView


class OptimizedView(View):
    """What is known of a cascade, and what is proposed; nothing is changed."""

    audience: Annotated[str, Field(description="Empty: typical people, whom each step reaches.")]
    size: int
    sample: int
    currency: Annotated[str, Field(description="Empty: no price is known, so costs are messages.")]
    basis: Annotated[str, Field(description="What reactions rest on: prior, others, own; as in a forecast.")]
    spread: Annotated[
        float, Field(description="How much of their readiness people have in common; 0: nothing.")
    ]
    compared: Annotated[int, Field(description="Orders that were compared.")]
    today: SpotView
    steps: list[StepWorthView]
    spots: Annotated[
        list[SpotView], Field(description="Of each set of steps the cheapest order, and today's.")
    ]
    mixed: MixedView | None
    sorts: list[SortView]
    waits: list[PatienceView]
    proposals: list[ProposalView]
    parts: Annotated[list[PartView], Field(description="The segments that were named, and everybody else.")]
    notes: Annotated[list[str], Field(description="What is not known, and what stands in the way.")]
    revision: str


@router.post("/{slug}/optimize", dependencies=[may(READ), may(PEOPLE)], responses=COUNTING)
def optimize_cascade(office: InOffice, counted: Counted, slug: Slug, told: NewOptimization) -> OptimizedView:
    """Compare all orders and subsets of a cascade's steps, and say how long each should wait.

    Nothing is changed: each proposal is a definition that may become the draft.
    """
    from kaskad.actions.grounds import grounds, on_list
    from kaskad.actions.optimize import optimize
    from kaskad.actions.optimized import Target
    from kaskad.planning.orders import Freedom

    fades = 0
    if told.fades:
        try:
            fades = approximate_ms(parse_span(told.fades))
        except ValueError as error:
            raise Invalid([wording(error)]) from None
    target = Target(
        told.target_reach, _money(told.budget), _money(told.value), _money(told.annoyance), fades, told.calls,
        Freedom(told.order),
    )  # fmt: skip
    call = partial(
        optimize, office, slug, told.definition, target, whom=told.whom, typical=told.typical,
        sample=told.sample, segments=told.segments,
    )  # fmt: skip
    mark = "" if told.typical else on_list(office, slug, told.whom, told.definition)
    found = counted.soon(call, told, grounds(office, slug), mark=mark)
    return OptimizedView.model_validate(found, from_attributes=True)


def _money(text: str) -> Money | None:
    if not text.strip():
        return None
    try:
        return parse_money(text)
    except BadMoney as error:
        raise Invalid([wording(error)]) from None
