"""Each hot statement touches one partition for a batch of one contact.

A statement is hot when its comment says `-- hot`; its parameters stand in `-- example:` (see
`store/sql/README.md`), so that a statement added later is looked at without a word here. Parts that the plan
contains but never executes have been cut off at run time, and do not count. One that cannot keep to a part
says why in `-- exception:`, and is listed in EXCEPTIONS.
"""

import json
import re
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.postgres import BY_KEYS, for_one
from kaskad.store.statements import Statement, read, statements
from support.postgres import PostgresServer

PARTS = 16
EXCEPTIONS = {  # statements that say `-- exception:`, and why
    "claim_backlog",
    "claim_due_runs",
    "claim_due_runs_besides",
    "contact_by_address",
    "contacts_by_address",
    "count_set_aside",
    "drop_entry",
    "entries_set_aside",
    "known_addresses",
    "look_at_inbox",
    "put_external_ids",
    "put_entries_aside",
    "put_inbox",
    "put_provider_ids",
    "queued_messages",
    "retry_entries",
    "set_entry_aside",
    "take_inbox",
}
HOT = {name: statement for name, statement in statements("postgresql").items() if statement.hot}

PEOPLE = """
    INSERT INTO contacts (id, created_at) SELECT i, 0 FROM generate_series(1, 50) i;
    INSERT INTO addresses (contact_id, channel, value, changed_at)
         SELECT i, 1, i || '@example.org', 0 FROM generate_series(1, 50) i;
    INSERT INTO consents (contact_id, id, granted, purpose, channels, at)
         SELECT i, 1, 1, 9, 0, 0 FROM generate_series(1, 50) i;
    INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, wake_at, due_at,
                      entered_at) SELECT i, 1, 1, 1, 0, 1, 3, 0, 0, 5, 0, 0 FROM generate_series(1, 50) i;
    INSERT INTO messages (contact_id, run_id, step, channel, state, submitted_at)
         SELECT i, 1, 0, 1, 2, 1 FROM generate_series(1, 50) i;
    INSERT INTO facts (contact_id, run_id, step, kind, event, at)
         SELECT i, 1, 0, 1, 'x', 1 FROM generate_series(1, 50) i;
"""


