"""Carry mails to mail servers over sessions that are used for many mails each."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import aiosmtplib
from aiosmtplib import (
    SMTPException,
    SMTPHeloError,
    SMTPReadTimeoutError,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.engine.transport.base import built
from kaskad.engine.transport.dialogue import Dialogue
from kaskad.providers.base import Accepted, Account, Outgoing, Provider
from kaskad.providers.smtp import Mail, Reply, Smtp

MAILS_PER_SESSION = 100  # many servers close after as many
IDLE_S = 20.0
DEFAULT_PORT = 587
PREPARE_S = (
    25.0  # from the connection to the server's "go ahead"; with an answer to the mail less than the guard
)
_LOST = (SMTPServerDisconnected, SMTPTimeoutError, SMTPReadTimeoutError, OSError)


class Session:
    """One connection to a mail server, past EHLO, STARTTLS and login."""

    def __init__(self, dialogue: Dialogue, account: Account) -> None:
        self.dialogue = dialogue
        self.account = account
        self.mails = 0
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        return self.dialogue.open and self.mails < MAILS_PER_SESSION


class Mailer:
    """A pool of sessions by account; used from one event loop."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._idle: dict[int, list[Session]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(self, carrying: Provider, outgoing: Outgoing, account: Account) -> Accepted:
        """Return what the mail server took."""
        assert isinstance(carrying, Smtp)
        mail = built(carrying.build_mail, outgoing, account)
        return carrying.read_reply(await self.hand(mail, account))

    async def hand(self, mail: Mail, account: Account, timeout_s: float = 60.0) -> Reply:
        """Return the server's last word on one mail; `timeout_s` bounds each of its answers.

        A session that the server has closed meanwhile is replaced once, before anything was handed over. A
        server that is slow at every answer is given up before somebody takes the mail for lost.
        """
        until = self._loop.time() + PREPARE_S
        session = self._take(account)
        if session is not None:
            try:
                reply = await self._carry(session, mail, until)
            except SendError as error:
                if error.accepted is None:
                    raise
            else:
                if reply.code != 421:
                    return reply
        async with _in_time(until):
            opened = await self._open(account, timeout_s)
        return opened if isinstance(opened, Reply) else await self._carry(opened, mail, until)

    async def close(self) -> None:
        """Close all idle sessions."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pool in self._idle.values():
            for session in pool:
                session.dialogue.close()
        self._idle.clear()

    async def _carry(self, session: Session, mail: Mail, until: float) -> Reply:
        """Carry one mail, and keep the session where it is as good as new."""
        clean = False
        try:
            session.mails += 1
            async with _in_time(until):
                refused = await session.dialogue.prepare(mail)
            reply = refused or await session.dialogue.hand(mail)
            clean = reply.code < 300 or (reply.code != 421 and await session.dialogue.reset())
        finally:
            if clean and session.usable:
                self._keep(session)
            else:
                session.dialogue.close()
        return reply

    def _take(self, account: Account) -> Session | None:
        pool = self._idle.get(account.id)
        while pool:
            session = pool.pop()
            if session.usable and session.account == account:
                return session
            session.dialogue.close()
        return None

    def _keep(self, session: Session) -> None:
        session.idle_since = self._loop.time()
        self._idle.setdefault(session.account.id, []).append(session)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(IDLE_S, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle too long."""
        old = self._loop.time() - IDLE_S
        for pool in self._idle.values():
            for session in [session for session in pool if session.idle_since <= old]:
                pool.remove(session)
                session.dialogue.close()
        left = any(self._idle.values())
        self._sweeper = self._loop.call_later(IDLE_S, self._sweep) if left else None

    async def _open(self, account: Account, timeout_s: float) -> Session | Reply:
        """Return a new session, or the reply by which the server refused it."""
        try:
            client = self._client(account, timeout_s)
            await client.connect()
            await _greet(client)
        except asyncio.CancelledError:
            client.close()
            raise
        except SMTPResponseException as refusal:  # at the greeting, EHLO, STARTTLS or login
            return Reply(refusal.code, refusal.message)
        except ValueError as error:
            raise SendError(Reason.AUTH, f"account {account.name!r}: {error}") from error
        except _LOST as error:
            where = f"{account['host']}:{account['port'] or DEFAULT_PORT}"
            detail = f"could not connect to the mail server at {where}: {_why(error)}"
            raise SendError(Reason.TRANSIENT, detail) from error
        except SMTPException as error:  # no STARTTLS or no login there
            detail = f"the mail server lacks what the account asks for ({type(error).__name__})"
            raise SendError(Reason.AUTH, detail) from error
        if client.transport is None:
            raise SendError(Reason.TRANSIENT, "the mail server was lost right after its greeting")
        transport = cast(asyncio.Transport, client.transport)
        pipelining = client.supports_extension("pipelining")
        dialogue = Dialogue(transport, pipelining=pipelining, timeout_s=timeout_s)
        transport.set_protocol(dialogue)
        return Session(dialogue, account)

    def _client(self, account: Account, timeout_s: float) -> aiosmtplib.SMTP:
        security = account["security"] or "starttls"
        if security not in ("starttls", "tls", "none"):
            raise ValueError("security must be starttls, tls or none")
        return aiosmtplib.SMTP(
            hostname=account["host"],
            port=int(account["port"] or DEFAULT_PORT),
            username=account["user"] or None,
            password=account["password"] or None,
            timeout=timeout_s,
            use_tls=security == "tls",
            start_tls=security == "starttls",
            tls_context=self._tls if security != "none" else None,
        )


@asynccontextmanager
async def _in_time(until: float) -> AsyncIterator[None]:
    """Raise SendError where what comes before the mail itself is not over by then."""
    try:
        async with asyncio.timeout_at(until):
            yield
    except TimeoutError as error:
        raise SendError(Reason.TRANSIENT, "the mail server was too slow to take the mail") from error


def _why(error: BaseException) -> str:
    """Return what the system says of a connection that failed; aiosmtplib names the address again."""
    while not (isinstance(error, OSError) and error.strerror) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return type(error).__name__


async def _greet(client: aiosmtplib.SMTP) -> None:
    """Say EHLO where neither encryption nor login has; HELO to a server that knows no EHLO."""
    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except SMTPHeloError:
            await client.helo()
