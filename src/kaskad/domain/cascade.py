"""The cascade as one object: what `definition.py` makes from YAML or JSON and `decide.py` runs.

Everything here is frozen and already checked; times are milliseconds, steps know their own number.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from kaskad.domain.condition import Condition
from kaskad.domain.guard import OwnGuard
from kaskad.domain.terms import Channel, MessageClass, Reaction


class Span(Struct, frozen=True):
    """A duration that keeps its unit: `P1D` is the same wall time next day, `PT24H` 24 elapsed hours (C1).

    Calendar parts (`months`, `days`) are counted on the wall clock first, then `ms` elapsed.
    """

    ms: int = 0
    days: int = 0
    months: int = 0


class Money(Struct, frozen=True):
    """An amount in minor units (tiyn, kopecks) of an ISO 4217 currency."""

    minor: int
    currency: str


class Clock(Struct, frozen=True):
    """Move on when `span` after `start` has passed and `unless` has not come. `start` None: since sent."""

    unless: Reaction
    span: Span
    start: Reaction | None = None


class Anchor(Struct, frozen=True):
    """When a step is due, instead of following the step before it.

    `path` names the instant (`trigger.starts_at`); `by` is subtracted when `before`, else added.
    `day` 3 means the third day of the run, at the wall time of its start; then `path` is empty.
    """

    path: str = ""
    before: bool = True
    by: Span = Span()
    day: int = 0
    earliest_ok: Span | None = None  # how far a step may be moved earlier than due (C8); None: 24 h


class Button(Struct, frozen=True):
    text: str
    url: str = ""
    reply: str = ""


class Approved(Struct, frozen=True, omit_defaults=True):
    """A text that the service has approved, by its name there, and what fills its places in their order.

    In a definition these are templates, in a message what they became. `buttons` has a place for each button
    of the text: the changing end of its address, "" where nothing changes. Where the message's own button at
    that place has a `reply`, it comes back when pressed.
    """

    name: str
    language: str  # as the service writes it: en_US, ru
    parameters: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # of the parameters, where the text names its places; (): they are numbered
    header: str = ""  # of its head: a text, or the address of a medium
    buttons: tuple[str, ...] = ()


class Attached(Struct, frozen=True, omit_defaults=True):
    """A file of the store that goes with a mail, where the condition (as it is written) holds."""

    file: str
    name: str = ""  # what the person sees it called, a template; "": its own
    condition: str = ""


class Calendar(Struct, frozen=True, omit_defaults=True):
    """An appointment that goes with a mail: `starts` and `ends` are paths of instants, the rest templates."""

    title: str
    starts: str
    ends: str = ""
    lasts: Span | None = None  # where there is no `ends`
    place: str = ""
    about: str = ""
    uid: str = ""  # names the appointment over runs and cascades; "": one of this run
    cancel: bool = False  # takes back what was sent before


class Content(Struct, frozen=True):
    """What is said; templates in Liquid. Which fields count depends on the channel."""

    template: str = ""
    subject: str = ""
    html: str = ""
    mjml: str = ""
    text: str = ""
    say: str = ""
    script: str = ""
    buttons: tuple[Button, ...] = ()
    media: tuple[str, ...] = ()
    approved: Approved | None = None  # for when the service takes no free text
    attach: tuple[Attached, ...] = ()
    calendar: Calendar | None = None


class Variant(Struct, frozen=True):
    id: str
    weight: int
    content: Content


class Choose(Struct, frozen=True):
    """That of several channels the one is learnt that people react to. `by`: for each group apart."""

    by: str = ""  # language | country
    explore: int = 500  # of 10 000: what each channel gets at least
    worth: Money | None = None  # of a success: what a message costs counts against it; None: costs don't


class Winner(Struct, frozen=True):
    """When the best of a step's variants gets all others' people; shares of 10 000."""

    by: str = "reacted"  # what counts as a success: a figure of messages, or goal
    after: int = 500  # messages of each whose time is over
    confidence: int = 9_500  # at all looks together
    opt_out: int | None = None  # not one by which so many more opt out
    explore: int = 0  # what each other one keeps


class Utm(Struct, frozen=True):
    """What is added to links that lead to `domains` (): to all; the values are templates."""

    parameters: tuple[tuple[str, str], ...]  # source, medium, campaign, content, term
    domains: tuple[str, ...] = ()


class Step(Struct, frozen=True):
    number: int
    id: str
    channels: tuple[Channel, ...]
    content: Content
    variants: tuple[Variant, ...] = ()
    success: Reaction | None = None  # None: the channel's default
    wait: tuple[Clock, ...] = ()  # (): the channel's default clocks
    at: Anchor | None = None
    condition: Condition | None = None
    holdout: int = 0  # of 10 000
    on_fail: str = ""  # next | retry | stop; "": next, and a call that nobody took is tried again
    keys: dict[str, str] = field(default_factory=dict)  # confirm | agent | opt_out
    only_branch: bool = False
    urgent: bool = False
    account: str = ""
    utm: Utm | None = None
    choose: Choose | None = None  # None: the first channel that reaches the contact
    winner: Winner | None = None  # None: variants keep their weights
    best_hour: bool = False  # waits up to a day for the hour at which the person reacts most
    next: int | None = None  # the step that silence leads to; None: the run ends


class Trigger(Struct, frozen=True):
    """What enrols. Exactly one of `event`, `broadcast`, `segment`, `date` is set."""

    event: str = ""
    key: str = ""
    delay: Span = Span()
    condition: Condition | None = None
    broadcast: str = ""
    pace_per_hour: int = 0  # 0: as fast as it goes
    segment: str = ""  # whoever becomes a member
    date: str = ""  # attribute of the contact
    yearly: bool = False
    before: bool = False
    shift: Span | None = None  # whole days from the date, before or after it
    minute: int = 600  # of the day, by the contact's clock


class Returned(Struct, frozen=True, forbid_unknown_fields=True):
    """How the shop tells that what a goal was worth is given back; see domain/returns.py."""

    event: str
    value: str = ""  # its property with the amount; "": all that the goal was worth
    order: str = ""  # property of this event and of the goal's that names the order


class Goal(Struct, frozen=True):
    event: str
    match: dict[str, str] = field(default_factory=dict)  # event property -> path in the run
    within: Span = Span(days=7)
    value: str = ""
    returned: Returned | None = None


class Reentry(Struct, frozen=True):
    rule: str = "after_finish"  # once_ever | after_finish | restart | parallel_by_key
    cooldown: Span = Span(days=7)


class Branch(Struct, frozen=True):
    step: int
    reaction: Reaction
    go: int
    unless_goal_in: Span | None = None


class Budget(Struct, frozen=True):
    total: Money | None = None
    per_contact: Money | None = None

    @property
    def currency(self) -> str:
        """Return the currency of what the cascade costs and brings; "" where it does not say."""
        amount = self.total or self.per_contact
        return amount.currency if amount else ""


class Cascade(Struct, frozen=True):
    id: str
    title: str
    message_class: MessageClass
    trigger: Trigger
    steps: tuple[Step, ...]
    topic: str = ""
    brand: str = ""
    utm: Utm | None = None
    to: str = ""  # path to the one address of the contact that is written to; "": the best of each channel
    goal: Goal | None = None
    stop_on: tuple[Reaction, ...] = ()
    exit_if: Condition | None = None
    holdout: int | None = None  # of 10 000; None: the class's default
    priority: int = 50
    budget: Budget = Budget()
    guard: OwnGuard | None = None
    branches: tuple[Branch, ...] = ()
    reentry: Reentry = Reentry()
    max_lateness: Span | None = None
    urgent: bool = False
    first: int = 0
    seeds: bool = False  # seed contacts get every launch too


def agents_asked(steps: Sequence[Step]) -> dict[int, int]:
    """Return for each call with a key that asks for a person the next call by one, both by number."""
    found = {}
    for place, step in enumerate(steps):
        agents = [other for other in steps[place + 1 :] if Channel.AGENT_CALL in other.channels]
        if agents and "agent" in step.keys.values():
            found[step.number] = agents[0].number
    return found
