"""HTTP/1.1 as a client, for the many small requests of a sandbox: a tenth of the time of a full library.

No redirects, no proxies, no cookies. Connections are kept and used again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import httptools
from msgspec import Struct

AT_ONCE = 100
CHUNK = 65_536
_SAFE = "/%?&=+,;:@!$'()*~[]"


class Outgoing(Struct, frozen=True):
    """One request of ours."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Answer(Struct, frozen=True):
    """What came back; status 0: nothing did."""

    status: int
    body: bytes = b""
    location: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


NOTHING = Answer(0)
Place = tuple[str, str, int]  # scheme, host, port


class Client:
    """Sends requests; what a connection's end breaks is tried once more on a new one."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._idle: dict[Place, list[_Connection]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def send(self, request: Outgoing) -> Answer:
        """Return the answer; NOTHING where there is none in time."""
        try:
            place, head = _place(request.url), _head(request)
        except ValueError:
            return NOTHING
        async with self._room:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._exchange(place, head + request.body, request.method == "HEAD")
            except (OSError, TimeoutError, EOFError, httptools.HttpParserError):
                return NOTHING

    async def _exchange(self, place: Place, data: bytes, headless: bool) -> Answer:
        idle = self._idle.setdefault(place, [])
        while idle:
            connection = idle.pop()
            try:
                return await self._use(connection, place, data, headless)
            except (OSError, EOFError):  # the other side had closed it meanwhile
                continue
        connection = await _Connection.opened(place)
        return await self._use(connection, place, data, headless)

    async def _use(self, connection: _Connection, place: Place, data: bytes, headless: bool) -> Answer:
        try:
            answer, again = await connection.exchange(data, headless)
        except BaseException:
            connection.close()
            raise
        if again:
            self._idle[place].append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close what is kept."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def opened(cls, place: Place) -> _Connection:
        scheme, host, port = place
        return cls(*await asyncio.open_connection(host, port, ssl=True if scheme == "https" else None))

    async def exchange(self, data: bytes, headless: bool) -> tuple[Answer, bool]:
        """Return the answer, and whether the connection can be used again; raises EOFError."""
        self._writer.write(data)
        heard = _Heard(headless)
        parser = heard.parser = httptools.HttpResponseParser(heard)
        while not heard.done:
            piece = await self._reader.read(CHUNK)
            if not piece:
                if heard.whole_at_end:
                    break
                raise EOFError
            parser.feed_data(piece)
        answer = Answer(parser.get_status_code(), b"".join(heard.body), heard.headers.get("location", ""))
        return answer, heard.keeps and not headless

    def close(self) -> None:
        self._writer.close()


class _Heard:
    """What the parser tells while an answer comes in."""

    def __init__(self, headless: bool) -> None:
        self._headless = headless
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.done = False
        self.keeps = False  # the other side takes another request
        self.parser: httptools.HttpResponseParser | None = None
        self.whole_at_end = False  # a body without a length ends with the connection

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.whole_at_end = not {"content-length", "transfer-encoding"} & self.headers.keys()
        if self._headless:
            self.done = True

    def on_body(self, piece: bytes) -> None:
        self.body.append(piece)

    def on_message_complete(self) -> None:
        self.done = True
        self.keeps = self.parser is not None and self.parser.should_keep_alive()  # is told here only


def _place(url: str) -> Place:
    """Return where an address leads; raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{parts.scheme!r} is not spoken here")
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _head(request: Outgoing) -> bytes:
    """Return the first lines of a request; raises ValueError for what would break them."""
    parts = urlsplit(request.url)
    target = quote(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", safe=_SAFE)
    headers = {"Host": parts.netloc, "Accept": "*/*", **request.headers}
    if request.body or request.method == "POST":
        headers["Content-Length"] = str(len(request.body))
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break where there may be none")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
