"""Contacts are shared out by weight, evenly, and stay where they are."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.shares import share_out

members = st.dictionaries(st.integers(1, 1 << 40), st.integers(1, 1000), min_size=1, max_size=5)


def test_shares_are_as_the_weights():
    counts = Counter(share_out(contact, [(1, 3), (2, 1), (7, 4)]) for contact in range(40_000))
    assert abs(counts[1] - 15_000) < 600 and abs(counts[2] - 5_000) < 400 and abs(counts[7] - 20_000) < 600


@given(members, st.integers(1, 1 << 60), st.randoms(use_true_random=False))
def test_the_order_of_the_members_does_not_matter(weights, contact, random):
    listed = list(weights.items())
    chosen = share_out(contact, listed)
    random.shuffle(listed)
    assert share_out(contact, listed) == chosen and chosen in weights


@given(members, st.integers(1, 1 << 60), st.integers(1, 1 << 40), st.integers(1, 1000))
def test_a_member_that_joins_takes_contacts_and_moves_no_other(weights, contact, new, weight):
    before = share_out(contact, list(weights.items()))
    after = share_out(contact, list({**weights, new: weight}.items()))
    assert after in (before, new)
