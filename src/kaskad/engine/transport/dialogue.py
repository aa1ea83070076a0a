"""Mails over one SMTP session that is past its greeting, encryption and login.

Of our own: aiosmtplib, which opens the sessions, cannot pipeline, and takes 0.7 ms of a mail of 25 kB where
this takes 0.1. The three commands of a mail go together where the server allows it (RFC 2920).
"""

from __future__ import annotations

import asyncio
from collections import deque

from msgspec.structs import replace

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.providers.smtp import Mail, Reply

MAX_REPLY = 65_536
_RCPT = 1  # its place among the commands of a mail


class Lost(Exception):
    """The server has gone, is silent, or says what is no SMTP."""


class Dialogue(asyncio.Protocol):
    """Takes the connection over with `transport.set_protocol`; carries one mail at a time."""

    def __init__(self, transport: asyncio.Transport, *, pipelining: bool, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._pipelining = pipelining
        self._timeout_s = timeout_s  # of each answer
        self._got = b""
        self._lines: list[str] = []  # of a reply that is not whole
        self._replies: deque[Reply] = deque()
        self._awaited = 0  # replies to commands that have been written
        self._waiter: asyncio.Future[None] | None = None

    async def prepare(self, mail: Mail) -> Reply | None:
        """Return why the server will not have the mail; None: it waits for it.

        Raises SendError where it is lost, which proves that nothing was accepted.
        """
        try:
            return await self._prepare(mail)
        except Lost as error:
            detail = "the mail server was lost before the mail was handed over"
            raise SendError(Reason.TRANSIENT, detail) from error

    async def hand(self, mail: Mail) -> Reply:
        """Return the word on a mail that the server waits for; raises SendError (unknown) if it is lost."""
        try:
            reply = await self._ask(mail.content.replace(b"\r\n.", b"\r\n.."), b".\r\n")
            return replace(reply, to_person=True)
        except Lost as error:
            detail = "the mail server was lost before it confirmed the mail"
            raise SendError(Reason.AMBIGUOUS, detail, accepted=None) from error

    async def reset(self) -> bool:
        """Return whether the session is as good as new after a refusal."""
        try:
            return (await self._ask(b"RSET\r\n")).code == 250
        except Lost:
            return False

    @property
    def open(self) -> bool:
        return not self._transport.is_closing()

    def close(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    async def _prepare(self, mail: Mail) -> Reply | None:
        """Return why the server will not have the mail; None: it waits for its content."""
        commands = (f"MAIL FROM:<{mail.sender}>\r\n", f"RCPT TO:<{mail.to}>\r\n", "DATA\r\n")
        if not self._pipelining:
            for number, command in enumerate(commands):
                reply = await self._ask(command.encode("ascii"))
                if reply.code >= 400 or reply.code < 200:
                    return replace(reply, to_person=number == _RCPT)
            return None
        self._write("".join(commands).encode("ascii"), len(commands))
        replies: list[Reply] = []
        try:
            for number in range(len(commands)):
                replies.append(replace(await self._read(), to_person=number == _RCPT))
        except Lost:
            if not replies or replies[-1].code < 400:
                raise
            return replies[-1]  # such as 421, after which a server says nothing more
        refused = next((reply for reply in replies if reply.code >= 400 or reply.code < 200), None)
        if refused is not None and replies[-1].code == 354:  # it wants a mail for nobody (RFC 2920, 3.1)
            await self._ask(b".\r\n")
        return refused

    async def _ask(self, *data: bytes) -> Reply:
        self._write(b"".join(data), 1)
        return await self._read()

    def _write(self, data: bytes, replies: int) -> None:
        if self._transport.is_closing():
            raise Lost
        self._awaited += replies
        self._transport.write(data)

    async def _read(self) -> Reply:
        """Return the next reply; a server that is late has lost its connection."""
        if not self._replies:
            if self._transport.is_closing():
                raise Lost
            self._waiter = self._loop.create_future()
            late = self._loop.call_later(self._timeout_s, self._transport.abort)
            try:
                await self._waiter
            except asyncio.CancelledError:
                self._transport.abort()
                raise
            finally:
                late.cancel()
                self._waiter = None
            if not self._replies:
                raise Lost
        self._awaited -= 1
        return self._replies.popleft()

    # What the event loop calls

    def data_received(self, data: bytes) -> None:
        *lines, self._got = (self._got + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            self._lines.append(text[4:].strip())
            if text[3:4] != "-":
                code = text[:3]
                if not (code.isascii() and code.isdigit()):
                    self._transport.abort()
                    break
                self._replies.append(Reply(int(code), "\n".join(self._lines)))
                self._lines = []
        if len(self._replies) > self._awaited or len(self._got) > MAX_REPLY or len(self._lines) > 1_000:
            self._transport.abort()  # it answers what nobody asked: its next answers could not be told apart
        if self._replies:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
