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


TWICE = """
cascade: twice
class: service
trigger: {event: joined}
steps:
  - {id: first, channel: email, subject: s, text: t, wait: 1h}
  - {id: second, channel: email, subject: s, text: t, wait: 1h}
  - {id: third, channel: email, subject: s, text: t, wait: 1h}
"""


def test_each_message_costs_by_the_instant_it_is_handed_over_at_also_in_a_run_under_way(either):
    stage = Stage(either)
    number = stage.account(Channel.EMAIL, "email", prices={"minor": 900, "currency": "KZT"})
    turn = stage.clock.now() + 3_600_000  # just when the first second step is handed over
    stage.cascade(TWICE)
    early = stage.person("early", [Channel.EMAIL])
    stage.event(early, "joined")
    with stage.db.write() as tx:  # it begins while the run is under way
        rows = (PriceRow("*", 2_000_000, until=turn), PriceRow("*", 3_000_000, since=turn))
        prices.put(tx, number, "KZT", "mail.csv", rows, stage.clock.now())
    stage.engine._load()
    stage.passes("59m")
    late = stage.person("late", [Channel.EMAIL])
    stage.event(late, "joined")
    stage.passes("1m")
    stage.passes("1h")
    paid = {name: [one.price for one in stage.passages(who).values()] for name, who in
            {"early": early, "late": late}.items()}  # fmt: skip
    assert paid == {"early": [900, 300, 300], "late": [200, 300]}


def test_mails_by_the_thousand_cost_their_price_together(db):
    stage = Stage(db)
    stage.account(Channel.EMAIL, "email", prices={"minor": 10, "currency": "USD", "per": "thousand"})
    stage.cascade(TWICE)
    paid = []
    for number in range(250):
        person = stage.person(f"p{number}", [Channel.EMAIL])
        stage.event(person, "joined")
        paid += [one.price for one in stage.passages(person).values()]
    assert len(paid) == 250 and set(paid) == {0, 1} and sum(paid) in (2, 3)
