"""When silence ends, when an anchored step is due, how long a message is worth delivering (C7, C8, E7)."""

from __future__ import annotations

from collections.abc import Mapping

from kaskad.domain.cascade import Anchor, Span, Step
from kaskad.domain.hours import add, jitter, subtract
from kaskad.domain.policy import HOUR, MINUTE
from kaskad.domain.run import HUMAN, Passage, Run
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.domain.version import Rule, Version

RETRY_AFTER_MS = (
    MINUTE,
    10 * MINUTE,
    HOUR,
)  # `on_fail: retry`: after the first failure, the second, the third
# With these a further attempt would fail as well, or is not wanted.
_HOPELESS = frozenset(
    reason.code
    for reason in (
        Reason.INVALID_ADDRESS,
        Reason.OPTED_OUT,
        Reason.CONTENT,
        Reason.WINDOW,
        Reason.AMBIGUOUS,
        Reason.DOUBTFUL_ADDRESS,
        Reason.CARRIER_REFUSED,
    )
)
_ROBOT = Channel.ROBOT_CALL.code
_REACHED = HUMAN | Kind.DELIVERED.bit | Kind.MACHINE_ANSWERED.bit | Kind.EXPIRED.bit
_NO_PROOF = Kind.UNKNOWN.bit | Kind.IN_DOUBT.bit | Kind.BOUNCED.bit


def deadline(rule: Rule, passage: Passage, zone: str) -> int:
    """Return when silence moves the run on from this message, given its facts so far."""
    if passage.deadline_at is not None:  # an agent has it, and says when it is over
        return passage.deadline_at
    sent_at = passage.sent_at or passage.submitted_at or 0
    if rule.silence_ms is not None and not passage.mask & rule.attends:
        return sent_at + rule.silence_ms
    first = passage.first
    best: int | None = None
    for clock in rule.clocks:
        if passage.mask & clock.unless:
            continue
        start = earliest(first, clock.start) if clock.start else sent_at
        if start is not None:
            expires = add(start, clock.span, zone)
            best = expires if best is None or expires < best else best
    if best is None:  # no dead end: a last clock runs from the last reaction
        reactions = [at for kind, at in first.items() if 1 << kind & HUMAN]
        best = add(max([sent_at, *reactions]), rule.last, zone)
    return best


def earliest(first: Mapping[int, int], mask: int) -> int | None:
    """Return when the first of the facts in `mask` came, or None."""
    return min((at for kind, at in first.items() if 1 << kind & mask), default=None)


def patience_ms(version: Version, number: int) -> int:
    """Return how long a message may wait for its account before the step looks for another way (E7)."""
    if version.cascade.urgent or version.cascade.steps[number].urgent:
        return version.policy.outage_skip_after_urgent_ms
    return version.policy.outage_skip_after_ms


def retry_at(run: Run, passage: Passage, now: int) -> int | None:
    """Return when a failed message may be tried again; None where nothing proves that it did not arrive.

    A further attempt that would fail as well is none, nor is one after the last of `RETRY_AFTER_MS`.
    """
    if passage.mask & _NO_PROOF or not 1 <= passage.attempt <= len(RETRY_AFTER_MS):
        return None
    if passage.reason in _HOPELESS:
        return None
    wait_ms = RETRY_AFTER_MS[passage.attempt - 1]
    return now + wait_ms + jitter(run.contact_id, passage.step, wait_ms // 2)


def redial_at(version: Version, passage: Passage, now: int) -> int | None:
    """Return when a robot may call again; None unless it is proven that the call has reached nobody."""
    if passage.channel != _ROBOT or passage.reason is None or passage.mask & (_NO_PROOF | _REACHED):
        return None
    after_ms = version.policy.redial.after_ms(Reason.of(passage.reason), passage.attempt)
    return None if after_ms is None else now + after_ms


def most_tries(version: Version, number: int, channel: int) -> int:
    """Return how often a step's message is made over a channel, at most."""
    on_fail = version.cascade.steps[number].on_fail
    calls = version.policy.redial.calls if channel == _ROBOT and on_fail not in ("next", "stop") else 1
    return max(calls, 1 + len(RETRY_AFTER_MS) if on_fail == "retry" else 1)


def anchored_due(step: Step, run: Run, anchor_at: int, zone: str) -> int:
    """Return when an anchored step is due by its anchor, before windows are looked at (C8)."""
    at = step.at or Anchor()
    if at.day:
        return add(run.entered_at, Span(days=at.day - 1), zone)
    return subtract(anchor_at, at.by, zone) if at.before else add(anchor_at, at.by, zone)


def valid_for_ms(
    version: Version, run: Run, number: int, channel: int, anchors: Mapping[int, int] | None, zone: str,
    now: int,
) -> int:  # fmt: skip
    """Return how long a message handed over now is worth delivering (E2); 0: no limit.

    That is until silence would move the run on, until the next step's date, and never past its own anchor.
    """
    steps, rule = version.cascade.steps, version.rules[number, channel]
    step = steps[number]
    if rule.silence_ms is not None and step.at is None:
        return rule.silence_ms
    anchors = anchors or {}
    following = None if step.next is None else steps[step.next]
    if following is not None and following.at is not None:
        known = following.at.day or following.number in anchors
        ends = [anchored_due(following, run, anchors.get(following.number, 0), zone)] if known else []
    else:
        ends = [add(now, clock.span, zone) for clock in rule.clocks if not clock.start]
        ends = ends or [add(now, rule.last, zone)]
    if step.at is not None and step.at.before and number in anchors:
        ends.append(anchors[number])
    return max(0, min(ends, default=now) - now)
