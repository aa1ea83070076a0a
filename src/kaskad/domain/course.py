"""The course of a run: all that figures say of it but whose it was and when.

It has parts, and reports count these: the shape of the run, and a leg for each of its messages and each step
passed over. Runs differ in few ways, so a report over a million runs looks at some hundreds of parts. They
are kept as JSON: fields are only ever added, at the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from msgspec import Struct

from kaskad.domain.figures import DELIVERED, NO_MESSAGE, REACTED, SEEN
from kaskad.domain.terms import Channel, Kind

# Bits of a run's marks (see domain/returns for others): it was moved from one version to another,
MOVED = 1 << 47
STRANGE = 1 << 48  # and from one that held out another share of people: another lot made its group
WORD = 60  # characters of a provider's own words
LEVELS = ("delivered", "seen", "seen_or_sms_delivered", "reacted")
SIGNS = ("clicked", "beyond", "rescued", "left", "complained")
_COMPLAINED = 1 << SIGNS.index("complained")
_SMS = Channel.SMS.code
_NAMED = re.compile(r"\S*@\S*|\+?\d[\d\s().-]{4,}\d|\d{5,}")


class Leg(Struct, frozen=True, array_like=True, tag="leg", gc=False):
    """One message of the run, or one step passed over. Codes as in the table."""

    step: int
    channel: int
    state: int
    mask: int
    account_id: int | None
    variant: int | None
    reason: int | None
    price: int  # of what has left us, in minor units
    cost: int
    first: bool = False  # a person saw this one before any other of the run
    word: str = ""  # what the provider called its failure
    goal: bool = False  # the run's goal has come
    again: bool = False  # of a run that is not the person's first through the cascade
    past: int = 0  # of `mask`, what came more than WINDOW_MS after the message was submitted
    left: bool = False  # the last that had arrived before the person opted out, WINDOW_MS before at most
    last: bool = False  # the last one of the run that reached the person (seen, or an SMS delivered)
    hidden: bool = False  # a mail to who does not let its opening be noted
    held: int = 0  # its price while it is under way
    early: tuple[tuple[int, int, int], ...] = ()  # step, channel, bits: done elsewhere before this one left
    changes: tuple[tuple[int, int, int], ...] = ()  # of domain/ledger: how many, by how much together
    moved: bool = False  # of a run that came from another version: whose lot it was is not known

    @property
    def in_time(self) -> int:
        """Return of `mask` what counts for the message: all but what came too late."""
        return self.mask & ~self.past


class Shape(Struct, frozen=True, array_like=True, tag="run"):
    """How a run went as a whole. `marks` are bits of the facts of the run itself, `levels` of LEVELS."""

    holdout: int
    outcome: int  # 0: under way
    outcome_step: int | None
    late: int
    marks: int
    steps: tuple[int, ...]  # those that made a message
    levels: int
    again: bool = False  # not the person's first run through the cascade
    signs: int = 0  # bits of SIGNS

    @property
    def of_the_lot(self) -> bool:
        """Say whether the lot of its version made this run's group: held out, or treated."""
        return not self.again and not self.marks & STRANGE


Part = Leg | Shape

_encode = msgspec.json.Encoder().encode
_part = msgspec.json.Decoder(Part).decode
_parts = msgspec.json.Decoder(list[Part]).decode


def shape_of(
    holdout: int, outcome: int, outcome_step: int | None, late: int, marks: int, legs: Sequence[Leg],
    again: bool = False,
) -> Shape:  # fmt: skip
    """Return the shape of a run with these legs."""
    steps = tuple([leg.step for leg in legs if leg.state not in NO_MESSAGE])
    signs = _signs(legs) | (_COMPLAINED if marks & Kind.COMPLAINED.bit else 0)
    return Shape(holdout, outcome, outcome_step, late, marks, steps, _levels(legs), again, signs)


def _levels(legs: Sequence[Leg]) -> int:
    """Return in which senses the person was reached: a message was delivered; seen by a person; seen, or an
    SMS delivered (which nobody can see being read); reacted to."""
    delivered = any(leg.state in DELIVERED for leg in legs)
    seen = any(leg.mask & SEEN for leg in legs)
    likely = any(reaches(leg) for leg in legs)
    reacted = any(leg.mask & REACTED for leg in legs)
    return delivered | seen << 1 | likely << 2 | reacted << 3


def reaches(leg: Leg) -> bool:
    """Say whether the person has seen it, or it is an SMS that was delivered."""
    return bool(leg.mask & SEEN) or (leg.state in DELIVERED and leg.channel == _SMS)


def _signs(legs: Sequence[Leg]) -> int:
    """Return what else of the run is counted: a person clicked; it went beyond its first step; what the
    person first reacted to was a later step; an opt-out followed one of its messages; a complaint."""
    clicked = any(leg.mask & Kind.CLICKED.bit for leg in legs)
    beyond = any(leg.step for leg in legs)
    rescued = any(leg.step and leg.first for leg in legs)
    left = any(leg.left for leg in legs)
    complained = any(leg.mask & Kind.COMPLAINED.bit for leg in legs)
    return clicked | beyond << 1 | rescued << 2 | left << 3 | complained << 4


def live(part: Part) -> int | None:
    """Return 1 for the shape of a run under way, 0 for one that is over; None for hold-outs and for legs."""
    return None if isinstance(part, Leg) or part.holdout else int(not part.outcome)


def text_of(parts: Part | Sequence[Part]) -> str:
    """Return what is kept of a part, or of a whole course."""
    return _encode(parts).decode()


def part_of(text: str) -> Part:
    """Return the part that was kept."""
    part: Part = _part(text)
    return part


def parts_of(text: str) -> list[Part]:
    """Return the parts of the course that was kept."""
    return _parts(text)


def id_of(text: str) -> int:
    """Return the id of a part or course by its text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def impersonal(word: str) -> str:
    """Return a provider's words without what could name a person, as counts outlive people's data."""
    return _NAMED.sub("…", word)[:WORD]
