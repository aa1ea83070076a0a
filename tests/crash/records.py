"""What the database holds, read with plain SQL of our own: the test does not trust the code it tests."""

from __future__ import annotations

from typing import Any

import apsw
import psycopg
from msgspec import Struct

QUEUED, SUBMITTED = 1, 2


class Run(Struct, frozen=True):
    contact_id: int
    id: int
    outcome: int | None
    step: int
    phase: int
    wake_at: int | None


class Message(Struct, frozen=True):
    contact_id: int
    run_id: int
    step: int
    state: int
    mask: int
    account_id: int | None
    submitted_at: int | None

    @property
    def key(self) -> str:
        return f"{self.contact_id}:{self.run_id}:{self.step}"


class Fact(Struct, frozen=True):
    contact_id: int
    run_id: int
    step: int
    kind: int
    event: str
    at: int


class Records:
    """A database opened for reading, without changing what a killed server has left."""

    def __init__(self, database: str) -> None:
        self._postgres = psycopg.connect(database, autocommit=True) if "://" in database else None
        if self._postgres is None:
            self._sqlite = apsw.Connection(database)
            self._sqlite.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._sqlite.set_busy_timeout(5_000)

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        if self._postgres is None:
            self._sqlite.close()
        else:
            self._postgres.close()

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        if self._postgres is None:
            return list(self._sqlite.execute(text))
        return self._postgres.execute(text.encode()).fetchall()

    def live(self) -> int:
        """Return how many runs have not ended."""
        return int(self.rows("SELECT count(*) FROM runs WHERE outcome IS NULL")[0][0])

    def submitted(self) -> set[str]:
        """Return the messages that were handed over and whose end is not kept."""
        found = self.rows(f"SELECT contact_id, run_id, step FROM messages WHERE state = {SUBMITTED}")
        return {":".join(map(str, row)) for row in found}

    def runs(self) -> list[Run]:
        return [
            Run(*row)
            for row in self.rows(
                "SELECT contact_id, id, outcome, step, phase, coalesce(guard_at, wake_at) FROM runs"
            )
        ]

    def messages(self) -> list[Message]:
        text = "SELECT contact_id, run_id, step, state, mask, account_id, submitted_at FROM messages"
        return [Message(*row) for row in self.rows(text)]

    def facts(self) -> list[Fact]:
        text = "SELECT contact_id, run_id, step, kind, event, at FROM facts"
        return [Fact(*row) for row in self.rows(text)]

    def people(self) -> dict[int, int]:
        """Return contact by the number of the person."""
        return {int(name[1:]): key for key, name in self.rows("SELECT id, external_id FROM contacts")}

    def events(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT id FROM events")}

    def damage(self) -> str:
        """Return what SQLite finds wrong with its file; "" where all is well."""
        if self._postgres is not None:
            return ""
        found = self.rows("PRAGMA integrity_check")
        return "" if found == [("ok",)] else str(found[:3])
