"""What happens to a run now: the one place that knows.

`decide` looks at everything known of a run (its row, its messages with their facts folded in, what
happened to the run itself) and at the answers about its contact, and returns the run's next state.
It does not ask what woke it, so calling it twice, late, or in another order changes nothing.
The rules E1–E16 and C1–C10 are those of the field; tests/docs/test_rules_of_the_heart.py lists where each is.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from kaskad.domain import clocks, entering
from kaskad.domain.cascade import Span
from kaskad.domain.hours import add
from kaskad.domain.policy import MINUTE
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
from kaskad.domain.terms import Kind, MessageState, Outcome, Phase, Reaction, RunState
from kaskad.domain.version import Version

WEEK = Span(days=7)  # how long a goal counts where the cascade names none
ACTIVE, FINISHED = RunState.ACTIVE.code, RunState.FINISHED.code
# An enum's members cost a function call each time they are named, and this runs for every run in every tick.
_ENTER, _WAITING = Phase.ENTER, Phase.WAITING
_CREATED, _QUEUED = MessageState.CREATED.code, MessageState.QUEUED.code
_SKIPPED, _CANCELLED = MessageState.SKIPPED.code, MessageState.CANCELLED.code
_SUSPECTED, _JUDGED = Kind.SUSPECTED_CLICKED.value, Kind.MACHINE_CLICKED.bit | Kind.CLICKED.bit
_IN_DOUBT = Kind.IN_DOUBT.bit
_ENDED_BY_SILENCE = (
    Outcome.EXHAUSTED.code, Outcome.UNREACHABLE.code, Outcome.EXPIRED.code, Outcome.FAILED.code,
)  # fmt: skip
_ENDED_BY_US = (Outcome.CANCELLED.code, Outcome.SUPERSEDED.code)  # by a rule, where no mark says so
_PRECEDENCE = {outcome.code: rank for rank, outcome in enumerate((
    Outcome.CONVERTED, Outcome.COMPLAINED, Outcome.OPTED_OUT, Outcome.CANCELLED, Outcome.SUPERSEDED,
    Outcome.RESPONDED,
))}  # fmt: skip


class Enter(Struct, frozen=True, gc=False):
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
    return enter(version, run, passages, settled, ask(), now)


def enter(
    version: Version, run: Run, passages: Passages, wish: Enter, answers: Answers, now: int,
    refused: tuple[entering.Skip, ...] = (),
) -> Decision:  # fmt: skip
    """Return the decision of a run that is to enter a step.

    `refused` are steps of this very decision that the hand-over could not send (no text, no budget). What
    was queued for the step before is taken back; a message that may have arrived is left as it is (E6).
    """
    decision = entering.enter(
        version, run, passages, wish.step, wish.due_at, answers, now, wish.reason, refused
    )
    if decision.phase == _ENTER and decision.outcome is None and decision.step != run.step:
        decision = _held_back(version, run, passages, decision, answers, now)
    current = passages.get(run.step)
    if _is_tried(current):
        return _given_up(run, decision)
    if current is None or current.state not in (_CREATED, _QUEUED):
        return decision
    send = decision.send
    if current.mask & _IN_DOUBT:
        again = send is not None and (send.step, send.channel, send.account_id) == (
            current.step, current.channel, current.account_id,
        )  # fmt: skip
        return decision if again else lost(version, current, hold_ends_at(version, run, passages))
    if (send is not None and send.step == run.step) or any(skip[0] == run.step for skip in decision.skips):
        return decision
    taken_back = current.state == _CREATED and not passes(decision, run.step)
    return decision if taken_back else replace(decision, withdraw=run.step)


def _held_back(
    version: Version, run: Run, passages: Passages, decision: Decision, answers: Answers, now: int
) -> Decision:
    """Let a run wait at its next step as long as a reaction holds that back: it need not wake before."""
    held_until = held_there(version, run, passages, decision.step)
    if held_until <= (decision.due_at or 0):
        return decision
    return entering.enter(
        version, run, passages, decision.step, held_until, answers, now, decision.reason, decision.skips
    )


def passes(decision: Decision, step: int) -> bool:
    """Say whether the run leaves this step by the decision, so that its message will never go."""
    return decision.outcome is not None or decision.step != step


def _is_tried(passage: Passage | None) -> bool:
    """Say whether the message has left us, has failed, and waits for another try."""
    return passage is not None and passage.state == _CREATED and passage.sent_at is not None


def _given_up(run: Run, decision: Decision) -> Decision:
    """Let a message that is not tried again after all be the failed one that it is."""
    passed = [skip for skip in decision.skips if skip[0] == run.step]
    if not passed and decision.outcome is None:
        return decision
    told = passed[0][2].value if passed else decision.detail
    skips = tuple(skip for skip in decision.skips if skip[0] != run.step)
    return replace(decision, skips=skips, withdraw=run.step, detail=told)


def settle(version: Version, run: Run, passages: Passages, marks: Marks, now: int) -> Decision | Enter:
    """Return what follows from the facts and the clocks alone."""
    moved = bool(marks)
    for passage in passages.values():
        moved = moved or bool(passage.mask & version.moving)
    end = ending(version, run, passages, marks) if moved else None
    current = passages.get(run.step)
    queued = current is not None and current.state == _QUEUED
    left = queued or (current is not None and current.state == _CREATED)  # tried, or taken back
    if run.outcome is not None:
        return _after_the_end(run, end, marks, left)
    if end is not None:
        return _finish(run, *end, left)
    if run.holdout:
        ends_at = goal_ends_at(version, run)
        if now < ends_at:
            return _keep(run, ends_at, "hold-out")
        return _finish(run, Outcome.EXHAUSTED.code, None, "hold-out is over", False, queued)
    branch = _branch(version, run, passages) if moved else None
    if branch is not None:
        return _follow_branch(version, run, *branch, queued, now)
    held_until = hold_ends_at(version, run, passages) if moved else 0
    if current is None or current.state == _CREATED or (run.phase == _ENTER and queued):
        return Enter(run.step, max(run.due_at, held_until), "due")
    if current.state == _SKIPPED:
        return Enter(version.cascade.steps[run.step].next, now, "skipped")
    if queued:
        return _queued(version, run, current, held_until, now)
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
        if kind in FINISHED_BY and (kind != Kind.GOAL or at < goal_ends_at(version, run))
    ] if marks else []  # fmt: skip
    for passage in passages.values():
        if passage.mask & version.moving:
            at = _success_at(version, run, passages, passage)
            if at is not None:
                ends.append((at, _PRECEDENCE[Outcome.RESPONDED.code], Outcome.RESPONDED.code, passage.step))
    if not ends:
        return None
    at, _, outcome, step = min(ends, key=lambda end: (end[0], end[1], -1 if end[3] is None else end[3]))
    late = bool(run.late) or run.outcome in _ENDED_BY_SILENCE
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
    return add(run.entered_at, goal.within if goal else WEEK, version.policy.zone)


def _sent(version: Version, run: Run, passage: Passage, held_until: int, now: int) -> Decision | Enter:
    step = version.cascade.steps[run.step]
    if failed(passage.mask) or passage.state == _CANCELLED:
        return _failed(version, run, passage, now)
    if passage.sent_at is None and not passage.mask & ~_IN_DOUBT:
        if run.wake_at is None or now < run.wake_at:
            return _keep(run, run.wake_at, "submitted")
        return _unanswered(version, run, passage, held_until, now)
    following = None if step.next is None else version.cascade.steps[step.next]
    if following is not None and following.at is not None:
        return Enter(step.next, 0, "anchored")
    rule = version.rules[run.step, passage.channel]
    due_at = max(clocks.deadline(rule, passage, version.policy.zone), held_until)
    if now < due_at:
        return _live(_WAITING, run.step, due_at, due_at, "waiting")
    return Enter(step.next, due_at, "silence")


def _failed(version: Version, run: Run, passage: Passage, now: int) -> Decision | Enter:
    """The message did not arrive: go on at once, unless the step says otherwise."""
    step = version.cascade.steps[run.step]
    if step.on_fail == "stop":
        return _finish(run, Outcome.FAILED.code, run.step, "failed", False, False)
    again_at = None
    if step.on_fail != "next":
        again_at = clocks.redial_at(version, passage, now)
    if again_at is None and step.on_fail == "retry":
        again_at = clocks.retry_at(run, passage, now)
    if again_at is None:
        return Enter(step.next, now, "failed")
    answered = passage.sent_at is not None or passage.mask & Kind.REJECTED.bit
    if not answered and run.wake_at is not None and now < run.wake_at:
        return replace(_keep(run, run.wake_at, "failed, not answered yet"), heard=True)
    if not answered:
        return Enter(step.next, now, "failed")
    return _live(_ENTER, run.step, again_at, again_at, "tried again", retry=run.step)


def _unanswered(version: Version, run: Run, passage: Passage, held_until: int, now: int) -> Decision:
    """The submit guard ran out: repeat under the same key where that is safe, else never again (E6)."""
    if not passage.retriable:
        return lost(version, passage, held_until)
    wake_at = now + clocks.patience_ms(version, run.step)
    return _live(Phase.QUEUED, run.step, wake_at, run.due_at, "repeated under its key", repeat=run.step)


def lost(version: Version, passage: Passage, held_until: int) -> Decision:
    """Return that nobody will know what became of the message: its step's clock carries the run on."""
    rule = version.rules[passage.step, passage.channel]
    wake_at = max(clocks.deadline(rule, passage, version.policy.zone), held_until)
    return _live(_WAITING, passage.step, wake_at, wake_at, "answer lost", doubt=passage.step)


