"""Erasing a person leaves nothing by which they could be told, in any table, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from kaskad.actions import erasure
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.terms import Channel, Kind
from kaskad.store import cascades, erasures, opt_ins, suppressions
from kaskad.store.contacts import Address, Consent, Contact, upsert
from kaskad.store.db import Database
from kaskad.store.opt_ins import OptIn
from support.scenarios import DESK, URL, WITH_AGENT, live_tasks
from support.stage import VAULT, Stage

MAIL, PHONE, CHAT = "marked.person@mail.example.org", "+77010000042", "990001112223"
PROOF = {"act": "form", "source": "order form", "text": "Yes"}
MARKS = ("marked", PHONE[1:], CHAT, "192.0.2.77", "Firefox", "crm-secret-7", "cart-42", "wamid")
KEPT = {"consents", "contacts", "decisions", "messages", "runs", "erasures"}  # by contact, with nobody's name


@pytest.fixture
def office(either: Database) -> Iterator[tuple[Stage, Office]]:
    stage = Stage(either)
    office = Office(either, VAULT, stage.engine, stage.world.signer, "https://go.example.org")
    # The engine of a stage has no thread of its own: it works whenever it is told something.
    write, deliver = stage.engine.write, stage.engine.deliver

    def written(change):
        future = write(change)
        stage.works()
        return future

    def delivered(delivery):
        future = deliver(delivery)
        stage.works()
        return future

    stage.engine.write, stage.engine.deliver = written, delivered
    yield stage, office


def marked(stage: Stage) -> int:
    """Return a contact every part of whom can be told again."""
    told = Contact(
        external_id="crm-secret-7", zone="UTC", language="ru", attributes={"name": "Marked Person"},
        addresses=[
            Address(Channel.EMAIL, MAIL), Address(Channel.SMS, PHONE), Address(Channel.WHATSAPP, CHAT),
        ],
        consents=[Consent(granted=True, at=1, proof=json.dumps(PROOF | {"ip": "192.0.2.77", "by": MAIL}))],
    )  # fmt: skip
    with stage.db.write() as tx:
        key = suppressions.hash_key(tx, VAULT)
        return upsert(tx, key, [told], stage.clock.now())[0]


def lived(stage: Stage) -> int:
    """Return somebody to whom nearly everything has happened, with an open task."""
    stage.account(Channel.AGENT_CALL, "agent_call", provider="desk", settings=DESK)
    stage.cascade(WITH_AGENT)
    person, now = marked(stage), stage.clock.now()
    stage.event(person, "left", id="cart-42", cart_id="cart-42", url=URL, note="marked properties")
    stage.hits(person, -1, ip="192.0.2.77")
    stage.passes("PT35H")
    account = stage.parcels[0].account_id
    run = stage.run(person)
    stage.receipt(
        person, Kind.DELIVERED, step=0, event=f"wamid.{CHAT}", value=json.dumps({"text": "marked words"})
    )
    with stage.db.write() as tx:
        tx.run("note_task", contact_id=person, run_id=run.id, step=4, attempt=1, notes="marked notes")
        tx.many("put_attempts", [(person, run.id, 0, 7, account, now, now, 1, f"no such mailbox {MAIL}")])
        tx.many("put_provider_ids", [(account, "wamid-marked", person, run.id, 0)])
        tx.many("put_look_ups", [(account, "wamid-marked", person, run.id, 0, now, now + 10**9)])
        tx.many("put_orphans", [(account, "wamid-marked2", now, 2, "e", now, json.dumps({"from": MAIL}))])
        tx.many("put_raw_webhooks", [
            (account, now, "{}", f'{{"to": "{PHONE}", "text": "marked"}}'.encode(), None),
            (account, now, "{}", f"From={quote(PHONE)}&Body=marked".encode(), None),
            (account, now, "{}", b'{"status": "sent", "id": "wamid-marked"}', None),
            (account, now, "{}", b'{"to": "+77010000043", "text": "somebody else"}', None),
        ])  # fmt: skip
        tx.many("put_outbox", [(now, person, run.id, 0, "message.reacted", "x", '{"text": "marked"}')])
        tx.many("put_deliveries", [
            (1, "msg_1", "run.entered",
             f'{{"data":{{"contact":{{"id":"con_{person}","external_id":"crm-secret-7"}}}}}}', now),
            (1, "msg_2", "run.entered", f'{{"data":{{"contact":{{"id":"con_{person}9"}}}}}}', now),
        ])  # fmt: skip
        tx.many("put_crm_jobs", [(1, 1, "msg_1", f'{{"contact_id":{person},"detail":"marked"}}', now)])
        opt_ins.put(tx, "token", OptIn(person, account, now + 10**9, consent="marked consent"), now)
        tx.run(
            "add_import",
            source="people.csv",
            owner="me",
            dry_run=0,
            size=1,
            columns="{}",
            now=now,
            beat_at=now,
        )
        tx.run("note_import", id=1, rejected=1, notes=json.dumps([[1, f"'{MAIL}' is no address"]]))
        cascades.add_members(tx, cascades.save_list(tx, "spring"), [person])
    return person


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
    with_people = {table for table, columns in _columns(either).items() if "contact_id" in columns}
    missing = {table for table in with_people - KEPT if f" {table} " not in sql.replace("\n", " ")}
    assert not missing


def _statements() -> Iterator[tuple[str, str]]:
    from kaskad.store.statements import statements

    for name, statement in statements("sqlite").items():
        if statement.file == "erasures.sql":
            yield name, statement.source + " "


def _columns(db: Database) -> dict[str, set[str]]:
    with db.read() as tx:
        connection = tx._connection
        if tx.dialect == "sqlite":
            names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {n: {row[1] for row in connection.execute(f"PRAGMA table_info({n})")} for n in names}
        rows = connection.execute(
            b"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        found: dict[str, set[str]] = {}
        for table, column in rows:
            found.setdefault(table, set()).add(column)
        return found


def test_marks_are_whole_words():
    marks = erasures.Marks(["+77010000042", "ann@example.org", "12"], exact=['"con_7"'])
    assert marks.name("to=%2B77010000042&x") and marks.name('{"a": "ANN@example.org"}')
    assert marks.name("a=ann%40example.org") and marks.name('{"id":"con_7"}')
    assert not marks.name("770100000421") and not marks.name("joann@example.org") and not marks.name("12")
    assert not marks.name('{"id":"con_77"}')
