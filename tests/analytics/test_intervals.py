"""Intervals against published values, against scipy, and against worlds whose truth is known."""

import math
import os
import time

import numpy as np
import pytest
from numpy.random import default_rng
from scipy import stats
from scipy.special import betaln

from kaskad.analytics.clusters import design_effect
from kaskad.analytics.intervals import (
    Interval,
    Share,
    difference,
    holm,
    lift,
    needed,
    p_value,
    shown,
    wilson,
    z_of,
)  # fmt: skip
from kaskad.analytics.samples import Money, bootstrap_difference, sample_ratio
from kaskad.analytics.sequential import (
    difference_at_any_look,
    evidence_above,
    evidence_uneven,
    looks_z,
)  # fmt: skip

TRIALS = int(os.environ.get("KASKAD_TRIALS", "0"))  # 10 000 in `make calibration`
CASCADE, HELD = Share(540, 9000), Share(42, 1000)
NOTHING = Money({0: 1})  # of it the difference is the mean itself


def rounded(interval: Interval | None, digits: int) -> tuple[float, float]:
    assert interval is not None
    return round(interval.low, digits), round(interval.high, digits)


def each_of_two(rate: float, other: float) -> int:
    return math.ceil((needed(rate, other) or 0) / 2)


def test_the_values_of_the_field():
    assert rounded(difference(Share(56, 70), Share(48, 80)), 4) == (0.0524, 0.3339)  # Newcombe 1998, table II
    assert rounded(wilson(CASCADE), 4) == (0.0553, 0.0651)
    assert rounded(wilson(HELD), 4) == (0.0312, 0.0563)
    told = difference(CASCADE, HELD)
    assert rounded(told, 4) == (0.0030, 0.0299)
    assert told is not None and (round(told.low * 9000), round(told.high * 9000)) == (27, 269)
    assert rounded(lift(CASCADE, HELD), 2) == (0.05, 0.94)
    assert each_of_two(0.042, 0.060) == 2342 and each_of_two(0.04, 0.05) == 6743
    assert each_of_two(0.04, 0.044) == 39_473 and needed(0.04, 0.05, 0.1) == 34_283


def test_wilson_and_the_sample_ratio_are_those_of_scipy():
    for hits, of in ((0, 7), (7, 7), (1, 1), (3, 40), (540, 9000)):
        known = stats.binomtest(hits, of).proportion_ci(method="wilson")
        told = wilson(Share(hits, of))
        assert told is not None
        assert (told.low, told.high) == pytest.approx((known.low, known.high), abs=1e-12)
    weights = [9, 1, 10, 1, 2, 7, *[3] * 60]
    for counts in (
        [880, 120, 1000],
        [95, 5],
        [5, 5],
        [90, 0, 110, 9],
        [92, 7, 99, 12, 21],
        [3, 1, 2, 0, 1, 1] * 11,
    ):
        arms = weights[: len(counts)]
        known = stats.chisquare(counts, [sum(counts) * weight / sum(arms) for weight in arms]).pvalue
        assert sample_ratio(counts, arms) == pytest.approx(known, rel=1e-9, abs=0)
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_nothing_is_said_where_nothing_is_known():
    nobody, one = Share(0, 0), Share(1, 1)
    assert nobody.rate is None and wilson(nobody) is None
    for told in (difference, lift, difference_at_any_look, p_value):
        assert told(nobody, one) is None and told(one, nobody) is None
    assert not shown(nobody, one) and not shown(HELD, HELD) and shown(CASCADE, HELD)
    assert lift(Share(3, 3), Share(2, 2)) is None and lift(Share(3, 3), Share(1, 2)) is not None
    assert lift(Share(0, 10), Share(1, 10)) is None
    assert needed(0.05, 0.05) is None and needed(0.04, 0.05, 0.0) is None
    assert sample_ratio([0, 0], [9, 1]) is None and sample_ratio([5], [1]) is None
    assert bootstrap_difference(Money({}), Money({5: 1}), 1) is None
    both = difference(one, Share(0, 1))
    assert both is not None and -1 <= both.low < both.high <= 1 and not both.excludes_zero


