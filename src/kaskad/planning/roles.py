"""Who is played in a simulation: contacts as themselves, or people of some sorts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import default_rng

from kaskad.domain.caps import Touch
from kaskad.planning.world import Cast, Sort, World

Role = tuple[int, Sort, Sequence[Touch]]  # a contact's id, and what left us for it before


def roles_of(world: World, cast: Cast | None, sorts: Sequence[Sort]) -> Iterator[Role]:
    """Return who is played, in the order in which they enter."""
    return _cast(world, cast, sorts) if cast is not None and cast.ids else _dealt(world, sorts)


def _cast(world: World, cast: Cast, sorts: Sequence[Sort]) -> Iterator[Role]:
    """Yield who is played: of the cast as many as there are, from all over it; then others like them."""
    known, top = len(cast.ids), max(cast.ids)
    for number in range(world.people):
        place = number * known // world.people if world.people < known else number % known
        contact_id = cast.ids[place]
        touched = cast.touches.get(contact_id, ())
        yield contact_id if number < known else top + number, sorts[cast.sorts[place]], touched


def _dealt(world: World, sorts: Sequence[Sort]) -> Iterator[Role]:
    """Yield people of each sort: as often as there are such, in no order."""
    counts = np.array([sort.count for sort in sorts], dtype=np.float64)
    if not counts.sum():
        return
    ends = np.round(np.cumsum(counts) / counts.sum() * world.people).astype(np.int64)
    each = np.repeat(np.arange(len(sorts)), np.diff(ends, prepend=0))
    for number, place in enumerate(default_rng([world.seed, 2]).permutation(each).tolist(), 1):
        yield number, sorts[place], ()
