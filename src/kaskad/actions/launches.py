"""Launches: a cascade offered to many people, no faster than its pace."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from kaskad.actions import canaries, crowds, forecast_on_trial, launch_parts, lists, segments
from kaskad.actions.audience import ALL, Audience
from kaskad.actions.canaries import Wanted
from kaskad.actions.cascade_texts import definition_of
from kaskad.actions.forecast import Expected
from kaskad.actions.office import Office
from kaskad.domain.cascade import Cascade
from kaskad.domain.definition.reading import PACE_REMEDY, pace_an_hour
from kaskad.domain.errors import Conflict, Invalid, NotFound, Uncertain
from kaskad.domain.ids import launch_text
from kaskad.domain.worded import worded
from kaskad.store import canaries as canary_store
from kaskad.store import cascades as store
from kaskad.store import launch_dates as dates
from kaskad.store import lists as list_store
from kaskad.store import seeds
from kaskad.store import segments as segment_store
from kaskad.store.canaries import Canary
from kaskad.store.cascades import CascadeRow, LaunchRow
from kaskad.store.db import Transaction
from kaskad.store.launch_dates import Planned

_NOT_ACTIVE = {
    store.DRAFT: worded("is a draft: activate it first"),
    store.PAUSED: worded("is paused: resume it first"),
    store.STOPPED: worded("was stopped for good"),
}


class Begun(Struct, frozen=True):
    """A launch that has just begun, and how many contacts it is for."""

    id: int
    size: int
    pace: int
    canary: int = 0  # so many go first; 0: all at once


class Settled(Struct, frozen=True):
    """What a launch comes to: whom it is for, by which version, how fast."""

    version_id: int
    cascade: Cascade
    audience: Audience
    pace: int


def begin(
    office: Office, slug: str, audience: Audience, pace: str = "", canary: Wanted | None = None
) -> Begun:
    """Let the people of `audience` enter the cascade's current version, at most `pace` of them an hour.

    Where it names nobody, whom the definition's trigger names is meant: a segment, else a list. A segment is
    for whom it holds now. `pace` "" is that of the definition. With a `canary` some go first, and the rest
    waits for how they fare. Raises NotFound, Conflict where the cascade is not active, and Invalid.
    """
    begun = carry_out(office, slug, settle(office, slug, audience, pace), canary)
    assert begun is not None  # nobody else begins what has no id yet
    return begun


def settle(office: Office, slug: str, audience: Audience, pace: str) -> Settled:
    """Return what a launch comes to as things stand; raises NotFound, Conflict and Invalid."""
    with office.read() as tx:
        row, version_id = active(tx, slug)
        cascade = definition_of(office, tx, row)
        trigger = cascade.trigger
        if audience == Audience() and trigger.broadcast not in ("", ALL):
            audience = _named(tx, slug, trigger.broadcast)
    an_hour = pace_an_hour(pace) if pace else trigger.pace_per_hour
    if problems := _problems(slug, audience, trigger.event, bool(pace) and not an_hour):
        raise Invalid(list(problems), list(problems.values()))
    return Settled(version_id, cascade, audience, an_hour)


def active(tx: Transaction, slug: str) -> tuple[CascadeRow, int]:
    """Return a cascade that can be launched, and which version of it runs; raises NotFound, Conflict."""
    row = store.by_slug(tx, slug)
    if row.state in _NOT_ACTIVE or row.version_id is None:
        why = _NOT_ACTIVE.get(row.state, _NOT_ACTIVE[store.DRAFT])
        raise Conflict(worded("Cascade %(slug)r %(why)s.", slug=slug, why=why))
    return row, row.version_id


def carry_out(
    office: Office, slug: str, what: Settled, canary: Wanted | None, planned: Planned | None = None
) -> Begun | None:
    """Begin a launch, the one that was `planned` under its own id; return None where that has begun before.

    Raises NotFound where whom it is for is not there any more. What does not begin leaves no lists behind.
    """
    made: list[int] = []
    try:
        begun = _carried_out(office, slug, what, canary, planned, made)
    except Uncertain:  # it may go through them
        raise
    except BaseException:
        lists.forget(office, made)
        raise
    if begun is None:
        lists.forget(office, made)
    return begun


def _carried_out(
    office: Office, slug: str, what: Settled, canary: Wanted | None, planned: Planned | None, made: list[int]
) -> Begun | None:
    """Begin a launch; the lists that are made for it go into `made`."""
    audience, version_id = what.audience, what.version_id
    frozen = segments.freeze(office, audience.segment) if audience.segment else None
    made += [] if frozen is None else [frozen]
    foretold = msgspec.json.encode(_forecast(office, what.cascade, slug, version_id, audience)).decode()
    now = office.now()
    with office.read() as tx:
        list_id = members_of(tx, audience) if frozen is None else frozen
        size = store.size_of(tx, list_id)
    first = canaries.draw(office, version_id, list_id, size, canary) if canary else None
    made += [] if first is None else [first.list_id]
    parted = launch_parts.divide(office, planned, list_id, made) if planned else launch_parts.Parted()

    def change(tx: Transaction) -> Begun | None:
        if planned is not None and not dates.end(tx, planned, dates.BEGUN):
            return None
        if what.cascade.seeds and not audience.everybody and (looking := seeds.all_seeds(tx)):
            own = store.save_list(tx, f"seeds {slug} {now}")
            store.add_members(tx, own, looking)
            store.launch(tx, version_id, own, 0, now, size=len(looking), audience="seed contacts",
                         opens_at=parted.brand_at)  # fmt: skip
        if planned is None:
            launch_id = store.launch(tx, version_id, list_id, what.pace, now, size=size,
                                     audience=str(audience), forecast=foretold)  # fmt: skip
        else:
            launch_id = planned.launch_id
            dates.begin(tx, launch_id, version_id, list_id, size, foretold, now)
        if first is not None:
            own = store.launch(tx, version_id, first.list_id, what.pace, now, size=first.people,
                               audience=f"canary of {audience}")  # fmt: skip
            canary_store.begin(tx, launch_id, own, first.list_id, first.people, first.mature_ms)
        if parted.lists:
            dates.part(tx, launch_id, parted.lists, now)
        return Begun(launch_id, size, what.pace, first.people if first else 0)

    return office.write(change)


def listing(office: Office, slug: str, *, before: int, limit: int) -> list[LaunchRow]:
    """Return launches of a cascade with ids below `before`, the latest first; raises NotFound."""
    with office.read() as tx:
        return store.launches_of(tx, store.by_slug(tx, slug).id, before=before, limit=limit)


def canaries_of(office: Office, slug: str) -> dict[int, Canary]:
    """Return the canaries of a cascade's launches, by the launch that waited for each; raises NotFound."""
    with office.read() as tx:
        return canary_store.of_cascade(tx, store.by_slug(tx, slug).id)


