"""What happens to a run now: the one place that knows.

`decide` looks at everything known of a run (its row, its messages with their facts folded in, what
happened to the run itself) and at the answers about its contact, and returns the run's next state.
It does not ask what woke it, so calling it twice, late, or in another order changes nothing.
The rules E1–E16 and C1–C10 are those of the field sheet; docs/architecture.md lists where each is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from kaskad.domain import entering
from kaskad.domain.hours import add
from kaskad.domain.policy import DAY
from kaskad.domain.run import (
    FINISHED_BY,
    HUMAN,
    Answers,
    Decision,
    Marks,
    Passage,
    Passages,
    Run,
    failed,
)
from kaskad.domain.terms import Kind, MessageState, Outcome, Phase, RunState
from kaskad.domain.version import Rule, Version

ACTIVE, FINISHED = RunState.ACTIVE.code, RunState.FINISHED.code
# An enum's members cost a function call each time they are named, and this runs for every run in every tick.
_ENTER, _WAITING = Phase.ENTER, Phase.WAITING
_QUEUED, _CANCELLED = MessageState.QUEUED.code, MessageState.CANCELLED.code
_SUSPECTED, _MACHINE_CLICKED = Kind.SUSPECTED_CLICKED.value, Kind.MACHINE_CLICKED.bit
_PRECEDENCE = {outcome.code: rank for rank, outcome in enumerate((
    Outcome.CONVERTED, Outcome.COMPLAINED, Outcome.OPTED_OUT, Outcome.CANCELLED, Outcome.SUPERSEDED,
    Outcome.RESPONDED,
))}  # fmt: skip


class Enter(Struct, frozen=True):
    """The run is to enter a step, not before `due_at`."""

    step: int | None
    due_at: int
    reason: str


def decide(
    version: Version, run: Run, passages: Passages, marks: Marks, ask: Callable[[], Answers], now: int
) -> Decision:
    """Return the run's next state. `ask` is called only if the run may enter a step."""
    settled = settle(version, run, passages, marks, now)
    if isinstance(settled, Decision):
        return settled
    return entering.enter(version, run, passages, settled.step, settled.due_at, ask(), now, settled.reason)


def settle(version: Version, run: Run, passages: Passages, marks: Marks, now: int) -> Decision | Enter:
    """Return what follows from the facts and the clocks alone."""
    moved = bool(marks)
    for passage in passages.values():
        moved = moved or bool(passage.mask & version.moving)
    end = ending(version, run, passages, marks) if moved else None
    if end is not None:
        return _finish(run, *end)
    if run.outcome is not None:
        return _keep(run, run.wake_at, "finished")
    if run.holdout:
        ends_at = goal_ends_at(version, run)
        if now < ends_at:
            return _keep(run, ends_at, "hold-out")
        return _finish(run, Outcome.EXHAUSTED.code, None, "hold-out is over", False)
    branch = _branch(version, run, passages) if moved else None
    if branch is not None:
        return _follow_branch(version, run, passages, *branch, now)
    held_until = _held_until(version, run, passages) if moved else 0
    current = passages.get(run.step)
    if run.phase == _ENTER or current is None:
        return Enter(run.step, max(run.due_at, held_until), "due")
    if current.state == _QUEUED:
        return _queued(version, run, held_until, now)
    return _sent(version, run, current, held_until, now)


