"""Every route of the sandbox, in one list."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route

from kaskad.sandbox.control import Control
from kaskad.sandbox.deeds import Deeds
from kaskad.sandbox.servers.smsc import Smsc
from kaskad.sandbox.servers.telegram import Telegram
from kaskad.sandbox.servers.twilio import Twilio
from kaskad.sandbox.world import World

BOTH = ["GET", "POST"]


def build_app(world: World, deeds: Deeds, telegram: Telegram, smsc: Smsc, twilio: Twilio) -> Starlette:
    """Return the application of all HTTP services, told apart by path."""
    control = Control(world)
    calls = "/twilio/2010-04-01/Accounts/{account}/Calls"
    return Starlette(
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
        ],
    )
