"""Made worlds of which the truth is known: who has which address, and would react to what."""

from collections import Counter

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binom

from kaskad.domain.course import Shape
from kaskad.domain.terms import Channel, Outcome
from kaskad.planning.ageing import aged
from kaskad.planning.forecast import Kind
from kaskad.planning.history import Cell, Happened, happened
from kaskad.planning.outlook import Plan
from kaskad.planning.rates import Seen
from kaskad.planning.walk import Ask, Stage

CHANNELS = (Channel.EMAIL, Channel.TELEGRAM, Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
PRICES = np.array([5.0, 1750.0, 1500.0, 3750.0, 37500.0])
FIGURES = np.array([0.20, 0.50, 0.375, 0.40, 0.70])
HAVE = np.array([0.90, 0.55, 0.80, 0.70, 0.70])
ASKS = tuple(Ask(channel, float(price), "KZT") for channel, price in zip(CHANNELS, PRICES, strict=True))
BITS = 1 << np.arange(5)
STAGES = [Stage(n + 1 if n < 4 else None) for n in range(5)]
PLAN = Plan(STAGES, CHANNELS, [None] * 5)


def is_eight_of_ten(count, trials):
    """Say whether a range that held so often holds in eight of ten cases, give or take five of a hundred.

    A share of trials that are worth 80 is off by chance too: by more than is allowed here once in ten
    thousand times, so that the hundred figures asked about do not fail together more than once in a hundred.
    From 1 000 trials on that is less than the five, and the share itself must lie between 75 and 85.
    """
    low, high = binom.ppf((0.00005, 0.99995), trials, 0.8) / trials
    return min(low, 0.75) <= count / trials <= max(high, 0.85)


class World:
    """So many people, each of whom has some addresses and would react to some messages.

    With `shared` people differ in how readily they react to anything (a logit-normal propensity of that
    spread), while as many react to each channel as without.
    """

    def __init__(self, chance, people, rates, shared=0.0):
        nodes, weights = hermegauss(60)
        weights = weights / weights.sum()
        base = [
            brentq(lambda at, p=p: weights @ expit(at + shared * nodes) - p, -30, 30) for p in rates
        ]  # fmt: skip
        readiness = chance.normal(size=people) * shared
        self.has = chance.random((people, 5)) < HAVE
        reacts = chance.random((people, 5)) < expit(np.array(base) + readiness[:, None])
        self.sent, self.by = np.zeros((people, 5), bool), np.full(people, -1)
        silent = np.ones(people, bool)
        for step in range(5):
            self.sent[:, step] = silent & self.has[:, step]
            reacted = self.sent[:, step] & reacts[:, step]
            self.by[reacted] = step
            silent &= ~reacted
        self.bought = chance.random(people) < np.where(self.by >= 0, 0.3, 0.02)

    def shapes(self, count):
        """Return the runs of the first so many people, as figures count them."""
        alike, counts = np.unique(self.sent[:count] @ BITS + 32 * self.by[:count], return_counts=True)
        found = {}
        for bits, people in zip(alike.tolist(), counts.tolist(), strict=True):
            by, steps = bits >> 5, tuple(step for step in range(5) if bits >> step & 1)
            outcome, step = (Outcome.RESPONDED.code, by) if by >= 0 else (Outcome.EXHAUSTED.code, None)
            found[Shape(0, outcome, step, 0, 0, steps, 8 if by >= 0 else 0)] = people
        return found

    def known(self, count):
        """Return what the first so many people tell a week after they have entered."""
        return Happened(aged({0: happened(STAGES, self.shapes(count), {}).cells}, 1).cells)

    def known_goal(self, count):
        """Return the same of how many of them bought."""
        bought = int(self.bought[:count].sum())
        told = aged({0: {"": Cell(reacted=bought, silent=count - bought)}}, 1).cells[""]
        return Seen(told.of, told.reacted)

    def kinds(self, rows):
        """Return these people as a forecast looks at them."""
        found = Counter(map(tuple, self.has[rows]))
        return [
            Kind(count, tuple(ask if there else None for ask, there in zip(ASKS, has, strict=True)))
            for has, count in found.items()
        ]

    def truth(self, since):
        """Return what happened to those after the first so many."""
        by, sent = self.by[since:], self.sent[since:]
        found = {
            "reached": (by >= 0).sum(), "silent": (by < 0).sum(), "messages": sent.sum(),
            "cost": (sent * PRICES).sum(), "converted": self.bought[since:].sum(),
        }  # fmt: skip
        for step in range(5):
            found |= {("sent", step): sent[:, step].sum(), ("reacted", step): (by == step).sum()}
            found |= {("arrived", step): ((by < 0) | (by >= step)).sum()} if step else {}
        return found
