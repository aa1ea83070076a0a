"""What the pages of intake ask of the engine, and how a request waits until that is durable."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from kaskad.domain.errors import Unavailable
from kaskad.domain.event import EventIn
from kaskad.domain.form import Form
from kaskad.domain.site import Site
from kaskad.domain.subscription import Subscription
from kaskad.engine.ingest import Visitor
from kaskad.engine.preferences import Choice, Preferences
from kaskad.engine.sign_up import Told as SignUp
from kaskad.providers.base import Account, Inbound, Provider, Told

T = TypeVar("T")
Hit = tuple[int, int, int, int, int, str, str, str]  # contact, run, step, link, at, method, ip, agent

SCOPES = ("topic", "channel", "advertising", "all")  # what a person can leave, the narrowest first

NOTHING: Mapping[str, str] = {}
TRACKING = "tracking"  # the same page's button for the consent to noting openings, which is another thing


class Intake(Protocol):
    """The engine as seen by HTTP. Its futures end after the commit that makes what was told durable.

    Calls that one commit will serve may return the same future: that is cheaper than one each.
    """

    def account(self, name: str) -> tuple[Account, Provider] | None:
        """Return an account and its provider from memory."""

    def receipts(
        self,
        account: Account,
        receipts: Sequence[Told],
        headers: Mapping[str, str],
        body: bytes | None,
        problem: str | None,
    ) -> Future[None]:
        """Keep a verified webhook raw, and what it says; `problem` tells why it could not be read.

        `body` None: it is one of several portions, and another one brings it raw.
        """

    def hit(
        self, message: tuple[int, int, int], link: int, method: str, ip: str, agent: str, *,
        awaited: bool = False,
    ) -> Future[None]:  # fmt: skip
        """Keep a request to a pixel or link of a message (contact, run, step).

        `awaited`: the page that it leads to will tell that it is shown.
        """

    def destination(self, contact_id: int, run_id: int, step: int, link: int) -> str | None:
        """Return where a link of the frozen message leads; may wait for the database."""

    def short_link(self, code: str) -> tuple[int, int, int, int] | None:
        """Return (contact_id, run_id, step, index) of a short link; None for an unknown or expired one."""

    def arrival(self, url: str, message: tuple[int, int, int]) -> str:
        """Return where a click goes: the link's destination, with its token where that page looks for it."""

    def site(self, write_key: str) -> Site | None:
        """Return the shop's pages of that public key, from memory."""

    def visited(
        self, hits: Sequence[Hit], events: Sequence[EventIn], visitor: Visitor | None
    ) -> Future[list[str | None]]:
        """Keep what a shop's page tells; the result has for each event why it was refused, or None."""

    def unsubscribe(
        self, contact_id: int, run_id: int, step: int, scope: str, evidence: Mapping[str, str] = NOTHING
    ) -> Future[None]:
        """Withdraw consent for one of SCOPES; doing it again changes nothing."""

    def preferences(self, message: tuple[int, int, int]) -> Preferences | None:
        """Return what the person of a message wants; None: nobody is known; may wait for the database."""

    def choose(
        self, message: tuple[int, int, int], choice: Choice, evidence: Mapping[str, str]
    ) -> Future[None]:  # fmt: skip
        """Keep what a person has chosen; doing it again changes nothing."""

    def form(self, name: str) -> Form | None:
        """Return a sign-up form; may wait for the database."""

    def form_text(self, form: str, version: str) -> str:
        """Return words that a form has or had, by their version; "" for none; may wait, as `form`."""

    def sign_up(self, told: SignUp) -> Future[str]:
        """Ask to confirm what was typed into a form; the result says "asked", or "limited" to the greedy."""

    def to_confirm(self, asked: tuple[int, int]) -> Mapping[str, str] | None:
        """Return the words (`text`), `language` and `brand` that a sign-up is about; None: it is over."""

    def confirm(
        self, evidence: Mapping[str, str], *, asked: tuple[int, int] = (0, 0),
        by_code: tuple[str, str, str] | None = None,
    ) -> Future[str]:  # fmt: skip
        """Take a sign-up as confirmed, by (number, instant) or (form, address, code); the result
        is done, expired or wrong."""

    def untrack(self, contact_id: int, evidence: Mapping[str, str] = NOTHING) -> Future[None]:
        """Withdraw the consent to noting openings; doing it again changes nothing."""

    def chat(self, account: Account, told: Inbound, evidence: Mapping[str, str]) -> Future[str]:
        """Let a person start a chat by a link, or confirm it; the result is the word that answers, or ""."""

    def renewal(self, old: Subscription, new: Subscription) -> Future[bool]:
        """Put a browser's new subscription in place of its old one; the result says if that was known."""

    def events(self, events: list[EventIn]) -> Future[list[str | None]]:
        """Keep events; the result has, for each, why it was refused, or None."""

    def problem(self) -> str | None:
        """Return why nothing can be taken now; None where all is well."""


class Durable:
    """Lets coroutines of one event loop wait for futures that other threads end.

    A commit serves hundreds of requests: the loop is woken once for all futures that it ends, and
    requests that were given the same future share what they wait on.
    """

    def __init__(self, limit_s: float = 20.0) -> None:
        self._limit_s = limit_s
        self._ended: deque[Future[Any]] = deque()
        self._woken = False
        self._waiting: dict[Future[Any], _Waiter[Any]] = {}  # in the order of their deadlines
        self._sweep: asyncio.TimerHandle | None = None

    async def wait(self, future: Future[T]) -> T:
        """Return the result of `future`; raises Unavailable when it takes longer than the limit."""
        waiter: _Waiter[T] | None = self._waiting.get(future)
        if waiter is None:
            if future.done():
                return future.result()
            waiter = self._await(future)
        return await waiter.woken

    def _await(self, future: Future[T]) -> _Waiter[T]:
        loop = asyncio.get_running_loop()
        waiter: _Waiter[T] = _Waiter(loop.create_future(), loop.time() + self._limit_s)
        self._waiting[future] = waiter
        if self._sweep is None:
            self._sweep = loop.call_at(waiter.deadline, self._give_up, loop)
        future.add_done_callback(partial(self._on_end, loop))
        return waiter

    def _on_end(self, loop: asyncio.AbstractEventLoop, ended: Future[Any]) -> None:
        """Note the end of a future, in the thread that ended it."""
        self._ended.append(ended)
        if not self._woken:
            self._woken = True
            try:
                loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # the loop has been closed: nobody waits any more
                self._ended.clear()

    def _wake(self) -> None:
        self._woken = False  # before the deque is emptied, so that no later end goes unnoticed
        while self._ended:
            ended = self._ended.popleft()
            waiter = self._waiting.pop(ended, None)
            if waiter is None or waiter.woken.done():
                continue
            if ended.cancelled():
                waiter.woken.set_exception(Unavailable("The server is stopping; try again."))
            elif (error := ended.exception()) is not None:
                waiter.woken.set_exception(error)
            else:
                waiter.woken.set_result(ended.result())

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail what has waited too long, and look again when the next one would have."""
        self._sweep = None
        for future, waiter in list(self._waiting.items()):
            if waiter.deadline > loop.time():
                self._sweep = loop.call_at(waiter.deadline, self._give_up, loop)
                break
            del self._waiting[future]
            if not waiter.woken.done():
                waiter.woken.set_exception(Unavailable("The database has not answered in time; try again."))


class _Waiter(Generic[T]):
    """What the requests that were given one future wait on."""

    __slots__ = ("deadline", "woken")

    def __init__(self, woken: asyncio.Future[T], deadline: float) -> None:
        self.woken = woken
        self.deadline = deadline
