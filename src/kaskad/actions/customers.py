"""Who stays a customer, and what one is worth: by the events that are purchases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid
from kaskad.domain.rfm import Rfm
from kaskad.domain.worded import worded
from kaskad.store import segments, settings

if TYPE_CHECKING:
    from kaskad.analytics.customers import Customers

UNITS = ("month", "week")


class Asked(Struct, frozen=True):
    """What is asked; nothing: the purchases of the RFM scores by month, with no margin known."""

    events: tuple[str, ...] = ()
    property: str = ""
    returns: tuple[str, ...] = ()
    unit: str = "month"
    keep: int = 1
    margin: float | None = None
    discount: float = 0.0


def customers(office: Office, asked: Asked = Asked()) -> Customers:  # noqa: B008 - frozen
    """Return retention, cohorts and worth of customers; raises Invalid for what cannot be asked."""
    from kaskad.analytics import customers as analysis

    _check(asked)
    now = office.now()
    with office.read() as tx:
        known = settings.get(tx, segments.RFM, Rfm)
        usual = (known or Rfm(0, 0)).rule
        rule = analysis.Rule(
            asked.events or usual.events, asked.property or usual.property, asked.returns,
            "week" if asked.unit == "week" else "month", asked.keep, asked.margin, asked.discount,
        )  # fmt: skip
        told = analysis.bought(tx, rule, now)
        return analysis.customers(told, rule, now, settings.currency(tx))


def _check(asked: Asked) -> None:
    problems = []
    if asked.unit not in UNITS:
        problems.append(worded("Periods are month or week, not %(unit)s.", unit=asked.unit))
    if not 1 <= asked.keep <= 24:
        problems.append(worded("A customer is one for 1 to 24 periods after a purchase."))
    if asked.margin is not None and not 0 < asked.margin <= 1:
        problems.append(worded("A margin is a share above 0 and up to 1, such as 0.3."))
    if not 0 <= asked.discount < 1:
        problems.append(worded("A discount by period is a share from 0 and below 1, such as 0.01."))
    if problems:
        raise Invalid(problems)
