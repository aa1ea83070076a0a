"""Table `imports`: files of people that are or were brought in, and how far it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.errors import NotFound
from kaskad.store.db import Transaction

RUNNING, DONE, FAILED = "running", "done", "failed"


class Note(Struct, frozen=True):
    """What could not be read. `rejected`: the whole row was left out, else only what the text names."""

    row: int
    text: str
    rejected: bool


class Import(Struct, frozen=True):
    """One import; `seen` rows of about `size` were read. `beat_at` is by the wall clock."""

    id: int
    source: str
    owner: str
    state: str
    dry_run: bool
    size: int
    columns: dict[str, str]
    seen: int
    made: int
    changed: int
    rejected: int
    notes: list[Note]
    problem: str
    started_at: int
    beat_at: int
    ended_at: int | None


_columns = msgspec.json.Decoder(dict[str, str]).decode
_notes = msgspec.json.Decoder(list[Note]).decode


def add(
    tx: Transaction, *, source: str, owner: str, dry_run: bool, size: int, columns: Mapping[str, str],
    now: int, beat_at: int,
) -> int:  # fmt: skip
    """Begin an import; return its id."""
    row = tx.one("add_import", source=source, owner=owner, dry_run=int(dry_run), size=size,
                 columns=_text(columns), now=now, beat_at=beat_at)  # fmt: skip
    assert row is not None
    return int(row[0])


def get(tx: Transaction, import_id: int) -> Import:
    """Return the import; raises NotFound."""
    row = tx.one("import", id=import_id)
    if row is None:
        raise NotFound(f"There is no import imp_{import_id}.")
    return Import(
        row[0], row[1], row[2], row[3], bool(row[4]), row[5], _columns(row[6]), row[7], row[8], row[9],
        row[10], _notes(row[11]), row[12], row[13], row[14], row[15],
    )  # fmt: skip


def advance(tx: Transaction, import_id: int, *, seen: int, made: int, changed: int, beat_at: int) -> None:
    """Keep that rows were read, and how many contacts they made and changed."""
    tx.run("advance_import", id=import_id, seen=seen, made=made, changed=changed, beat_at=beat_at)


def note(tx: Transaction, import_id: int, rejected: int, notes: Sequence[Note]) -> None:
    """Keep what could not be read so far."""
    tx.run("note_import", id=import_id, rejected=rejected, notes=_text(notes))


def end(tx: Transaction, import_id: int, state: str, problem: str, now: int) -> None:
    """Keep how it ended."""
    tx.run("end_import", id=import_id, state=state, problem=problem, now=now)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
