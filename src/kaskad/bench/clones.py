"""One person made many: all that a database says of a few people, for hundreds of thousands more.

What runs stand at came out of the real engine, so the rows of clones are as they are in life; only their
numbers, and the instants until which they wait, are others.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from kaskad.bench.place import Place
from kaskad.store.db import Database

_AT_ONCE = 50  # times that all of the few are cloned in one transaction
_STRIDE = 7_654_337  # a prime: who is due next is no neighbour of who was due before
_POSTGRESQL_TABLES = (
    "SELECT c.table_name FROM information_schema.columns c JOIN pg_class t ON t.relname = c.table_name"
    " WHERE c.table_schema = 'public' AND c.column_name = 'contact_id' AND t.relkind = 'r'"
)
_SQLITE_TABLES = (
    "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c ON c.name = 'contact_id'"
    " WHERE m.type = 'table'"
)


class Timers(Struct, frozen=True):
    """When whose timer is due: one after the other within `spread_ms` from `base` on, in no order."""

    base: int
    spread_ms: int
    people: int

    def of(self, contact_id: int) -> int:
        return self.base + contact_id * _STRIDE % self.people * self.spread_ms // self.people

    def sql(self, contact_id: str) -> str:
        return f"({self.base} + {contact_id} * {_STRIDE} % {self.people} * {self.spread_ms} / {self.people})"


def multiply(
    db: Database, place: Place, few: int, timers: Timers, wait_ms: int, say: Callable[[str], None]
) -> None:
    """Make `timers.people` of the `few` people there are; their message went `wait_ms` earlier."""
    times = timers.people // few
    for table in ("contacts", *_tables(place, db.dialect)):
        key, columns = "id" if table == "contacts" else "contact_id", _columns(place, db.dialect, table)
        kept = [_cloned(table, name, key, f"(o.{key} + n.i * {few})", timers, wait_ms) for name in columns]
        for first in range(1, times, _AT_ONCE):
            last = min(first + _AT_ONCE, times) - 1
            with db.write() as tx:
                tx.script(
                    f"INSERT INTO {table} ({', '.join(columns)}) WITH RECURSIVE n (i) AS ("
                    f"SELECT CAST({first} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
                    f" SELECT {', '.join(kept)} FROM n CROSS JOIN {table} o WHERE o.{key} <= {few}"
                )
            say(f"{table}: {(last + 1) * few}")
    _move_the_first(db, few, times, timers, wait_ms)


def _tables(place: Place, dialect: str) -> list[str]:
    """Return the tables in which people have rows."""
    found = {row[0] for row in place.ask(_POSTGRESQL_TABLES if dialect == "postgresql" else _SQLITE_TABLES)}
    found.discard("address_book")  # filled by triggers
    return [table for table in sorted(found) if place.ask(f"SELECT 1 FROM {table} LIMIT 1")]


def _columns(place: Place, dialect: str, table: str) -> list[str]:
    if dialect == "postgresql":
        asked = (
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
            f" AND table_name = '{table}' AND is_identity = 'NO'"
        )
    else:
        asked = f"SELECT name FROM pragma_table_info('{table}')"
    return [row[0] for row in place.ask(asked)]


def _cloned(table: str, name: str, key: str, clone: str, timers: Timers, wait_ms: int) -> str:
    """Return what a column of a clone is."""
    if name == key:
        return clone
    if name == "external_id":
        return f"'c' || {clone}"
    if (table, name) == ("addresses", "value"):
        return f"o.channel || '-' || {clone}"
    return _moved(table, name, f"o.{name}", timers.sql(clone), wait_ms) or f"o.{name}"


def _moved(table: str, name: str, was: str, due: str, wait_ms: int) -> str | None:
    """Return an instant of somebody who is due at `due`; None for what is none, or stays."""
    match table, name:
        case "runs", "wake_at" | "due_at":
            return due
        case "messages", "submitted_at":
            return f"{due} - {wait_ms}"
        case "messages", "sent_at":
            return f"CASE WHEN {was} IS NULL THEN NULL ELSE {due} - {wait_ms} END"
        case "facts", "at":
            return f"{due} - {wait_ms}"
    return None


def _move_the_first(db: Database, few: int, times: int, timers: Timers, wait_ms: int) -> None:
    """Let those who were cloned wait like their clones, and count all of them."""
    due = timers.sql("contact_id")
    with db.write() as tx:
        for table, names in (
            ("runs", ("wake_at", "due_at")), ("messages", ("submitted_at", "sent_at")), ("facts", ("at",)),
        ):  # fmt: skip
            values = ", ".join(f"{name} = {_moved(table, name, name, due, wait_ms)}" for name in names)
            tx.script(f"UPDATE {table} SET {values} WHERE contact_id <= {few}")
        tx.script(f"UPDATE course_counts SET runs = runs * {times}")
        tx.script(f"UPDATE leg_counts SET messages = messages * {times}")
        tx.script(f"UPDATE launches SET state = 'done', cursor = {few * times}, enrolled = {few * times}")
        if db.dialect == "postgresql":
            tx.script("SELECT setval('contact_ids', max(id)) FROM contacts")
