"""How much less the runs of people say who enter several times than as many runs of different people.

What one person does is alike from run to run, so a thousand runs of two hundred people tell as little as
some hundreds of runs of as many people. By how much is the design effect: J. N. K. Rao, A. J. Scott, A simple
method for the analysis of clustered binary data, Biometrics 48 (1992), 577-585. The variance of the share is
that of a ratio over people; an interval is made as if there were so many times fewer runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

Person = tuple[int, int]  # hits, of so many runs


def design_effect(people: Mapping[Person, int]) -> float:
    """Return how many times fewer independent runs would tell as much; 1: as many, as where nobody returns.

    It is never under 1. Where all runs have the same end nothing tells it: then each person counts for no
    more than one run, weighed by how often they entered.
    """
    count = sum(people.values())
    hits, runs, squares = (
        sum(term * many for term, many in zip(terms, people.values(), strict=True))
        for terms in ([y for y, _ in people], [n for _, n in people], [n * n for _, n in people])
    )
    if count < 2 or squares == runs:
        return 1.0
    if not 0 < hits < runs:
        return squares / runs
    share = hits / runs
    spread = sum(many * (y - n * share) ** 2 for (y, n), many in people.items())
    return max(1.0, spread * count / (count - 1) / (runs * share * (1 - share)))


def gathered(runs: Iterable[tuple[int, int, int]]) -> Counter[Person]:
    """Return how many people have so many hits of so many runs; `runs` are (contact, hits, runs)."""
    found: dict[int, Person] = {}
    for contact, hits, of in runs:
        before = found.get(contact, (0, 0))
        found[contact] = before[0] + hits, before[1] + of
    return Counter(found.values())