def test_p_values_are_where_zero_enters_the_interval():
    told = p_value(CASCADE, HELD)
    assert told is not None and 0 < told < 0.05
    edge = difference(CASCADE, HELD, z_of(told))
    assert edge is not None and edge.low == pytest.approx(0, abs=1e-9)
    assert p_value(Share(5, 10), Share(50, 100)) == 1


def test_the_bootstrap_is_that_of_scipy_and_takes_no_longer_for_a_million():
    generator = default_rng(4)
    amounts = [
        np.where(generator.random(4000) < 0.05, generator.integers(500, 90_000, 4000), 0) for _ in range(2)
    ]
    arms = [Money(dict(zip(*np.unique(one, return_counts=True), strict=True))) for one in amounts]
    known = stats.bootstrap(
        tuple(amounts), lambda one, other: one.mean() - other.mean(), n_resamples=499, vectorized=False,
        method="percentile", rng=default_rng(5),
    ).confidence_interval  # fmt: skip
    told = bootstrap_difference(*arms, seed=6)
    assert told is not None
    assert (told.low, told.high) == pytest.approx(known, abs=(known.high - known.low) * 0.1)
    assert bootstrap_difference(*arms, seed=6) == told  # seeded
    crowd = Money({0: 960_000} | {1000 + 7 * each: 1 for each in range(40_000)})  # all different
    began = time.process_time()
    few, mean = bootstrap_difference(crowd, NOTHING, 1), crowd.mean
    assert few is not None and mean is not None and time.process_time() - began < 3  # not minutes
    spread = math.sqrt(sum(count * (value - mean) ** 2 for value, count in crowd.counts.items())) / 1_000_000
    assert (few.high - few.low) / (2 * z_of()) == pytest.approx(spread, rel=0.06)  # the bins lose nothing


@pytest.mark.parametrize("base", [1_000, -3_000])
def test_amounts_that_are_drawn_together_lose_nothing_of_spread_and_lean(base: int) -> None:
    """Against the quantiles that the data's own moments give (R. Cornish, E. Fisher, 1938), of many draws."""
    amounts = {base + each: 40 for each in range(0, 5_000, 2)} | {
        90_000 + 900 * each: 1 for each in range(20)
    }
    crowd = Money({0: 2_000} | amounts)
    every = np.repeat(*np.array([(value, count) for value, count in crowd.counts.items()]).T)
    told = bootstrap_difference(crowd, NOTHING, 3, draws=40_000)
    assert told is not None
    lean = stats.skew(every) / math.sqrt(len(every))
    for edge, z in ((told.low, -z_of()), (told.high, z_of())):
        wanted = z + lean / 6 * (z * z - 1) - lean**2 / 36 * (2 * z**3 - 5 * z)
        assert (edge - every.mean()) / stats.sem(every) == pytest.approx(wanted, rel=0.015)


def test_intervals_hold_the_truth_nineteen_times_of_twenty():
    trials, generator = TRIALS or 1000, default_rng(11)
    for rate, other, people, held in (
        (0.06, 0.042, 9000, 1000),
        (0.3, 0.3, 400, 100),
        (0.02, 0.015, 5000, 5000),
    ):
        hits, held_hits = generator.binomial(people, rate, trials), generator.binomial(held, other, trials)
        held_truth = [(rate - other, difference), (rate / other - 1, lift)]
        for truth, interval in held_truth:
            told = [
                interval(Share(int(a), people), Share(int(b), held))
                for a, b in zip(hits, held_hits, strict=True)
            ]
            right = sum(one is not None and one.low <= truth <= one.high for one in told) / trials
            assert 0.94 - _slack(trials) <= right <= 0.96 + _slack(trials), (rate, interval.__name__, right)


