"""Entries of the inbox that a defect of ours kept from being applied: they wait there for a person."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from kaskad.domain.terms import Kind
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import MessageKey, RunKey


class Entry(Struct, frozen=True):
    """What has arrived and was set aside; `defect` is a class and a place, and tells nothing of people."""

    id: int
    contact_id: int
    run_id: int  # 0: about the contact
    step: int
    kind: int
    event: str
    at: int
    value: str | None
    set_aside_at: int
    defect: str

    @property
    def word(self) -> str:
        """What kind of news it is."""
        return kind_word(self.kind)


def kind_word(code: int) -> str:
    """Return the kind in a word; a number that an older release does not know as it stands."""
    try:
        return Kind(code).name.lower()
    except ValueError:
        return str(code)


def put(tx: Transaction, number: int, defect: str, now: int) -> None:
    """Set one entry aside."""
    tx.run("set_entry_aside", id=number, defect=defect, now=now)


def keep(tx: Transaction, rows: Collection[Row], defect: str, now: int) -> None:
    """Set aside what comes now: (contact, run, step, kind, event, at, value)."""
    tx.many("put_entries_aside", [(now, *row, now, defect) for row in rows])


def page(tx: Transaction, *, after: int, limit: int) -> list[Entry]:
    """Return those after one of them, the oldest first."""
    return [Entry(*row) for row in tx.all("entries_set_aside", after=after, limit=limit)]


def count(tx: Transaction) -> int:
    """Return how many there are."""
    row = tx.one("count_set_aside")
    return int(row[0]) if row else 0


def contacts(tx: Transaction, ids: Collection[int]) -> set[int]:
    """Return those of these contacts about whom something is set aside."""
    return {row[0] for row in tx.among("contacts_set_aside", sorted(set(ids)))}


def entering(tx: Transaction, ids: Collection[int]) -> set[tuple[int, str]]:
    """Return which entries of these contacts into cascades are set aside: contact and event."""
    rows = tx.among("entries_into_cascades", sorted(set(ids)), kind=Kind.ENTERS.value) if ids else ()
    return {(row[0], row[1]) for row in rows}


def retry(tx: Transaction, number: int = 0) -> int:
    """Let one be applied again, or all (0); return how many there were."""
    return tx.run("retry_entries", id=number)


def drop(tx: Transaction, number: int) -> bool:
    """Leave one out for good; return whether it was there."""
    return bool(tx.run("drop_entry", id=number))


class Resting(Struct, frozen=True):
    """What a defect lets rest until then: a run (`step` -1), the clicks and openings of a message, or a part
    of the work, which is named."""

    contact_id: int
    run_id: int
    step: int
    part: str
    until_at: int
    defect: str

    @property
    def what(self) -> str:
        """`run`, `hits`, or the name of the part."""
        return self.part or ("hits" if self.step >= 0 else "run")


def rest(
    tx: Transaction, key: RunKey, until: int, defect: str, *, step: int = -1, part: str = ""
) -> None:  # fmt: skip
    """Note that something rests, for people to see."""
    where = {"contact_id": key[0], "run_id": key[1], "step": step, "part": part}
    tx.run("put_resting", **where, until=until, defect=defect)


def resting(tx: Transaction, now: int, limit: int) -> list[Resting]:
    """Return what rests now, in whichever process; what began last comes first."""
    return [Resting(*row) for row in tx.all("resting", now=now, limit=limit)]


def not_counted(tx: Transaction, now: int) -> set[RunKey]:
    """Return the runs that were left out of the counting until now, or before."""
    return {(row[0], row[1]) for row in tx.all("rested_counts", now=now)}


def put_off(tx: Transaction, keys: Collection[RunKey], now: int, again_at: int) -> None:
    """Let live runs, and their messages that wait for their turn, alone until `again_at`."""
    tx.many("put_off_runs", [(*key, again_at, now) for key in sorted(keys)])
    put_off_messages(tx, keys, again_at)


def put_off_messages(tx: Transaction, keys: Collection[RunKey], again_at: int) -> None:
    """Let the messages of these runs that wait for their turn have it then."""
    tx.many("put_off_queued", [(*key, again_at) for key in sorted(keys)])


def put_off_hits(tx: Transaction, key: MessageKey, now: int, again_at: int) -> None:
    """Let the hits of a message that are due be judged then."""
    where = {"contact_id": key[0], "run_id": key[1], "step": key[2]}
    tx.run("put_off_hits", **where, now=now, again_at=again_at)
