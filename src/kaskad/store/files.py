"""Table `files`: what goes with mails or is linked to."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Row, Transaction


class Kept(Struct, frozen=True):
    """A file without its content; `title` is what people see it called."""

    id: int
    name: str
    title: str
    kind: str
    size: int
    digest: str
    saved_at: int
    saved_by: str
    scanned: bool


def put(
    tx: Transaction, name: str, title: str, kind: str, digest: str, content: bytes, now: int, by: str, *,
    scanned: bool,
) -> None:  # fmt: skip
    """Keep a file in place of the one of that name; its id stays."""
    tx.run(
        "put_file", name=name, title=title, kind=kind, size=len(content), digest=digest, content=content,
        now=now, by=by, scanned=int(scanned),
    )  # fmt: skip


def all_files(tx: Transaction) -> list[Kept]:
    """Return all files, by name."""
    return [_kept(row) for row in tx.all("files")]


def find(tx: Transaction, name: str) -> Kept | None:
    row = tx.one("file_of", name=name)
    return _kept(row) if row else None


def by_id(tx: Transaction, file_id: int) -> Kept | None:
    row = tx.one("file_by_id", id=file_id)
    return _kept(row) if row else None


def content(tx: Transaction, file_id: int) -> bytes:
    """Return what stands in a file that there is."""
    row = tx.one("file_content", id=file_id)
    return bytes(row[0]) if row else b""


def drop(tx: Transaction, name: str) -> bool:
    """Delete a file; say whether there was one."""
    return bool(tx.run("drop_file", name=name))


def _kept(row: Row) -> Kept:
    return Kept(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], bool(row[8]))
