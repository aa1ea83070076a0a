"""Prices by number: what is reserved and kept with a message is what the list says of it."""

from kaskad.domain.prices import PriceRow
from kaskad.domain.terms import Channel, MessageClass
from kaskad.store import prices
from support.stage import Stage

CASCADE = """
cascade: priced
title: Priced
class: service
trigger: {event: joined}
goal: {event: bought}
budget: {per_contact: 40 KZT}
steps:
  - {id: first, channel: sms, text: "{{ trigger.text }}", wait: 1h}
"""
ROWS = (
    PriceRow("KZ", 14_500_000, "part"),
    PriceRow("+7701", 19_000_000, "message", message_class=MessageClass.SERVICE),
    PriceRow("RU", 45_000_000, "part"),
)


def priced(db, rows=ROWS):
    stage = Stage(db)
    number = stage.account(Channel.SMS, "sms", prices={"minor": 500, "currency": "KZT", "per": "part"})
    with stage.db.write() as tx:
        prices.put(tx, number, "KZT", "prices.csv", rows, stage.clock.now())
    stage.engine._load()
    stage.cascade(CASCADE)
    return stage, number


def costs(stage, phone, text="Hello"):
    person = stage.person(phone, [Channel.SMS], addresses={Channel.SMS: phone})
    stage.event(person, "joined", text=text)
    (passage,) = stage.passages(person).values()
    return stage.states(person)["first"], passage.price


def test_the_price_is_that_of_the_number_and_counts_against_the_budget(either):
    stage, _ = priced(either)
    assert costs(stage, "+77020000001") == ("sent", 1450)
    assert costs(stage, "+77020000002", "я" * 71) == ("sent", 2900)
    assert costs(stage, "+77010000001", "я" * 71) == ("sent", 1900)
    assert costs(stage, "+4915112345678", "я" * 71) == ("sent", 1000)  # no row fits: the account's own
    assert costs(stage, "+79000000001") == ("over_budget", 0)
    assert stage.rows("reserved_money", id=1)[0][0] == 1450 + 2900 + 1900 + 1000


def test_a_new_list_counts_from_its_import_on_and_none_means_the_accounts_own_price(db):
    stage, number = priced(db)
    stage.passes("1s")
    with stage.db.write() as tx:
        prices.put(tx, number, "KZT", "new.csv", [PriceRow("KZ", 20_000_000)], stage.clock.now())
    stage.engine._load()
    assert costs(stage, "+77020000001") == ("sent", 2000)
    with stage.db.write() as tx:
        prices.delete(tx, number)
    stage.engine._load()
    assert costs(stage, "+77020000002") == ("sent", 500)
