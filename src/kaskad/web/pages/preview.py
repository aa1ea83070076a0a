"""What a step says to a contact: in a phone's frame, or a mail's whose HTML runs and loads nothing."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from kaskad.actions import templates
from kaskad.actions.frames import Preview
from kaskad.domain.errors import Invalid, NotFound
from kaskad.web.auth import InOffice
from kaskad.web.pages.cascades import Slug
from kaskad.web.pages.session import PageRoute, look_of, needs
from kaskad.web.pages.shell import HEADERS, Visitor, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
)


@router.get("/cascades/{slug}/preview")
def preview(
    office: InOffice, request: Request, seen: Reader, slug: Slug, step: str = "", who: str = "",
    variant: str = "",
) -> Response:  # fmt: skip
    """Show what a step of the draft would say to a contact; nothing is sent and nothing kept."""
    look, problem = look_of(request, seen), ""
    shown: Preview | None = None
    try:
        shown = templates.preview_step(office, slug, step, who.strip(), variant=variant)
    except (Invalid, NotFound) as wrong:
        problem = str(wrong)
    asked = urlencode({"step": step, "who": who, "variant": variant})
    return render(
        request, look, "preview.html", seen=seen, slug=slug, shown=shown, problem=problem, asked=asked
    )  # fmt: skip


@router.get("/cascades/{slug}/preview/letter")
def letter(
    office: InOffice, seen: Reader, slug: Slug, step: str = "", who: str = "", variant: str = ""
) -> Response:  # fmt: skip
    """Return the HTML of the letter that a step would be, for a frame of ours."""
    shown = templates.preview_step(office, slug, step, who.strip(), variant=variant)
    return HTMLResponse(shown.words.html, 200, {**HEADERS, "Content-Security-Policy": LETTER_POLICY})
