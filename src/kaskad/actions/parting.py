"""An audience parted by segments: each of its people is in the first one that they meet, else in the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kaskad.actions.crowds import Sampled
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.worded import worded
from kaskad.store import segments

MOST = 5  # segments of one optimisation
WIDE = 20_000  # people of an audience who are asked which segment they are in

Ids = NDArray[np.int64]


class Parting(Struct, frozen=True):
    """The segments in the order in which they count, and of each, and last of everybody else: how many of the
    audience are in it (`sizes`), and some of these (`ids`). `members` are all contacts of a segment, in the
    order of their ids, who are in none before it."""

    segments: tuple[str, ...]
    members: tuple[Ids, ...]
    sizes: tuple[int, ...]
    ids: tuple[tuple[int, ...], ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """Return which shares of the audience the parts are."""
        return tuple(size / max(1, sum(self.sizes)) for size in self.sizes)

    def part_of(self, contact_id: int) -> int:
        """Return in which part a contact is."""
        for part, members in enumerate(self.members):
            at = int(np.searchsorted(members, contact_id))
            if at < len(members) and members[at] == contact_id:
                return part
        return len(self.members)


def thinned(ids: Sequence[int], most: int) -> tuple[int, ...]:
    """Return up to so many of these contacts, from all over them."""
    return tuple(ids[:: max(1, -(-len(ids) // most))])


def parted(office: Office, named: Sequence[str], people: Sampled, sample: int) -> Parting:
    """Return an audience, of which WIDE people are told, parted by these segments.

    Of large parts up to `sample` people are taken. Raises NotFound and Invalid.
    """
    if len(named) > MOST or len(set(named)) < len(named):
        raise Invalid([worded("Name up to %(most)s segments, each once.", most=MOST)])
    wide: Ids = np.array(people.ids, dtype=np.int64)
    taken, members = np.zeros(0, np.int64), list[Ids]()
    with office.read() as tx:
        for name in named:
            known = segments.find(tx, name)
            if known is None:
                raise NotFound(
                    worded("There is no segment %(segment)r: `kaskad segment list` shows them.", segment=name)
                )
            met = segments.everybody(tx, known.condition, office.now())
            members.append(np.setdiff1d(met, taken, assume_unique=True))
            taken = np.union1d(taken, met)
    within = [wide[np.isin(wide, own)] for own in members]
    within.append(wide[~np.isin(wide, taken)])
    counts = [len(some) for some in within]
    sizes = [round(people.size * count / max(1, len(wide))) for count in counts]
    return Parting(
        tuple(named), tuple(members), tuple(sizes),
        tuple(thinned(some.tolist(), sample) for some in within),
    )  # fmt: skip
