"""Live the histories of many seeds: python -m support.histories FIRST COUNT [--postgres | --two]."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from support.databases import migrated
from support.histories import Databases, failing, made
from support.postgres import PostgresServer, clear, postgres_server

SHOWN = 2  # failures of one kind


@contextmanager
def files() -> Iterator[Databases]:
    """Give each history a new file."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:

        @contextmanager
        def one() -> Iterator[tuple[Database, Database | None]]:
            path = Path(folder) / "kaskad.db"
            db = migrated(path)
            try:
                yield db, None
            finally:
                db.close()
                for each in Path(folder).iterdir():
                    each.unlink()

        yield one


@contextmanager
def served(server: PostgresServer, *, two: bool = False) -> Iterator[Databases]:
    """Give each history the same database of a server, emptied; `two`: with an engine more."""
    url = server.create()
    db, other = open_database(url), open_database(url)
    upgrade(db)

    @contextmanager
    def one() -> Iterator[tuple[Database, Database | None]]:
        clear(db)
        yield db, other if two else None

    try:
        yield one
    finally:
        db.close()
        other.close()
        server.drop(url)


@contextmanager
def on_postgres(*, two: bool) -> Iterator[Databases]:
    with postgres_server() as server, served(server, two=two) as databases:
        yield databases


def main(first: int, count: int, *ways: str) -> int:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *told: ""])
    kinds = Counter[str]()
    with on_postgres(two="--two" in ways) if ways else files() as databases:
        for seed in range(first, first + count):
            failure = failing(made(seed), databases)
            if failure is not None:
                kind = "".join(letter for letter in failure.why if not letter.isdigit())[:80]
                kinds[kind] += 1
                if kinds[kind] <= SHOWN:
                    print(f"seed {seed}: {failure}", flush=True)
    print(f"{count} histories from {first}: {kinds.total()} failed", *kinds.items(), sep="\n")
    return bool(kinds)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
