"""When runs are over: the worlds that lives are weighed for are those that would have been played."""

import os
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from kaskad.actions.finishing import PEOPLE
from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import HOUR, MINUTE, Policy
from kaskad.domain.terms import Channel
from kaskad.domain.version import prepare
from kaskad.planning.ending import LEAST_SILENT, WORLDS, ended
from kaskad.planning.forecast import range_of
from kaskad.planning.history import happened
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.simulate import play
from kaskad.planning.walk import Ask, Rate
from kaskad.planning.world import Cast, typical
from kaskad.planning.world import World as Played
from planning.test_forecast import WORLDS as MADE
from planning.worlds import STAGES, World, is_eight_of_ten
from support.play import NOON

TEXT = """cascade: five
class: service
trigger: {event: x}
steps:
  - {id: letter, channel: email, subject: s, text: t, wait: 24h}
  - {id: chat, channel: telegram, text: t, wait: 6h}
  - {id: sms, channel: sms, text: t, wait: 2h}
  - {id: robot, channel: robot_call, say: t, wait: 2h}
  - {id: viber, channel: viber, text: t, wait: 2h}
"""
CASCADE = to_cascade(TEXT, name="five")
VERSION = prepare(1, 1, CASCADE, Policy())
CHANNELS = [step.channels[0] for step in CASCADE.steps]
PLAN = Plan(STAGES, CHANNELS, [None] * 5)
SORT = typical(CASCADE, "Asia/Almaty")
SHARES = {0.5: "half", 0.9: "nine of ten", 1.0: "all"}
SIZE = 3_000
TRIALS = int(os.environ.get("KASKAD_TRIALS", "0"))  # a trial of each world plays 4 500 people, half a second


def played(rates, people, seed, whom=None, *, quiet=0.0, enter_ms=6 * HOUR, limits=None):
    """Return the lives of so many people who enter within six hours: `whom` as themselves, or typical ones;
    `quiet`: as the forecast has them."""
    sorts, cast = whom or ([SORT], None)
    world = Played(
        start=NOON,
        people=people,
        size=SIZE,
        seed=seed,
        enter_over_ms=enter_ms,
        least_silent=quiet,
        per_second=limits or {},
    )
    return play(VERSION, world, sorts, rates, None, cast).lives


def contacts(world, rows, ids):
    """Return the sorts of these people of a made world, and each of them by its own id, which says when it is
    its turn once a sending window opens."""
    alike, which = np.unique(world.has[rows], axis=0, return_inverse=True)
    sorts = [
        replace(SORT, answers=replace(SORT.answers, addresses={
            channel.code: SORT.answers.addresses[channel.code]
            for channel, there in zip(CHANNELS, has, strict=True) if there
        }))
        for has in alike
    ]  # fmt: skip
    return sorts, Cast(ids[rows].tolist(), which.ravel().tolist())


def over(lives, share):
    times = sorted(life.run.finished_at - NOON for life in lives)
    return times[max(0, int(np.ceil(share * len(times))) - 1)]


def same(reacts, leaves=0.0):
    return lambda step, ask, before: Rate(np.full(1, reacts), np.full(1, leaves))


def test_lives_weighed_for_other_rates_end_as_lives_played_at_them_do():
    lives = played(lambda *place: (0.3, 0.1), 800, 1)
    for reacts, leaves in ((0.3, 0.1), (0.15, 0.05), (0.6, 0.1)):
        real = played(lambda *place, rate=(reacts, leaves): rate, 800, 2)
        told = ended(lives, NOON, 800, 800, same(reacts, leaves), SHARES)
        for one in told:
            low, high = np.percentile(one.worlds, (0.5, 99.5))
            assert low - 0.1 * HOUR <= over(real, one.share) <= high + 0.1 * HOUR, (reacts, one.share)


def test_services_are_as_busy_where_more_of_those_played_stay_silent_than_would():
    """Nine of a hundred get an SMS, which takes its service a minute each."""
    limits, last = {Channel.SMS: 3_000 / 800 / 60}, []
    for quiet in (0.0, LEAST_SILENT):
        lives = played(lambda *place: (0.7, 0.0), 800, 3, quiet=quiet, enter_ms=0, limits=limits)
        sent = [(life.passages[2].submitted_at, life) for life in lives if 2 in life.passages]
        last.append(max(at for at, _ in sent) - min(at for at, _ in sent))
        assert quiet == 0.0 or len(sent) > 3 * 0.09 * 800
    assert last[0] == pytest.approx(0.09 * 800 * MINUTE, rel=0.25)
    assert last[1] == pytest.approx(last[0], rel=0.25)


def test_one_person_ends_at_any_time_and_the_last_of_many_later_than_who_were_played():
    lives = played(lambda *place: (0.3, 0.1), 300, 1)
    (alone,) = ended(lives, NOON, 1, 1, same(0.3, 0.1), [1.0])
    assert np.percentile(alone.worlds, 10) < 12 * HOUR < 30 * HOUR < np.percentile(alone.worlds, 90)
    (many,) = ended(lives, NOON, 10**6, 10**6, same(0.3, 0.1), [1.0])
    assert over(lives, 1.0) < many.worlds.min() <= many.worlds.max() < over(lives, 1.0) + HOUR
    # Nobody left in what was played: worlds in which some do are still told, of those who did not.
    silent = played(lambda *place: (0.0, 0.0), 50, 1)
    (none,) = ended(silent, NOON, 50, 50, same(0.2, 0.1), [0.5])
    assert np.isfinite(none.worlds).all()


