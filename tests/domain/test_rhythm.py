"""The hour at which a person reacts most: by their clock, inside what is allowed, once enough is known."""

from kaskad.domain.rhythm import WEEK, Curves, best_hour, counted, rhythm_of
from support.play import NOON

HOUR = 3_600_000
EVENING = 19  # of Thursday the 1st of January 1970, day 3 of its week
MANY = tuple(100.0 if hour % 24 == 10 else 1.0 for hour in range(WEEK))


def always(at):
    return True


def test_hours_are_of_the_person_s_own_clock_and_younger_ones_are_worth_more():
    at = 19 * HOUR
    assert counted([(at, "UTC")], at) == {3 * 24 + 19: 1.0}
    assert counted([(at, "Asia/Kathmandu")], at) == {4 * 24 + 0: 1.0}, "5 hours 30 then: half past midnight"
    assert counted([(at, "UTC"), (at, "UTC")], at + 90 * 24 * HOUR) == {3 * 24 + 19: 1.0}


def test_what_too_few_have_shown_is_nobody_s_rhythm():
    assert rhythm_of(Curves(), {19: 40.0}, 40, "KZ") is None
    curves = Curves(
        MANY, {"KZ": tuple(50.0 if hour % 24 == 21 else 0.0 for hour in range(WEEK)), "RU": MANY[:1]}
    )
    assert rhythm_of(curves, {}, 0, "RU").whose == "everyone"
    assert rhythm_of(curves, {91: 4.0}, 4, "KZ").whose == "country", "four reactions say nothing of a person"
    own = rhythm_of(curves, {91: 5.0}, 5, "KZ")
    assert own.whose == "person" and own.shares.index(max(own.shares)) == 91
    assert abs(sum(own.shares) - 1) < 1e-9 and min(own.shares) > 0


def test_the_best_open_hour_of_the_next_day_is_taken_once():
    rhythm = rhythm_of(Curves(MANY), {}, 0, "")
    assert best_hour(rhythm, NOON, "UTC", always) == NOON + 22 * HOUR, "tomorrow at ten"
    assert best_hour(rhythm, NOON - 2 * HOUR + 60_000, "UTC", always) == NOON - 2 * HOUR + 60_000, (
        "this hour is it"
    )
    half = NOON + HOUR // 2
    assert best_hour(rhythm, half, "UTC", always) == NOON + 22 * HOUR
    assert best_hour(rhythm, NOON, "Asia/Kathmandu", always) == NOON + 16 * HOUR + HOUR // 4, (
        "hours of its zone"
    )
    spread = best_hour(rhythm, NOON, "UTC", always, spread=20 * 60_000)
    assert spread == NOON + 22 * HOUR + 20 * 60_000
    shut = best_hour(rhythm, NOON, "UTC", lambda at: at < NOON + 5 * HOUR)
    assert shut == NOON, "of the hours that are open"
    assert best_hour(rhythm, NOON, "UTC", lambda at: False) is None
