"""Every route of the sandbox: its servers by name, its pages, and the control over it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from kaskad.log import get_logger
from kaskad.sandbox.control import Control
from kaskad.sandbox.deeds import Deeds
from kaskad.sandbox.pages import Pages
from kaskad.sandbox.server import Server
from kaskad.sandbox.world import World

log = get_logger(__name__)


def build_app(world: World, deeds: Deeds, servers: Sequence[Server]) -> Starlette:
    """Return the application of all HTTP services, told apart by path."""
    control = Control(world)
    return Starlette(
        exception_handlers={Exception: _defect},
        routes=[
            *(Mount(f"/{server.name}", routes=server.routes()) for server in servers),
            Route("/control/faults", control.show_faults, methods=["GET"]),
            Route("/control/faults", control.set_faults, methods=["POST"]),
            Route("/control/faults", control.clear_faults, methods=["DELETE"]),
            Route("/control/counts", control.counts, methods=["GET"]),
            *Pages(world, deeds).routes(),
        ],
    )


def _defect(request: Request, error: Exception) -> Response:
    """Tell a defect of ours on standard error, and not what the service would never say."""
    route = request.scope.get("route")
    where = route.path if isinstance(route, Route) else ""  # the path itself may carry a token
    log.error("a request failed", route=where, error=type(error).__name__, detail=str(error))
    return PlainTextResponse("Internal Server Error", 500)
