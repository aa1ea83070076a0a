"""Limits of an account: never more than allowed, never stuck."""

from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.terms import Reason
from kaskad.engine.limits import AccountLimits, Breaker, TokenBucket, backoff

steps = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 50)), max_size=60)
rates = st.floats(0.01, 2_000)
ENDS = [None, Reason.TRANSIENT, Reason.AMBIGUOUS, Reason.AUTH, Reason.INVALID_ADDRESS, Reason.RATE_LIMITED]


@given(rates, st.integers(1, 100), steps)
def test_no_span_of_time_gives_more_than_rate_times_time_plus_burst(per_second, burst, steps):
    bucket, now, granted = TokenBucket(per_second, burst), 0, []
    for passed, wanted in steps:
        now += passed
        granted.append((now, bucket.take(now, wanted)))
    rate = max(0.001, round(per_second * 1000) / 1000)
    for first, (start, _) in enumerate(granted):
        total = 0
        for at, count in granted[first:]:
            total += count
            assert total <= rate * (at - start) / 1000 + burst + 1e-6


@given(rates, st.integers(1, 100), steps)
def test_a_token_is_there_when_it_was_announced_and_not_before(per_second, burst, steps):
    bucket, now = TokenBucket(per_second, burst), 0
    for passed, wanted in steps:
        now += passed
        bucket.take(now, wanted)
    at = bucket.next_at(now)
    if at is None:
        assert bucket.take(now, 1) == 1
    else:
        assert bucket.available(at - 1) == 0
        assert bucket.take(at, 1) == 1


@given(st.lists(st.tuples(st.integers(-100_000, 5_000), st.integers(0, 50)), max_size=60))
def test_a_clock_that_jumps_back_gives_only_for_time_that_went_forward(steps):
    bucket, now, forward, total = TokenBucket(10, 5), 0, 0, 0
    for moved, wanted in steps:
        now += moved
        forward += max(0, moved)
        total += bucket.take(now, wanted)
    assert total <= 10 * forward / 1000 + 5


@given(st.integers(1, 60), st.text())
def test_backoff_grows_to_its_cap_and_repeats_itself_for_a_replay(attempt, key):
    wait = backoff(attempt, key)
    full = min(15 * 60_000, 1000 * 2 ** (attempt - 1))
    assert full // 2 <= wait <= full
    assert wait == backoff(attempt, key)


def test_backoff_spreads_messages_that_failed_together():
    assert len({backoff(5, f"key-{number}") for number in range(200)}) > 150


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 30), st.sampled_from(ENDS)), max_size=80),
)
def test_slots_are_never_exceeded_and_an_account_never_stops_for_good(concurrency, steps):
    limits = AccountLimits(concurrency, TokenBucket(100, 50), Breaker())
    now, under_way = 0, 0
    for passed, wanted, end in steps:
        now += passed
        granted = limits.grant(now, wanted)
        assert 0 <= granted <= wanted
        under_way += granted
        assert under_way <= concurrency
        if under_way:
            limits.settle(now, end)
            under_way -= 1
    for _ in range(under_way):
        limits.settle(now, None)
    for _ in range(3):  # each wait announces its end truly, so that few of them lead to a grant
        at = limits.next_at(now)
        if at is None:
            break
        assert at > now
        now = at
    assert limits.grant(now, 1) == 1


def test_a_provider_that_fails_five_times_in_a_row_is_left_alone_then_probed_with_one_message():
    breaker = Breaker()
    for _ in range(5):
        assert breaker.allow(0, 10) == 10
        breaker.record(0, failed=True)
    assert breaker.allow(0, 10) == 0
    at = breaker.next_at(0)
    assert at is not None and breaker.allow(at - 1, 10) == 0
    assert breaker.allow(at, 10) == 1
    assert breaker.allow(at, 10) == 0  # while the probe is under way
    breaker.record(at, failed=False)
    assert breaker.allow(at, 10) == 10


def test_a_probe_that_fails_waits_longer_than_before():
    breaker, now, waits = Breaker(), 0, []
    for _ in range(5):
        breaker.record(now, failed=True)
    for _ in range(4):
        at = breaker.next_at(now)
        waits.append(at - now)
        now = at
        assert breaker.allow(now, 9) == 1
        breaker.record(now, failed=True)
    assert waits[0] * 2 < waits[2] and waits[1] * 2 < waits[3]


