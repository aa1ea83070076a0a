"""Send one HTTP request, and tell what is certain about it when no answer comes.

A small HTTP/1.1 client of our own over asyncio and httptools: side by side a request cost a sixth of
aiohttp's CPU and a third of pyreqwest's, and it knows exactly whether a byte of the request has left,
which decides between another attempt and "unknown". No redirects, cookies, compression or pipelining.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import cast
from urllib.parse import urlsplit

import httptools
from msgspec import Struct
from msgspec.structs import replace

from kaskad.domain.errors import SendError
from kaskad.domain.inside import EVERYTHING, Inside
from kaskad.domain.terms import Reason
from kaskad.providers.base import Request, Response

CONNECT_S = 10.0
IDLE_S = 4.0  # common servers close idle connections after 5 s; a request lost in that race is unknown
SWEEP_S = 0.1  # how exactly time-outs are kept
MAX_ANSWER = 4 << 20
ADDRESS_S = 30.0


class Target(Struct, frozen=True):
    """Where a URL leads."""

    host: str
    port: int
    tls: bool
    path: str
    authority: str
    roots: str = ""  # of `Request.roots`


@lru_cache(maxsize=4096)
def target(url: str) -> Target:
    """Return where `url` leads; raises SendError, a configuration error, for what is no plain HTTP URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc or not _clean(url):
        raise SendError(Reason.AUTH, "the provider's URL is not a valid http(s) URL")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port or (443 if tls else 80), tls, path, parts.netloc)


def _clean(url: str) -> bool:
    return url.isascii() and all(33 <= ord(sign) <= 126 for sign in url)


