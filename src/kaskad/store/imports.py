"""Table `imports`: files of people that are or were brought in, and how far it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.worded import worded
from kaskad.store.db import Row, Transaction

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"


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
    """One import; `seen` rows of about `size` were read. `beat_at` and `since_at` are by the wall clock.

    The process that is at it began at `since_at`, after `since_rows`. One that is to be cancelled runs on
    until its process comes to know of that.
    """

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
    cancelled: bool
    since_at: int
    since_rows: int


_columns = msgspec.json.Decoder(dict[str, str]).decode
_texts = msgspec.json.Decoder(list[str]).decode
_counts = msgspec.json.Decoder(dict[str, int]).decode
_notes = msgspec.json.Decoder(list[Note]).decode


def add(
    tx: Transaction, *, source: str, owner: str, dry_run: bool, size: int, columns: Mapping[str, str],
    shape: str, guessed: Sequence[str], header: Sequence[str], digest: str, now: int, beat_at: int,
) -> int:  # fmt: skip
    """Begin an import; return its id. `digest` is of the file and of all that was asked."""
    row = tx.one("add_import", source=source, owner=owner, dry_run=int(dry_run), size=size,
                 columns=_text(columns), shape=shape, guessed=_text(guessed), header=_text(header),
                 digest=digest, now=now, beat_at=beat_at)  # fmt: skip
    assert row is not None
    return int(row[0])


def get(tx: Transaction, import_id: int) -> Import:
    """Return the import; raises NotFound."""
    row = tx.one("import", id=import_id)
    if row is None:
        raise NotFound(worded("There is no import imp_%(import_id)s.", import_id=import_id))
    return _import(row)


def page(tx: Transaction, *, before: int, limit: int) -> list[Import]:
    """Return imports with ids below `before`, the latest first, without their notes."""
    return [_import(row) for row in tx.all("imports_page", before=before, limit=limit)]


def _import(row: Row) -> Import:
    cancelled = bool(row[20])
    state = CANCELLED if cancelled and row[3] == FAILED else row[3]
    return Import(
        row[0], row[1], row[2], state, bool(row[4]), row[5], _columns(row[6]), row[7], row[8], row[9],
        row[10], _notes(row[11]), row[12], row[13], row[14], row[15],
        row[16], _texts(row[17]), _texts(row[18]), _counts(row[19]), cancelled, row[21], row[22],
    )  # fmt: skip


def last_of(tx: Transaction, digest: str) -> Import | None:
    """Return the last import of this file that was asked for in this manner."""
    row = tx.one("import_by_digest", digest=digest)
    return None if row is None else get(tx, row[0])


def take_over(tx: Transaction, found: Import, owner: str, beat_at: int) -> bool:
    """Let another process go on with an import; return False where one already does, or it has ended."""
    row = tx.one("take_over_import", id=found.id, owner=owner, owner_before=found.owner, beat_at=beat_at)
    return row is not None


def begin(tx: Transaction, import_id: int, beat_at: int) -> None:
    """Keep that from here on rows are brought in: the pace is counted from now."""
    tx.run("begin_import", id=import_id, beat_at=beat_at)


def beat(tx: Transaction, import_id: int, beat_at: int) -> None:
    """Keep a sign of life."""
    tx.run("beat_import", id=import_id, beat_at=beat_at)


def advance(
    tx: Transaction, import_id: int, owner: str, *, seen: int, made: int, changed: int, rejected: int,
    counts: Mapping[str, int], beat_at: int,
) -> bool:  # fmt: skip
    """Keep that rows were read, and what came of them; return whether it was cancelled meanwhile.

    Raises Conflict where another process has taken it over.
    """
    row = tx.one("advance_import", id=import_id, owner=owner, seen=seen, made=made, changed=changed,
                 rejected=rejected, counts=_text(counts), beat_at=beat_at)  # fmt: skip
    if row is None:
        raise Conflict(worded("Another process goes on with import imp_%(import_id)s.", import_id=import_id))
    return bool(row[0])


def note(tx: Transaction, import_id: int, notes: Sequence[Note]) -> None:
    """Keep what was odd so far."""
    tx.run("note_import", id=import_id, notes=_text(notes))


def cancel(tx: Transaction, import_id: int) -> None:
    """Ask the process that is at an import to end it."""
    tx.run("cancel_import", id=import_id)


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


def end(tx: Transaction, import_id: int, owner: str, state: str, problem: str, now: int) -> None:
    """Keep how it ended, unless another process has taken it over."""
    kept = FAILED if state == CANCELLED else state
    tx.run("end_import", id=import_id, owner=owner, state=kept, problem=problem, now=now)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
