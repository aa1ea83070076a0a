"""Returns: what a shop says came back is deducted from its goal, in whatever order all is told."""

from itertools import permutations
from typing import Any

from kaskad.analytics.courses import tally, worth_each
from kaskad.analytics.reach import Report, report
from kaskad.analytics.scope import EVERYTHING, People, Scope
from kaskad.domain.definition import to_cascade
from kaskad.domain.terms import Kind
from kaskad.store.courses import HOUR_MS
from kaskad.store.db import Database
from support.stage import Stage

TEXT = """
cascade: shop
class: service
holdout: 0%
trigger: {event: left, key: cart}
reentry: parallel_by_key
budget: {total: 1000000 KZT}
goal:
  event: bought
  match: {cart: trigger.cart}
  within: 2d
  value: amount
  returned: {event: refund, value: amount, order: order}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
"""
WHOLE = TEXT.replace("cascade: shop", "cascade: whole").replace("value: amount, order: order", "order: order")
EVENTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a": ("bought", "5h", {"cart": 1, "amount": 100, "order": "A"}),
    "b": ("bought", "4h", {"cart": 2, "amount": 50}),  # names no order
    "c": ("refund", "3h", {"amount": -30, "order": "A"}),  # shops write a minus, or none
    "d": ("refund", "2h", {"amount": 20}),  # of the last one before it: b
    "e": ("refund", "1h", {"amount": 10, "order": "X"}),  # b too: it may have been that order
    "f": ("refund", "4h", {"amount": 5, "currency": "USD", "order": "A"}),
}


def told(stage: Stage, number: int, text: str = TEXT) -> Report:
    with stage.db.read() as tx:
        return report(tx, number, to_cascade(text, name="shop"), stage.clock.now())


def runs(stage: Stage, person: int) -> list[tuple[int, int]]:
    with stage.db.read() as tx:
        rows = tx.among("export_runs", [person], since=0, until=1 << 60)
    return [(row[10], row[11]) for row in rows]


def recount(stage: Stage, people: list[int]) -> tuple[int, int]:
    """Return worth less returns, and returns, of all their runs: slowly, from their facts."""
    net = back = 0
    with stage.db.read() as tx:
        for contact_id, run_id, *rest in tx.among("export_runs", people, since=0, until=1 << 60):
            facts = tx.all("facts_of_run", contact_id=contact_id, run_id=run_id)
            amounts = [fact[4] for fact in facts if fact[1] == Kind.RETURNED.value]
            minor = sum(int(a.split(":")[1].strip(" }")) for a in amounts if "null" not in a)
            net += (rest[8] or 0) - min(minor, rest[8] or 0)
            back += min(minor, rest[8] or 0)
    return net, back


def test_returns_find_their_goals_in_whatever_order_all_is_told(either: Database) -> None:
    stage = Stage(either)
    number = stage.cascade(TEXT)
    orders = list(permutations(EVENTS))[::97]
    people = [stage.person(f"p{n}") for n in range(len(orders))]
    for person in people:
        stage.event(person, "left", ago="6h", cart=1)
        stage.event(person, "left", ago="6h", cart=2)
    for person, order in zip(people, orders, strict=True):
        for one in order:
            name, ago, properties = EVENTS[one]
            stage.deliver(events=[stage.told(person, name, id=one, ago=ago, **properties)] * 2)
    for person, order in zip(people, orders, strict=True):
        assert sorted(runs(stage, person)) == [(5_000, 3_000), (10_000, 3_000)], order
    made = told(stage, number)
    count = len(people)
    assert (made.goals, made.revenue, made.returned) == (
        2 * count,
        {"KZT": 9_000 * count},
        {"KZT": 6_000 * count},
    )
    assert (made.goals_returned, made.returned_late, made.returned_unread) == (2 * count, 0, count)
    assert recount(stage, people) == (9_000 * count, 6_000 * count)
    with either.read() as tx:
        counted = tally(tx, number, EVERYTHING)
        assert counted.uncounted == 0 and worth_each(tx, number, EVERYTHING)[0] == {7_000: count}
        assert worth_each(tx, number, Scope(People(range(1, 1_000))))[0] == {7_000: count}, "of these people"
        assert not worth_each(tx, number, Scope(People([999])))[0]


