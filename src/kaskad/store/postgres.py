"""PostgreSQL by psycopg 3: a small pool, statements prepared at first use, batches as arrays."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import cache
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from kaskad.domain.errors import (
    Conflict,
    Full,
    KaskadError,
    Locked,
    StoreError,
    Unavailable,
    Uncertain,
    Unfit,
)
from kaskad.store.db import Row
from kaskad.store.shelf import Shelf
from kaskad.store.statements import Dialect, Statement, statements
from kaskad.store.wire import ARRAYS, adapt, bigints
from kaskad.store.wire import texts as as_texts

POOL: Final = 8  # connections for writing, and as many for reading
# Where the address names no other: how long a connection may take to begin, and after how long without a sign
# of life one is lost, waiting for an answer or saying something. By itself Linux takes up to two hours.
CONNECTIONS: Final = {
    "connect_timeout": 5, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}  # fmt: skip
OLDEST: Final = 150_000
# What writes goes by keys, in batches of one to thousands of rows. A plan made once for all sizes, by index,
# takes 0.2 ms for one row where planning anew for 16 parts takes 0.7 ms, and never becomes a scan of whole
# tables for a large batch. It does not know how few of a million timers are due, and would start processes
# for them: 28 ms in place of 2, several times a second. Reading for reports is planned as usual.
BY_KEYS: Final = (
    b"SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off;"
    b" SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off;"
    b" SET max_parallel_workers_per_gather = 0"
)

_Pool: TypeAlias = "queue.LifoQueue[psycopg.Connection[Row] | None]"


class PostgresTransaction:
    """One transaction of a connection; see `db.Transaction`.

    A writing one is a pipeline: what returns nothing is sent and not waited for, so that the server works
    while we make the next statement. Where one fails, a later statement or the commit says so, and all that
    follow it say the same: each would fail of that one only.
    """

    dialect: Final[Dialect] = "postgresql"

    def __init__(
        self, connection: psycopg.Connection[Row], known: Mapping[str, Statement], shelf: Shelf,
        pipelined: bool, where: str,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._where = where  # the database's name, for what is told
        self._failed: KaskadError | None = None
        self._known = known
        self.shelf = shelf
        self._pipelined = pipelined
        self._pipeline = ExitStack()
        self._expected: list[tuple[psycopg.Cursor[Row], int, str]] = []
        self._line: psycopg.Pipeline | None = None  # where it has begun

    def all(self, name: str, /, **params: Any) -> list[Row]:
        statement = self._checked(name, params)
        return self._rows(self._send(statement.text.encode(), params), statement)

    def one(self, name: str, /, **params: Any) -> Row | None:
        rows = self.all(name, **params)
        return rows[0] if rows else None

    def run(self, name: str, /, **params: Any) -> int:
        statement = self._checked(name, params)
        return self._count(self._send(statement.text.encode(), params))

    def many(self, name: str, rows: Sequence[Row], /) -> list[Row]:
        if not rows:
            return []
        return self._rows(self._send_columns(name, rows), self._known[name])

    def changed_many(self, name: str, rows: Sequence[Row], /) -> int:
        return self._count(self._send_columns(name, rows)) if rows else 0

    def start_many(self, name: str, rows: Sequence[Row], /) -> Callable[[], int]:
        if not rows:
            return lambda: 0
        cursor = self._send_columns(name, rows)

        def changed() -> int:
            if self._failed is not None:
                raise self._failed
            if cursor.rowcount < 0 and self._line is not None:  # no answer was waited for since
                try:
                    self._line.sync()
                except psycopg.Error as error:
                    raise self._told(error) from error
            return cursor.rowcount

        return changed

    def change_each(self, name: str, rows: Sequence[Row], problem: str, /) -> None:
        if rows:
            self._expected.append((self._send_columns(name, rows), len(rows), problem))

    def among(self, name: str, ids: Sequence[int], /, **params: Any) -> list[Row]:
        if len(ids) > 1:
            return self.all(name, ids=bigints(ids), **params)
        if not ids:
            return []
        params["ids"] = ids[0]
        statement = self._checked(name, params)
        return self._rows(self._send(for_one(statement.text), params), statement)

    def among_texts(self, name: str, texts: Sequence[str], /) -> list[Row]:
        return self.all(name, texts=as_texts(texts)) if texts else []

    def script(self, text: str, /) -> None:
        self.settle()
        try:
            self._connection.execute(text.encode())  # a pipeline takes no more than one statement at a time
        except psycopg.Error as error:
            raise self._told(error) from error

    def settle(self) -> None:
        """Wait until all has been done that was sent; raises what has failed of it."""
        self._line = None
        try:
            self._pipeline.close()
        except psycopg.Error as error:
            raise self._told(error) from error
        if self._failed is not None:  # and whoever was told went on: the commit would silently keep nothing
            raise self._failed
        for cursor, count, problem in self._expected:
            if cursor.rowcount != count:
                raise Conflict(problem)
        self._expected.clear()

    def abandon(self) -> None:
        """Leave the pipeline, whatever has failed in it: the transaction is about to be rolled back."""
        self._expected.clear()
        with suppress(psycopg.Error):
            self._pipeline.close()

    def _send(self, text: bytes, params: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        if self._failed is not None:
            raise self._failed
        try:
            if self._pipelined and self._line is None:
                self._line = self._pipeline.enter_context(self._connection.pipeline())
            cursor = self._connection.cursor()
            cursor.execute(text, params, prepare=True, binary=True)
        except psycopg.Error as error:
            raise self._told(error) from error
        return cursor

    def _rows(self, cursor: psycopg.Cursor[Row], statement: Statement) -> list[Row]:
        if not statement.returns:
            return []
        try:
            return cursor.fetchall()
        except psycopg.Error as error:
            raise self._told(error) from error

    def _told(self, error: psycopg.Error) -> KaskadError:
        """Return in words what has failed first in this transaction."""
        if self._failed is None:
            self._failed = _in_words(self._where, error)
        return self._failed

    def _count(self, cursor: psycopg.Cursor[Row]) -> int:
        if self._line is not None:
            self.settle()
        return cursor.rowcount

    def _checked(self, name: str, params: Mapping[str, Any]) -> Statement:
        statement = self._known[name]
        if params.keys() != statement.parameters:
            raise TypeError(f"{name} takes {sorted(statement.parameters)}, not {sorted(params)}")
        return statement

    def _send_columns(self, name: str, rows: Sequence[Row]) -> psycopg.Cursor[Row]:
        statement = self._known[name]
        columns = zip(*rows, strict=True)
        params = {
            f"c{number}": ARRAYS[kind](column)
            for number, (kind, column) in enumerate(zip(statement.columns, columns, strict=True), 1)
        }
        return self._send(statement.text.encode(), params)


@cache
def for_one(text: str) -> bytes:
    """Return a statement among `:ids` as it runs for one id: its plan can then cut off all parts but one.

    For more ids the whole array is looked for in every part, in the order of the index: three times quicker
    than going from id to id.
    """
    return text.replace("%(ids)s", "ARRAY[%(ids)s::bigint]").encode()


class PostgresDatabase:
    """One PostgreSQL database; see `db.Database`."""

    dialect: Final[Dialect] = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        self._known = dict(statements("postgresql"))
        self._shelf = Shelf()
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise Unavailable(f"The database's address cannot be read: {error}") from None
        self._asked: dict[str, Any] = {
            name: value for name, value in CONNECTIONS.items() if name not in parts
        }
        self.name = f"postgresql://{parts.get('host', 'localhost')}/{parts.get('dbname', '')}"
        self._writers: _Pool = queue.LifoQueue()
        self._readers: _Pool = queue.LifoQueue()
        for pool in (self._writers, self._readers):
            for _ in range(POOL):
                pool.put(None)  # opened when first needed
        with self._told():
            first = self._connect()
        self._readers.get()
        self._readers.put(first)
        if first.info.server_version < OLDEST:
            self.close()
            found = first.info.server_version // 10_000
            raise Unavailable(f"{self.name} is PostgreSQL {found}: 15 is the oldest that Kaskad works with.")

    def write(self, *, synced: bool = True) -> AbstractContextManager[PostgresTransaction]:
        begin = b"BEGIN ISOLATION LEVEL READ COMMITTED"
        if not synced:
            begin += b"; SET LOCAL synchronous_commit = off"
        return self._transaction(self._writers, begin, b"COMMIT")

    def write_ahead(self) -> AbstractContextManager[PostgresTransaction]:
        return self.write()

    def when_durable(self, then: Callable[[StoreError | None], None]) -> None:
        then(None)  # its commits wait for the disk, as many of them together as there are

    def read(self) -> AbstractContextManager[PostgresTransaction]:
        begin = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        return self._transaction(self._readers, begin, b"ROLLBACK")

    @contextmanager
    def hold(self, owner: str) -> Iterator[None]:
        yield  # any number of servers share a PostgreSQL database

    def writing_much(self) -> AbstractContextManager[None]:
        return nullcontext()

    def shed(self) -> bool:
        return True

    def statement(self, name: str) -> Statement:
        return self._known[name]

    def close(self) -> None:
        for pool in (self._writers, self._readers):
            for _ in range(POOL):
                connection = pool.get()
                if connection is not None:
                    connection.close()

    @contextmanager
    def _transaction(self, pool: _Pool, begin: bytes, end: bytes) -> Iterator[PostgresTransaction]:
        connection = pool.get()
        try:
            with self._told():
                connection = self._begun(connection, begin, pool is self._writers)
                try:
                    writes = pool is self._writers
                    tx = PostgresTransaction(connection, self._known, self._shelf, writes, self.name)
                    try:
                        yield tx
                    except BaseException:
                        tx.abandon()
                        raise
                    tx.settle()
                    self._end(connection, end)
                except BaseException:
                    if not connection.closed:
                        connection.execute(b"ROLLBACK")
                    raise
        finally:
            pool.put(None if connection is None or connection.closed else connection)

    def _begun(
        self, kept: psycopg.Connection[Row] | None, begin: bytes, writes: bool
    ) -> psycopg.Connection[Row]:  # fmt: skip
        """Return a connection on which a transaction has begun: a new one where `kept` was lost meanwhile."""
        if kept is not None and not kept.closed:
            try:
                kept.execute(begin)
            except psycopg.Error:
                if not kept.closed:
                    raise
            else:
                return kept
        connection = self._connect()
        if writes:
            connection.execute(BY_KEYS)
        connection.execute(begin)
        return connection

    def _end(self, connection: psycopg.Connection[Row], end: bytes) -> None:
        try:
            connection.execute(end)
        except psycopg.Error as error:
            if not connection.closed:
                raise
            raise Uncertain(f"{self.name} was lost at a commit: whether it was kept is unknown.") from error

    def _connect(self) -> psycopg.Connection[Row]:
        connection = psycopg.connect(self._url, autocommit=True, **self._asked)
        connection.prepared_max = 1_000  # all our statements
        adapt(connection.adapters)
        return connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise _in_words(self.name, error) from error


def _in_words(at: str, error: BaseException) -> KaskadError:
    """Return what a driver's error means; `at` is the database's name."""
    while isinstance(error, errors.PipelineAborted) and isinstance(error.__context__, psycopg.Error):
        error = error.__context__  # a pipeline that is left tells of the statements after the one that failed
    what = " ".join(str(error).split())  # libpq tells in lines
    match error:
        case errors.DiskFull() | errors.OutOfMemory():
            return Full(f"{at} has no room left ({what}): make room there. Nothing is lost.")
        case errors.DeadlockDetected() | errors.LockNotAvailable() | errors.SerializationFailure():
            return Locked(f"{at}: another transaction was in the way ({what}): try again.")
        case errors.IntegrityError():
            return Unfit(what)
        case errors.PipelineAborted():
            return StoreError(f"{at}: a statement before has failed.")
        case errors.QueryCanceled() | errors.IdleInTransactionSessionTimeout():
            return Unavailable(f"{at} gave up on us ({what}): for Kaskad its time-outs are best at 0.")
        case errors.OperationalError() | errors.InterfaceError():
            return Unavailable(f"{at} cannot be reached ({what}): check that it runs, and its address.")
        case _:
            return StoreError(f"{at}: {what}")
