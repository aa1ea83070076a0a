"""Erasing a person leaves nothing by which they could be told, in any table, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kaskad.actions import erasure
from kaskad.actions.columns import Keeper
from kaskad.actions.office import Office
from kaskad.domain.condition import parse
from kaskad.domain.errors import Conflict, NotFound, Unavailable
from kaskad.domain.terms import Channel, Kind
from kaskad.engine import forgetting
from kaskad.engine.errands import Errands
from kaskad.engine.forgetting import Forgetting
from kaskad.store import contacts, erasures, searches, segment_base, segments, suppressions
from kaskad.store.db import Database
from kaskad.store.marks import Marks
from support import one_count
from support.faults import until
from support.marked import CHAT, MAIL, MARKS, PROOF, lived, marked, staged
from support.scenarios import URL, WITH_AGENT, live_tasks
from support.stage import VAULT, Stage
from support.tables import columns

KEPT = {
    "resting",  # numbers, for an hour
    "address_book",  # goes with `addresses`, by a trigger
    "booked_twice",  # numbers that an import under way has kept
    "segment_touched",
    "run_touched",
    "due_runs",
    "run_courses",
    "double_messages",
    "consents",
    "contacts",
    "decisions",
    "amounts",
    "bill_lines",
    "messages",
    "runs",
    "erasures",
    "merged_contacts",
    "merged_runs",
    "run_twins",
}  # by contact, with nobody's name
LETTER = """
cascade: letter
title: Letter
class: service
trigger: {event: left}
steps: [{id: letter, channel: email, subject: s, text: t, wait: 2h}]
"""


@pytest.fixture
def office(either: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[Stage, Office]:
    """Return an office that searches what was kept whole to its end, however long that takes here."""
    monkeypatch.setattr(erasure, "PATIENCE_S", 600.0)
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


def test_what_columns_said_of_an_erased_person_goes_from_memory_too(office):
    stage, office = office
    marked(stage)
    list(segment_base.making(stage.db, 1))

    def in_memory():
        with stage.db.read() as tx:
            return "marked person" in repr(tx.shelf._kept).lower()

    with stage.db.read() as tx:
        assert segments.count(tx, parse("contact.name == 'Marked Person'"), stage.clock.now()) == 1
    assert in_memory()
    erasure.erase(office, MAIL, "ann's key")
    Keeper(office).round()
    assert not in_memory()


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


def test_figures_tell_no_words_of_refusals_that_are_erased_or_come_in_later(office):
    stage, office = office
    stage.cascade(LETTER)
    ann, bob = stage.person("ann", tracking=False), stage.person("bob")
    for person in (ann, bob):
        stage.event(person, "left")
    told = json.dumps({"reason": "content", "detail": "refused"})
    stage.receipt(ann, Kind.FAILED, event="failed", value=told)
    stage.passes("P9D")  # the runs are over: an erasure ends nothing
    assert words(stage) == 1
    for person in (ann, bob):
        erasure.erase(office, f"con_{person}", "ann's key")
    assert words(stage) == 0
    stage.receipt(bob, Kind.FAILED, event="failed", value=told)
    assert words(stage) == 1
    stage.passes("2h")  # the sweep
    assert words(stage) == 0


def words(stage: Stage) -> int:
    """Return of how many runs figures tell that word of a refusal, all counting done."""
    stage.works()
    text = "SELECT count(*) FROM run_courses r JOIN courses c ON c.id = r.course_id WHERE c.detail LIKE "
    return one_count.rows(stage.db, text + "'%refused%'")[0][0]


def test_what_was_kept_whole_is_searched_later_where_that_takes_long(office, monkeypatch):
    stage, office = office
    person = lived(stage)
    monkeypatch.setattr(erasure, "PATIENCE_S", 0)
    monkeypatch.setattr(searches, "PIECE", 2)
    monkeypatch.setattr(searches, "PIECES", 1)
    with stage.db.write() as tx:  # somebody else has the same proof but for the address, and the same domain
        key = suppressions.hash_key(tx, VAULT)
        shared = contacts.Consent(granted=True, at=1, proof='{"act":"call","by":"the marked office"}')
        contacts.save(tx, key, [contacts.Contact(id=person, consents=[shared])], stage.clock.now())
        other = contacts.Address(Channel.EMAIL, "other@firma.kz")
        contacts.save(tx, key, [contacts.Contact(addresses=[other], consents=[shared])], stage.clock.now())
        own = [contacts.Address(Channel.EMAIL, f"x@{domain}") for domain in ("firma.kz", "marked-family.kz")]
        contacts.add_addresses(tx, key, person, own)
    act = erasure.erase(office, "crm-secret-7", "ann's key")
    assert act.stage == 0 and "raw webhooks" not in act.counts and stage.outcome(person) == "cancelled"
    assert {table for table, _ in found(stage.db)} >= {
        "raw_webhooks",
        "provider_ids",
        "mail_domains",
        "proofs",
    }
    assert "marked" not in " ".join(everything(stage.db)["erasure_searches"]), "only encrypted"
    steps = 0
    while True:
        with stage.db.read() as tx:
            search = searches.first(tx, VAULT)
            looked = None if search is None else searches.look(tx, search)
        if search is None or looked is None:
            break
        with stage.db.write() as tx:
            searches.apply(tx, VAULT, search, looked)
        with stage.db.write() as tx:
            assert not searches.apply(tx, VAULT, search, looked), "another process has been quicker"
        steps += 1
    assert steps > len(searches.STAGES)
    assert {table for table, _ in found(stage.db)} == {"proofs"}, "the proof that the other one has, too"
    assert any("the marked office" in row for row in everything(stage.db)["proofs"])
    assert [row.split()[0] for row in everything(stage.db)["mail_domains"]] == ["firma.kz"]
    ended = erasure.show(office, act.id).act
    assert (ended.stage, ended.counts["raw webhooks"]) == (None, 3)


def test_a_server_goes_on_with_the_search(db, monkeypatch):
    stage, office = staged(db)
    lived(stage)
    monkeypatch.setattr(erasure, "PATIENCE_S", 0)
    monkeypatch.setattr(forgetting, "LOOK_S", 0.01)
    act = erasure.erase(office, "crm-secret-7", "ann's key")
    assert act.stage == 0 and found(db)
    real, fails = searches.look, iter([KeyError("place"), Unavailable("away")])

    def look(tx, search):
        if error := next(fails, None):
            raise error
        return real(tx, search)

    monkeypatch.setattr(searches, "look", look)  # one look that fails of a defect does not end the search
    errands = Errands()
    errands.start()
    try:
        Forgetting(errands, stage.engine, db, VAULT).start()
        until(lambda: erasure.show(office, act.id).act.stage is None)
    finally:
        errands.stop()
    assert found(db) == [] and erasure.show(office, act.id).act.counts["raw webhooks"] == 3


def test_the_file_of_the_database_holds_nothing_of_an_erased_person(db, tmp_path):
    stage, office = staged(db)
    lived(stage)

    def marks() -> set[str]:
        files = [path.read_bytes().lower() for path in tmp_path.glob("kaskad.db*")]
        files = [file.replace(b"unmarked", b"") for file in files]  # a column is called so
        return {mark for mark in MARKS if any(mark.lower().encode() in file for file in files)}

    assert marks() == set(MARKS)
    erasure.erase(office, "crm-secret-7", "ann's key")
    assert marks() == set()


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
        if statement.file == "erasures.sql" or name in dict(erasures.OF_CONTACT).values():
            yield name, statement.source + " "


def test_marks_are_whole_words():
    marks = Marks(["+77010000042", "ann@example.org", "12"], exact=['"con_7"'])
    assert marks.name("to=%2B77010000042&x") and marks.name('{"a": "ANN@example.org"}')
    assert marks.name("a=ann%40example.org") and marks.name('{"id":"con_7"}')
    assert not marks.name("770100000421") and not marks.name("joann@example.org") and not marks.name("12")
    assert not marks.name('{"id":"con_77"}')
