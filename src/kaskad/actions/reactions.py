"""How long people take to react at the steps of a cascade, and who has come through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

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

_RUN = attrgetter("contact_id", "run_id", "version_id")

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
        for (contact_id, _, version_id), run in groupby(told, _RUN):
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
    silent = not any(at is not None for at in reacted_at)  # as most people are
    for n, one in enumerate(run):
        if one.step not in numbers or not masks[n]:
            continue
        over = one.finished_at or now
        until = run[n + 1].sent_at if n + 1 < len(run) else over
        if silent:
            found = Waited(_hours(one.sent_at, until), False, _hours(one.sent_at, max(until, over)))
        else:
            found = _waited(one.sent_at, reacted_at[n], reacted_at[:n] + reacted_at[n + 1 :], until, over)
        for number in numbers[one.step]:
            waited.setdefault(number, []).append(found)


def _waited(
    sent_at: int, success: int | None, elsewhere_at: Sequence[int | None], until: int, over: int
) -> Waited:
    """Return how long a message was waited for: `until` the run moved on, and watched until it was `over`."""
    others = [at for at in elsewhere_at if at is not None and at > sent_at]
    watched = max(until, min(over, *others)) if others else max(until, over)
    reacted, late = (success is not None and success <= end for end in (until, watched))
    elsewhere = not late and bool(others) and min(others) <= over
    return Waited(
        _hours(sent_at, success if reacted and success is not None else until), reacted,
        _hours(sent_at, success if late and success is not None else watched), late and not reacted,
        elsewhere,
    )  # fmt: skip


def _reacted_at(one: Sent, mask: int) -> int | None:
    """Return when the first of these facts of a message was."""
    times = [at for kind, at in one.facts if 1 << kind & mask]
    return min(times) if times else None


def _hours(since: int, until: int) -> float:
    return (until - since) / HOUR_MS if until > since else 0.0
