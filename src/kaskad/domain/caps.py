"""How often: caps over calendar days of the contact, gaps between touches (E14, E15)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.hours import day_start, local_day
from kaskad.domain.policy import DAY, MINUTE, Cap, Counted, Policy
from kaskad.domain.terms import Channel, MessageClass


class Touch(Struct, frozen=True, gc=False):
    """A message that left us for the contact."""

    at: int
    run_id: int
    channel_code: int
    class_code: int


class CapVerdict(Struct, frozen=True):
    """Whether a touch is allowed now; if not, when (None: never in this run), and which limit says so."""

    allowed: bool
    at: int | None = None
    reason: str = ""


ALLOWED = CapVerdict(True)


def check(
    touches: Sequence[Touch],
    policy: Policy,
    message_class: MessageClass,
    channel: Channel,
    run_id: int,
    zone: str,
    now: int,
    *,
    urgent: bool = False,
    own_gap: bool = True,
) -> CapVerdict:
    """Return whether one more touch is allowed now, and if not the first instant at which it would be.

    `touches` are those of this run and of the last `reach_ms(policy)`, in any order; `zone` is the contact's
    own or its likeliest. Urgent messages that are not advertising, and emergencies, are never held (C9).
    `own_gap` False: the run's own touches may be as near to each other as they like.
    """
    if not touches or message_class is MessageClass.EMERGENCY:
        return ALLOWED
    if urgent and message_class is not MessageClass.ADVERTISING:
        return ALLOWED
    at, reason = now, ""
    for ends_at, words in _gaps(touches, policy, message_class, run_id, own_gap):
        if ends_at > at:
            at, reason = ends_at, words
    count = len(touches)
    for cap in policy.caps:
        if count < cap.limit or not cap.fits(channel, message_class):
            continue
        frees = _frees(cap, touches, run_id, zone)
        if frees is None:
            return CapVerdict(False, None, cap.words())
        if frees > at:
            at, reason = frees, cap.words()
    # Without new touches every limit stays free once it is: the last one to free up decides.
    return CapVerdict(False, at, reason) if reason else ALLOWED


def reach_ms(policy: Policy) -> int:
    """Return how far back touches of other runs can matter."""
    days = max((cap.days for cap in policy.caps), default=0)
    gap = max(policy.run_gap_ms.service, policy.run_gap_ms.advertising, policy.run_gap_ms.transactional)
    return max((days + 1) * DAY if days else 0, gap)  # a day more: local days may have 25 hours


def _gaps(
    touches: Sequence[Touch], policy: Policy, message_class: MessageClass, run_id: int, own_gap: bool
) -> list[tuple[int, str]]:
    own, other = policy.min_gap_ms.of(message_class), policy.run_gap_ms.of(message_class)
    held: list[tuple[int, str]] = []
    if own and own_gap:
        last = max((touch.at for touch in touches if touch.run_id == run_id), default=None)
        if last is not None:
            held.append((last + own, f"{own // MINUTE} min after the touch before in this run"))
    if other:
        last = max((touch.at for touch in touches if touch.run_id != run_id), default=None)
        if last is not None:
            held.append((last + other, f"{other // MINUTE} min after a touch of another run"))
    return held


def _frees(cap: Cap, touches: Sequence[Touch], run_id: int, zone: str) -> int | None:
    """Return from when on one more fits under the cap (0: always did); None: never."""
    codes = [channel.code for channel in cap.channels]
    counted = [touch for touch in touches if not codes or touch.channel_code in codes]
    if not cap.days:
        return 0 if sum(touch.run_id == run_id for touch in counted) < cap.limit else None
    if cap.counts is Counted.RUNS:
        instants = _starts(cap, counted, run_id)
    else:
        instants = [touch.at for touch in counted]
    if len(instants) < cap.limit:
        return 0
    # Under the cap again when this one has left the days that count.
    leaves = sorted(instants)[-cap.limit]
    return day_start(local_day(leaves, zone) + cap.days, zone)


def _starts(cap: Cap, touches: Sequence[Touch], run_id: int) -> list[int]:
    """Return when the other runs of the capped classes started; none when this run has itself started."""
    classes = [message_class.code for message_class in cap.classes]
    starts: dict[int, int] = {}
    for touch in touches:
        if touch.run_id == run_id:
            return []
        if touch.class_code in classes:
            starts[touch.run_id] = min(touch.at, starts.get(touch.run_id, touch.at))
    return list(starts.values())
