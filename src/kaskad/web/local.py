"""How a command on this machine finds the server that holds its SQLite file.

Beside the file (the real one, where it is named by a link) lies, while a server runs, `<file>.server`: its
address and a key made for this run, readable by its owner only. Whoever can read it could read the database
itself.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from kaskad.config import Settings


class Found(Struct, frozen=True):
    """A running server."""

    url: str
    key: str
    process: int

    def __repr__(self) -> str:
        return f"Found({self.url!r})"


def database_file(settings: Settings) -> Path | None:
    """Return the SQLite file, or None on PostgreSQL."""
    if settings.database.startswith(("postgresql:", "postgres:")):
        return None
    return Path(settings.database.removeprefix("sqlite:"))


@contextmanager
def found_at(database: Path, url: str, key: str) -> Iterator[None]:
    """Let commands find this server until the end of the block."""
    file = _beside(database)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(msgspec.json.encode(Found(url, key, os.getpid())))
    draft.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find(database: Path) -> Found | None:
    """Return the server that holds the file and has said where it listens; None where there is none."""
    try:
        found = msgspec.json.decode(_beside(database).read_bytes(), type=Found)
    except (OSError, msgspec.DecodeError):
        return None
    # What a killed server has told lies there still, also while the next one is starting.
    return found if f"process {found.process}:" in holder(database) else None


def holder(database: Path) -> str:
    """Return who holds the file, a server or a command, in words; "" where nobody does."""
    if not _is_held(database):
        return ""
    try:
        return _lock_of(database).read_text(encoding="utf-8").strip() or "another process"
    except OSError:
        return "another process"


def _lock_of(database: Path) -> Path:
    return Path(f"{database.resolve()}.lock")


def _is_held(database: Path) -> bool:
    try:
        with _lock_of(database).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _beside(database: Path) -> Path:
    return Path(f"{database.resolve()}.server")
