"""Whom a forecast looks at: people from all over a segment, wherever their ids begin anew."""

from types import SimpleNamespace

from kaskad.actions.audience import People


def test_a_sample_of_a_segment_is_from_all_over_it_although_its_ids_have_a_gap():
    members = [*range(1, 5_001), *range(10**9, 10**9 + 5_000)]
    tx = SimpleNamespace(one=lambda name: (members[-1],))
    for wanted in (1, 1_000, 9_990):
        found = [
            one for some in People(tx, "segment x", 10_000, members=members).sample(wanted) for one in some
        ]
        assert wanted <= len(found) <= wanted + 20 and found == sorted(set(found))
        assert abs(sum(one < 10**9 for one in found) - len(found) / 2) <= 1
        assert found[-1] >= 10**9 + 4_500
