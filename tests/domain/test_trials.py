"""Who enters which version on trial: shares as said, the same one each time, nobody moved who need not."""

from collections import Counter

import pytest
from scipy.stats import chisquare

from kaskad.domain.definition import to_cascade
from kaskad.domain.shares import EQUAL, point
from kaskad.domain.trials import Arm, Trial, shared_out, unlike

PEOPLE = range(1, 20_001)
TEXT = """cascade: x
title: X
class: service
trigger: {event: left, delay: 1h}
goal: {event: bought}
steps: [{id: a, channel: sms, text: A}]
"""


def trial(wanted, arms=(), number=1):
    return Trial(number, 10, shared_out(arms, wanted))


def entered(tried):
    return {contact: tried.version_of(contact) for contact in PEOPLE}


def test_shares_are_as_said_and_each_contact_keeps_its_version():
    tried = trial({11: 2_000, 12: 500})
    counts = Counter(entered(tried).values())
    expected = [len(PEOPLE) * share / EQUAL for share in (7_500, 2_000, 500)]
    assert chisquare([counts[10], counts[11], counts[12]], expected).pvalue > 0.001
    assert entered(tried) == entered(trial({11: 2_000, 12: 500})), "a version once is the version always"


def test_another_trial_draws_anew():
    one, other = entered(trial({11: 5_000})), entered(trial({11: 5_000}, number=2))
    both = sum(one[contact] == other[contact] == 11 for contact in PEOPLE)
    assert chisquare([both, len(PEOPLE) - both], [len(PEOPLE) / 4, len(PEOPLE) * 3 / 4]).pvalue > 0.001


@pytest.mark.parametrize(
    ("before", "after"),
    [({11: 1_000, 12: 2_000}, {11: 3_000, 12: 2_000}), ({11: 4_000, 12: 2_000}, {11: 500, 12: 2_000}),
     ({11: 1_000}, {11: 1_000, 12: 9_000}), ({11: 5_000, 12: 5_000}, {11: 2_000, 12: 8_000})],
)  # fmt: skip
def test_where_shares_change_only_those_move_who_must(before, after):
    first = trial(before)
    then = trial(after, first.arms)
    assert {arm.version_id: arm.share for arm in then.arms} == after
    gone, owner = Counter(), {}
    for tried in (first, then):
        owner[tried.arms] = {}
        for arm in tried.arms:
            for start, until in arm.spans:
                for number in range(start, until):
                    assert number not in owner[tried.arms], "no share is of two versions"
                    owner[tried.arms][number] = arm.version_id
    for number in range(EQUAL):
        one, other = owner[first.arms].get(number, 10), owner[then.arms].get(number, 10)
        gone[one] += one != other
    shrunk = {version: max(0, before[version] - after.get(version, 0)) for version in before}
    assert all(gone[version] == count for version, count in shrunk.items())
    grown = sum(max(0, share - before.get(version, 0)) for version, share in after.items())
    assert sum(gone.values()) == max(grown, sum(shrunk.values()))


def test_what_says_who_enters_and_what_counts_must_be_the_same():
    base = to_cascade(TEXT, name="x")
    assert unlike(base, to_cascade(TEXT.replace("1h", "3h").replace("text: A", "text: B"), name="x")) == ()
    other = (
        TEXT.replace("event: left", "event: gone").replace("event: bought", "event: paid") + "holdout: 5%\n"
    )
    assert unlike(base, to_cascade(other, name="x")) == ("trigger", "holdout", "goal")


def test_a_point_is_one_of_equal_shares():
    assert all(0 <= point("trial", "1", contact) < EQUAL for contact in range(1, 200))
    assert Trial(1, 10, (Arm(11, ((0, EQUAL),)),)).version_of(5) == 11
