"""Phones of the sandbox: be the recipient of what is sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response

from kaskad.actions import contacts, sandbox
from kaskad.actions.contacts import Page
from kaskad.domain.ids import contact_text
from kaskad.web.auth import InOffice
from kaskad.web.pages.contacts import title_of
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
Keeper = Annotated[Visitor, needs("accounts:write")]
ROWS = 24


@router.get("/phones")
def phones(office: InOffice, request: Request, seen: Reader, q: str = "") -> Response:
    """Show whether the sandbox is open, and whose phone one can take."""
    state, found = sandbox.show(office), Page([], {})
    if state.url:
        found = contacts.search(office, q.strip(), "", after=0, limit=ROWS)
    rows = [
        (contact_text(card.id), title_of(card, found.addresses[card.id]),
         [each.channel.value for each in found.addresses[card.id]])
        for card in found.cards
    ]  # fmt: skip
    return render(
        request, look_of(request, seen), "phones.html", seen=seen, state=state, rows=rows, q=q.strip(),
        may_open=seen.may("accounts:write"),
    )  # fmt: skip


@router.get("/phones/{contact}")
def phone(
    office: InOffice, request: Request, seen: Reader,
    contact: Annotated[str, Path(pattern=r"^con_\d{1,18}$")],
) -> Response:  # fmt: skip
    """Lead to a contact's phone, in the sandbox."""
    return go(sandbox.phone(office, contacts.show(office, contact).card.id))


@router.post("/phones/open")
def open_up(
    office: InOffice, request: Request, seen: Keeper, at_once: Annotated[str, Form()] = ""
) -> Response:  # fmt: skip
    """Open the sandbox."""
    sandbox.open_up(office, hurry=at_once == "yes")
    note(office, seen, "POST /sandbox/open", "")
    return go("/phones", look_of(request, seen)._("The sandbox is open."))


@router.post("/phones/close")
def close(office: InOffice, request: Request, seen: Keeper) -> Response:
    """Close the sandbox."""
    sandbox.close(office)
    note(office, seen, "POST /sandbox/close", "")
    return go("/phones", look_of(request, seen)._("The sandbox is closed, and its accounts are deleted."))