@pytest.fixture(scope="module")
def partitioned(postgres: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection to a database of its own, in parts, with fifty people."""
    url = postgres.create()
    db = open_database(url)
    upgrade(db, partitions=PARTS)
    with db.write() as tx:
        tx.script(PEOPLE)
    db.close()
    with psycopg.connect(url) as connection:
        connection.execute(BY_KEYS)
        connection.commit()
        yield connection
    postgres.drop(url)


def example(statement: Statement) -> Any:
    line = re.search(r"^example: (.*)$", statement.comment, re.MULTILINE)
    assert line, f"{statement.name} is hot and has no `-- example:` with its parameters"
    return json.loads(line[1])


def literal(value: Any) -> str:
    if isinstance(value, list):
        inner = ",".join("NULL" if part is None else json.dumps(str(part)) for part in value)
        return literal(f"{{{inner}}}")
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def parameters(statement: Statement) -> dict[str, tuple[str, str]]:
    """Return the type and the literal of each parameter, as the driver sends them."""
    given = example(statement)
    if isinstance(given, list):
        columns = list(zip(*given, strict=True))
        assert len(columns) == len(statement.columns), (
            f"{statement.name}: the example has not one value a column"
        )
        return {
            f"c{number}": (f"{kind}[]", literal(list(column)))
            for number, (kind, column) in enumerate(zip(statement.columns, columns, strict=True), 1)
        }
    kinds = {int: "bigint", list: "bigint[]", str: "text"}
    return {name: (kinds[type(value)], literal(value)) for name, value in given.items()}


def touched(connection: psycopg.Connection[Any], statement: Statement) -> set[str]:
    """Return the parts that were scanned when the statement ran on its example, as a writer runs it."""
    given = parameters(statement)
    whole = statement.text
    if "ids" in given:
        whole, given["ids"] = for_one(whole).decode(), ("bigint", given["ids"][1].strip("'{}\""))
    numbers = {name: number for number, name in enumerate(given, 1)}
    text = re.sub(r"%\((\w+)\)s", lambda name: f"${numbers[name[1]]}", whole).replace("%%", "%")
    types = f"({', '.join(kind for kind, _ in given.values())})" if given else ""
    values = f"({', '.join(value for _, value in given.values())})" if given else ""
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        cursor.execute(f"PREPARE hot {types} AS {text}".encode())
        try:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE hot {values}".encode())
            row = cursor.fetchone()
        finally:
            if not connection.broken and connection.info.transaction_status.name != "INERROR":
                cursor.execute(b"DEALLOCATE hot")
    assert row is not None
    return set(scanned(row[0][0]["Plan"]))


def scanned(node: dict[str, Any]) -> Iterator[str]:
    if (
        node.get("Actual Loops")
        and "Scan" in node["Node Type"]
        and re.search(r"_\d+$", node.get("Relation Name", ""))
    ):
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from scanned(child)


@pytest.mark.parametrize("name", sorted(HOT.keys() - EXCEPTIONS))
def test_a_hot_statement_touches_one_partition(name: str, partitioned: psycopg.Connection[Any]) -> None:
    parts = touched(partitioned, HOT[name])
    assert len({part.rpartition("_")[2] for part in parts}) <= 1, sorted(parts)


def test_exceptions_are_those_that_say_why() -> None:
    known = statements("postgresql")
    saying = {name for name, statement in known.items() if "exception: " in statement.comment}
    assert saying == EXCEPTIONS


def test_a_statement_that_looks_everywhere_is_found_out(partitioned: psycopg.Connection[Any]) -> None:
    text = '-- name: x\n-- hot\n-- example: {"run_id": 1}\nSELECT 1 FROM messages WHERE run_id = :run_id'
    (everywhere,) = read([("x.sql", text)], "postgresql").values()
    assert len(touched(partitioned, everywhere)) == PARTS


def test_every_example_runs(db: Database) -> None:
    for name, statement in HOT.items():
        given = example(statement)
        with db.write() as tx:
            if isinstance(given, list):
                tx.many(name, [tuple(row) for row in given])
            elif "ids" in given:
                tx.among(name, given.pop("ids"), **given)
            else:
                tx.all(name, **given)


def test_an_accepted_message_needs_no_new_entry_in_any_index(db: Database) -> None:
    if db.dialect == "sqlite":
        return
    keys = [(contact, 1, 0) for contact in range(1, 201)]
    with db.write() as tx:
        tx.many("put_messages", [(*key, 1, 2, None, None, 1, 3, None, 5, 10, 7, 0) for key in keys])
    asked = "SELECT sum(n_tup_hot_upd) FROM pg_stat_xact_user_tables WHERE relname LIKE 'messages%'"
    with db.write() as tx:
        tx.many("accept_messages", [(*key, 2, 6, None) for key in keys])
        assert tx._connection.execute(asked).fetchone() == (len(keys),)  # type: ignore[attr-defined]


def ran(connection: Any, text: str) -> dict[str, Any]:
    """Return the plan of a statement about an instant, with what it came by."""
    connection.execute(f"PREPARE asked (bigint) AS {text}".encode())
    ((plan,),) = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked (9)").fetchall()
    connection.execute(b"DEALLOCATE asked")
    found: dict[str, Any] = plan[0]["Plan"]
    return found


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def test_a_tick_does_not_start_processes_for_its_plans(db: Database) -> None:
    """A plan for any instant expects a third of a million timers to be due, and would share that out."""
    if db.dialect == "sqlite":
        return
    cheap = b"SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; "
    cheap += b"SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL min_parallel_index_scan_size = 0"
    with db.write() as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        connection.execute(PEOPLE.encode())
        connection.execute(cheap)
        plan = ran(connection, "SELECT min(guard_at) FROM runs WHERE wake_at <= $1 AND guard_at > 0")
        assert not any("Gather" in node["Node Type"] for node in nodes(plan)), plan


def test_a_look_at_guards_does_not_go_through_a_whole_backlog(db: Database) -> None:
    if db.dialect == "sqlite":
        return
    with db.write() as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        connection.execute(PEOPLE.replace("50)", "3000)").encode())
        connection.execute(b"ANALYZE runs")
        plan = ran(connection, statements("postgresql")["next_guard_at"].text.replace("%(now)s", "$1"))
        looked_at = [node["Actual Rows"] for node in nodes(plan) if "Scan" in node["Node Type"]]
        assert 0 < sum(looked_at) < 1_100, plan


def test_a_claim_of_due_runs_does_not_compare_all_with_all(db: Database) -> None:
    """Where PostgreSQL has looked at the queue while it was all but empty it plans for one row."""
    if db.dialect == "sqlite":
        return
    text = statements("postgresql")["claim_due"].text
    for number, name in enumerate(("until", "last", "now", "limit"), 1):
        text = text.replace(f"%({name})s", f"${number}")
    with db.write() as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        connection.execute(b"INSERT INTO due_runs (keys) SELECT '[1,1]' FROM generate_series(1, 3000)")
        pages = b"pg_relation_size('due_runs') / 8192"
        connection.execute(
            b"UPDATE pg_class SET reltuples = 1, relpages = %s WHERE relname = 'due_runs'" % pages
        )
        connection.execute(f"PREPARE asked (bigint, bigint, bigint, bigint) AS {text}".encode())
        asked = b"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked (9, 1000000000, 5, 3000)"
        ((found,),) = connection.execute(asked).fetchall()
        connection.execute(b"DEALLOCATE asked")
        plan = found[0]["Plan"]
        assert plan["Actual Rows"] == 3_000
        assert not any(node.get("Rows Removed by Join Filter") for node in nodes(plan)), plan


def test_postgresql_looks_how_few_rows_small_tables_have(db: Database) -> None:
    """By itself it does so once fifty have changed, and plans for a thousand versions until then."""
    if db.dialect == "sqlite":
        return
    asked = "SELECT relname FROM pg_class WHERE 'autovacuum_analyze_threshold=0' = ANY (reloptions)"
    with db.read() as tx:
        found = tx._connection.execute(asked).fetchall()  # type: ignore[attr-defined]
    assert {name for (name,) in found} == {"accounts", "cascades", "launches", "versions"}


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("ways_of", {"ids": list(range(1, 31))}),
        (
            "held_out_touched",
            {"cascade_id": 1, "version_id": 0, "since": 0, "until": 9, "within": 1, "limit": 5},
        ),
    ],
)
def test_postgresql_finds_in_an_index_of_which_version_runs_are(
    name: str, asked: dict[str, Any], postgres: PostgresServer
) -> None:
    """Of ten thousand people the rows of runs lie on as many pages, most of which are not in memory."""
    url = postgres.create()
    with closing(open_database(url)) as db:
        upgrade(db)
        with db.write() as tx:
            tx.script(f"{PEOPLE}; UPDATE runs SET holdout = 1 WHERE contact_id < 20")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute(BY_KEYS)
        plan = connection.execute(f"EXPLAIN {statements('postgresql')[name].text}".encode(), asked).fetchall()
    postgres.drop(url)
    ways = [row[0] for row in plan if re.search(r"\bon runs\b", row[0])]
    assert ways and all("Index Only Scan" in way for way in ways), ways


@pytest.mark.parametrize(
    ("name", "asked", "way"),
    [
        ("counts_under_way", {"cascade_id": 1}, "SEARCH k USING PRIMARY KEY (version_id=? AND hours=?)"),
        (
            "held_out_touched_among",
            {"cascade_id": 1, "version_id": 0, "since": 0, "until": 9, "within": 1, "limit": 5},
            "SEARCH r USING PRIMARY KEY (contact_id=?)",
        ),
        ("counted_among", {"cascade_id": 1}, "SEARCH run_courses USING PRIMARY KEY (contact_id=?)"),
        (
            "waste_texts",
            {"cascade_id": 1, "since": 0, "until": 9, "limit": 5},
            "SEARCH b USING PRIMARY KEY (contact_id=? AND run_id=? AND step=?)",
        ),
        (
            "counted_within",
            {"first": 0, "last": 9},
            "SEARCH k USING PRIMARY KEY (contact_id>? AND contact_id<?)",
        ),
        ("left_lately", {"since": 1}, "SEARCH facts USING COVERING INDEX facts_left (at>?)"),
    ],
)
def test_figures_look_at_no_more_counts_than_they_tell(
    name: str, asked: Any, way: str, tmp_path: Path
) -> None:
    """Of a million runs there are as many courses, and half a million counts of hours."""
    plan = plan_of(name, asked, tmp_path)
    assert way in plan and not [step for step in plan if step.startswith(("SCAN k", "SCAN run_courses"))]


@pytest.mark.parametrize(
    ("name", "asked", "table"),
    [
        ("lists_of", {}, "m"),
        ("export_lists", {}, "m"),
        ("left_over", {"old": 1}, "list_members"),
        ("carry_list_members", {"old": 1, "kept": 2}, "list_members"),
        ("erase_list_members", {"contact_id": 1}, "list_members"),
    ],
)
def test_whose_lists_are_asked_for_is_not_looked_for_among_all_members(
    name: str, asked: Any, table: str, tmp_path: Path
) -> None:
    """Every launch to a segment leaves a list of all its people."""
    plan = plan_of(name, asked, tmp_path)
    assert f"SEARCH {table} USING COVERING INDEX list_members_contact (contact_id=?)" in plan


def plan_of(name: str, asked: Any, folder: Path) -> list[str]:
    """Return the steps by which SQLite finds what a statement asks for, in a database of nobody."""
    db = open_database(f"sqlite:{folder / 'k.db'}")
    upgrade(db)
    text = f"EXPLAIN QUERY PLAN {statements('sqlite')[name].text}"
    with closing(db), closing(apsw.Connection(str(folder / "k.db"))) as connection:
        ids = {"ids": apsw.carray(array("q", [1, 2]))} if ":ids" in text else {}
        return [row[3] for row in connection.execute(text, asked | ids)]


def test_every_index_is_there_for_a_statement(tmp_path: Path) -> None:
    """But for those that keep rows apart."""
    db = open_database(f"sqlite:{tmp_path / 'k.db'}")
    upgrade(db)
    with closing(db), closing(apsw.Connection(str(tmp_path / "k.db"))) as connection:
        used = {
            index
            for statement in statements("sqlite").values()
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement.text}", anything(statement))
            for index in re.findall(r"INDEX (\w+)", step[3])
        }
        made = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE 'CREATE INDEX%'"
        assert {name for (name,) in connection.execute(made)} <= used


def anything(statement: Statement) -> Any:
    """Return values for a statement's parameters: how it is planned does not depend on them."""
    if numbers := [int(number) for number in re.findall(r"\?(\d+)", statement.text)]:
        return (1,) * max(numbers)
    given: dict[str, Any] = dict.fromkeys(statement.parameters, 1)
    lists = {"ids": apsw.carray(array("q", [1])), "texts": apsw.carray(("a",))}
    return given | {name: value for name, value in lists.items() if name in given}
