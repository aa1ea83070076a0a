"""Wall-clock arithmetic: spans on a zone's clock, and windows in every zone a contact may be in (C1-C8).

Instants are milliseconds since 1970 UTC. A contact whose zone is not known has several candidates, and a
window is open only where it is open in all of them.
"""

from __future__ import annotations

from kaskad.domain.cascade import Span
from kaskad.domain.policy import Policy, WindowRule
from kaskad.domain.terms import Channel, MessageClass

# The rule, the candidate zones (never none) and the country ("" when not known).
WindowKey = tuple[WindowRule, tuple[str, ...], str]


def add(at: int, span: Span, zone: str) -> int:
    """Return the instant `span` after `at`: months and days on the zone's wall clock, then elapsed time."""
    raise NotImplementedError


def subtract(at: int, span: Span, zone: str) -> int:
    """Return the instant `span` before `at`: months and days on the zone's wall clock, then elapsed time."""
    raise NotImplementedError


def local_day(at: int, zone: str) -> int:
    """Return the calendar day of `at` in `zone`, in days since 1970-01-01."""
    raise NotImplementedError


def day_start(day: int, zone: str) -> int:
    """Return the first instant of the calendar day `day` (days since 1970-01-01) in `zone`."""
    raise NotImplementedError


def is_zone(name: str) -> bool:
    """Return whether `name` is an IANA zone that we know."""
    raise NotImplementedError


def candidate_zones(phone: str) -> tuple[str, ...]:
    """Return the zones in which the owner of an E.164 number may be; () when it tells nothing."""
    raise NotImplementedError


def zones_for(known: str | None, phone: str, brand: str) -> tuple[str, ...]:
    """Return the candidate zones of a contact, never none (C5): its own, else its number's, else the brand's.

    `known` is column `contacts.zone`: names separated by spaces; names that we do not know are passed over.
    """
    raise NotImplementedError


def jitter(contact_id: int, step: int, max_ms: int) -> int:
    """Return 0 to `max_ms`, always the same for one contact and step and spread evenly over contacts."""
    raise NotImplementedError


def next_allowed(at: int, rule: WindowRule, zones: tuple[str, ...], country: str = "") -> int | None:
    """Return the first instant from `at` on at which the rule is open in all zones; None: none in 14 days."""
    raise NotImplementedError


def last_allowed_before(
    due: int, earliest: int, rule: WindowRule, zones: tuple[str, ...], country: str = ""
) -> int | None:
    """Return `due` if the rule is open then, else the start of the last allowed minute before (C8).

    None when that would be before `earliest`.
    """
    raise NotImplementedError


def closed_by(at: int, rule: WindowRule, zones: tuple[str, ...], country: str = "") -> str:
    """Return which window is closed in which zones at `at`; empty when all are open."""
    raise NotImplementedError


class Windows:
    """The windows of a policy with memory: questions of one tick about equal keys are answered by look-up."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def key(
        self,
        channel: Channel,
        message_class: MessageClass,
        zones: tuple[str, ...],
        country: str = "",
        urgent: bool = False,
    ) -> WindowKey:
        """Return what to ask `next` with for such a message to a contact there."""
        raise NotImplementedError

    def next(self, at: int, key: WindowKey, spread: int = 0) -> int | None:
        """Return `next_allowed`; what has to wait comes `spread` ms (its jitter) after the opening (C7)."""
        raise NotImplementedError

    def last_before(self, due: int, earliest: int, key: WindowKey) -> int | None:
        """Return `last_allowed_before`."""
        raise NotImplementedError

    def why(self, key: WindowKey) -> str:
        """Return the rule in words: `09:00-21:00, days working (KZ), in Asia/Almaty`."""
        raise NotImplementedError
