"""Connections of the HTTP server: those on which a webhook begins may go to the porter."""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kaskad.web.porter.porter import Porter

STAYS = (
    20  # requests answered here after a connection has come back: its next webhooks may well come back too
)
_BEGINNING = b"POST /hooks/"
MAX_HEAD = 64 * 1024  # bytes of a request's address and headers; the parser would keep as many as come


class Door(HttpToolsProtocol):
    """One connection; `door_of` makes the class for a porter."""

    porter: ClassVar[Porter]
    stays = 0  # answers left to give here: it has been with the porter, who could not take what came …
    first = b""  # … and this is it
    within = False  # a request has begun, and its end has not come
    head = 0  # bytes of what has come of its head, as long as that is not whole
    headed = True

    def data_received(self, data: bytes) -> None:
        data, self.first = self.first + data, b""
        if not data:
            return
        if data.startswith(_BEGINNING) and self._is_between() and self._hand_over(data):
            self.transport.close()  # our end of it
            return
        super().data_received(data)
        if not self.headed:
            self.head += len(data)
            if self.head > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response(f"Address and headers have more than {MAX_HEAD:,} bytes.")

    def on_message_begin(self) -> None:
        self.within, self.headed, self.head = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.headed = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.within = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.stays = max(0, self.stays - 1)
        super().on_response_complete()

    def _is_between(self) -> bool:
        """Say whether no request is under way, so that what has come begins one."""
        cycle = self.cycle
        done = cycle is None or (cycle.response_complete and cycle.keep_alive)
        if not done or self.within or self.stays or self.transport.is_closing():
            return False
        return not self.transport.get_write_buffer_size()  # an answer could be mixed with the process' own

    def _hand_over(self, data: bytes) -> bool:
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


def door_of(given: Porter) -> type[asyncio.Protocol]:
    """Return the class of connections that go to this porter."""

    class Own(Door):
        porter = given

    return Own
