"""SQLite by apsw: one writing connection, a few reading ones, WAL, every commit synced to the disk."""

from __future__ import annotations

import fcntl
import os
import queue
import re
import sys
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

import apsw

from kaskad.domain.errors import (
    Conflict,
    Corrupted,
    Full,
    KaskadError,
    Locked,
    StoreError,
    Unavailable,
    Unfit,
)
from kaskad.store.checkpoints import Checkpointer
from kaskad.store.db import Row
from kaskad.store.shelf import Shelf
from kaskad.store.statements import Dialect, Statement, statements
from kaskad.store.syncing import Syncer, Then

READERS: Final = 4
BUSY_MS: Final = 5_000
SHED_MS: Final = 50
# No memory mapping: it measured no faster, and a failing disk would then kill the process without a word.
CACHE_KIB: Final = 32 * 1024
READER_CACHE_KIB: Final = 8 * 1024
# Of a new file: a tenth less time than with the usual 4 KiB, as a tick changes many rows that lie together;
# 16 KiB gained nothing more.
PAGE_BYTES: Final = 8_192
# A checkpoint copies the WAL into the file with two syncs, and a page that was changed often is copied once.
# 16 MiB make them four times rarer than the default (5 to 10 % less time a row) and short; 64 gained no more.
CHECKPOINT_PAGES: Final = 2_000
STATEMENT_CACHE: Final = 256
# Rows in one INSERT: a statement of fifty costs half of fifty statements, one of five hundred no less.
ROWS: Final = 50


class SqliteTransaction:
    """One transaction of a connection; see `db.Transaction`."""

    dialect: Final[Dialect] = "sqlite"

    def __init__(self, connection: apsw.Connection, known: dict[str, Statement], shelf: Shelf) -> None:
        self._connection = connection
        self._known = known
        self.shelf = shelf

    def all(self, name: str, /, **params: Any) -> list[Row]:
        statement = self._known[name]
        if params.keys() != statement.parameters:
            raise TypeError(_wrong_parameters(statement, params))
        return self._connection.execute(statement.text, params).fetchall()

    def one(self, name: str, /, **params: Any) -> Row | None:
        rows = self.all(name, **params)
        return rows[0] if rows else None

    def run(self, name: str, /, **params: Any) -> int:
        before = self._connection.total_changes()
        self.all(name, **params)
        # What triggers changed is in the total, but not in what the statement itself did.
        return self._connection.changes() if self._connection.total_changes() != before else 0

    def many(self, name: str, rows: Sequence[Row], /) -> list[Row]:
        statement = self._known[name]
        wide = _wide(statement.text) if len(rows) >= ROWS else None
        if wide is None:
            return self._connection.executemany(statement.text, rows).fetchall() if rows else []
        whole = len(rows) - len(rows) % ROWS
        flat = [tuple(chain.from_iterable(rows[start : start + ROWS])) for start in range(0, whole, ROWS)]
        found = self._connection.executemany(wide, flat).fetchall()
        return found + self.many(name, rows[whole:])

    def changed_many(self, name: str, rows: Sequence[Row], /) -> int:
        before = self._connection.total_changes()
        self.many(name, rows)
        return self._connection.total_changes() - before

    def start_many(self, name: str, rows: Sequence[Row], /) -> Callable[[], int]:
        changed = self.changed_many(name, rows)
        return lambda: changed

    def change_each(self, name: str, rows: Sequence[Row], problem: str, /) -> None:
        if self.changed_many(name, rows) != len(rows):
            raise Conflict(problem)

    def among(self, name: str, ids: Sequence[int], /, **params: Any) -> list[Row]:
        if not ids:
            return []
        return self.all(name, ids=apsw.carray(array("q", ids)), **params)

    def among_texts(self, name: str, texts: Sequence[str], /) -> list[Row]:
        return self.all(name, texts=apsw.carray(tuple(texts))) if texts else []

    def script(self, text: str, /) -> None:
        for _ in self._connection.execute(text):  # lazy: a statement runs when the one before is exhausted
            pass


