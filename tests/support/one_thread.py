"""Transactions on SQLite that find a use which would kill a process: nothing is locked for them there."""

from __future__ import annotations

from threading import get_ident
from typing import Any

import apsw

from kaskad.store.sqlite import SqliteTransaction


class OneThread(SqliteTransaction):
    """A transaction that only the thread may use that has begun it, and until it ends."""

    def __init__(self, connection: apsw.Connection, *made_with: Any) -> None:
        self._thread = get_ident()
        super().__init__(connection, *made_with)

    @property
    def _connection(self) -> apsw.Connection:
        assert get_ident() == self._thread, "a transaction of SQLite is used by another thread"
        assert self._own.in_transaction, "a transaction of SQLite is used after its end"
        return self._own

    @_connection.setter
    def _connection(self, connection: apsw.Connection) -> None:
        self._own = connection
