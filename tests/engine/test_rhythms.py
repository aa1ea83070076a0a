"""Send time by the person, on the real engine: counted from what people did, inside the hours, told why."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from kaskad.actions import contacts, rhythms, runs
from kaskad.domain.ids import contact_text
from kaskad.domain.policy import Policy, Window
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.catalog import POLICY
from kaskad.store import settings
from kaskad.web.pages.look import Look
from support.marked import staged

TEXT = """cascade: news
title: News
class: service
trigger: {event: left}
reentry: {after_finish: 1h}
steps:
  - {id: chat, channel: telegram, text: Hello, wait: 2h%s}
  - {id: sms, channel: sms, text: Hello, wait: 1h}
"""
ZONES = ("Asia/Almaty", "America/New_York", "Asia/Kathmandu")


def clock(at, zone):
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(zone))


def lived(stage, people, times):
    """Let people react at about 20:30 of their clocks, on as many days."""
    stage.cascade(TEXT % "")
    for _ in range(times):
        for contact in people:
            stage.event(contact, "left")
        for _ in range(24):
            stage.passes("1h")
            for contact, zone in people.items():
                at_home = clock(stage.clock.now(), zone).hour == 20
                if at_home and not stage.passages(contact)[0].mask & Kind.CLICKED.bit:
                    stage.receipt(contact, Kind.CLICKED, step=0)


def test_a_step_waits_for_the_hour_at_which_the_person_reacts(db):
    stage, office = staged(db)
    people = {stage.person(f"p{n}", [Channel.TELEGRAM], zone=ZONES[n % 3]): ZONES[n % 3] for n in range(9)}
    fresh = stage.person("fresh", [Channel.TELEGRAM], zone="UTC")
    lived(stage, people, 6)
    assert rhythms.counted_at(office) == office.now(), "nobody asks for hours: nothing is counted"
    stage.cascade(TEXT % ", send_at: best_hour")
    assert rhythms.counted_at(office) == 0 and rhythms.of_all(office) == (None, 0)
    assert rhythms.renew(office) == 9 and rhythms.counted_at(office) == office.now()
    assert sum(stage.world.curves.everyone) > 50
    for contact in people:
        told = contacts.show(office, contact_text(contact)).hour
        assert told is not None and (told.hour, told.whose, told.reactions) == (20, "person", 6)
    told = contacts.show(office, contact_text(fresh)).hour
    assert told is not None and (told.hour, told.whose, told.reactions) == (20, "everyone", 0)
    known, at = rhythms.of_all(office)
    assert known is not None and (known.hour, at) == (20, office.now()) and 50 < known.reactions <= 54

    before = {contact: len(stage.at(contact)) for contact in people}
    began = stage.clock.now()
    for contact in [*people, fresh]:
        stage.event(contact, "left")
    stage.passes("25h")
    for contact, zone in people.items():
        new = stage.at(contact)[before[contact] :]
        assert len(new) == 1 and clock(new[0], zone).hour == 20 and new[0] - began <= 24 * 3_600_000
    assert len(stage.at(fresh)) == 1, "who has shown nothing goes by what people together have shown"
    run = stage.run(next(iter(people)))
    told = [one.detail for one in runs.explain(office, (run.contact_id, run.id)).decisions]
    assert "best hour 20:00, by reactions of the person" in told
    russian = Look("ru", "").told("best hour 20:00, by reactions of the person")
    assert russian == "лучший час 20:00, по реакциям человека"
    stage.passes("2h")
    assert stage.outcome(next(iter(people))) == "exhausted", "the clock counts from the sending"

    with db.write() as tx:  # the same where nothing may go after six
        settings.put(tx, POLICY, replace(Policy.unlimited(), windows=(Window(("09:00-18:00",)),)))
    stage.cascade((TEXT % ", send_at: best_hour").replace("class: service", "class: service\ntopic: other"))
    before = {contact: len(stage.at(contact)) for contact in people}
    for contact in people:
        stage.event(contact, "left")
    stage.passes("P2D")
    for contact, zone in people.items():
        new = stage.at(contact)[before[contact] :]
        assert new and all(9 <= clock(at, zone).hour < 18 for at in new)
        hour = contacts.show(office, contact_text(contact)).hour
        assert hour is not None and hour.hour == 20 and hour.counted_at > 0, "reactions are what they are"
        assert hour.sends == ((Channel.TELEGRAM, clock(new[0], zone).hour),), "what goes keeps the hours"
