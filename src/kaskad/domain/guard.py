"""Guardrails: how often something bad may befall messages, before nothing more of their kind is sent.

Bounds are shares of 10 000, as hold-outs are; 0: not watched. What a cascade says of itself goes before
the policy of the installation. Figures are counted of runs by their entry, so that what is bad and what it is
bad of are of the same people, however late either is told.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, structs

from kaskad.domain.worded import worded

WHOLE = 10_000
ALPHA = 0.001  # so many of the figures within their bound are called beyond it, however often one looks
CANARY_ALPHA = 0.05  # at the one look that lets a canary go on


class Figure(StrEnum):
    """What is watched."""

    COMPLAINTS = "complaints"
    OPT_OUTS = "opt_outs"
    BOUNCES = "bounces"
    FAILURES = "failures"


class Then(StrEnum):
    """What happens once a figure is beyond its bound; it is told in both cases."""

    PAUSE_STEP = "pause_step"  # the step that it befalls: people wait at it, the others go on
    SKIP_STEP = "skip_step"  # the same, and people pass it over
    PAUSE = "pause"  # the whole cascade
    TELL = "tell"


MEANINGS = {
    Figure.COMPLAINTS: "marked as spam within seven days, of what is not known to have failed",
    Figure.OPT_OUTS: "the last before an opt-out within seven days, of what is not known to have failed",
    Figure.BOUNCES: "mails refused or sent back because of their address, of mails that left or were refused",
    Figure.FAILURES: "refused or undelivered by no fault of the person's, of what left or was refused",
}
LEAST = {  # so many bad ones at least: fewer are somebody's bad day
    Figure.COMPLAINTS: 3, Figure.OPT_OUTS: 5, Figure.BOUNCES: 5, Figure.FAILURES: 5,
}  # fmt: skip
OF_ACCOUNTS = (Figure.COMPLAINTS, Figure.BOUNCES, Figure.FAILURES)  # people leave a cascade, not an account


class Guard(Struct, frozen=True, forbid_unknown_fields=True):
    """The bounds of an installation, of 10 000 messages; `then`: what is done besides telling."""

    complaints: int = 10
    opt_outs: int = 100
    bounces: int = 500
    failures: int = 2_000
    accounts: bool = True  # those are held that are beyond a bound
    then: Then = Then.PAUSE_STEP

    def __post_init__(self) -> None:
        for figure in Figure:
            if not 0 <= self.bound(figure) < WHOLE:
                raise ValueError(
                    worded(
                        "guard.%(name)s is a share of 10000: 1 to 9999, or 0 for not watched",
                        name=figure.value,
                    )
                )

    def bound(self, figure: Figure) -> int:
        """Return the bound of a figure."""
        return int(getattr(self, figure.value))

    def bounds(self) -> dict[Figure, int]:
        """Return the bounds of what is watched."""
        return {figure: self.bound(figure) for figure in Figure if self.bound(figure)}

    def over(self, own: OwnGuard | None) -> Guard:
        """Return this with what a cascade says of itself in its place."""
        told = {} if own is None else structs.asdict(own)
        return structs.replace(self, **{name: value for name, value in told.items() if value is not None})


class OwnGuard(Struct, frozen=True):
    """What a cascade says of its own guardrails; None: nothing."""

    complaints: int | None = None
    opt_outs: int | None = None
    bounces: int | None = None
    failures: int | None = None
    then: Then | None = None
