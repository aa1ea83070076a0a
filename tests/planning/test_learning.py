"""Channels drawn by what is believed of them: chances as promised, and worlds in which they pay."""

import numpy as np
import pytest

from kaskad.domain.shares import EQUAL, even
from kaskad.planning.learning import odds
from kaskad.planning.rates import Seen, family

RATES = {1: 0.10, 2: 0.20, 3: 0.35}
ALL = 0b1110


def chances(seen, explore=500, costs=None, seed=1):
    beliefs = {channel: family(0.3).believed(told) for channel, told in seen.items()}
    return odds(beliefs, costs or {}, explore, seed)


def test_chances_of_every_set_of_channels_sum_to_one_and_leave_each_its_share():
    found = chances({1: Seen(500, 50), 2: Seen(500, 100), 3: Seen(500, 250), 4: Seen(0, 0)}, explore=700)
    assert len(found) == 6 + 4 + 1
    for arms, told in found.items():
        assert sum(chance for _, chance in told) == EQUAL and min(chance for _, chance in told) >= 700
        assert arms == sum(1 << channel for channel, _ in told)
    assert dict(found[0b0110])[2] > 9_000, "of two that are behind, the better one is known too"
    assert found == chances(
        {1: Seen(500, 50), 2: Seen(500, 100), 3: Seen(500, 250), 4: Seen(0, 0)}, explore=700
    )


def test_nothing_known_is_nearly_even_and_a_price_counts_against_a_channel():
    unknown = dict(chances({1: Seen(0, 0), 2: Seen(0, 0)})[0b110])
    assert abs(unknown[1] - EQUAL / 2) < 500
    told = {1: Seen(1_000, 300), 2: Seen(1_000, 320)}
    assert dict(chances(told)[0b110])[2] > 6_000
    assert dict(chances(told, costs={2: 0.1})[0b110])[1] > 9_000
    assert sum(chance for _, chance in even([1, 2, 3])) == EQUAL


def world(seed, batches=12, size=150):
    """Return what it brought in a world of RATES, its last chances, and the weighed rate of channel 1."""
    random = np.random.default_rng(seed)
    counts = {channel: [0, 0] for channel in RATES}
    hits, weighed = 0, 0.0
    now = even(list(RATES))
    for batch in range(batches):
        drawn = random.choice([c for c, _ in now], size=size, p=[chance / EQUAL for _, chance in now])
        for channel, chance in now:
            chosen = int((drawn == channel).sum())
            good = int(random.binomial(chosen, RATES[channel]))
            counts[channel][0] += chosen
            counts[channel][1] += good
            hits += good
            weighed += good * EQUAL / chance if channel == 1 else 0
        now = chances({channel: Seen(*told) for channel, told in counts.items()}, seed=batch)[ALL]
    return hits, dict(now), weighed / (batches * size)


def test_it_finds_the_best_channel_and_brings_more_than_an_even_lot():
    told = [world(seed) for seed in range(25)]
    even_share = sum(RATES.values()) / 3
    assert np.mean([hits for hits, _, _ in told]) > 1.25 * even_share * 12 * 150
    assert sum(now[3] > 8_000 for _, now, _ in told) >= 24
    weighed = [rate for _, _, rate in told]
    error = np.std(weighed, ddof=1) / np.sqrt(len(weighed))
    assert np.mean(weighed) == pytest.approx(RATES[1], abs=3.5 * error), (
        "weighed by its chance it is unbiased"
    )
