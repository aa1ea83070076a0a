"""A real campaign's bad day: the 25 scenarios of the domain rules, through the engine on a real database.

What of them waits for parts that are not there yet stands in support/scenarios.py and is printed at the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import pytest
from msgspec.structs import replace

from kaskad.domain.policy import HOUR, MINUTE, Cap, Counted, PerClass, Policy
from kaskad.domain.terms import Channel, Kind, MessageClass, Reason
from kaskad.store import contacts
from kaskad.store.db import open_database
from kaskad.store.suppressions import suppress
from support.play import NOON
from support.stage import HASH_KEY, Stage, accepted, refused

GENERAL = """
cascade: general
title: General
class: service
topic: orders
trigger: {event: left, key: cart_id}
goal: {event: bought, match: {cart_id: trigger.cart_id}, within: 7d}
steps:
  - id: letter
    channel: email
    subject: "{{ contact.name }}"
    html: '<a href="{{ link(trigger.url) }}">cart</a>'
    wait: [{unless: opened, for: 24h}, {unless: clicked, for: 4h, from: opened}]
  - {id: chat, channel: whatsapp, text: "{{ contact.name }}", wait: 6h}
  - {id: sms, channel: sms, text: "{{ contact.name }}", wait: 2h}
  - {id: robot, channel: robot_call, say: "{{ contact.name }}", wait: 2h}
"""
ADVERTISING = GENERAL.replace("class: service", "class: advertising\nholdout: 0%").replace("general", "promo")
URL = "https://shop.example.org/cart"
APPLE = "Mozilla/5.0"
SCANNER = {"agent": "Mozilla/5.0 (Windows NT 10.0) SafeLinks", "ip": "192.0.2.9"}


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)


def limited(**changes):
    return replace(Policy.unlimited(), **changes)


def begun(stage, text=GENERAL, **options):
    stage.cascade(text)
    ann = stage.person("ann", **options)
    stage.event(ann, "left", cart_id=1, url=URL)
    return ann


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


SMS_FIRST = """
cascade: order
title: Order
class: service
trigger: {event: left, key: cart_id}
goal: {event: bought}
steps:
  - {id: sms, channel: sms, text: "{{ contact.name }}", success: replied, wait: 2h}
  - {id: chat, channel: telegram, text: t, wait: 200h}