def test_the_bootstrap_holds_the_truth():
    trials, generator = TRIALS // 10 or 60, default_rng(12)
    right = 0
    for trial in range(trials):
        arms = []
        for rate, people in ((0.06, 4000), (0.05, 2000)):
            buyers = generator.binomial(people, rate)
            amounts = generator.choice([1000, 2000, 5000], buyers, p=[0.5, 0.3, 0.2])
            values, counts = np.unique(amounts, return_counts=True)
            arms.append(
                Money({0: people - int(buyers)} | dict(zip(values.tolist(), counts.tolist(), strict=True)))
            )
        told = bootstrap_difference(*arms, seed=trial)
        right += told is not None and told.low <= 0.01 * 2100 <= told.high
    assert 0.94 - _slack(trials) <= right / trials <= 0.96 + _slack(trials)


@pytest.mark.parametrize(("rate", "held"), [(0.3, 0.5), (0.05, 0.1), (0.01, 0.05)])
def test_constant_peeking_raises_few_false_alarms(rate, held):
    """Nothing differs, and somebody looks after every ten people."""
    trials, people, every = TRIALS or 100, 10_000, 10
    fixed = sequential = 0
    generator = default_rng(13)
    for _ in range(trials):
        arm, goal = generator.random(people) < held, generator.random(people) < rate
        looks = [np.cumsum(one)[every - 1 :: every] for one in (~arm, goal & ~arm, arm, goal & arm)]
        fixed += _alarms(looks, np.full(len(looks[0]), z_of()))
        bounds = np.array(
            [looks_z(int(one), int(other)) for one, other in zip(looks[0], looks[2], strict=True)]
        )
        sequential += _alarms(looks, bounds)
    assert sequential / trials <= 0.05
    assert fixed / trials > 0.15  # the ordinary interval is no match for that


def _alarms(looks: list[np.ndarray], z: np.ndarray) -> bool:
    """Say whether any look shows a difference; as `difference`, all looks at once."""
    ends = []
    with np.errstate(all="ignore"):
        for of, hits in ((looks[0], looks[1]), (looks[2], looks[3])):
            p = hits / of
            centre, half = p + z * z / (2 * of), z * np.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
            ends.append((p, (centre - half) / (1 + z * z / of), (centre + half) / (1 + z * z / of)))
        (p, low, high), (q, floor, top) = ends
        lowest = p - q - np.sqrt((p - low) ** 2 + (top - q) ** 2)
        highest = p - q + np.sqrt((high - p) ** 2 + (q - floor) ** 2)
        shown = (lowest > 0) | (highest < 0)
    last = difference(
        Share(int(looks[1][-1]), int(looks[0][-1])), Share(int(looks[3][-1]), int(looks[2][-1])), z[-1]
    )
    assert last is not None and (last.low, last.high) == pytest.approx((lowest[-1], highest[-1]))
    return bool((shown & (looks[0] > 0) & (looks[2] > 0)).any())


def test_the_bound_of_one_share_at_any_look():
    trials, people, bound = TRIALS // 10 or 60, 2000, 0.02
    generator = default_rng(14)
    alarms = seen = 0
    for _ in range(trials):
        hits = np.cumsum(generator.random(people) < bound)
        looks = [
            Share(int(hits[each - 1]), each) for each in (*range(1, 50, 3), *range(50, people, 50), people)
        ]
        alarms += any(evidence_above(look, bound) >= 20 for look in looks)
        worse = int(generator.binomial(people, 2 * bound))
        seen += evidence_above(Share(worse, people), bound) >= 20
    assert alarms / trials <= 0.05 + _slack(trials)
    assert seen / trials > 0.95  # and what is twice too high is seen
    assert evidence_above(Share(5000, 5000), 0.5) == math.inf and evidence_above(Share(0, 5000), 0.02) < 1e-8
    with pytest.raises(ValueError, match="between 0 and 1"):
        evidence_above(HELD, 1)


