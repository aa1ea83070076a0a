"""When a cascade will be over, and how sure that is: some people played in worlds that differ in rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, structs

from kaskad.actions.crowds import Sampled
from kaskad.actions.office import Office
from kaskad.actions.past import Past
from kaskad.actions.simulate import Asked, of_people, outlook_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.policy import SECOND
from kaskad.planning.forecast import Range
from kaskad.planning.scene import Table, staged
from kaskad.planning.simulated import Simulated
from kaskad.planning.walk import Ask
from kaskad.planning.world_file import Wanted

WORLDS = 10
PEOPLE = 150  # of each world
SHARES = ("50%", "90%", "100%")


class Over(Struct, frozen=True):
    """When so many of the runs are over, in seconds after the first enters: in the middle world, and between
    what eight of ten lie."""

    share: str
    after_s: float
    between: Range


def finishing(office: Office, cascade: Cascade, people: Sampled | None, known: Past) -> tuple[Over, ...]:
    """Return when half, nine of ten and all of the runs are over; () where nobody enters."""
    ready = of_people(office, cascade, Asked(people=PEOPLE), Wanted(), people, known)
    if not ready.scene.sorts or (people is not None and not people.size):
        return ()
    tables = _tables(ready.scene.cascade, known)
    played = [
        staged(structs.replace(
            ready.scene, rates=table, world=structs.replace(ready.scene.world, seed=number + 1)
        )).told
        for number, table in enumerate(tables)
    ]  # fmt: skip
    return over(played)


def over(played: list[Simulated]) -> tuple[Over, ...]:
    """Return what simulations say of when runs are over."""
    found = []
    for share in SHARES:
        times = [told.finished[share] for told in played]
        known = [at / SECOND for at in times if at is not None]
        if not known or len(known) < len(times):
            return ()
        low, middle, high = np.percentile(known, (10, 50, 90))
        found.append(Over(share, float(middle), Range(float(low), float(high))))
    return tuple(found)


def _tables(cascade: Cascade, known: Past) -> Sequence[Table]:
    """Return rates for each world, drawn as the forecast draws them."""
    rates = outlook_of(cascade, known).drawn(1, WORLDS)
    tables: list[dict[tuple[int, int, int], tuple[float, float]]] = [{} for _ in range(WORLDS)]
    for step in cascade.steps:
        for channel in step.channels:
            for before in range(len(cascade.steps)):
                rate = rates(step.number, Ask(channel), before)
                reacts, leaves = (np.broadcast_to(each, WORLDS) for each in (rate.reacts, rate.leaves))
                for world in range(WORLDS):
                    told = float(reacts[world]), float(leaves[world])
                    tables[world][step.number, channel.code, before] = told
    return tables
