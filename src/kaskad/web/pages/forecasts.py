"""What was forecast of a cascade's launches beside what happened, and how far forecasts can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from kaskad.actions import cascades
from kaskad.actions.hindsight import Compared, Hindsight, among, calibrated
from kaskad.analytics.calibration import ENOUGH, TO_HOLD, Calibration
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of
from kaskad.web.pages.shell import render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Figure = Annotated[str, Query(pattern=r"^[a-z]{0,20}$")]
USUAL = "reached"
VERDICTS = {
    "few": N_("Too few launches and weeks are over: it may be chance. From %(enough)s on more can be said."),
    "good": N_("That is what was promised: forecasts may be relied on as far as their ranges go."),
    "narrow": N_("What happens is less certain than the forecasts say: leave more room when you plan."),
    "wide": N_("What happens is more certain than the forecasts say: you may plan closer."),
}  # fmt: skip


@router.get("/cascades/{slug}/forecasts")
def forecasts(
    office: InOffice, request: Request, seen: Reader, slug: Slug, figure: Figure = USUAL
) -> Response:
    """Show a cascade's launches and weeks, what was expected of each, and what has become of it."""
    look, figures = look_of(request, seen), figures_of(request)
    overview = cascades.find(office, slug).overview
    everywhere = figures.hindsight_everywhere(office)
    every, whole = among(everywhere, slug), calibrated(everywhere)
    if every is None:
        every = figures.hindsight(office, slug)()
    told = [each for each in every if each.figures]
    entered = {each.version for each in told}
    known = list(dict.fromkeys(one.figure for each in told for one in each.figures))
    figure = figure if figure in known else USUAL
    return render(
        request, look, "forecasts.html", seen=seen, cascade=overview, launches=told, figure=figure,
        choices=[(name, look.word("foretold", name)) for name in known], drawn=_drawn(look, told, figure),
        whole=whole, verdict=look._(VERDICTS[whole.verdict], enough=ENOUGH), sides=_sides(whole),
        less=_named(look, whole.below), more=_named(look, whole.above), to_hold=TO_HOLD,
        unknown=list(dict.fromkeys(one.version for one in every if one.version not in entered)),
    )  # fmt: skip


def _drawn(look: Look, told: Sequence[Hindsight], figure: str) -> dict[str, Any]:
    """Return what js/forecasts.js draws: a row a launch, the latest first; of costs one currency."""
    picked = [(each, one) for each in told if (one := _figure(each, figure)) is not None]
    currency = picked[0][1].currency if picked else ""
    rows = [
        {
            "name": f"{look.audience(each.audience)}\n{look.time(each.started_at)}",
            "low": round(one.between.low), "high": round(one.between.high), "expected": one.expected,
            "happened": one.happened,
            "tone": ("good" if one.held else "warn") if each.over else "moving",
            "words": _words(look, one, over=each.over),
        }
        for each, one in picked
        if one.currency == currency
    ]  # fmt: skip
    words = {
        "good": look._("happened, in the range"), "warn": look._("happened, out of the range"),
        "moving": look._("so far"),
    }  # fmt: skip
    return {"rows": rows, "currency": currency, "words": words}


def _named(look: Look, figures: Sequence[str]) -> str:
    return ", ".join(look._("“%(name)s”", name=look.word("foretold", each)) for each in figures)


def _figure(told: Hindsight, name: str) -> Compared | None:
    return next((one for one in told.figures if one.figure == name), None)


def _words(look: Look, one: Compared, *, over: bool) -> str:
    def shown(value: float) -> str:
        return look.money({one.currency: round(value)}) if one.currency else look.n(round(value))

    values = {
        "expected": shown(one.expected), "low": shown(one.between.low), "high": shown(one.between.high),
        "happened": shown(one.happened),
    }  # fmt: skip
    if over:
        return look._("Expected %(expected)s (%(low)s to %(high)s), happened %(happened)s", **values)
    return look._("Expected %(expected)s (%(low)s to %(high)s), so far %(happened)s", **values)


def _sides(whole: Calibration) -> dict[str, float]:
    """Return which percentage of all figures lies below, in and above its range."""
    of = whole.whole.of or 1
    return {name: 100 * getattr(whole.whole, name) / of for name in ("below", "inside", "above")}
