"""Hand submitted messages over for sending, and get one result for each, whatever happens.

`Dispatcher` sends from a thread of this process. Under load that thread and the tick's fight for Python's
lock: then `kaskad.engine.sender.Sender`, the same from a process of its own, is several times as fast.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from kaskad.domain.errors import Unavailable
from kaskad.engine.carrier import Carrier
from kaskad.engine.heard import Heard, Kept, Listener, Trouble
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.process import new_loop
from kaskad.providers.base import Account

__all__ = ["LOOK_S", "Dispatch", "Dispatcher", "Parcel", "Result"]

LOOK_S = 0.5  # between looks at the accounts whose services tell by themselves


class Dispatch(Protocol):
    """What the engine needs of a dispatcher, in a thread or a process of its own."""

    def submit(self, parcels: list[Parcel]) -> None:
        """Hand over parcels from any thread, after the commit of their `submitted` only."""

    def listen(self, listener: Listener) -> None:
        """Keep the connections on which services tell by themselves, and hand what they tell to `listener`.

        Without it nobody hears: a service keeps what it has to tell, or tells another process.
        """

    def close(self, timeout_s: float) -> None:
        """Let what is under way end, for at most `timeout_s`; every parcel has its result afterwards."""


class Dispatcher:
    """Sends from a thread of its own.

    `accounts` is read at every message, so that a change counts at once. `on_results` is called with one or
    more results in that thread and must be quick: no database, no waiting.
    """

    def __init__(
        self,
        accounts: Mapping[int, Account],
        clock: Callable[[], int],
        on_results: Callable[[list[Result]], None],
        *,
        timeout_s: float = 30.0,
    ) -> None:
        self._make: Callable[[], Carrier] = lambda: Carrier(accounts, clock, on_results, timeout_s=timeout_s)
        self._ready = threading.Event()
        self._lock = threading.Lock()  # no parcel may slip in between "closing" and the loop's end
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="dispatch", daemon=True)
        self._thread.start()
        self._ready.wait()

    def submit(self, parcels: list[Parcel]) -> None:
        """Hand over parcels from any thread; raises Unavailable once it is closed."""
        if not parcels:
            return
        with self._lock:
            if self._closing:
                raise Unavailable("the dispatcher is closed")
            self._loop.call_soon_threadsafe(self._carrier.take, parcels)

    def listen(self, listener: Listener) -> None:
        """Keep connections, as `Dispatch` says; the accounts are looked at twice a second."""

        def tell(frame: Heard | Trouble) -> None:
            if isinstance(frame, Trouble):
                listener.note(frame.account_id, frame.why)
            else:
                listener.hear(frame.told, partial(self._kept, frame.batch))

        self._loop.call_soon_threadsafe(self._listen, tell)

    def close(self, timeout_s: float) -> None:
        """Let what is under way end, for at most `timeout_s`; may be called twice."""
        with self._lock:
            first, self._closing = not self._closing, True
        if first:
            self._loop.call_soon_threadsafe(self._stop.set_result, timeout_s)
        self._thread.join()

    def _kept(self, batch: int, well: bool) -> None:
        with self._lock:
            if not self._closing:
                self._loop.call_soon_threadsafe(self._carrier.kept, Kept(batch, well))

    def _listen(self, tell: Callable[[Heard | Trouble], None]) -> None:
        self._carrier.listen(tell)
        self._loop.call_later(LOOK_S, self._follow)

    def _follow(self) -> None:
        self._carrier.follow()
        self._loop.call_later(LOOK_S, self._follow)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop: asyncio.Future[float] = self._loop.create_future()
        self._carrier = self._make()
        self._ready.set()
        await self._carrier.stop(await self._stop)