def _make_private(path: str) -> None:
    """Make the file, where there is none, for its owner only: SQLite gives those beside it the same mode."""
    with suppress(OSError):  # it is there; or it cannot be made, and SQLite says why
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


class SqliteDatabase:
    """One SQLite file; see `db.Database`."""

    dialect: Final[Dialect] = "sqlite"

    def __init__(self, path: str) -> None:
        self.name = path
        self._known = dict(statements("sqlite"))
        self._shelf = Shelf()
        self._lock = threading.RLock()
        self._much = 0  # how many write much at the moment
        self._checkpointer: Checkpointer | None = None
        self._readers: queue.LifoQueue[apsw.Connection | None] = queue.LifoQueue()
        for _ in range(READERS):
            self._readers.put(None)  # opened when first needed
        with self._told():
            _make_private(path)
            self._writer = self._open(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            self._writer.pragma("page_size", PAGE_BYTES)
            self._writer.pragma("journal_mode", "wal")
            self._writer.pragma("synchronous", "full")
            self._synced = True
            self._written = 0  # rows changed by what has been committed
            # Overwrites what is deleted where its page is written anyway, in no time that could be measured.
            # Who erases a person has all of it overwritten (`erasures.overwriting`).
            self._writer.pragma("secure_delete", "fast")
            self._writer.wal_autocheckpoint(CHECKPOINT_PAGES)
            self._syncer = Syncer(Path(self._writer.filename_wal))  # beside the file, where `path` is a link

    @contextmanager
    def write(self, *, synced: bool = True) -> Iterator[SqliteTransaction]:
        with self._lock, self._told():
            if self._writer.in_transaction:
                raise RuntimeError("write() inside write(): pass the transaction on instead")
            if lost := self._syncer.lost():
                raise lost
            if synced is not self._synced:
                self._writer.pragma("synchronous", "full" if synced else "normal")
                self._synced = synced
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield SqliteTransaction(self._writer, self._known, self._shelf)
                self._writer.execute("COMMIT")
                self._written = self._writer.total_changes()
            except BaseException as error:
                if self._writer.in_transaction:  # some errors of the disk have already rolled back
                    self._writer.execute("ROLLBACK")
                if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_FSYNC:
                    self._syncer.lose(str(error))  # also what was committed ahead of it may not be there
                raise

    def write_ahead(self) -> AbstractContextManager[SqliteTransaction]:
        return self.write(synced=False)

    def when_durable(self, then: Then) -> None:
        self._syncer.after(self._written, then)

    @contextmanager
    def read(self) -> Iterator[SqliteTransaction]:
        with self._told():
            reader = self._readers.get()
            try:
                if reader is None:
                    reader = self._open(apsw.SQLITE_OPEN_READONLY)
                reader.execute("BEGIN")
                try:
                    yield SqliteTransaction(reader, self._known, self._shelf)
                finally:
                    reader.execute("ROLLBACK")
            finally:
                self._readers.put(reader)

    @contextmanager
    def writing_much(self) -> Iterator[None]:
        with self._lock:
            self._much += 1
            if self._checkpointer is None:
                self._checkpointer = Checkpointer(lambda: self._open(apsw.SQLITE_OPEN_READWRITE))
                self._writer.set_wal_hook(self._checkpointer.after_commit)
        try:
            yield
        finally:
            ended = None
            with self._lock:
                self._much -= 1
                if not self._much and self._checkpointer is not None:
                    self._writer.wal_autocheckpoint(CHECKPOINT_PAGES)
                    ended, self._checkpointer = self._checkpointer, None
            if ended is not None:
                ended.close()

    def shed(self) -> bool:
        # On a connection of its own: most is copied while others write, then readers are waited for shortly.
        with self._told():
            connection = self._open(apsw.SQLITE_OPEN_READWRITE)
            try:
                connection.set_busy_timeout(SHED_MS)
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            finally:
                connection.close()
        return True

    def hold(self, owner: str) -> AbstractContextManager[None]:
        return held(Path(self.name), owner)

    def statement(self, name: str) -> Statement:
        return self._known[name]

    def close(self) -> None:
        self._syncer.close()
        with self._lock:
            if self._checkpointer is not None:
                self._checkpointer.close()
                self._checkpointer = None
            for _ in range(READERS):
                reader = self._readers.get()
                if reader is not None:
                    reader.close()
            self._writer.close()

    def _open(self, flags: int) -> apsw.Connection:
        # Each is used by one thread at a time (a lock for the writer, a queue for the readers), so SQLite
        # need not lock it for every value that is bound or read: a tenth of the time of a row.
        flags |= apsw.SQLITE_OPEN_NOMUTEX
        connection = apsw.Connection(self.name, flags=flags, statementcachesize=STATEMENT_CACHE)
        connection.set_busy_timeout(BUSY_MS)
        readonly = flags & apsw.SQLITE_OPEN_READONLY
        # Else SQLite prepares a join anew for each row of values, and what has a limit at each call, in case
        # they suit another plan: 8 µs a row, 30 µs a call.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.pragma("cache_size", -(READER_CACHE_KIB if readonly else CACHE_KIB))
        connection.pragma("foreign_keys", 1)
        connection.pragma("temp_store", "memory")
        return connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise self._in_words(error) from error

    def _in_words(self, error: apsw.Error) -> KaskadError:
        at = self.name
        match error:
            case apsw.FullError():
                return Full(
                    f"No room left for {at}: make room on its disk, then start again. Nothing is lost."
                )
            case apsw.BusyError() | apsw.LockedError():
                return Locked(f"Another program keeps {at} locked: close it, then try again.")
            case apsw.CorruptError() | apsw.NotADBError():
                return Corrupted(f"{at} is damaged or is no SQLite database ({error}): restore a backup.")
            case apsw.CantOpenError():
                todo = "check that its folder exists, and that both may be read and written."
                return Unavailable(f"Cannot open {at}: {todo}")
            case apsw.ReadOnlyError() | apsw.PermissionsError():
                todo = "check its permissions, its folder's, and those of -wal and -shm beside it."
                return Unavailable(f"{at} may not be written: {todo}")
            case apsw.IOError():
                return Unavailable(f"The disk of {at} failed ({error}): check it, then start again.")
            case apsw.ConstraintError():
                return Unfit(str(error))
            case _:
                return StoreError(f"{at}: {error}")


@contextmanager
def held(file: Path, owner: str) -> Iterator[None]:
    """Keep other servers off an SQLite file until the end of the block; raises Locked, naming the holder.

    The lock lies beside the real file, so that all names of it meet the same one.
    """
    with Path(f"{file.resolve()}.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise Locked(f"{file} is in use by {holder}: stop it first.") from None
        lock.truncate(0)
        lock.write(f"{owner}, process {os.getpid()}: {' '.join(sys.argv)}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)  # the file stays: removing it could let two in


@cache
def _wide(text: str) -> str | None:
    """Return an INSERT of one row as one of ROWS rows; None for any other statement."""
    parts = _INSERT.fullmatch(text)
    if parts is None or not _PLACE.search(parts[2]):
        return None
    width = max(int(number) for number in _PLACE.findall(parts[2]))
    groups = [
        _PLACE.sub(lambda place: f"?{int(place[1]) + row * width}", parts[2])  # noqa: B023 (used at once)
        for row in range(ROWS)
    ]
    return parts[1] + ",".join(groups) + parts[3]


_INSERT = re.compile(
    r"(INSERT INTO [^?]*VALUES\s*)(\([^;]*?\))(\s*(?:ON CONFLICT[^?]*)?(?:RETURNING[^?]*)?)", re.DOTALL
)
_PLACE = re.compile(r"\?(\d+)")


def _wrong_parameters(statement: Statement, params: dict[str, Any]) -> str:
    return f"{statement.name} takes {sorted(statement.parameters)}, not {sorted(params)}"
