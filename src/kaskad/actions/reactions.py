"""How long people take to react at the steps of a cascade, and who has come through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct

from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.office import Office
from kaskad.actions.past import versions_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.policy import Policy
from kaskad.domain.version import prepare
from kaskad.planning.same_steps import named_as
from kaskad.planning.timeouts import Floats, Waited
from kaskad.store import reactions as store
from kaskad.store.courses import HOUR_MS
from kaskad.store.reactions import NEVER, Sample
from kaskad.store.segment_columns import Flags, Integers

_Place = tuple[int, tuple[int, ...]]  # which facts are the success of a step; which steps it is now
_NOWHERE: _Place = 0, ()


class Reactions(Struct, frozen=True):
    """By step of the cascade as it is now, how long each message was waited for; `people` got any."""

    waited: Mapping[int, list[Waited]]
    people: tuple[int, ...]


def reactions(office: Office, slug: str, cascade: Cascade) -> Reactions:
    """Return what a sample of a cascade's runs tells; steps are those of `cascade` that were there before."""
    return reactions_of_parts(office, slug, cascade, None, 1)[0]


def reactions_of_parts(
    office: Office, slug: str, cascade: Cascade, part_of: Callable[[int], int] | None, count: int
) -> list[Reactions]:  # fmt: skip
    """Return the same for so many parts of the people; `part_of` tells of a contact which one it is in, None:
    all are in the first."""
    now = office.now()
    with office.read() as tx:
        versions = versions_of(tx, slug)
        if not versions:
            return [Reactions({}, ()) for _ in range(count)]
        known: dict[tuple[int, int, int], _Place] = {}
        for version_id, _ in versions:
            before = cascade_of(office, tx, version_id)
            numbers = named_as(cascade, before)
            for (step, channel), rule in prepare(0, 0, before, Policy()).rules.items():
                known[version_id, step, channel] = rule.success, numbers.get(step, ())

        def kinds_of(told: Sample) -> Integers:
            places, place_of = _places(told, known)
            return np.array([mask for mask, _ in places], np.int64)[place_of]

        told, success = store.sample(tx, versions[0][1], kinds_of)
    places, place_of = _places(told, known)
    people, person_of = np.unique(told.contact_id, return_inverse=True)
    parts = np.array([part_of(each) for each in people.tolist()] if part_of else [0] * len(people), np.int64)
    columns, part_of_message = _waited(told, success, now), parts[person_of]
    return [
        Reactions(
            {
                number: list(map(Waited, *[column[chosen & own].tolist() for column in columns]))
                for number, chosen in _by_step(places, place_of)
                if (chosen & own).any()
            },
            tuple(people[parts == part].tolist()),
        )
        for part in range(count)
        for own in (part_of_message == part,)
    ]


def _places(told: Sample, known: Mapping[tuple[int, int, int], _Place]) -> tuple[list[_Place], Integers]:
    """Return the places that messages were sent at, and of each message which of these it is."""
    codes, place_of = np.unique(
        (told.version_id << 24) + (told.step << 8) + told.channel, return_inverse=True
    )
    sent_at = ((code >> 24, code >> 8 & 0xFFFF, code & 0xFF) for code in codes.tolist())
    return [known.get(place, _NOWHERE) for place in sent_at], place_of


def _by_step(places: Sequence[_Place], place_of: Integers) -> Iterator[tuple[int, Flags]]:
    """Yield the steps that places are now, each with which messages were sent there."""
    for number in sorted({number for mask, steps in places if mask for number in steps}):
        yield number, np.array([mask != 0 and number in steps for mask, steps in places])[place_of]


def _waited(told: Sample, success: Integers, now: int) -> tuple[Floats | Flags, ...]:
    """Return how long each message was waited for, until its `success` or until the run moved on, as columns
    of `Waited`.

    It is watched until the person reacts to it even so, or to another message, or the run is over. Messages
    of a run lie together, in their order.
    """
    sent_at, over = told.sent_at, np.where(told.finished_at > 0, told.finished_at, now)
    runs = np.array([told.contact_id, told.run_id]).T
    until = over.copy()
    until[:-1] = np.where(_same(runs, 1), sent_at[1:], until[:-1])
    elsewhere_at = _elsewhere_at(runs, sent_at, success)
    watched = np.maximum(until, np.minimum(over, elsewhere_at))
    reacted, late = success <= until, success <= watched
    hours = _hours(sent_at, np.where(reacted, success, until))
    until_known = _hours(sent_at, np.where(late, success, watched))
    return hours, reacted, until_known, late & ~reacted, ~late & (elsewhere_at <= over)


def _elsewhere_at(runs: Integers, sent_at: Integers, success: Integers) -> Integers:
    """Return when the person first reacted to another message of the run, once the message had gone."""
    found = np.full(len(runs), NEVER)
    away = 1
    while (same := _same(runs, away)).any():
        before, after = slice(None, -away), slice(away, None)
        for one, other in ((before, after), (after, before)):
            counts = same & (success[other] > sent_at[one])
            found[one] = np.where(counts, np.minimum(found[one], success[other]), found[one])
        away += 1
    return found


def _same(runs: Integers, away: int) -> Flags:
    """Return which messages have one of the same run so many places after them."""
    same: Flags = (runs[away:] == runs[:-away]).all(axis=1)
    return same


def _hours(since: Integers, until: Integers) -> Floats:
    hours: Floats = np.maximum(until - since, 0) / HOUR_MS
    return hours
