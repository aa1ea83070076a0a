"""What a person chooses on the page behind the unsubscribe link, and what comes of it."""

import pytest
from msgspec.structs import replace

from kaskad.domain.consent import TRACKING
from kaskad.domain.policy import Policy, TopicName, Wording
from kaskad.domain.terms import Channel, Outcome
from kaskad.engine.ingest import Ingest
from kaskad.engine.preferences import Choice, mask
from kaskad.store import cards
from support.stage import Stage

TITLES = (
    TopicName("offers", (Wording("ru", "Скидки"), Wording("en", "Offers"))),
    TopicName("orders", (Wording("ru", "Заказы"),)),
)
OFFERS = """
cascade: offers
class: advertising
holdout: 0%
topic: offers
reentry: parallel_by_key
trigger: {event: sale, key: n}
steps:
  - {id: letter, channel: email, subject: "{{ preferences_url }}", text: t, success: clicked, wait: 1h}
  - {id: sms, channel: sms, text: t, wait: 1h}
  - {id: call, channel: robot_call, say: t, wait: 1h}
"""
ORDERS = OFFERS.replace("cascade: offers", "cascade: orders").replace("topic: offers", "topic: orders")
ORDERS = ORDERS.replace("advertising", "service").replace("sale", "order")
REACHED = (Channel.EMAIL, Channel.SMS)


@pytest.fixture
def stage(db):
    made = Stage(db, policy=replace(Policy.unlimited(), topics=TITLES))
    made.cascade(OFFERS)
    made.cascade(ORDERS)
    made.ingest = Ingest(made.engine, db)
    made.ann = made.person("ann", REACHED, language="ru", addresses={Channel.SMS: "+77000000001"})
    made.event(made.ann, "sale", n=1)
    made.message = (made.ann, made.parcels[0].run_id, 0)
    made.passes("1m")
    return made


def now(stage):
    return stage.ingest.preferences(stage.message)


def on(stage):
    seen = now(stage)
    return {each.name for each in seen.topics if each.on}, {
        word for word, yes in seen.channels.items() if yes
    }


def chooses(stage, topics, channels, *, rest=None, language="ru", tracking=True):
    choice = Choice(frozenset(topics.split()), frozenset(channels.split()), rest, language, tracking)
    future = stage.ingest.choose(stage.message, choice, {"ip": "192.0.2.7", "agent": "Firefox"})
    stage.works()
    future.result(0)
    stage.passes("1m")


def rows(stage):
    with stage.db.read() as tx:
        return cards.consents(tx, stage.ann)


def test_the_page_shows_what_may_come_and_saving_it_unchanged_adds_nothing(stage):
    seen = now(stage)
    assert stage.parcels[0].outgoing.subject.startswith("https://go.example.org/u/")
    assert (seen.address, seen.language, seen.own_topic) == ("a•••@email.example.org", "ru", "offers")
    assert [(each.name, each.titles["ru"], each.on) for each in seen.topics] == [
        ("offers", "Скидки", True), ("orders", "Заказы", True),
    ]  # fmt: skip
    assert dict(seen.channels) == {"email": True, "phone": True} and seen.rest_until is None and seen.tracking
    before = rows(stage)
    chooses(stage, "offers orders", "email phone")
    assert rows(stage) == before
    assert stage.ingest.preferences((999, 1, 0)) is None


def test_a_topic_left_ends_its_runs_and_comes_back_alone(stage):
    stage.event(stage.ann, "order", n=1)
    chooses(stage, "orders", "email phone")
    assert on(stage) == ({"orders"}, {"email", "phone"})
    run = next(run for run in stage.runs(stage.ann) if run.id == stage.message[1])
    assert run.outcome == Outcome.OPTED_OUT.code
    proof = rows(stage)[-1].proof
    assert (proof["source"], proof["ip"], proof["agent"]) == ("preferences page", "192.0.2.7", "Firefox")
    chooses(stage, "offers orders", "email phone")
    assert on(stage) == ({"offers", "orders"}, {"email", "phone"})
    back = rows(stage)[-1]
    assert (back.granted, back.topic) == (True, "offers") and back.channels & 1 << Channel.EMAIL.code
    stage.event(stage.ann, "sale", n=2)
    assert stage.parcels[-1].outgoing.subject.startswith("https://go.example.org/u/")


def test_a_channel_switched_off_takes_calls_along_and_topics_stay_as_they_were(stage):
    chooses(stage, "orders", "email phone")
    chooses(stage, "orders", "email")
    assert on(stage) == ({"orders"}, {"email"})
    stage.event(stage.ann, "order", n=2)
    stage.passes("3h")
    assert {parcel.outgoing.channel for parcel in stage.parcels[1:]} == {Channel.EMAIL}
    chooses(stage, "orders", "email phone")
    assert on(stage) == ({"orders"}, {"email", "phone"}), "what was left does not come back with a channel"
    stage.event(stage.ann, "order", n=3)
    stage.passes("3h")
    assert stage.parcels[-1].outgoing.channel is Channel.ROBOT_CALL


def test_a_rest_holds_all_but_what_was_ordered_and_can_be_ended(stage):
    chooses(stage, "offers orders", "email phone", rest=30)
    until = now(stage).rest_until
    assert until is not None and on(stage) == ({"offers", "orders"}, {"email", "phone"})
    sent = len(stage.parcels)
    stage.event(stage.ann, "order", n=4)
    stage.passes("5h")
    assert len(stage.parcels) == sent
    chooses(stage, "offers orders", "email phone", rest=0)
    assert now(stage).rest_until is None
    stage.event(stage.ann, "order", n=5)
    assert len(stage.parcels) == sent + 1
    chooses(stage, "offers orders", "email phone", rest=7)
    stage.passes("P8D")
    stage.event(stage.ann, "order", n=6)
    assert len(stage.parcels) > sent + 1, "it ends by itself"


def test_language_and_tracking_are_kept_tracking_with_its_proof(stage):
    chooses(stage, "offers orders", "email phone", language="kk", tracking=False)
    seen = now(stage)
    assert (seen.language, seen.tracking) == ("kk", False)
    (row,) = [row for row in rows(stage) if row.purpose == TRACKING]
    assert not row.granted and row.proof["act"] == "refused tracking" and row.proof["ip"] == "192.0.2.7"
    chooses(stage, "offers orders", "email phone", language="xx")
    seen = now(stage)
    assert (seen.language, seen.tracking) == ("kk", True)
    stage.ingest.untrack(stage.ann, {"ip": "192.0.2.9"})
    stage.works()
    assert not now(stage).tracking and rows(stage)[-1].proof["ip"] == "192.0.2.9"


@pytest.mark.parametrize(
    ("channel", "value", "seen"),
    [
        (Channel.EMAIL, "anna.k@example.org", "a•••@example.org"),
        (Channel.SMS, "+77000000123", "•••• 01 23"),
        (Channel.TELEGRAM, "123456789", ""),
        (Channel.PUSH, '{"endpoint": "https://push.example.org/x"}', ""),
    ],
)
def test_an_address_is_shown_as_far_as_its_owner_knows_it_again(channel, value, seen):
    assert mask(channel, value) == seen
