"""Carry SMS over standing SMPP sessions, one an account, and hear receipts and replies on them.

A client of our own: a report may be answered only once it is durable, and of each submission it must be
certain whether it has left, which the libraries do not tell. The window is the account's concurrency.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from functools import partial

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.engine.transport.base import Ears, built
from kaskad.engine.transport.smpp_link import Link, Lost
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.base import Accepted, Account, Inbound, Outgoing, Provider, Receipt
from kaskad.providers.smpp import Segment, Smpp, joined, unreadable
from kaskad.providers.smpp_pdu import (
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    ENQUIRE_LINK,
    OK,
    SUBMIT_SM,
    UNBIND,
    Message,
    Pdu,
)

log = get_logger(__name__)

CONNECT_S = 10.0
WAIT_S = 10.0  # of a message for a session that is being opened
BACKOFF_S = (1.0, 5.0, 15.0, 60.0)  # between attempts to bind
STEADY_S = 5.0  # a session that ends sooner counts as a failed attempt
ENQUIRE_S = 30.0  # of silence, before the centre is asked whether it is there
ANSWER_S = 15.0
HOLD_S = 3.0  # for the other parts of a long message from a person
PAUSES_MS = (1000, 2000, 4000, 8000, 16_000)  # after the centre has said that it is too much
TRIES = 4  # of a later part that is too much: its message has begun, so it cannot wait elsewhere
TRY_AGAIN_LATER = 0x64  # ESME_RX_T_APPN: the centre keeps the report and tells it again


class ShortMessages:
    """The sessions of all accounts; used from one event loop."""

    def __init__(self, timeout_s: float, *, tls: ssl.SSLContext | None = None) -> None:
        self._timeout_s = timeout_s
        self._tls = tls
        self._lines: dict[int, _Line] = {}
        self._ending: dict[int, asyncio.Task[None]] = {}

    async def send(self, carrying: Provider, outgoing: Outgoing, account: Account) -> Accepted:
        """Return the ids under which the centre has taken a message; raises SendError."""
        assert isinstance(carrying, Smpp)
        parts = built(carrying.build_parts, outgoing, account)
        line = self._lines.get(account.id)
        if line is None or line.account != account:
            line = self._open(account, None)  # nobody listens, or the account has changed this very moment
        return await line.send(parts)

    def follow(self, accounts: Mapping[int, Account], ears: Ears) -> None:
        """Keep sessions for these accounts, on which the centre's reports are heard."""
        for account_id, line in list(self._lines.items()):
            if accounts.get(account_id) != line.account:
                self._end(account_id)
        for account_id, account in accounts.items():
            known = self._lines.get(account_id)
            if known is None or known.ears is None:
                self._open(account, ears)

    async def close(self) -> None:
        """Take leave of all centres."""
        for account_id in list(self._lines):
            self._end(account_id)
        await asyncio.gather(*self._ending.values(), return_exceptions=True)

    def _open(self, account: Account, ears: Ears | None) -> _Line:
        before = self._end(account.id) if account.id in self._lines else self._ending.get(account.id)
        line = self._lines[account.id] = _Line(account, ears, self._timeout_s, self._tls, before)
        return line

    def _end(self, account_id: int) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._lines.pop(account_id).end())
        self._ending[account_id] = task
        task.add_done_callback(partial(self._ended, account_id))
        return task

    def _ended(self, account_id: int, task: asyncio.Task[None]) -> None:
        if self._ending.get(account_id) is task:
            del self._ending[account_id]