def wire(request: Request, where: Target) -> bytes:
    """Return the bytes of a request; raises SendError where a header would break out of its line."""
    lines = [f"{request.method} {where.path} HTTP/1.1", f"Host: {where.authority}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines.append(f"Content-Length: {len(request.body)}\r\n\r\n")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
        raise SendError(Reason.CONTENT, "a header value contains a line break")
    try:
        return head.encode("latin-1") + request.body
    except UnicodeEncodeError:
        raise SendError(Reason.CONTENT, "a header value contains a letter that HTTP can't carry") from None


class Headers(Mapping[str, str]):
    """The headers of an answer by lower-case name; read only when somebody asks, which is rare."""

    __slots__ = ("_pairs", "_read")

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs
        self._read: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._read is None:
            self._read = {n.decode("latin-1").lower(): value.decode("latin-1") for n, value in self._pairs}
        return self._read

    def __getitem__(self, name: str) -> str:
        return self._all()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


class Connection(asyncio.Protocol):
    """One connection; carries one request at a time, and returns to the pool when its answer is whole."""

    def __init__(self, http: Http, where: Target) -> None:
        self._http = http
        self.key = (where.host, where.port, where.tls, where.roots)
        self.deadline = 0.0
        self.idle_since = 0.0
        self._answer: asyncio.Future[Response] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._status = 0  # of an answer whose head is whole
        self._whole = self._keep = self._surplus = False

    def ask(self, data: bytes, deadline: float) -> asyncio.Future[Response]:
        """Send a request; the future ends with the answer, or with SendError (unknown)."""
        self.deadline = deadline
        self._answer = answer = self._http.loop.create_future()
        self._http.busy.add(self)
        self.transport.write(data)
        return answer

    def fail(self, detail: str) -> None:
        """End the request under way as unknown, and the connection."""
        self._http.busy.discard(self)
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(SendError(Reason.AMBIGUOUS, detail, accepted=None))
        self.transport.abort()

    @property
    def usable(self) -> bool:
        return not self.transport.is_closing()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.transport.abort()  # nobody asked: what follows could not be told from an answer
            return
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self.fail("the answer is too long")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:  # also an upgrade, which nobody asked for
            if not self._whole:
                self.fail("the answer is not HTTP")
                return
            self._surplus = True
        if self._whole:
            self._finish(self._keep and not self._surplus)

    def eof_received(self) -> bool:
        if self._answer is not None and self._status:
            names = {name.lower() for name, _ in self._headers}
            if names.isdisjoint((b"content-length", b"transfer-encoding")):
                self._finish(keep=False)  # an answer without length ends with the connection
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._http.forget(self)
        if self._answer is not None:
            self.fail("the connection was lost before the answer")

    def _finish(self, keep: bool) -> None:
        answer, self._answer = self._answer, None
        self._http.busy.discard(self)
        if answer is not None and not answer.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            answer.set_result(Response(self._status, Headers(self._headers), body))
        self._reset()
        if keep and self.usable:
            self._http.keep(self)
        else:
            self.transport.close()

    # What the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._whole:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._whole:
            self._surplus = True  # a second answer to one request: this connection can't be trusted
            return
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if not self._whole:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._whole:
            return
        if 100 <= self._status < 200:
            self._reset()  # an interim answer: the real one follows
        else:
            self._whole, self._keep = True, self._parser.should_keep_alive()


class Http:
    """A pool of connections on one event loop.

    Of addresses that are private, local or reserved only those are called that `inside` opens, and the
    address that was looked at is the one connected to.
    """

    def __init__(self, *, inside: Inside = EVERYTHING, tls: ssl.SSLContext | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.busy: set[Connection] = set()
        self._inside = inside
        self._tls = tls
        self._more_roots: dict[str, ssl.SSLContext] = {}  # by the file that has them
        self._idle: dict[tuple[str, int, bool, str], list[Connection]] = {}
        self._addresses: dict[tuple[str, int], tuple[float, list[str]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[list[str]]] = {}
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)

    async def post(self, request: Request, timeout_s: float = 30.0) -> Response:
        """Return the answer, of any status, to one request within `timeout_s`.

        Raises SendError: `accepted` False while nothing has left, None from the first byte on.
        """
        where = target(request.url)
        if request.roots:
            where = replace(where, roots=request.roots)
        data = wire(request, where)
        deadline = self.loop.time() + timeout_s
        connection = self._take(where) or await self._connect(where, deadline)
        try:
            return await connection.ask(data, deadline)
        except asyncio.CancelledError:
            connection.fail("we stopped waiting")
            raise

    def close(self) -> None:
        """End all connections; requests under way end as unknown."""
        self._sweeper.cancel()
        for asking in self._asking.values():
            asking.cancel()
        for connection in [*self.busy]:
            connection.fail("we stopped before the answer")
        for pool in [*self._idle.values()]:
            for connection in [*pool]:
                connection.transport.abort()

    def keep(self, connection: Connection) -> None:
        """Put a connection that has just answered back into the pool."""
        connection.idle_since = self.loop.time()
        self._idle.setdefault(connection.key, []).append(connection)

    def forget(self, connection: Connection) -> None:
        """Take a connection that was lost out of the pool."""
        pool = self._idle.get(connection.key, [])
        if connection in pool:
            pool.remove(connection)

    def _take(self, where: Target) -> Connection | None:
        """Return the connection used last; it is the least likely to be closed at the other end."""
        pool = self._idle.get((where.host, where.port, where.tls, where.roots))
        while pool:
            connection = pool.pop()
            if connection.usable and self.loop.time() - connection.idle_since < IDLE_S:
                return connection
            connection.transport.abort()
        return None

    async def _connect(self, where: Target, deadline: float) -> Connection:
        try:
            async with asyncio.timeout_at(min(deadline, self.loop.time() + CONNECT_S)):
                return await self._connect_any(where)
        except TimeoutError:
            detail = "could not connect in time"
        except ssl.SSLError as error:
            detail = f"no secure connection: {getattr(error, 'verify_message', '') or error.reason}"
        except OSError as error:  # refused, unreachable, unknown name
            detail = f"could not connect: {error.strerror or type(error).__name__}"
        self._addresses.pop((where.host, where.port), None)
        raise SendError(Reason.TRANSIENT, detail)

    async def _connect_any(self, where: Target) -> Connection:
        tls = self._context(where.roots) if where.tls else None
        addresses = await self._resolve(where.host, where.port)
        for address in addresses:
            try:
                _, connection = await self.loop.create_connection(
                    lambda: Connection(self, where),
                    address,
                    where.port,
                    ssl=tls,
                    server_hostname=where.host if tls else None,
                )
            except ssl.SSLError:
                raise
            except OSError:
                if address == addresses[-1]:
                    raise
            else:
                return connection
        raise OSError(None, "the name has no address")

    async def _resolve(self, host: str, port: int) -> list[str]:
        """Return up to three addresses of a host, kept for half a minute; all must be open to us.

        Each host is asked about once at a time: the threads that ask are few, and a name server that does not
        answer would take them from the hosts of other accounts. Where it fails the old addresses are good.
        """
        key = (host, port)
        known = self._addresses.get(key)
        if known and known[0] > self.loop.time():
            return known[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = self.loop.create_task(self._look_up(host, port))
            asking.add_done_callback(partial(self._asked, key))
        try:
            return await asyncio.shield(asking)
        except OSError:
            if known:
                return known[1]
            raise

    def _asked(self, key: tuple[str, int], ended: asyncio.Task[list[str]]) -> None:
        del self._asking[key]
        if not ended.cancelled():
            ended.exception()  # seen, also where nobody waits for it any more

    async def _look_up(self, host: str, port: int) -> list[str]:
        found = await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._inside.opens(host, addresses):
            detail = "the URL leads to a private address that private_webhooks does not open"
            raise SendError(Reason.AUTH, detail)
        self._addresses[host, port] = (self.loop.time() + ADDRESS_S, addresses[:3])
        return addresses[:3]

    def _context(self, roots: str) -> ssl.SSLContext:
        if roots:
            known = self._more_roots.get(roots)
            if known is None:
                known = self._more_roots[roots] = _trusting(roots)
            return known
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _sweep(self) -> None:
        """End what is over its time; close what has been idle too long."""
        now = self.loop.time()
        for connection in [c for c in self.busy if c.deadline <= now]:
            connection.fail("no answer in time")
        for pool in self._idle.values():
            for connection in [c for c in pool if now - c.idle_since >= IDLE_S]:
                connection.transport.abort()
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)


def _trusting(roots: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a file too; raises SendError where it has none."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(roots)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or type(error).__name__
        raise SendError(Reason.AUTH, f"the certificates in {roots} cannot be read: {why}") from None
    return context
