"""What is asked of an optimisation, and what is told."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions.proposals import Proposal
from kaskad.actions.waiting import Patience
from kaskad.domain.cascade import Money
from kaskad.planning.orders import Freedom


class Target(Struct, frozen=True):
    """What is asked for; nothing: as much reach as now, for less. `fades_ms`: the time in which half of a
    reached person's `value` is lost; `budget` and `calls` (by people) are those of the whole audience."""

    reach: float | None = None
    budget: Money | None = None
    value: Money | None = None
    annoyance: Money | None = None  # that a message causes, besides its price
    fades_ms: int = 0
    calls: int | None = None
    freedom: Freedom = Freedom.GENTLE


class StepWorth(Struct, frozen=True):
    """A step where it stands today. `rate` is of those who get it while silent (None: nobody would), `seen`
    of how many of its own that is known; `each_reached` what one more reached person costs there, minor
    units; `keeps` whether that is worth the value told, None: none was. `fixed` says why it stays (anchor,
    branch, keys, condition, informs), "": it may move. `open`: the share of people to whom it is open."""

    step: str
    channel: str
    open: float
    rate: float | None
    seen: int
    price: float | None
    each_reached: float | None
    keeps: bool | None
    fixed: str
    wait_hours: float


class Spot(Struct, frozen=True):
    """An order: the share it reaches, what it costs and sends for each who enters (minor units, messages),
    and after how many hours the message goes that reaches somebody."""

    steps: tuple[str, ...]
    reach: float
    cost: float
    messages: float
    hours: float
    efficient: bool = False
    today: bool = False


class Share(Struct, frozen=True):
    steps: tuple[str, ...]
    share: float


class Mixed(Struct, frozen=True):
    """Orders that do it best together, each for a share of the people. `marginal`: what one more reached
    person costs there; None: nothing holds that up."""

    shares: tuple[Share, ...]
    reach: float
    cost: float
    marginal: float | None


class Sort(Struct, frozen=True):
    """People to whom the same steps are open: their share, and what today's order does for each of them."""

    steps: tuple[str, ...]
    share: float
    reach: float
    cost: float
    best_reach: float  # of what is proposed; as today where nothing is
    best_cost: float


class Part(Struct, frozen=True):
    """A part of the people: a segment, as far as nobody is in one before it; "": everybody else.

    `own`: they go a way of their own; else that of everybody else, and `why` tells for what reason. `seen`:
    of how many of them something is known. `proposed`: what their order does, by what is known of them.
    """

    segment: str
    size: int
    share: float
    seen: int
    own: bool
    why: str
    today: Spot
    proposed: Spot


class Optimized(Struct, frozen=True):
    """What is known of a cascade, and what is proposed. `currency` "": no price is known, costs are messages.

    `spread`: how much of their readiness to react people have in common (0: nothing). `notes` say what is not
    known.
    """

    audience: str
    size: int
    sample: int
    currency: str
    basis: str
    spread: float
    compared: int
    today: Spot
    steps: tuple[StepWorth, ...]
    spots: tuple[Spot, ...]
    mixed: Mixed | None
    sorts: tuple[Sort, ...]
    waits: tuple[Patience, ...]
    proposals: tuple[Proposal, ...]
    notes: tuple[str, ...]
    revision: str
    parts: tuple[Part, ...] = ()
