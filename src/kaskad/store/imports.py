"""Table `imports`: files of people that are or were brought in, and how far it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.errors import NotFound
from kaskad.store.db import Transaction

RUNNING, DONE, FAILED = "running", "done", "failed"


class Note(Struct, frozen=True):
    """What was odd in a row. `rejected`: the whole row was left out; `kind` is that of `engine.rows`."""

    row: int
    text: str
    rejected: bool
    kind: str = "unread"


class Reject(Struct, frozen=True):
    """A row that was left out, with its cells as they stood in the file."""

    row: int
    reason: str
    cells: list[str]


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
    shape: str
    guessed: list[str]
    header: list[str]
    counts: dict[str, int]


_columns = msgspec.json.Decoder(dict[str, str]).decode
_texts = msgspec.json.Decoder(list[str]).decode
_counts = msgspec.json.Decoder(dict[str, int]).decode
_notes = msgspec.json.Decoder(list[Note]).decode


def add(
    tx: Transaction, *, source: str, owner: str, dry_run: bool, size: int, columns: Mapping[str, str],
    shape: str, guessed: Sequence[str], header: Sequence[str], now: int, beat_at: int,
) -> int:  # fmt: skip
    """Begin an import; return its id."""
    row = tx.one("add_import", source=source, owner=owner, dry_run=int(dry_run), size=size,
                 columns=_text(columns), shape=shape, guessed=_text(guessed), header=_text(header), now=now,
                 beat_at=beat_at)  # fmt: skip
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
        row[16], _texts(row[17]), _texts(row[18]), _counts(row[19]),
    )  # fmt: skip


def advance(tx: Transaction, import_id: int, *, seen: int, made: int, changed: int, beat_at: int) -> None:
    """Keep that rows were read, and how many contacts they made and changed."""
    tx.run("advance_import", id=import_id, seen=seen, made=made, changed=changed, beat_at=beat_at)


def note(
    tx: Transaction, import_id: int, rejected: int, notes: Sequence[Note], counts: Mapping[str, int]
) -> None:
    """Keep what was odd so far, and how often."""
    tx.run("note_import", id=import_id, rejected=rejected, notes=_text(notes), counts=_text(counts))


def reject(tx: Transaction, import_id: int, rejects: Sequence[Reject]) -> None:
    """Keep rows that were left out."""
    rows = [(import_id, each.row, each.reason, _text(each.cells)) for each in rejects]
    tx.changed_many("put_import_rejects", rows)


def rejects(tx: Transaction, import_id: int) -> list[Reject]:
    """Return the rows that an import left out, as far as they are kept."""
    return [Reject(row[0], row[1], _texts(row[2])) for row in tx.all("import_rejects", id=import_id)]


def drop_rejects(tx: Transaction, before: int) -> None:
    """Forget rows that imports begun before an instant have left out, some thousand a call."""
    tx.run("drop_import_rejects", before=before)


def end(tx: Transaction, import_id: int, state: str, problem: str, now: int) -> None:
    """Keep how it ended."""
    tx.run("end_import", id=import_id, state=state, problem=problem, now=now)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
