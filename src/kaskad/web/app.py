"""Every route of Kaskad, in one list."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.routing import Route

from kaskad.config import Settings
from kaskad.domain.tokens import Signer
from kaskad.web.events import Events
from kaskad.web.health import Health
from kaskad.web.hooks import Hooks
from kaskad.web.intake import Durable, Intake
from kaskad.web.problems import HANDLERS
from kaskad.web.tracking import Tracking


def build_app(intake: Intake, signer: Signer, clock: Callable[[], int], settings: Settings) -> Starlette:
    """Return the application over one engine; `clock` gives milliseconds since 1970."""
    durable = Durable()
    hooks = Hooks(intake, durable, clock, settings.base_url)
    events = Events(intake, durable, clock, settings.api_key)
    tracking = Tracking(intake, durable, signer, clock)
    health = Health(intake)
    return Starlette(
        routes=[
            Route("/hooks/{account}", hooks.receive, methods=["POST"]),
            Route("/o/{token}", tracking.open_pixel, methods=["GET"]),
            Route("/l/{token}", tracking.follow_link, methods=["GET"]),
            Route("/u/{token}", tracking.ask_unsubscribe, methods=["GET"]),
            Route("/u/{token}", tracking.unsubscribe, methods=["POST"]),
            Route("/api/v1/events", events.receive, methods=["POST"]),
            Route("/healthz", health.alive, methods=["GET"]),
            Route("/readyz", health.ready, methods=["GET"]),
        ],
        exception_handlers=HANDLERS,
    )
