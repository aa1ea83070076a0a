"""The database as everything above sees it: transactions that run named statements.

    db = open_database("kaskad.db")            # or postgresql://…
    with db.write() as tx:
        tx.run("set_setting", name="brand", value="{}")

A transaction is an argument of the functions that use it, so that the caller chooses what commits together.
Unknown names raise KeyError and wrong parameters TypeError: both are defects of ours, found by tests.
What the database itself refuses becomes a `StoreError`, or `Conflict` for a broken constraint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from kaskad.domain.errors import StoreError
from kaskad.store.shelf import Shelf
from kaskad.store.statements import Dialect, Statement

Row = tuple[Any, ...]


class Transaction(Protocol):
    """What can be asked within one transaction. Rows are tuples in the order of the statement's columns."""

    @property
    def dialect(self) -> Dialect:
        """The database's kind, for logs and tests: callers never branch on it."""

    @property
    def shelf(self) -> Shelf:
        """What was made of blocks of this database, in memory."""

    def all(self, name: str, /, **params: Any) -> list[Row]:
        """Return all rows of the statement."""

    def one(self, name: str, /, **params: Any) -> Row | None:
        """Return the first row, or None."""

    def run(self, name: str, /, **params: Any) -> int:
        """Return how many rows the statement changed."""

    def many(self, name: str, rows: Sequence[Row], /) -> list[Row]:
        """Run the statement for each row (`:c1`, `:c2`, …); return what RETURNING gave, or []."""

    def changed_many(self, name: str, rows: Sequence[Row], /) -> int:
        """Run the statement for each row; return how many rows of tables were changed."""

    def start_many(self, name: str, rows: Sequence[Row], /) -> Callable[[], int]:
        """Run the statement for each row; return what tells how many rows of tables were changed, and only
        then waits for that."""

    def change_each(self, name: str, rows: Sequence[Row], problem: str, /) -> None:
        """Run the statement for each row; raises Conflict(problem), at the latest before the commit, unless
        as many rows of tables were changed."""

    def among(self, name: str, ids: Sequence[int], /, **params: Any) -> list[Row]:
        """Return the rows of a statement that looks among `:ids`."""

    def among_texts(self, name: str, texts: Sequence[str], /) -> list[Row]:
        """Return the rows of a statement that looks among `:texts`."""

    def script(self, text: str, /) -> None:
        """Run several statements without parameters: for migrations."""


class Database(Protocol):
    """One database, safe to share between threads."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def name(self) -> str:
        """The path or the address without its password, for messages."""

    def write(self, *, synced: bool = True) -> AbstractContextManager[Transaction]:
        """Return a transaction that is committed at the end, or rolled back by an exception.

        Without `synced` its commit does not wait for the disk: a loss of power may take it back, with all
        that was committed so after it, until another commit has waited.
        """

    def write_ahead(self) -> AbstractContextManager[Transaction]:
        """Return a transaction as `write` does, whose commit need not wait for the disk: it is seen by
        everybody, but nothing outside may follow from it before `when_durable` says so."""

    def when_durable(self, then: Callable[[StoreError | None], None]) -> None:
        """Call `then` once all that has been committed by now is on the disk: at once, or from another
        thread, in the order of the calls. It is given what was wrong where that cannot be said any more:
        then no transaction can be written either, until the database is opened again."""

    def read(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that sees one state of the database throughout and may not change it."""

    def hold(self, owner: str) -> AbstractContextManager[None]:
        """Keep other servers off this SQLite file; raises Locked, naming the holder."""

    def writing_much(self) -> AbstractContextManager[None]:
        """Return a span in which much is written: commits then do not tidy up the journal, others do."""

    def shed(self) -> bool:
        """Let the journal hold nothing of what was deleted; return whether it does (False: try again later).

        What PostgreSQL keeps of old rows goes by its own VACUUM and its own retention of the WAL.
        """

    def statement(self, name: str) -> Statement:
        """Return the statement of that name in this database's words."""

    def close(self) -> None: ...


def open_database(where: str) -> Database:
    """Return the database at `postgresql://…`, or in the SQLite file `[sqlite:]path`, made if missing.

    Raises Unavailable, Corrupted.
    """
    if where.startswith(("postgresql://", "postgres://")):
        from kaskad.store.postgres import PostgresDatabase  # the driver is loaded only where it is used

        return PostgresDatabase(where)
    from kaskad.store.sqlite import SqliteDatabase

    return SqliteDatabase(where.removeprefix("sqlite:"))
