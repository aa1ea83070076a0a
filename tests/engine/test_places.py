"""Several addresses on one channel: the best is used, the next where it dies; and which zone counts."""

from __future__ import annotations

import json

from kaskad.domain.hours import zones_known
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.store import cards, contacts, places
from kaskad.store.db import Database
from support.play import NOON
from support.scenarios import GENERAL, URL
from support.stage import HASH_KEY, Stage, accepted, refused

MAIL = Channel.EMAIL
OLD, NEW = "a@example.org", "b@example.org"
TWICE = GENERAL.replace("goal:", "reentry: parallel_by_key\ngoal:")
DEAD = json.dumps({"reason": "invalid_address"})


def to(stage: Stage, ann: int) -> list[str]:
    return [p.outgoing.to for p in stage.parcels if p.contact_id == ann and p.step == 0]


def test_who_reacts_to_a_message_that_was_passed_over_as_refused_goes_on_by_either_address(either: Database):
    """A service that says no may have sent it: when it was last asked is known, and tells of the address."""
    stage = Stage(either)
    stage.cascade(TWICE)
    ann = stage.person("ann", [Channel.WHATSAPP], addresses={MAIL: OLD})
    with stage.db.write() as tx:
        contacts.add_addresses(tx, HASH_KEY, ann, [contacts.Address(MAIL, NEW)])
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.TRANSIENT)
    stage.event(ann, "left", cart_id=1, url=URL)
    stage.account(MAIL, "email", enabled=False)
    stage.passes("150m")
    assert stage.states(ann)["letter"] == "provider_disabled"
    (first, *_) = to(stage, ann)
    stage.receipt(ann, Kind.CLICKED, step=0)
    stage.account(MAIL, "email")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.event(ann, "left", cart_id=2, url=URL)
    assert {*to(stage, ann)} == {first} and stage.parcels[-1].run_id != stage.parcels[0].run_id
    with stage.db.write() as tx:  # earlier releases did not keep it
        text = "UPDATE messages SET submitted_at = NULL WHERE mask & 64 <> 0"
        tx._connection.execute(text if tx.dialect == "sqlite" else text.encode())  # type: ignore[attr-defined]
        assert {*places.reacted(tx, {ann}).values()} == {0}


def test_one_best_address_is_used_and_the_next_where_it_dies(either: Database):
    stage = Stage(either)
    stage.cascade(TWICE)
    ann = stage.person("ann", [Channel.WHATSAPP], addresses={MAIL: OLD})
    with stage.db.write() as tx:
        contacts.add_addresses(tx, HASH_KEY, ann, [contacts.Address(MAIL, NEW)])
        places.confirm(tx, [(ann, MAIL, OLD)], 5)
    stage.event(ann, "left", cart_id=1, url=URL)
    assert to(stage, ann) == [OLD], "the one that was confirmed"
    with stage.db.write() as tx:
        places.confirm(tx, [(ann, MAIL, NEW)], 9)
    stage.event(ann, "left", cart_id=2, url=URL)
    with stage.db.write() as tx:
        tx.run("set_main_address", contact_id=ann, channel=MAIL.code, value=OLD)
    stage.event(ann, "left", cart_id=3, url=URL)
    assert to(stage, ann) == [OLD, NEW, OLD], "the last confirmed, and the main one before it"
    stage.receipt(ann, Kind.FAILED, value=DEAD)
    assert [p.step for p in stage.parcels if p.contact_id == ann][-1] == 1, (
        "the step has failed: the next one goes"
    )
    assert to(stage, ann) == [OLD, NEW, OLD], "and not the same step to the other address"
    stage.event(ann, "left", cart_id=4, url=URL)
    assert to(stage, ann)[-1] == NEW
    with stage.db.read() as tx:
        first, second = places.in_order(cards.addresses(tx, ann)[:2], {}, ann)
        assert (first.value, second.value, second.health, second.main) == (NEW, OLD, 1, True)


def test_of_addresses_that_nothing_tells_apart_always_the_same_is_used(either: Database):
    stage = Stage(either)
    stage.cascade(TWICE)
    values = ["m-b@example.org", "ma@example.org", "m.c@example.org", "ёж@example.org", "m_d@example.org"]
    for number, order in enumerate((values, values[::-1], values[2:] + values[:2])):
        ann = stage.person(f"ann{number}", [])
        with stage.db.write() as tx:
            for value in order:
                contacts.add_addresses(tx, HASH_KEY, ann, [contacts.Address(MAIL, f"{number}{value}")])
        stage.event(ann, "left", cart_id=number, url=URL)
        assert to(stage, ann) == [f"{number}m-b@example.org"]
        with stage.db.read() as tx:
            shown = places.in_order(cards.addresses(tx, ann), {}, ann)
        assert [place.value.removeprefix(str(number)) for place in shown] == sorted(values)


