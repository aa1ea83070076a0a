"""Budgets over messages that are paid in other currencies: they stop before they are overspent."""

from decimal import Decimal

from msgspec.structs import replace

from kaskad.actions import money
from kaskad.actions.office import Office
from kaskad.actions.readiness import missing_accounts
from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import Policy, SpendingLimit
from kaskad.domain.rates import Rate
from kaskad.domain.terms import Channel
from kaskad.store import rates
from kaskad.store.accounts import all_accounts
from support.play import NOON
from support.stage import VAULT, Stage

CASCADE = """
cascade: basket
class: service
trigger: {event: left}
goal: {event: bought}
budget: {total: 100 KZT}
steps:
  - {id: gate, channel: telegram, text: t, wait: 2h}
  - {id: sms, channel: sms, text: t, wait: 200h}
"""
CENTS, TIYN = 3, 1000  # a message of each
TODAY = NOON // 86_400_000


def staged(db, text, *budgets, rate="512.35"):
    policy = replace(Policy.unlimited(), budgets=tuple(SpendingLimit(*each) for each in budgets))
    stage = Stage(db, policy=policy)
    stage.account(Channel.TELEGRAM, "telegram", prices={"minor": CENTS, "currency": "USD"})
    stage.account(Channel.SMS, "sms", prices={"minor": TIYN, "currency": "KZT"})
    if rate:
        tell(stage, rate)
    stage.cascade(text)
    return stage, Office(db, VAULT, stage.engine, stage.world.signer, "")


def enter(stage, count, name="p"):
    people = [stage.person(f"{name}{n}", [Channel.SMS, Channel.TELEGRAM]) for n in range(count)]
    stage.deliver(events=[stage.told(person, "left") for person in people])
    return people


def tell(stage, rate, day=TODAY):
    with stage.db.write() as tx:
        rates.put(tx, [Rate(day, "USD", "KZT", Decimal(rate))])
    stage.engine._load()


def sent(stage, people):
    return [step for person in people for step in stage.sent(person)]


def test_a_cascade_stops_before_its_budget_whatever_its_accounts_are_paid_in(either):
    stage, office = staged(either, CASCADE)
    with either.read() as tx:
        kept, cascade = all_accounts(tx, VAULT), to_cascade(CASCADE, name="basket")
    assert "whose price is in USD" in missing_accounts(cascade, kept)[0]
    assert missing_accounts(cascade, kept, rates=stage.world.money.rates, day=TODAY) == []
    people = enter(stage, 9)
    assert sent(stage, people).count("gate") == 6  # 15.3705 KZT each, 92.223 of 100 together
    stage.passes("3h")
    assert sent(stage, people).count("sms") == 0  # 10 KZT more would be too much
    told = money.money(office, "basket").budget
    assert (told.held, told.total.minor) == (9222, 10_000)
    tell(stage, "300")  # the rate of that day is corrected: 54 KZT are held, so four more are paid
    assert money.money(office, "basket").budget.held == 5400
    late = enter(stage, 9, "late")
    stage.passes("3h")
    assert sent(stage, late).count("gate") == 5  # 99 KZT


def test_without_a_rate_nothing_is_sent_by_a_budget_in_another_currency(either):
    stage, office = staged(either, CASCADE, rate="")
    people = enter(stage, 2)
    assert sent(stage, people) == ["sms", "sms"]
    assert [stage.states(person)["gate"] for person in people] == ["over_budget", "over_budget"]
    assert money.money(office, "basket").budget.held == 2 * TIYN


def test_a_first_budget_counts_what_was_paid_in_another_currency_before_it(either):
    stage, office = staged(either, CASCADE.replace("budget: {total: 100 KZT}\n", ""))
    people = enter(stage, 10)
    assert sent(stage, people).count("gate") == 10  # 30 cents, 153.705 KZT
    with either.write() as tx:
        tx.script(
            "UPDATE accounts SET deleted_at = 1 WHERE name = 'telegram'"
        )  # what it held stays in dollars
    stage.cascade(CASCADE)
    assert money.money(office, "basket").budget.held == 15_370  # half a tiyn goes to the even one
    assert sent(stage, enter(stage, 2, "late")) == []


def test_a_contact_costs_no_more_than_its_budget_in_another_currency(either):
    text = CASCADE.replace("total: 100 KZT", "per_contact: 20 KZT")
    stage, _ = staged(either, text)
    (person,) = enter(stage, 1)
    stage.passes("3h")
    assert stage.sent(person) == ["gate"] and stage.states(person)["sms"] == "over_budget"


def test_a_day_of_the_installation_counts_all_that_rates_bring_into_its_currency(either):
    plain = CASCADE.replace("budget: {total: 100 KZT}\n", "")
    stage, office = staged(either, plain, ("50 KZT", "day"))
    people = enter(stage, 5)
    assert sent(stage, people).count("gate") == 3  # 46.1115 KZT
    (told,) = money.budgets(office)
    assert (told.spent, told.apart) == (4611, ())
    with either.write() as tx:
        rates.delete(tx, "USD", "KZT", 0, 1 << 20)
    stage.engine._load()
    (told,) = money.budgets(office)  # as before there were rates: what is paid in dollars stands apart
    assert (told.spent, told.apart) == (0, ("telegram",))


def test_an_accounts_own_budget_may_be_in_another_currency_and_never_lets_go_without_a_rate(either):
    plain = CASCADE.replace("budget: {total: 100 KZT}\n", "")
    stage, _ = staged(either, plain, ("50 KZT", "day", "telegram"))
    people = enter(stage, 5)
    assert sent(stage, people).count("gate") == 3
    with either.write() as tx:
        rates.delete(tx, "USD", "KZT", 0, 1 << 20)
    stage.engine._load()
    assert sent(stage, enter(stage, 2, "late")).count("gate") == 0
