"""What the palette (Ctrl+K) finds besides the places of the navigation."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from kaskad.actions import cascades
from kaskad.web.auth import InOffice
from kaskad.web.pages.session import PageRoute, SignedIn, look_of
from kaskad.web.pages.shell import render
from kaskad.web.pages.words import icon

router = APIRouter(include_in_schema=False, route_class=PageRoute)
MOST = 8


class Found(Struct, frozen=True):
    """One thing to go to."""

    path: str
    name: str
    kind: str
    icon: str


@router.get("/find")
def find(office: InOffice, request: Request, seen: SignedIn, q: str = "") -> Response:
    """Show the cascades whose title or slug holds what was typed."""
    look, wanted = look_of(request, seen), q.strip().lower()[:100]
    found = [
        Found(f"/cascades/{each.slug}", each.title, look._("cascade"), icon("workflow"))
        for each in (cascades.listing(office, counted=False) if wanted and seen.may("cascades:read") else [])
        if wanted in each.title.lower() or wanted in each.slug
    ]
    return render(request, look, "found.html", seen=seen, found=found[:MOST])
