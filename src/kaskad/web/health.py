"""Whether this process lives, and whether it can take anything."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kaskad.web.intake import Intake
from kaskad.web.problems import RETRY_AFTER, problem


class Health:
    """`/healthz` and `/readyz`."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def alive(self, _: Request) -> Response:
        """Answer 200 as long as requests are answered at all."""
        return JSONResponse({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """Answer 200 when what arrives can be stored, else 503 with the reason."""
        trouble = self._intake.problem()
        if trouble is not None:
            return problem(503, trouble, headers=RETRY_AFTER)
        return JSONResponse({"status": "ready"})
