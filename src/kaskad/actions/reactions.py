"""How long people take to react at the steps of a cascade, and who has come through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct

from kaskad.actions.cascades import cascade_of
from kaskad.actions.office import Office
from kaskad.actions.past import versions_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.policy import Policy
from kaskad.domain.version import prepare
from kaskad.planning.same_steps import named_as
from kaskad.planning.timeouts import Floats, Waited
from kaskad.store import reactions as store
from kaskad.store.courses import HOUR_MS
from kaskad.store.reactions import Sent
from kaskad.store.segment_columns import Flags, Integers

NEVER = 1 << 62
_Place = tuple[int, tuple[int, ...]]  # which facts are the success of a step; which steps it is now


class Reactions(Struct, frozen=True):
    """By step of the cascade as it is now, how long each message was waited for; `people` got any."""

    waited: Mapping[int, list[Waited]]
    people: tuple[int, ...]


def reactions(office: Office, slug: str, cascade: Cascade) -> Reactions:
    """Return what a sample of a cascade's runs tells; steps are those of `cascade` that were there before."""
    return reactions_of_parts(office, slug, cascade, lambda _: 0, 1)[0]


def reactions_of_parts(
    office: Office, slug: str, cascade: Cascade, part_of: Callable[[int], int], count: int
) -> list[Reactions]:  # fmt: skip
    """Return the same for so many parts of the people; `part_of` tells of a contact which one it is in."""
    now = office.now()
    with office.read() as tx:
        versions = versions_of(tx, slug)
        places: dict[tuple[int, int, int], _Place] = {}
        for version_id, _ in versions:
            before = cascade_of(office, tx, version_id)
            numbers = named_as(cascade, before)
            for (step, channel), rule in prepare(0, 0, before, Policy()).rules.items():
                places[version_id, step, channel] = rule.success, numbers.get(step, ())
        told = list(store.sample(tx, versions[0][1])) if versions else []
    parts = {contact_id: part_of(contact_id) for contact_id in dict.fromkeys(one.contact_id for one in told)}
    own = [places.get((one.version_id, one.step, one.channel), (0, ())) for one in told]
    waited: list[dict[int, list[Waited]]] = [{} for _ in range(count)]
    for sent, (mask, steps), one in zip(
        told, own, _waited(told, [mask for mask, _ in own], now), strict=True
    ):
        for number in steps if mask else ():
            waited[parts[sent.contact_id]].setdefault(number, []).append(one)
    people: list[list[int]] = [[] for _ in range(count)]
    for contact_id, part in parts.items():
        people[part].append(contact_id)
    return [Reactions(each, tuple(some)) for each, some in zip(waited, people, strict=True)]


def _waited(told: Sequence[Sent], masks: Sequence[int], now: int) -> Iterator[Waited]:
    """Return how long each message was waited for: until its success, or until the run moved on.

    It is watched until the person reacts to it even so, or to another message, or the run is over. Messages
    of a run lie together, in their order; `masks` are the facts that are the success of each.
    """
    sent_at = np.array([sent.sent_at for sent in told], np.int64)
    over = np.array([sent.finished_at or now for sent in told], np.int64)
    success = np.array(
        [_reacted_at(sent, mask) if sent.facts else NEVER for sent, mask in zip(told, masks, strict=True)],
        np.int64,
    )
    runs = np.array([(sent.contact_id, sent.run_id) for sent in told], np.int64).reshape(-1, 2)
    until = over.copy()
    until[:-1] = np.where(_same(runs, 1), sent_at[1:], until[:-1])
    elsewhere_at = _elsewhere_at(runs, sent_at, success)
    watched = np.maximum(until, np.minimum(over, elsewhere_at))
    reacted, late = success <= until, success <= watched
    hours = _hours(sent_at, np.where(reacted, success, until))
    until_known = _hours(sent_at, np.where(late, success, watched))
    elsewhere = ~late & (elsewhere_at <= over)
    columns = (hours, reacted, until_known, late & ~reacted, elsewhere)
    return map(Waited, *[column.tolist() for column in columns])


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


def _reacted_at(one: Sent, mask: int) -> int:
    """Return when the first of these facts of a message was; NEVER: it was not."""
    return min([at for kind, at in one.facts if 1 << kind & mask], default=NEVER)


def _hours(since: Integers, until: Integers) -> Floats:
    hours: Floats = np.maximum(until - since, 0) / HOUR_MS
    return hours
