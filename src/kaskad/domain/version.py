"""A frozen version made ready to run: for each step and channel, what its clocks and its success look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import astuple

from kaskad.domain.cascade import Branch, Cascade, Clock, Span, Step, agents_asked
from kaskad.domain.channels import CHANNELS, mask_of, success_mask
from kaskad.domain.condition import Event, Kept, Name, Node, Segment, walk
from kaskad.domain.content import NO_TEXTS, TextBook
from kaskad.domain.control import Drawn, drawn
from kaskad.domain.hours import Windows
from kaskad.domain.law import Denials
from kaskad.domain.policy import Policy
from kaskad.domain.run import HUMAN
from kaskad.domain.terms import Channel, Kind, MessageClass, Reaction

_FAILURES = (
    Kind.REJECTED.bit | Kind.FAILED.bit | Kind.BOUNCED.bit | Kind.EXPIRED.bit
    | Kind.SUSPECTED_CLICKED.bit | Kind.ASKED_AGENT.bit
)  # fmt: skip


class ClockRule(Struct, frozen=True):
    unless: int  # facts, any of which stops this clock
    start: int  # facts, the first of which starts it; 0: since sent
    span: Span


class Rule(Struct, frozen=True):
    """A step on one of its channels."""

    success: int  # facts, any of which is the step's success
    clocks: tuple[ClockRule, ...]
    last: Span  # from the last reaction, when the conditions of all clocks are met
    attends: int  # facts that can move a run; any other only changes the message
    silence_ms: int | None = None  # from sent to moving on where nobody reacts; None: ask `deadline`


class Chances(Struct, frozen=True):
    """How likely each channel of a step is to be taken: by group, by which are open (bits), of 10 000."""

    by: str
    odds: dict[str, dict[int, tuple[tuple[int, int], ...]]]

    def of(self, group: str, arms: int) -> tuple[tuple[int, int], ...]:
        """Return channels with their chances, () where none were learnt for just these."""
        return self.odds.get(group, self.odds.get("", {})).get(arms, ())


class Version(Struct, frozen=True):
    """A cascade's version with everything about it worked out that does not depend on a contact."""

    id: int
    cascade_id: int
    cascade: Cascade
    policy: Policy
    windows: Windows
    rules: dict[tuple[int, int], Rule]  # by step number and channel code
    branches: tuple[Branch, ...]  # also the key of a call that asks for a person
    branch_masks: tuple[dict[int, int], ...]  # of each branch: channel code -> facts that call for it
    stops_on_reply: bool
    moving: int  # facts that can end a run, postpone a step or call for a branch
    has_conditions: bool
    uses_trigger: bool  # in a text, a condition or an anchor
    uses_steps: bool  # in a text
    uses_events: bool
    standing: tuple[Node, ...]  # what its conditions ask of segments, lists, consents, channels and cascades
    anchored: tuple[Step, ...]
    names_accounts: bool
    best_hours: bool  # a step of it asks for the hour at which a person reacts
    chooses: bool  # learns for groups of people which channel they react to
    gap_ms: int  # between touches of one run
    class_code: int
    denials: Denials  # by law
    calls_people: bool  # an agent may be given its messages, and then says when one is over
    texts: TextBook  # its templates, as they were when it was activated
    control: Drawn | None = None  # who gets none of it: advertising only
    weights: dict[int, tuple[int, ...]] = {}  # of variants by step, once one of them has won
    held: dict[int, bool] = {}  # steps that are paused: whether people pass them over, else they wait
    chances: dict[int, Chances] = {}  # by step: what was learnt since; the version itself stays as it is

    @property
    def held_share(self) -> int:
        """Return how many of 10 000 people get nothing, so that the others can be held against them."""
        return held_share(self.cascade, self.policy)


def held_share(cascade: Cascade, policy: Policy) -> int:
    """Return how many of 10 000 people a cascade holds out: its own share, or that of its class."""
    return policy.holdout.of(cascade.message_class) if cascade.holdout is None else cascade.holdout


