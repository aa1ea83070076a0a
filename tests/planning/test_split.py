"""Several parts of the people, each with an order of its own: the best choice, and one row that holds all."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from kaskad.actions.by_segment import refusing
from kaskad.actions.proposals import refusals
from kaskad.actions.splitting import Way, split_drawn
from kaskad.domain.cascade import Clock, Span
from kaskad.domain.definition import to_cascade
from kaskad.domain.definition.edit import EditError
from kaskad.domain.terms import Reaction
from kaskad.planning.frontier import Point, Wish, best, price_of_reach, split
from kaskad.planning.history import Cell
from kaskad.planning.woven import woven


def naive(parts, shares, wish):
    """Try every choice."""
    best = None
    for choice in product(*(range(len(points)) for points in parts)):
        taken = [points[n] for points, n in zip(parts, choice, strict=True)]
        whole = Point(
            *(sum(share * getattr(one, name) for share, one in zip(shares, taken, strict=True))
              for name in ("reach", "cost", "messages", "capped", "worth"))
        )  # fmt: skip
        if wish.lacks(whole):
            continue
        loss = (
            -wish.gains(whole) if wish.value is not None
            else whole.cost if wish.reach is not None else -whole.reach
        )  # fmt: skip
        best = loss if best is None else min(best, loss)
    return best


def test_the_choice_for_all_parts_is_that_of_a_naive_search():
    chance = np.random.default_rng(3)
    for _ in range(30):
        count = int(chance.integers(1, 4))
        shares = chance.dirichlet(np.ones(count))
        parts = [
            [Point(float(r), float(50 * r * k), float(m), float(c), float(r * 0.9))
             for r, k, m, c in chance.random((int(chance.integers(3, 9)), 4))]
            for _ in range(count)
        ]  # fmt: skip
        goal = 0.6 * sum(
            share * max(one.reach for one in points) for share, points in zip(shares, parts, strict=True)
        )
        for wish in (
            Wish(reach=goal), Wish(budget=8.0), Wish(value=40.0, annoyance=2.0), Wish(value=40.0, budget=8.0),
            Wish(reach=goal, capped=0.4), Wish(reach=2.0),
        ):  # fmt: skip
            found, expected = split(parts, shares, wish), naive(parts, shares, wish)
            if expected is None:
                assert found is None
                continue
            taken = [points[n] for points, n in zip(parts, found, strict=True)]
            assert naive([[one] for one in taken], shares, wish) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("size", "few", "calls"), [(1_000_000, 5, 4), (1_000_000, 5, 3), (10_000_000, 20, 10), (300, 60, 40)]
)
@pytest.mark.parametrize("between", [[], [Point(0.4, 3.0, 1.0, 0.45)]])
def test_limits_hold_for_a_few_of_very_many(size, few, calls, between):
    parts = [
        [Point(0.1, 0.0, 1.0), *between, Point(0.9, 10.0, 1.0, 0.98)],
        [Point(0.1, 0.0, 1.0), Point(0.9, 10.0, 1.0, 0.9)],
    ]
    shares, wish = [few / size, 1 - few / size], Wish(capped=calls / size)
    found = split(parts, shares, wish)
    made = sum(points[n].capped * share for points, n, share in zip(parts, found, shares, strict=True)) * size
    assert made <= calls * (1 + 1e-3)
    reach = sum(points[n].reach * share for points, n, share in zip(parts, found, shares, strict=True))
    assert -reach == pytest.approx(naive(parts, shares, wish), abs=1e-12), "and they do as much as can be"


def test_of_orders_that_do_the_same_that_is_taken_which_is_best_for_all():
    points = [Point(0.5, 10.0, 3.0), Point(0.5, 10.0, 2.0), Point(0.5, 10.0, 2.5)]
    assert split([points, points], [0.5, 0.5], Wish(reach=0.5)) == [1, 1]
    more = [Point(0.4, 10.0, 2.0), Point(0.5, 10.0, 3.0), Point(0.5, 10.0, 4.0), Point(0.6, 11.0, 1.0)]
    less = [Point(0.5, 10.0, 1.0), Point(0.5, 9.0, 2.0), Point(0.4, 1.0, 1.0)]
    for one, wish in ((more, Wish(reach=0.3)), (less, Wish(budget=20.0)), (points, Wish(value=50.0))):
        assert split([one, one], [0.5, 0.5], wish) == [best(one, wish)] * 2, "as for all of them together"
    assert price_of_reach(points, Wish(value=7.0), 0.5) == 7.0
    line = [Point(0.2, 1.0), Point(0.4, 3.0), Point(0.5, 9.0)]
    assert price_of_reach(line, Wish(reach=0.3), 0.3) == pytest.approx(10.0)  # (3 - 1) / (0.4 - 0.2)


def test_orders_are_woven_into_the_shortest_row_that_holds_each():
    assert woven([]) == [] and woven([""]) == [] and woven(["ab", "ab"]) == [
        ("a", frozenset({0, 1})), ("b", frozenset({0, 1})),
    ]  # fmt: skip
    assert woven(["ab", "ba"]) == [("a", {0}), ("b", {0, 1}), ("a", {1})]
    assert woven(["lrc", "lcr", "lc"]) == [("l", {0, 1, 2}), ("r", {0}), ("c", {0, 1, 2}), ("r", {1})]
    chance = np.random.default_rng(8)
    for _ in range(40):
        orders = ["".join(chance.permutation(list("abcd"))[: chance.integers(1, 5)]) for _ in range(3)]
        row = woven(orders)
        for n, order in enumerate(orders):
            assert "".join(step for step, of in row if n in of) == order
        assert len(row) == shortest(orders)


def shortest(orders):
    """Try rows of each length until one holds all."""
    for length in range(max(map(len, orders)), sum(map(len, orders)) + 1):
        for row in product("abcd", repeat=length) if length < 8 else ():
            if all(held(order, row) for order in orders):
                return length
    return None


def held(order, row):
    left = iter(row)
    return all(step in left for step in order)


TEXT = """cascade: cart
class: service
trigger: {event: cart_left}
goal: {event: bought}
steps:
  # a letter, since it costs nothing
  - {id: letter, channel: email, subject: s, text: t}
  - id: robot
    channel: robot_call
    say: t
    if: trigger.total > 100
  - {id: chat, channel: telegram, text: t, wait: 6h}
  - {id: last, channel: sms, text: "{{ link('https://example.org') }}", at: {on: day 3}}
  - {id: thanks, channel: sms, text: t, only: branch}
