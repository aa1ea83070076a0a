"""What is asked of providers besides messages: answers to presses and starts, set-up, long polls.

One event loop in a thread of its own, so that a poll that waits for half a minute is in nobody's way:
messages go through `engine/sender`. Nothing here is promised: what fails is told in the log, not tried again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from kaskad.domain.errors import KaskadError, SendError
from kaskad.engine.clock import wall_ms
from kaskad.engine.process import new_loop
from kaskad.engine.transport.http import Http
from kaskad.engine.transport.tokens import Tokens
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.base import Account, Request, Response

T = TypeVar("T")
log = get_logger(__name__)

TIMEOUT_S = 30.0


class Errands:
    """Runs errands between `start` and `stop`; any thread may hand them over."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._lock = threading.Lock()  # nothing may slip in between "stopping" and the loop's end
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="errands", daemon=True)

    def start(self) -> None:
        """Begin to take errands."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """End all errands at once, also those that wait for an answer; may be called twice."""
        with self._lock:
            first, self._stopping = not self._stopping, True
        if first and self._ready.is_set():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def begin(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run a coroutine on the loop; after `stop` it is dropped."""
        with self._lock:
            if not self._stopping:
                self._loop.call_soon_threadsafe(self._begin, work)

    def send(self, account: Account, requests: Sequence[Request]) -> None:
        """Make requests one after the other; what a service refuses is told in the log."""
        if requests:
            self.begin(lambda: self._send(account, requests))

    async def ask(self, account: Account, request: Request, timeout_s: float = TIMEOUT_S) -> Response:
        """Return the answer to a request of an account; raises SendError. On the loop only."""
        carrying = provider(account.provider)
        if not carrying.needs_token(account):
            return await self._http.post(request, timeout_s)
        token = await self._tokens.of(account, carrying, wall_ms())
        response = await self._http.post(carrying.authorize(request, token), timeout_s)
        if response.status == 401:
            self._tokens.forget(account, token)  # the next attempt asks for another
        return response

    async def _send(self, account: Account, requests: Sequence[Request]) -> None:
        carrying = provider(account.provider)
        for request in requests:
            try:
                carrying.read_setup(await self.ask(account, request))
            except SendError as error:
                log.info("errand failed", account=account.name, why=error.detail)

    def _begin(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        task = self._loop.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("errand failed because of a defect", error=type(error).__name__)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._http = Http()
        self._tokens = Tokens(self._http)
        self._ready.set()
        await self._stop.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._http.close()


@contextmanager
def enduring(what: str) -> Iterator[None]:
    """Let what goes on for ever outlive what it fails of: that is told in the log, and done again later."""
    try:
        yield
    except KaskadError as error:
        log.warning(what, why=str(error))
    except Exception as error:
        log.exception(what, error=type(error).__name__)


async def end_of(future: Future[T]) -> T:
    """Return the result of a future that other threads end and share: giving up must not cancel it."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ended.done():
            ended.set_result(None)

    def tell(_: Future[T]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(wake)

    future.add_done_callback(tell)
    await ended
    return future.result()