"""


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
    assert stage.states(ann)["robot"] in ("cancelled", "no_consent", "queued")
    assert stage.outcome(ann) in ("opted_out", "responded")


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


def test_scenario_14_a_cascade_is_edited_with_runs_in_flight(db):
    stage = Stage(db)
    ann = begun(stage)
    new = GENERAL.replace("  - {id: sms", "  - {id: push, channel: push, text: new, wait: 1h}\n  - {id: sms")
    stage.cascade(new)
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2, url=URL)
    stage.passes("P3D")
    assert stage.sent(ann) == ["letter", "chat", "sms", "robot"]
    assert stage.sent(bob) == ["letter", "chat", "push", "sms", "robot"]


@pytest.mark.parametrize("ticks", [1, 3])
def test_scenario_15_one_cart_triggers_three_events(db, ticks):
    stage = Stage(db)
    stage.cascade(GENERAL)
    ann = stage.person("ann")
    events = [stage.told(ann, "left", cart_id=1, url=URL) for _ in range(3)]
    if ticks == 1:
        stage.deliver(events=events)
    else:
        for event in events:
            stage.deliver(events=[event])
            stage.sleeps("300ms")
    assert len(stage.runs(ann)) == 1 and stage.sent(ann) == ["letter"]
    stage.event(ann, "bought", cart_id=1)
    stage.passes("P2D")
    stage.event(ann, "left", cart_id=2, url=URL)
    assert len(stage.runs(ann)) == 1 and stage.world.refusals[1, "cooldown"] == 1
    stage.passes("P6D")
    stage.event(ann, "left", cart_id=3, url=URL)
    assert len(stage.runs(ann)) == 2


def test_scenario_16_a_promotion_and_an_appointment_at_ten(db):
    policy = limited(
        caps=(Cap(1, 1, Counted.TOUCHES, classes=(MessageClass.ADVERTISING,)),),
        run_gap_ms=PerClass(service=HOUR, advertising=HOUR),
    )
    stage = Stage(db, policy=policy, at=utc(2026, 6, 1, 22))
    stage.cascade(ADVERTISING)
    stage.cascade(GENERAL.replace("general", "appointment").replace("class: service", "class: transactional"))
    ann = stage.person("ann", zone="Asia/Almaty")  # 03:00 there
    stage.event(ann, "left", cart_id=1, url=URL)
    first = stage.run(ann, stage.parcels[0].run_id)
    assert len(stage.parcels) == 1 and stage.world.versions[first.version_id].cascade.id == "appointment"
    promo = next(run for run in stage.runs(ann) if run.id != first.id)
    assert promo.outcome is not None or promo.wake_at > stage.clock.now(), "capped for that local day"


@pytest.mark.parametrize(
    ("zone", "starts", "at"),
    [
        # A day before 02:30 of the next day, on the wall clock:
        ("Europe/Berlin", utc(2027, 3, 29, 0, 30), utc(2027, 3, 28, 1, 30)),  # 02:30 does not exist: 03:30
        ("Europe/Berlin", utc(2026, 10, 26, 1, 30), utc(2026, 10, 25, 0, 30)),  # 02:30 is twice: the first
        ("Asia/Kathmandu", utc(2026, 6, 3, 3, 15), utc(2026, 6, 2, 3, 15)),  # 09:00
        ("Australia/Lord_Howe", utc(2026, 10, 4, 22, 0), utc(2026, 10, 3, 22, 0)),
        ("Australia/Lord_Howe", utc(2026, 10, 4, 1, 0), utc(2026, 10, 3, 1, 30)),  # moved by half an hour
    ],
)
def test_scenario_17_nights_on_which_the_clock_changes(db, zone, starts, at):
    stage = Stage(db, at=at - 40 * HOUR)
    stage.cascade(SMS_FIRST.replace("wait: 2h}", "wait: 2h, at: {before: trigger.starts_at, by: 1d}}"))
    ann = stage.person("ann", [Channel.SMS], zone=zone)
    stage.event(ann, "left", cart_id=1, starts_at=starts // 1000)
    stage.passes("P3D")
    assert stage.at(ann) == [at]


def test_scenario_18_a_number_whose_zone_nobody_knows(db):
    stage = Stage(
        db, policy=replace(Policy(), window_jitter_ms=0), at=utc(2027, 1, 12, 15)
    )  # 18:00 in Moscow
    stage.cascade(SMS_FIRST)
    ann = stage.person("ann", [Channel.TELEGRAM], zone=None, addresses={Channel.SMS: "+79161234567"})
    stage.event(ann, "left", cart_id=1)
    stage.passes("P1D")
    assert utc(2027, 1, 13, 7) <= stage.at(ann)[0] < utc(2027, 1, 13, 9)
    told = [row[2] for row in stage.rows("decisions_of_run", contact_id=ann, run_id=stage.run(ann).id)]
    assert any("possible zones" in text for text in told), "the reason is kept"


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (utc(2026, 6, 6, 5), utc(2026, 6, 8, 4)),  # a Saturday: Monday 09:00, UTC+5
        (utc(2026, 3, 21, 5), utc(2026, 3, 26, 4)),  # Nauryz, and its days off
    ],
)
def test_scenario_19_kazakhstan_on_saturday_and_on_nauryz(db, at, day):
    stage = Stage(db, policy=replace(Policy(), window_jitter_ms=0), at=at)
    promo = SMS_FIRST.replace("class: service", "class: advertising\nholdout: 0%\ntopic: t")
    stage.cascade(promo)
    stage.cascade(
        SMS_FIRST.replace("order", "otp").replace("left", "asked").replace("service", "transactional")
    )
    ann = stage.person("ann", [Channel.SMS], zone="Asia/Almaty", country="KZ")
    bob = stage.person("bob", [Channel.SMS], zone="Asia/Almaty", country="KZ")
    stage.event(ann, "left", cart_id=1)
    stage.event(bob, "asked", cart_id=2)
    assert stage.sent(ann) == [] and stage.sent(bob) == ["sms"]
    stage.passes("P6D")
    assert [datetime.fromtimestamp(sent / 1000, UTC) for sent in stage.at(ann)[:1]] == [
        datetime.fromtimestamp(day / 1000, UTC)
    ]


WEBINAR = """
cascade: webinar
title: Webinar
class: service
trigger: {event: registered, key: webinar_id}
goal: {event: joined}
steps:
  - {id: day, channel: email, subject: s, text: t, at: {before: trigger.starts_at, by: 24h}}
  - {id: hours, channel: telegram, text: t, at: {before: trigger.starts_at, by: 2h}}
  - {id: minutes, channel: push, text: t, at: {before: trigger.starts_at, by: 30m}}
