"""Every component of the pages, for those who make pages: in the colours and language one chooses."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response

from kaskad.domain.terms import Channel
from kaskad.engine.clock import wall_ms
from kaskad.web.pages.session import PageRoute, look_of, needs
from kaskad.web.pages.shell import Visitor, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Owner = Annotated[Visitor, needs("users:write")]


@router.get("/ui")
def components(request: Request, seen: Owner) -> Response:
    """Show the style guide."""
    channels = [channel.value for channel in Channel]
    return render(
        request, look_of(request, seen), "style_guide.html", seen=seen, channels=channels, now=wall_ms()
    )
