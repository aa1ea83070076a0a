"""Settings: how the sender is called, and the currency that it counts in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from kaskad.actions import brand
from kaskad.actions.brand import Brand
from kaskad.domain.errors import Invalid
from kaskad.domain.money import DIGITS
from kaskad.web.auth import InOffice
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("settings:read")]
Writer = Annotated[Visitor, needs("settings:write")]
Text = Annotated[str, Form()]


@router.get("/settings/brand")
def show(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show who sends."""
    return _page(request, seen, brand.show(office))


@router.post("/settings/brand")
def change(
    office: InOffice, request: Request, seen: Writer, name: Text = "", currency: Text = ""
) -> Response:
    """Say who sends."""
    look = look_of(request, seen)
    try:
        kept = brand.put(office, name, currency)
    except Invalid as error:
        return _page(request, seen, Brand(name, currency), look.refusals(error))
    note(office, seen, "PUT /brand", kept.name)
    return go("/settings/brand", look._("Saved."))


def _page(
    request: Request, seen: Visitor, given: Brand, problems: Mapping[str, str] | None = None
) -> Response:
    return render(
        request, look_of(request, seen), "brand.html", 422 if problems else 200, seen=seen, given=given,
        problems=problems or {}, currencies=["", *sorted(DIGITS)],
    )  # fmt: skip
