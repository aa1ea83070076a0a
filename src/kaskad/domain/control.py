"""The control group of all advertising: who gets none, from no cascade, so that all of it can be measured.

The lot falls by contact and salt, and stays. It is made of whole numbers only, so that a report can cast it
for a million contacts at once (analytics/control.py).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from hashlib import blake2b
from zoneinfo import ZoneInfo

from msgspec import Struct

from kaskad.domain.policy import ControlGroup

ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
STEP = 0x9E3779B97F4A7C15
_64 = (1 << 64) - 1
FOREVER = 1 << 62


class Drawn(Struct, frozen=True):
    """A control group made ready: `share` of 10 000 from `since` until before `until`."""

    share: int
    key: int
    since: int
    until: int

    def holds(self, contact_id: int, now: int) -> bool:
        """Say whether the contact gets no advertising now."""
        return lot(contact_id, self.key) < self.share_at(now)

    def share_at(self, now: int) -> int:
        """Return how many of 10 000 get no advertising now."""
        return self.share if self.since <= now < self.until else 0


def drawn(group: ControlGroup, zone: str) -> Drawn | None:
    """Return the group made ready, its days beginning at midnight of `zone`; None: there is none."""
    if not group.share:
        return None
    since = _midnight(group.since, zone) if group.since else 0
    return Drawn(
        group.share, key_of(group.salt), since, _midnight(group.until, zone) if group.until else FOREVER
    )


def key_of(salt: str) -> int:
    """Return what the lot of a salt is cast with."""
    return int.from_bytes(blake2b(f"control\0{salt}".encode(), digest_size=8).digest(), "big")


def lot(contact_id: int, key: int) -> int:
    """Return where the contact falls among 10 000 (SplitMix64: G. Steele et al., OOPSLA 2014)."""
    mixed = ((contact_id ^ key) + STEP) & _64
    for shift, factor in ROUNDS:
        mixed = ((mixed ^ (mixed >> shift)) * factor) & _64
    return (mixed ^ (mixed >> 31)) % 10_000


def _midnight(day: date, zone: str) -> int:
    begins = datetime.combine(day, time(), ZoneInfo(zone))
    return round(begins.astimezone(UTC).timestamp() * 1000)
