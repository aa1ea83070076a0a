"""Who stays a customer, and what one is worth: by the events that are purchases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from kaskad.actions import scores, segments
from kaskad.actions.office import Office
from kaskad.analytics.scope import ENDS_FIRST
from kaskad.domain.errors import Invalid
from kaskad.domain.rfm import Rfm
from kaskad.domain.worded import worded
from kaskad.store import settings

if TYPE_CHECKING:
    from kaskad.analytics.customers import Customers
    from kaskad.analytics.rfm import Cell

UNITS = ("month", "week")
MOST_SEGMENTS = 10


class Asked(Struct, frozen=True):
    """What is asked; nothing: the purchases of the RFM scores by month, with no margin known.

    `since` and `until` choose the periods that begin in between, `segments` who is told of apart.
    """

    events: tuple[str, ...] = ()
    property: str = ""
    returns: tuple[str, ...] = ()
    unit: str = "month"
    keep: int = 1
    margin: float | None = None
    discount: float = 0.0
    since: int | None = None
    until: int | None = None
    segments: tuple[str, ...] = ()


class Told(Struct, frozen=True):
    """All customers, those of the segments that were asked for by name, and the scores of all."""

    all: Customers
    segments: list[tuple[str, Customers]]
    scores: Rfm
    grid: list[Cell]


def customers(office: Office, asked: Asked = Asked()) -> Told:  # noqa: B008 - frozen
    """Return retention, cohorts and worth of customers; raises Invalid for what cannot be asked, NotFound."""
    from kaskad.analytics import customers as analysis
    from kaskad.analytics import rfm
    from kaskad.store.segment_base import everybody_of

    _check(asked)
    for name in asked.segments:
        segments.make_ready(office, name, None)
    now, known = office.now(), scores.show(office)
    if not known.customers:  # they were counted before anybody had bought
        known = scores.count(office, known.rule)
    with office.read() as tx:
        rule = analysis.Rule(
            asked.events or known.rule.events, asked.property or known.rule.property, asked.returns,
            "week" if asked.unit == "week" else "month", asked.keep, asked.margin, asked.discount,
        )  # fmt: skip
        buying, grid, currency = analysis.Buying(rule, now), rfm.Grid(known), settings.currency(tx)
        questions = [segments.question(tx, office, name) for name in asked.segments]
        members = everybody_of(tx, questions, (buying.add, grid.add))
        bought = buying.whole()

        def told(own: analysis.Bought) -> Customers:
            return analysis.customers(own, rule, now, currency, asked.since, asked.until)

        parts = [
            (name, told(analysis.among(bought, own)))
            for name, own in zip(asked.segments, members, strict=True)
        ]
        return Told(told(bought), parts, known, grid.cells())


def _check(asked: Asked) -> None:
    problems: dict[str, str] = {}  # with where it stands in what was asked
    if asked.unit not in UNITS:
        problems[worded("Periods are month or week, not %(unit)s.", unit=asked.unit)] = "/unit"
    if not 1 <= asked.keep <= 24:
        problems[worded("A customer is one for 1 to 24 periods after a purchase.")] = "/keep"
    if asked.margin is not None and not 0 < asked.margin <= 1:
        problems[worded("A margin is a share above 0 and up to 1, such as 0.3.")] = "/margin"
    if not 0 <= asked.discount < 1:
        problems[worded("A discount by period is a share from 0 and below 1, such as 0.01.")] = "/discount"
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        problems[ENDS_FIRST] = "/until"
    if len(asked.segments) > MOST_SEGMENTS:
        problems[worded("At most %(most)s segments are held side by side.", most=MOST_SEGMENTS)] = "/segment"
    if problems:
        raise Invalid(list(problems), list(problems.values()))