def test_of_addresses_that_stand_alike_the_one_is_used_where_the_person_has_reacted(stage: Stage):
    stage.cascade(TWICE)
    ann = stage.person("ann", [], addresses={MAIL: NEW})
    stage.event(ann, "left", cart_id=1, url=URL)
    stage.receipt(ann, Kind.CLICKED)
    with stage.db.write() as tx:
        others = [contacts.Address(MAIL, value) for value in ("c@example.org", OLD)]
        contacts.add_addresses(tx, HASH_KEY, ann, others)
    stage.event(ann, "left", cart_id=2, url=URL)
    assert to(stage, ann) == [NEW, NEW]
    with stage.db.read() as tx:
        answered = places.reacted(tx, [ann])
        assert answered == {(ann, MAIL.code, NEW): NOON}
        known = cards.addresses(tx, ann)
        assert places.in_order(known, answered, ann)[0].value == NEW


def test_a_suppressed_address_is_passed_over_for_one_that_is_not(stage: Stage):
    stage.cascade(TWICE)
    ann = stage.person("ann", [], addresses={MAIL: OLD})
    with stage.db.write() as tx:
        contacts.add_addresses(tx, HASH_KEY, ann, [contacts.Address(MAIL, NEW)])
        tx.run("set_main_address", contact_id=ann, channel=MAIL.code, value=OLD)
        tx.many("suppress_addresses", [(MAIL.code, OLD, 5)])
    stage.event(ann, "left", cart_id=1, url=URL)
    assert to(stage, ann) == [NEW]


def test_a_better_known_zone_is_not_overwritten_by_a_worse_one(either: Database):
    stage = Stage(either)
    stage.cascade(GENERAL)
    phone = {Channel.SMS: "+79000000042"}
    ann = stage.person("ann", [], zone=None, addresses=phone)

    def zone() -> tuple[str | None, int | None]:
        with stage.db.read() as tx:
            card = cards.card(tx, ann)
            assert card is not None
            return card.zone, card.zone_source

    def told(name: str, source: int = contacts.TOLD) -> None:
        with stage.db.write() as tx:
            contacts.upsert(tx, HASH_KEY, [contacts.Contact(id=ann, zone=name, zone_source=source)], 7)

    assert zone() == (None, None)
    event = stage.told(ann, "seen")
    stage.deliver(events=[type(event)(event.id, event.name, event.contact, event.at, {}, "Asia/Omsk")])
    assert zone() == ("Asia/Omsk", contacts.SITE)
    told("Asia/Tomsk", contacts.DELIVERY)
    stage.deliver(events=[type(event)("again", event.name, event.contact, event.at, {}, "Asia/Omsk")])
    told("Asia/Omsk", contacts.SITE)
    assert zone() == ("Asia/Tomsk", contacts.DELIVERY)
    told("Europe/Samara")
    told("Asia/Omsk", contacts.DELIVERY)
    assert zone() == ("Europe/Samara", contacts.TOLD)


def test_what_a_site_knew_half_a_year_ago_is_forgotten(stage: Stage):
    stage.cascade(GENERAL)
    ann = stage.person("ann", zone=None)
    with stage.db.write() as tx:
        contacts.tell_zones(tx, [(ann, "Asia/Omsk")], stage.clock.now())
    stage.passes("P181D")
    stage.passes("P2D")
    with stage.db.read() as tx:
        card = cards.card(tx, ann)
        assert card is not None and card.zone is None


def test_how_a_zone_is_known():
    moscow = "Europe/Moscow"
    assert zones_known("Asia/Omsk", 1, "+79000000042", moscow).confidence == "certain"
    assert zones_known("Asia/Omsk", 3, "+79000000042", moscow).confidence == "likely"
    phone = zones_known(None, None, "+79161234567", moscow)
    assert (len(phone.zones), phone.source, phone.confidence) == (16, "phone", "possible")
    assert zones_known(None, None, "+4930123456", moscow).confidence == "likely"
    kazakh = zones_known(
        None, None, "+77001234567", moscow
    )  # the number's tables say 16, the country has one
    assert (kazakh.zones, kazakh.source, kazakh.confidence) == (("Asia/Almaty",), "phone", "likely")
    brand = zones_known(None, None, "", moscow)
    assert (brand.zones, brand.source, brand.confidence) == ((moscow,), "brand", "guess")
