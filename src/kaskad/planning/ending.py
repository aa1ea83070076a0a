"""When runs are over, and how sure that is: people played once, counted as each world would have had them.

In worlds with other rates the same is done by more or by fewer. What somebody does about each message, one
after another, is a path: a world's rates say how many take it, those who were played on it when they end. So
one play tells of some hundred worlds. In it more stay silent than would, so that late steps are met. How long
messages wait for a service is that of the expected rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
import scipy
from msgspec import Struct
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from kaskad.domain.policy import HOUR
from kaskad.domain.run import failed
from kaskad.domain.terms import Channel
from kaskad.planning.lives import Life
from kaskad.planning.walk import Ask, Rates

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

WORLDS = 200
BLOCKS = 10  # of people who enter one after another, each of as many: entries are no matter of chance
FEWEST = 50  # people played in a block
FEW = 5  # lives of a path that tell how far those who end by the clock are apart
TAIL, MOST = 20, 40  # of the last lives of a path: as these are apart, others end later than all of them
NIGHT, NIGHT_MS = 20, 3 * HOUR  # a gap between two lives of so many usual ones: in between nobody ends
LEAST_SILENT = 0.6  # of those played, whatever the rates are: so that late steps are met often enough
_CHANNELS = {channel.code: channel for channel in Channel}

_LEAST = 1e-12

Did = tuple[int, int, int, int]  # step, channel code, messages before, what the person did
Path = tuple[Did, ...]
Sent = tuple[tuple[int, int], ...]  # step and channel code of each message
_SILENT, _REACTED, _LEFT = range(3)


class Ended(Struct, frozen=True):
    """After how many ms so many of the runs are over, in each world."""

    share: float
    worlds: Floats


def ended(
    lives: Sequence[Life], start: int, size: int, looked: int, drawn: Rates, shares: Sequence[float], *,
    worlds: int = WORLDS, seed: int = 1,
) -> list[Ended]:  # fmt: skip
    """Return when runs are over in worlds with these rates, of an audience of that size of whom `looked` were
    looked at, from the lives of people like them in the order of their entry. All of them must be over."""
    chance = default_rng(seed)
    each = chance.standard_exponential((worlds, len(lives)))  # who was played is a sample too (Rubin 1981)
    paths = [_path(life) for life in lives]
    taken = _taken(each * _sorts(lives, each, size, looked, chance), paths, drawn)
    people = _people(taken, size, chance)
    after = np.array([(life.run.finished_at or start) - start for life in lives], dtype=np.float64)
    groups = _groups(after, paths)
    between = _between(after, groups)
    tails = {
        number: _tail(told, each[:, number], chance)
        for number, told in _lasts(after, groups, _until(lives, paths, start)).items()
    }
    found = []
    for share in shares:
        last = max(1, ceil(share * size))
        at = chance.random(people.shape)
        if last == size:
            at **= 1.0 / np.maximum(people, 1)  # of those who are like one life, the one who ends last
        later = between.later(at)
        ends = after + later * np.where(later < 0, between.before, between.behind)
        for number, tail in tails.items():
            ends[:, number] += tail.beyond(np.maximum(later[:, number], 0.0))
        found.append(Ended(share, _ends_of(ends, people, last)))
    return found


class _Between(Struct, frozen=True):
    """Where between the lives of its path somebody ends who is like one of them.

    The n lives of a path part those who take it into n + 1 shares that are as large: some end before the
    first and as many after the last. Whose life is the i-th are those from (i - 1) / n to i / n of all.
    """

    place: Floats  # of each life on its path: 1 is that which ends first
    count: Floats  # lives on its path
    before: Floats  # ms since the life before it ended
    behind: Floats  # ms until the next one ends; 0 for the last: see `_Tail`

    def later(self, at: Floats) -> Floats:
        """Return for shares of those like each life how much later than it they end, in distances to the next
        one, or below 0 to the one before."""
        return (self.place - 1.0 + at) * (self.count + 1.0) / self.count - self.place


class _Tail(Struct, frozen=True):
    """How people like the last life of a path end later than it, in each world: evenly up to `scale` ms, as
    those who entered one after another do, or ever fewer, as what lasts by chance does; none by more than
    `most` ms."""

    is_even: NDArray[np.bool_]
    scale: Floats
    most: float

    def beyond(self, at: Floats) -> Floats:
        """Return how many ms later it is for somebody who ends later than such a share of them."""
        whole = -np.expm1(-self.most / self.scale)  # of those who last by chance, who end by then
        by_chance = -np.log1p(-np.minimum(at * whole, 1.0 - _LEAST))
        return np.where(self.is_even, np.minimum(self.scale, self.most) * at, self.scale * by_chance)


class _Last(Struct, frozen=True):
    """How far the last lives of a path are apart in ms, the very last ones first; `is_clear`: these may thin
    out, and without a night among them they show how; `most`: no end is later than the last one by more."""

    apart: Floats
    is_clear: bool
    most: float


def _tail(last: _Last, weight: Floats, chance: Generator) -> _Tail:
    """Return what the last lives of a path tell of later ones; so many are like the last one in each world.

    Evenly, all are as far apart on average; by chance, the second last, third last ... a half, a third ... as
    far as the last (Renyi 1953). Either is as likely before; what they are is exponential in both.
    """
    places = np.arange(1.0, len(last.apart) + 1.0)
    sums = np.maximum(1.0, [last.apart.sum(), places @ last.apart])
    told = np.array([0.0, np.log(places).sum()]) - len(places) * np.log(sums)
    is_even = chance.random(len(weight)) < (scipy.special.expit(told[0] - told[1]) if last.is_clear else 1.0)
    scale = np.where(is_even, sums[0] * weight, sums[1])
    return _Tail(is_even, scale / chance.standard_gamma(len(places), len(weight)), last.most)


def _groups(after: Floats, paths: Sequence[Path]) -> dict[Path, Whole]:
    """Return the numbers of the lives of each path, in the order in which they end."""
    found: dict[Path, list[int]] = {}
    for number, path in enumerate(paths):
        found.setdefault(path, []).append(number)
    return {
        path: np.array(numbers)[np.argsort(after[numbers], kind="stable")] for path, numbers in found.items()
    }


def _apart(after: Floats, numbers: Whole) -> tuple[Floats, Whole]:
    """Return how long after each life of a path the next one ends, and after which of them a night lies:
    nobody ends in it, so that is no such gap."""
    apart = np.diff(after[numbers])
    nights = (
        np.flatnonzero(apart > max(NIGHT_MS, NIGHT * np.median(apart))) if len(apart) else np.array([], int)
    )
    apart[nights] = 0.0
    return apart, nights


def _between(after: Floats, groups: Mapping[Path, Whole]) -> _Between:
    """Return where those like each life end."""
    found = _Between(*(np.zeros(len(after)) for _ in range(4)))
    for numbers in groups.values():
        apart, _ = _apart(after, numbers)
        found.place[numbers] = np.arange(1.0, len(numbers) + 1.0)
        found.count[numbers] = len(numbers)
        found.behind[numbers[:-1]] = found.before[numbers[1:]] = apart
        if len(apart):
            found.before[numbers[0]] = min(apart[0], after[numbers[0]])
    return found


def _lasts(after: Floats, groups: Mapping[Path, Whole], until: Mapping[Sent, float]) -> dict[int, _Last]:
    """Return what is known of the last lives of each path; of few on a path they say nothing of later ones.

    Who stays silent ends by the clock, when waits and windows let them: as evenly as people enter. By chance
    ends who reacts or leaves, and before a further message goes to those who do not.
    """
    found = {}
    for path, numbers in groups.items():
        apart, nights = _apart(after, numbers)
        silent = bool(path) and all(did == _SILENT for *_, did in path)
        least = FEW if silent else TAIL
        if len(apart) >= least:
            since = len(apart) - (int(nights[-1]) + 1 if len(nights) else 0)
            told, last = apart[-min(max(since, least), MOST) :][::-1], int(numbers[-1])
            most = np.inf if silent or not path else until[_sent(path)] - after[last]
            found[last] = _Last(told, since >= TAIL and not silent, max(1.0, most))
    return found


def _until(lives: Sequence[Life], paths: Sequence[Path], start: int) -> dict[Sent, float]:
    """Return how many ms after the start the last one goes on, or ends, to whom these messages have gone."""
    on: dict[Sent, list[int]] = {}
    for life, path in zip(lives, paths, strict=True):
        went = [at for at, _, _ in _went(life)[1:]] + [life.run.finished_at or start]
        for count, at in enumerate(went[: len(path)], 1):
            on.setdefault(_sent(path[:count]), []).append(at - start)
    found = {}
    for sent, times in on.items():
        last = np.sort(times)[-TAIL:]
        found[sent] = float(last[-1] + (last[-1] - last[0]) / max(1, len(last) - 1))
    return found


def _sorts(lives: Sequence[Life], each: Floats, size: int, looked: int, chance: Generator) -> Floats:
    """Return by how much lives of each sort count more or less, so that there are as many of the sort as were
    looked at; of an audience that was not looked at whole there may be more, or fewer."""
    sorts = np.array([life.sort.number for life in lives])
    numbers, which, counts = np.unique(sorts, return_inverse=True, return_counts=True)
    sums = np.stack([each[:, which == n].sum(axis=1) for n in range(len(numbers))], axis=1)
    shares = np.broadcast_to(counts / len(lives), sums.shape)
    if size > 2 * looked:
        # Those looked at are known; that all are drawn anew below is some of what is not known of the rest.
        known = counts / len(lives) * size * looked / (size - 2 * looked)
        shares = chance.standard_gamma(np.maximum(known, 1e-9), sums.shape)
        shares = shares / shares.sum(axis=1, keepdims=True)
    return np.asarray((shares / sums)[:, which])


def _taken(weights: Floats, paths: Sequence[Path], drawn: Rates) -> Floats:
    """Return how much each life counts in each world, worlds x lives: so that at each message as many react
    and leave as do at its rates, whatever those who were played have done."""
    met: dict[tuple[int, int, int], dict[int, list[int]]] = {}
    for number, path in enumerate(paths):
        for step, channel, before, did in path:
            met.setdefault((step, channel, before), {}).setdefault(did, []).append(number)
    for (step, channel, before), those in sorted(met.items(), key=lambda item: item[0][2]):
        rate = drawn(step, Ask(_CHANNELS[channel]), before)
        wanted = {
            _SILENT: 1.0 - rate.reacts - rate.leaves, _REACTED: rate.reacts, _LEFT: rate.leaves,
        }  # fmt: skip
        sums = {did: weights[:, numbers].sum(axis=1) for did, numbers in those.items()}
        whole = sum(sums.values(), np.zeros(len(weights)))
        for did, numbers in those.items():
            share = np.maximum(wanted[did], _LEAST) * whole / np.maximum(sums[did], _LEAST)
            weights[:, numbers] *= share[:, None]
    return weights


def _went(life: Life) -> list[tuple[int, int, int]]:
    """Return when each message that reached a person went, its step and channel, in that order."""
    return sorted(
        (passage.submitted_at, number, passage.channel)
        for number, passage in life.passages.items()
        if passage.submitted_at is not None and not failed(passage.mask)
    )


def _sent(path: Path) -> Sent:
    return tuple((step, channel) for step, channel, _, _ in path)


def _path(life: Life) -> Path:
    """Return what a person did about each message that reached them, in the order these went."""
    went, found = _went(life), []
    for before, (_, number, channel) in enumerate(went):
        did = _REACTED if life.reacted and number in life.reacted else _SILENT
        if did == _SILENT and before == len(went) - 1 and life.marks and not life.reacted:
            did = _LEFT
        found.append((number, channel, before, did))
    return tuple(found)


def _people(weights: Floats, size: int, chance: Generator) -> Whole:
    """Return how many of the audience are like each life, in each world: by chance, as many in each block."""
    lives = weights.shape[1]
    blocks = max(1, min(BLOCKS, lives // FEWEST, size))
    ends, sizes = (np.round(np.linspace(0, all_of, blocks + 1)).astype(np.int64) for all_of in (lives, size))
    found = np.zeros(weights.shape, dtype=np.int64)
    for number in range(blocks):
        these = slice(ends[number], ends[number + 1])
        likely = weights[:, these]
        likely = likely / likely.sum(axis=1, keepdims=True)
        found[:, these] = chance.multinomial(sizes[number + 1] - sizes[number], likely)
    return found


def _ends_of(ends: Floats, people: Whole, last: int) -> Floats:
    """Return when so many have ended, in each world."""
    order = np.argsort(ends, axis=1)
    reached = np.cumsum(np.take_along_axis(people, order, axis=1), axis=1)
    place = (reached < last).sum(axis=1)
    return np.take_along_axis(ends, np.take_along_axis(order, place[:, None], axis=1), axis=1)[:, 0]
