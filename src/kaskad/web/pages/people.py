"""Settings: the people who sign in, and the audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from msgspec import Struct

from kaskad.actions import audit, users
from kaskad.actions.office import Office
from kaskad.actions.users import Invited
from kaskad.domain.errors import Invalid
from kaskad.store.users import User
from kaskad.web.auth import InOffice
from kaskad.web.pages.audit_words import link_of, sentence
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.session import SIGNED_IN, PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render
from kaskad.web.pages.words import icon

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Manager = Annotated[Visitor, needs("users:write")]
Auditor = Annotated[Visitor, needs("audit:read")]
Reader = Annotated[Visitor, needs("settings:read")]
Text = Annotated[str, Form()]
ROWS = 50


class Part(Struct, frozen=True):
    """A page of the settings."""

    path: str
    name: str
    lead: str
    icon: str
    scope: str


PARTS = (
    Part("/settings/brand", N_("Brand"), N_("Name, currency, the look of letters, their sender, links."),
         icon("store"), "settings:read"),
    Part("/settings/hours", N_("Sending hours"), N_("When people may be written to, and quiet hours."),
         icon("clock"), "settings:read"),
    Part("/settings/caps", N_("How often"), N_("Limits a person, distances, hold-outs."), icon("gauge"),
         "settings:read"),
    Part("/settings/law", N_("Law"), N_("What may be sent where, by which article."), icon("scale"),
         "settings:read"),
    Part("/settings/rates", N_("Currencies"), N_("What figures are told in, and exchange rates by day."),
         icon("banknote"), "settings:read"),
    Part("/settings/retention", N_("How long things are kept"), N_("What is older goes by itself."),
         icon("hourglass"), "settings:read"),
    Part("/settings/suppressions", N_("Stop list"), N_("To whom nothing is ever sent."), icon("octagon-x"),
         "contacts:read"),
    Part("/settings/keys", N_("API keys"), N_("By which programs call, and what each opens."),
         icon("key-round"),
         "keys:write"),
    Part("/settings/webhooks", N_("Webhooks"), N_("Which programs are told what happens."), icon("webhook"),
         "webhooks:write"),
    Part("/settings/exports", N_("Exports"), N_("What has happened as files: CSV, XLSX, Parquet."),
         icon("download"), "cascades:read"),
    Part("/settings/alarms", N_("Alarms"), N_("What was raised, and who is told besides the first page."),
         icon("bell"), "settings:read"),
    Part("/settings/health", N_("Health"),
         N_("What is wrong with the installation, and what to do; backups."), icon("stethoscope"),
         "settings:write"),
    Part("/settings/people", N_("People"), N_("Who signs in here, and what they may do."), icon("users"),
         "users:write"),
    Part("/settings/audit", N_("Audit"), N_("Who changed what, and who looked at whom."), icon("scroll-text"),
         "audit:read"),
    Part("/account", N_("My account"), N_("Your password, the code from your phone, your sessions."),
         icon("circle-user"), SIGNED_IN),
)  # fmt: skip


def parts_for(seen: Visitor) -> list[Part]:
    """Return the pages of the settings that this reader may open."""
    return [part for part in PARTS if part.scope == SIGNED_IN or seen.may(part.scope)]


@router.get("/settings")
def settings(request: Request, seen: Reader) -> Response:
    """Show what can be set by this reader."""
    return render(request, look_of(request, seen), "settings.html", seen=seen, parts=parts_for(seen))


@router.get("/settings/people")
def people(office: InOffice, request: Request, seen: Manager) -> Response:
    """Show who may sign in."""
    return _page(office, request, seen)


@router.post("/settings/people")
def invite(
    office: InOffice, request: Request, seen: Manager, email: Text = "", name: Text = "", role: Text = ""
) -> Response:
    """Invite somebody, and show the link this once."""
    try:
        made = users.add(office, email, name, role)
    except Invalid as error:
        told = look_of(request, seen).refusals(error)
        return _page(office, request, seen, given={"email": email, "name": name, "role": role}, problems=told)
    note(office, seen, "POST /users", made.user.email)
    return _page(office, request, seen, invited=made)


@router.post("/settings/people/{user_id}/role")
def change_role(office: InOffice, request: Request, seen: Manager, user_id: int, role: Text = "") -> Response:
    """Change what somebody may do."""
    user = users.set_role(office, _email(office, user_id), role)
    note(office, seen, "PATCH /users/{user}", user.email)
    look = look_of(request, seen)
    told = look._("%(name)s is now: %(role)s.", name=user.name, role=look.word("role", role))
    return go("/settings/people", told)


@router.post("/settings/people/{user_id}/reset")
def reset(office: InOffice, request: Request, seen: Manager, user_id: int) -> Response:
    """End somebody's password and sessions, and show the link for a new one this once."""
    made = users.reset(office, _email(office, user_id))
    note(office, seen, "POST /users/{user}/reset", made.user.email)
    return _page(office, request, seen, invited=made)


@router.post("/settings/people/{user_id}/remove")
def remove(office: InOffice, request: Request, seen: Manager, user_id: int) -> Response:
    """Show somebody out."""
    email = _email(office, user_id)
    users.remove(office, email)
    note(office, seen, "DELETE /users/{user}", email)
    return go("/settings/people", look_of(request, seen)._("%(email)s is removed.", email=email))


@router.get("/settings/audit")
def show_audit(
    office: InOffice,
    request: Request,
    seen: Auditor,
    who: str = "",
    what: str = "",
    cursor: int = audit.LATEST,
) -> Response:
    """Show what was done, the newest first."""
    rows = audit.listing(office, before=cursor, who=who.strip(), what=what.strip(), limit=ROWS + 1)
    more = str(rows[ROWS - 1].id) if len(rows) > ROWS else ""
    return render(request, look_of(request, seen), "audit.html", seen=seen, rows=rows[:ROWS], next=more,
                  sentence=sentence, link_of=link_of)  # fmt: skip


def _email(office: Office, user_id: int) -> str:
    return users.by_id(office, user_id).email


def _page(
    office: Office, request: Request, seen: Visitor, *, given: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None, invited: Invited | None = None,
) -> Response:  # fmt: skip
    found: list[User] = users.listing(office)
    return render(
        request, look_of(request, seen), "people.html", 422 if problems else 200, seen=seen, people=found,
        given=given or {}, problems=problems or {}, invited=invited,
    )  # fmt: skip
