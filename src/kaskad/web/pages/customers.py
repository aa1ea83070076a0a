"""Who stays a customer, and what one is worth: over time, by cohort, by segment and by scores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Query, Request, Response

from kaskad.actions import customers, segments
from kaskad.actions.customers import MOST_SEGMENTS, Asked, Told
from kaskad.domain.errors import Invalid
from kaskad.domain.measures import OF_CUSTOMERS
from kaskad.domain.money import DIGITS
from kaskad.domain.rfm import BANDS
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import Reader
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.filters import Filters, number_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.segments import ABOUT
from kaskad.web.pages.session import PageRoute, look_of
from kaskad.web.pages.shell import render

if TYPE_CHECKING:
    from kaskad.analytics.customers import Customers

router = APIRouter(include_in_schema=False, route_class=PageRoute)
BY_ITSELF = ("champions", "loyal", "new-customers", "at-risk")  # unless others are chosen
OFFERED = 50  # segments to choose from
SCORES = range(1, BANDS + 1)
BEHIND = 13  # columns of the cohorts' table


@router.get("/customers")
def show(
    office: InOffice, request: Request, seen: Reader, unit: str = "", keep: str = "", since: str = "",
    until: str = "", margin: str = "", discount: str = "", event: str = "", amount: str = "",
    returned: str = "", segment: list[str] = Query(default=[]),  # noqa: B008 - FastAPI's way
) -> Response:  # fmt: skip
    """Show retention, cohorts, worth and scores of customers."""
    look = look_of(request, seen)
    days = Filters(since=since, until=until)
    between, problems = days.among(look), days.problems(look)
    known = segments.names(office, limit=OFFERED)
    chosen = [name for name in known if name in (segment or BY_ITSELF)][:MOST_SEGMENTS]
    asked = Asked(
        _names(event), amount.strip(), _names(returned), "week" if unit == "week" else "month",
        number_of(keep) or 1, _share("margin", margin, look, problems),
        _share("discount", discount, look, problems) or 0.0, between.since, between.until, tuple(chosen),
    )  # fmt: skip
    told = None
    try:
        told = figures_of(request).customers.soon(
            json.dumps([str(each) for each in _fields(asked)]), lambda: customers.customers(office, asked)
        )
    except Invalid as error:
        if (said := look.refusal(error)) not in problems.values():
            problems[""] = said
    return render(
        request, look, "customers.html", seen=seen, told=told, problems=problems, known=known, chosen=chosen,
        of=OF_CUSTOMERS, behind=BEHIND, ready=ABOUT, segment=segment,
        charts=_charts(look, told, asked.unit) if told else {},
        amount=lambda number: _amount(look, told, number), unit=asked.unit,
        day=lambda at: _period(look, at, asked.unit),
    )  # fmt: skip


def _fields(asked: Asked) -> list[object]:
    return [getattr(asked, name) for name in asked.__struct_fields__]


def _names(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())[:20]


def _share(name: str, text: str, look: Look, problems: dict[str, str]) -> float | None:
    """Return what was typed as a percentage as a share; a problem beside its field where it is none."""
    if not text.strip():
        return None
    try:
        share = float(text.replace(",", ".").replace("%", "")) / 100
    except ValueError:
        share = -1.0
    if 0 < share <= 1 if name == "margin" else 0 <= share < 1:
        return share
    problems[name] = look._("Write a percentage, such as 30.")
    return None


def _amount(look: Look, told: Told | None, number: float | None) -> str:
    """Return an amount of the brand's currency; of none, the bare number."""
    if number is None:
        return "—"
    currency = told.all.currency if told else ""
    if currency not in DIGITS:
        return look.n(round(number))
    return look.money({currency: round(number * 10 ** DIGITS[currency])}) or look.n(0)


def _period(look: Look, at: int, unit: str) -> str:
    """Return how a period is called: a month by its name, a week by its first day; periods are of UTC."""
    return look.month(at) if unit == "month" else look.week(at)


def _charts(look: Look, told: Told, unit: str) -> dict[str, Any]:
    of = told.all
    people = {(one.r, one.f): one.customers for one in told.grid}
    return {
        "cohorts": _cohorts(look, of, unit),
        "curve": {
            "rows": [[one.after, one.share, one.low, one.high, one.active, one.of] for one in of.curve],
            "words": {"bought": look._("bought again"), "of": look._("of"),
                      "after": look._("weeks after the first purchase") if unit == "week"
                      else look._("months after the first purchase")},
        },
        "periods": {
            "names": [_period(look, one.begins_at, unit) for one in of.periods],
            "rows": [one.retention for one in of.periods],
            "kept": [one.kept for one in of.periods], "at_start": [one.at_start for one in of.periods],
            "words": {"of": look._("of"), "stayed": look._("stayed")},
        },
        "grid": {
            "cells": [[f - 1, BANDS - r, people.get((r, f), 0), r, f] for r in SCORES for f in SCORES],
            "words": {"f": look._("how often"), "r": look._("how lately"),
                      "people": look._("customers")},
        },
    }  # fmt: skip


def _cohorts(look: Look, of: Customers, unit: str) -> dict[str, Any]:
    """Return the cells of the heat map: how many periods after, which cohort, the share, how many."""
    return {
        "rows": [_period(look, one.begins_at, unit) for one in of.cohorts],
        "columns": max((len(one.active) for one in of.cohorts), default=1) - 1,
        "cells": [
            [after - 1, place, one.shares[after], one.active[after], one.size]
            for place, one in enumerate(of.cohorts)
            for after in range(1, len(one.active))
        ],
        "words": {"of": look._("of"), "bought": look._("bought again")},
    }
