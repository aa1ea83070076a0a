"""How pages look and read: templates, languages, numbers, and the headers that keep strangers out."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from kaskad.analytics.reach import Amounts, money
from kaskad.domain.money import format_money, format_number
from kaskad.web.page import language_of
from kaskad.web.pages.texts import LANGUAGES, text

LANGUAGE_COOKIE = "kaskad_lang"
YEAR_S = 365 * 86_400
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Vary": "Accept-Language, Cookie",
}


class Look(Struct, frozen=True):
    """The reader's language, and the words and numbers of templates in it."""

    language: str
    path: str
    chosen: bool = False  # by this very request

    @classmethod
    def of(cls, request: Request) -> Look:
        """Return how this reader wants pages: by ?lang=, a cookie, or what the browser asks for."""
        asked = request.query_params.get("lang", "")
        kept = request.cookies.get(LANGUAGE_COOKIE, "")
        path = request.url.path
        if asked in LANGUAGES:
            return cls(asked, path, True)
        if kept in LANGUAGES:
            return cls(kept, path)
        return cls(language_of(request.headers.get("accept-language", "")), path)

    def t(self, key: str) -> str:
        """Return a text of the pages."""
        return text(key, self.language)

    def n(self, number: float) -> str:
        """Return a number with its thousands set apart."""
        return format_number(number, self.language)

    def pct(self, share: float) -> str:
        """Return a share as a percentage."""
        shown = f"{share * 100:.1f}" if 0 < share < 0.1 else f"{share * 100:.0f}"
        return f"{shown.replace('.', ',')}\u00a0%" if self.language == "ru" else f"{shown}%"

    def money(self, amounts: Amounts) -> str:
        """Return amounts of several currencies; "" where there are none."""
        return " + ".join(format_money(each, self.language) for each in money(amounts))

    def audience(self, told: str) -> str:
        """Return whom a launch is for."""
        kind, _, name = told.partition(" ")
        return f"{self.t(kind or 'some_list')} {name}".strip()

    def time(self, at: int) -> str:
        """Return an instant as day and time."""
        day = "%d.%m.%Y" if self.language == "ru" else "%d %b %Y"
        return datetime.fromtimestamp(at / 1000, UTC).strftime(f"{day} %H:%M:%S UTC")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("kaskad.web", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["code"] = _code
    made.globals["style"] = f"/static/style.css?v={sha256(stylesheet()).hexdigest()[:12]}"
    return made


def _code(told: str) -> Markup:
    """Return a text with what stands between backticks set as code."""
    parts = [escape(part) for part in told.split("`")]
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


@cache
def stylesheet() -> bytes:
    """Return the one stylesheet."""
    return (files("kaskad.web") / "static" / "style.css").read_bytes()


def render(look: Look, template: str, code: int = 200, **values: Any) -> Response:
    """Return a page made from a template, with the headers of every page."""
    page = _environment().get_template(template).render(look=look, t=look.t, **values)
    response = HTMLResponse(page, code, HEADERS)
    if look.chosen:
        response.set_cookie(LANGUAGE_COOKIE, look.language, YEAR_S, samesite="lax", httponly=True)
    return response
