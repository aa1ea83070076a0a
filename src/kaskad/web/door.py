"""Connections of the HTTP server: those on which a webhook begins may go to the porter.

The parser and the application wait for a request as long as it takes, and keep whatever comes. Here it is
given a time, and a share of the room for those that are not whole.
"""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kaskad.web.porter.porter import Porter
from kaskad.web.room import FULL, LATE, LINGER_S, Room

STAYS = (
    20  # requests answered here after a connection has come back: its next webhooks may well come back too
)
_BEGINNING = b"POST /hooks/"
MAX_HEAD = 64 * 1024  # bytes of a request's address and headers; the parser would keep as many as come


class Door(HttpToolsProtocol):
    """One connection; `door_of` makes the class for a server."""

    porter: ClassVar[Porter | None]
    room: ClassVar[Room]
    spared: ClassVar[frozenset[bytes]]  # paths of which bodies are not kept in memory
    stays = 0  # answers left to give here: it has been with the porter, who could not take what came …
    first = b""  # … and this is it
    within = False  # a request has begun, and its end has not come
    head = 0  # bytes of what has come of its head, as long as that is not whole
    headed = True
    began_s = 0.0  # since when the request is waited for that is not whole; …
    late: asyncio.TimerHandle | None = None  # … when that has lasted too long
    refused = False
    came = held = 0  # bytes of it, and how many of them count
    body = 0  # bytes of a body in what has just come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # as its own says
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_whole()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        data, self.first = self.first + data, b""
        if not data:
            return
        if data.startswith(_BEGINNING) and self._is_between() and self._hand_over(data):
            self.transport.close()  # our end of it
            return
        self.body = 0
        super().data_received(data)
        if self.within and not self.transport.is_closing():
            self._hold(len(data))
        if not self.headed and not self.refused:
            self.head += len(data)
            if self.head > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response(f"Address and headers have more than {MAX_HEAD:,} bytes.")

    def on_message_begin(self) -> None:
        self.within, self.headed, self.head = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.headed = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.within = False
        self._be_whole()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.stays = max(0, self.stays - 1)
        super().on_response_complete()

    def _await(self) -> None:
        """Begin to wait for a request."""
        self.began_s = self.loop.time()
        self.late = self.loop.call_later(self.room.patience_s, self._look)

    def _look(self) -> None:
        """Refuse what takes too long; who sends waits for us where we read no further."""
        self.late = None
        if self.transport.is_closing():
            return
        now_s = self.loop.time()
        if self.flow.read_paused:
            self.began_s = now_s
        left_s = self.room.left_s(self.began_s, self.came, now_s)
        if left_s <= 0:
            self._refuse(LATE)
        else:
            self.late = self.loop.call_later(left_s, self._look)

    def _hold(self, size: int) -> None:
        """Count what has come of a request that is not whole."""
        if self.late is None:
            self._await()
        self.came += size
        if self.headed and self.url.partition(b"?")[0] in self.spared:
            size -= self.body  # headers may follow it, which the parser keeps
        if self.room.take(self.held, size):
            self.held += size
        else:
            self._refuse(FULL)

    def _be_whole(self) -> None:
        """Wait no longer: the request has come whole, or never will."""
        if self.late is not None:
            self.late.cancel()
            self.late = None
        self.room.leave(self.held)
        self.came = self.held = 0

    def _refuse(self, answer: bytes) -> None:
        """Answer and close, once who sends has had the time to read it; what still comes is not looked at."""
        cycle, mine = self.cycle, self.within and self.headed
        self._be_whole()
        self.refused = True
        if cycle is None or (not cycle.response_started if mine else cycle.response_complete):
            self.transport.write(answer)  # else it has its answer, or another one is under way
        if cycle is not None and mine:
            cycle.disconnected = True
            cycle.message_event.set()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _is_between(self) -> bool:
        """Say whether no request is under way, so that what has come begins one."""
        cycle = self.cycle
        done = cycle is None or (cycle.response_complete and cycle.keep_alive)
        if not done or self.within or self.stays or self.transport.is_closing():
            return False
        return not self.transport.get_write_buffer_size()  # an answer could be mixed with the process' own

    def _hand_over(self, data: bytes) -> bool:
        if self.porter is None:
            return False
        descriptor = self.transport.get_extra_info("socket").fileno()
        return self.porter.take(descriptor, data, self._take_back)

    def _take_back(self, connection: socket.socket, data: bytes) -> None:
        """Go on with a connection that comes back, from any thread."""

        def make() -> Door:
            door = type(self)(self.config, self.server_state, self.app_state, self.loop)
            door.stays, door.first = STAYS, data
            return door

        async def go_on() -> None:
            try:
                _, door = await self.loop.connect_accepted_socket(make, connection)
            except OSError:
                connection.close()  # it has ended meanwhile
                return
            door.data_received(b"")  # unless more has come already, behind it

        def begin() -> None:
            task = self.loop.create_task(go_on())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        connection.setblocking(False)
        try:
            self.loop.call_soon_threadsafe(begin)
        except RuntimeError:  # the server has stopped
            connection.close()


def door_of(given: Porter | None, own: Room, long: frozenset[bytes]) -> type[asyncio.Protocol]:
    """Return the class of a server's connections, which go to this porter if there is one."""

    class Own(Door):
        porter, room, spared = given, own, long

    return Own