def ending(
    version: Version, run: Run, passages: Passages, marks: Marks
) -> tuple[int, int | None, str, bool] | None:
    """Return (outcome, step, reason, late) if the facts end the run, by their own times, not by arrival.

    The earliest ending counts; a goal turns a response into a conversion whenever it comes in time.
    """
    ends: list[tuple[int, int, int, int | None]] = [
        (at, _PRECEDENCE[FINISHED_BY[Kind(kind)].code], FINISHED_BY[Kind(kind)].code, None)
        for kind, at in marks.items()
        if kind != Kind.GOAL or at < goal_ends_at(version, run)
    ] if marks else []  # fmt: skip
    for passage in passages.values():
        if passage.mask & version.moving:
            at = _success_at(version, run, passages, passage)
            if at is not None:
                ends.append((at, _PRECEDENCE[Outcome.RESPONDED.code], Outcome.RESPONDED.code, passage.step))
    if not ends:
        return None
    at, _, outcome, step = min(ends, key=lambda end: (end[0], end[1], -1 if end[3] is None else end[3]))
    late = run.outcome in (Outcome.EXHAUSTED.code, Outcome.UNREACHABLE.code)
    if (
        outcome == Outcome.RESPONDED.code
        and Kind.GOAL in marks
        and marks[Kind.GOAL] < goal_ends_at(version, run)
    ):
        return Outcome.CONVERTED.code, step, "goal", late or marks[Kind.GOAL] > at
    return outcome, step, Outcome.of(outcome).value, late


def goal_ends_at(version: Version, run: Run) -> int:
    """Return the instant from which a goal no longer counts for this run."""
    goal = version.cascade.goal
    return add(run.entered_at, goal.within, "UTC") if goal else run.entered_at + 7 * DAY


def deadline(rule: Rule, passage: Passage, zone: str) -> int:
    """Return when silence moves the run on from this message, given its facts so far."""
    sent_at = passage.sent_at or passage.submitted_at or 0
    first = passage.first
    best: int | None = None
    for clock in rule.clocks:
        if passage.mask & clock.unless:
            continue
        start = sent_at if not clock.start else _earliest(first, clock.start)
        if start is not None:
            expires = add(start, clock.span, zone)
            best = expires if best is None or expires < best else best
    if best is None:
        best = add(max([sent_at, *first.values()]), rule.last, zone)
    return best


def _sent(version: Version, run: Run, passage: Passage, held_until: int, now: int) -> Decision | Enter:
    step = version.cascade.steps[run.step]
    if failed(passage.mask) or passage.state == _CANCELLED:
        if step.on_fail == "stop":
            return _finish(run, Outcome.FAILED.code, run.step, "failed", False)
        return Enter(step.next, now, "failed")
    if passage.sent_at is None and not passage.mask:
        if run.wake_at is None or now < run.wake_at:
            return _keep(run, run.wake_at, "submitted")
        return _in_doubt(version, run, passage, now)
    rule = version.rules[run.step, passage.channel]
    ends_at = deadline(rule, passage, version.policy.zone)
    suspected_at = passage.first.get(_SUSPECTED) if passage.first else None
    if suspected_at is not None and not passage.mask & _MACHINE_CLICKED:  # may still be a person
        ends_at = max(ends_at, suspected_at + version.policy.suspected_click_hold_ms)
    following = None if step.next is None else version.cascade.steps[step.next]
    if following is not None and following.at is not None:
        return Enter(step.next, 0, "anchored")
    due_at = max(ends_at, held_until)
    if now < due_at:
        return _live(_WAITING, run.step, due_at, due_at, "waiting")
    return Enter(step.next, due_at, "silence")


def _in_doubt(version: Version, run: Run, passage: Passage, now: int) -> Decision:
    """The submit guard ran out: repeat under the same key where that is safe, else never again (E6)."""
    if passage.retriable:
        wake_at = now + patience_ms(version, run.step)
        return _live(Phase.QUEUED, run.step, wake_at, run.due_at, "repeated under its key", repeat=run.step)
    rule = version.rules[run.step, passage.channel]
    wake_at = max(deadline(rule, passage, version.policy.zone), now)
    return _live(Phase.WAITING, run.step, wake_at, wake_at, "answer lost", doubt=run.step)


def _queued(version: Version, run: Run, held_until: int, now: int) -> Decision | Enter:
    if held_until > now:
        return _live(Phase.ENTER, run.step, held_until, held_until, "reacted", withdraw=run.step)
    if run.phase != Phase.QUEUED:
        return _live(Phase.QUEUED, run.step, now + patience_ms(version, run.step), run.due_at, "queued again")
    if run.wake_at is not None and now < run.wake_at:
        return _keep(run, run.wake_at, "queued")
    return Enter(run.step, run.due_at, "queued too long")


