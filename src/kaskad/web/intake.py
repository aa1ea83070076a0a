"""What the pages of intake ask of the engine, and how a request waits until that is durable."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from kaskad.domain.errors import Unavailable
from kaskad.domain.event import EventIn
from kaskad.providers.base import Account, Inbound, Provider, Receipt

T = TypeVar("T")

SCOPES = ("topic", "channel", "advertising", "all")  # what a person can leave, the narrowest first


class Intake(Protocol):
    """The engine as seen by HTTP. Its futures end after the commit that makes what was told durable."""

    def account(self, name: str) -> tuple[Account, Provider] | None:
        """Return an account and its provider from memory."""

    def receipts(
        self,
        account: Account,
        receipts: Sequence[Receipt | Inbound],
        headers: Mapping[str, str],
        body: bytes,
        problem: str | None,
    ) -> Future[None]:
        """Keep a verified webhook raw, and what it says; `problem` tells why it could not be read."""

    def hit(self, message: tuple[int, int, int], link: int, method: str, ip: str, agent: str) -> Future[None]:
        """Keep a request to a pixel or link of a message (contact, run, step)."""

    def destination(self, contact_id: int, run_id: int, step: int, link: int) -> str | None:
        """Return where a link of the frozen message leads; may wait for the database."""

    def unsubscribe(self, contact_id: int, run_id: int, step: int, scope: str) -> Future[None]:
        """Withdraw consent for one of SCOPES; doing it again changes nothing."""

    def events(self, events: list[EventIn]) -> Future[list[str | None]]:
        """Keep events; the result has, for each, why it was refused, or None."""

    def problem(self) -> str | None:
        """Return why nothing can be taken now; None where all is well."""


class Durable:
    """Lets coroutines of one event loop wait for futures that other threads end.

    A commit ends hundreds of futures at once: they are gathered, and the loop is woken once for all.
    """

    def __init__(self, limit_s: float = 20.0) -> None:
        self._limit_s = limit_s
        self._ended: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._woken = False
        self._waiting: dict[asyncio.Future[Any], float] = {}  # in the order of their deadlines
        self._sweep: asyncio.TimerHandle | None = None

    async def wait(self, future: Future[T]) -> T:
        """Return the result of `future`; raises Unavailable when it takes longer than the limit."""
        if future.done():
            return future.result()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._waiting[waiter] = loop.time() + self._limit_s
        if self._sweep is None:
            self._sweep = loop.call_later(self._limit_s, self._give_up, loop)
        future.add_done_callback(lambda ended: self._on_end(loop, waiter, ended))
        try:
            return await waiter
        finally:
            self._waiting.pop(waiter, None)

    def _on_end(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[T], ended: Future[T]) -> None:
        """Note the end of a future, in the thread that ended it."""
        self._ended.append((waiter, ended))
        if not self._woken:
            self._woken = True
            try:
                loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # the loop has been closed: nobody waits any more
                self._ended.clear()

    def _wake(self) -> None:
        self._woken = False  # before the deque is emptied, so that no later end goes unnoticed
        while self._ended:
            waiter, ended = self._ended.popleft()
            if waiter.done():
                continue
            if ended.cancelled():
                waiter.set_exception(Unavailable("The server is stopping; try again."))
            elif (error := ended.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(ended.result())

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail what has waited too long, and look again when the next one would have."""
        now = loop.time()
        self._sweep = None
        for waiter, deadline in self._waiting.items():
            if deadline > now:
                self._sweep = loop.call_at(deadline, self._give_up, loop)
                break
            if not waiter.done():
                waiter.set_exception(Unavailable("The database has not answered in time; try again."))
