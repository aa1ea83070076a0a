"""Every route of Kaskad, in one list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kaskad.actions.office import Office
from kaskad.config import Settings
from kaskad.domain.tokens import Signer
from kaskad.web import metrics
from kaskad.web.answers import HOOKS
from kaskad.web.api import (
    accounts,
    addresses,
    alarms,
    approvals,
    approved_texts,
    attributes,
    attribution,
    audit,
    bills,
    brand,
    canaries,
    cascades,
    contacts,
    control,
    customers,
    exports,
    files,
    forecasts,
    forms,
    guards,
    hits,
    imports,
    keys,
    launches,
    learning,
    lists,
    mail_domains,
    mailboxes,
    may_be_sent,
    measures,
    merging,
    migrations,
    money,
    opt_ins,
    optimize,
    policy,
    prices,
    pulls,
    questions,
    rates,
    report_people,
    rfm,
    rights,
    runs,
    sandbox,
    seeds,
    segment_files,
    set_aside,
    simulations,
    sites,
    stops,
    suppressions,
    tasks,
    template_steps,
    templates,
    test_messages,
    threads,
    trials,
    uplift,
    users,
    webhooks,
)
from kaskad.web.api.description import describe
from kaskad.web.api.views import problem_schema
from kaskad.web.auth import Keys
from kaskad.web.body import capped
from kaskad.web.downloads import Downloads
from kaskad.web.events import Events
from kaskad.web.forms import Forms
from kaskad.web.health import Health
from kaskad.web.hooks import Hooks
from kaskad.web.intake import Durable, Intake
from kaskad.web.page import page
from kaskad.web.pages import (
    account,
    calls,
    channel_form,
    channels,
    contact,
    contact_acts,
    editor,
    inbox,
    live,
    moving,
    overview,
    palette,
    people,
    phones,
    preview,
    report,
    settings_alarms,
    settings_brand,
    settings_exports,
    settings_health,
    settings_keys,
    settings_law,
    settings_links,
    settings_policy,
    settings_rates,
    settings_stops,
    settings_webhooks,
    signing_in,
    start,
    static,
    style_guide,
    template_acts,
    versions,
)
from kaskad.web.pages import approvals as approval_pages
from kaskad.web.pages import bills as bill_pages
from kaskad.web.pages import cascades as pages
from kaskad.web.pages import contacts as contact_pages
from kaskad.web.pages import customers as customer_pages
from kaskad.web.pages import forecasts as forecast_pages
from kaskad.web.pages import guard as guard_pages
from kaskad.web.pages import imports as import_pages
from kaskad.web.pages import lists as list_pages
from kaskad.web.pages import mailboxes as mailbox_pages
from kaskad.web.pages import measures as measure_pages
from kaskad.web.pages import money as money_pages
from kaskad.web.pages import optimize as optimize_pages
from kaskad.web.pages import segments as segment_pages
from kaskad.web.pages import simulate as simulate_pages
from kaskad.web.pages import templates as template_pages
from kaskad.web.pages import trials as trial_pages
from kaskad.web.pages import uplift as uplift_pages
from kaskad.web.pages.figures import Figures
from kaskad.web.pages.live import Lines
from kaskad.web.pages.session import lost, need_of
from kaskad.web.problems import HANDLERS, answer
from kaskad.web.push import Push
from kaskad.web.site import SitePages
from kaskad.web.slashes import as_written
from kaskad.web.tracking import Tracking

LONG = frozenset({"/api/v1/contacts/import", "/api/v1/bills", "/bills"})  # where long files go
LIMIT = 20_000_000  # bytes of a body: the framework reads it whole before it asks who calls
IMPORT_LIMIT = imports.LIMIT + 1_000_000  # a form around the file
ROUTERS = (
    keys.router,
    users.router,
    accounts.providers_router,
    accounts.router,
    approved_texts.router,
    prices.router,
    rates.router,
    bills.router,
    money.router,
    cascades.router,
    guards.router,
    alarms.router,
    templates.router,
    template_steps.router,
    approvals.router,
    test_messages.router,
    files.router,
    launches.router,
    forecasts.router,
    forecasts.backtest_router,
    optimize.router,
    simulations.router,
    report_people.router,
    uplift.router,
    attribution.router,
    measures.router,
    customers.router,
    runs.router,
    tasks.router,
    threads.router,
    webhooks.router,
    imports.router,
    pulls.router,
    exports.router,
    merging.router,
    addresses.router,
    attributes.router,
    contacts.router,
    mail_domains.router,
    mailboxes.router,
    rights.router,
    may_be_sent.router,
    opt_ins.router,
    forms.router,
    set_aside.router,
    stops.router,
    suppressions.router,
    lists.router,
    lists.segment_router,
    segment_files.router,
    migrations.router,
    trials.router,
    canaries.router,
    learning.router,
    questions.router,
    rfm.router,
    seeds.router,
    policy.router,
    control.router,
    brand.router,
    hits.router,
    sites.router,
    sandbox.router,
    audit.router,
    metrics.router,
)
PAGES = (
    signing_in.public,
    signing_in.router,
    static.router,
    start.router,
    phones.router,
    account.router,
    people.router,
    editor.router,
    moving.router,
    preview.router,
    versions.router,
    forecast_pages.router,
    money_pages.router,
    bill_pages.router,
    overview.router,
    pages.router,
    calls.router,
    contact_pages.router,
    customer_pages.router,
    contact.router,
    contact_acts.router,
    import_pages.router,
    list_pages.router,
    segment_pages.router,
    template_acts.router,
    template_pages.router,
    approval_pages.router,
    inbox.router,
    mailbox_pages.router,
    channels.router,
    channel_form.router,
    settings_alarms.router,
    settings_brand.router,
    settings_links.router,
    settings_health.router,
    settings_keys.router,
    settings_law.router,
    settings_policy.router,
    settings_rates.router,
    settings_stops.router,
    settings_webhooks.router,
    settings_exports.router,
    palette.router,
    live.router,
    style_guide.router,
    trial_pages.router,
    uplift_pages.router,
    measure_pages.router,
    simulate_pages.router,
    guard_pages.router,
    optimize_pages.router,
    report.router,  # after those of the editor: /cascades/new is no cascade
)
PROBLEM_CONTENT = {"application/problem+json": {"schema": problem_schema()}}
FAILURES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong, all of it.", "content": PROBLEM_CONTENT},
    "5XX": {"description": "Nothing was done; try again.", "content": PROBLEM_CONTENT},
}


def build_app(
    intake: Intake,
    signer: Signer,
    clock: Callable[[], int],
    settings: Settings,
    wall: Callable[[], int] | None = None,
    office: Office | None = None,
) -> Front:
    """Return the application over one engine; `clock` gives milliseconds since 1970.

    `wall` is by what the age of signatures is told, where `clock` runs faster than the world. Without an
    `office` there is intake only: webhooks, tracking, events.
    """
    durable = Durable()
    hooks = Hooks(intake, durable, wall or clock, settings.base_url)
    known = Keys(office, settings.api_key)
    events = Events(intake, durable, clock, known, wall)
    health = Health(intake)
    lines, figures = Lines(), Figures()
    routed = FastAPI(
        title="Kaskad",
        description="Cascade messaging: one message, several channels in turn, until the person answers.",
        version=version("kaskad"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=FAILURES,
        routes=[
            Route(HOOKS + "{account}", hooks.look, methods=["GET"]),
            Route(HOOKS + "{account}", hooks, methods=["POST"]),
            Route("/site/{key}/webhook", events.receive_signed, methods=["POST"]),
            Route("/api/v1/events", events.receive, methods=["POST"]),
            Route("/healthz", health.alive, methods=["GET"]),
            Route("/readyz", health.ready, methods=["GET"]),
            *_answered_to_people(
                Tracking(intake, durable, signer, clock),
                Forms(intake, durable, signer, settings.base_url),
                Push(intake, durable, settings.base_url),
                SitePages(intake, durable, signer, clock),
            ),
        ],
    )
    for kind, handler in HANDLERS.items():
        routed.add_exception_handler(kind, handler)
    if office is not None:
        routed.state.office = office
        routed.state.keys = known
        routed.state.metrics = metrics.Metrics(office, hooks)
        routed.state.figures = figures
        routed.state.settings = settings
        routed.state.lines = lines
        _add_api_and_pages(routed, office)
    return Front(hooks, routed, lines, figures, short_host(settings), office)


def _add_api_and_pages(routed: FastAPI, office: Office) -> None:
    """Let an application answer what needs an office too; its state is set already."""
    routed.add_exception_handler(HTTPException, lost)
    routed.router.routes.append(Route("/d/{token}", Downloads(office).get, methods=["GET"]))
    routed.state.page_needs = {
        route.path: need_of(route) or ""
        for router in PAGES
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }
    routed.state.page_paths = frozenset(routed.state.page_needs)
    routed.router.routes.extend(_answered_with_office())
    describe(routed)


def _answered_to_people(tracking: Tracking, forms: Forms, push: Push, site: SitePages) -> list[BaseRoute]:
    """Return what people, their browsers and mail programs ask for, without anybody having signed in."""
    return [
        Route("/o/{token}", tracking.open_pixel, methods=["GET"]),
        Route("/l/{token}", tracking.follow_link, methods=["GET"]),
        Route("/s/{code}", tracking.follow_short, methods=["GET"]),
        Route("/u/{token}", tracking.ask_unsubscribe, methods=["GET"]),
        Route("/u/{token}", tracking.unsubscribe, methods=["POST"]),
        Route("/f/{form}", forms.show, methods=["GET"]),
        Route("/f/{form}", forms.sign_up, methods=["POST"]),
        Route("/f/{form}", forms.allowed, methods=["OPTIONS"]),
        Route("/f/{form}/code", forms.confirm_code, methods=["POST"]),
        Route("/f/{form}/code", forms.allowed, methods=["OPTIONS"]),
        Route("/c/{token}", forms.ask_confirm, methods=["GET"]),
        Route("/c/{token}", forms.confirm, methods=["POST"]),
        Route("/push/{account}", push.ask, methods=["GET"]),
        Route("/push/{account}/{name}.js", push.script, methods=["GET"]),
        Route("/push/{account}/subscriptions", push.subscribe, methods=["POST"]),
        Route("/push/{account}/subscriptions", push.allowed, methods=["OPTIONS"]),
        Route("/push/{account}/subscriptions/end", push.end, methods=["POST"]),
        Route("/push/{account}/subscriptions/end", push.allowed, methods=["OPTIONS"]),
        Route("/site/{file}", site.script, methods=["GET"]),
        Route("/site/{key}/events", site.receive, methods=["POST"]),
        Route("/site/{key}/events", site.allowed, methods=["OPTIONS"]),
    ]


@cache
def _answered_with_office() -> list[BaseRoute]:
    """Return the routes of the API and the pages, the same for every application of this process.

    An application that includes the routers derives each route anew at its first requests, which takes 0.3 s.
    """
    together = APIRouter(responses=FAILURES)
    for router in (*ROUTERS, *PAGES):
        together.include_router(router)
    return together.routes


def routes() -> Iterator[Callable[[], object]]:
    """Yield for each router what derives its routes: the framework leaves that for the first requests."""
    scope = {"type": "http", "method": "GET", "path": "/nowhere", "root_path": "", "headers": []}
    return (partial(route.matches, scope) for route in _answered_with_office())


class Front:
    """Takes webhooks straight to their handler, all the rest by the routes.

    Webhooks come by the thousand a second; the way through the routes would cost each 20 of its 100 µs.
    """

    def __init__(
        self, hooks: Hooks, routed: ASGIApp, lines: Lines, figures: Figures, short_host: bytes = b"",
        office: Office | None = None,
    ) -> None:  # fmt: skip
        self.hooks = hooks
        self._short_host = short_host  # where short links lead, and nothing else is answered; b"": nowhere
        self._office = office  # whose brands may have such hosts of their own
        self._routed = routed
        self._lines, self._figures = lines, figures

    def is_seen(self) -> bool:
        """Say whether somebody has a page open."""
        return self._lines.open > 0

    def close(self) -> None:
        """End what would keep the server from stopping: the streams of open pages, figures not yet begun."""
        self._lines.close()
        self._figures.close()

    def _is_short(self, scope: Scope) -> bool:
        """Say whether the request came to a host where only short links are answered."""
        hosts = self._office.engine.world.link_hosts if self._office is not None else ()
        if not (self._short_host or hosts):
            return False
        host = _host(scope)
        return host == self._short_host or host in hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = as_written(scope)
        if not path.startswith(SHORT_PATHS) and self._is_short(scope):
            await page(Request(scope), "missing", status=404)(scope, receive, send)
            return
        if not path.startswith(HOOKS) or scope["method"] != "POST":
            limit = IMPORT_LIMIT if path in LONG else LIMIT
            await self._routed(scope, capped(scope, receive, limit), send)
            return
        scope["path_params"] = {"account": path[len(HOOKS) :]}
        try:
            await self.hooks(scope, receive, send)
        except Exception as error:
            await answer(scope, error)(scope, receive, send)


SHORT_PATHS = ("/s/", "/healthz")  # the second by which `kaskad doctor` sees that the name leads here


def short_host(settings: Settings) -> bytes:
    """Return the host of short links where it is another than that of everything else, else b""."""
    host = urlsplit(settings.link_url).netloc.lower()
    return b"" if host == urlsplit(settings.base_url).netloc.lower() else host.encode("idna")


def _host(scope: Scope) -> bytes:
    return next((bytes(value).lower() for name, value in scope["headers"] if name == b"host"), b"")
