"""Customers over time, counted again slowly from each person's purchases."""

import random
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from kaskad.analytics.customers import Bought, Buying, Rule, begins_at, customers, period_of
from kaskad.store.db import Transaction, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.segment_base import everybody_of

NOW = int(datetime(2026, 11, 26, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000
CURRENT = 2026 * 12 + 10  # November, months since year 0


def month(at: int) -> int:
    told = datetime.fromtimestamp(at / 1000, UTC)
    return told.year * 12 + told.month - 1


def bought(tx: Transaction, rule: Rule) -> Bought:
    buying = Buying(rule, NOW)
    everybody_of(tx, (), (buying.add,))
    return buying.whole()


@pytest.mark.parametrize("keep", [1, 2])
def test_customers_are_counted_as_each_persons_purchases_say(tmp_path: Path, keep: int) -> None:
    chance = random.Random(7)
    db = open_database(str(tmp_path / "kaskad.db"))
    upgrade(db)
    spent: dict[int, list[tuple[int, float]]] = defaultdict(list)
    with db.write() as tx:
        for person in range(1, 61):
            seed = int(person % 20 == 0)
            tx.script(f"INSERT INTO contacts (id, created_at, seed) VALUES ({person}, 0, {seed})")
            for number in range(chance.choice([0, 1, 1, 2, 3, 6])):
                at, amount = NOW - chance.randrange(300 * DAY), chance.randrange(1, 500)
                tx.script(f"INSERT INTO events (contact_id, id, name, at, properties) VALUES ({person}, "
                          f"'e{number}', 'purchase', {at}, '{{\"amount\": {amount}}}')")  # fmt: skip
                if not seed:
                    spent[person].append((month(at), amount))
                if chance.random() < 0.3:
                    tx.script(f"INSERT INTO events (contact_id, id, name, at, properties) VALUES ({person}, "
                              f"'r{number}', 'refund', {at + 1}, '{{\"amount\": {amount}}}')")  # fmt: skip
                    if not seed:
                        spent[person].append((month(at), -amount))
    rule = Rule(("purchase",), "amount", ("refund",), "month", keep, 0.4, 0.01)
    with db.read() as tx:
        told = customers(bought(tx, rule), rule, NOW, "RUB")
        nobody = customers(bought(tx, Rule(("nothing",), "amount")), rule, NOW, "RUB")
    db.close()
    assert (told.customers, told.revenue) == (len(spent), sum(a for each in spent.values() for _, a in each))
    months = {person: {period for period, _ in each} for person, each in spent.items()}
    for one in told.periods:
        now = month(one.begins_at)

        def at(last: int) -> set[int]:
            return {p for p, each in months.items() if each & set(range(last - keep + 1, last + 1))}

        start, end = at(now - 1), at(now)
        new = {p for p, each in months.items() if min(each) == now}
        assert (one.at_start, one.kept, one.new) == (len(start), len(start & end), len(new))
        assert one.won_back == len(end - start - new) and one.buyers == sum(now in m for m in months.values())
        assert one.retention == (len(start & end) / len(start) if start else None)
    for cohort in told.cohorts:
        first = month(cohort.begins_at)
        own = [each for each in months.values() if min(each) == first]
        assert cohort.size == len(own)
        assert cohort.active == [sum(k in each for each in own) for k in range(first, CURRENT)]
    kept, whole = sum(p.kept for p in told.periods), sum(p.at_start for p in told.periods)
    active = sum(p.kept + p.new + p.won_back for p in told.periods)
    margin = sum(p.amount for p in told.periods) * 0.4 / active
    assert told.ltv == told.revenue / len(spent) * 0.4
    assert told.ltv_predicted == pytest.approx(margin * 1.01 / (0.01 + 1 - kept / whole))
    assert (nobody.customers, nobody.retention, nobody.ltv, nobody.ltv_predicted) == (0, None, None, None)


def test_a_predicted_worth_is_the_sum_of_what_is_left_of_each_period() -> None:
    left, worth = 1.0, 0.0
    for _ in range(10_000):
        worth, left = worth + left * 30, left * (1 - 0.2) / 1.01
    assert pytest.approx(worth) == 30 * (1 + 0.01) / (0.01 + 0.2)


@pytest.mark.parametrize("unit", ["month", "week"])
def test_periods_begin_where_they_are_said_to(unit: str) -> None:
    period = int(period_of(np.array([NOW]), unit)[0])  # type: ignore[arg-type]
    first = begins_at(period, unit)  # type: ignore[arg-type]
    assert first <= NOW < begins_at(period + 1, unit)  # type: ignore[arg-type]
    assert datetime.fromtimestamp(first / 1000, UTC).isoformat()[:10] in ("2026-11-01", "2026-11-23")