class _Line:
    """The session of one account: opened, tended, and opened again when it has ended.

    Without `ears` it only sends: a centre then keeps its reports, or gives them to another session.
    """

    def __init__(
        self, account: Account, ears: Ears | None, timeout_s: float, tls: ssl.SSLContext | None,
        before: asyncio.Task[None] | None,
    ) -> None:  # fmt: skip
        self.account, self.ears = account, ears
        carrying = provider(account.provider)
        assert isinstance(carrying, Smpp)
        self._carrying = carrying
        self._timeout_s, self._tls = timeout_s, tls
        self._loop = asyncio.get_running_loop()
        self._bound: asyncio.Future[Link] = self._loop.create_future()
        self._refusal: SendError | None = None
        self._segments: dict[tuple[str, str, int, int], list[tuple[Segment, Link, Pdu]]] = {}
        self._pause = 0  # of PAUSES_MS, the next
        self._calm_at = 0.0
        self._task = self._loop.create_task(self._keep(before))

    async def send(self, parts: Sequence[Message]) -> Accepted:
        """Submit the parts in their order; raises SendError, unknown where only some of them were taken."""
        ids: list[str] = []
        for number, part in enumerate(parts, 1):
            try:
                ids.append(await self._persist(part) if ids else await self._submit(part))
            except SendError as error:
                raise _partly(error, number, len(parts)) if ids else error from None
        return Accepted(ids[0], parts=tuple(ids) if len(ids) > 1 else ())

    async def end(self) -> None:
        """Take leave of the centre, after the answers that are still to come."""
        self._task.cancel()
        link = self._link()
        if link is None:
            return
        try:
            async with asyncio.timeout(1.0):
                while link.pending:
                    await asyncio.sleep(0.02)
                await link.request(UNBIND)
        except (TimeoutError, Lost):
            pass
        link.close()

    # Sending

    async def _persist(self, part: Message) -> str:
        for _ in range(TRIES - 1):
            try:
                return await self._submit(part)
            except SendError as error:
                if error.reason is not Reason.RATE_LIMITED:
                    raise
                await asyncio.sleep((error.retry_after_ms or 1000) / 1000)
        return await self._submit(part)

    async def _submit(self, part: Message) -> str:
        """Return the id of one part; raises SendError."""
        link = await self._ready()
        answer = link.request(SUBMIT_SM, part.octets())
        try:
            async with asyncio.timeout(self._timeout_s):
                pdu = await answer
        except (TimeoutError, Lost) as error:
            detail = f"the SMS centre did not answer ({type(error).__name__})"
            raise SendError(Reason.AMBIGUOUS, detail, accepted=None) from None
        try:
            identity = self._carrying.read_submitted(pdu, self.account)
        except SendError as error:
            if error.reason is Reason.RATE_LIMITED:
                error.retry_after_ms = self._too_much()
            raise
        if self._pause and self._loop.time() > self._calm_at:
            self._pause = 0
        return identity

    def _too_much(self) -> int:
        """Return how long to pause: longer each time that it was too much again after a pause."""
        now = self._loop.time()
        if now >= self._calm_at:
            pause = PAUSES_MS[min(self._pause, len(PAUSES_MS) - 1)]
            self._pause += 1
            self._calm_at = now + pause / 1000
            return pause
        return max(1, round((self._calm_at - now) * 1000))

    async def _ready(self) -> Link:
        """Return the session; raises SendError where there is none in good time: nothing has left then."""
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    link = await asyncio.shield(self._bound)
                    if not link.over.done():
                        return link
                    await asyncio.sleep(0)  # the line takes note of its end, and opens another
        except TimeoutError:
            raise self._refusal or SendError(
                Reason.TRANSIENT, "there is no session with the SMS centre"
            ) from None
        except asyncio.CancelledError:
            raise SendError(Reason.TRANSIENT, "we stopped before it was sent") from None

    # The session

    def _link(self) -> Link | None:
        if self._bound.done() and not self._bound.cancelled() and self._bound.exception() is None:
            return self._bound.result()
        return None

    async def _keep(self, before: asyncio.Task[None] | None) -> None:
        """Keep a session open; many centres allow one, so the one before ends first."""
        if before is not None:
            await asyncio.wait([before])
        failures = 0
        while True:
            try:
                link = await self._open()
            except SendError as error:
                self._refuse(error)
            else:
                self._refusal = None
                self._note("")
                self._bound.set_result(link)
                began = self._loop.time()
                await self._tend(link)
                self._bound = self._loop.create_future()
                if self._loop.time() - began > STEADY_S:
                    failures = 0
                    continue
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    def _refuse(self, error: SendError) -> None:
        """Tell those who wait for the session, and whoever looks, that it cannot be opened."""
        self._refusal = error
        self._note(error.detail)
        if error.reason is Reason.AUTH:
            self._bound.set_exception(error)
            self._bound.exception()  # whether somebody waits or not
            self._bound = self._loop.create_future()

    def _note(self, why: str) -> None:
        if self.ears is not None:
            self.ears.note(self.account, why)

    async def _open(self) -> Link:
        """Return a bound session; raises SendError."""
        account = self.account
        tls = None if account["security"] != "tls" else self._tls or ssl.create_default_context()
        link = Link(self._reported)
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._loop.create_connection(
                    lambda: link, account["host"], int(account["port"] or 2775), ssl=tls
                )
                command = BIND_TRANSMITTER if self.ears is None else BIND_TRANSCEIVER
                answer = await link.request(command, self._carrying.bind(account).octets())
        except (OSError, TimeoutError, Lost) as error:
            link.abort()
            detail = f"no session with the SMS centre ({type(error).__name__})"
            raise SendError(Reason.TRANSIENT, detail) from None
        except (ValueError, asyncio.CancelledError) as error:
            link.abort()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise SendError(Reason.AUTH, f"account {account.name!r}: {error}") from None
        if answer.status != OK:
            link.close()
            raise self._carrying.bind_error(answer.status, account)
        return link

    async def _tend(self, link: Link) -> None:
        """Return when the session is over; a centre that is silent too long is asked, then left."""
        while True:
            await asyncio.wait([link.over], timeout=ENQUIRE_S)
            if link.over.done():
                return
            if self._loop.time() - link.heard_at < ENQUIRE_S:
                continue
            try:
                async with asyncio.timeout(ANSWER_S):
                    await link.request(ENQUIRE_LINK)
            except (TimeoutError, Lost):
                link.abort()
                return

    # Reports

    def _reported(self, link: Link, pdu: Pdu) -> None:
        if self.ears is None:
            link.answer(pdu, TRY_AGAIN_LATER)
            return
        try:
            told = self._carrying.read_heard(pdu, self.account)
        except Exception as error:  # also a defect of ours: else the centre tells it again for ever
            if not isinstance(error, ValueError):
                log.error("a report was not read because of a defect", error=type(error).__name__)
            told = unreadable(str(error) if isinstance(error, ValueError) else type(error).__name__)
        if isinstance(told, Segment):
            self._gather(told, link, pdu)
        else:
            self._hear(told, [(link, pdu)])

    def _gather(self, part: Segment, link: Link, pdu: Pdu) -> None:
        """Hold a part until the others are there, or for a while: then what there is goes on alone."""
        held = self._segments.setdefault(part.key, [])
        held.append((part, link, pdu))
        if len({one.number for one, _, _ in held}) == part.key[3]:
            self._join(part.key)
        elif len(held) == 1:
            self._loop.call_later(HOLD_S, self._join, part.key, held)

    def _join(
        self, key: tuple[str, str, int, int], held: list[tuple[Segment, Link, Pdu]] | None = None
    ) -> None:
        if held is not None and self._segments.get(key) is not held:
            return  # they were complete long ago
        found = self._segments.pop(key)
        parts = {part.number: part for part, _, _ in found}
        self._hear(joined(list(parts.values()), self.account), [(link, pdu) for _, link, pdu in found])

    def _hear(self, told: Receipt | Inbound, asked: Sequence[tuple[Link, Pdu]]) -> None:
        """Answer the centre once what it has told is durable."""
        assert self.ears is not None
        raw = b"".join([pdu.octets() for _, pdu in asked])
        kept = self.ears.hear(self.account, [told], raw)
        kept.add_done_callback(lambda ended: _answer(asked, ended))


def _answer(asked: Sequence[tuple[Link, Pdu]], kept: asyncio.Future[bool]) -> None:
    well = not kept.cancelled() and kept.exception() is None and kept.result()
    for link, pdu in asked:
        link.answer(pdu, OK if well else TRY_AGAIN_LATER)


def _partly(error: SendError, number: int, total: int) -> SendError:
    """Return what it means that a later part was not taken: the earlier ones cannot be taken back."""
    detail = f"part {number} of {total}: {error.detail}"
    again = (Reason.TRANSIENT, Reason.RATE_LIMITED, Reason.AUTH, Reason.AMBIGUOUS)
    if error.reason in again:  # sending all of it again would tell the beginning twice
        return SendError(Reason.AMBIGUOUS, detail, code=error.code, accepted=None)
    return SendError(error.reason, detail, code=error.code)
