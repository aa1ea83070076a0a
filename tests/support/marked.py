"""A person every part of whom can be told again, to whom nearly everything has happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

from kaskad.actions.office import Office
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.engine import Engine
from kaskad.engine.receive import Delivery
from kaskad.store import cascades, opt_ins, suppressions
from kaskad.store.contacts import Address, Consent, Contact, upsert
from kaskad.store.db import Database, Transaction
from kaskad.store.opt_ins import OptIn
from support.scenarios import DESK, URL, WITH_AGENT
from support.stage import VAULT, Stage

MAIL, PHONE, CHAT = "marked.person@mail.example.org", "+77010000042", "990001112223"
PROOF = {"act": "form", "source": "order form", "text": "Yes"}
MARKS = ("marked", PHONE[1:], CHAT, "192.0.2.77", "Firefox", "crm-secret-7", "cart-42", "wamid")


def staged(db: Database) -> tuple[Stage, Office]:
    """Return a stage and the office over it: its engine works whenever it is told something."""
    stage = Stage(db)
    return stage, office_of(stage)


def office_of(stage: Stage) -> Office:
    """Return the office over a stage's engine, which then works whenever it is told something."""
    engine = stage.engine

    def written(change: Callable[[Transaction], Any], *, synced: bool = True) -> Future[Any]:
        future = Engine.write(engine, change, synced=synced)
        stage.works()
        return future

    def delivered(delivery: Delivery) -> Future[Any]:
        future = Engine.deliver(engine, delivery)
        stage.works()
        return future

    engine.write, engine.deliver = written, delivered  # type: ignore[method-assign]
    return Office(stage.db, VAULT, engine, stage.world.signer, "https://go.example.org")


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
            shape="",
            guessed="[]",
            header="[]",
            now=now,
            beat_at=now,
            digest="",
        )
        tx.run("note_import", id=1, notes=json.dumps([[1, f"'{MAIL}' is no address"]]))
        tx.many("put_import_rejects", [
            (1, 7, "no such phone", json.dumps([MAIL, "12"])), (1, 8, "no such phone", '["bob", "13"]'),
        ])  # fmt: skip
        cascades.add_members(tx, cascades.save_list(tx, "spring"), [person])
    return person
