"""Operations of the API that pages name: each is there, under its method and its path."""

import re
from pathlib import Path

from fastapi.routing import APIRoute

from kaskad.web.app import ROUTERS

ROOT = Path(__file__).parents[2]
_TOLD = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`\s?]*)")
# by services of their own: the intake's, the sandbox's, and a form's page
OTHERS = {
    "POST /events", "POST /api/v1/events", "GET /control/counts", "POST /control/faults",
    "POST /f/news/code",
}  # fmt: skip
SHORT = {"docs/trials.md": "/api/v1/cascades/{slug}/trials"}  # what the head of a table stands before


def test_every_operation_that_is_told_exists():
    known = [
        (method, re.compile(re.sub(r"\{[^}]*\}", "[^/]+", route.path)))
        for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)
        for method in route.methods
    ]  # fmt: skip
    missing = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        name = str(page.relative_to(ROOT))
        for method, path in _TOLD.findall(page.read_text(encoding="utf-8")):
            places = (path, f"/api/v1{path}", f"{SHORT.get(name, '')}{path}")
            found = any(method == each and form.fullmatch(at) for each, form in known for at in places)
            if not found and f"{method} {path}" not in OTHERS:
                missing.append(f"{name}: {method} {path}")
    assert not missing
