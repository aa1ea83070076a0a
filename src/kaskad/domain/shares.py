"""Who of several gets a contact: shared out by weight, and the same one each time."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log

EQUAL = 10_000  # shares that contacts fall into

_MASK = (1 << 64) - 1


def share_out(contact_id: int, members: Sequence[tuple[int, int]]) -> int:
    """Return which of `members` (id, weight) the contact belongs to; weights are over 0.

    Rendezvous hashing: where a member joins or leaves, only those contacts move that it takes or had.
    """
    best, chosen = -1.0, members[0][0]
    for member, weight in members:
        score = weight / -log(_point(contact_id, member))
        if score > best:
            best, chosen = score, member
    return chosen


def _point(contact_id: int, member: int) -> float:
    """Return a number between 0 and 1, evenly spread over contacts (the finaliser of splitmix64)."""
    mixed = (contact_id * 0x9E3779B97F4A7C15 + member * 0xBF58476D1CE4E5B9 + 1) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    mixed ^= mixed >> 31
    return ((mixed >> 12) + 0.5) / (1 << 52)


def point(purpose: str, name: str, contact_id: int, more: str = "") -> int:
    """Return into which of EQUAL shares this contact falls: the same one for a purpose and a name."""
    text = f"{purpose}\0{name}\0{more}\0{contact_id}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") % EQUAL


def even(members: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the members with equal chances, EQUAL together."""
    each, rest = divmod(EQUAL, len(members))
    return tuple((member, each + (place < rest)) for place, member in enumerate(members))
