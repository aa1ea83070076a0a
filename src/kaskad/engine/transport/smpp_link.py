"""One SMPP connection: requests and their answers by sequence number, and what the centre asks of us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import cast

from kaskad.providers.smpp_pdu import (
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    OK,
    RESPONSE,
    UNBIND,
    Pdu,
    of_c_string,
    take,
)

UNKNOWN_COMMAND = 0x03  # ESME_RINVCMDID
DRAIN_S = 5.0  # in which answers may still come after the centre has taken its leave


class Lost(Exception):
    """The connection ended before the answer."""


class Link(asyncio.Protocol):
    """A connection to a centre. `on_report` gets each deliver_sm and data_sm, and answers it in its time."""

    def __init__(self, on_report: Callable[[Link, Pdu], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_report = on_report
        self._buffer = bytearray()
        self._waiting: dict[int, asyncio.Future[Pdu]] = {}
        self._numbers = count(1)
        self._transport: asyncio.Transport | None = None
        self.heard_at = self._loop.time()
        self.over: asyncio.Future[None] = self._loop.create_future()  # nothing more may be asked over it

    def request(self, command: int, body: bytes = b"") -> asyncio.Future[Pdu]:
        """Write a request, and return what ends with its answer, or with Lost."""
        future: asyncio.Future[Pdu] = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            future.set_exception(Lost())
            return future
        sequence = next(self._numbers) & 0x7FFFFFFF or next(self._numbers) & 0x7FFFFFFF
        self._waiting[sequence] = future
        self._transport.write(Pdu(command, OK, sequence, body).octets())
        return future

    def answer(self, asked: Pdu, status: int = OK) -> None:
        """Answer what the centre has asked; nothing where the connection is gone."""
        if self._transport is not None and not self._transport.is_closing():
            body = of_c_string("") if asked.command in (DELIVER_SM, DATA_SM) else b""
            self._transport.write(Pdu(asked.command | RESPONSE, status, asked.sequence, body).octets())

    @property
    def pending(self) -> bool:
        """Say whether an answer is still to come."""
        return any(not future.done() for future in self._waiting.values())

    def close(self) -> None:
        """End the connection once what was written has left."""
        self._end()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self._buffer += data
        try:
            pdus = take(self._buffer)
        except ValueError:
            self.abort()
            return
        for pdu in pdus:
            self._take(pdu)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Lost())

    def _take(self, pdu: Pdu) -> None:
        if pdu.command & RESPONSE:
            future = self._waiting.pop(pdu.sequence, None)
            if future is not None and not future.done():
                future.set_result(pdu)
        elif pdu.command in (DELIVER_SM, DATA_SM):
            self._on_report(self, pdu)
        elif pdu.command == ENQUIRE_LINK:
            self.answer(pdu)
        elif pdu.command == UNBIND:
            self.answer(pdu)
            self._end()
            self._loop.call_later(DRAIN_S if self.pending else 0.0, self.close)
        else:  # generic_nack, under which the request's own number comes back
            self.answer(Pdu(RESPONSE, sequence=pdu.sequence), UNKNOWN_COMMAND)

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
