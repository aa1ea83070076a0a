"""Erasing a person leaves nothing by which they could be told, in any table, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kaskad.actions import erasure
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.terms import Channel, Kind
from kaskad.store import erasures, suppressions
from kaskad.store.db import Database
from support.marked import CHAT, MAIL, MARKS, PROOF, lived, marked, staged
from support.scenarios import URL, WITH_AGENT, live_tasks
from support.stage import Stage
from support.tables import columns

KEPT = {
    "event_days",
    "consents",
    "contacts",
    "decisions",
    "messages",
    "runs",
    "erasures",
    "merged_contacts",
    "merged_runs",
    "run_twins",
}  # by contact, with nobody's name


@pytest.fixture
def office(either: Database) -> tuple[Stage, Office]:
    return staged(either)


def everything(db: Database) -> dict[str, list[str]]:
    """Return every row of every table as text."""
    with db.read() as tx:
        if tx.dialect == "sqlite":
            connection = tx._connection
            names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {n: [_text(row) for row in connection.execute(f"SELECT * FROM {n}")] for n in names}
        connection = tx._connection
        query = ("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                 " AND relnamespace = 'public'::regnamespace")  # fmt: skip
        names = [n for (n,) in connection.execute(query.encode()).fetchall()]
        return {
            n: [_text(r) for r in connection.execute(f"SELECT * FROM {n}".encode()).fetchall()] for n in names
        }


def _text(row: tuple[object, ...]) -> str:
    return " ".join(
        bytes(part).decode("utf-8", "replace") if isinstance(part, bytes | memoryview) else str(part)
        for part in row
    ).lower()


def found(db: Database) -> list[tuple[str, str]]:
    """Return the tables that still say something of the marked person, and what."""
    return [
        (table, mark)
        for table, rows in everything(db).items()
        for mark in MARKS
        if any(mark.lower() in row for row in rows)
    ]


def test_scenario_25_nothing_of_an_erased_person_is_left_in_any_table(office):
    stage, office = office
    person = lived(stage)
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2, url=URL)
    assert len({table for table, _ in found(stage.db)}) >= 17, "the person is everywhere before"
    assert [task.contact_id for task in live_tasks(stage)] == [person]
    sent, value = stage.sent(person), everything(stage.db)["messages"]
    act = erasure.erase(office, "crm-secret-7", "ann's key")
    assert stage.outcome(person) == "cancelled" and live_tasks(stage) == []
    assert found(stage.db) == []
    assert stage.sent(person) == sent and len(everything(stage.db)["messages"]) == len(value)
    rows = everything(stage.db)
    assert len(rows["raw_webhooks"]) == 1 and len(rows["deliveries"]) == 1, "those of others stay"
    assert len(rows["import_rejects"]) == 1
    assert stage.outcome(bob) is None and len(stage.sent(bob)) == 1
    assert act.counts["raw webhooks"] == 3 and act.counts["addresses"] == 3 and len(act.hashes) == 3
    (kept,) = erasure.show(office, act.id).consents
    assert kept.proof == PROOF
    assert erasure.listing(office, address=MAIL.upper(), after=0, limit=9) == [act]
    assert erasure.listing(office, address="other@example.org", after=0, limit=9) == []
    with pytest.raises(NotFound):
        erasure.erase(office, f"con_{person}", "again")


def test_scenario_25_whoever_comes_again_with_the_address_stays_suppressed(office):
    stage, office = office
    stage.cascade(WITH_AGENT)
    marked(stage)
    erasure.erase(office, MAIL, "ann's key")
    stage.passes("P7D")
    again = marked(stage)
    with stage.db.read() as tx:
        assert {row[2] for row in tx.all("card_addresses", contact_id=again)} == {suppressions.SUPPRESSED}
    stage.event(again, "left", cart_id=9, url=URL)
    assert stage.sent(again) == [] and stage.states(again)["letter"] == "suppressed"


def test_what_comes_in_later_is_deleted_too(office):
    stage, office = office
    person = lived(stage)
    run = stage.run(person)
    erasure.erase(office, f"con_{person}", "ann's key")
    stage.receipt(
        person, Kind.REPLIED, step=0, event=f"wamid.{CHAT}", value=json.dumps({"text": "marked again"})
    )
    with stage.db.write() as tx:
        tx.many("put_hits", [(person, run.id, 0, 0, stage.clock.now(), "GET", "192.0.2.77", "Firefox", None)])
    assert found(stage.db)
    stage.passes("2h")
    assert found(stage.db) == []


def test_an_address_of_several_people_names_nobody(office):
    stage, office = office
    for name in ("ann", "bob"):
        stage.person(name, [], addresses={Channel.EMAIL: "both@example.org"})
    with pytest.raises(Conflict, match="2 people have this address"):
        erasure.erase(office, "both@example.org", "me")


def test_every_table_of_people_is_erased_or_kept_on_purpose(either):
    """A new table with people in it has to be named here, or in `store/erasures.py`."""
    sql = " ".join(text for _, text in _statements() if text)
    with_people = {table for table, columns in columns(either).items() if "contact_id" in columns}
    missing = {table for table in with_people - KEPT if f" {table} " not in sql.replace("\n", " ")}
    assert not missing


def _statements() -> Iterator[tuple[str, str]]:
    from kaskad.store.statements import statements

    for name, statement in statements("sqlite").items():
        if statement.file == "erasures.sql":
            yield name, statement.source + " "


def test_marks_are_whole_words():
    marks = erasures.Marks(["+77010000042", "ann@example.org", "12"], exact=['"con_7"'])
    assert marks.name("to=%2B77010000042&x") and marks.name('{"a": "ANN@example.org"}')
    assert marks.name("a=ann%40example.org") and marks.name('{"id":"con_7"}')
    assert not marks.name("770100000421") and not marks.name("joann@example.org") and not marks.name("12")
    assert not marks.name('{"id":"con_77"}')
