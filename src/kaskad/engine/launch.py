"""Bring people into a cascade: import them, activate the cascade, and let each enter once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from kaskad.domain.cascade import Cascade
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.paths import look_up
from kaskad.engine.engine import Engine
from kaskad.engine.people import Person
from kaskad.engine.receive import Delivery
from kaskad.engine.step_pauses import keep_paused
from kaskad.engine.wording import gather
from kaskad.store import cascades as cascade_store
from kaskad.store import contacts as contact_store
from kaskad.store import settings, suppressions
from kaskad.store.cascades import VersionRow
from kaskad.store.db import Database, Transaction
from kaskad.store.vault import Vault

T = TypeVar("T")
_BATCH = 500  # rows written between two ticks: about 20 ms


class Imported(Struct, frozen=True):
    """The contacts of the people of a file, in its order, and how many of them are new."""

    contact_ids: list[int]
    new: int


class Entered(Struct, frozen=True):
    """How many were asked to enter now; the others of the file were asked by an earlier call.

    `refused`: why events were not taken with which others were to enter, of each.
    """

    asked: int
    before: int
    refused: Sequence[str] = ()


def first_told(engine: Engine, data: bytes) -> int:
    """Return when this very file was first imported: now, unless it was before."""
    name = "import " + hashlib.sha256(data).hexdigest()[:32]
    now = engine.world.clock.now()
    return engine.write(lambda tx: settings.put_first(tx, name, now, int)).result()


def import_people(engine: Engine, vault: Vault, people: Sequence[Person]) -> Imported:
    """Make or change the contacts of `people`; doing it again changes nothing."""

    def count(tx: Transaction) -> int:
        row = tx.one("count_contacts")
        return int(row[0]) if row else 0

    before = engine.write(count).result()
    contact_ids: list[int] = []
    for batch in _batches(people):
        told = [person.contact for person in batch]

        def change(tx: Transaction, told: Sequence[contact_store.Contact] = told) -> list[int]:
            key = suppressions.hash_key(tx, vault)
            return contact_store.upsert(tx, key, told, engine.world.clock.now())

        contact_ids += engine.write(change).result()
    return Imported(contact_ids, engine.write(count).result() - before)


def activate(engine: Engine, cascade: Cascade, source: str, *, resume: bool = True) -> VersionRow:
    """Freeze the definition as the version that people enter from now on, and return it.

    A cascade that is paused goes on, unless `resume` is False. Its draft has had its day. With the definition
    freeze the templates that it uses; raises Invalid where one is missing. Steps that are paused stay so: see
    `step_pauses`.
    """
    now = engine.world.clock.now()

    def change(tx: Transaction) -> VersionRow:
        before = cascade_store.entered(tx, cascade.id)
        version = cascade_store.save_version(tx, cascade.id, source, now, texts=gather(tx, cascade))
        cascade_store.drop_draft(tx, version.cascade_id)
        keep_paused(tx, version.id, before, cascade)
        paused = cascade_store.cascade(tx, version.cascade_id).state == cascade_store.PAUSED
        if resume or not paused:
            cascade_store.set_state(tx, version.cascade_id, cascade_store.ACTIVE, now)
        return version

    version = engine.write(change).result()
    engine.reload()
    return version


def freeze(tx: Transaction, cascade_id: int, cascade: Cascade, source: str, now: int) -> VersionRow:
    """Freeze the draft as a version that nobody enters yet; raises Invalid where a template is missing."""
    version = cascade_store.freeze_version(tx, cascade_id, source, now, texts=gather(tx, cascade))
    cascade_store.drop_draft(tx, cascade_id)
    keep_paused(tx, version.id, cascade_store.cascade(tx, cascade_id).version_id, cascade)
    return version


def let_enter(
    engine: Engine, db: Database, version: VersionRow, cascade: Cascade, people: Sequence[Person],
    contact_ids: Sequence[int],
) -> Entered:  # fmt: skip
    """Let each person enter once, however often this is called with the same file.

    A cascade with an event trigger is entered by that event, as if CRM or site had told it, with the person's
    `trigger.` columns as its properties; any other by a launch to a list.
    """
    if cascade.trigger.event:
        return _by_event(engine, db, cascade, people, contact_ids)
    return _by_launch(engine, db, version, cascade, contact_ids)


def _by_event(
    engine: Engine, db: Database, cascade: Cascade, people: Sequence[Person], contact_ids: Sequence[int]
) -> Entered:
    at = engine.world.clock.now()
    with db.read() as tx:
        rows = tx.among("event_keys", sorted(set(contact_ids)), name=cascade.trigger.event)
    known = {(row[0], row[1]) for row in rows}
    events = {
        (contact_id, event_id): EventIn(
            event_id, cascade.trigger.event, ContactRef(contact_id), at, person.properties
        )
        for contact_id, person in zip(contact_ids, people, strict=True)
        if (event_id := _event_id(cascade, person.properties))
    }
    new = [event for key, event in events.items() if key not in known]
    waiting = [engine.deliver(Delivery(Future(), events=batch)) for batch in _batches(new)]
    refused = [problem for done in waiting for problem in done.result() or () if problem]
    return Entered(len(new) - len(refused), len(events) - len(new), refused)


def _event_id(cascade: Cascade, properties: dict[str, Any]) -> str:
    """Return the same id for the same occasion: its trigger key, or all that is told of it."""
    key = look_up(cascade.trigger.key.removeprefix("trigger."), properties) if cascade.trigger.key else None
    if key is None:
        told = msgspec.json.encode(properties, order="deterministic")
        key = hashlib.sha256(told).hexdigest()[:16]
    return f"run {cascade.id} {key}"[:200]


def _by_launch(
    engine: Engine, db: Database, version: VersionRow, cascade: Cascade, contact_ids: Sequence[int]
) -> Entered:
    with db.read() as tx:
        asked = {row[0] for row in tx.all("launched_members", cascade_id=version.cascade_id)}
    new = sorted(set(contact_ids) - asked)
    if new:
        now = engine.world.clock.now()

        def change(tx: Transaction) -> None:
            list_id = cascade_store.save_list(tx, f"run {cascade.id} {now}")
            cascade_store.add_members(tx, list_id, new)
            cascade_store.launch(tx, version.id, list_id, cascade.trigger.pace_per_hour, now)

        engine.write(change).result()
    return Entered(len(new), len(set(contact_ids)) - len(new))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
