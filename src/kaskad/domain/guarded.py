"""Which messages guardrails count as bad, and when so many are worth a question."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, fsum, lgamma, log, log1p

from msgspec import Struct

from kaskad.domain.course import Leg
from kaskad.domain.figures import FAILED, LEFT, REFUSED, UNFAILED
from kaskad.domain.guard import LEAST, WHOLE, Figure
from kaskad.domain.terms import Channel, Kind, MessageState, Reason
from kaskad.domain.worded import worded

_ENDED = (*LEFT, MessageState.REJECTED.code)
DEAD = frozenset({Reason.INVALID_ADDRESS.code, Reason.DOUBTFUL_ADDRESS.code})
_THEIRS = DEAD | {  # by what no sender can help: who is not there, does not pick up, or wants nothing
    reason.code
    for reason in (Reason.OPTED_OUT, Reason.WINDOW, Reason.BUSY, Reason.NO_ANSWER, Reason.UNREACHABLE,
                   Reason.CARRIER_REFUSED)
}  # fmt: skip


class Count(Struct, gc=False):
    """So many bad messages, of so many."""

    bad: int = 0
    of: int = 0

    @property
    def rate(self) -> float | None:
        """Return the share of bad ones; None: of nothing."""
        return self.bad / self.of if self.of else None

    def less(self, before: Count | None) -> Count:
        """Return what has come since."""
        if before is None:
            return self
        return Count(max(self.bad - before.bad, 0), max(self.of - before.of, 0))


def counted(leg: Leg) -> dict[Figure, bool]:
    """Return the figures that a message counts for, and whether it is a bad one there.

    Opt-outs and complaints are those of figures. Of what they are is not: a service that has fallen silent
    must not make few bad ones look like many, so what may have arrived counts as well (domain/figures.py).
    """
    found: dict[Figure, bool] = {}
    if leg.state in UNFAILED or (leg.state in LEFT and leg.mask & REFUSED):
        found = {Figure.COMPLAINTS: bool(leg.in_time & Kind.COMPLAINED.bit), Figure.OPT_OUTS: leg.left}
    if leg.state not in _ENDED:
        return found
    ended_badly = leg.state in FAILED
    if leg.channel == Channel.EMAIL.code:
        bounced = leg.state == MessageState.BOUNCED.code or leg.reason in DEAD
        found[Figure.BOUNCES] = ended_badly and bounced
    found[Figure.FAILURES] = ended_badly and leg.reason not in _THEIRS
    return found


def add(into: dict[Figure, Count], leg: Leg, messages: int) -> None:
    """Count so many messages of one kind."""
    for figure, bad in counted(leg).items():
        count = into.setdefault(figure, Count())
        count.of += messages
        count.bad += messages * bad


def enough(figure: Figure, count: Count, bound: int) -> bool:
    """Say whether so much bad has come that it is worth asking whether it is chance."""
    return count.bad >= LEAST[figure] and count.bad * WHOLE > bound * count.of


def chance(count: Count, bound: int) -> float:
    """Return how likely so many bad ones or more are at the bound itself: the binomial tail, at one look."""
    rate = bound / WHOLE
    if count.bad <= 0 or rate <= 0:
        return 1.0
    whole = lgamma(count.of + 1)
    return min(1.0, fsum(
        exp(whole - lgamma(bad + 1) - lgamma(count.of - bad + 1) + bad * log(rate)
            + (count.of - bad) * log1p(-rate))
        for bad in range(count.bad, count.of + 1)
    ))  # fmt: skip


def percent(of_whole: float) -> str:
    """Return a share of 10 000 as people read it: 2.5 %."""
    return f"{of_whole / 100:.2f}".rstrip("0").rstrip(".") + " %"


def told(figure: Figure, count: Count, bound: int, step: str = "") -> str:
    """Return in words what is beyond which bound."""
    share = percent((count.rate or 0.0) * WHOLE)
    if step:
        return worded(
            "%(figure)s of step '%(step)s': %(bad)s of %(of)s messages, %(share)s; the bound is %(bound)s",
            figure=_words(figure), step=step, bad=count.bad, of=count.of, share=share, bound=percent(bound),
        )  # fmt: skip
    return worded(
        "%(figure)s: %(bad)s of %(of)s messages, %(share)s; the bound is %(bound)s",
        figure=_words(figure), bad=count.bad, of=count.of, share=share, bound=percent(bound),
    )  # fmt: skip


def _words(figure: Figure) -> str:
    return _NAMES[figure]


_NAMES: Mapping[Figure, str] = {
    Figure.COMPLAINTS: worded("complaints"),
    Figure.OPT_OUTS: worded("opt-outs"),
    Figure.BOUNCES: worded("bounces"),
    Figure.FAILURES: worded("failures"),
}