def _queued(version: Version, run: Run, passage: Passage, held_until: int, now: int) -> Decision | Enter:
    doubtful = passage.mask & _IN_DOUBT
    if held_until > now and not doubtful:
        return _live(_ENTER, run.step, held_until, held_until, "reacted", withdraw=run.step)
    if run.phase != Phase.QUEUED:  # whoever is tried again and again waits no longer than the others
        since = min(run.due_at or now, now)
        wake_at = max(since + clocks.patience_ms(version, run.step), now + MINUTE)
        return _live(Phase.QUEUED, run.step, wake_at, run.due_at, "queued again")
    if run.wake_at is not None and now < run.wake_at:
        return _keep(run, run.wake_at, "queued")
    if doubtful:
        return lost(version, passage, held_until)
    return Enter(run.step, run.due_at, "queued too long")


def hold_ends_at(version: Version, run: Run, passages: Passages) -> int:
    """Return until when reactions hold back what follows the step where the run stands.

    A weaker one to an earlier message postpones it (E2); a click waits for the verdict who clicked (2.3).
    """
    held, policy = 0, version.policy
    for passage in passages.values():
        suspected_at = passage.first.get(_SUSPECTED) if passage.first else None
        if suspected_at is not None and not passage.mask & _JUDGED:
            held = max(held, suspected_at + policy.suspected_click_hold_ms)
        if passage.mask & HUMAN and passage.step < run.step and _wants_more(version, run, passages, passage):
            rule = version.rules[passage.step, passage.channel]
            for kind, at in passage.first.items():
                if 1 << kind & HUMAN:
                    spans = [
                        c.span for c in rule.clocks if c.start & 1 << kind and not passage.mask & c.unless
                    ]
                    until = add(at, spans[0], policy.zone) if spans else at + policy.late_open_hold_ms
                    held = max(held, until)
    return held


