"""Steps paused by themselves: who comes to one waits there, or passes it over; all others go on.

Guardrails do it where one step misbehaves, people where they choose. It is undone by people only.
"""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions.cascade_texts import cascade_of, definition_of
from kaskad.actions.guard_counts import forgive
from kaskad.actions.office import Office
from kaskad.actions.step_pauses import pauses_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.worded import worded
from kaskad.store import cascades as cascade_store
from kaskad.store import step_holds as store
from kaskad.store.db import Transaction
from kaskad.store.step_holds import StepHold


class HeldStep(Struct, frozen=True):
    """A paused step as people call it: the number of its version, its id."""

    version: int
    step: str
    hold: StepHold


class Resumed(Struct, frozen=True):
    """A step that goes on; `runs` wanted to be sent it meanwhile, and look again now."""

    step: str
    runs: int


def listing(office: Office, slug: str) -> list[HeldStep]:
    """Return the paused steps of a cascade; raises NotFound."""
    with office.read() as tx:
        row = cascade_store.by_slug(tx, slug)
        numbers = {each.id: each.number for each in cascade_store.versions_of(tx, row.id)}
        return [
            HeldStep(numbers[one.version_id], _name(office, tx, one.version_id, one.step), one)
            for one in store.all_holds(tx) if one.version_id in numbers
        ]  # fmt: skip


def held_of(office: Office, cascade: Cascade) -> dict[int, bool]:
    """Return the paused steps of a definition, and whether people pass them over (else they wait).

    They are those of the version that runs or is on trial, if it is this one; of another definition those
    that would stay paused, were it activated.
    """
    world = office.engine.world
    running = [
        state.version_id
        for state in list(world.cascades.values())
        if state.slug == cascade.id and state.version_id is not None
    ]
    tried = [
        arm.version_id
        for each in running
        if each in world.versions.trials
        for arm in world.versions.trials[each].arms
    ]
    versions = [world.versions[number] for number in (*running, *tried) if number in world.versions]
    if (same := next((version for version in versions if version.cascade == cascade), None)) is not None:
        return dict(same.held)
    if not running:
        return {}
    with office.read() as tx:
        staying = pauses_of(tx, cascade_store.by_slug(tx, cascade.id), cascade).staying
    return {number: hold.skip for number, hold in staying.items()}


def by_guards(office: Office, tx: Transaction) -> list[tuple[str, str, str]]:
    """Return cascade, step and reason of each step that a guardrail has paused."""
    slugs = {row[0]: row[3] for row in tx.all("version_numbers")}
    return [
        (slugs[one.version_id], _name(office, tx, one.version_id, one.step), one.why)
        for one in store.all_holds(tx)
        if not one.by
    ]


def pause(office: Office, slug: str, step: str, *, skip: bool = False, by: str = "-") -> list[HeldStep]:
    """Send this step to nobody from now on, in any version: people wait at it, or pass it over (`skip`).

    Return what is paused. Raises NotFound, and Conflict where it is paused already or nothing ran yet.
    """
    now = office.now()

    def change(tx: Transaction) -> bool:
        _, places = _places(office, tx, slug, step)
        return sum(store.put(tx, place, now, skip=skip, by=by or "-") for place in places) > 0

    if not office.write(change):
        raise Conflict(worded("Step %(step)r of %(slug)r is paused already.", step=step, slug=slug))
    office.reload()
    return listing(office, slug)


def resume(office: Office, slug: str, step: str, *, by: str = "") -> Resumed:
    """Let a paused step be sent again, in all versions; guardrails watch it anew from here.

    Raises NotFound, and Conflict where it is not paused.
    """
    now = office.now()

    def change(tx: Transaction) -> tuple[int, list[tuple[int, int]]]:
        cascade_id, places = _places(office, tx, slug, step)
        return cascade_id, [place for place in places if store.drop(tx, *place)]

    cascade_id, dropped = office.write(change)
    if not dropped:
        raise Conflict(worded("Step %(step)r of %(slug)r is not paused.", step=step, slug=slug))
    forgive(office, cascade_id=cascade_id, by=by)
    office.reload()
    return Resumed(
        step, office.write(lambda tx: sum([store.wake(tx, cascade_id, *place, now) for place in dropped]))
    )


def _places(office: Office, tx: Transaction, slug: str, step: str) -> tuple[int, list[tuple[int, int]]]:
    """Return the cascade's id, and where its versions have a step of that name.

    Ask it in the transaction that writes there: a version that is activated in between would be left out.
    """
    row = cascade_store.by_slug(tx, slug)
    definition_of(office, tx, row)
    places = [
        (version.id, each.number)
        for version in cascade_store.versions_of(tx, row.id)
        for each in cascade_of(office, tx, version.id).steps
        if each.id == step
    ]
    if not places:
        raise NotFound(worded("No version of %(slug)r has a step %(step)r.", slug=slug, step=step))
    return row.id, places


def _name(office: Office, tx: Transaction, version_id: int, step: int) -> str:
    if version_id in office.engine.world.versions.unread:
        return str(step + 1)
    return cascade_of(office, tx, version_id).steps[step].id
