"""A real campaign's bad day: scenarios 14 to 25 of the domain rules; see test_scenarios.py."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from kaskad.actions import law
from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import HOUR, MINUTE, Cap, Counted, PerClass, Policy
from kaskad.domain.terms import Channel, Kind, MessageClass, Reason
from kaskad.domain.tokens import PIXEL
from kaskad.engine.arrival import Arrival
from kaskad.engine.ingest import Ingest
from kaskad.store import contacts
from kaskad.store.suppressions import suppress
from support.play import NOON
from support.scenarios import (
    ADVERTISING,
    DESK,
    GENERAL,
    SMS_FIRST,
    URL,
    WITH_AGENT,
    begun,
    limited,
    live_tasks,
    utc,
)
from support.stage import HASH_KEY, Stage, accepted, refused


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
    assert len(stage.runs(ann)) == 1 and stage.world.work.refusals[1, "cooldown"] == 1
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


DAILY = """
cascade: promo
title: Promotion
class: advertising
topic: orders
holdout: 0%
reentry: parallel_by_key
trigger: {event: left, key: cart_id}
steps: [{id: sms, channel: sms, text: t, wait: 30m}]
"""


def test_scenario_16_the_daily_cap_counts_the_contact_s_own_days(db):
    policy = limited(caps=(Cap(1, 1, Counted.TOUCHES, classes=(MessageClass.ADVERTISING,)),))
    stage = Stage(db, policy=policy, at=utc(2026, 6, 1, 18, 30))
    stage.cascade(DAILY)
    ann = stage.person("ann", [Channel.SMS], zone="Asia/Almaty")
    told = []
    for cart, pause in enumerate(("1h", "6h", "18h", "1h")):  # 23:30, 00:30, 06:30, 00:30 there
        before = len(stage.parcels)
        stage.event(ann, "left", cart_id=cart)
        told.append(len(stage.parcels) - before)
        stage.passes(pause)
    assert told == [1, 1, 0, 1], "midnight is hers, at 19:00 UTC"


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
    bob = stage.person("bob", [Channel.TELEGRAM], zone=None, addresses={Channel.SMS: "+79161234568"})
    stage.deliver(events=[replace(stage.told(bob, "seen"), zone="Europe/Moscow")])
    stage.event(bob, "left", cart_id=2)
    assert stage.at(bob) == [utc(2027, 1, 12, 15)], "his browser has told the zone"
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


INVITED = """
cascade: webinar
title: Webinar
class: service
trigger: {event: registered, key: webinar_id}
goal: {event: joined}
steps:
  - id: day
    channel: email
    subject: "Вебинар {{ trigger.starts_at | day_words }}"
    text: "{% assign n = trigger.starts_at | days_until %}{% if n == 1 %}Завтра!{% else %}Скоро.{% endif %}"
    calendar: &appointment
      {title: Вебинар, starts: trigger.starts_at, lasts: 90m, uid: "webinar-{{ trigger.webinar_id }}"}
    at: {before: trigger.starts_at, by: 24h}
  - id: eve
    channel: email
    subject: s
    text: t
    calendar: *appointment
    at: {before: trigger.starts_at, by: 14h}
  - id: hours
    channel: telegram
    text: "Начинаем {{ trigger.starts_at | day_words }}"
    at: {before: trigger.starts_at, by: 2h}
"""
CANCELLED = """
cascade: webinar-off
title: Cancelled
class: service
trigger: {event: webinar_off, key: webinar_id}
steps:
  - id: sorry
    channel: email
    subject: Отмена
    text: t
    calendar:
      {title: Вебинар, starts: trigger.starts_at, uid: "webinar-{{ trigger.webinar_id }}", cancel: true}
