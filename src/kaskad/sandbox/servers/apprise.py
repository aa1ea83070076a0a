"""A place that Apprise reaches by its `json://` service: what is posted there is shown on the phone.

https://github.com/caronc/apprise/wiki/Notify_Custom_JSON
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox import links
from kaskad.sandbox.faults import REQUESTS, Fault
from kaskad.sandbox.person import PUSH
from kaskad.sandbox.server import Place, Server

STATUSES = {"throttle": 429, "error": 500, "reject": 404}


class _Posted(Struct):
    message: str
    title: str = ""


class AppriseTarget(Server):
    """`/{to}`; it tells nothing afterwards."""

    name = "apprise"
    channels = (PUSH,)
    provider = "apprise"
    account = "elsewhere"
    honours: ClassVar[frozenset[str]] = frozenset(REQUESTS)

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        return {"service_url": f"{cls.url(place).replace('http://', 'json://')}/{{to}}"}

    @classmethod
    def accounts(cls, place: Place) -> list[dict[str, object]]:
        return [told | {"channel": PUSH, "priority": 20} for told in super().accounts(place)]

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/{to:path}", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        """Show a message in the tray of whose address it is."""
        body = await request.body()

        async def take() -> Response:
            phone = self.world.find(PUSH, request.path_params["to"])
            if phone is None:
                return PlainTextResponse("nobody has this address\n", 404)
            try:
                posted = msgspec.json.decode(body, type=_Posted)
            except ValueError:
                return PlainTextResponse("this is not what json:// posts\n", 400)
            found = links.in_text(posted.message)
            link = found[0].url if found else ""
            self.notify(phone, posted.title, posted.message.replace(link, "").strip() or link, link=link)
            return PlainTextResponse("ok\n")

        return await self.befall(take, _refuse)


def _refuse(fault: Fault) -> Response:
    return PlainTextResponse(f"{fault.kind}\n", STATUSES[fault.kind])
