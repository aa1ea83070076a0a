"""Whom a forecast looks at: people from all over an audience, each as likely as any other."""

from collections import Counter

import pytest

from kaskad.actions.audience import People, places


def test_a_sample_of_a_segment_is_from_all_over_it_although_its_ids_have_a_gap():
    members = [*range(1, 5_001), *range(10**9, 10**9 + 5_000)]
    for wanted in (20, 1_000, 9_990):
        found = [
            one for some in People(None, "segment x", 10_000, members=members).sample(wanted) for one in some
        ]
        assert len(found) == wanted and found == sorted(set(found))
        assert abs(sum(one < 10**9 for one in found) - len(found) / 2) <= 1
        assert found[-1] >= 10**9 + 4_500


@pytest.mark.parametrize(("size", "wanted"), [(17, 5), (15, 10), (8, 7), (40, 1), (101, 10)])
def test_each_place_is_as_likely_as_any_other(size, wanted):
    trials, met = 4_000, Counter()
    for seed in range(trials):
        found = places(size, wanted, seed)
        assert len(set(found)) == wanted and found == sorted(found)
        met.update(found)
    assert met.keys() == set(range(size))
    share = wanted / size
    far = 4.5 * (share * (1 - share) / trials) ** 0.5  # of 181 places one is farther once in 800 times
    assert max(abs(count / trials - share) for count in met.values()) < far


@pytest.mark.parametrize("period", [2, 5, 10, 50])
def test_what_comes_again_every_few_places_is_met_as_often_as_it_is_there(period):
    found = places(100_000, 2_000)
    share = sum(place % period == 0 for place in found) / 2_000
    assert share == pytest.approx(1 / period, abs=4 * (1 / period / 2_000) ** 0.5)
    assert places(10, 10) == list(range(10)), "all of them"
