"""The forecast of a launch while versions are on trial: each part of the people goes through its own version.

Whoever enters which is told by the lot of the trial, so it is told beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from kaskad.actions import forecast
from kaskad.actions.budget_left import short_of
from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.crowds import Sampled
from kaskad.actions.forecast import Expected
from kaskad.actions.office import Office
from kaskad.actions.past import past
from kaskad.domain.cascade import Cascade
from kaskad.domain.shares import EQUAL
from kaskad.domain.trials import Trial
from kaskad.planning.forecast import Forecast, Range, range_of
from kaskad.planning.walk import Worlds
from kaskad.store import trials

BASES = ("prior", "others", "own")  # what reactions rest on, the weakest first


class _Part(Struct, frozen=True):
    told: Expected
    drawn: Forecast


def expected(office: Office, slug: str, cascade: Cascade, version_id: int, people: Sampled) -> Expected:
    """Return what is expected of people who enter a version, or whichever of those on trial beside it."""
    with office.read() as tx:
        running = [row.trial for row in trials.running(tx) if row.base_id == version_id]
        entered = {version_id: people} if not running else _shared(running[0], people)
        cascades = {each: cascade_of(office, tx, each) for each in entered if each != version_id}
    if set(entered) == {version_id}:
        return forecast.of_people(office, cascade, people, past(office, slug, cascade), what_if=False)
    parts = []
    for each, theirs in sorted(entered.items()):
        own = cascades.get(each, cascade)
        parts.append(forecast.Part(own, theirs, past(office, slug, own)))
    told = [_Part(*each) for each in forecast.of_parts(office, parts)]
    wanted: dict[str, float] = {}
    for one in told:
        for currency, cost in one.drawn.wanted.cost.items():
            wanted[currency] = wanted.get(currency, 0.0) + float(cost[0])
    left = short_of(office, cascade, forecast.whole({name: cost for name, cost in wanted.items() if name}))
    steps = [step for one in told for step in one.told.steps]
    lacking = (*forecast.uncounted(left, steps), *max(one.told.uncounted for one in told))
    return structs.replace(_together(people, told), budget_left=left, uncounted=lacking)


def _shared(trial: Trial, people: Sampled) -> dict[int, Sampled]:
    """Return by version who enters it; of an audience that is a sample's as many as the shares say."""
    ids: dict[int, list[int]] = {}
    for contact_id in people.ids:
        ids.setdefault(trial.version_of(contact_id), []).append(contact_id)
    whole = people.size <= len(people.ids)
    shares = {arm.version_id: arm.share for arm in trial.arms}
    shares[trial.base_id] = EQUAL - sum(shares.values())
    sizes = {
        each: len(ids.get(each, ())) if whole else people.size * share // EQUAL
        for each, share in shares.items()
    }
    sizes[trial.base_id] += people.size - sum(sizes.values())
    shared = {
        each: Sampled(people.name, size, tuple(ids.get(each, people.ids)))
        for each, size in sizes.items()
        if size
    }
    return shared or {trial.base_id: people}  # nobody enters


def _together(people: Sampled, parts: Sequence[_Part]) -> Expected:
    """Return the sum of parts: of what is expected, and draw by draw of what may happen."""
    told = [part.told for part in parts]
    size, held_out = people.size, sum(one.held_out for one in told)
    entered = max(1, size - held_out)
    reached = sum(one.reached for one in told)
    costs = {name for one in told for name in one.cost}
    cost = {name: sum(one.cost.get(name, 0) for one in told) for name in sorted(costs)}
    known = all(one.converted is not None for one in told)
    drawn = {
        "entered": [part.drawn.entered for part in parts],
        "reached": [part.drawn.draws.reached for part in parts],
        "silent": [part.drawn.draws.silent for part in parts],
        "messages": [part.drawn.draws.messages for part in parts],
    }
    if known:
        drawn["converted"] = [part.drawn.conversions for part in parts]
    paid = {
        name: [part.drawn.draws.cost[name] for part in parts if name in part.drawn.draws.cost]
        for name in cost
    }
    return structs.replace(
        told[0], size=size, sample=len(people.ids), held_out=held_out, steps=(), without=(), over=(),
        edges=(), reached=reached, reach=round(reached / entered, 6), silent=sum(one.silent for one in told),
        messages=sum(one.messages for one in told), cost=cost,
        each_entered={name: round(minor / entered, 4) for name, minor in cost.items()},
        each_reached={name: round(minor / reached, 4) for name, minor in cost.items()} if reached else {},
        converted=sum(one.converted or 0 for one in told) if known else None,
        ranges=_ranges(drawn), cost_ranges=_ranges(paid),
        basis=min((one.basis for one in told), key=BASES.index),
        coarse=("figures",) if any("figures" in one.coarse for one in told) else (),
    )  # fmt: skip


def _ranges(drawn: Mapping[str, Sequence[Worlds]]) -> dict[str, Range]:
    return {name: range_of(sum(worlds[1:], worlds[0])) for name, worlds in drawn.items()}
