"""The contacts of a simulation as they are read, on both databases: each as itself, alike or asked apart."""

from kaskad.actions import simulate
from kaskad.actions.audience import Audience
from kaskad.actions.casting import Casting
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel
from kaskad.engine.catalog import POLICY
from kaskad.planning.scene import lived
from kaskad.store import settings
from support.marked import staged

TEXT = """
cascade: shop
class: advertising
topic: news
trigger: {event: left}
steps:
  - {id: letter, channel: email, subject: Hi, text: "Hi {{ unsubscribe_url }}", wait: 1d}
  - {id: sms, channel: sms, text: "Hi {{ unsubscribe_url }}", if: contact.level > 1, wait: 1d}
"""
PEOPLE = 24
ZONES = ("Asia/Almaty", "Europe/Berlin")


def peopled(db):
    """Return an office whose contacts differ in zone, address, attribute, and what they got before."""
    stage, office = staged(db)
    with stage.db.write() as tx:
        settings.put(tx, POLICY, Policy())  # its caps ask what people got before
    price = {"minor": 1500, "currency": "KZT"}
    stage.account(Channel.SMS, "sms", prices=price)
    stage.cascade(TEXT)
    for number in range(PEOPLE):
        channels = [Channel.EMAIL, Channel.SMS][: 1 + number % 2]
        person = stage.person(
            f"p{number}", channels, zone=ZONES[number // 2 % 2], attributes={"level": number % 3}
        )
        if number < 4:
            stage.event(person, "left")
    return stage, office


def played(office, start):
    asked = simulate.Asked(text=TEXT, whom=Audience(everybody=True), start=start)
    ready = simulate.prepared(office, "shop", asked)
    return ready.scene, lived(ready.scene).lives


def test_contacts_are_read_each_as_itself_and_asked_once_for_all_who_are_alike(either, monkeypatch):
    stage, office = peopled(either)
    start = stage.clock.now() + 1
    scene, lives = played(office, start)
    assert [life.run.contact_id for life in lives] == list(range(1, PEOPLE + 1)) and len(scene.sorts) < PEOPLE
    assert {life.run.contact_id for life in lives if life.touched} == {1, 2, 3, 4}
    assert {life.sort.answers.zones[0] for life in lives} == set(ZONES)
    prices = [len(life.sort.prices) for life in lives]
    assert prices == [number % 2 for number in range(PEOPLE)], "an SMS has a price where there is a number"
    monkeypatch.setattr(Casting, "_key", lambda self, seen, desk, run: (run.contact_id,))
    apart, others = played(office, start)
    assert len(apart.sorts) == PEOPLE
    for one, other in zip(lives, others, strict=True):
        assert (one.run, one.passages, one.touched) == (other.run, other.passages, other.touched)
