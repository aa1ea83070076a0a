"""Every route of the sandbox, in one list."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kaskad.log import get_logger
from kaskad.sandbox.control import Control
from kaskad.sandbox.deeds import Deeds
from kaskad.sandbox.pages import Pages
from kaskad.sandbox.servers.smsc import Smsc
from kaskad.sandbox.servers.telegram import Telegram
from kaskad.sandbox.servers.twilio import Twilio
from kaskad.sandbox.world import World

log = get_logger(__name__)

BOTH = ["GET", "POST"]


def build_app(world: World, deeds: Deeds, telegram: Telegram, smsc: Smsc, twilio: Twilio) -> Starlette:
    """Return the application of all HTTP services, told apart by path."""
    control = Control(world)
    calls = "/twilio/2010-04-01/Accounts/{account}/Calls"
    return Starlette(
        exception_handlers={Exception: _defect},
        routes=[
            Route("/telegram/bot{token}/{method}", telegram.__call__, methods=BOTH),
            Route("/smsc/sys/send.php", smsc.send, methods=BOTH),
            Route("/smsc/sys/status.php", smsc.status, methods=BOTH),
            Route("/smsc/sys/balance.php", smsc.balance, methods=BOTH),
            Route("/smsc/rest/send/", smsc.send, methods=["POST"]),
            Route("/smsc/rest/status/", smsc.status, methods=["POST"]),
            Route(f"{calls}.json", twilio.create, methods=["POST"]),
            Route(calls + "/{sid}.json", twilio.fetch, methods=["GET"]),
            Route(calls + "/{sid}.json", twilio.change, methods=["POST"]),
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
