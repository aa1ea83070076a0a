"""Entering a step: skip it with a reason, wait for its hour, or send. A skip goes on to the next at once."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import structs

from kaskad.domain import consent, timing
from kaskad.domain.cascade import Content, Step
from kaskad.domain.policy import HOUR
from kaskad.domain.run import (
    UNSENT,
    Address,
    Answers,
    Decision,
    Dialogue,
    Passages,
    Run,
    Send,
    failed,
)
from kaskad.domain.shares import even, point
from kaskad.domain.terms import Channel, MessageState, Outcome, Phase, RunState, SkipReason
from kaskad.domain.timing import When, held_on
from kaskad.domain.version import Version

# Calls go to the number that SMS go to; every other channel has addresses of its own.
ADDRESS_CHANNEL = {Channel.ROBOT_CALL.code: Channel.SMS.code, Channel.AGENT_CALL.code: Channel.SMS.code}
_OPEN = (MessageState.CREATED.code, MessageState.QUEUED.code)
_PENDING, _ACTIVE, _PAUSED = RunState.PENDING.code, RunState.ACTIVE.code, RunState.PAUSED.code
_SUBMITTED = Phase.SUBMITTED
_PAUSE_LOOK_MS = HOUR

Skip = tuple[int, int, SkipReason, str]


def enter(
    version: Version, run: Run, passages: Passages, number: int | None, due_at: int,
    answers: Answers, now: int, reason: str, refused: tuple[Skip, ...] = (),
) -> Decision:  # fmt: skip
    """Return the decision of a run that is to enter step `number`, not before `due_at`.

    `refused` are steps of this very decision that the hand-over could not send (no text, no budget).
    """
    steps = version.cascade.steps
    skips = list(refused)
    number = steps[0].number if number == -1 else number
    while number is not None:
        step, before = steps[number], passages.get(number)
        if before is not None and before.state not in _OPEN:  # whatever led here: what has left us is over
            number, due_at = step.next, now
            continue
        if version.cascade.exit_if is not None and _true(version.cascade.exit_if, answers, now):
            return _finish(run, number, Outcome.CANCELLED, "exit rule", skips)
        tried = before is not None and before.attempt > 0
        if due_at > now and (tried or step.at is None):  # woken early: it is asked for when it is due
            first = run.step if step.best_hour and run.step == -1 else number  # its hour is still to be found
            return _wait(run, first, When(due_at, "", due_at), reason, skips)
        found = _look_at(version, run, step, passages, due_at, answers, now)
        if isinstance(found, When):
            return _wait(run, number, found, reason, skips)
        if answers.paused:
            return _rest(run, number, due_at or now, "paused", skips, now)
        if version.held and number in version.held and isinstance(found, Send):
            if not version.held[number]:
                return _rest(run, number, due_at or now, "step paused", skips, now)
            found = number, found.channel, SkipReason.STEP_PAUSED, ""
        if isinstance(found, Send):
            return Decision(_ACTIVE, _SUBMITTED, number, None, due_at or now, reason,
                            skips=tuple(skips), send=found)  # fmt: skip
        skips.append(found)
        number, due_at, reason = step.next, now, "skipped"
    return _exhausted(version, run, passages, skips)


def _look_at(
    version: Version, run: Run, step: Step, passages: Passages, due_at: int, answers: Answers, now: int
) -> Send | Skip | When:
    """Return what to send now, until when to wait, or why the step is passed over.

    An anchored step that would be passed over now is asked again when it is due.
    """
    found = _choose(version, run, step, answers, now)
    if not isinstance(found, Send) and step.at is None:
        return found
    channel = found.channel if isinstance(found, Send) else found[1]
    when = timing.when(version, run, step, channel, passages, due_at, answers, now)
    if when.at is not None and when.at > now:
        return when
    if isinstance(found, Send) and when.at is None:
        why = when.why if isinstance(when.why, SkipReason) else SkipReason.TOO_LATE
        return step.number, channel, why, when.detail
    return found


def _wait(run: Run, number: int, when: When, reason: str, skips: list[Skip]) -> Decision:
    state = _PENDING if run.state == _PENDING and not skips else _ACTIVE
    return Decision(state, Phase.ENTER, number, when.at, when.due_at, reason,
                    skips=tuple(skips), detail=str(when.why))  # fmt: skip


def _rest(run: Run, number: int, due_at: int, reason: str, skips: list[Skip], now: int) -> Decision:
    """Return that the run looks again later, as what it wants is paused; no later for being woken early."""
    rests = run.state == _PAUSED and run.step == number and run.wake_at is not None and run.wake_at > now
    wake_at = run.wake_at if rests else now + _PAUSE_LOOK_MS
    return Decision(_PAUSED, Phase.ENTER, number, wake_at, due_at, reason, skips=tuple(skips))


def _exhausted(version: Version, run: Run, passages: Passages, skips: list[Skip]) -> Decision:
    outcome = Outcome.UNREACHABLE
    late = [skip for skip in skips if skip[2] is SkipReason.TOO_LATE and version.cascade.steps[skip[0]].at]
    for passage in passages.values():
        if passage.state in UNSENT:
            continue
        rule = version.rules[passage.step, passage.channel]
        if passage.mask & rule.success:
            return _finish(run, run.step, Outcome.RESPONDED, "no step left", skips, passage.step)
        if not failed(passage.mask):
            outcome = Outcome.EXHAUSTED
    if outcome is Outcome.UNREACHABLE and late:
        outcome = Outcome.EXPIRED
    return _finish(run, run.step, outcome, "no step left", skips)


def _finish(
    run: Run, number: int, outcome: Outcome, reason: str, skips: list[Skip], step: int | None = None
) -> Decision:
    return Decision(RunState.FINISHED.code, Phase.ENTER, number, None, run.due_at, reason,
                    outcome=outcome.code, outcome_step=step, skips=tuple(skips))  # fmt: skip


def _choose(version: Version, run: Run, step: Step, answers: Answers, now: int) -> Send | Skip:
    """Return what to send on the first channel that reaches this contact, or why none does."""
    if version.control is not None and version.control.holds(run.contact_id, now):
        return step.number, step.channels[0].code, SkipReason.CONTROL_GROUP, ""
    if step.condition is not None:
        verdict = step.condition.test(answers.scope or {}, now)
        if not verdict.value:
            return step.number, step.channels[0].code, SkipReason.CONDITION_FALSE, verdict.reason
    if step.holdout and share(version, run.contact_id, "holdout", step.id) < step.holdout:
        return step.number, step.channels[0].code, SkipReason.STEP_HOLDOUT, ""
    why, detail = SkipReason.NO_ADDRESS, ""
    worst = step.channels[0].code
    channels = step.channels if len(step.channels) == 1 else _preferred(step.channels, answers.preferred)
    drawn: list[Send] = []
    for channel in channels:
        refusal = _refusal(version, step, channel, answers, now)
        if refusal is None:
            code = channel.code
            address = _address(step, code, answers)
            assert address is not None  # else it is the refusal
            to = address.value
            account, variant = account_of(step, code, answers), _variant(version, run, step)
            dialogue = answers.dialogues.get(account)
            untold: bool | str = False
            until = 0
            if dialogue is not None:
                untold, until = _untold(_content(step, variant), dialogue, now), dialogue.open_until
            if isinstance(untold, bool):
                send = Send(step.number, code, account, to, variant, untold, until)
                if step.choose is None or code in answers.preferred:  # the person's own wish comes first
                    return send
                drawn.append(send)
            else:
                why, worst, detail = SkipReason.NO_TEMPLATE, code, untold
        elif refusal is not SkipReason.NO_ADDRESS:
            why, worst = refusal, channel.code
            detail = _article(version, channel, answers, now) if refusal is SkipReason.POLICY_DENIED else ""
    if drawn:
        return _draw(version, run, step, drawn, answers)
    return step.number, worst, why, detail


def _draw(version: Version, run: Run, step: Step, drawn: list[Send], answers: Answers) -> Send:
    """Return one of the sends by what was learnt of their channels: the same one for the run each time.

    The chance goes with it, so that what is learnt from it can be weighed. Before anything is learnt all are
    as likely.
    """
    if len(drawn) == 1:
        return drawn[0]
    arms = sum(1 << send.channel for send in drawn)
    group = answers.traits.get(step.choose.by, "") if step.choose else ""
    learnt = version.chances.get(step.number)
    odds = learnt.of(group, arms) if learnt else ()
    if not odds:
        odds = even([send.channel for send in drawn])
    at = point("channel", f"{version.cascade.id} {step.id}", run.contact_id, str(run.id))
    chosen, chance = odds[-1]
    for chosen, chance in odds:  # noqa: B007 (the one that it ends with is it)
        if at < chance:
            break
        at -= chance
    send = next(send for send in drawn if send.channel == chosen)
    return structs.replace(send, chance=chance, arms=arms, group=group)


def _content(step: Step, variant: int | None) -> Content:
    return step.content if variant is None else step.variants[variant].content


def _untold(content: Content, dialogue: Dialogue, now: int) -> bool | str:
    """Return whether the approved text is to be sent (else the free one), or in words why neither can be."""
    if dialogue.open_until > now and (content.text or content.media):
        return False
    approved, texts = content.approved, dialogue.texts
    if approved is None or texts is None:
        if dialogue.open_until > now:
            return "there is no text for a person who has written lately"
        return "the person has not written lately" + (", and no approved text is named" if texts else "")
    state = texts.get((approved.name, approved.language), "not known to the service")
    if state == "approved":
        return True
    return f"the approved text {approved.name} ({approved.language}) is {state}"


def asked(version: Version, run: Run, step: Step, answers: Answers, now: int) -> Send | Skip | When:
    """Return what would come of a step if the run came to it now."""
    return _look_at(version, run, step, {}, 0, answers, now)


def refused_on(
    version: Version, step: Step, channel: Channel, answers: Answers, now: int
) -> tuple[SkipReason | None, Address | None]:
    """Return why the step may not go out on this channel (None: it may), and where it would go."""
    return _refusal(version, step, channel, answers, now), _address(step, channel.code, answers)


def still_may(
    version: Version, run: Run, step: Step, channel: Channel, answers: Answers, now: int
) -> SkipReason | When | None:
    """Return why a message that has been handed over may not reach the person now; None: it may.

    For a call that an agent is about to make (E1). A `When` says until when a window holds it back. Of the
    touches in `answers` its own must have been left out.
    """
    refusal = _refusal(version, step, channel, answers, now)
    if refusal is not None and refusal is not SkipReason.PROVIDER_DISABLED:
        return refusal
    window, cap = held_on(version, run, step, channel, answers, now)
    if window is not None:
        return SkipReason.WINDOW_IMPOSSIBLE if window.at is None else window
    return SkipReason.FREQUENCY_CAPPED if cap is not None and cap.at is None else cap


def _preferred(channels: tuple[Channel, ...], preferred: tuple[int, ...]) -> list[Channel]:
    return sorted(channels, key=lambda c: preferred.index(c.code) if c.code in preferred else len(preferred))


def _refusal(version: Version, step: Step, channel: Channel, answers: Answers, now: int) -> SkipReason | None:
    address = _address(step, channel.code, answers)
    if address is None:
        return SkipReason.NO_ADDRESS
    if address.shared and step.number in answers.touched:
        return SkipReason.DUPLICATE_ADDRESS
    if version.denials.why(channel, answers.country, now) is not None:
        return SkipReason.POLICY_DENIED
    refusal = consent.may(
        answers.consents, channel, version.cascade.message_class, version.cascade.topic, now, address.health,
        version.cascade.brand,
    )  # fmt: skip
    if refusal is not None:
        return refusal
    return None if account_of(step, channel.code, answers) else SkipReason.PROVIDER_DISABLED


def _article(version: Version, channel: Channel, answers: Answers, now: int) -> str:
    return version.denials.why(channel, answers.country, now) or ""


def _address(step: Step, channel: int, answers: Answers) -> Address | None:
    return address_by(account_of(step, channel, answers), channel, answers)


def address_by(account_id: int, channel: int, answers: Answers) -> Address | None:
    """Return where an account sends to on this channel: the best address, of those that it can send to."""
    if account_id in answers.fitting:
        return answers.fitting[account_id]
    return answers.addresses.get(ADDRESS_CHANNEL.get(channel, channel))


def account_of(step: Step, channel: int, answers: Answers) -> int:
    """Return the account that carries the step on this channel; 0 where none is in service."""
    return answers.named.get(step.account, 0) if step.account else answers.accounts.get(channel, 0)


def _variant(version: Version, run: Run, step: Step) -> int | None:
    if not step.variants:
        return None
    point = share(version, run.contact_id, "variant", step.id)
    weights = version.weights.get(step.number) or [variant.weight for variant in step.variants]
    total = sum(weights)
    reached = 0
    for number, weight in enumerate(weights):
        reached += weight
        if point * total < reached * 10_000:
            return number
    return len(step.variants) - 1


def share(version: Version, contact_id: int, purpose: str, name: str = "") -> int:
    """Return where this contact falls among 10 000 equal shares: sticky for the cascade and the purpose."""
    text = f"{version.cascade.id}\0{purpose}\0{name}\0{contact_id}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") % 10_000


def _true(condition: object, answers: Answers, now: int) -> bool:
    return bool(condition.test(answers.scope or {}, now).value)  # type: ignore[attr-defined]