def patience_ms(version: Version, number: int) -> int:
    """Return how long a message may wait for its account before the step looks for another way (E7)."""
    if version.cascade.urgent or version.cascade.steps[number].urgent:
        return version.policy.outage_skip_after_urgent_ms
    return version.policy.outage_skip_after_ms


def _held_until(version: Version, run: Run, passages: Passages) -> int:
    """Return until when a weaker reaction to an earlier message postpones the next unsent step (E2)."""
    held = 0
    for passage in passages.values():
        if passage.step >= run.step or not passage.mask & HUMAN:
            continue
        rule = version.rules[passage.step, passage.channel]
        for kind, at in passage.first.items():
            if not 1 << kind & HUMAN:
                continue
            spans = [c.span for c in rule.clocks if c.start & 1 << kind and not passage.mask & c.unless]
            until = add(at, spans[0], version.policy.zone) if spans else at + version.policy.late_open_hold_ms
            held = max(held, until)
    return held


def _success_at(version: Version, run: Run, passages: Passages, passage: Passage) -> int | None:
    """Return when this message met its step's success, or None; a branch that takes it over comes first."""
    rule = version.rules.get((passage.step, passage.channel))
    if rule is None:
        return None
    hit = passage.mask & rule.success
    if not hit or (version.branches and _taken_over(version, run, passages, passage)):
        return None
    at = _earliest(passage.first, hit)
    return passage.sent_at or run.entered_at if at is None else at


def _taken_over(version: Version, run: Run, passages: Passages, passage: Passage) -> bool:
    return any(
        branch.step == passage.step
        and passage.mask & version.branch_masks[number].get(passage.channel, 0)
        and (branch.go in passages or branch.go >= run.step)
        for number, branch in enumerate(version.branches)
    )


def _branch(version: Version, run: Run, passages: Passages) -> tuple[int, int] | None:
    """Return the first branch that a reaction calls for and that still leads forward, and when it did."""
    for number, branch in enumerate(version.branches):
        passage = passages.get(branch.step)
        if passage is None or branch.go <= run.step:
            continue
        hit = passage.mask & version.branch_masks[number].get(passage.channel, 0)
        if hit:
            at = _earliest(passage.first, hit)
            return number, at if at is not None else passage.sent_at or run.entered_at
    return None


def _follow_branch(
    version: Version, run: Run, passages: Passages, number: int, at: int, now: int
) -> Decision | Enter:
    branch = version.branches[number]
    go_at = add(at, branch.unless_goal_in, version.policy.zone) if branch.unless_goal_in else at
    if now >= go_at:
        return Enter(branch.go, go_at, "branch")
    current = passages.get(run.step)
    queued = current is not None and current.state == MessageState.QUEUED.code
    return _live(Phase.BRANCH, run.step, go_at, go_at, "branch waits for the goal",
        branch=number, withdraw=run.step if queued else None,
    )  # fmt: skip


def _earliest(first: Mapping[int, int], mask: int) -> int | None:
    return min((at for kind, at in first.items() if 1 << kind & mask), default=None)


def _finish(run: Run, outcome: int, step: int | None, reason: str, late: bool) -> Decision:
    withdraw = run.step if run.phase == Phase.QUEUED else None
    return Decision(
        FINISHED, run.phase, run.step, None, run.due_at, reason,
        outcome=outcome, outcome_step=step, late=late, withdraw=withdraw,
    )  # fmt: skip


def _keep(run: Run, wake_at: int | None, reason: str) -> Decision:
    return Decision(run.state, run.phase, run.step, wake_at, run.due_at, reason,
                    run.branch, run.outcome, run.outcome_step, bool(run.late))  # fmt: skip


def _live(
    phase: Phase, step: int, wake_at: int, due_at: int, reason: str, *, branch: int | None = None,
    withdraw: int | None = None, doubt: int | None = None, repeat: int | None = None,
) -> Decision:  # fmt: skip
    return Decision(ACTIVE, phase, step, wake_at, due_at, reason, branch,
                    withdraw=withdraw, doubt=doubt, repeat=repeat)  # fmt: skip
