"""What stands around every page: navigation, language, colours, and the headers that keep strangers out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from kaskad.actions.approvals import is_asked
from kaskad.actions.office import Office
from kaskad.store.sessions import Session
from kaskad.web.auth import Caller
from kaskad.web.pages import static
from kaskad.web.pages.i18n import N_, words
from kaskad.web.pages.look import Look
from kaskad.web.pages.words import CHANNEL_ICONS, icon

SAID_COOKIE = "kaskad_said"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Vary": "Accept-Language, Cookie",
}


class Visitor(Struct, frozen=True):
    """Who looks at a page, and the token that their forms hold."""

    caller: Caller
    session: Session
    csrf: str

    def may(self, scope: str) -> bool:
        """Say whether this reader holds a right."""
        return self.caller.may(scope)

    @property
    def name(self) -> str:
        """Return how the reader is called."""
        return self.session.full_name or self.session.name


class Place(Struct, frozen=True):
    """One entry of the navigation; `key` is pressed after g. It is shown once its page is there."""

    path: str
    name: str
    icon: str
    scope: str
    key: str
    topic: str = ""  # of live updates: a number beside the entry
    approval: bool = False  # only where the policy asks for approvals


NAVIGATION = (
    Place("/", N_("Overview"), icon("layout-dashboard"), "cascades:read", "o"),
    Place("/cascades", N_("Cascades"), icon("workflow"), "cascades:read", "c"),
    Place("/contacts", N_("Contacts"), icon("users"), "contacts:read", "p"),
    Place("/segments", N_("Segments"), icon("filter"), "contacts:read", "s"),
    Place("/customers", N_("Customers"), icon("repeat"), "cascades:read", "u"),
    Place("/templates", N_("Templates"), icon("file-text"), "cascades:read", "t"),
    Place(
        "/approvals", N_("Approvals"), icon("badge-check"), "texts:approve", "a", "approvals", approval=True
    ),
    Place("/inbox", N_("Inbox"), icon("inbox"), "threads:read", "i", "inbox"),
    Place("/calls", N_("Calls"), icon("phone"), "tasks:read", "l", "calls"),
    Place("/channels", N_("Channels"), icon("radio-tower"), "accounts:read", "h"),
    Place("/phones", N_("Sandbox phones"), icon("smartphone"), "contacts:read", "b"),
    Place("/settings", N_("Settings"), icon("settings"), "settings:read", "e"),
)


CASCADE = "/cascades/{slug}"
TABS = (  # the pages of one cascade: paths and names
    (CASCADE, N_("Report")),
    (CASCADE + "/figures", N_("Figures")),
    (CASCADE + "/edit", N_("Editor")),
    (CASCADE + "/forecasts", N_("Forecasts")),
    (CASCADE + "/simulate", N_("Simulate")),
    (CASCADE + "/optimize", N_("Optimise")),
    (CASCADE + "/trials", N_("Trials")),
    (CASCADE + "/uplift", N_("Does it work?")),
    (CASCADE + "/money", N_("Money")),
    (CASCADE + "/guard", N_("Guardrails")),
)


class Entry(Struct, frozen=True):
    """A place as one reader sees it."""

    place: Place
    here: bool


def entries(request: Request, seen: Visitor | None) -> list[Entry]:
    """Return where this reader may go; the place where they are is marked."""
    there: frozenset[str] = getattr(request.app.state, "page_paths", frozenset())
    office: Office = request.app.state.office
    known = there if is_asked(office) else there - {p.path for p in NAVIGATION if p.approval}
    found = [] if seen is None else [p for p in NAVIGATION if p.path in known and seen.may(p.scope)]
    path = request.url.path
    inside = [p.path for p in found if path == p.path or (p.path != "/" and path.startswith(f"{p.path}/"))]
    return [Entry(p, p.path in inside) for p in found]


def cascade_pages(request: Request, seen: Visitor | None) -> list[tuple[str, str]]:
    """Return the pages of the cascade that the address names, as far as they are there and the reader may
    open them: addresses and names."""
    slug = request.path_params.get("slug", "")
    needs: Mapping[str, str] = getattr(request.app.state, "page_needs", {})
    if seen is None or not slug or not request.url.path.startswith("/cascades/"):
        return []
    return [(path.format(slug=slug), name) for path, name in TABS if path in needs and seen.may(needs[path])]


class _Compiled(BytecodeCache):
    """Templates as they were compiled, for all languages: texts are looked up when a page is made."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


@cache
def _compiled() -> _Compiled:
    return _Compiled()


def templates() -> Iterator[Callable[[], object]]:
    """Yield for each template what compiles it."""
    known = _environment("en")
    return (partial(known.get_template, name) for name in known.list_templates())


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("kaskad.web", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.i18n"], bytecode_cache=_compiled(),
    )  # fmt: skip
    told = words(language)
    install: Any = getattr(made, "install_gettext_callables")  # noqa: B009 - the extension's, not the type's
    install(told.gettext, told.ngettext, newstyle=True, pgettext=told.pgettext)
    made.filters["code"] = _code
    made.filters["kept"] = _kept
    made.filters["breaks"] = _breaks
    made.globals.update(asset=static.address, built=static.there, channel_icons=CHANNEL_ICONS)
    return made


def _kept(values: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of an address that say something."""
    return {name: value for name, value in values.items() if value}


def _breaks(address: str) -> Markup:
    """Return an address that breaks before its @, where it is too long for its place."""
    return Markup("<wbr>@").join(address.split("@"))


def _code(told: str) -> Markup:
    """Return a text with what stands between backticks set as code."""
    parts = [escape(part) for part in told.split("`")]
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


def render(
    request: Request,
    look: Look,
    template: str,
    code: int = 200,
    *,
    seen: Visitor | None = None,
    **values: Any,
) -> Response:
    """Return a page made from a template, with the headers of every page.

    Templates see `look`, `seen` (None before one has signed in), `csrf`, `places`, `own_pages` (of a
    cascade), `said`, `named` (the title of a cascade by its slug) and the values.
    """
    page = _environment(look.language).get_template(template).render(
        look=look, seen=seen, csrf=seen.csrf if seen else "", places=entries(request, seen),
        own_pages=cascade_pages(request, seen), said=_said(request), query=dict(request.query_params),
        named=lambda slug: _named(request, slug), **values,
    )  # fmt: skip
    response = HTMLResponse(page, code, HEADERS)
    look.keep(response)
    if SAID_COOKIE in request.cookies and not request.headers.get("hx-request"):
        response.delete_cookie(SAID_COOKIE)
    return response


def _named(request: Request, slug: str) -> str:
    title: str = request.app.state.figures.title(request.app.state.office, slug)
    return title


def go(path: str, said: str = "", kind: str = "good") -> Response:
    """Lead the reader to another page of ours, which tells what was done."""
    response = RedirectResponse(path, 303, HEADERS)
    if said:
        response.set_cookie(SAID_COOKIE, quote(f"{kind} {said}"), 60, httponly=True, samesite="lax")
    return response


def led(request: Request, path: str, said: str = "") -> Response:
    """Do the same where htmx may have sent the form: it would take the other page for a part of this one."""
    response = go(path, said)
    if request.headers.get("hx-request"):
        response.status_code = 204
        response.headers["HX-Redirect"] = path
        del response.headers["location"]
    return response


def _said(request: Request) -> Mapping[str, str] | None:
    kind, _, text = unquote(request.cookies.get(SAID_COOKIE, "")).partition(" ")
    return {"kind": kind, "text": text} if text and kind in ("good", "bad", "info") else None
