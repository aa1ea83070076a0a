"""When a cascade will be over, and how sure that is: people played, weighed as many worlds have them."""

from __future__ import annotations

import numpy as np
from msgspec import Struct, structs

from kaskad.actions.crowds import Sampled
from kaskad.actions.office import Office
from kaskad.actions.past import Past
from kaskad.actions.simulate import Asked, of_people, outlook_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.policy import SECOND
from kaskad.planning.ending import LEAST_SILENT, WORLDS, Ended, ended
from kaskad.planning.forecast import Range, range_of
from kaskad.planning.scene import lived
from kaskad.planning.world_file import Wanted

PEOPLE, FEWEST = 1_500, 150
SHARES = (0.5, 0.9, 1.0)


class Over(Struct, frozen=True):
    """When so many of the runs are over, in seconds after the first enters: in the middle world, and between
    what eight of ten lie."""

    share: str
    after_s: float
    between: Range


def finishing(office: Office, cascade: Cascade, people: Sampled | None, known: Past) -> tuple[Over, ...]:
    """Return when half, nine of ten and all of the runs are over; () where nobody enters, or some never
    end."""
    size = PEOPLE if people is None else people.size
    if people is None:  # whom the forecast does not hold against what all may cost
        cascade = structs.replace(cascade, budget=structs.replace(cascade.budget, total=None))
    ready = of_people(office, cascade, Asked(people=_count(size)), Wanted(), people, known)
    if not ready.scene.sorts or (people is not None and not people.size):
        return ()
    world = ready.scene.world
    if world.desk is None:  # whose agents take one call of one person
        world = structs.replace(world, least_silent=LEAST_SILENT)
    played = lived(structs.replace(ready.scene, world=world))
    lives = [life for life in played.lives if not life.run.holdout]
    if not lives or any(life.run.outcome is None for life in lives):
        return ()
    outlook = outlook_of(ready.scene.cascade, known)
    size = max(1, round(size * len(lives) / len(played.lives)))
    looked = size if people is None or len(people.ids) >= people.size else len(people.ids)
    told = ended(lives, played.world.start, size, looked, outlook.drawn(1, WORLDS), SHARES)
    return tuple(map(_over, told))


def _count(size: int) -> int:
    """Return how many are played: some more than there are where there are few, so that all kinds are met."""
    return min(PEOPLE, max(FEWEST, size))


def _over(told: Ended) -> Over:
    after_s = told.worlds / SECOND
    return Over(f"{told.share:.0%}", float(np.median(after_s)), range_of(after_s))
