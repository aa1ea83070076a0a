"""When may a step go: by its date or after the one before, by gaps, caps and hours, by a person's rhythm."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain import caps, hours
from kaskad.domain.cascade import Step
from kaskad.domain.clocks import anchored_due
from kaskad.domain.policy import DAY, HOUR, MINUTE, PerClass
from kaskad.domain.rhythm import Rhythm, best_hour
from kaskad.domain.run import UNSENT, Answers, Passage, Passages, Run, failed
from kaskad.domain.terms import Channel, Phase, SkipReason
from kaskad.domain.version import Version
from kaskad.domain.worded import worded

_CHANNELS = {channel.code: channel for channel in Channel}
_ROBOT = Channel.ROBOT_CALL.code
_PUNCTUAL_MS = MINUTE  # no later than this is on time for an anchored step
_NO_GAP = PerClass()


class When(Struct, frozen=True, gc=False):
    """When a step may be sent and why then; `at` None: never, and `why` is the skip reason."""

    at: int | None
    why: SkipReason | str
    due_at: int = 0  # from when on lateness counts
    detail: str = ""


def when(
    version: Version, run: Run, step: Step, channel_code: int, passages: Passages, due_at: int,
    answers: Answers, now: int,
) -> When:  # fmt: skip
    """Return the earliest instant the step may be sent at and why then, or why never."""
    urgent = step.urgent or version.cascade.urgent
    channel = _CHANNELS[channel_code]
    key = version.windows.key(channel, version.cascade.message_class, answers.zones, answers.country, urgent)
    if step.at is not None:
        by_date = _anchored(version, run, step, key, answers, now)
        if by_date.at is None or by_date.at > now:
            return by_date
        held = _capped(version, run, step, channel, answers, now, by_date.due_at, urgent)
        if held is not None and held.at is not None and _shut_too_long(version, run, step, held, key):
            return When(None, SkipReason.FREQUENCY_CAPPED, detail=str(held.why))
        return held or by_date
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


def _shut_too_long(version: Version, run: Run, step: Step, held: When, key: hours.WindowKey) -> bool:
    """Say whether a step that a cap holds back has no slot left before it is too late (E14)."""
    spread = hours.jitter(run.contact_id, step.number, version.policy.window_jitter_ms)
    opens = None if held.at is None else version.windows.next(held.at, key, spread)
    return opens is None or opens > latest(version, held.due_at)


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
               if p.state not in UNSENT and not failed(p.mask)]  # fmt: skip
    times = [passage.submitted_at + gap for passage in touches if passage.submitted_at]
    return max(times, default=0)


def _anchored(
    version: Version, run: Run, step: Step, key: hours.WindowKey, answers: Answers, now: int
) -> When:
    assert step.at is not None
    zone = answers.zones[0]
    anchor_at = (answers.anchors or {}).get(step.number)
    if anchor_at is None and not step.at.day:
        return When(None, SkipReason.CONDITION_FALSE, detail=f"no instant at {step.at.path}")
    due_at = anchored_due(step, run, anchor_at or 0, zone)
    if anchor_at is None or not step.at.before:
        return _after_its_date(version, run, step, due_at, key, now)
    if due_at <= now:
        return _missed(version, run, step, due_at, anchor_at, answers, key, now)
    allowed = version.windows.last_before(due_at, max(earliest(version, step, due_at, zone), now), key)
    if allowed is None:
        return When(None, SkipReason.WINDOW_IMPOSSIBLE, detail=version.windows.why(key))
    return When(allowed, version.windows.why(key) if allowed < due_at else "anchored", allowed)


def earliest(version: Version, step: Step, due_at: int, zone: str) -> int:
    """Return how early a step may go that counts back from a date (C8)."""
    if step.at is None or step.at.earliest_ok is None:
        return due_at - version.policy.earliest_ok_ms
    return hours.subtract(due_at, step.at.earliest_ok, zone)


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
    at = version.windows.next(max(opens, now), key, spread)
    if max(opens if at is None else at, now) > latest(version, opens):
        return When(None, SkipReason.TOO_LATE)
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
