"""When runs are over, and how sure that is: people played once, weighed as each world would have had them.

A life that is played at the expected rates is as likely as its reactions are at those rates. In a world with
other rates it is more or less likely, and counts as much more or less there (importance sampling). So one
play tells of some hundred worlds. How long messages wait for a service is that of the play.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from msgspec import Struct
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from kaskad.domain.run import failed
from kaskad.domain.terms import Channel
from kaskad.planning.lives import Life
from kaskad.planning.walk import Ask, Rates

Floats = NDArray[np.float64]

WORLDS = 200
TAIL = 20  # of the last lives: as far apart as these are, somebody may end later than all who were played
_CHANNELS = {channel.code: channel for channel in Channel}
_LEAST = 1e-12

Met = tuple[int, int, int, int]  # step, channel code, messages before, what the person did
_SILENT, _REACTED, _LEFT = range(3)


class Ended(Struct, frozen=True):
    """After how many ms so many of the runs are over, in each world."""

    share: float
    worlds: Floats


def ended(
    lives: Sequence[Life], start: int, size: int, looked: int, mean: Rates, drawn: Rates,
    shares: Sequence[float], *, worlds: int = WORLDS, seed: int = 1,
) -> list[Ended]:  # fmt: skip
    """Return when runs are over in worlds with these rates, of an audience of that size of whom `looked` were
    looked at, from lives that were played at the rates of `mean`. All of them must be over."""
    chance = default_rng(seed)
    after = np.array([(life.run.finished_at or start) - start for life in lives], dtype=np.float64)
    order = np.argsort(after, kind="stable")
    weights = _likelier([lives[n] for n in order], mean, drawn, worlds)
    weights *= chance.standard_exponential(weights.shape)  # who was played is a sample too (Rubin 1981)
    if looked < size:
        weights *= _sampled([lives[n] for n in order], looked, worlds, chance)
    found = []
    for share in shares:
        last = max(1, ceil(share * size))
        # Of so many people the one who ends as the last of this share (an order statistic).
        at = chance.beta(last, size + 1 - last, worlds)
        found.append(Ended(share, _quantiles(after[order], weights, at)))
    return found


def _likelier(lives: Sequence[Life], mean: Rates, drawn: Rates, worlds: int) -> Floats:
    """Return how much likelier each life is in each world than where it was played: worlds x lives."""
    paths: dict[tuple[Met, ...], int] = {}
    which = [paths.setdefault(_path(life), len(paths)) for life in lives]
    told: dict[Met, Floats] = {}
    each = np.zeros((worlds, len(paths)))
    for path, number in paths.items():
        for met in path:
            if met not in told:
                told[met] = np.log(_chance(met, drawn, worlds)) - np.log(_chance(met, mean, worlds))
            each[:, number] += told[met]
    return np.exp(each)[:, which]


def _path(life: Life) -> tuple[Met, ...]:
    """Return what a person did about each message that reached them, in the order these went."""
    sent = sorted(
        (passage.submitted_at, number, passage.channel)
        for number, passage in life.passages.items()
        if passage.submitted_at is not None and not failed(passage.mask)
    )
    found = []
    for before, (_, number, channel) in enumerate(sent):
        did = _REACTED if life.reacted and number in life.reacted else _SILENT
        if did == _SILENT and before == len(sent) - 1 and life.marks and not life.reacted:
            did = _LEFT
        found.append((number, channel, before, did))
    return tuple(found)


def _chance(met: Met, rates: Rates, worlds: int) -> Floats:
    step, channel, before, did = met
    rate = rates(step, Ask(_CHANNELS[channel]), before)
    reacts, leaves = (np.broadcast_to(each, worlds) for each in (rate.reacts, rate.leaves))
    told = {_SILENT: 1.0 - reacts - leaves, _REACTED: reacts, _LEFT: leaves}[did]
    return np.maximum(told, _LEAST)


def _sampled(lives: Sequence[Life], looked: int, worlds: int, chance: Generator) -> Floats:
    """Return by how much each sort of people may be more, or fewer, than those looked at suggest."""
    sorts = np.array([life.sort.number for life in lives])
    numbers, which, counts = np.unique(sorts, return_inverse=True, return_counts=True)
    known = np.maximum(counts / len(lives) * looked, _LEAST)
    return np.asarray((chance.standard_gamma(known, (worlds, len(numbers))) / known)[:, which])


def _quantiles(after: Floats, weights: Floats, at: Floats) -> Floats:
    """Return at which times so large parts of each world's weight have ended; between two lives any time is
    as likely, and after the last one as long as the last ones are apart."""
    tail = (after[-1] - after[-min(TAIL, len(after))]) / max(1, min(TAIL, len(after)) - 1)
    times = (
        np.concatenate((after[:1], after)) if len(after) == 1 else np.concatenate((after, [after[-1] + tail]))
    )
    reached = np.cumsum(weights, axis=1)
    reached = np.concatenate((np.zeros((len(weights), 1)), reached / reached[:, -1:]), axis=1)
    return np.array([np.interp(one, told, times) for one, told in zip(at, reached, strict=True)])
