"""A real campaign's bad day: scenarios 1 to 13 of the domain rules, through the engine on a real database.

What of them waits for parts that are not there yet stands in support/scenarios.py and is printed at the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest

from kaskad.actions import reports
from kaskad.actions.office import Office
from kaskad.domain.policy import HOUR, MINUTE, Confirmations, Wording
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine import agents
from kaskad.engine.ingest import Ingest
from kaskad.providers.base import Inbound
from kaskad.store.db import open_database
from support.play import NOON
from support.scenarios import (
    ADVERTISING,
    APPLE,
    DESK,
    GENERAL,
    SCANNER,
    SMS_FIRST,
    URL,
    WITH_AGENT,
    begun,
    limited,
    live_tasks,
)
from support.stage import VAULT, Stage, accepted, refused


def test_scenario_01_an_opening_just_before_the_messenger_is_due(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.passes("PT23H")
    stage.passes("3598s")
    stage.receipt(ann, Kind.OPENED)
    stage.passes("2s")
    assert stage.sent(ann) == ["letter"]
    stage.passes("4h")
    assert stage.sent(ann) == ["letter", "chat"]


def test_scenario_01_an_opening_just_after_the_messenger_left(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.passes("PT24H")
    stage.sleeps("2s")
    stage.receipt(ann, Kind.OPENED, step=0)
    assert stage.sent(ann) == ["letter", "chat"] and stage.outcome(ann) is None
    stage.receipt(ann, Kind.CLICKED, step=0)
    assert stage.outcome(ann) == "responded" and stage.run(ann).outcome_step == 0


def test_scenario_02_a_click_on_the_letter_after_the_sms_left(db):
    stage = Stage(db, account_each={"prices": {"minor": 1500, "currency": "KZT"}})
    ann = begun(stage)
    stage.passes("PT31H")
    assert stage.sent(ann) == ["letter", "chat", "sms"]
    stage.receipt(ann, Kind.CLICKED, step=0)
    stage.passes("P2D")
    assert stage.outcome(ann) == "responded" and stage.run(ann).outcome_step == 0
    assert stage.sent(ann) == ["letter", "chat", "sms"]
    assert stage.rows("reserved_money", id=1)[0][0] == 4500, "the SMS was paid"
    office = Office(db, VAULT, stage.engine, stage.world.signer, "")
    made = reports.report(office, "general").report
    told = {line.id: (line.sent, line.reacted, line.reached) for line in made.lines if line.sent}
    assert told == {"letter": (1, 1, 1), "chat": (1, 0, 0), "sms": (1, 0, 0)}, "only the letter is a success"
    assert made.outcomes == {"responded": 1} and made.lines[2].cost == {"KZT": 1500}


def test_scenario_03_a_prefetch_of_the_pixel_is_no_opening(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.passes("40s")
    stage.hits(ann, -1, agent=APPLE, ip="172.224.226.1")
    stage.passes("PT24H")
    assert stage.sent(ann) == ["letter", "chat"]
    assert not stage.passages(ann)[0].mask & Kind.OPENED.bit


def test_scenario_04_a_gateway_that_presses_every_link(db):
    links = " ".join(f"{{{{ link('https://shop.example.org/{n}') }}}}" for n in range(6))
    stage = Stage(db)
    ann = begun(
        stage, GENERAL.replace("""html: '<a href="{{ link(trigger.url) }}">cart</a>'""", f'text: "{links}"')
    )
    stage.passes("2s")
    stage.hits(ann, 0, 1, 2, **SCANNER)
    stage.passes("1s")
    stage.hits(ann, 3, 4, 5, -2, **SCANNER)
    stage.passes("1h")
    mask = stage.passages(ann)[0].mask
    assert not mask & Kind.CLICKED.bit and mask & Kind.MACHINE_CLICKED.bit
    assert stage.outcome(ann) is None and not mask & Kind.UNSUBSCRIBED.bit
    stage.passes("PT23H")
    assert stage.sent(ann) == ["letter", "chat"]


def test_scenario_05_receipts_in_every_order_each_told_again_next_day(db):
    stage = Stage(db)
    stage.cascade(GENERAL.replace("wait: 6h", "wait: 6h, success: replied"))
    kinds = (Kind.READ, Kind.DELIVERED, Kind.SENT, Kind.DELIVERED)
    found = set()
    for number, order in enumerate(sorted(set(permutations(kinds)))):
        person = stage.person(f"p{number}", [Channel.WHATSAPP])
        stage.event(person, "left", cart_id=number, url=URL)
        for kind in order:
            stage.receipt(person, kind, event=kind.name)
        stage.sleeps("P1D")
        stage.works()
        before = stage.passages(person)[1]
        for kind in order:
            stage.receipt(person, kind, event=kind.name, ago="24h")
        assert stage.passages(person)[1] == before
        found.add(stage.states(person)["chat"])
    assert found == {"read"}


def test_scenario_06_a_webhook_that_beats_the_answer(db):
    stage = Stage(db)
    held = []
    stage.answer = lambda parcel: held.append(parcel)
    ann = begun(stage, GENERAL.replace("letter\n    channel: email", "letter\n    channel: [email]"))
    stage.unmatched(held[0].account_id, "provider-7", Kind.CLICKED)
    assert stage.outcome(ann) is None
    stage.engine.take_results([accepted(held[0], stage.clock.now(), "provider-7")])
    stage.works()
    assert stage.outcome(ann) == "responded"


@pytest.mark.parametrize("receipt", [True, False])
def test_scenario_07_the_answer_is_lost_and_a_receipt_comes_or_never(db, receipt):
    stage = Stage(db)
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), Reason.AMBIGUOUS, proven=False)
        if parcel.step == 0
        else accepted(parcel, stage.clock.now())
    )
    ann = begun(stage, SMS_FIRST)
    if receipt:
        stage.passes("10m")
        stage.receipt(ann, Kind.DELIVERED)
    stage.passes("2h")
    assert stage.sent(ann) == ["sms", "chat"], "the transition was at two hours all the same"
    stage.passes("PT75H")
    assert stage.states(ann)["sms"] == ("delivered" if receipt else "unknown")


def test_scenario_07_no_receipt_ever_makes_it_unknown_after_the_ttl(db):
    stage = Stage(db)
    ann = begun(stage, SMS_FIRST)
    stage.passes("PT71H")
    assert stage.states(ann)["sms"] == "sent"
    stage.passes("2h")
    assert stage.states(ann)["sms"] == "unknown" and stage.sent(ann) == ["sms", "chat"]


def test_scenario_08_a_provider_is_down_for_an_hour(db):
    """A real breaker opens, nobody's clock runs out, the backlog comes throttled, buyers get nothing."""
    stage = Stage(db, account_each={"limits": {"concurrency": 50, "per_second": 20, "burst": 50}})
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.TRANSIENT)
    stage.cascade(SMS_FIRST)
    webinar = (
        SMS_FIRST.replace("order", "webinar")
        .replace("event: left", "event: registered")
        .replace("wait: 2h}", "wait: 2h, at: {before: trigger.starts_at, by: 30m}}")
    )
    stage.cascade(webinar)
    people = [stage.person(f"p{n}", [Channel.SMS]) for n in range(300)]
    stage.deliver(events=[stage.told(p, "left", cart_id=p) for p in people[:250]])
    starts_at = (NOON + 50 * MINUTE) // 1000
    stage.deliver(events=[stage.told(p, "registered", cart_id=p, starts_at=starts_at) for p in people[250:]])
    stage.passes("30m")
    assert len(stage.parcels) < 60, "the breaker asks with one message at a time"
    stage.deliver(events=[stage.told(p, "bought") for p in people[:40]])
    stage.passes("30m")
    stage.parcels.clear()
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("15m")
    got = {parcel.contact_id for parcel in stage.parcels}
    assert got == set(people[40:250]), "neither the buyers, nor the webinar that has begun"
    seconds = [parcel.outgoing.at // 1000 for parcel in stage.parcels]
    assert max(map(seconds.count, set(seconds))) <= 50 + 20
    last = people[249]
    assert stage.run(last).wake_at == stage.at(last)[-1] + 2 * HOUR, "the step's time starts when it is sent"
    assert {stage.outcome(p) for p in people[:40]} == {"converted"}
    assert {stage.outcome(p) for p in people[250:]} <= {"unreachable", "expired"}


CHILD = """
import os, signal, sys
sys.path[:0] = sys.argv[3:]
from kaskad.domain.terms import Kind
from kaskad.store.db import open_database
from support.stage import Stage
stage = Stage(open_database(sys.argv[1]))
stage.cascade(sys.argv[2])
received = []
def die(parcel):
    print(parcel.contact_id, parcel.outgoing.key, flush=True)  # the provider has it
    received.append(parcel)
    if len(received) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
stage.answer = die
stage.deliver(events=[stage.told(stage.person(f"p{n}"), "left", cart_id=n) for n in range(3)])
"""


def test_scenario_09_a_worker_killed_between_submission_and_answer(tmp_path: Path):
    place = str(tmp_path / "kaskad.db")
    db = open_database(place)
    from kaskad.store.migrate import upgrade

    upgrade(db)
    db.close()
    child = subprocess.run(
        [sys.executable, "-c", CHILD, place, SMS_FIRST, *sys.path],
        capture_output=True, text=True, timeout=60, env={**os.environ},
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL, child.stderr
    received = child.stdout.split()[1::2]
    assert len(received) == 3
    db = open_database(place)
    stage = Stage(db, at=NOON + MINUTE)
    stage.passes("1h")
    assert stage.parcels == [], "nothing goes out again"
    assert [stage.states(person) for person in (1, 2, 3)] == [{"sms": "unknown"}] * 3
    stage.passes("1h")
    assert [parcel.step for parcel in stage.parcels] == [1, 1, 1], "and nobody is lost"
    db.close()


@pytest.mark.parametrize("text", [GENERAL, ADVERTISING])
def test_scenario_10_stop_in_reply_to_the_sms_while_a_call_is_queued(db, text):
    stage = Stage(db)
    ann = begun(stage, text, addresses={Channel.SMS: "+77010000001"})
    stage.passes("PT31H")
    assert stage.sent(ann)[-1] == "sms"
    stage.answer = lambda parcel: refused(
        parcel, stage.clock.now(), Reason.RATE_LIMITED, retry_after_ms=5 * MINUTE
    )
    stage.passes("62m")
    assert stage.states(ann)["robot"] == "queued"
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    future = stage.says(Channel.SMS, "+77010000001", "Стоп!")
    assert future.done()
    with db.write() as tx:
        assert [row for row in tx.among("look_consents", [ann]) if not row[1]], "kept before the answer"
    stage.passes("P1D")
    assert [p.step for p in stage.parcels].count(3) == 1, "only the attempt that was refused"
    assert stage.states(ann)["robot"] == "cancelled"
    assert stage.outcome(ann) == "opted_out"


def test_scenario_10_stop_in_reply_to_the_sms_while_an_agent_has_the_task(db):
    stage = Stage(db)
    stage.account(Channel.AGENT_CALL, "agent_call", provider="desk", settings=DESK)
    ann = begun(stage, WITH_AGENT, addresses={Channel.SMS: "+77010000001"})
    stage.passes("PT35H")
    (task,) = live_tasks(stage)
    stage.engine.write(lambda tx: agents.claim(tx, stage.world, "eva", stage.clock.now()))
    stage.works()
    future = stage.says(Channel.SMS, "+77010000001", "Стоп!")
    assert future.done() and live_tasks(stage) == [], "withdrawn before the answer"
    answer = stage.engine.write(lambda tx: agents.dial(tx, stage.world, task.key, "eva", stage.clock.now()))
    stage.works()
    assert answer.result().number == "" and stage.states(ann)["agent"] == "cancelled"
    assert stage.outcome(ann) in ("opted_out", "responded")


def test_scenario_10_one_confirmation_at_most(db):
    texts = Confirmations(opt_out=(Wording("ru", "Больше не пишем."),))
    stage, said = Stage(db, policy=limited(confirmations=texts)), []
    own = {"url": "https://provider.example.org/", "idempotent": "no"}
    stage.account(Channel.SMS, "sms", settings=own, secrets={"secret": "s" * 32})
    begun(stage, ADVERTISING, addresses={Channel.SMS: "+77010000001"})
    ingest = Ingest(stage.engine, db, errands=lambda account, requests: said.extend(requests))
    for event, text in enumerate(("стоп", "стоп", "СТОП!!", "не пишите")):
        told = Inbound(
            channel=Channel.SMS, address="+77010000001", kind=Kind.REPLIED, text=text, event=str(event)
        )
        kept = ingest.receipts(stage.world.accounts.by_name["sms"], [told], {}, b"{}", None)
        stage.works()
        assert kept.done()
        stage.passes("3m")
    (request,) = said
    assert json.loads(request.body)["text"] == "Больше не пишем."


def test_scenario_11_a_complaint_ends_every_advertising_run(db):
    stage = Stage(db)
    stage.cascade(ADVERTISING)
    stage.cascade(ADVERTISING.replace("promo", "news").replace("left", "subscribed"))
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1, url=URL)
    stage.event(ann, "subscribed", cart_id=1, url=URL)
    stage.receipt(ann, Kind.COMPLAINED, step=0)
    stage.passes("P9D")
    assert len(stage.parcels) == 2 and [run.outcome for run in stage.runs(ann)] == [6, 6]  # complained
    stage.clock.at += 30 * 24 * HOUR
    stage.event(ann, "left", cart_id=2, url=URL)
    stage.passes("P2D")
    assert len(stage.parcels) == 2


def test_scenario_12_a_contact_with_an_e_mail_address_only(db):
    stage = Stage(db)
    ann = begun(stage, channels=[Channel.EMAIL])
    stage.passes("PT23H")
    assert stage.outcome(ann) is None
    stage.passes("1h")
    assert stage.outcome(ann) == "exhausted"
    assert stage.states(ann) == {"letter": "sent", **dict.fromkeys(("chat", "sms", "robot"), "no_address")}


def test_scenario_13_all_addresses_are_dead(db):
    stage = Stage(db)
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
    ann = begun(stage)
    stage.passes("5m")
    assert stage.outcome(ann) == "unreachable"
