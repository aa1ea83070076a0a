"""How far forecasts can be trusted: figures counted beside their ranges, launch by launch."""

from kaskad.analytics.calibration import Counted, Held, calibration


def launches(count, inside):
    """Return so many launches of five figures each, of which so many of a hundred lie in their range."""
    sides = [150 if n * inside // 100 == (n + 1) * inside // 100 else 100 for n in range(5 * count)]
    return [[Held("reached", 90, 110, each) for each in sides[5 * n : 5 * n + 5]] for n in range(count)]


def test_figures_lie_below_in_or_above_their_range():
    held = [Held("cost", 90, 110, happened) for happened in (89, 90, 110, 111)]
    assert [one.side for one in held] == [-1, 0, 0, 1]
    assert [one.place for one in held] == [-0.05, 0, 1, 1.05]
    assert [Held("cost", 7, 7, n).place for n in (6, 7, 8)] == [-0.5, 0.5, 1.5]
    told = calibration([held, [Held("reached", 0, 1, 1)]])
    assert told.whole == Counted("", 1, 3, 1) and told.share == 0.6
    assert told.figures == (Counted("cost", 1, 2, 1), Counted("reached", 0, 1, 0))


def test_a_verdict_waits_for_launches_enough_and_allows_for_chance():
    assert calibration([]).verdict == "few" and calibration([]).share is None
    assert calibration([[]]).believed is None
    assert calibration(launches(9, 20)).verdict == "few"
    assert calibration(launches(20, 80)).verdict == "good" == calibration(launches(20, 70)).verdict
    assert calibration(launches(20, 40)).verdict == "narrow"
    assert calibration(launches(60, 98)).verdict == "wide"


def test_what_was_certain_and_came_so_tells_nothing_of_ranges():
    certain = [Held("entered", 1200, 1200, 1200), Held("converted", 0, 0, 0)]
    told = calibration([certain])
    assert (told.share, told.launches, told.certain) == (None, 0, 2)
    told = calibration([[*certain, Held("reached", 90, 110, 120)], certain])
    assert (told.launches, told.share, told.certain) == (1, 0, 4)
    assert [one.figure for one in told.figures] == ["reached"]


def test_what_was_certain_and_came_otherwise_is_missed():
    entered, converted = Held("entered", 1000, 1000, 700), Held("converted", 0, 0, 3)
    told = calibration([[entered, converted, Held("reached", 600, 700, 650)]] * 12)
    assert (told.whole, told.verdict, told.certain) == (Counted("", 12, 12, 12), "narrow", 0)
    assert (told.below, told.above) == (("entered",), ("converted",))


def test_misses_on_one_side_are_told_once_chance_does_not_explain_them():
    assert [Counted("cost", 0, 20, n).leans for n in (0, 1, 7, 8)] == [0, 0, 0, 1]
    assert Counted("cost", 8, 0, 0).leans == -1 and Counted("cost", 15, 9, 15).leans == 0
    assert Counted("cost", 2, 12, 14).leans == 1 and Counted("cost", 5, 60, 14).leans == 0
    less = [[Held("reached", 90, 110, 80), Held("cost", 5, 6, 7), Held("silent", 1, 9, 5)]] * 10
    told = calibration(less)
    assert (told.below, told.above) == (("reached",), ("cost",))