def test_failures_among_successes_open_the_breaker_when_they_are_the_most():
    breaker = Breaker(window=40)
    for number in range(200):
        breaker.record(0, failed=number % 3 != 0)
    assert breaker.allow(0, 1) == 0
    healthy = Breaker(window=40)
    for number in range(200):
        healthy.record(0, failed=number % 3 == 0)
    assert healthy.allow(0, 1) == 1


def test_results_of_before_the_opening_neither_close_nor_prolong_it():
    breaker = Breaker()
    for _ in range(5):
        breaker.record(0, failed=True)
    at = breaker.next_at(0)
    breaker.record(1, failed=False)
    breaker.record(2, failed=True)
    assert breaker.next_at(3) == at


def test_a_probe_stopped_by_the_last_look_lets_the_next_one_try():
    limits = AccountLimits(10, TokenBucket(100, 100), Breaker())
    for _ in range(5):
        limits.grant(0, 1)
        limits.settle(0, Reason.TRANSIENT)
    at = limits.next_at(0)
    assert limits.grant(at, 10) == 1
    limits.give_back(1)
    assert limits.in_flight == 0
    assert limits.grant(at, 10) == 1


def test_a_refused_person_or_text_does_not_count_against_the_provider():
    limits = AccountLimits(100, TokenBucket(1000, 1000), Breaker())
    for _ in range(50):
        assert limits.grant(0, 1) == 1
        limits.settle(0, Reason.INVALID_ADDRESS)


def test_wrong_credentials_stop_the_account_at_once():
    limits = AccountLimits(10, TokenBucket(10, 10), Breaker())
    limits.grant(0, 1)
    limits.settle(0, Reason.AUTH)
    assert limits.grant(0, 1) == 0 and limits.next_at(0) is not None


def test_retry_after_is_kept_to_the_millisecond():
    limits = AccountLimits(10, TokenBucket(1000, 1000), Breaker())
    limits.grant(0, 1)
    limits.settle(0, Reason.RATE_LIMITED, 7_000)
    assert limits.next_at(0) == 7_000
    assert limits.grant(6_999, 1) == 0
    assert limits.grant(7_000, 5) == 5


def test_too_many_without_an_end_grows_until_the_account_counts_as_down():
    limits, now, pauses = AccountLimits(10, TokenBucket(1000, 1000), Breaker()), 0, []
    for _ in range(7):
        for _ in range(limits.grant(now, 10)):
            limits.settle(now, Reason.RATE_LIMITED, 0)
        pauses.append((limits.next_at(now) - now, limits.breaker.open_until is not None))
        now = limits.next_at(now)
    assert pauses == [(1000 << n, 1000 << n >= 30_000) for n in range(7)]
    assert limits.grant(now, 10) == 1, "one message tries it"
    limits.accepted(now, 1)
    assert limits.grant(now, 10) == 10
    limits.settle(now, Reason.RATE_LIMITED)
    assert limits.next_at(now) == now + 1000


def test_nobody_waits_for_longer_than_an_hour_for_a_provider_whatever_it_asks_for():
    limits = AccountLimits(10, TokenBucket(1000, 1000), Breaker())
    limits.grant(0, 1)
    limits.settle(0, Reason.RATE_LIMITED, 86_400_000)
    assert limits.grant(3_599_999, 5) == 0 and limits.grant(3_600_000, 5) == 1


def test_what_an_undone_tick_has_learnt_of_an_account_is_forgotten():
    limits = AccountLimits(2, TokenBucket(1000, 1000), Breaker())
    limits.grant(0, 2)
    limits.settle(1_000, Reason.RATE_LIMITED)
    limits.grant(2_000, 1)
    before, stalls_at = limits.learnt(), limits.stalls_at()
    limits.accepted(5_000, 1)
    limits.settle(6_000, Reason.RATE_LIMITED, 40_000)
    limits.in_flight = 2
    limits.restore(before)
    assert limits.learnt() == before and limits.stalls_at() == stalls_at == 7_000


def test_too_many_is_told_while_others_that_were_under_way_are_taken():
    limits = AccountLimits(10, TokenBucket(1000, 1000), Breaker())
    limits.grant(1_000, 3)
    limits.settle(1_000, Reason.RATE_LIMITED)
    limits.accepted(1_010, 1)
    limits.settle(1_020, Reason.RATE_LIMITED)
    assert limits.next_at(1_020) == 2_020
