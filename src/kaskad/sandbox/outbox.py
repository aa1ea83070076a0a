"""What the sandbox sends by HTTP: receipts and updates to Kaskad, visits of people to links.

People never leave this machine: an address that is neither loopback nor Kaskad's own is not called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

import msgspec

from kaskad.log import get_logger
from kaskad.sandbox.faults import RECEIPTS
from kaskad.sandbox.person import Phone
from kaskad.sandbox.wire import NOTHING, Answer, Client, Outgoing
from kaskad.sandbox.world import World

log = get_logger(__name__)

BROWSER = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/139.0.0.0 Mobile Safari/537.36"
)
SCANNER = "Mozilla/5.0 (compatible; Proofpoint URL Defense)"
PREFETCH = "Mozilla/5.0"  # what Apple's mail privacy proxy calls itself
NO_HEADERS: Mapping[str, str] = {}
TIMEOUT_S = 20.0
FIRST_PAUSE_MS = 2_000
ATTEMPTS = 5
SWAP_S = 2.0  # a receipt that waits to be overtaken waits no longer


def form(url: str, fields: Mapping[str, str], method: str = "POST", **headers: str) -> Outgoing:
    """Return fields as a form: in the body, or in the address where the method is GET."""
    encoded = urlencode(fields)
    if method == "GET":
        return Outgoing("GET", f"{url}{'&' if '?' in url else '?'}{encoded}", headers)
    return Outgoing(
        method, url, {"Content-Type": "application/x-www-form-urlencoded", **headers}, encoded.encode()
    )


def json_post(url: str, value: object, headers: Mapping[str, str] = NO_HEADERS) -> Outgoing:
    """Return a value as a posted JSON body."""
    return Outgoing("POST", url, {"Content-Type": "application/json", **headers}, msgspec.json.encode(value))


def multipart(url: str, fields: Mapping[str, str]) -> Outgoing:
    """Return fields as a form in parts (RFC 7578)."""
    boundary = sha256(repr(sorted(fields.items())).encode()).hexdigest()[:32]
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return Outgoing("POST", url, headers, f"{parts}--{boundary}--\r\n".encode())


class Outbox:
    """The one HTTP client. `home` is Kaskad's own address, "" where nobody told it."""

    def __init__(self, world: World, home: str) -> None:
        self._world = world
        self.home = home
        self._client = Client(TIMEOUT_S)
        self._held: dict[str, asyncio.Event] = {}

    async def call(self, request: Outgoing) -> Answer:
        """Return the answer; NOTHING where there is none. A redirect is not followed."""
        return await self._client.send(request)

    async def visit(
        self, phone: Phone, url: str, method: str = "GET", agent: str = BROWSER, ip: str = "", body: str = ""
    ) -> Answer:
        """Call an address as a person's program does; NOTHING, uncalled, where it is outside."""
        if not self.reaches(url):
            return NOTHING
        headers = {"User-Agent": agent, "X-Forwarded-For": ip or phone.ip}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return await self.call(Outgoing(method, url, headers, body.encode()))

    def reaches(self, url: str) -> bool:
        """Return whether people may call this address."""
        try:
            parts, home = urlsplit(url), urlsplit(self.home)
            host = parts.hostname or ""
            if parts.scheme not in ("http", "https") or not host:
                return False
            if self.home and (host, parts.port) == (home.hostname, home.port):
                return True
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False

    def report(
        self, services: Sequence[str], build: Callable[[bool], Outgoing], attempts: int = ATTEMPTS
    ) -> None:
        """Send a receipt by itself, repeated until it is answered 2xx; `build(False)` is signed wrongly."""

        async def deliver(good: bool) -> None:
            if good:
                await self.deliver(build(True), attempts)
            else:
                await self.call(build(False))  # refused, as it should be, and not repeated

        self.tell(services, deliver)

    def tell(self, services: Sequence[str], deliver: Callable[[bool], Awaitable[None]]) -> None:
        """Deliver a receipt by itself, however that is done, with what befalls it on its way."""
        self._world.spawn(self._tell(services, deliver))

    async def _tell(self, services: Sequence[str], deliver: Callable[[bool], Awaitable[None]]) -> None:
        fault = self._world.faults.strike(services, RECEIPTS)
        kind = fault.kind if fault else ""
        if kind == "lost":
            return
        if fault is not None and kind == "late":
            await self._world.pace.wait(fault.seconds * 1000)
        if kind == "reorder":
            await self._overtaken(services[0])
        if kind == "bad_signature":
            await deliver(False)
        await deliver(True)
        if kind == "duplicate":
            await deliver(True)
        if kind != "reorder" and (held := self._held.pop(services[0], None)):
            held.set()

    async def _overtaken(self, service: str) -> None:
        held = self._held.setdefault(service, asyncio.Event())
        try:
            await asyncio.wait_for(held.wait(), SWAP_S)
        except TimeoutError:
            self._held.pop(service, None)

    async def deliver(self, request: Outgoing, attempts: int = ATTEMPTS) -> None:
        """Send a request until it is answered 2xx."""
        for attempt in range(attempts):
            if (await self.call(request)).ok:
                return
            await self._world.pace.wait(FIRST_PAUSE_MS * 2**attempt)
        log.warning("a receipt was not taken", attempts=attempts)

    async def close(self) -> None:
        self._client.close()
