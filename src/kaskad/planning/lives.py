"""One person of a simulation: the run, its messages with what is known of them, and what has happened.

What the engine does with its tables is done here with values; which of it, `decide` says.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from kaskad.domain.alike import TOLD
from kaskad.domain.caps import Touch
from kaskad.domain.decide import passes
from kaskad.domain.run import NOTHING, PLAIN, Decision, Passage, Run, state_of
from kaskad.domain.terms import Kind, MessageState, Phase, Reason, RunState
from kaskad.planning.world import Sort

_PENDING, _FINISHED = RunState.PENDING.code, RunState.FINISHED.code
_ACTIVE = RunState.ACTIVE.code
_CREATED, _QUEUED = MessageState.CREATED.code, MessageState.QUEUED.code
_SUBMITTED, _SENT = MessageState.SUBMITTED.code, MessageState.SENT.code
_SKIPPED, _CANCELLED, _FAILED = (
    MessageState.SKIPPED.code, MessageState.CANCELLED.code, MessageState.FAILED.code,
)  # fmt: skip
_UNTOUCHED = (_CREATED, _QUEUED, MessageState.REJECTED.code, _SKIPPED, _CANCELLED)
_ENTER, _WAITING, _SUBMITTED_PHASE, _QUEUED_PHASE = (
    Phase.ENTER.value, Phase.WAITING.value, Phase.SUBMITTED.value, Phase.QUEUED.value,
)  # fmt: skip
_GONE = (_SKIPPED, _CANCELLED)
_SENT_KIND, _GOAL = Kind.SENT.value, Kind.GOAL.value
GUARD_MS = 90_000


class Moment(Struct, frozen=True):
    """Something that happened to a person, and why; `step` is its number, None: to the run as a whole."""

    at: int
    what: str
    step: int | None
    why: str


class Life:
    """One person's passage. Times are instants, `told` says what has been heard of the run itself."""

    __slots__ = (
        "acts_until", "course", "last_at", "log", "marks", "number", "passages", "paused", "reacted",
        "run", "sort", "spent", "stands", "touched", "touched_at", "written",
    )  # fmt: skip

    def __init__(
        self, number: int, sort: Sort, run: Run, touched: Sequence[Touch] = (), *, traced: bool = False
    ) -> None:
        self.number, self.sort, self.run = number, sort, run
        self.touched = tuple(touched) or sort.answers.touches  # by what left us before all this
        self.touched_at = max([touch.at for touch in self.touched]) if self.touched else 0
        self.last_at = 0  # when the last message was handed over
        self.paused: tuple[int, int] | None = None  # a paused step, since when the person waits at it
        self.acts_until = 0  # nothing that the person does, as far as it is known, comes later
        self.passages: dict[int, Passage] = {}
        self.marks: dict[int, int] = {}
        self.written = 0  # messages, each counted once
        self.stands = 1.0  # for so many, where more are silent than would be (`least_silent`)
        self.course = 0  # two bits a step: it has been sent, it was passed over
        self.reacted: set[int] | None = None  # the steps whose message brought what they want
        self.spent = 0.0  # minor units of the budget's currency
        self.log: list[Moment] | None = [] if traced else None

    def note(self, at: int, what: str, step: int | None, why: str = "") -> None:
        """Keep a moment of somebody who is traced."""
        if self.log is not None:
            self.log.append(Moment(at, what, step, why))

    def move(self, decision: Decision, due_at: int, now: int) -> None:
        """Take on a decision that sends nothing."""
        run = self.run
        ends = decision.outcome is not None and run.finished_at is None
        self.run = Run(
            run.contact_id, run.id, run.cascade_id, run.version_id, run.slot, decision.state, decision.phase,
            decision.step, decision.branch, run.seq + 1, decision.wake_at, due_at, run.entered_at,
            run.holdout, decision.outcome, decision.outcome_step, int(decision.late),
            now if ends else run.finished_at, run.marks,
        )  # fmt: skip
        self._leave(decision, now)

    def submit(self, decision: Decision, due_at: int, now: int) -> Passage:
        """Hand the decision's message over; return its passage."""
        send = decision.send
        assert send is not None
        before = self.passages.get(send.step)
        attempt = 1 + (before.attempt if before else 0)
        self._leave(decision, now)
        self._stand(send.step, _SUBMITTED_PHASE, now + GUARD_MS, due_at)
        passage = Passage(
            send.step, send.channel, _SUBMITTED, 0, now, None, attempt, send.account_id
        )  # fmt: skip
        self.passages[send.step] = passage
        self.written += attempt == 1
        self.last_at = now
        self.course |= 1 << 2 * send.step
        return passage

    def queue(self, decision: Decision, due_at: int, until: int, now: int) -> None:
        """Let the decision's message wait for its service."""
        send = decision.send
        assert send is not None
        self._leave(decision, now)
        before = self.passages.get(send.step)
        self.passages[send.step] = Passage(
            send.step, send.channel, _QUEUED, 0, before.submitted_at if before else None,
            before.sent_at if before else None, before.attempt if before else 0, send.account_id,
        )  # fmt: skip
        self._stand(send.step, _QUEUED_PHASE, until, due_at)

    def begin_waiting(self, until: int) -> None:
        """Let the clock of the step begin, of a message of which nothing else is known."""
        self._stand(self.run.step, _WAITING, until, until)

    def fold(self, step: int, kind: int, at: int) -> Passage | None:
        """Add a fact about a message; return its passage, None where there is no message any more."""
        passage = self.passages.get(step)
        if passage is None or passage.state in _GONE:
            return None
        bit = 1 << kind
        mask = passage.mask | bit
        state = state_of(mask).code
        first, sent_at = passage.first, passage.sent_at
        if kind != _SENT_KIND:
            first = {**first, kind: min(at, first.get(kind, at))} if first else {kind: at}
        elif sent_at is None:
            sent_at = at
        if not bit & PLAIN and not self.run.marks:
            self.run = replace(self.run, marks=TOLD)
        passage = self.passages[step] = Passage(
            step, passage.channel, passage.state if state == _SUBMITTED else state, mask,
            passage.submitted_at, sent_at, passage.attempt, passage.account_id, passage.price, False,
            first, passage.reason, passage.deadline_at,
        )  # fmt: skip
        return passage

    def react(self, step: int) -> None:
        """Note that the message of a step brought what it wants."""
        if self.reacted is None:
            self.reacted = set()
        self.reacted.add(step)

    def call(self, decision: Decision, due_at: int, now: int) -> None:
        """Let an own desk have the decision's call, until it is due."""
        passage = self.submit(decision, due_at, now)
        self.passages[passage.step] = replace(
            passage, state=_SENT, mask=1 << _SENT_KIND, sent_at=now, deadline_at=due_at
        )
        self._stand(passage.step, _WAITING, due_at, due_at)

    def wait_for_call(self, step: int, until: int) -> int:
        """Let the run wait for its call until then; return its new number for timers."""
        self.passages[step] = replace(self.passages[step], deadline_at=until)
        self._stand(step, _WAITING, until, until)
        return self.run.seq

    def close_call(self, step: int, kind: int, now: int) -> None:
        """Add how a call has ended: nobody waits for it any more."""
        self.passages[step] = replace(self.passages[step], deadline_at=now)
        passage = self.fold(step, kind, now)
        if kind == Kind.FAILED.value and passage is not None:
            self.passages[step] = replace(passage, reason=Reason.NO_ANSWER.code)

    def forget_call(self, step: int) -> None:
        """Take back a call that was never made; one that was refused stays that."""
        self.written -= 1
        if self.passages[step].state != MessageState.REJECTED.code:
            self.passages[step] = replace(self.passages[step], state=_CANCELLED)

    def mark(self, kind: int, at: int) -> None:
        """Add a fact about the run itself."""
        if self.run.outcome is None or kind == _GOAL:
            self.marks[kind] = min(at, self.marks.get(kind, at))
            self.run = replace(self.run, marks=TOLD)

    def touches(self, class_code: int) -> tuple[Touch, ...]:
        """Return what has left us for the person."""
        own = tuple(
            Touch(p.submitted_at, self.run.id, p.channel, class_code)
            for p in self.passages.values()
            if p.submitted_at is not None and p.state not in _UNTOUCHED
        )
        return self.touched + own if own else self.touched

    def _stand(self, step: int, phase: int, wake_at: int, due_at: int) -> None:
        run = self.run
        self.run = Run(
            run.contact_id, run.id, run.cascade_id, run.version_id, run.slot, _ACTIVE, phase, step, None,
            run.seq + 1, wake_at, due_at, run.entered_at, run.holdout, None, None, 0, None, run.marks,
        )  # fmt: skip

    def _leave(self, decision: Decision, now: int) -> None:
        """Do with the messages before what a decision says of them."""
        for step, channel, why, detail in decision.skips:
            self.passages[step] = Passage(step, channel, _SKIPPED, 0, None, None, reason=why.code)
            self.course |= 2 << 2 * step
            self.note(now, "skipped", step, f"{why.value} {detail}".rstrip())
        if decision.withdraw is not None:
            self._withdraw(
                decision.withdraw, gone=_CANCELLED if passes(decision, decision.withdraw) else _CREATED
            )
        if decision.doubt is not None:
            self.fold(decision.doubt, Kind.UNKNOWN.value, now)
        if decision.retry is not None:
            failure = self.passages[decision.retry]
            self.passages[decision.retry] = replace(
                failure, state=_CREATED, mask=0, reason=None, first=NOTHING
            )

    def _withdraw(self, step: int, gone: int) -> None:
        before = self.passages[step]
        if before.state == _CREATED and before.sent_at is not None:  # it is not tried again after all
            self.passages[step] = replace(before, state=_FAILED, mask=Kind.FAILED.bit)
        else:
            self.passages[step] = replace(before, state=gone)
