"""How long people take to react at the steps of a cascade, and who has come through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby

from msgspec import Struct

from kaskad.actions.cascades import cascade_of
from kaskad.actions.office import Office
from kaskad.actions.past import versions_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.policy import Policy
from kaskad.domain.version import prepare
from kaskad.planning.same_steps import named_as
from kaskad.planning.timeouts import Waited
from kaskad.store import reactions as store
from kaskad.store.courses import HOUR_MS
from kaskad.store.reactions import Sent

Successes = Mapping[tuple[int, int], int]  # of a step, on a channel: the facts that are its success


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
    waited: list[dict[int, list[Waited]]] = [{} for _ in range(count)]
    people: list[dict[int, None]] = [{} for _ in range(count)]
    now = office.now()
    with office.read() as tx:
        versions = versions_of(tx, slug)
        known = {}
        for version_id, _ in versions:
            before = cascade_of(office, tx, version_id)
            rules = prepare(0, 0, before, Policy()).rules
            known[version_id] = (
                named_as(cascade, before), {key: rule.success for key, rule in rules.items()}
            )  # fmt: skip
        told: Iterable[Sent] = store.sample(tx, versions[0][1]) if versions else ()
        for (contact_id, _, version_id), run in groupby(
            told, lambda one: (one.contact_id, one.run_id, one.version_id)
        ):
            part = part_of(contact_id)
            people[part][contact_id] = None
            if version_id in known:
                numbers, successes = known[version_id]
                _take(waited[part], list(run), numbers, successes, now)
    return [Reactions(each, tuple(some)) for each, some in zip(waited, people, strict=True)]


def _take(
    waited: dict[int, list[Waited]], run: list[Sent], numbers: Mapping[int, tuple[int, ...]],
    successes: Successes, now: int,
) -> None:  # fmt: skip
    """Add the messages of one run: each was waited for until its success, or until the run moved on.

    It is watched until the person reacts to it even so, or to another message, or the run is over.
    """
    masks = [successes.get((one.step, one.channel), 0) for one in run]
    reacted_at = [_reacted_at(one, mask) if one.facts else None for one, mask in zip(run, masks, strict=True)]
    some = any(at is not None for at in reacted_at)  # mostly nobody has
    for n, one in enumerate(run):
        if one.step not in numbers or not masks[n]:
            continue
        over, success = one.finished_at or now, reacted_at[n]
        until = run[n + 1].sent_at if n + 1 < len(run) else over
        others = (
            [at for k, at in enumerate(reacted_at) if k != n and at is not None and at > one.sent_at]
            if some
            else []
        )
        watched = max(until, min(over, *others)) if others else max(until, over)
        reacted, late = (success is not None and success <= end for end in (until, watched))
        elsewhere = not late and bool(others) and min(others) <= over
        found = Waited(
            _hours(one.sent_at, success if reacted and success is not None else until), reacted,
            _hours(one.sent_at, success if late and success is not None else watched), late and not reacted,
            elsewhere,
        )  # fmt: skip
        for number in numbers[one.step]:
            waited.setdefault(number, []).append(found)


def _reacted_at(one: Sent, mask: int) -> int | None:
    """Return when the first of these facts of a message was."""
    times = [at for kind, at in one.facts if 1 << kind & mask]
    return min(times) if times else None


def _hours(since: int, until: int) -> float:
    return max(0, until - since) / HOUR_MS
