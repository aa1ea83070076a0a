"""What is believed of a rate: by a figure of the field, by others like it, by its own answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import betabinom

from kaskad.planning.rates import SCATTERS, WEIGHT, Seen, faded, fading, family, mixture, moved, shifted

seen = st.integers(0, 300).flatmap(lambda of: st.builds(Seen, st.just(of), st.integers(0, of)))


def test_before_anything_is_seen_the_rate_is_the_figure_and_is_worth_ten_answers_at_most():
    for figure in (0.2, 0.375, 0.5, 0.7, 0.95):
        told = family(figure).believed(Seen(0, 0))
        assert told.mean == pytest.approx(figure)
        drawn = told.draws(np.random.default_rng(1).random(20_000), np.random.default_rng(2))
        assert drawn.mean() == pytest.approx(figure, abs=0.01)
        assert drawn.var() > figure * (1 - figure) / (WEIGHT + 1)  # no surer than ten answers would make it
    assert family(None).believed(Seen(0, 0)).mean == pytest.approx(0.5)


@settings(max_examples=25)
@given(st.sampled_from([None, 0.2, 0.7]), st.lists(seen, max_size=4), seen)
def test_it_is_what_a_slow_sum_over_a_fine_grid_gives(figure, others, own):
    steps = (np.arange(4_000) + 0.5) / 4_000
    hits, misses = (1.0, 1.0) if figure is None else (WEIGHT * figure, WEIGHT * (1 - figure))
    told = mean = 0.0
    for scatter in SCATTERS:
        a, b = steps * scatter, (1 - steps) * scatter
        likely = steps ** (hits - 1) * (1 - steps) ** (misses - 1)
        for one in (*others, own):
            likely = likely * betabinom.pmf(one.hits, one.of, a, b)
        told += likely.sum()
        mean += (likely * (a + own.hits) / (scatter + own.of)).sum()
    found = family(figure).knowing(others).believed(own).mean
    assert found == pytest.approx(mean / told, abs=0.01)


def test_others_that_agree_say_much_and_others_that_do_not_say_little():
    alike = family(0.5).knowing([Seen(1_000, 100)] * 8)
    apart = family(0.5).knowing([Seen(1_000, 100), Seen(1_000, 900)] * 4)
    own = Seen(20, 10)
    assert alike.believed(Seen(0, 0)).mean == pytest.approx(0.1, abs=0.02)
    assert alike.believed(own).mean < 0.25 and apart.believed(own).mean == pytest.approx(0.5, abs=0.02)
    assert alike.believed(Seen(100_000, 50_000)).mean == pytest.approx(0.5, abs=0.001)


def test_people_who_react_twice_as_often_move_the_figures_that_nothing_is_known_of():
    assert shifted([]) == 0.0 and moved(0.4, 0.0) == 0.4
    more = shifted([(0.2, Seen(1_000, 400)), (0.4, Seen(500, 400))])
    less = shifted([(0.2, Seen(1_000, 100)), (0.4, Seen(500, 100))])
    assert more > 0.8 and moved(0.3, more) > 0.5
    assert less < -0.3 and moved(0.3, less) < 0.25
    assert abs(shifted([(0.2, Seen(1_000, 200)), (0.4, Seen(500, 200))])) < 0.15


@pytest.mark.parametrize("by", [-0.3, 0.0, 0.7, 1.2])
def test_by_how_much_fewer_react_to_each_further_message_is_learnt_from_all_steps(by):
    """Steps differ in how many react at all; of a step that nobody came to in two ways nothing is learnt."""
    logits = {1: 2.0, 2: 0.3, 3: -0.6}
    steps = [
        {n: Seen(300, round(300 * expit(level - by * n))) for n in range(step + 1)}
        for step, level in logits.items()
    ]
    told = fading([{0: Seen(900, 200)}, *steps, {}])
    assert sum(likely for _, likely in told) == pytest.approx(1.0)
    mean = sum(each * likely for each, likely in told)
    assert mean == pytest.approx(by, abs=0.1)
    assert sum((each - mean) ** 2 * likely for each, likely in told) ** 0.5 < 0.12
    unknown = fading([{0: Seen(900, 200)}, {1: Seen(3, 1), 2: Seen(2, 1)}])
    assert abs(sum(each * likely for each, likely in unknown)) < 0.2 and len(unknown) > 12


def test_what_was_seen_of_others_counts_as_it_would_have_been_here():
    assert faded(Seen(1_000, 500), 0.0) == Seen(1_000, 500) and faded(Seen(0, 0), 1.0) == Seen(0, 0)
    for by in (-1.0, 1.0):
        assert faded(Seen(1_000, 500), by).hits == pytest.approx(1_000 * expit(by))
    assert faded(Seen(17, 17), 1e-9).hits == pytest.approx(17) == faded(Seen(17, 17), -1e-9).hits
    assert faded(Seen(4, 0), -1.0).hits == 0 < faded(Seen(4, 0), 1.0).hits < 1
    half, most = family(0.5).believed(Seen(0, 0)), family(0.5).believed(Seen(100, 95))
    both = mixture([(0.25, half), (0.75, most)])
    assert both.mean == pytest.approx(0.25 * half.mean + 0.75 * most.mean)
    drawn = both.draws(np.random.default_rng(1).random(4_000), np.random.default_rng(2))
    assert drawn.mean() == pytest.approx(both.mean, abs=0.02)