def one_after_another(chance, people):
    """Most have answered soon; few stay silent to the end, which they reach as they have entered."""
    silent = chance.random(people) < 0.05
    return np.where(silent, 1 + np.arange(people) / people, 0.2 * chance.random(people))


ENDS = {  # how long runs take in hours, and of how many people so many are played
    "one after another": (one_after_another, 3_000, 1_000),
    "by chance": (lambda chance, people: chance.standard_exponential(people), 2_000, 100),
    "by the clock, of few": (lambda chance, people: 2.0 + chance.random(people), 1_000, 12),
}


def lives_of(hours, *, went=None, reacted=()):
    """Return lives that end so many hours after the start; the message of each `went` so many before."""
    return [
        SimpleNamespace(
            run=SimpleNamespace(finished_at=NOON + int(HOUR * at)), sort=SORT, marks={},
            passages={} if went is None else {
                0: SimpleNamespace(submitted_at=NOON + int(HOUR * went[number]), channel=1, mask=0)
            },
            reacted={0} if number in reacted else None,
        )
        for number, at in enumerate(hours)
    ]  # fmt: skip


@pytest.mark.parametrize("way", ENDS)
def test_the_last_of_many_ends_as_much_later_than_those_played_as_ranges_say(way):
    chance, (draw, size, some), held, trials = np.random.default_rng(8), ENDS[way], 0, 150
    for trial in range(trials):
        lives = lives_of(draw(chance, some), went=np.zeros(some) if "clock" in way else None)
        (told,) = ended(lives, NOON, size, some, same(0.0), [1.0], worlds=100, seed=trial)
        between = range_of(told.worlds)
        held += between.low <= HOUR * draw(chance, size).max() <= between.high
    assert is_eight_of_ten(held, trials), held


def test_who_reacts_has_ended_before_silence_would_have_gone_on():
    """Within the two hours that a message has, of 300 played as of a hundred thousand."""
    chance, entered = np.random.default_rng(4), np.arange(300) / 300
    reacts = set(range(0, 300, 2))
    soon = np.minimum(chance.standard_exponential(300) / 2, 1.9)
    ends = np.where(np.isin(np.arange(300), list(reacts)), entered + soon, entered + 2)
    lives = lives_of(ends, went=entered, reacted=reacts)
    (told,) = ended(lives, NOON, 100_000, 300, same(1.0), [1.0])
    assert ends[::2].max() < told.worlds.min() / HOUR and told.worlds.max() / HOUR < 3.02


def test_who_was_played_ends_neither_before_nor_after_those_like_them():
    """Of few who end at any instant of an hour, and of their mirror image, half are over at the half."""
    chance, middles = np.random.default_rng(6), []
    for trial in range(20):
        at = chance.random(11)
        for hours in (at, 1.0 - at):
            (told,) = ended(lives_of(hours), NOON, 10_000, 11, same(0.0), [0.5], seed=trial)
            middles.append(told.worlds.mean() / HOUR)
    assert np.mean(middles) == pytest.approx(0.5, abs=0.01)


@pytest.mark.skipif(TRIALS < 5, reason="minutes: make calibration")
@pytest.mark.parametrize("name", MADE)
def test_ranges_of_the_end_hold_eight_of_ten_outcomes(name):
    """Of half, nine of ten and all of 3 000 people, after a thousand others have answered."""
    chance, (rates, shared) = np.random.default_rng([5, list(MADE).index(name)]), MADE[name]
    held, missed, widths = Counter(), Counter(), Counter()
    big = happened(STAGES, World(np.random.default_rng(99), 200_000, rates, shared).shapes(200_000), {})
    true = {place: cell.reacted / cell.of for place, cell in big.cells.items()}
    for trial in range(TRIALS):
        world = World(chance, 4_000, rates, shared)
        outlook = Outlook(PLAN, world.known(1_000), {})
        ids = chance.choice(
            10**9, 4_000, replace=False
        )  # other contacts each time: what hangs on ids is chance
        looked = np.sort(1_000 + chance.choice(SIZE, 1_000, replace=False))
        lives = played(
            _table(outlook), PEOPLE, trial, contacts(world, looked, ids), quiet=LEAST_SILENT
        )  # fmt: skip
        real = played(
            lambda step, channel, before: (true.get((step, before), 0.0), 0.0), SIZE, 10_000 + trial,
            contacts(world, np.arange(1_000, 4_000), ids),
        )  # fmt: skip
        told = ended(
            lives, NOON, SIZE, 1_000, outlook.drawn(trial, WORLDS), SHARES, seed=trial
        )  # fmt: skip
        for one in told:
            between, at, share = range_of(one.worlds), over(real, one.share), SHARES[one.share]
            held[share] += between.low <= at <= between.high
            missed[share, "earlier" if at < between.low else "later"] += not between.low <= at <= between.high
            widths[share] += (between.high - between.low) / HOUR / TRIALS
    print(name, {share: round(count / TRIALS, 3) for share, count in (held + missed).items()}, widths)
    assert all(is_eight_of_ten(count, TRIALS) for count in held.values()), held


def _table(outlook):
    def rates(step, channel, before):
        rate = outlook.means(step, Ask(channel), before)
        return float(rate.reacts[0]), float(rate.leaves[0])

    return rates