def test_an_order_that_came_back_is_worth_nothing_and_never_less(either: Database) -> None:
    stage = Stage(either)
    number, whole = stage.cascade(TEXT), stage.cascade(WHOLE)
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.event(ann, "left", cart=1)
    stage.event(ann, "bought", cart=1, amount=100, order=7)
    stage.event(bob, "refund", amount=100, order=7)  # of another person
    assert told(stage, number).revenue == {"KZT": 10_000}
    since = stage.clock.now() // HOUR_MS
    stage.passes("3d")  # its time is over, and the run has long ended
    with either.read() as tx:
        ended = tx.one("run_by_key", contact_id=ann, run_id=stage.runs(ann)[0].id)
    stage.event(ann, "refund", amount=60, order="7")
    made = told(stage, number)
    assert (made.revenue, made.returned_late) == ({"KZT": 4_000}, 1)
    stage.event(ann, "refund", amount=100, order="7")  # told twice, by other ids
    made = told(stage, number)
    assert (made.goals, made.revenue, made.returned) == (1, {}, {"KZT": 10_000})
    every = told(stage, whole, WHOLE)
    assert (every.revenue, every.returned, every.goals_returned) == ({}, {"KZT": 10_000}, 1)
    with either.read() as tx:
        assert tx.one("run_by_key", contact_id=ann, run_id=stage.runs(ann)[0].id) == ended
        sums = tx.many("part_sums", [(0, number, 0, 1, since, since + 1)])
        assert [row[4:] for row in sums if row[2].startswith('["run"')] == [(0, 10_000)]
        tx_facts = [row[1] for row in tx.all("facts_of_run", contact_id=ann, run_id=stage.runs(ann)[0].id)]
    assert tx_facts.count(Kind.RETURNED.value) == 2


def test_what_an_older_version_sold_is_deducted_once_the_running_one_names_returns(either: Database) -> None:
    stage = Stage(either)
    older = TEXT.replace("  returned: {event: refund, value: amount, order: order}\n", "")
    stage.cascade(older)
    ann, bob, kim = (stage.person(name) for name in ("ann", "bob", "kim"))
    for person in (ann, bob, kim):
        stage.event(person, "left", cart=1)
        stage.event(person, "left", cart=2)
    for person in (ann, bob):
        stage.event(person, "bought", cart=1, amount=100, order="A")
        stage.event(person, "bought", cart=2, amount=50, order="B")
    stage.event(bob, "refund", amount=100, order="A")
    assert told(stage, 1, older).returned == {}, "nobody has said how returns are told"
    number = stage.cascade(TEXT)
    stage.event(kim, "bought", cart=1, amount=100, order="A")
    for person in (ann, kim):
        stage.event(person, "refund", amount=30, order="A")
    assert sorted(runs(stage, ann)) == sorted([(10_000, 3_000), (5_000, 0)]), "by its order, the older one"
    assert (10_000, 3_000) in runs(stage, kim), "bought since by the older version"
    assert sorted(runs(stage, bob)) == [(5_000, 0), (10_000, 0)]
    stage.passes("2m")
    assert sorted(runs(stage, bob)) == [(5_000, 0), (10_000, 10_000)], "what was told before is found"
    stage.event(bob, "refund", amount=5, order="B")
    assert sorted(runs(stage, bob)) == [(5_000, 500), (10_000, 10_000)]
    made = told(stage, number)
    assert made.revenue == {"KZT": 2 * 15_000 + 10_000 - 3_000 - 3_000 - 10_500}
    other = TEXT.replace("event: bought", "event: paid")
    stage.cascade(other)
    stage.event(ann, "refund", amount=10, order="A")
    assert sorted(runs(stage, ann)) == sorted([(10_000, 3_000), (5_000, 0)]), "of another goal"


def test_a_cart_is_bought_where_one_article_of_it_is(either: Database) -> None:
    stage = Stage(either)
    stage.cascade(TEXT.replace("{cart: trigger.cart}", "{items.sku: trigger.items.sku}"))
    people = [stage.person(name) for name in ("some", "none", "plain", "empty")]
    for person in people:
        stage.event(person, "left", cart=1, items=[{"sku": "a"}, {"sku": "b"}])
    for person, items in zip(
        people, ([{"sku": "c"}, {"sku": "b"}], [{"sku": "c"}], {"sku": "a"}, []), strict=True
    ):
        stage.event(person, "bought", amount=5, items=items)
    assert [stage.outcome(person) for person in people] == ["converted", None, "converted", None]