branches: [{when: last.clicked, go: thanks}]
"""


def drawn_as(*ways):
    text = split_drawn("cart", TEXT, [Way(*way) for way in ways])
    return text, {step.id: step for step in to_cascade(text, name="cart").steps}


def test_parts_go_their_ways_in_one_text():
    text, steps = drawn_as(
        ("vip", ("letter", "chat", "robot", "last")), ("", ("letter", "robot", "chat", "last"))
    )
    assert list(steps) == ["letter", "robot", "chat", "robot_2", "last", "thanks"]
    assert steps["letter"].condition is None and steps["chat"].condition is None
    assert steps["robot"].condition.text == 'trigger.total > 100 and not segment("vip")'
    assert steps["robot_2"].condition.text == (
        'trigger.total > 100 and segment("vip") and not steps.robot.sent'
    )
    assert steps["robot_2"].content == steps["robot"].content and "# a letter" in text
    # Waits that are others, a step that only some get, three parts of whom the first counts.
    text, steps = drawn_as(
        ("vip", ("letter", "chat"), {"letter": "6h"}), ("new", ("letter", "chat"), {"letter": "6h"}),
        ("", ("letter", "robot"), {}),
    )  # fmt: skip
    assert list(steps) == ["letter", "robot", "letter_2", "chat", "last", "thanks"]
    whose = {name: step.condition.text for name, step in steps.items() if step.condition is not None}
    others, two = 'not segment("vip") and not segment("new")', 'segment("vip") or segment("new")'
    assert whose == {
        "letter": others, "robot": f"trigger.total > 100 and {others}", "chat": two,
        "letter_2": f"({two}) and not steps.letter.sent",
    }  # fmt: skip
    assert steps["letter_2"].wait[0].span == Span(ms=6 * 3_600_000) and not steps["letter"].wait


@pytest.mark.parametrize("count", [1, 2, 3])
def test_whoever_is_where_gets_the_steps_of_their_part_in_its_order(count):
    chance = np.random.default_rng(count)
    names, segments = ["letter", "robot", "chat"], [f"s{n}" for n in range(count)]
    for _ in range(6):
        ways = [
            Way(segment, (*chance.permutation(names)[: chance.integers(1, 4)].tolist(), "last"),
                {"chat": "3h"} if chance.random() < 0.4 else {})
            for segment in (*segments, "")
        ]  # fmt: skip
        text = split_drawn("cart", TEXT, ways)
        steps = to_cascade(text, name="cart").steps
        for member in product((False, True), repeat=count):
            within = {segment for segment, inside in zip(segments, member, strict=True) if inside}
            way = next(way for way in ways if way.segment in within or not way.segment)
            got, sent = [], {}
            for step in steps:
                scope = {"trigger": {"total": 200}, "segments": within, "steps": sent}
                meets = step.condition is None or step.condition.test(scope, 0).value
                sent[step.id] = {"sent": meets}
                if meets and step.id != "thanks":
                    got.append(
                        (step.id.split("_")[0], step.wait == (Clock(Reaction.NONE, Span(ms=10_800_000)),))
                    )
            assert [name for name, _ in got] == list(way.order)
            if "chat" in way.order:
                assert dict(got)["chat"] == ("chat" in way.waits)


def test_what_cannot_stand_twice_is_said():
    looks = TEXT.replace(
        "- {id: last,", '- {id: look, channel: push, text: "{{ steps.robot.sent }}"}\n  - {id: last,'
    )
    two = [
        Way("vip", ("letter", "chat", "robot", "look", "last")),
        Way("", ("letter", "robot", "chat", "look", "last")),
    ]
    with pytest.raises(EditError, match="look looks at robot, which would stand twice"):
        split_drawn("cart", looks, two)
    with pytest.raises(EditError, match="no step nobody"):
        split_drawn("cart", TEXT, [Way("vip", ("nobody",)), Way("", ("letter",))])


def test_what_stands_once_takes_the_wait_of_all():
    looks = TEXT.replace("if: trigger.total > 100", "if: steps.letter.sent")
    order = ("letter", "robot", "chat", "last")
    text = split_drawn("cart", looks, [Way("vip", order, {"robot": "1h"}), Way("", order, {"robot": "1h"})])
    steps = {step.id: step for step in to_cascade(text, name="cart").steps}
    assert list(steps) == [*order, "thanks"] and steps["robot"].wait[-1].span == Span(ms=3_600_000)
    with pytest.raises(EditError, match="robot stands once, for everybody"):
        split_drawn("cart", looks, [Way("vip", order, {"robot": "1h"}), Way("", order)])


def test_a_segment_that_refuses_more_than_all_may_is_named_though_all_together_do_not_show_it():
    """One of twenty people is a VIP, of whom one in fifty says no to the robot that is proposed for them."""
    ground = SimpleNamespace(items=[SimpleNamespace(step=0), SimpleNamespace(step=1)])

    def part(refused, of):
        cells = [Cell(silent=5_000), Cell(silent=of - refused, left=refused, refused=refused)]
        own = SimpleNamespace(step=lambda number: cells[number])
        ways = [SimpleNamespace(messages=np.array(sent)[:, None]) for sent in ([1.0, 0.0], [1.0, 0.8])]
        return SimpleNamespace(own=own, today=ways[0]), ways[1]

    parts = {"vip": part(20, 1_000), "few": part(4, 200), "": part(1, 20_000)}
    shares = (0.05, 0.01, 0.94)
    assert refusals(ground, [(share, *one) for share, one in zip(shares, parts.values(), strict=True)]) == []
    (told,) = refusing(ground, parts)
    assert "Of segment vip by itself" in told
    assert "all others" in refusing(ground, {"": part(20, 1_000)})[0]
