"""How often: caps over calendar days of the contact, gaps between touches (E14, E15)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, MessageClass


class Touch(Struct, frozen=True):
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
) -> CapVerdict:
    """Return whether one more touch is allowed now, and if not the first instant at which it would be.

    `touches` are those of this run and of the last `reach_ms(policy)`, in any order; `zone` is the contact's
    own or its likeliest. Urgent messages that are not advertising, and emergencies, are never held (C9).
    """
    raise NotImplementedError


def reach_ms(policy: Policy) -> int:
    """Return how far back touches of other runs can matter."""
    raise NotImplementedError
