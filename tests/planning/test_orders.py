"""All orders and subsets: the figures of the worked example, and the best found again by a naive search."""

from itertools import permutations, product

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.special import expit

from kaskad.actions.arranging import Arrangement
from kaskad.actions.past import Past
from kaskad.actions.weighing import Weighing
from kaskad.domain.terms import Channel
from kaskad.planning.frontier import Point, Wish, best, efficient, keeps, mixed
from kaskad.planning.history import Cell, Happened
from kaskad.planning.orders import Freedom, chosen, intrusion, orders, table, table_of
from kaskad.planning.propensity import SPREADS, Group, Item, Rate, base_of, believed, fitted, nodes

CHANNELS = (Channel.EMAIL, Channel.TELEGRAM, Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
PRICES = (0.05, 17.5, 15.0, 37.5, 375.0)
MIDPOINTS = (0.20, 0.80, 0.95, 0.50, 0.70)
STORY = (0.20, 0.50, 0.375, 0.40, 0.70)
ONE = np.ones(1)


def five(count=5):
    return [Item(n, intrusion(channel)) for n, channel in enumerate(CHANNELS[:count])]


def figures(shares, order, prices=PRICES, people=ONE, reacts=None):
    rates = np.array([shares]) if reacts is None else reacts
    items = [Item(n) for n in range(len(prices))]
    told = chosen(table_of(items, prices, people, rates), order)
    return told.reach[0], told.cost[0], told


def points(shares, freedom=Freedom.FREE):
    items = five(len(shares))
    adds = table_of(items, PRICES[: len(shares)], ONE, np.array([shares]))
    found = [chosen(adds, order) for order in orders(items, freedom)]
    return [
        Point(one.reach[0], one.cost[0], one.messages.sum(), one.messages[-1, 0]) for one in found
    ], [one.order for one in found]  # fmt: skip


def test_there_are_as_many_orders_as_can_be_counted():
    six = [Item(n) for n in range(6)]
    assert len(list(orders(six, Freedom.FREE))) == 1957
    assert len(list(orders(six, Freedom.AS_IS))) == 64
    gentle = list(orders(five(), Freedom.GENTLE))
    assert all(list(order) == sorted(order) for order in gentle) and len(gentle) == 32
    # What stands where it stands is never left out, and nothing passes it.
    blocks = [Item(0), Item(1), Item(2, block=1, needed=True), Item(3, block=2)]
    assert {order for order in orders(blocks, Freedom.FREE) if len(order) == 4} == {
        (0, 1, 2, 3),
        (1, 0, 2, 3),
    }
    assert all(2 in order for order in orders(blocks, Freedom.FREE))
    # An order of today that is not gentle may stay.
    harsh = [Item(0, intrusion=2), Item(1, intrusion=1)]
    assert {(0, 1), (1, 0)} <= set(orders(harsh, Freedom.GENTLE))


def test_the_order_changes_the_cost_and_not_the_reach():
    # Domain 8.4 and 9.1: S3's order, the best and the worst by the table's midpoints.
    assert figures(MIDPOINTS, (0, 1, 2, 3, 4))[1] == pytest.approx(18.25, abs=0.005)
    assert figures(MIDPOINTS, (0, 2, 1, 3, 4))[1] == pytest.approx(14.55, abs=0.005)
    told, names = points(MIDPOINTS)
    whole = [n for n, order in enumerate(names) if len(order) == 5]
    assert names[min(whole, key=lambda n: told[n].cost)] == (0, 2, 1, 3, 4)
    assert {round(told[n].reach, 9) for n in whole} == {0.9988}
    # On one common event S3's order is right: p/c 4.0, .029, .025, .011.
    story, names = points(STORY[:4])
    whole = [n for n, order in enumerate(names) if len(order) == 4]
    assert names[min(whole, key=lambda n: story[n].cost)] == (0, 1, 2, 3)
    assert [round(p / c, 3) for p, c in zip(STORY[:4], PRICES, strict=False)] == [4.0, 0.029, 0.025, 0.011]
    # One more reached contact costs c/p (9.2); a step stays where V p > c.
    each = [c / p for p, c in zip(MIDPOINTS, PRICES, strict=True)]
    assert [round(one, 2) for one in each] == [0.25, 21.88, 15.79, 75.0, 535.71]
    kept = [keeps(p, c, Wish(value=100.0)) for p, c in zip(MIDPOINTS, PRICES, strict=True)]
    assert kept == [True, True, True, True, False] and keeps(0.5, 1.0, Wish()) is None


def test_the_reaching_step_begins_after_a_day_on_average():
    items = [Item(n, hours=hours) for n, hours in enumerate((24.0, 6.0, 2.0, 2.0, 0.0))]
    told = chosen(table_of(items, PRICES, ONE, np.array([MIDPOINTS])), (0, 1, 2, 3, 4))
    assert told.hours[0] == pytest.approx(20.2, abs=0.05)  # domain 9.3


def test_who_reacts_to_the_same_is_asked_by_the_third_way_first():
    # A and B reach the same half, C an independent 30 % (domain 9.3).
    people, reacts = np.array([0.5, 0.5]), np.array([[1.0, 1.0, 0.3], [0.0, 0.0, 0.3]])
    prices = (1.0, 1.01, 1.0)
    cost = {order: figures((), order, prices, people, reacts)[1] for order in permutations(range(3))}
    assert round(cost[0, 1, 2], 3) == 2.005 and cost[0, 2, 1] == pytest.approx(1.854, abs=0.0006)
    assert min(cost, key=cost.get) == (0, 2, 1)


@pytest.mark.parametrize(
    "spread, reach, cost", [(0, 99.9, 18.25), (1, 99.2, 22.08), (2, 97.5, 29.13), (3, 96.2, 33.58)]
)
def test_shared_habits_make_it_worse(spread, reach, cost):
    # The same marginals with a common logit-normal propensity (domain 8.4).
    readiness, weights = nodes(60)
    base = base_of(np.array(MIDPOINTS), np.full(5, float(spread)), np.tile(weights, (5, 1)), readiness)
    reacts = expit(base[None, :] + spread * readiness[:, None])
    reached, paid, told = figures((), (0, 1, 2, 3, 4), PRICES, weights, reacts)
    assert (round(100 * reached, 1), round(paid, 2)) == (reach, cost)
    if spread == 2:  # then the robot works for 5 %, the agent for 14 % of those who arrive
        ends = [figures((), tuple(range(n + 1)), PRICES, weights, reacts)[0] for n in range(5)]
        arrive = told.messages[:, 0]
        assert round((ends[3] - ends[2]) / arrive[3], 2) == 0.05
        assert round((ends[4] - ends[3]) / arrive[4], 2) == 0.14


def test_who_cannot_be_asked_costs_nothing_and_is_not_reached():
    # With 90/55/80/70/70 % of the base addressable and consented (domain 8.4; 96.4 there is 96.35).
    shares = (0.90, 0.55, 0.80, 0.70, 0.70)
    groups = []
    for has in product((True, False), repeat=5):
        share = np.prod([p if there else 1 - p for p, there in zip(shares, has, strict=True)])
        over = tuple(c if there else None for c, there in zip(CHANNELS, has, strict=True))
        groups.append(
            Group(float(share), over, tuple(p * there for p, there in zip(PRICES, has, strict=True)))
        )
    told = lambda at, channel, before: Rate(np.array([MIDPOINTS[at]]), np.zeros(1))  # noqa: E731
    adds = table(five(), groups, fitted(five(), groups, told, np.zeros(1)))
    three, all_five = chosen(adds, (0, 1, 2)), chosen(adds, (0, 1, 2, 3, 4))
    assert (round(100 * three.reach[0], 1), round(three.cost[0], 2)) == (89.0, 13.45)
    assert (round(100 * all_five.reach[0], 2), round(all_five.cost[0], 2)) == (96.35, 35.15)


@pytest.mark.parametrize(
    "reach, cost, shares", [(0.80, 24.74, {3: 0.5, 4: 0.5}), (0.90, 56.21, {4: 0.52, 5: 0.48})]
)
def test_a_reach_at_least_cost_is_a_mix_of_two_depths(reach, cost, shares):
    told, names = points(STORY)
    found = mixed(told, Wish(reach=reach))
    assert round(found.cost, 2) == cost and found.reach == pytest.approx(reach)
    assert {len(names[n]): round(share, 2) for n, share in found.shares} == shares
    deeper = mixed(told, Wish(reach=reach + 0.001))
    assert found.marginal == pytest.approx((deeper.cost - found.cost) / 0.001, rel=1e-6)
    # With few calls a reach may be out of hand; a budget buys as much, at the same price of one more.
    assert mixed(told, Wish(reach=0.955, capped=0.01)) is None
    spent = mixed(told, Wish(budget=found.cost))
    assert spent.reach == pytest.approx(reach) and spent.marginal == pytest.approx(found.marginal)


@pytest.mark.parametrize("more", [1e-5, 1e-7, 1e-8])
def test_limits_of_a_mix_are_kept_to_the_person_among_many_millions(more):
    """A hundred millionth of the people beyond a limit, or short of it, is a person or a call of so many."""
    told = [Point(0.8, 10.0), Point(0.9, 20.0, capped=0.02), Point(0.95, 50.0, capped=0.05)]
    near = {"rel": 1e-6, "abs": 0.0}
    found = mixed(told, Wish(reach=0.8 + more))
    assert found.reach - 0.8 == pytest.approx(more, **near) and found.marginal == pytest.approx(100, **near)
    found = mixed(told, Wish(budget=10 + more))
    assert found.cost - 10 == pytest.approx(more, **near) and found.marginal == pytest.approx(100, **near)
    found = mixed(told, Wish(capped=more))
    assert found.reach - 0.8 == pytest.approx(0.1 * more / 0.02, **near)
    assert dict(found.shares)[1] == pytest.approx(more / 0.02, **near)


def test_the_cheapest_order_of_independent_channels_is_that_by_price_for_each_reaction():
    # Domain 9.1: in 2000 random worlds of five channels the order of p/c is nowhere beaten.
    chance = np.random.default_rng(11)
    shares, prices = chance.uniform(0.01, 0.99, (2000, 5)), chance.uniform(0.01, 100.0, (2000, 5))
    ways = np.array(list(permutations(range(5))))
    p, c = shares[:, ways], prices[:, ways]
    arriving = np.cumprod(np.concatenate([np.ones((2000, 120, 1)), 1 - p[:, :, :-1]], axis=2), axis=2)
    costs = (arriving * c).sum(axis=2)
    ruled = np.argsort(-shares / prices, axis=1)
    for world in range(2000):
        place = int(np.flatnonzero((ways == ruled[world]).all(axis=1))[0])
        assert costs[world, place] == pytest.approx(costs[world].min(), rel=1e-12)
    for world in range(20):  # and that is what is proposed
        told, names = points_of(shares[world], prices[world])
        whole = [n for n, order in enumerate(names) if len(order) == 5]
        assert names[min(whole, key=lambda n: told[n].cost)] == tuple(ruled[world])


def points_of(shares, prices):
    items = [Item(n) for n in range(5)]
    adds = table_of(items, tuple(prices), ONE, np.array([shares]))
    found = [chosen(adds, order) for order in orders(items, Freedom.FREE)]
    return [Point(one.reach[0], one.cost[0]) for one in found], [one.order for one in found]


def test_the_best_of_six_channels_is_found_from_what_todays_order_shows():
    # People share a readiness, and channels differ in whom they are open to. Known is who reacts in today's
    # order: from that every other order comes out as it is in the world that made it.
    chance = np.random.default_rng(17)
    readiness, weights = nodes()
    channels = (*CHANNELS, Channel.PUSH)
    for spread in (0.0, 1.0, 2.0):
        prices, logits = chance.uniform(0.1, 40, 6), chance.normal(-0.5, 1.0, 6)
        reacts = expit(logits[None, :] + spread * readiness[:, None])
        open_to = [tuple(bool(x) for x in chance.random(6) < 0.7) for _ in range(3)] + [(True,) * 6]
        shares = chance.dirichlet(np.ones(4))
        rates, silent = [], [share * weights for share in shares]
        for at in range(6):
            come = sum(people for people, has in zip(silent, open_to, strict=True) if has[at])
            rates.append(float(come @ reacts[:, at] / come.sum()))
            silent = [s * (1 - reacts[:, at] * has[at]) for s, has in zip(silent, open_to, strict=True)]
        items = [Item(n) for n in range(6)]
        groups = [
            Group(float(share), tuple(c if there else None for c, there in zip(channels, has, strict=True)),
                  tuple(prices))
            for share, has in zip(shares, open_to, strict=True)
        ]  # fmt: skip
        told = lambda at, channel, before, rates=rates: Rate(np.array([rates[at]]), np.zeros(1))  # noqa: E731
        adds = table(items, groups, fitted(items, groups, told, np.array([spread])))
        ways = list(orders(items, Freedom.FREE))
        found = [chosen(adds, order) for order in ways]
        naive = [
            naive_of(order, prices, zip(shares, open_to, strict=True), weights, reacts) for order in ways
        ]
        assert np.allclose([(one.reach[0], one.cost[0]) for one in found], naive, rtol=1e-6)
        told_of = [Point(one.reach[0], one.cost[0], one.messages.sum()) for one in found]
        goal = max(reach for reach, _ in naive) * 0.95
        cheapest = min(cost for reach, cost in naive if reach >= goal)
        assert told_of[best(told_of, Wish(reach=goal))].cost == pytest.approx(cheapest)


def naive_of(order, prices, groups, weights, reacts):
    reach = cost = 0.0
    for share, has in groups:
        silent = share * weights
        for step in (step for step in order if has[step]):
            cost += silent.sum() * prices[step]
            reach += silent @ reacts[:, step]
            silent = silent * (1 - reacts[:, step])
    return reach, cost


def test_the_best_is_that_of_a_naive_search_in_made_worlds():
    chance = np.random.default_rng(5)
    for _ in range(25):
        count = int(chance.integers(2, 6))
        prices, people = chance.uniform(0.1, 40, count), chance.dirichlet(np.ones(3))
        reacts, value = chance.random((3, count)) ** 2, float(chance.uniform(5, 200))
        items = [Item(n, int(chance.integers(0, 3))) for n in range(count)]
        adds = table_of(items, tuple(prices), people, reacts)
        ways = list(orders(items, Freedom.GENTLE))
        told = [chosen(adds, order) for order in ways]
        found = [Point(one.reach[0], one.cost[0], one.messages.sum(), 0.0, one.worth[0]) for one in told]
        naive = {}
        for size in range(count + 1):
            for order in permutations(range(count), size):
                pairs = [(a, b) for n, a in enumerate(order) for b in order[n + 1 :]]
                if all(a < b or items[a].intrusion <= items[b].intrusion for a, b in pairs):
                    naive[order] = simulated(order, prices, people, reacts)
        assert set(naive) == set(ways)
        for order, point in zip(ways, found, strict=True):
            assert (point.reach, point.cost) == pytest.approx(naive[order])
        goal = max(reach for reach, _ in naive.values()) * 0.9
        cheapest = min(cost for reach, cost in naive.values() if reach >= goal)
        assert found[best(found, Wish(reach=goal))].cost == pytest.approx(cheapest)
        most = max(value * reach - cost for reach, cost in naive.values())
        wish = Wish(value=value)
        assert wish.gains(found[best(found, wish)]) == pytest.approx(most)
        furthest = max(reach for reach, cost in naive.values() if cost <= cheapest)
        assert found[best(found, Wish(budget=cheapest))].reach == pytest.approx(furthest)
        front = {ways[n] for n in efficient(found)}
        assert not any(
            naive[a][0] > naive[b][0] + 1e-9 and naive[a][1] < naive[b][1] - 1e-9
            for a in naive
            for b in front
        )
    assert best(found, Wish(reach=1.1)) is None


def simulated(order, prices, people, reacts):
    """Go through each sort of people apart, one message after the other."""
    reach = cost = 0.0
    for share, rates in zip(people, reacts, strict=True):
        for step in order:
            cost += share * prices[step]
            reach += share * rates[step]
            share *= 1 - rates[step]
    return reach, cost


def test_the_spread_is_learnt_from_those_to_whom_less_was_sent():
    # Half of the people have no chat: to them the SMS is the second message, to others the third.
    items = five(3)
    groups = [
        Group(0.5, CHANNELS[:3], PRICES[:3]), Group(0.5, (Channel.EMAIL, None, Channel.SMS), (0.05, 0, 15))
    ]  # fmt: skip
    readiness, weights = nodes()
    for truth in (0.0, 2.0):
        base = base_of(np.array(STORY[:3]), np.full(3, truth), np.tile(weights, (3, 1)))
        p = expit(base[None, :] + truth * readiness[:, None])
        silent, cells = {1: weights * (1 - p[:, 0])}, {}
        silent[2] = silent[1] * (1 - p[:, 1])
        cells[0, 0] = _cell(4000, weights, p[:, 0])
        cells[1, 1] = _cell(2000, silent[1], p[:, 1])
        cells[2, 1], cells[2, 2] = _cell(2000, silent[1], p[:, 2]), _cell(1500, silent[2], p[:, 2])

        def told(at, channel, before, cells=cells):
            cell = cells[at, before]
            return Rate(np.full(len(SPREADS), cell.reacted / cell.of), np.zeros(len(SPREADS)))

        likely = believed(fitted(items, groups, told, SPREADS), cells)
        assert SPREADS[likely.argmax()] == pytest.approx(truth, abs=0.5)
        assert abs(likely @ SPREADS - truth) < 0.6
    # Nothing seen: the prior alone, so most likely not much.
    assert believed(fitted(items, groups, told, SPREADS), {}) @ SPREADS == pytest.approx(0.65, abs=0.01)


def test_other_waits_change_the_hours_only_of_those_who_wait():
    """Half of the people have no chat, so no wait of it puts off their SMS."""
    items = [replace(item, hours=hours) for item, hours in zip(five(3), (24.0, 6.0, 2.0), strict=True)]
    groups = (
        Group(0.5, CHANNELS[:3], PRICES[:3]), Group(0.5, (Channel.EMAIL, None, Channel.SMS), (0.05, 0, 15))
    )  # fmt: skip

    def told(at, channel, before):
        return Rate(np.full(1, STORY[at]), np.zeros(1))

    fit = fitted(items, groups, told, np.zeros(1))
    adds = table(items, groups, fit)
    ground = Arrangement((), tuple(items), groups, (), {}, "KZT")
    whole = Weighing(ground, Past(Happened({}), {}, Happened({})), ONE, fit, adds, adds, (), ())

    def by_hand(letter, chat):
        hit = 0.2 * 0 + 0.5 * (0.4 * letter + 0.15 * (letter + chat)) + 0.5 * 0.3 * letter
        return hit / (0.2 + 0.5 * (0.4 + 0.15) + 0.5 * 0.3)

    assert whole.hours_at([0, 0, 0]) == pytest.approx(by_hand(24, 6))
    assert chosen(adds, (0, 1, 2)).hours[0] == pytest.approx(by_hand(24, 6))
    assert whole.hours_at([20, 5, 0]) == pytest.approx(by_hand(4, 1)) and by_hand(4, 1) > 2


def _cell(people, silent, p):
    reacted = round(people * float(silent @ p) / float(silent.sum()))
    return Cell(reacted=reacted, silent=people - reacted)
