"""Does it work? What a cascade brings, against who was held out; its steps and variants likewise."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from kaskad.actions import attribution, cascades, lots, uplift
from kaskad.analytics.effects import Effect, VariantEffects, differs
from kaskad.analytics.uplift import Uplift
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import Reader, Slug
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.filters import Filters, named, number_of, offered
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of
from kaskad.web.pages.shell import render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
RULES = {
    "first": N_("First"), "last": N_("Last"), "linear": N_("Equal parts"), "position": N_("40 / 20 / 40"),
    "decay": N_("Later ones more"),
}  # fmt: skip
Row = dict[str, Any]  # of a forest, as js/charts.js takes it


@router.get("/cascades/{slug}/uplift")
def does_it_work(
    office: InOffice, request: Request, seen: Reader, slug: Slug, segment: str = "", version: str = "",
    since: str = "", until: str = "", all: str = "",
) -> Response:  # fmt: skip
    """Show what a cascade brings, and how sure that is."""
    look = look_of(request, seen)
    whole = cascades.find(office, slug)
    told, shared = None, []
    asked = Filters(segment, number_of(version), since, until)
    problems = asked.problems(look)
    if whole.overview.version is not None:
        among = asked.among(look)
        goals = figures_of(request).attributed.begin("", lambda: attribution.attribute(office))
        told = figures_of(request).uplifts.soon(
            named(office, slug, among, all), lambda: uplift.measure(office, slug, among, ripe=not all)
        )
        shared = [line for line in goals().lines if line.cascade == slug]
    return render(
        request, look, "uplift.html", 422 if problems else 200, seen=seen, problems=problems,
        cascade=whole.overview, told=told, shared=shared,
        rules={name: look._(text) for name, text in RULES.items()},
        verdict=_verdict(told) if told else "", whole=_whole(look, told) if told else [],
        steps=_steps(told) if told else [],
        variants={one.step: _variants(one) for one in (told.variants if told else ())},
        uneven=[look.told(one) for one in lots.of_cascade(office, slug)], **offered(office, slug),
        differs=differs,
    )  # fmt: skip


def _verdict(told: Uplift) -> str:
    """Return what may be said of the whole, as one word."""
    if not told.goal:
        return "no_goal"
    if told.effect.difference is None:
        return "nobody_held" if not told.share and told.effect.one.of else "nobody_yet"
    if told.uneven:
        return "uneven"
    if not told.effect.shown:
        return "not_shown"
    up = told.effect.difference.low > 0
    if told.effect.shown_at_any_look:
        return "works" if up else "harms"
    return "seems_to_work" if up else "seems_to_harm"


def _whole(look: Look, told: Uplift) -> list[Row]:
    one, off = told.effect, told.uneven
    if one.difference is None or one.any_look is None:
        return []
    return [
        _row(look._("One look"), one, one.shown and not off),
        {"name": look._("Any look"), "value": one.estimate, "low": one.any_look.low,
         "high": one.any_look.high, "tone": _tone(one, one.shown_at_any_look and not off)},
    ]  # fmt: skip


def _steps(told: Uplift) -> list[Row]:
    return [_row(one.step, one.goal, one.goal.shown and not one.uneven) for one in told.steps]


def _variants(one: VariantEffects) -> list[Row]:
    return [_row(arm.id, arm.reacted, differs(arm.p_reacted) and not one.uneven) for arm in one.arms[1:]]


def _row(name: str, effect: Effect, shown: bool) -> Row:
    between = effect.difference
    return {
        "name": name, "value": effect.estimate, "low": between.low if between else None,
        "high": between.high if between else None, "tone": _tone(effect, shown),
    }  # fmt: skip


def _tone(effect: Effect, shown: bool) -> str:
    """Return the colour of a difference: none where it is not shown, or means nothing."""
    if not shown:
        return "quiet"
    return "good" if (effect.estimate or 0) > 0 else "bad"
