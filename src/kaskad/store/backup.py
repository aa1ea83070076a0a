"""Copies of an SQLite file while it is in use, and back; and whether a file is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from kaskad.domain.errors import Conflict, Corrupted, NotFound, StoreError, Unavailable
from kaskad.store.migrate import migrations

PAGES = 2_000  # copied between two words of progress
_BUSY_MS = 5_000


def backup(source: Path, target: Path, progress: Callable[[float], None]) -> None:
    """Copy the database as it is now to a new file, while others use it; `progress` gets the part done.

    Raises Conflict where the target is there already, Corrupted for a copy that is not whole.
    """
    if target.exists():
        raise Conflict(f"{target} is there already: name a new file.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with _opened(source, apsw.SQLITE_OPEN_READONLY) as ours:
            ours.execute("BEGIN")
            ours.execute("SELECT count(*) FROM sqlite_master").fetchall()  # from here on one state is seen
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with _opened(draft, apsw.SQLITE_OPEN_READWRITE) as copy:
                _copy(ours, copy, progress)
                copy.pragma("journal_mode", "delete")
        if found := check(draft):
            raise Corrupted(f"The copy of {source} is not whole ({found[0]}): `kaskad db check` says more.")
        _sync(draft)
        os.link(draft, target)  # unlike a rename it never replaces what came meanwhile
    except FileExistsError:
        raise Conflict(f"{target} is there already: name a new file.") from None
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)


def restore(source: Path, target: Path, aside: Path) -> None:
    """Put a backup in place of the database, which goes to `aside`; nobody may use it meanwhile.

    Raises NotFound, Corrupted, and Conflict for what this program could not open then.
    """
    if not source.is_file():
        raise NotFound(f"There is no file {source}.")
    if found := check(source):
        raise Corrupted(f"{source} is not whole ({found[0]}): use another backup.")
    _must_be_ours(source)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, draft)
        draft.chmod(0o600)
        _sync(draft)
        for ending in ("", "-wal", "-shm"):  # what is not copied into the file yet belongs to the old one
            old = target.with_name(target.name + ending)
            if old.exists():
                old.replace(aside.with_name(aside.name + ending))
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def check(file: Path) -> list[str]:
    """Return what is wrong inside a database file; [] for one that is whole."""
    try:
        with _opened(file, apsw.SQLITE_OPEN_READONLY) as connection:
            found = [
                str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"
            ]
            strays = connection.execute("PRAGMA foreign_key_check").fetchall()
    except StoreError as error:
        return [str(error)]
    return found + [f"{row[0]}: a row names one of {row[2]} that is not there" for row in strays[:20]]


def _must_be_ours(file: Path) -> None:
    """Raise Conflict for a database that is none of Kaskad, or one of a newer Kaskad."""
    with _opened(file, apsw.SQLITE_OPEN_READONLY) as connection:
        if connection.table_exists("main", "migrations"):
            newest = connection.execute("SELECT max(number) FROM migrations").get
        else:
            raise Conflict(f"{file} is no database of Kaskad: use a backup that `kaskad db backup` has made.")
    if (newest or 0) > migrations()[-1].number:
        raise Conflict(
            f"{file} was made by a newer Kaskad (migration {newest:04}): restore it with that one."
        )


def _copy(ours: apsw.Connection, copy: apsw.Connection, progress: Callable[[float], None]) -> None:
    with copy.backup("main", ours, "main") as work:
        while not work.done:
            work.step(PAGES)
            progress(1 - work.remaining / max(1, work.page_count))


@contextmanager
def _opened(file: Path, flags: int) -> Iterator[apsw.Connection]:
    try:
        connection = apsw.Connection(str(file), flags=flags)
        try:
            connection.set_busy_timeout(_BUSY_MS)
            yield connection
        finally:
            connection.close()
    except apsw.FullError:
        raise Unavailable(f"No room left for {file}.") from None
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise Corrupted(f"{file} is damaged or is no SQLite database: {error}") from None
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        todo = (
            "check its permissions and its folder's: also to read it, it must be possible to write beside it"
        )
        raise Unavailable(f"{file} cannot be used ({error}): {todo}.") from None
    except apsw.Error as error:
        raise Unavailable(f"{file} cannot be used: {error}") from None


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
