"""What the palette (Ctrl+K) finds besides the places of the navigation."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from kaskad.actions import cascades, lists, segments, template_list
from kaskad.actions.office import Office
from kaskad.web.auth import InOffice
from kaskad.web.pages.look import Look
from kaskad.web.pages.people import parts_for
from kaskad.web.pages.session import PageRoute, SignedIn, look_of
from kaskad.web.pages.shell import Visitor, render
from kaskad.web.pages.words import icon

router = APIRouter(include_in_schema=False, route_class=PageRoute)
MOST = 5  # of one kind
NAMES = 2_000  # of one kind that are looked through


class Found(Struct, frozen=True):
    """One thing to go to."""

    path: str
    name: str
    kind: str
    icon: str
    also: str = ""  # another text by which it is found


@router.get("/find")
def find(office: InOffice, request: Request, seen: SignedIn, q: str = "") -> Response:
    """Show what this reader may see whose name holds what was typed, a few of each kind."""
    look, wanted = look_of(request, seen), q.strip().lower()[:100]
    found: list[Found] = []
    for kind in (_cascades, _segments, _templates, _lists, _settings) if wanted else ():
        hits = (each for each in kind(office, look, seen) if wanted in f"{each.name}\n{each.also}".lower())
        found += [each for each, _ in zip(hits, range(MOST), strict=False)]
    return render(request, look, "found.html", seen=seen, found=found)


def _cascades(office: Office, look: Look, seen: Visitor) -> Iterator[Found]:
    kind, sign = look._("cascade"), icon("workflow")
    for each in cascades.listing(office, counted=False) if seen.may("cascades:read") else ():
        yield Found(f"/cascades/{each.slug}", each.title, kind, sign, each.slug)


def _segments(office: Office, look: Look, seen: Visitor) -> Iterator[Found]:
    kind, sign = look._("segment"), icon("filter")
    for name in segments.names(office, limit=NAMES) if seen.may("contacts:read") else ():
        yield Found(f"/segments/of/{quote(name)}", name, kind, sign)


def _templates(office: Office, look: Look, seen: Visitor) -> Iterator[Found]:
    text, part = look._("template"), look._("part of templates")
    for name, is_part in template_list.names(office, limit=NAMES) if seen.may("cascades:read") else ():
        path = f"/templates/of/{name}{'?channel=part' if is_part else ''}"
        yield Found(path, name, part if is_part else text, icon("puzzle") if is_part else icon("file-text"))


def _lists(office: Office, look: Look, seen: Visitor) -> Iterator[Found]:
    kind, sign = look._("list"), icon("list")
    for name in lists.names(office, limit=NAMES) if seen.may("contacts:read") else ():
        yield Found(f"/segments/lists/of/{quote(name)}", name, kind, sign)


def _settings(office: Office, look: Look, seen: Visitor) -> Iterator[Found]:
    for part in parts_for(seen):
        yield Found(part.path, look._(part.name), look._("settings"), part.icon, look._(part.lead))
