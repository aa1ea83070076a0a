"""Entering a step: skip it with a reason, wait for its hour, or send. A skip goes on to the next at once."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct, structs

from kaskad.domain import caps, consent, hours
from kaskad.domain.cascade import Content, Step
from kaskad.domain.clocks import anchored_due
from kaskad.domain.policy import DAY, HOUR, MINUTE, PerClass
from kaskad.domain.rhythm import Rhythm, best_hour
from kaskad.domain.run import Address, Answers, Decision, Dialogue, Passage, Passages, Run, Send, failed
from kaskad.domain.shares import even, point
from kaskad.domain.terms import Channel, MessageState, Outcome, Phase, RunState, SkipReason
from kaskad.domain.version import Version
from kaskad.domain.worded import worded

_CHANNELS = {channel.code: channel for channel in Channel}
# Calls go to the number that SMS go to; every other channel has addresses of its own.
ADDRESS_CHANNEL = {Channel.ROBOT_CALL.code: Channel.SMS.code, Channel.AGENT_CALL.code: Channel.SMS.code}
_OPEN = (MessageState.CREATED.code, MessageState.QUEUED.code)
_UNSENT = (MessageState.SKIPPED.code, MessageState.CANCELLED.code, MessageState.CREATED.code,
           MessageState.QUEUED.code)  # fmt: skip
_ROBOT = Channel.ROBOT_CALL.code
_PENDING, _ACTIVE, _PAUSED = RunState.PENDING.code, RunState.ACTIVE.code, RunState.PAUSED.code
_SUBMITTED = Phase.SUBMITTED
_PAUSE_LOOK_MS = HOUR
_PUNCTUAL_MS = MINUTE  # no later than this is on time for an anchored step
_NO_GAP = PerClass()

Skip = tuple[int, int, SkipReason, str]


class When(Struct, frozen=True, gc=False):
    """When a step may be sent and why then; `at` None: never, and `why` is the skip reason."""

    at: int | None
    why: SkipReason | str
    due_at: int = 0  # from when on lateness counts
    detail: str = ""


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
    when = _when(version, run, step, channel, passages, due_at, answers, now)
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
        if passage.state in _UNSENT:
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
            account, variant = _account(step, code, answers), _variant(version, run, step)
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


def held_on(
    version: Version, run: Run, step: Step, channel: Channel, answers: Answers, now: int
) -> tuple[When | None, When | None]:
    """Return until when a window and a cap hold such a message back now; None: that one does not."""
    urgent = step.urgent or version.cascade.urgent
    key = version.windows.key(channel, version.cascade.message_class, answers.zones, answers.country, urgent)
    opens = version.windows.next(now, key)
    window = None if opens == now else When(opens, version.windows.why(key))
    verdict = caps.check(
        answers.touches, version.policy, version.cascade.message_class, channel, run.id, answers.zones[0],
        now, urgent=urgent,
    )  # fmt: skip
    return window, None if verdict.allowed else When(verdict.at, verdict.reason)


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
    urgent = step.urgent or version.cascade.urgent
    key = version.windows.key(channel, version.cascade.message_class, answers.zones, answers.country, urgent)
    opens = version.windows.next(now, key)
    if opens is None:
        return SkipReason.WINDOW_IMPOSSIBLE
    if opens > now:
        return When(opens, version.windows.why(key))
    verdict = caps.check(
        answers.touches, version.policy, version.cascade.message_class, channel, run.id, answers.zones[0],
        now, urgent=urgent,
    )  # fmt: skip
    if verdict.allowed:
        return None
    return SkipReason.FREQUENCY_CAPPED if verdict.at is None else When(verdict.at, verdict.reason)


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
    return None if _account(step, channel.code, answers) else SkipReason.PROVIDER_DISABLED


def _article(version: Version, channel: Channel, answers: Answers, now: int) -> str:
    return version.denials.why(channel, answers.country, now) or ""


def _address(step: Step, channel: int, answers: Answers) -> Address | None:
    """Return where the step goes on this channel: the best address, of those that the account can send to."""
    account = _account(step, channel, answers)
    if account in answers.fitting:
        return answers.fitting[account]
    return answers.addresses.get(ADDRESS_CHANNEL.get(channel, channel))


def _account(step: Step, channel: int, answers: Answers) -> int:
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


def _when(
    version: Version, run: Run, step: Step, channel_code: int, passages: Passages, due_at: int,
    answers: Answers, now: int,
) -> When:  # fmt: skip
    """Return the earliest instant the step may be sent at and why then, or why never."""
    urgent = step.urgent or version.cascade.urgent
    channel = _CHANNELS[channel_code]
    key = version.windows.key(channel, version.cascade.message_class, answers.zones, answers.country, urgent)
    if step.at is not None:
        when = _anchored(version, run, step, key, answers, now)
        held = when.at is not None and when.at <= now and _capped(
            version, run, step, channel, answers, now, when.due_at, urgent
        )  # fmt: skip
        return held or when
    if due_at and now > latest(version, due_at) and not urgent:
        return When(None, SkipReason.TOO_LATE)
    at = max(now, due_at, 0 if urgent else _gap_ends_at(version, passages))
    held = _capped(version, run, step, channel, answers, at, due_at or at, urgent)
    if held:
        return held
    at = _at_another_hour(version, passages.get(step.number), at, answers.zones[0])
    if step.best_hour and answers.rhythm is not None and not urgent and not _is_placed(run, step, passages):
        best = _at_best_hour(version, run, step, answers.rhythm, at, key, answers.zones[0])
        if best is not None:
            return best
    opens = version.windows.next(at, key)
    if opens is None:
        return When(None, SkipReason.WINDOW_IMPOSSIBLE, detail=version.windows.why(key))
    if opens == at:
        return When(at, "", at)
    spread = hours.jitter(run.contact_id, step.number, version.policy.window_jitter_ms)
    opens = version.windows.next(at, key, spread)
    return When(opens, version.windows.why(key), opens or 0)


def _is_placed(run: Run, step: Step, passages: Passages) -> bool:
    """Say whether the step has waited for an hour already: it is asked for once."""
    return (run.phase == Phase.ENTER and run.step == step.number) or step.number in passages


def _at_best_hour(
    version: Version, run: Run, step: Step, rhythm: Rhythm, at: int, key: hours.WindowKey, zone: str
) -> When | None:
    """Return the hour of the next day at which the person reacts most; None: this one, or none is open."""
    spread = hours.jitter(run.contact_id, step.number, version.policy.window_jitter_ms)
    best = best_hour(rhythm, at, zone, lambda one: version.windows.next(one, key) == one, spread)
    if best is None or best == at:
        return None
    shown = f"{hours.hour_of_day(best, zone) // HOUR:02}:00"
    match rhythm.whose:
        case "person":
            why = worded("best hour %(hour)s, by reactions of the person", hour=shown)
        case "country":
            why = worded("best hour %(hour)s, by reactions of people of the country", hour=shown)
        case _:
            why = worded("best hour %(hour)s, by reactions of all people", hour=shown)
    return When(best, str(why), best)


def _at_another_hour(version: Version, before: Passage | None, at: int, zone: str) -> int:
    """Return `at`, or later where the call before was made on another day at about that hour."""
    if before is None or before.channel != _ROBOT or not before.submitted_at:
        return at
    if at - before.submitted_at < DAY // 2:
        return at
    least = version.policy.redial.other_hour_ms
    apart = hours.hour_of_day(at, zone) - hours.hour_of_day(before.submitted_at, zone)
    apart = (apart + DAY // 2) % DAY - DAY // 2
    return at if abs(apart) >= least else at + least - apart


def _capped(
    version: Version, run: Run, step: Step, channel: Channel, answers: Answers, at: int, due_at: int,
    urgent: bool,
) -> When | None:  # fmt: skip
    """Return until when a cap holds the step back, or None (E14, E15); never until it is too late.

    Steps that count back from an anchor keep their distance by themselves, and cannot be sent later.
    """
    policy = version.policy
    if not policy.caps and policy.run_gap_ms == _NO_GAP:
        return None
    counted_back = step.at is not None and step.at.before and not step.at.day
    verdict = caps.check(
        answers.touches, policy, version.cascade.message_class, channel, run.id, answers.zones[0], at,
        urgent=urgent, own_gap=not counted_back,
    )  # fmt: skip
    if verdict.allowed:
        return None
    if verdict.at is None or counted_back or verdict.at > latest(version, due_at):
        return When(None, SkipReason.FREQUENCY_CAPPED, detail=verdict.reason)
    return When(verdict.at, verdict.reason, due_at)


def latest(version: Version, due_at: int) -> int:
    """Return until when a step that was due then may still be sent."""
    own = version.cascade.max_lateness
    if own is None:
        return due_at + version.policy.max_lateness_ms
    return hours.add(due_at, own, version.policy.zone)


def _gap_ends_at(version: Version, passages: Passages) -> int:
    """Return when the minimum gap inside the run ends; what failed did not touch the person."""
    gap = version.gap_ms
    if not gap:
        return 0
    touches = [p for p in passages.values()
               if p.state not in _UNSENT and not failed(p.mask)]  # fmt: skip
    times = [passage.submitted_at + gap for passage in touches if passage.submitted_at]
    return max(times, default=0)


def _anchored(
    version: Version, run: Run, step: Step, key: hours.WindowKey, answers: Answers, now: int
) -> When:
    assert step.at is not None
    policy, zone = version.policy, answers.zones[0]
    anchor_at = (answers.anchors or {}).get(step.number)
    if anchor_at is None and not step.at.day:
        return When(None, SkipReason.CONDITION_FALSE, detail=f"no instant at {step.at.path}")
    due_at = anchored_due(step, run, anchor_at or 0, zone)
    if anchor_at is None or not step.at.before:
        return _after_its_date(version, run, step, due_at, key, now)
    if due_at <= now:
        return _missed(version, run, step, due_at, anchor_at, answers, key, now)
    earliest = due_at - policy.earliest_ok_ms
    if step.at.earliest_ok is not None:
        earliest = hours.subtract(due_at, step.at.earliest_ok, zone)
    allowed = version.windows.last_before(due_at, max(earliest, now), key)
    if allowed is None:
        return When(None, SkipReason.WINDOW_IMPOSSIBLE, detail=version.windows.why(key))
    return When(allowed, version.windows.why(key) if allowed < due_at else "anchored", allowed)


def _after_its_date(
    version: Version, run: Run, step: Step, due_at: int, key: hours.WindowKey, now: int
) -> When:
    """Return when a step goes that has nothing to be early for: later, like a relative one (C7).

    Lateness counts from the opening that it has to wait for: the night alone makes nobody too late.
    """
    spread = hours.jitter(run.contact_id, step.number, version.policy.window_jitter_ms)
    opens = version.windows.next(due_at, key, spread)
    if opens is None:
        return When(None, SkipReason.WINDOW_IMPOSSIBLE, detail=version.windows.why(key))
    if now > latest(version, opens):
        return When(None, SkipReason.TOO_LATE)
    at = version.windows.next(max(opens, now), key, spread)
    if at is None:
        return When(None, SkipReason.WINDOW_IMPOSSIBLE, detail=version.windows.why(key))
    return When(at, version.windows.why(key) if at > due_at else "", opens)


def _missed(
    version: Version, run: Run, step: Step, due_at: int, anchor_at: int, answers: Answers,
    key: hours.WindowKey, now: int,
) -> When:  # fmt: skip
    """Of the anchored steps that were due before, only the last is sent, and never at or after the anchor."""
    if now >= anchor_at:
        return When(None, SkipReason.TOO_LATE)
    late = now - due_at > _PUNCTUAL_MS
    following = None if step.next is None else version.cascade.steps[step.next]
    anchor = following.at if following is not None else None
    if late and following is not None and anchor is not None and anchor.before and not anchor.day:
        next_anchor = (answers.anchors or {}).get(following.number, anchor_at)
        next_due = anchored_due(following, run, next_anchor, answers.zones[0])
        if next_due - now <= version.policy.missed_margin_ms:
            return When(None, SkipReason.TOO_LATE, detail=f"step {following.id!r} is nearer")
    if version.windows.next(now, key) != now:
        return When(None, SkipReason.TOO_LATE)
    return When(now, "late enrolment" if late else "anchored", now)