"""


def test_scenario_20_the_text_says_tomorrow_and_the_calendar_follows_the_webinar(db):
    stage = Stage(db, policy=replace(Policy(), window_jitter_ms=0))
    stage.account(Channel.EMAIL, "email", provider="smtp", settings={"sender": "Shop <shop@example.org>"})
    stage.cascade(INVITED)
    stage.cascade(CANCELLED)
    ann = stage.person("ann", language="ru")
    stage.clock.at = utc(2026, 6, 1, 12)
    starts = utc(2026, 6, 4, 8)
    stage.event(ann, "registered", webinar_id=1, starts_at=starts // 1000)
    stage.passes("P2D")
    (first,) = stage.parcels
    told = first.outgoing
    assert (told.subject, told.text) == ("Вебинар завтра в 08:00", "Завтра!")
    assert told.invite is not None and told.invite.sequence == 0
    assert (told.invite.starts_at, told.invite.ends_at) == (starts, starts + 90 * MINUTE)

    moved = starts + 24 * HOUR
    stage.event(ann, "registered", webinar_id=1, starts_at=moved // 1000)
    stage.passes("P2D")
    assert stage.at(ann)[1:] == [utc(2026, 6, 4, 18), utc(2026, 6, 4, 20, 59)], "06:00 is night"
    again, night = (parcel.outgoing for parcel in stage.parcels[1:])
    assert night.text == "Начинаем завтра в 08:00"
    assert again.invite is not None and again.invite.uid == told.invite.uid
    assert (again.invite.sequence, again.invite.starts_at) == (1, moved)

    stage.event(ann, "webinar_off", webinar_id=1, starts_at=moved // 1000)
    stage.passes("P1D")
    off = stage.parcels[3].outgoing.invite
    assert off is not None and (off.uid, off.sequence, off.cancel) == (told.invite.uid, 2, True)
    bob = stage.person("bob")
    stage.event(bob, "webinar_off", webinar_id=1, starts_at=moved // 1000)
    stage.passes("P1D")
    assert stage.parcels[4].outgoing.invite is None, "he had never been invited"


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


def test_scenario_21_the_law_of_russia_names_its_article_and_lets_service_through(db):
    both = replace(Policy(), country="RU")
    bank = replace(both, tenant=("no_foreign_messengers",))
    for told, policy, denied in (
        ("advertising", both, {"chat": "38-FZ, art. 5", "robot": "38-FZ, art. 18"}),
        ("service", both, {}),
        ("service", bank, {"chat": "ru-foreign-messengers"}),
    ):
        text = GENERAL.replace("whatsapp", "telegram").replace("class: service", f"class: {told}")
        found = law.forbidden(policy, to_cascade(text, name="general"), NOON)
        assert len(found) == len(denied), found
        for (step, article), why in zip(denied.items(), found, strict=True):
            assert f"({step})" in why and article in why
    stage = Stage(db, policy=limited(country="RU"))
    ann = begun(stage, GENERAL.replace("whatsapp", "telegram"), country="RU")
    stage.passes("P3D")
    assert stage.sent(ann) == ["letter", "chat", "sms", "robot"], "the same as service"


def test_scenario_22_without_consent_to_tracking_there_is_no_pixel_and_links_still_work(db):
    stage = Stage(db)
    begun(stage, tracking=False)
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2, url=URL)
    quiet, tracked = (parcel.outgoing.html for parcel in stage.parcels)
    assert "/o/" not in quiet and "/o/" in tracked
    assert "/l/" in quiet and "/l/" in tracked


def test_scenario_22_consent_withdrawn_later_silences_the_pixels_already_sent(db):
    stage = Stage(db)
    ann, bob = begun(stage), stage.person("bob")
    stage.event(bob, "left", cart_id=2, url=URL)
    stage.passes("1h")
    withdrawn = Ingest(stage.engine, db).untrack(ann)
    stage.works()
    assert withdrawn.done()
    for person in (ann, bob):
        stage.hits(person, PIXEL)
        stage.receipt(person, Kind.MACHINE_OPENED)
    stage.receipt(ann, Kind.OPENED)
    stage.passes("1m")
    noted = {
        row[0] for row in stage.rows("hits_of_message", contact_id=ann, run_id=stage.run(ann).id, step=0)
    }
    assert noted == set() and stage.passages(ann)[0].mask & (Kind.OPENED.bit | Kind.MACHINE_OPENED.bit) == 0
    assert stage.passages(bob)[0].mask & Kind.OPENED.bit, "the others' openings still count"
    stage.receipt(ann, Kind.CLICKED, step=0)
    assert stage.outcome(ann) == "responded", "and her clicks"


@pytest.mark.parametrize("clicks", [True, False])
def test_scenario_22_not_opened_means_not_clicked_where_openings_cannot_be_known(db, clicks):
    stage = Stage(db)
    cared = GENERAL.replace("channel: email", "channel: email\n    success: replied")
    ann = begun(stage, cared, tracking=False)
    stage.passes("23h")
    if clicks:
        stage.receipt(ann, Kind.CLICKED)
    stage.passes("2h")
    assert stage.sent(ann) == (["letter"] if clicks else ["letter", "chat"])


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
    assert not stage.world.traffic.down_since, "the provider works"


def test_scenario_25_erasure_cancels_the_run_and_the_address_stays_suppressed(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.deliver(arrivals=[Arrival(ann, 0, -1, Kind.ERASED, "erase-1", stage.clock.now())])
    assert stage.outcome(ann) == "cancelled"
    with db.write() as tx:
        suppress(tx, HASH_KEY, [(Channel.SMS, "ann@sms.example.org")], "erased", stage.clock.now())
    stage.passes("P2D")
    assert stage.sent(ann) == ["letter"]
    again = stage.person("ann-again", [Channel.SMS], addresses={Channel.SMS: "ann@sms.example.org"})
    stage.event(again, "left", cart_id=9, url=URL)
    assert stage.states(again)["sms"] == "suppressed" and stage.outcome(again) == "unreachable"


def test_scenario_25_erasure_takes_the_task_from_the_agent_s_screen(db):
    stage = Stage(db)
    stage.account(Channel.AGENT_CALL, "agent_call", provider="desk", settings=DESK)
    ann = begun(stage, WITH_AGENT)
    stage.passes("PT35H")
    assert [task.contact_id for task in live_tasks(stage)] == [ann]
    stage.deliver(arrivals=[Arrival(ann, 0, -1, Kind.ERASED, "erase-1", stage.clock.now())])
    assert stage.outcome(ann) == "cancelled" and live_tasks(stage) == []
