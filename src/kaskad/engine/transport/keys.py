"""Keys and certificates that webhooks name instead of being signed with a shared secret: fetched and kept."""

from __future__ import annotations

import asyncio

from kaskad.domain.errors import SendError, Unavailable
from kaskad.engine.transport.http import Http
from kaskad.providers.base import Request

TIMEOUT_S = 10.0
KEEP_S = 24 * 3600.0
RETRY_S = 30.0  # how long one that could not be had is not asked for again
MOST = 200  # addresses; a provider's file lets only its service's own through


class Keys:
    """What the given addresses hold; used from one event loop only."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, bytes]] = {}  # b"": it could not be had
        self._asking: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, request: Request) -> bytes:
        """Return what the address holds, at most a day old; raises Unavailable where it cannot be had.

        The service is then told to try again: a webhook must not be lost because of our network.
        """
        loop = asyncio.get_running_loop()
        until, key = self._kept.get(request.url, (0.0, b""))
        if until <= loop.time():
            task = self._asking.get(request.url)
            if task is None:
                task = self._asking[request.url] = loop.create_task(self._fetch(request))
            key = await asyncio.shield(task)
        if not key:
            raise Unavailable("The key that the webhook is signed with cannot be fetched now.")
        return key

    async def _fetch(self, request: Request) -> bytes:
        http = Http()
        try:
            answer = await http.post(request, TIMEOUT_S)
            key = answer.body if answer.ok else b""
        except SendError:
            key = b""
        finally:
            http.close()
            del self._asking[request.url]
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[request.url] = (http.loop.time() + (KEEP_S if key else RETRY_S), key)
        return key