def go(office: Office, slug: str, launch_id: int) -> LaunchRow:
    """Let the rest of a launch enter, whatever its canary says. Raises NotFound, Conflict."""
    find(office, slug, launch_id)
    canaries.release(office, slug, launch_id)
    return find(office, slug, launch_id)


def find(office: Office, slug: str, launch_id: int) -> LaunchRow:
    """Return one launch of a cascade; raises NotFound."""
    found = listing(office, slug, before=launch_id + 1, limit=1)
    if not found or found[0].id != launch_id:
        raise NotFound(
            worded("Cascade %(slug)r has no launch %(launch)s.", slug=slug, launch=launch_text(launch_id))
        )
    return found[0]


def stop(office: Office, slug: str, launch_id: int) -> LaunchRow:
    """Let nobody enter any more by this launch; who has entered goes on. Raises NotFound, Conflict."""
    found = find(office, slug, launch_id)

    def change(tx: Transaction) -> bool:
        return store.stop_launch(tx, store.by_slug(tx, slug).id, launch_id)

    if not office.write(change):
        raise Conflict(
            worded(
                "Launch %(launch)s is %(state)s already.", launch=launch_text(launch_id), state=found.state
            )
        )
    return find(office, slug, launch_id)


def expected(office: Office, slug: str, audience: Audience) -> Expected:
    """Return what a launch of what runs would be expected to do; raises NotFound, Conflict for a draft."""
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        cascade = definition_of(office, tx, row)
    return _forecast(office, cascade, slug, row.version_id or 0, audience)


def _forecast(
    office: Office, cascade: Cascade, slug: str, version_id: int, audience: Audience
) -> Expected:  # fmt: skip
    people = crowds.sampled(office, cascade, audience)
    return forecast_on_trial.expected(office, slug, cascade, version_id, people)


def _problems(slug: str, audience: Audience, event: str, no_pace: bool) -> dict[str, str]:
    """Return what is wrong with a launch, each with the place of what is: a JSON pointer."""
    found: dict[str, str] = {}
    if event:
        begins = worded(
            "Cascade %(slug)r begins with the event %(event)r: send that event to let people "
            "enter, or give it the trigger {broadcast: all}.",
            slug=slug,
            event=event,
        )
        found[begins] = ""
    if sum((bool(audience.list), bool(audience.segment), audience.everybody)) != 1:
        found[worded("Say whom it is for: a list, a segment, or everybody.")] = ""
    if no_pace:
        found[worded("The pace is contacts in a time: %(pace_remedy)s.", pace_remedy=PACE_REMEDY)] = "/pace"
    return found


def _named(tx: Transaction, slug: str, name: str) -> Audience:
    """Return whom a trigger means by a name; raises NotFound where nothing has it. No two have one name."""
    if segment_store.find(tx, name) is not None:
        return Audience(segment=name)
    if list_store.find(tx, name) is not None:
        return Audience(list=name)
    raise NotFound(
        worded(
            "Cascade %(slug)r is for %(name)r, but no segment and no list has that name: "
            "`kaskad segment list` and `kaskad list show` show them. Make one, or say whom "
            "it is for.",
            slug=slug,
            name=name,
        )
    )


def members_of(tx: Transaction, audience: Audience) -> int | None:
    """Return the list that is to enter; None: everybody."""
    return None if audience.everybody else store.list_id(tx, audience.list)
