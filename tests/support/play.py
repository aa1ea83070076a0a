"""A run with a hand-moved clock over the pure core: facts happen, time passes, sends are counted.

    play = Play(EMAIL_THEN_SMS)
    play.happens(Kind.OPENED).passes("28h")
    assert play.sent == [Channel.EMAIL, Channel.SMS]

There is no database: what the engine does with a decision is done here in a few lines, so that rules can be
tested alone. After every move it is checked that the run can go on and that deciding again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from msgspec.structs import replace

from kaskad.domain.caps import Touch
from kaskad.domain.cascade import Cascade
from kaskad.domain.consent import ANY, ConsentRow
from kaskad.domain.decide import decide
from kaskad.domain.definition import to_cascade
from kaskad.domain.hours import Windows, add
from kaskad.domain.paths import instant_at
from kaskad.domain.policy import Policy
from kaskad.domain.run import NOTHING, Address, Answers, Decision, Passage, Run, failed, state_of
from kaskad.domain.scope import condition_scope
from kaskad.domain.span import parse_span
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Phase, Reason, RunState, SkipReason
from kaskad.domain.version import Version, prepare

NOON = 1_780_315_200_000  # Monday, 1 June 2026, 12:00 UTC
GUARD_MS = 90_000
EVERYTHING = ConsentRow(True, ANY, 0, "", 0, proven=True)
ALL = tuple(Channel)
_LIMIT = 60  # decisions at one instant: more is a run that cannot be decided


_windows: dict[Policy, Windows] = {}


def _prepared(cascade: Cascade, policy: Policy) -> Version:
    """Return the version; plays under one policy share what has been worked out about its windows."""
    version = prepare(1, 1, cascade, policy)
    return replace(version, windows=_windows.setdefault(policy, version.windows))


class Play:
    """One contact's run. `provider` is what it answers: accepts, rejects, silent, or full (no free slot)."""

    def __init__(
        self, source: str | Cascade, *, policy: Policy | None = None, at: int = NOON, contact_id: int = 1,
        reaches: Iterable[Channel] = ALL, properties: dict[str, Any] | None = None, provider: str = "accepts",
        retriable: bool = False, zone: str = "UTC", holdout: bool = False,
        attributes: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        cascade = to_cascade(source, name="play.yaml") if isinstance(source, str) else source
        self.version = _prepared(cascade, policy or Policy.unlimited())
        self.now = at
        self.provider, self.retriable, self.zone = provider, retriable, zone
        self.addresses = {channel.code: Address(f"{channel}-1") for channel in reaches}
        self.consents: list[ConsentRow] = [EVERYTHING]
        self.accounts = {channel.code: channel.code for channel in Channel}
        self.preferred: tuple[int, ...] = ()
        self.properties, self.attributes = properties or {}, attributes or {}
        self.others: list[Touch] = []  # touches of the contact's other runs
        self.shared: frozenset[int] = frozenset()  # steps that somebody else has got at the same address
        self.paused = False
        self.passages: dict[int, Passage] = {}
        self.marks: dict[int, int] = {}
        self.sends: list[tuple[int, Channel]] = []  # every submission: step and channel
        self.times: list[int] = []
        self.reasons: list[str] = []
        due_at = add(at, cascade.trigger.delay, "UTC")
        pending = RunState.PENDING.code
        self.run = Run(contact_id, 1, 1, 1, 0, pending, Phase.ENTER, -1, None, 0, due_at, due_at,
                       at, holdout=int(holdout))  # fmt: skip
        self._settle()

    # What the tests ask

    @property
    def sent(self) -> list[Channel]:
        """The channels of all submissions, in order."""
        return [channel for _, channel in self.sends]

    @property
    def steps(self) -> list[str]:
        """The ids of the steps of all submissions, in order."""
        return [self.version.cascade.steps[step].id for step, _ in self.sends]

    @property
    def outcome(self) -> str | None:
        return None if self.run.outcome is None else Outcome.of(self.run.outcome).value

    @property
    def skipped(self) -> dict[str, str]:
        """The steps passed over, each with its reason."""
        return {
            self.version.cascade.steps[step].id: SkipReason.of(passage.reason or 0).value
            for step, passage in sorted(self.passages.items())
            if passage.state == MessageState.SKIPPED.code
        }

    def state(self, step: int = 0) -> str:
        return MessageState.of(self.passages[step].state).value

    def waits(self) -> str:
        """How long until the run's timer, as text."""
        assert self.run.wake_at is not None
        ms = self.run.wake_at - self.now
        hours, rest = divmod(ms, 3_600_000)
        minutes, rest = divmod(rest, 60_000)
        return f"{hours}h{minutes:02}m" + (f"{rest}ms" if rest else "")

    # What happens

    def happens(
        self, *kinds: Kind, step: int | None = None, ago: str = "0s", reason: Reason | None = None
    ) -> Self:
        """Facts about a message, the last one if no step is named (-1: about the run); then decide.

        `reason` is why it failed.
        """
        number = self.sends[-1][0] if step is None and self.sends else step or 0
        if reason is not None and number in self.passages:
            self._take(replace(self.passages[number], reason=reason.code))
        self.tell([(number, kind, self.now - parse_span(ago).ms) for kind in kinds])
        return self

    def hold(self, steps: dict[int, bool]) -> Self:
        """Pause these steps: True: they are passed over, False: the run waits at them; then decide."""
        self.version = replace(self.version, held=steps)
        self._settle()
        return self

    def tell(self, facts: Iterable[tuple[int, Kind, int]]) -> Self:
        """Fold facts (step, kind, at) in the order given, then decide."""
        for step, kind, at in facts:
            self._fold(step, kind, at)
        self._settle()
        return self

    def passes(self, span: str) -> Self:
        """Let time pass, stopping at every timer on the way."""
        until = add(self.now, parse_span(span), "UTC")
        while self.run.wake_at is not None and self.run.wake_at <= until:
            self.now = max(self.now, self.run.wake_at)
            self._settle()
        self.now = until
        self._settle()
        return self

    def oversleeps(self, span: str) -> Self:
        """Let time pass while nobody looks (the server is down), then decide."""
        self.now = add(self.now, parse_span(span), "UTC")
        self._settle()
        return self

    def frees(self) -> Self:
        """The account has room again: what is queued is handed over after its last look."""
        self.provider = "accepts"
        current = self.passages.get(self.run.step)
        if current is not None and current.state == MessageState.QUEUED.code and self.run.outcome is None:
            self._take(replace(current, state=MessageState.CREATED.code) if not current.mask else current)
            self.run = replace(self.run, phase=Phase.ENTER, due_at=self.run.due_at)
        self._settle()
        return self

    def answers(self) -> Answers:
        """Return what the database would say of the contact now."""
        own = [
            Touch(p.submitted_at, self.run.id, p.channel, self.version.class_code)
            for p in self.passages.values()
            if p.submitted_at is not None and p.state not in (0, 1, 6, 11, 12)
        ]
        anchors = {
            step.number: at
            for step in self.version.anchored
            if step.at is not None
            and (at := instant_at(step.at.path, self.properties, self.attributes)) is not None
        }
        scope = condition_scope(self.version, self.run, self.passages, self.attributes, self.properties, [])
        return Answers(
            (self.zone,), "", self.addresses, self.preferred, tuple(self.consents), (*own, *self.others),
            self.accounts, self.paused, self.shared,
            scope, anchors,
        )  # fmt: skip

    # What the engine would do

    def decide(self) -> Decision:
        return decide(self.version, self.run, self.passages, self.marks, self.answers, self.now)

    def _settle(self) -> None:
        """Decide until the run has nothing more to do at this instant; check what always holds."""
        for _ in range(_LIMIT):
            decision = self.decide()
            before = (self.run, dict(self.passages))
            self._apply(decision)
            live = self.run.outcome is None
            assert (self.run.wake_at is not None) == live, "a live run has a next instant, and no other"
            if not live or (self.run.wake_at is not None and self.run.wake_at > self.now):
                if (self.run, self.passages) == before:
                    return
                continue
        raise AssertionError(f"decided for ever at one instant: {self.reasons[-6:]}")

    def _apply(self, decision: Decision) -> None:
        self.reasons.append(decision.reason)
        if self.run.outcome is not None:
            assert decision.send is None and not decision.skips, "a finished run sends and skips nothing"
        self.run = replace(
            self.run, state=decision.state, phase=decision.phase, step=decision.step, branch=decision.branch,
            wake_at=decision.wake_at, due_at=decision.due_at, outcome=decision.outcome,
            outcome_step=decision.outcome_step, late=int(decision.late),
        )  # fmt: skip
        for step, channel, why, _ in decision.skips:
            before = self.passages.get(step)
            assert before is None or before.state < MessageState.SUBMITTED.code, (
                "a step that was sent is skipped"
            )
            self._take(Passage(step, channel, MessageState.SKIPPED.code, 0, None, None, reason=why.code))
        if decision.withdraw is not None:
            gone = MessageState.CREATED if decision.outcome is None else MessageState.CANCELLED
            queued = self.passages[decision.withdraw]
            if queued.state == MessageState.CREATED.code and queued.sent_at is not None:
                self._take(replace(queued, state=MessageState.FAILED.code, mask=Kind.FAILED.bit))
            else:
                assert queued.state == MessageState.QUEUED.code
                self._take(replace(queued, state=gone.code))
        if decision.doubt is not None:
            self._fold(decision.doubt, Kind.UNKNOWN, self.now)
        if decision.retry is not None:
            failure = self.passages[decision.retry]
            assert failed(failure.mask) and not failure.mask & Kind.UNKNOWN.bit
            self._take(replace(failure, state=MessageState.CREATED.code, mask=0, reason=None, first=NOTHING))
        if decision.repeat is not None:
            self._submit(decision.repeat, self.passages[decision.repeat].channel)
        if decision.send is not None:
            self._hand_over(decision)

    def _hand_over(self, decision: Decision) -> None:
        send = decision.send
        assert send is not None
        before = self.passages.get(send.step)
        assert before is None or before.state < MessageState.SUBMITTED.code, "a step is sent twice"
        attempt = before.attempt if before else 0
        if self.provider == "full":
            self._take(Passage(send.step, send.channel, MessageState.QUEUED.code, 0, None, None, attempt,
                               send.account_id))  # fmt: skip
            patience = self.version.policy.outage_skip_after_ms
            self.run = replace(self.run, phase=Phase.QUEUED, wake_at=self.now + patience)
            return
        self._take(Passage(send.step, send.channel, MessageState.SUBMITTED.code, 0, self.now, None, attempt,
                           send.account_id))  # fmt: skip
        self._submit(send.step, send.channel)

    def _submit(self, step: int, channel: int) -> None:
        """Hand a message to the provider, which answers as it is set to."""
        passage = self.passages[step]
        attempt = passage.attempt + 1
        self.sends.append((step, Channel.of(channel)))
        self.times.append(self.now)
        self._take(replace(passage, state=MessageState.SUBMITTED.code, attempt=attempt, submitted_at=self.now,
                           retriable=self.retriable and attempt < 3))  # fmt: skip
        self.run = replace(self.run, phase=Phase.SUBMITTED, wake_at=self.now + GUARD_MS)
        if self.provider == "accepts":
            self._fold(step, Kind.SENT, self.now)
        elif self.provider == "rejects":
            self._fold(step, Kind.REJECTED, self.now)

    def _fold(self, step: int, kind: Kind, at: int) -> None:
        if step < 0:
            if self.run.outcome is None or kind is Kind.GOAL:
                self.marks[kind.value] = min(at, self.marks.get(kind.value, at))
            return
        passage = self.passages.get(step)
        if passage is None or passage.state in (MessageState.SKIPPED.code, MessageState.CANCELLED.code):
            return
        mask = passage.mask | kind.bit
        first = {**passage.first, kind.value: min(at, passage.first.get(kind.value, at))}
        state = state_of(mask).code
        sent_at = passage.sent_at if passage.sent_at is not None or kind is not Kind.SENT else at
        self._take(replace(
            passage, mask=mask, first=first, sent_at=sent_at,
            state=passage.state if state == MessageState.SUBMITTED.code else state,
        ))  # fmt: skip

    def _take(self, passage: Passage) -> None:
        self.passages = {**self.passages, passage.step: passage}