def held_there(version: Version, run: Run, passages: Passages, step: int) -> int:
    """Return until when reactions hold back what the run does once it stands at `step`."""
    return hold_ends_at(version, replace(run, step=step), passages)


def _wants_more(version: Version, run: Run, passages: Passages, passage: Passage) -> bool:
    """Say whether the step waits for a stronger reaction: it wants one, and no branch answers this one."""
    if version.cascade.steps[passage.step].success is Reaction.NONE:
        return False
    return not _taken_over(version, run, passages, passage)


def _success_at(version: Version, run: Run, passages: Passages, passage: Passage) -> int | None:
    """Return when this message met its step's success, or None; a branch that takes it over comes first."""
    rule = version.rules.get((passage.step, passage.channel))
    if rule is None:
        return None
    hit = passage.mask & rule.success
    if not hit or (version.branches and _taken_over(version, run, passages, passage)):
        return None
    at = clocks.earliest(passage.first, hit)
    return passage.sent_at or run.entered_at if at is None else at


def _taken_over(version: Version, run: Run, passages: Passages, passage: Passage) -> bool:
    """Say whether a branch answers this message's reaction, so that it ends nothing."""
    for number, branch in enumerate(version.branches):
        hit = passage.mask & version.branch_masks[number].get(passage.channel, 0)
        if branch.step == passage.step and hit and _leads(version, run, passages, branch.go, passage, hit):
            return True
    return False


