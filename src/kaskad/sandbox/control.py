"""Faults on demand, and what has been counted: `/control/…`, JSON."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kaskad.domain.errors import Invalid
from kaskad.sandbox.faults import KINDS, Fault
from kaskad.sandbox.world import World


class Control:
    def __init__(self, world: World) -> None:
        self._world = world

    async def show_faults(self, request: Request) -> Response:
        """Answer what is set, what has happened, and what there is."""
        faults = self._world.faults
        return JSONResponse({
            "active": msgspec.to_builtins(faults.active), "happened": faults.happened,
            "services": {name: sorted(kinds) for name, kinds in faults.known.items()},
            "kinds": KINDS,
        })  # fmt: skip

    async def set_faults(self, request: Request) -> Response:
        """Add one fault or a list of them: service, kind, share or left, seconds."""
        try:
            told = msgspec.json.decode(await request.body(), type=Fault | list[Fault])
            self._world.faults.set(told if isinstance(told, list) else [told])
        except (Invalid, msgspec.MsgspecError) as error:
            problems = error.problems if isinstance(error, Invalid) else (str(error),)
            return JSONResponse({"problems": problems}, 400)
        return await self.show_faults(request)

    async def clear_faults(self, request: Request) -> Response:
        """End all faults, or with ?service= those of one."""
        self._world.faults.clear(request.query_params.get("service", ""))
        return await self.show_faults(request)

    async def counts(self, request: Request) -> Response:
        return JSONResponse(msgspec.to_builtins(self._world.counts))
