"""What was paid in several currencies is told in one, by the rates of the days, on both databases."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from kaskad.actions import measures, money, rates, reports, uplift
from kaskad.actions.office import Office
from kaskad.cli.screens.output import rates_of
from kaskad.domain.policy import Policy
from kaskad.domain.rates import converted, half_even
from kaskad.domain.terms import Channel
from kaskad.store import settings
from support.stage import VAULT, Stage

CASCADE = """
cascade: mixed
class: service
holdout: 0%
trigger: {event: left}
goal: {event: bought, within: 7d, value: total}
steps:
  - {id: gate, channel: telegram, text: Hello, wait: 1d}
  - {id: sms, channel: sms, text: Hello, wait: 1d}
  - {id: call, channel: robot_call, say: Hello, wait: 1d}
"""
PRICES = {Channel.TELEGRAM: (25, "USD"), Channel.SMS: (1_433, "KZT"), Channel.ROBOT_CALL: (451, "RUB")}
VIEWS = (Path(__file__).parents[2] / "docs" / "views.md").read_text("utf-8")
FIRST = (date(2026, 6, 1) - date(1970, 1, 1)).days  # of the stage, at noon of UTC
BEGINS, ENDS = FIRST * 86_400_000, (FIRST + 30) * 86_400_000
USD = {0: "512.35", 1: "513.1", 2: "498.77"}  # KZT, by day after the first


class Writing(Office, frozen=True):
    """An office of a stage, whose engine has no thread of its own."""

    def write(self, change):
        """Carry a change out at once."""
        with self.db.write() as tx:
            return change(tx)

    def reload(self):
        """Read again what the engine keeps in memory."""
        self.engine._load()


def installation(db):
    stage = Stage(db, policy=replace(Policy.unlimited(), zone="Asia/Almaty"))
    for channel, (minor, currency) in PRICES.items():
        stage.account(channel, channel.value, prices={"minor": minor, "currency": currency})
    with db.write() as tx:
        settings.put(tx, "brand", {"name": "Shop", "currency": "KZT"})
    stage.cascade(CASCADE)
    people = [stage.person(f"p{n}", PRICES) for n in range(6)]
    for number, person in enumerate(people):
        stage.event(person, "left")
        if number == 5:
            stage.event(person, "bought", total=99)
        if number:  # two on the first day, then one a day: messages of one currency go on different days
            stage.passes("1d")
    stage.passes("5d")
    return stage, Writing(db, VAULT, stage.engine, stage.world.signer, "")


def tell(office, base, told):
    for day, value in told.items():
        rates.put(office, date.fromordinal(719_163 + FIRST + day).isoformat(), base, "KZT", value)


def paid(stage, ahead=5):
    """Return what each message cost, by currency and day after the first, from its own row."""
    found = []
    currencies = {channel.code: currency for channel, (_, currency) in PRICES.items()}
    with stage.db.read() as tx:
        connection = tx._connection
        rows = connection.execute(
            "SELECT channel, submitted_at, price FROM messages WHERE submitted_at IS NOT NULL"
        )
        for channel, at, price in list(rows):
            day = (at + ahead * 3_600_000) // 86_400_000 - FIRST  # Almaty is five hours ahead
            found.append((currencies[channel], day, price))
    return found


def by_the_view(db):
    """Return what was spent by the documented query, minor units, and how many sums stand apart."""
    query = re.search(r"## bi_rates.*?```sql\n(.*?)```", VIEWS, re.DOTALL)[1].strip().rstrip(";")
    with db.read() as tx:
        days = list(tx._connection.execute(query if tx.dialect == "sqlite" else query.encode()))
    assert {row[1] for row in days if row[2] is not None} == {"KZT"}
    return round(sum(float(row[2] or 0) for row in days) * 100), sum(row[3] for row in days)


def test_costs_come_to_what_each_message_cost_on_its_day_and_unknown_ones_stand_apart(either):
    stage, office = installation(either)
    each, utc = paid(stage), paid(stage, ahead=0)
    assert {name for name, _, _ in each} == {"USD", "KZT", "RUB"} and len({day for _, day, _ in each}) > 4
    own = {name: sum(minor for other, _, minor in each if other == name) for name in ("KZT", "RUB", "USD")}
    before = reports.report(office, "mixed").report
    assert before.cost == own and before.rates == {}
    apart = len({(name, day) for name, day, _ in utc if name != "KZT"})
    assert by_the_view(either) == (own["KZT"], apart), "what needs no rate is told without any"
    assert money.money(office, "mixed", BEGINS, ENDS).whole.cost == own

    tell(office, "USD", USD)
    exact = Decimal(own["KZT"])
    for name, day, minor in each:
        if name == "USD":
            exact += converted(minor, "USD", "KZT", Decimal(USD[min(day, 2)]))
    expected = {"KZT": half_even(exact), "RUB": own["RUB"]}
    told = reports.report(office, "mixed").report
    assert told.cost == expected and set(told.rates) == {"USD"}
    assert sum(line.cost.get("RUB", 0) for line in told.lines) == own["RUB"]
    assert abs(sum(line.cost.get("KZT", 0) for line in told.lines) - expected["KZT"]) <= 1
    spent = money.money(office, "mixed", BEGINS, ENDS)
    assert (spent.whole.cost, spent.whole.own) == (expected, own)
    by_day = {one.name: one.own.get("USD", 0) for one in spent.days}
    for one in spent.days:
        day = date.fromisoformat(one.name).toordinal() - 719_163 - FIRST
        of_day = converted(by_day[one.name], "USD", "KZT", Decimal(USD[min(day, 2)]))
        assert one.cost.get("KZT", 0) == half_even(of_day + one.own.get("KZT", 0))
    whole = measures.told(office, "mixed").measured
    assert whole.all.cost == expected
    assert whole.money["cost_entered"] == {
        "KZT": half_even(exact / 6),
        "RUB": half_even(Decimal(own["RUB"]) / 6),
    }
    assert uplift.measure(office, "mixed", ripe=False).cost == expected

    assert by_the_view(either) == (expected["KZT"], len({day for name, day, _ in utc if name == "RUB"}))

    tell(office, "RUB", {-30: "6.41"})  # a rate told afterwards re-tells what was
    later = reports.report(office, "mixed").report
    exact += converted(own["RUB"], "RUB", "KZT", Decimal("6.41"))
    assert later.cost == {"KZT": half_even(exact)} == money.money(office, "mixed", BEGINS, ENDS).whole.cost
    assert later.return_rate is not None and later.goal_cost == later.cost  # there is one goal


def test_a_currency_without_a_rate_for_one_of_its_days_is_not_converted_by_another_days(either):
    stage, office = installation(either)
    own = reports.report(office, "mixed").report.cost
    tell(office, "USD", {2: "500"})  # the first two messages have none
    assert reports.report(office, "mixed").report.cost == own
    spent = money.money(office, "mixed", BEGINS, ENDS).whole
    known = sum(minor for name, day, minor in paid(stage) if name == "USD" and day >= 2)
    assert spent.cost["USD"] == own["USD"] - known and spent.own == own
    assert spent.cost["KZT"] == own["KZT"] + half_even(converted(known, "USD", "KZT", Decimal(500)))


def test_revenue_is_told_in_the_currency_of_figures_and_pays_off_by_it(either):
    _, office = installation(either)
    tell(office, "USD", USD)
    tell(office, "RUB", {-30: "6.41"})
    in_brand = reports.report(office, "mixed").report
    assert in_brand.revenue == {"KZT": 9900}
    rates.tell_in(office, "USD")
    told = reports.report(office, "mixed").report
    last = Decimal(USD[2])
    assert told.revenue == {"USD": half_even(converted(9900, "KZT", "USD", 1 / last))}
    assert set(told.cost) == {"USD"} and told.return_rate is not None
    assert f"{told.worth_rates['KZT']:.20f}" == f"{1 / last:.20f}"  # of the day of entry
    assert told.rates["KZT"] != told.worth_rates["KZT"] and "RUB" in told.rates
    costs, worth = (
        {name: str(rate) for name, rate in each.items()} for each in (told.rates, told.worth_rates)
    )
    *_, said = rates_of(costs, told.cost, worth)
    assert said.startswith("What goals were worth") and f"1 KZT = {1 / last:.8g}" in said
    assert len(list(rates_of(costs, told.cost, {"KZT": costs["KZT"]}))) == 1
    assert measures.told(office, "mixed").measured.money["revenue"] == told.revenue
    rates.tell_in(office, "EUR")  # of which no rate tells anything
    assert set(reports.report(office, "mixed").report.cost) == {"KZT", "RUB", "USD"}
