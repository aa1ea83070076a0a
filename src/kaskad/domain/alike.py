"""Runs that stand alike: many of them at one step, nothing heard of any, so that one decision is theirs.

`settle` and `enter` ask very little about such a run. This says for which runs that holds; whoever does not
fit is decided about one by one. No rule stands here: the decision itself is made by `decide` for one of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kaskad.domain import caps
from kaskad.domain.cascade import Step
from kaskad.domain.decide import Enter, settle
from kaskad.domain.policy import DAY, HOUR, PerClass
from kaskad.domain.run import NOTHING, PLAIN, Answers, Decision, Passage, Passages, Run, state_of
from kaskad.domain.terms import Channel, Kind, MessageState, Phase
from kaskad.domain.version import Rule, Version

# In `Run.marks`: of a message more is known than that it was sent and delivered, or refused at once.
TOLD = 1
_ENTER, _SUBMITTED, _WAITING = Phase.ENTER.value, Phase.SUBMITTED.value, Phase.WAITING.value
_NO_GAP = PerClass()


class Standing(Struct, frozen=True):
    """Where runs of one version stand, and what they go on to when they are due."""

    version: Version
    phase: int
    step: int
    enters: int | None  # the number of the step; None: the run ends
    reason: str
    passages: Passages  # stand for what the runs have been sent
    late_ms: int  # whoever was due longer ago may be too late
    at_once: bool = False  # what they go on to is due now, whenever they themselves were

    def due_at(self, run: Run, now: int) -> int:
        """Return when what a run goes on to is due that stands here."""
        return now if self.at_once else run.due_at

    def wish(self, due_at: int) -> Enter:
        """Return what `settle` says of a run that stands here, where what it goes on to is due then."""
        first = self.step == -1
        return Enter(self.step if first else self.enters, due_at, self.reason)

    def fits(self, run: Run, now: int) -> bool:
        """Say whether a run that was found here is due in time, and nothing has been told about it."""
        return (
            (self.at_once or now - self.late_ms <= run.due_at <= now)
            and not run.marks
            and not run.holdout
            and run.outcome is None
            and run.branch is None
        )


def standing(version: Version, phase: int, step: int) -> Standing | None:
    """Return where runs in that phase of that step stand; None: each of them is looked at by itself."""
    late_ms = _late_ms(version)
    if version.has_conditions or version.cascade.to or late_ms is None:
        return None
    steps = version.cascade.steps
    if step == -1 and phase == _ENTER:
        first = steps[0]
        plain = _is_plain(version, first)
        return Standing(version, phase, -1, first.number, "due", {}, late_ms) if plain else None
    if step < 0 or phase != _WAITING or not _is_silent(version, steps[step]):
        return None
    enters = steps[step].next
    if enters is not None:
        own_past = version.uses_steps or version.cascade.budget.per_contact is not None
        if own_past or not _is_plain(version, steps[enters]):
            return None
    channel = steps[step].channels[0].code
    sent = Passage(step, channel, MessageState.SENT.code, Kind.SENT.bit, None, None, first=NOTHING)
    return Standing(version, phase, step, enters, "silence", {step: sent}, late_ms)


def leads_to(version: Version, phase: int, step: int) -> int | None:
    """Return the channel that runs in that phase of that step are sent to next once they are due.

    None: not each of them is, or not by the same one, or the step names the account that sends it.
    """
    place = standing(version, phase, step)
    if place is None or place.enters is None:
        return None
    next_step = version.cascade.steps[place.enters]
    return None if next_step.account else next_step.channels[0].code


def turn(version: Version, step: int) -> Standing | None:
    """Return where runs stand whose message of the step was queued and may go now; None as in `standing`.

    This is for messages that no attempt was made with, of runs whose patience is not over.
    """
    late_ms, found = _late_ms(version), version.cascade.steps[step]
    if late_ms is None or _asks_of_the_past(version) or not _is_plain(version, found):
        return None
    queued = Passage(step, found.channels[0].code, MessageState.QUEUED.code, 0, None, None)
    return Standing(version, Phase.QUEUED.value, step, step, "handed over", {step: queued}, late_ms)


def refusal(version: Version, step: int) -> Standing | None:
    """Return where runs stand whose message of the step was refused at once; None as in `standing`.

    They go on to the next step as whoever has waited, but at once: what failed did not touch the person.
    """
    late_ms, found = _late_ms(version), version.cascade.steps[step]
    if late_ms is None or _asks_of_the_past(version) or found.next is None:
        return None
    (channel, *others), urgent = found.channels, found.urgent or version.cascade.urgent
    stays = others or found.on_fail not in ("", "next") or channel is Channel.ROBOT_CALL
    gap_ended = not version.gap_ms or (found.at is None and not urgent)  # or it had not gone yet
    if stays or not gap_ended or not _is_plain(version, version.cascade.steps[found.next]):
        return None
    refused = Passage(
        step, channel.code, MessageState.REJECTED.code, Kind.REJECTED.bit, None, None, first=NOTHING
    )
    return Standing(version, _SUBMITTED, step, found.next, "failed", {step: refused}, late_ms, at_once=True)


def _asks_of_the_past(version: Version) -> bool:
    """Say whether entering a step asks what became of those before, or of receipts that move no run."""
    own_past = version.uses_steps or version.cascade.budget.per_contact is not None
    return bool(own_past or version.has_conditions or version.cascade.to or version.moving & PLAIN)


def answered(
    version: Version, run: Run, step: int, channel: int, mask: int, first: Mapping[int, int], now: int
) -> Decision | None:
    """Return the decision that ends a waiting run because of the first telling facts about its messages.

    These are about the message of `step`, whose facts now are `mask`; `first` has the instants of the telling
    ones. None: they do not end it, or all of its messages have to be looked at.
    """
    if run.phase != _WAITING or run.marks or run.holdout or run.outcome is not None or run.branch is not None:
        return None
    if version.moving & PLAIN or version.branches or version.calls_people:
        return None
    passage = Passage(step, channel, state_of(mask).code, mask, None, None, first=first)
    settled = settle(version, run, {step: passage}, NOTHING, now)
    return settled if isinstance(settled, Decision) and settled.outcome is not None else None


def is_shared(decision: Decision) -> bool:
    """Say whether all who stand alike, with answers alike, are decided about like this one of them.

    What waits for an hour is spread by contact, and what is skipped asks about the next step's channel.
    """
    return decision.send is not None and not decision.skips


def free_below(version: Version, step: int) -> int:
    """Return up to how many touches, not counting this many, no cap looks at a message of that step."""
    policy, message_class = version.policy, version.cascade.message_class
    if policy.run_gap_ms != _NO_GAP or policy.min_gap_ms != _NO_GAP:
        return 1
    (channel,) = version.cascade.steps[step].channels
    return min((cap.limit for cap in policy.caps if cap.fits(channel, message_class)), default=1 << 60)


def may_be_touched(version: Version, step: int, run: Run, answers: Answers, now: int) -> bool:
    """Say whether the caps let a message of that step go now to a contact with these touches."""
    found, cascade = version.cascade.steps[step], version.cascade
    return caps.check(
        answers.touches, version.policy, cascade.message_class, found.channels[0], run.id, answers.zones[0],
        now, urgent=found.urgent or cascade.urgent,
    ).allowed  # fmt: skip


def _is_plain(version: Version, step: Step) -> bool:
    """Say whether entering the step asks the same of everybody, and silence after it counts from no date."""
    return (
        len(step.channels) == 1
        and step.channels[0] is not Channel.AGENT_CALL  # each has a task of its own
        and step.at is None
        and not step.best_hour
        and step.condition is None
        and not step.holdout
        and version.control is None
        and not step.variants
        and not _leads_to_a_date(version, step)
    )


def _leads_to_a_date(version: Version, step: Step) -> bool:
    return step.next is not None and version.cascade.steps[step.next].at is not None


def _is_silent(version: Version, step: Step) -> bool:
    """Say whether runs that wait at the step move on when it is due, whatever else they have been sent.

    A message that was only sent and delivered ends nothing, holds nothing back, and is older than the gap.
    """
    if _leads_to_a_date(version, step) or Channel.AGENT_CALL in step.channels:
        return False  # an agent says when it is over
    rules = [version.rules[step.number, channel.code] for channel in step.channels]
    return not version.moving & PLAIN and all(
        not rule.attends & PLAIN and lasts_ms(rule) >= version.gap_ms for rule in rules
    )


def lasts_ms(rule: Rule) -> int:
    """Return how long silence lasts at least after a message; clocks may jump within a day."""
    spans = [clock.span for clock in rule.clocks if not clock.start] or [rule.last]
    return min(span.months * 28 * DAY + span.days * (DAY - 3 * HOUR) + span.ms for span in spans)


def _late_ms(version: Version) -> int | None:
    """Return how late a step may be, where that is the same number for everybody."""
    own = version.cascade.max_lateness
    if own is None:
        return version.policy.max_lateness_ms
    return None if own.days or own.months else own.ms
