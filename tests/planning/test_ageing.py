"""How much of what has happened still tells: in worlds that drift, that stand still, of uneven weeks."""

import os

import numpy as np
import pytest
from scipy.special import expit, logit

from kaskad.domain.terms import Channel
from kaskad.planning.ageing import Moves, aged, moves
from kaskad.planning.forecast import Kind, People, forecast, range_of
from kaskad.planning.history import Cell, Happened
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.rates import Seen
from kaskad.planning.walk import Ask, Stage

PLAN = Plan([Stage(1), Stage(None)], [Channel.EMAIL, Channel.TELEGRAM], [None] * 2)
KIND = Kind(1, (Ask(Channel.EMAIL, 5.0, "KZT"), Ask(Channel.TELEGRAM, 1750.0, "KZT")))
RATES = np.array([0.3, 0.2])
WEEKS, SENT = 26, 2_000
TRIALS = max(2, int(os.environ.get("KASKAD_TRIALS", "20")) // 10)  # half-years of each world


WORLDS = {  # how often rates double; by how many logits a week stands apart, and how many steps by themselves
    "steady": ((0, 0), 0.0, 2),
    "letter halves": ((-1, 0), 0.0, 2),
    "letter doubles": ((1, 0), 0.0, 2),
    "both halve": ((-1, -1), 0.0, 2),
    "uneven": ((0, 0), 0.2, 2),
    "uneven, all steps together": ((0, 0), 0.2, 1),
    "uneven, letter halves": ((-1, 0), 0.2, 2),
}

# What all steps have in common is told by one figure a week, so that ranges hold it late only; drawn each for
# itself, it was held in 58 of 100 cases of reach.
LEAST = {"uneven, all steps together": 0.65}


def half_year(chance, name="steady"):
    """Return a launch a week: its cells, and how many of its people reached the goal."""
    (doubles, apart, each), weeks = WORLDS[name], []
    for week in range(WEEKS):
        rates = RATES * 2.0 ** (np.array(doubles) * week / (WEEKS - 1))
        rates = expit(logit(rates) + apart * chance.normal(size=each))
        first = chance.binomial(SENT, rates[0])
        second = chance.binomial(SENT - first, rates[1])
        cells = {
            (0, 0): Cell(reacted=first, silent=SENT - first),
            (1, 1): Cell(reacted=second, silent=SENT - first - second),
        }
        weeks.append((cells, int(chance.binomial(first + second, 0.3))))
    return weeks


def told_of(weeks, week, ages):
    """Return the figures that were to be expected of a week by those before it, as draws."""
    goals = {n: {"": Cell(reacted=hits, silent=SENT - hits)} for n, (_, hits) in enumerate(weeks[:week])}
    if ages:
        steps = aged({n: told for n, (told, _) in enumerate(weeks[:week])}, week)
        cells, shocks, goal = steps.cells, steps.shocks, aged(goals, week, moves(steps.others_even)).cells[""]
    else:
        cells, shocks, goal = {place: Cell() for place in weeks[0][0]}, {}, Cell()
        for n, (told, _) in enumerate(weeks[:week]):
            goal.add(goals[n][""])
            for place, cell in cells.items():
                cell.add(told[place])
    people, known = People(SENT, [Kind(SENT, KIND.asks)]), [Seen(goal.of, goal.reacted)]
    found = forecast(
        PLAN, people, Outlook(PLAN, Happened(cells, shocks=shocks), {}), known, draws=200, seed=week
    )
    return {
        "reached": found.draws.reached, "messages": found.draws.messages, "cost": found.draws.cost["KZT"],
        "converted": found.conversions,
    }  # fmt: skip


def outcome(weeks, week):
    cells, goals = weeks[week]
    first, second = cells[0, 0], cells[1, 1]
    return {
        "reached": first.reacted + second.reacted, "messages": SENT + second.of,
        "cost": 5 * SENT + 1750 * second.of, "converted": goals,
    }  # fmt: skip


def held(trials, name, ages=True):
    """Return in which share of cases ranges held each figure, by how much too high reach was told, and how
    wide that was."""
    chance, inside, above, widths = np.random.default_rng(7), {}, [], []
    for _ in range(trials):
        weeks = half_year(chance, name)
        for week in range(2, WEEKS):
            told, came = told_of(weeks, week, ages), outcome(weeks, week)
            for figure, value in came.items():
                between = range_of(told[figure])
                inside.setdefault(figure, []).append(round(between.low) <= value <= round(between.high))
            above.append(float(np.median(told["reached"])) / came["reached"] - 1)
            between = range_of(told["reached"])
            widths.append((between.high - between.low) / came["reached"])
    shares = {figure: float(np.mean(each)) for figure, each in inside.items()}
    return shares, float(np.mean(above)), float(np.mean(widths))


@pytest.mark.parametrize("name", WORLDS)
def test_ranges_of_weekly_launches_hold_eight_of_ten_whether_the_world_drifts_or_not(name):
    """Each figure give or take five; in few half-years more, since figures of one move together."""
    shares, above, width = held(TRIALS, name)
    print(
        name, TRIALS, {figure: round(share, 3) for figure, share in shares.items()}, above, width, flush=True
    )
    chance = 0.1 if TRIALS < 50 else 0.0
    least = LEAST.get(name, 0.75)
    assert least - chance / 2 <= np.mean(list(shares.values())) <= 0.85 + chance / 2, shares
    assert all(least - chance <= share <= 0.85 + chance for share in shares.values()), shares


def test_in_a_half_year_in_which_clicks_halve_forecasts_follow():
    alike, before, _ = held(2, "letter halves", ages=False)
    shares, after, _ = held(2, "letter halves")
    assert np.mean(list(alike.values())) < 0.4 and before > 0.1, "all history alike comes late"
    assert np.mean(list(shares.values())) >= 0.7, shares
    assert abs(after) < before / 4, "a trend goes on"


def test_where_nothing_drifts_ranges_are_hardly_wider():
    weeks = half_year(np.random.default_rng(3))
    wide, narrow = (
        {figure: range_of(draws) for figure, draws in told_of(weeks, WEEKS - 1, ages).items()}
        for ages in (True, False)
    )
    for figure, one in narrow.items():
        assert wide[figure].high - wide[figure].low < 1.25 * (one.high - one.low), figure


def test_by_how_much_rates_move_is_learnt_and_is_the_usual_before_anything_is_known():
    chance = np.random.default_rng(5)

    def learnt(name):
        weeks = enumerate(half_year(chance, name))
        return aged({n: cells for n, (cells, _) in weeks}, WEEKS)

    steady, moving, uneven = learnt("steady"), learnt("letter halves"), learnt("uneven")
    assert steady.weekly**0.5 < 0.015 and steady.apart**0.5 < 0.05 and steady.trend**0.5 < 0.02
    assert moving.weekly**0.5 + moving.trend**0.5 > 0.025 and moving.apart**0.5 < 0.05
    assert uneven.weekly**0.5 < 0.08 and 0.1 < uneven.apart**0.5 < 0.3
    assert uneven.even < 0.01 and steady.even > 0.8 and uneven.others_even < 0.3 < steady.others_even
    none, once = aged({}, 5), aged({3: {"": Cell(reacted=100, silent=900)}}, 5)
    assert 0.01 < none.weekly**0.5 < 0.03 and none.apart**0.5 < 0.08
    assert (once.weekly, once.apart, once.trend) == (none.weekly, none.apart, none.trend)


def test_how_much_of_a_week_all_steps_have_in_common_is_learnt_and_drawn():
    """Rates of steps of which that is known are high together, and low."""
    chance, together = np.random.default_rng(5), {}
    for name in ("uneven", "uneven, all steps together"):
        weeks = {n: cells for n, (cells, _) in enumerate(half_year(chance, name))}
        steps = aged(weeks, WEEKS)
        shocks = [steps.shocks[place] for place in ((0, 0), (1, 1))]
        outlook = Outlook(PLAN, Happened(steps.cells, shocks=steps.shocks), {})
        rates = outlook.drawn(1, 4_000)
        first, second = (rates(step, KIND.asks[step], step).reacts for step in (0, 1))
        apart = rates(1, KIND.asks[1], 0).reacts  # of others at the step nothing was seen
        for step, drawn in enumerate((first, second)):
            mean = outlook.means(step, KIND.asks[step], step).reacts[0]
            assert np.mean(drawn) == pytest.approx(mean, rel=0.02)
        together[name] = np.corrcoef(first, second)[0, 1]
        assert together[name] == pytest.approx(np.sqrt(shocks[0].all_steps * shocks[1].all_steps), abs=0.05)
        assert abs(np.corrcoef(first, apart)[0, 1]) < 0.1
    assert together["uneven"] < 0.3 and together["uneven, all steps together"] > 0.6, together


def test_people_at_a_step_have_its_bad_weeks_in_common():
    chance = np.random.default_rng(5)
    weeks = {}
    for week in range(WEEKS):
        hits = chance.binomial(2_000, expit(logit(0.3) + 0.3 * chance.normal()), size=2)
        weeks[week] = {
            (1, before): Cell(reacted=int(one), silent=2_000 - int(one)) for before, one in enumerate(hits)
        }
    steps = aged(weeks, WEEKS)
    rates = Outlook(PLAN, Happened(steps.cells, shocks=steps.shocks), {}).drawn(1, 4_000)
    none, some = (rates(1, KIND.asks[1], before).reacts for before in (0, 1))
    assert np.corrcoef(none, some)[0, 1] > 0.7


def test_a_trend_that_was_there_goes_on_for_some_time():
    """Of a rate that has risen by a tenth of a logit a week from 20 %, which the weeks tell closely."""
    weeks = {
        week: {"": Cell(reacted=20_000 * rate, silent=20_000 * (1 - rate))}
        for week, rate in enumerate(expit(logit(0.2) + 0.1 * np.arange(12)))
    }
    cells = [aged(weeks, now).cells[""] for now in (11, 12, 16, 80)]
    told = [float(logit(cell.reacted / cell.of)) for cell in cells]
    assert told[1] - told[0] == pytest.approx(0.1, abs=0.03)
    assert 0.25 < told[2] - told[1] < 0.4, "it slackens"
    assert cells[0].of > cells[1].of > 2 * cells[2].of > 10 * cells[3].of


def test_many_answers_lose_the_most_by_age_and_few_hardly_any():
    by = Moves(np.array([0.001]), np.zeros(1), np.zeros(1), np.zeros(1))

    def left(reacted, silent, age):
        cell = aged(
            {0: {"": Cell(reacted=reacted, left=silent / 4, silent=silent * 3 / 4)}}, age, by
        ).cells[""]  # fmt: skip
        assert cell.reacted / cell.of == pytest.approx(reacted / (reacted + silent), rel=0.02)
        assert cell.left / cell.silent == pytest.approx(1 / 3, rel=0.02)
        return cell.of

    assert left(20, 80, 0) == pytest.approx(100) and left(20, 80, 10) > 85
    assert left(20_000, 80_000, 10) == pytest.approx(1 / (0.2 * 0.8 * 0.01), rel=0.01)
    assert left(20_000, 80_000, 40) < left(20_000, 80_000, 10) / 3


def test_of_a_few_people_a_week_rates_are_those_of_all():
    """A twentieth of three a week reacts: most weeks nobody does."""
    chance = np.random.default_rng(1)
    hits = chance.binomial(3, 0.05, size=200)
    weeks = {n: {"": Cell(reacted=int(one), silent=3 - int(one))} for n, one in enumerate(hits)}
    cell = aged(weeks, 200).cells[""]
    assert cell.reacted / cell.of == pytest.approx(hits.sum() / 600, abs=0.015)


@pytest.mark.parametrize("many", [20_000, 10_000_000])
def test_months_in_which_nobody_was_heard_and_then_all_again_leave_a_rate(many):
    """As where the domain of links was dead: what such a week makes surer drowns in rounding."""
    weeks = {}
    for week in range(90):
        heard = 0.0 if week // 30 == 1 else 0.3 * many
        weeks[week] = {key: Cell(heard, silent=many - heard) for key in ((0, 0), (1, 1))}
    told = aged(weeks, 90)
    assert all(0.0 < cell.reacted < cell.of for cell in told.cells.values())
    assert all(np.isfinite([each.all_steps, each.own_step]).all() for each in told.shocks.values())


def test_a_week_of_which_too_many_are_under_way_tells_nothing():
    over, quick = Cell(reacted=20, silent=80), Cell(reacted=20, waiting=80)
    assert aged({1: {"a": over}, 2: {"a": quick, "b": quick}}, 2) == aged({1: {"a": over}, 2: {}}, 2)
    assert aged({}, 5).cells == {} and aged({5: {"a": Cell(waiting=5)}}, 5).cells == {}
