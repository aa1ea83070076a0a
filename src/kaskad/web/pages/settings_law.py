"""Settings: what the law answers, by which article, and what the sender has set aside. No legal advice."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Form, Request, Response

from kaskad.actions import law, policy
from kaskad.actions.law import COUNTRIES
from kaskad.domain.errors import NotFound
from kaskad.domain.law import LAWS, Verdict
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("settings:read")]
Writer = Annotated[Visitor, needs("settings:write")]
Text = Annotated[str, Form()]
VERDICTS = {
    Verdict.DENY: (N_("forbidden"), "bad"),
    Verdict.CONSENT: (N_("with a consent"), "info"),
    Verdict.WINDOW: (N_("at certain hours"), "warn"),
    Verdict.ALLOW: (N_("allowed"), "good"),
}
PLACES = {
    "RU": N_("Russia"),
    "KZ": N_("Kazakhstan"),
    "GB": N_("United Kingdom"),
    "US": N_("USA"),
    "DE": N_("Germany and the EU"),
    "FR": N_("France"),
}
TENANTS = {
    "no_foreign_messengers": N_(
        "We are a Russian state body, bank, insurer, carrier, payment system or aggregator"
    ),
}


@router.get("/settings/law")
def show(office: InOffice, request: Request, seen: Reader, country: str = "") -> Response:
    """Show what may be sent to people of a country, and the rules behind it."""
    look, kept = look_of(request, seen), policy.show(office)
    usual = kept.country if kept.country in COUNTRIES else COUNTRIES[0]
    where = country if country in COUNTRIES else usual
    classes = [MessageClass.ADVERTISING, MessageClass.SERVICE, MessageClass.TRANSACTIONAL]
    asked = law.answers(office, [where], Channel, classes)
    answers = {(each.channel.value, each.message_class.value): each.answer for each in asked}
    rules = [each for each in LAWS if not each.countries or where in each.countries]
    return render(
        request, look, "law.html", seen=seen, country=where, answers=answers, rules=rules, policy=kept,
        lands=[(code, look._(PLACES[code])) for code in COUNTRIES], verdicts=VERDICTS, tenants=TENANTS,
        channels=[each.value for each in Channel], classes=[each.value for each in classes],
    )  # fmt: skip


@router.post("/settings/law/tenant")
def change_tenant(
    office: InOffice, request: Request, seen: Writer, flags: Annotated[list[str], Form()] = [],  # noqa: B006
) -> Response:  # fmt: skip
    """Say what the sender is to the law."""
    policy.change(office, {"tenant": flags})
    note(office, seen, "PATCH /policy", "tenant")
    return go("/settings/law", look_of(request, seen)._("Saved."))


@router.post("/settings/law/{rule}")
def set_aside(
    office: InOffice, request: Request, seen: Writer, rule: str, do: Text = "", country: Text = ""
) -> Response:
    """Apply a rule no more, or again."""
    if rule not in {each.id for each in LAWS}:
        raise NotFound(worded("There is no law %(rule)r: `kaskad doctor law` lists them.", rule=rule))
    kept: list[str] = [name for name in msgspec.to_builtins(policy.show(office).set_aside) if name != rule]
    policy.change(office, {"set_aside": [*kept, rule] if do == "aside" else kept})
    note(office, seen, "PATCH /policy", f"set_aside {rule}")
    look = look_of(request, seen)
    told = look._("The rule is set aside.") if do == "aside" else look._("The rule applies again.")
    return go(f"/settings/law?country={country}" if country in COUNTRIES else "/settings/law", told)
