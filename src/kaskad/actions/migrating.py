"""Moving live runs of a cascade to another of its versions, with the plan shown first (E12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct, field

from kaskad.actions.office import Office
from kaskad.domain.alike import TOLD
from kaskad.domain.cascade import Step
from kaskad.domain.course import MOVED, STRANGE
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.migrating import Move, move, wrong_mapping
from kaskad.domain.version import Version
from kaskad.domain.worded import worded
from kaskad.engine.world import World
from kaskad.store import cascades as cascade_store
from kaskad.store import courses as course_store
from kaskad.store import runs as run_store
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey

PIECE = 100  # runs moved between two ticks
PIECES = 50  # of one request
START: RunKey = (0, 0)


class Migrated(Struct):
    """What was moved in one stretch, or would be; `next` is where the following one begins."""

    moved: int = 0
    places: dict[str, int] = field(default_factory=dict)  # "letter -> chat" -> how many runs
    stay: dict[str, int] = field(default_factory=dict)  # why -> how many runs
    next: RunKey | None = None


def migrate(
    office: Office, slug: str, to: int, mapping: Mapping[str, str], *, after: RunKey = START, dry_run: bool,
    pieces: int = PIECES,
) -> Migrated:  # fmt: skip
    """Move a stretch of live runs to version `to`; those that cannot go stay where they are.

    What was sent is never sent again, and no deadline falls before now. Raises NotFound, Invalid.
    """
    office.reload()
    world = office.engine.world
    with office.read() as tx:
        cascade = cascade_store.by_slug(tx, slug)
        rows = {row.number: row.id for row in cascade_store.versions_of(tx, cascade.id)}
    target = world.versions.get(rows.get(to, 0))
    if target is None:
        raise NotFound(
            worded(
                "%(slug)r has no version %(to)s: the latest is shown by `kaskad cascades`.",
                slug=slug,
                to=to,
            )
        )
    others = [world.versions[number] for number in rows.values() if number in world.versions]
    _check(others, target, mapping)
    told = Migrated()
    for _ in range(pieces):
        with office.read() as tx:
            found = tx.all(
                "runs_to_migrate", contact_id=after[0], run_id=after[1], cascade_id=cascade.id,
                version_id=target.id, limit=PIECE,
            )  # fmt: skip
        keys: list[RunKey] = [(row[0], row[1]) for row in found]
        if keys:
            after = keys[-1]
            if dry_run:
                with office.read() as tx:
                    _piece(tx, world, target, mapping, keys, told, now=None)
            else:
                _add(told, office.write(partial(_moved, world, target, mapping, keys, office.now())))
        if len(keys) < PIECE:
            return told
    told.next = after
    return told


def _check(others: Sequence[Version], target: Version, mapping: Mapping[str, str]) -> None:
    if not mapping:
        return
    problems = [wrong_mapping(one.cascade, target.cascade, mapping) for one in others if one.id != target.id]
    if problems and all(problems):
        raise Invalid(problems[-1])


def _moved(
    world: World, target: Version, mapping: Mapping[str, str], keys: Sequence[RunKey], now: int,
    tx: Transaction,
) -> Migrated:  # fmt: skip
    told = Migrated()
    _piece(tx, world, target, mapping, keys, told, now=now)
    return told


def _piece(
    tx: Transaction, world: World, target: Version, mapping: Mapping[str, str], keys: Sequence[RunKey],
    told: Migrated, *, now: int | None,
) -> None:  # fmt: skip
    """Move runs, or with `now` None only say what would become of them."""
    of = run_store.of_contacts(tx, sorted({key[0] for key in keys})) if now is None else {}
    runs = (
        run_store.load(tx, keys)
        if now is not None
        else [run for found in of.values() for run in found if (run.contact_id, run.id) in set(keys)]
    )
    live = [run for run in runs if run.outcome is None and run.version_id != target.id]
    passages, _ = run_store.passages(tx, live, world.accounts.retriable, world.versions.plain)
    for run in live:
        version = world.versions[run.version_id]
        old = version.cascade
        found = move(run, passages[run.contact_id, run.id], old, target, mapping)
        if not isinstance(found, Move):
            told.stay[found] = told.stay.get(found, 0) + 1
            continue
        place = f"{_name(old.steps, run.step)} -> {_name(target.cascade.steps, found.step)}"
        told.places[place] = told.places.get(place, 0) + 1
        told.moved += 1
        if now is None:
            continue
        for step in found.dropped:
            tx.run("drop_skip", contact_id=run.contact_id, run_id=run.id, step=step)
        marks = TOLD | MOVED | (0 if version.held_share == target.held_share else STRANGE)
        tx.run(
            "migrate_run", contact_id=run.contact_id, run_id=run.id, seq=run.seq, step=found.step,
            version_id=target.id, marks=marks, now=now,
        )  # fmt: skip
        course_store.due(tx, [(run.contact_id, run.id)])


def _name(steps: Sequence[Step], number: int) -> str:
    return "the beginning" if number < 0 else steps[number].id


def _add(told: Migrated, part: Migrated) -> None:
    told.moved += part.moved
    for mine, theirs in ((told.places, part.places), (told.stay, part.stay)):
        for name, count in theirs.items():
            mine[name] = mine.get(name, 0) + count