"""


def test_scenario_20_a_webinar_at_eight_in_the_morning(db):
    stage = Stage(db, policy=replace(Policy(), window_jitter_ms=0))
    stage.cascade(WEBINAR.replace("by: 30m}", "by: 30m, earliest_ok: 10m}"))
    ann = stage.person("ann")
    starts = utc(2026, 6, 4, 8)
    stage.event(ann, "registered", webinar_id=1, starts_at=starts // 1000)
    stage.passes("P4D")
    assert stage.at(ann) == [starts - 24 * HOUR, utc(2026, 6, 3, 20, 59)]
    assert stage.states(ann)["minutes"] == "window_impossible"


def test_scenario_20_a_late_enrolment_gets_only_the_last_step(db):
    stage = Stage(db)
    stage.cascade(WEBINAR)
    ann = stage.person("ann")
    stage.event(ann, "registered", webinar_id=1, starts_at=(NOON + 20 * MINUTE) // 1000)
    assert stage.sent(ann) == ["minutes"]
    assert stage.states(ann) == {"day": "too_late", "hours": "too_late", "minutes": "sent"}


def test_scenario_20_a_webinar_that_moves_takes_the_unsent_steps_along(db):
    stage = Stage(db)
    stage.cascade(WEBINAR)
    ann = stage.person("ann")
    starts = NOON + 30 * HOUR
    stage.event(ann, "registered", webinar_id=1, starts_at=starts // 1000)
    stage.passes("10h")
    assert stage.sent(ann) == ["day"]
    moved = starts + 24 * HOUR
    stage.event(ann, "registered", webinar_id=1, starts_at=moved // 1000)
    stage.passes("P3D")
    assert stage.at(ann) == [starts - 24 * HOUR, moved - 2 * HOUR, moved - 30 * MINUTE]
    bob = stage.person("bob")
    stage.event(bob, "registered", webinar_id=2, starts_at=(stage.clock.at + 50 * HOUR) // 1000)
    stage.event(bob, "registered", webinar_id=2, cancelled=True)
    assert stage.outcome(bob) == "cancelled"


def test_scenario_21_a_service_cascade_by_robot_and_telegram_needs_a_consent(db):
    stage = Stage(db)
    ann = begun(stage, GENERAL.replace("whatsapp", "telegram"), consented=False)
    bob = stage.person("bob", consented=False)
    with db.write() as tx:
        contacts.add_consents(
            tx, [(bob, contacts.Consent(granted=False, at=1, channels=1 << Channel.TELEGRAM.code))]
        )
    stage.event(bob, "left", cart_id=2, url=URL)
    stage.passes("P3D")
    assert stage.sent(ann) == ["letter", "chat", "sms", "robot"]
    assert stage.states(bob)["chat"] == "no_consent"


def test_scenario_22_without_consent_to_tracking_there_is_no_pixel_and_links_still_work(db):
    stage = Stage(db)
    begun(stage, tracking=False)
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2, url=URL)
    quiet, tracked = (parcel.outgoing.html for parcel in stage.parcels)
    assert "/o/" not in quiet and "/o/" in tracked
    assert "/l/" in quiet and "/l/" in tracked


def test_scenario_23_an_sms_that_grows_to_two_parts_costs_two_and_the_budget_stops_it(db):
    stage = Stage(db, account_each={"prices": {"minor": 2000, "currency": "KZT", "per": "part"}})
    text = SMS_FIRST.replace("goal:", "budget: {total: 50 KZT}\ngoal:").replace(
        '"{{ contact.name }}"', '"{{ contact.name }}, ваша корзина удалится завтра — оформите сейчас."'
    )
    stage.cascade(text.replace("  - {id: chat, channel: telegram, text: t, wait: 200h}\n", ""))
    short = stage.person("Ян", [Channel.SMS])
    long = stage.person("А" * 30, [Channel.SMS])
    stage.event(short, "left", cart_id=1)
    stage.event(long, "left", cart_id=2)
    assert [stage.passages(short)[0].price] == [2000]
    assert stage.states(long) == {"sms": "over_budget"}, "4000 more would be 6000 of 5000"
    assert stage.rows("reserved_money", id=1)[0][0] == 2000


def test_scenario_24_a_limit_of_the_person_at_the_provider_is_not_tried_again(db):
    stage = Stage(db)
    stage.answer = lambda parcel: (
        refused(parcel, stage.clock.now(), Reason.WINDOW)
        if parcel.outgoing.channel is Channel.WHATSAPP and parcel.contact_id % 3 == 0
        else accepted(parcel, stage.clock.now())
    )
    stage.cascade(GENERAL)
    people = [stage.person(f"p{n}", [Channel.WHATSAPP, Channel.SMS]) for n in range(60)]
    stage.deliver(events=[stage.told(p, "left", cart_id=p, url=URL) for p in people])
    for person in people:
        assert stage.sent(person) == (["chat", "sms"] if person % 3 == 0 else ["chat"])
    assert not stage.world.down_since, "the provider works"


def test_scenario_25_erasure_cancels_the_run_and_the_address_stays_suppressed(db):
    stage = Stage(db)
    ann = begun(stage)
    from kaskad.engine.arrival import Arrival

    stage.deliver(arrivals=[Arrival(ann, 0, -1, Kind.ERASED, "erase-1", stage.clock.now())])
    assert stage.outcome(ann) == "cancelled"
    with db.write() as tx:
        suppress(tx, HASH_KEY, [(Channel.SMS, "ann@sms.example.org")], "erased", stage.clock.now())
    stage.passes("P2D")
    assert stage.sent(ann) == ["letter"]
    again = stage.person("ann-again", [Channel.SMS], addresses={Channel.SMS: "ann@sms.example.org"})
    stage.event(again, "left", cart_id=9, url=URL)
    assert stage.states(again)["sms"] == "suppressed" and stage.outcome(again) == "unreachable"
