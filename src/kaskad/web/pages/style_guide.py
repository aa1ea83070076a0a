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
CHARTS = {  # made up: what js/style_guide.js draws
    "forest": [
        {"name": "email", "low": 0.003, "high": 0.0299, "value": 0.018, "tone": "good"},
        {"name": "sms", "low": -0.012, "high": 0.021, "value": 0.004, "tone": "quiet"},
        {"name": "robot_call", "low": -0.041, "high": -0.006, "value": -0.02, "tone": "bad"},
    ],
    "stairs": [
        {"name": "email", "points": [[0, 1, 1, 1], [1, 0.9, 0.86, 0.93], [4, 0.8, 0.74, 0.85]]},
        {"name": "sms", "points": [[0, 1, 1, 1], [1, 0.7, 0.66, 0.75], [4, 0.62, 0.56, 0.68]]},
    ],
    "frontier": [[14.5, 0.62], [18.2, 0.71], [24.7, 0.8], [29.4, 0.85], [56.2, 0.9], [85.7, 0.955]],
    "heat": [[(3 * row + 5 * column) % 17 for column in range(12)] for row in range(7)],
    "ranges": [[900, 1300, 1120], [420, 610, 640], [80, 190, 131]],
    "funnel": [["sent", 1000], ["delivered", 930], ["seen", 512], ["reacted", 204]],
}  # fmt: skip


@router.get("/ui")
def components(request: Request, seen: Owner) -> Response:
    """Show the style guide."""
    channels = [channel.value for channel in Channel]
    return render(
        request, look_of(request, seen), "style_guide.html", seen=seen, channels=channels, now=wall_ms(),
        charts=CHARTS,
    )  # fmt: skip
