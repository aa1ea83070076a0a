"""`/d/{token}`: a file that a message links to, as long as the link lives. Getting it changes nothing."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from kaskad.actions import files
from kaskad.actions.office import Office
from kaskad.web.api.files import answer
from kaskad.web.page import page


class Downloads:
    def __init__(self, office: Office) -> None:
        self._office = office

    async def get(self, request: Request) -> Response:
        """Return the file, or the neutral page for a link that is not ours or has expired."""
        found = await run_in_threadpool(files.linked, self._office, request.path_params["token"])
        return page(request, "missing", status=404) if found is None else answer(*found)
