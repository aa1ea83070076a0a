"""What sums of money count of one message: each amount with the kind of sum that it goes into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kaskad.domain.course import Leg
from kaskad.domain.figures import LEFT

WHOLE = ""  # what has left us, and what attempts have cost whatever became of the message
UNDER_WAY = "under_way"  # reserved, and not charged yet
FAILED, UNHEARD = "failed", "unheard"  # paid for, and not arrived as far as anybody knows
_EARLY, _CHANGE = "early:", "change:"  # … what people had done before it left; … domain/ledger.Change
_LOST, _UNKNOWN = (7, 8, 9), 10

Sum = tuple[str, int, int, int]  # kind, messages, price, cost


def sums_of(leg: Leg) -> Iterator[Sum]:
    """Yield what a message comes to, by kind; it may be of several."""
    left = leg.state in LEFT
    if left or leg.cost:
        yield WHOLE, int(left), leg.price, leg.cost
    if leg.held:
        yield UNDER_WAY, 1, 0, leg.held
    if leg.cost and leg.state in _LOST:
        yield FAILED, 1, 0, leg.cost
    if leg.cost and leg.state == _UNKNOWN:
        yield UNHEARD, 1, 0, leg.cost
    if leg.early and left:
        yield _EARLY + early_text(leg.early), 1, 0, leg.cost
    for kind, count, minor in leg.changes:
        yield f"{_CHANGE}{kind}", count, 0, minor


def early_text(early: Sequence[tuple[int, int, int]]) -> str:
    """Return what a kind says of steps, each with its channel and what people did there (bits)."""
    return ";".join(".".join(map(str, one)) for one in early)


def early_of(kind: str) -> list[tuple[int, int, int]]:
    """Return step, channel and bits of what people had done before a message of this kind left."""
    if not kind.startswith(_EARLY):
        return []
    rows = [one.split(".") for one in kind.removeprefix(_EARLY).split(";")]
    return [(int(step), int(channel), int(mask)) for step, channel, mask in rows]


def change_of(kind: str) -> int | None:
    """Return the code of the change whose amounts are of this kind."""
    return int(kind.removeprefix(_CHANGE)) if kind.startswith(_CHANGE) else None