def prepare(
    version_id: int, cascade_id: int, cascade: Cascade, policy: Policy, texts: TextBook = NO_TEXTS
) -> Version:
    """Return the version with its rules worked out."""
    stops_on_reply = Reaction.REPLIED in cascade.stop_on
    rules = {
        (step.number, channel.code): _rule(cascade, step, channel, stops_on_reply)
        for step in cascade.steps
        for channel in step.channels
    }
    reacted = [
        (branch, {c.code: mask_of(branch.reaction, c) for c in cascade.steps[branch.step].channels})
        for branch in cascade.branches
    ]
    asked = [(branch, {Channel.ROBOT_CALL.code: Kind.ASKED_AGENT.bit}) for branch in _agent_keys(cascade)]
    branches = reacted + asked
    conditions = [c for c in (cascade.exit_if, *(step.condition for step in cascade.steps)) if c is not None]
    started = [] if cascade.trigger.condition is None else [cascade.trigger.condition]
    nodes = [node for c in (*conditions, *started) for node in walk(c.tree)]
    anchored = tuple(step for step in cascade.steps if step.at is not None)
    advertises = cascade.message_class is MessageClass.ADVERTISING
    words = " ".join([*(_words(step) for step in cascade.steps), *(str(one.content) for one in texts.all)])
    return Version(
        version_id, cascade_id, cascade, policy, Windows(policy), rules,
        tuple(branch for branch, _ in branches), tuple(masks for _, masks in branches), stops_on_reply,
        moving=_moving([rule.success for rule in rules.values()], [masks for _, masks in branches]),
        has_conditions=bool(conditions),
        uses_trigger="trigger" in words or bool(anchored or conditions or cascade.to),
        uses_steps="steps" in words,
        uses_events=any(isinstance(node, Event) for node in nodes),
        standing=tuple(
            node
            for node in nodes
            if isinstance(node, Kept | Segment) or (isinstance(node, Name) and node.path[0] == "rfm")
        ),
        anchored=anchored,
        names_accounts=any(step.account for step in cascade.steps),
        best_hours=any(step.best_hour for step in cascade.steps),
        chooses=any(step.choose is not None and step.choose.by for step in cascade.steps),
        gap_ms=policy.min_gap_ms.of(cascade.message_class),
        class_code=cascade.message_class.code,
        denials=Denials(policy, cascade.message_class),
        calls_people=any(Channel.AGENT_CALL in step.channels for step in cascade.steps),
        texts=texts,
        control=drawn(policy.control, policy.zone) if advertises else None,
    )  # fmt: skip


def _moving(successes: Iterable[int], branches: Iterable[dict[int, int]]) -> int:
    moving = HUMAN | Kind.SUSPECTED_CLICKED.bit
    for mask in [*successes, *(mask for masks in branches for mask in masks.values())]:
        moving |= mask
    return moving


def _words(step: Step) -> str:
    contents = [step.content, *(variant.content for variant in step.variants)]
    return " ".join(str(value) for content in contents for value in astuple(content))


def _agent_keys(cascade: Cascade) -> list[Branch]:
    """Return a branch from each call on which a key asks for a person to the next call by a person."""
    return [Branch(step, Reaction.NONE, go) for step, go in agents_asked(cascade.steps).items()]


def _rule(cascade: Cascade, step: Step, channel: Channel, stops_on_reply: bool) -> Rule:
    traits = CHANNELS[channel]
    success = success_mask(step.success, channel) | (Kind.REPLIED.bit if stops_on_reply else 0)
    clocks = tuple(_clock(clock, channel) for clock in step.wait or traits.default_wait)
    attends = success | _FAILURES | HUMAN
    for clock in clocks:
        attends |= clock.unless | clock.start
    return Rule(success, clocks, traits.default_timeout, attends, _silence_ms(cascade, step, clocks))


def _silence_ms(cascade: Cascade, step: Step, clocks: Sequence[ClockRule]) -> int | None:
    """Return how long plain silence lasts, where that is the same number for everybody."""
    spans = [clock.span for clock in clocks if not clock.start]
    anchored = step.next is not None and cascade.steps[step.next].at is not None
    if anchored or not spans or any(span.days or span.months for span in spans):
        return None
    return min(span.ms for span in spans)


def _clock(clock: Clock, channel: Channel) -> ClockRule:
    start = mask_of(clock.start, channel) if clock.start else 0
    return ClockRule(mask_of(clock.unless, channel), start, clock.span)
