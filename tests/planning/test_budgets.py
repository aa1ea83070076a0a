"""Forecasts of cascades whose money runs out, held against what is played with the same budget."""

from collections import Counter
from itertools import accumulate
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec import structs

from kaskad.domain.cascade import Budget
from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import DAY, HOUR, MINUTE, Policy
from kaskad.domain.terms import Channel
from kaskad.domain.timing import latest
from kaskad.domain.version import prepare
from kaskad.planning.budgets import MOST, Budgets, Limit, Timing, spend
from kaskad.planning.costs import entering, fixed, goes_at, points_of_days
from kaskad.planning.forecast import Kind, People, forecast, lost, paid, range_of, without
from kaskad.planning.forecast import expected as of_people
from kaskad.planning.history import Happened
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.purse import Purse
from kaskad.planning.simulate import play
from kaskad.planning.simulated import counted
from kaskad.planning.walk import Ask, Crowd, Rate, Stage, at_its_rate, stages
from kaskad.planning.world import World, typical
from planning.worlds import ASKS, PLAN
from support.play import NOON

TEXT = """
cascade: paid
class: transactional
trigger: {event: left}
budget: {total: TOTAL}
steps:
  - {id: letter, channel: email, subject: Hi, text: Hi, wait: 4h}
  - {id: sms, channel: sms, text: Hi, wait: 2h}
  - {id: robot, channel: robot_call, say: Hi, wait: 2h}
  - {id: agent, channel: agent_call, script: Hi, wait: 2h}
"""
CHANNELS = (Channel.EMAIL, Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
PRICES = (0.0, 1_500.0, 4_000.0, 30_000.0)
RATES = (0.2, 0.4, 0.4, 0.7)
SILENCES = (4 * HOUR, 2 * HOUR, 2 * HOUR, 2 * HOUR)
FOREVER = Timing((NOON,), (HOUR,) * 5, lambda step, at, entered: at, lambda step, due_at: due_at + DAY)
DAYS = tuple(NOON + n * DAY for n in range(1, 400))
NOTHING = Outlook(PLAN, Happened({}), {})
TYPICAL = People(1_000, [Kind(1_000, ASKS)], typical=True)


def at_rates(step, ask, before):
    return Rate(np.array([RATES[step]]), np.zeros(1))


def budgets(*limits, each=None, timing=FOREVER):
    return Budgets(limits, each, timing)


def tenge(left, **more):
    return Limit(left, {"KZT": 1.0}, **more)


@pytest.mark.parametrize("total", [200_000, 900_000, 2_100_000, 12_000_000])
@pytest.mark.parametrize("enter_over_ms", [0, 9 * HOUR])
def test_what_is_left_without_money_is_what_is_left_in_a_simulation(total, enter_over_ms):
    cascade = to_cascade(TEXT.replace("TOTAL", f"{total / 100} KZT"), name="x.yaml")
    prices = {(n, channel.code): fixed(PRICES[n], "KZT") for n, channel in enumerate(CHANNELS)}
    world = World(start=NOON, people=2_000, enter_over_ms=enter_over_ms, trigger={})
    version = prepare(1, 1, cascade, Policy())
    played = counted(
        play(version, world, [typical(cascade, "UTC", prices=prices)],
             lambda step, channel, before: (RATES[step], 0.0))
    )  # fmt: skip
    entered = entering(NOON, enter_over_ms)
    goes = lambda step, at, entered: goes_at(version, step, at, "", ("UTC",))  # noqa: E731
    limit = budgets(tenge(float(total)), timing=Timing(entered, SILENCES, goes, FOREVER.until))
    asks = tuple(map(Ask, CHANNELS, PRICES, ("", "KZT", "KZT", "KZT")))
    people = [Crowd(np.array([2_000.0]), asks)]
    told = spend(stages(cascade), people, 0, at_rates, at_its_rate, limit)
    assert told.cost["KZT"][0] == pytest.approx(min(total, played.cost["KZT"]), rel=0.02)
    assert told.reached[0] + told.silent[0] == pytest.approx(2_000)
    assert told.reached[0] == pytest.approx(played.reached, abs=60)
    for step, seen in zip(told.steps, played.steps, strict=True):
        for ours, theirs in (
            (step.arrived, seen.arrived), (step.sent, seen.messages), (step.reacted, seen.reacted),
            (step.lacked, seen.skipped.get("over_budget", 0)),
        ):  # fmt: skip
            assert ours[0] == pytest.approx(theirs, abs=3 * max(theirs, 25) ** 0.5), seen.step
    assert sum(step.lacked[0] for step in told.steps) > 300, "money is short"


@pytest.mark.parametrize("spent", [0, 400_000])
def test_budgets_by_day_and_what_was_spent_before_are_kept_in_a_simulation_too(spent):
    """Of an audience of 4 000 half are played: each stands for two. Who waits gets the SMS the next day."""
    cascade = to_cascade(TEXT.replace("TOTAL", "18000 KZT"), name="x.yaml")
    prices = {(n, channel.code): fixed(PRICES[n], "KZT") for n, channel in enumerate(CHANNELS)}
    sort = typical(cascade, "UTC", prices=prices)
    day = tenge(450_000.0, anew=900_000.0, turns=tuple(NOON + n * DAY // 2 for n in range(1, 99, 2)))
    sms = Channel.SMS.code
    account = tenge(300_000.0, account_id=sms, anew=750_000.0, turns=day.turns)
    world = World(start=NOON, people=2_000, size=4_000, spent=spent, limits=(day, account), trigger={})
    version = prepare(1, 1, cascade, Policy())
    played = counted(play(version, world, [sort], lambda step, channel, before: (RATES[step], 0.0)))
    asks = tuple(map(Ask, CHANNELS, PRICES, ("", "KZT", "KZT", "KZT"), (None,) * 4, (0, sms, 0, 0)))
    goes = lambda step, at, entered: goes_at(version, step, at, "", ("UTC",))  # noqa: E731
    timing = Timing((NOON,), SILENCES, goes, lambda step, due_at: latest(version, due_at))
    limits = budgets(tenge(1_800_000.0 - spent), day, account, timing=timing)
    told = spend(stages(cascade), [Crowd(np.array([4_000.0]), asks)], 0, at_rates, at_its_rate, limits)
    letter, *paid = told.steps
    assert letter.sent[0] == 4_000 and told.cost["KZT"][0] <= 1_800_000 - spent
    assert paid[0].sent[0] == 200 + 500, "the SMS of two days"
    for step, seen in zip(paid, played.steps[1:], strict=True):
        assert 2 * seen.messages == pytest.approx(step.sent[0], abs=8), seen.step
        assert 2 * seen.skipped.get("over_budget", 0) == pytest.approx(step.lacked[0], rel=0.05), seen.step
    assert 2 * sum(played.cost.values()) == pytest.approx(told.cost["KZT"][0], abs=2 * PRICES[3])


def test_a_cascade_that_has_money_enough_goes_as_without_a_budget():
    told = expected_with(TYPICAL, budgets(tenge(1e9), each=tenge(1e9)), forced=True)
    usual = of_people(PLAN, TYPICAL, NOTHING)
    assert told.reached == pytest.approx(usual.reached) and told.cost["KZT"] == pytest.approx(
        usual.cost["KZT"]
    )
    for ours, theirs in zip(told.steps, usual.steps, strict=True):
        assert ours.arrived == pytest.approx(theirs.arrived) and ours.sent == pytest.approx(theirs.sent)
        assert ours.went_on == pytest.approx(theirs.went_on) and not ours.lacked.any()


def expected_with(people, limits, forced=False):
    if not forced:
        return of_people(PLAN, people, NOTHING, limits)
    crowds = [Crowd(np.full(1, float(kind.people)), kind.asks) for kind in people.kinds]
    return spend(PLAN.stages, crowds, 0, NOTHING.means, at_its_rate, limits)


@pytest.mark.parametrize("left", [0, 10_000, 1_000_000, 5_000_000, 8_500_000])
def test_no_draw_costs_more_than_is_left_and_nobody_is_lost(left):
    """Some have no address for some steps; one of ten is held out of the SMS; who reacts to the letter is
    led to the robot."""
    stages = [Stage(1, branch=3), Stage(2), Stage(3, held=0.1), Stage(4, ends=False), Stage(None)]
    some = tuple(ask if n != 2 else None for n, ask in enumerate(ASKS))
    plan = Plan(stages, PLAN.channels, PLAN.successes)
    people = People(1_000, [Kind(600, ASKS), Kind(400, some)])
    entered = [NOON, NOON + 30 * MINUTE, NOON + 5 * HOUR]
    timing = Timing(entered, FOREVER.silences_ms, FOREVER.goes, FOREVER.until)
    limits = budgets(tenge(float(left)), timing=timing)
    told = forecast(plan, people, NOTHING, budgets=limits)
    for one in (told.mean, told.draws):
        cost = one.cost.get("KZT", np.zeros(1))
        assert (cost <= left + 1e-6).all() and (one.messages > 0).all() == (left > 0)
        for number, step in enumerate(one.steps):
            assert step.arrived == pytest.approx(step.ended + step.branched + step.left + step.went_on), (
                number
            )
            held = 0.1 if number == 2 else 0.0
            assert (step.sent + step.lacked <= step.arrived + 1e-6).all() or held
            assert (step.arrived >= 0).all() and (step.sent >= 0).all()
        ended = sum(step.ended + step.left for step in one.steps) + one.steps[-1].went_on
        assert ended == pytest.approx(np.full(len(ended), 1_000.0))
    least = min(float(ask.price) for ask in ASKS)
    assert range_of(told.draws.cost["KZT"]).low > min(left, 6_000_000) * 0.9 - least or not left
    assert told.wanted.cost["KZT"][0] > 5_000_000
    assert (
        range_of(told.draws.reached).low < told.mean.reached[0] < range_of(told.draws.reached).high
        or left < 1e5
    )


def test_a_step_left_out_leaves_its_money_to_those_after_it():
    """Without budgets fewer react without the SMS; with little money it is the robot that goes without."""
    price = {step: ASKS[step].price for step in range(5)}
    left = 1_000 * price[0] + 800 * price[1] + 400 * price[2] + 20.5 * price[3]
    short = budgets(tenge(left))
    usual, told = (of_people(PLAN, without(TYPICAL, 2), NOTHING, each) for each in (None, short))
    with_sms = of_people(PLAN, TYPICAL, NOTHING, short)
    assert with_sms.steps[3].sent[0] == 20 and with_sms.steps[3].lacked[0] == pytest.approx(230)
    assert told.steps[3].sent[0] == np.floor((400 * price[2] + 20.5 * price[3]) / price[3])
    assert with_sms.steps[4].sent[0] == 0 and usual.steps[4].sent[0] > 100
    fewer = range_of(lost(PLAN, TYPICAL, NOTHING, 2, budgets=short))
    assert fewer.high < range_of(lost(PLAN, TYPICAL, NOTHING, 4)).high
    assert lost(PLAN, TYPICAL, NOTHING, 4, budgets=short).max() < 60, "agents had next to no money"


def test_a_contact_costs_no_more_than_one_may():
    prices = list(accumulate(ask.price for ask in ASKS))
    told = expected_with(TYPICAL, budgets(each=tenge(prices[2])))
    assert [step.sent[0] for step in told.steps] == pytest.approx([1_000, 800, 400, 0, 0])
    assert told.steps[3].lacked[0] == pytest.approx(250) == told.steps[4].lacked[0]
    without_letter = People(1_000, [Kind(1_000, (None, *ASKS[1:]))], typical=True)
    told = expected_with(without_letter, budgets(each=tenge(prices[2])))
    assert told.steps[3].lacked[0] == told.steps[3].arrived[0], "what is left is less than the robot's price"
    dearer = budgets(each=tenge(ASKS[3].price))
    assert expected_with(TYPICAL, dearer).steps[3].lacked[0] == pytest.approx(250), "others have cost before"
    alone = People(1_000, [Kind(1_000, (None, None, None, *ASKS[3:]))], typical=True)
    assert expected_with(alone, dearer).steps[3].sent[0] == 1_000


def test_who_waits_for_a_budget_of_the_day_is_written_to_the_day_after_if_it_is_not_too_late():
    days = tuple(NOON + n * DAY for n in range(1, 100))
    asks = (ASKS[1], None, None, None, None)
    people = People(1_000, [Kind(1_000, asks)], typical=True)
    price = ASKS[1].price
    for patience, served in ((0, 300), (DAY, 400), (2 * DAY, 500), (9 * DAY, 1_000)):
        timing = Timing((NOON,), FOREVER.silences_ms, FOREVER.goes, lambda step, due, p=patience: due + p)
        limit = tenge(300 * price, anew=100 * price, turns=days)
        told = expected_with(people, budgets(limit, timing=timing))
        assert told.steps[0].sent[0] == served and told.steps[0].lacked[0] == 1_000 - served
        assert told.steps[0].arrived[0] == 1_000
    both = budgets(limit, tenge(350 * price), timing=timing)
    assert expected_with(people, both).steps[0].sent[0] == 350, "that of the cascade does not begin anew"


def test_who_waits_for_a_budget_is_held_out_of_the_step_once():
    price = ASKS[1].price
    timing = Timing((NOON,), FOREVER.silences_ms, FOREVER.goes, lambda step, due: due + 60 * DAY)
    for per_day in (1_000, 200, 50):
        daily = tenge(per_day * price, anew=per_day * price, turns=DAYS)
        crowds = [Crowd(np.array([1_000.0]), (ASKS[1],) * 2)]
        stages = [Stage(1, held=0.1), Stage(None, held=0.2)]
        told = spend(stages, crowds, 0, silent, at_its_rate, budgets(daily, timing=timing)).steps
        assert [each.sent[0] for each in told] == pytest.approx([900, 800], rel=0.02), per_day
        assert [each.arrived[0] for each in told] == pytest.approx([1_000, 1_000])
        assert not told[0].lacked.any()


def silent(step, ask, before):
    return Rate(np.zeros(1), np.zeros(1))


def test_who_enters_on_a_later_day_has_that_days_money():
    """Today's is spent."""
    price, daily = PRICES[1], tenge(0.0, anew=600 * PRICES[1], turns=DAYS)
    begins = NOON + 2 * DAY + HOUR
    timing = Timing((begins,), FOREVER.silences_ms, FOREVER.goes, lambda step, due: due)
    crowds = [Crowd(np.array([1_000.0]), (Ask(Channel.SMS, price, "KZT"),))]
    told = spend([Stage(None)], crowds, 0, silent, at_its_rate, budgets(daily, timing=timing)).steps[0]
    assert (told.sent[0], told.lacked[0]) == (600, 400)
    version = prepare(1, 1, to_cascade(TEXT.replace("budget: {total: TOTAL}\n", ""), name="x.yaml"), Policy())
    sort = typical(version.cascade, "UTC", prices={(1, Channel.SMS.code): fixed(price, "KZT")})
    world = World(start=begins, people=1_000, limits=(daily,), trigger={})
    played = counted(play(version, world, [sort], lambda step, channel, before: (0.0, 0.0)))
    assert (played.steps[1].messages, played.steps[1].skipped["over_budget"]) == (600, 400)


def test_what_comes_back_after_midnight_is_not_spent_a_second_time():
    daily = tenge(10.0, anew=10.0, turns=DAYS)
    purse = Purse(Budget(), World(start=NOON, people=1, limits=(daily,), trigger={}))
    life = SimpleNamespace(stands=1, spent=0.0, passages={0: SimpleNamespace(account_id=0)})
    lacks = lambda price, now: purse.lacks(life, price, "KZT", 0, now)  # noqa: E731
    evening, morning = NOON + DAY - 1, NOON + DAY + 1
    purse.pay(life, 0, 10.0, "KZT", evening)
    assert lacks(1.0, evening) == NOON + DAY
    purse.pay(life, 0, -4.0, "KZT", evening)
    assert lacks(4.0, evening) is None and lacks(5.0, evening), "it comes back on the same day"
    assert lacks(10.0, morning) is None
    purse.pay(life, 0, -6.0, "KZT", evening)
    assert lacks(10.0, morning) is None and lacks(11.0, morning)
    purse.pay(life, 0, 3.0, "KZT", morning)
    purse.pay(life, 0, -1.0, "KZT", evening)
    assert lacks(7.0, morning) is None and lacks(8.0, morning)


def test_parts_share_the_budgets_that_they_use():
    """One calls by an account, the other writes by one whose money is just enough; a third is in roubles."""
    calls, sms, roubles = (
        People(1_000, [Kind(1_000, (Ask(channel, price, currency, None, number), None, None, None, None))])
        for channel, price, currency, number in (
            (Channel.ROBOT_CALL, 4_000.0, "KZT", 2), (Channel.SMS, 1_500.0, "KZT", 1),
            (Channel.SMS, 10.0, "RUB", 0),
        )
    )  # fmt: skip
    takings = [paid(PLAN, people, NOTHING) for people in (calls, sms, roubles)]
    assert takings == [{(2, "KZT"): 4e6}, {(1, "KZT"): 1.5e6}, {(0, "RUB"): 1e4}]
    rated = Limit(6_000.0, {"KZT": 1.0, "RUB": 50.0})
    both = budgets(tenge(1.5e6, account_id=1), tenge(99.0, account_id=3), tenge(6_000.0, anew=600.0), rated)
    first, second, third = (both.shared(number, takings).limits for number in range(3))
    assert expected_with(sms, budgets(*second[:1])).steps[0].sent[0] == 1_000
    assert [limits[0].left for limits in (first, second, third)] == [0.0, 1.5e6, 0.0]
    assert [limits[1].left for limits in (first, second, third)] == [33.0] * 3, "nobody uses it"
    whole = 4_000 + 1_500
    assert [limits[2].left for limits in (first, second)] == pytest.approx([6_000 * 40 / 55, 6_000 * 15 / 55])
    assert first[2].anew == pytest.approx(600 * 4_000 / whole) and third[2].left == 0, "no rate"
    assert third[3].left == pytest.approx(500), "50 KZT each"


@pytest.mark.parametrize("kinds", [1, 7, 301])
def test_a_budget_by_day_that_is_enough_for_each_day_is_not_short_of_money(kinds):
    """1 000 enter a day for 60 days, of many kinds, and wait for no day after theirs."""
    price, midnight = PRICES[1], NOON - NOON % DAY
    days = tuple(midnight + n * DAY for n in range(1, 400))
    daily = tenge(1_200 * price, anew=1_200 * price, turns=days)
    entered = entering(midnight, 60 * DAY, points_of_days(60 * DAY, MOST))
    timing = Timing(entered, (HOUR,), FOREVER.goes, lambda step, due: due)
    asks = [(Ask(Channel.SMS, price - number / 1_000, "KZT"),) for number in range(kinds)]
    crowds = [Crowd(np.array([60_000.0 / kinds]), each) for each in asks]
    told = spend([Stage(None)], crowds, 0, silent, at_its_rate, budgets(daily, timing=timing)).steps[0]
    assert told.arrived[0] == pytest.approx(60_000) and told.lacked[0] < 0.01 * 60_000
    assert told.sent[0] + told.lacked[0] == pytest.approx(60_000)


def test_as_many_instants_lie_in_each_day_of_those_who_enter():
    for days in (0.5, 3, 30.3, 60, 100, 290, 500, 900):
        points = points_of_days(int(days * DAY), MOST)
        entered = entering(NOON, int(days * DAY), points)
        assert len(entered) == points <= MOST
        counts = Counter((at - NOON) // DAY for at in entered)
        whole = [counts[day] for day in range(int(days))] or [points]
        assert max(whole) - min(whole) <= 1 and (min(whole) >= 1 or days > MOST), days


def test_what_would_take_long_is_told_of_fewer_groups(monkeypatch):
    """300 kinds enter over a day, whose messages cost more than the money of the days for which they wait."""
    prices = [1_000.0 + number for number in range(300)]
    crowds = [
        Crowd(np.array([20.0]), (Ask(Channel.SMS, price, "KZT"), None, Ask(Channel.EMAIL, price, "KZT")))
        for price in prices
    ]
    stages = [Stage(1), Stage(2), Stage(None)]
    timing = Timing(entering(NOON, DAY), FOREVER.silences_ms, FOREVER.goes, lambda step, due: due + DAY)
    limits = budgets(tenge(2e6, anew=2e6, turns=DAYS), timing=timing)
    asked = []
    told = {}
    for most in (1e9, 1_000):
        monkeypatch.setattr("kaskad.planning.budgets._PLACES", most)
        asked.clear()
        goes = lambda step, at, entered: asked.append(at) or at  # noqa: E731
        counted_in = structs.replace(limits, timing=structs.replace(timing, goes=goes))
        told[most] = spend(stages, crowds, 0, at_rates, at_its_rate, counted_in), len(asked)
    (fine, many), (coarse, few) = told.values()
    assert few < 2_700 < many
    assert (fine.groups, 6 < coarse.groups < MOST) == (MOST, True), "as many as may be followed"
    assert fine.coarse and coarse.coarse, "of 7 200 groups at most 600 are told apart"
    people = People(6_000, [Kind(20, crowd.asks) for crowd in crowds])
    plan = structs.replace(PLAN, stages=stages, channels=PLAN.channels[:3], successes=PLAN.successes[:3])
    whole = forecast(plan, people, NOTHING, draws=20, budgets=limits)
    assert whole.draws.groups == whole.mean.groups < MOST, "what the mean has found is not sought again"
    monkeypatch.undo()
    some = spend(stages, crowds[:40], 0, at_rates, at_its_rate, limits)
    assert not some.coarse, "of 960 groups 600"
    assert spend(stages, crowds[:40], 0, at_rates, at_its_rate, structs.replace(limits, most=24)).coarse
    assert coarse.cost["KZT"][0] == pytest.approx(fine.cost["KZT"][0], rel=0.05)
    for ours, theirs in zip(coarse.steps, fine.steps, strict=True):
        assert ours.arrived[0] == pytest.approx(theirs.arrived[0], rel=0.05)
        assert ours.sent[0] == pytest.approx(theirs.sent[0], rel=0.05)
        assert ours.lacked[0] == pytest.approx(theirs.lacked[0], abs=300)


def test_budgets_of_accounts_and_currencies():
    own = tuple(Ask(ask.channel, ask.price, ask.currency, account_id=n) for n, ask in enumerate(ASKS))
    people = People(1_000, [Kind(1_000, own)], typical=True)
    told = expected_with(people, budgets(tenge(30 * ASKS[2].price, account_id=2)))
    assert [step.lacked[0] > 0 for step in told.steps] == [False, False, True, False, False]
    assert told.steps[2].sent[0] == 30
    roubles = Limit(1_000.0, {"RUB": 1.0})
    assert expected_with(people, budgets(roubles)).messages[0] == 0, "no rate: nothing that is paid goes"
    assert expected_with(people, budgets(Limit(1_000.0, {"RUB": 1.0}, is_strict=False))).messages[0] > 2_000
    half = Limit(500 * ASKS[0].price, {"KZT": 0.5})
    assert expected_with(people, budgets(half)).messages[0] == 1_000


def test_who_is_passed_over_goes_on_at_once_and_so_comes_first():
    """For one kind the first step costs more than one contact may: they are at the next one hours earlier."""
    price = ASKS[1].price
    kinds = [
        Kind(100, (Ask(Channel.EMAIL, first, "KZT"), Ask(channel, price, "KZT"), None, None, None))
        for first, channel in ((1e6, Channel.SMS), (0.0, Channel.TELEGRAM))
    ]
    limits = budgets(tenge(100 * price), each=tenge(1e5))
    told = expected_with(People(200, kinds, typical=True), limits)
    assert (told.steps[0].sent[0], told.steps[0].lacked[0]) == (100, 100)
    assert (told.steps[1].sent[0], told.steps[1].lacked[0]) == (100, pytest.approx(80))
    sms = NOTHING.means(1, kinds[0].asks[1], 0).reacts[0]
    assert told.steps[1].reacted[0] == pytest.approx(100 * sms), "all the money is for those"