def _leads(version: Version, run: Run, passages: Passages, go: int, passage: Passage, hit: int) -> bool:
    """Say whether the reaction led, or can lead, to the branch's step: not where that went out before."""
    there = passages.get(go)
    if there is None or there.state in (_CREATED, _QUEUED):
        return go >= run.step
    if there.state == _SKIPPED or there.submitted_at is None:
        return version.cascade.steps[go].only_branch
    return (clocks.earliest(passage.first, hit) or 0) <= there.submitted_at


def _branch(version: Version, run: Run, passages: Passages) -> tuple[int, int] | None:
    """Return the first branch that a reaction calls for and that still leads forward, and when it did."""
    for number, branch in enumerate(version.branches):
        passage = passages.get(branch.step)
        if passage is None or branch.go <= run.step:
            continue
        hit = passage.mask & version.branch_masks[number].get(passage.channel, 0)
        if hit:
            at = clocks.earliest(passage.first, hit)
            return number, at if at is not None else passage.sent_at or run.entered_at
    return None


def _follow_branch(
    version: Version, run: Run, number: int, at: int, queued: bool, now: int
) -> Decision | Enter:  # fmt: skip
    branch = version.branches[number]
    go_at = add(at, branch.unless_goal_in, version.policy.zone) if branch.unless_goal_in else at
    if now >= go_at:
        return Enter(branch.go, go_at, "branch")
    return _live(Phase.BRANCH, run.step, go_at, go_at, "branch waits for the goal",
                 branch=number, withdraw=run.step if queued else None)  # fmt: skip


def _after_the_end(
    run: Run, end: tuple[int, int | None, str, bool] | None, marks: Marks, queued: bool
) -> Decision:
    """A finished run sends nothing; its outcome becomes what its facts say, unless we ended it ourselves."""
    told = {FINISHED_BY[Kind(kind)].code for kind in marks if kind in FINISHED_BY}
    if end is not None and (run.outcome not in _ENDED_BY_US or run.outcome in told):
        return _finish(run, *end, queued)
    return replace(_keep(run, None, "finished"), withdraw=run.step if queued else None)


def _finish(run: Run, outcome: int, step: int | None, reason: str, late: bool, queued: bool) -> Decision:
    return Decision(FINISHED, run.phase, run.step, None, run.due_at, reason, outcome=outcome,
                    outcome_step=step, late=late, withdraw=run.step if queued else None)  # fmt: skip


def _keep(run: Run, wake_at: int | None, reason: str) -> Decision:
    return Decision(run.state, run.phase, run.step, wake_at, run.due_at, reason,
                    run.branch, run.outcome, run.outcome_step, bool(run.late))  # fmt: skip


def _live(
    phase: Phase, step: int, wake_at: int, due_at: int, reason: str, *, branch: int | None = None,
    withdraw: int | None = None, doubt: int | None = None, repeat: int | None = None,
    retry: int | None = None,
) -> Decision:  # fmt: skip
    return Decision(ACTIVE, phase, step, wake_at, due_at, reason, branch,
                    withdraw=withdraw, doubt=doubt, repeat=repeat, retry=retry)  # fmt: skip
