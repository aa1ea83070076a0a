"""The shop that the demo's messages lead to: carts, a webinar, and a button that tells Kaskad of the goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from msgspec import Struct
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

ITEMS = (
    ("кроссовки", 4_499_000),
    ("рюкзак", 1_890_000),
    ("наушники", 3_290_000),
    ("кофемашина", 18_990_000),
    ("детский велосипед", 6_750_000),
    ("книги, 3 шт.", 1_250_000),
)  # with prices in minor units

STYLE = """
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: light-dark(#f5f2ec, #17150f) }
main { padding: 2.5rem; width: min(26rem, 100%); border-radius: 1rem; text-align: center;
  background: light-dark(#fff, #221f17); box-shadow: 0 12px 32px #0001 }
button { margin-top: 1rem; padding: .8rem 1.6rem; border: 0; border-radius: .6rem; font: inherit;
  font-weight: 600; color: #fff; background: #b4541a; cursor: pointer }
"""


class Visit(Struct, frozen=True):
    """What a page of the shop is about, and the event that its button sends."""

    title: str
    button: str
    event: Mapping[str, Any]


class Shop:
    """The shop's pages. `tell` sends one event to Kaskad and returns after it is durable."""

    def __init__(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._tell = tell
        self._visits: dict[str, Visit] = {}
        self.sold = 0
        self.app = Starlette(
            routes=[
                Route("/{page}", self._show, methods=["GET"]),
                Route("/{page}", self._buy, methods=["POST"]),
            ]
        )

    def open(self, page: str, visit: Visit) -> str:
        """Make a page for one person's cart or ticket; return its path."""
        self._visits[page] = visit
        return f"/{page}"

    async def _show(self, request: Request) -> Response:
        visit = self._visits.get(request.path_params["page"])
        if visit is None:
            return HTMLResponse(_page("Магазин Каскад", ""), 404)
        form = f'<form method="post"><button>{escape(visit.button)}</button></form>'
        return HTMLResponse(_page(visit.title, form))

    async def _buy(self, request: Request) -> Response:
        visit = self._visits.get(request.path_params["page"])
        if visit is None:
            return HTMLResponse(_page("Магазин Каскад", ""), 404)
        await run_in_threadpool(self._tell, visit.event)
        self.sold += 1
        return HTMLResponse(_page("Спасибо!", ""))


def _page(title: str, form: str) -> str:
    return (
        f'<!doctype html><html lang="ru"><meta charset="utf-8"><meta name="viewport" content="width='
        f'device-width, initial-scale=1"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<main><h1>{escape(title)}</h1>{form}</main></html>"
    )