def test_an_uneven_lot_at_any_look():
    trials, generator = TRIALS // 10 or 60, default_rng(15)
    weights = [9000, 1000]
    alarms = seen = 0
    for _ in range(trials):
        held = np.cumsum(generator.random(5_000) < 0.1)
        looks = [(each - int(held[each - 1]), int(held[each - 1])) for each in range(10, 5_001, 50)]
        alarms += any(evidence_uneven(look, weights) >= 20 for look in looks)
        lost = int(generator.binomial(5_000, 0.13))
        seen += evidence_uneven((5_000 - lost, lost), weights) >= 1_000
    assert alarms / trials <= 0.05 + _slack(trials)
    assert seen / trials > 0.95
    # Against the mixture itself, by numbers: Beta(200, 200) of 60 : 40.
    shares = np.linspace(0, 1, 200_001)[1:-1]
    logs = 199 * np.log(shares * (1 - shares)) - betaln(200, 200)
    logs += 60 * np.log(2 * shares) + 40 * np.log(2 * (1 - shares))
    assert evidence_uneven((60, 40), (1, 1)) == pytest.approx(np.exp(logs).mean(), rel=1e-4)
    assert evidence_uneven((5, 0), (1, 0)) == evidence_uneven((0, 0), (1, 1)) == 1
    assert evidence_uneven((10**6, 0), (1, 1)) == math.inf


def _slack(trials: int) -> float:
    """Return by how much a share of so many trials may be off by chance, four times in a hundred thousand."""
    return 0.0 if trials >= 10_000 else 4 * math.sqrt(0.05 * 0.95 / trials)


def returning(generator, people, rate):
    """Return runs and hits of people who enter 1 to 5 times, each with a propensity of their own."""
    runs = generator.integers(1, 6, people)
    own = generator.beta(rate * 2, (1 - rate) * 2, people)
    return generator.binomial(runs, own), runs


def counted(hits, runs):
    told = Share(int(hits.sum()), int(runs.sum()))
    many = np.bincount(10 * runs + hits)
    return told, design_effect({(at % 10, at // 10): int(many[at]) for at in np.flatnonzero(many).tolist()})


def test_the_design_effect_is_that_of_rao_and_scott():
    # Ten who have all of four runs or none tell as little as ten runs, one run each as much as there are.
    assert design_effect({(4, 4): 5, (0, 4): 5}) == pytest.approx(4 * 10 / 9)
    assert design_effect({(1, 1): 5, (0, 1): 50}) == 1 and design_effect({}) == 1 == design_effect(
        {(2, 3): 1}
    )
    assert design_effect({(0, 1): 8, (0, 3): 4}) == pytest.approx(44 / 20)  # nobody has any: nothing tells
    generator = default_rng(5)
    hits, runs = returning(generator, 20_000, 0.2)
    assert 1.7 < counted(hits, runs)[1] < 2.1  # 1 + (mean square / mean - 1) x correlation of 1/3 is 1.89


def test_intervals_cover_differences_of_people_who_run_several_times():
    trials, generator = TRIALS or 400, default_rng(21)
    covered = plain = 0
    for _ in range(trials):
        (one, by_one), (other, by_other) = (
            counted(*returning(generator, 600, rate)) for rate in (0.25, 0.20)
        )  # fmt: skip
        told = difference(one, other, effects=(by_one, by_other))
        covered += told.low <= 0.05 <= told.high
        independent = difference(one, other)
        plain += independent.low <= 0.05 <= independent.high
    slack = 0.01 if TRIALS else 0.035
    assert abs(covered / trials - 0.95) <= slack, covered / trials
    assert plain / trials < 0.90  # as if each run were another person


def test_whoever_looks_again_and_again_at_returning_people_is_seldom_wrong():
    trials, people = TRIALS // 10 or 40, 2_000
    generator, wrong = default_rng(22), 0
    for _ in range(trials):
        arms = [returning(generator, people, 0.2) for _ in range(2)]
        for seen in range(200, people + 1, 200):
            (one, by_one), (other, by_other) = (counted(hits[:seen], runs[:seen]) for hits, runs in arms)
            told = difference_at_any_look(one, other, effects=(by_one, by_other))
            if told.excludes_zero:
                wrong += 1
                break
    assert wrong / trials <= 0.05, wrong / trials
