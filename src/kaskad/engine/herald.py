"""Tells subscribers: outgoing webhooks by Standard Webhooks, at least once, from a thread of its own.

An event is worded once, then tried until the endpoint answers 2xx: at once, after 5 s, 5 and 30 min, 2, 5,
10, 14, 20 and 24 h, each a tenth more or less by chance; then it is given up, and shown, and can be
replayed. 410 disables the endpoint. Several are on their way to one endpoint at a time, so their order is not
promised; some more are claimed meanwhile, so that it need not wait for a tick.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from kaskad.domain.errors import KaskadError, SendError
from kaskad.domain.inside import Inside
from kaskad.domain.worded import worded
from kaskad.engine import announce, catalog
from kaskad.engine.engine import Engine
from kaskad.engine.errands import end_of
from kaskad.engine.parcel import storable
from kaskad.engine.process import new_loop
from kaskad.engine.standard_webhooks import signed_headers
from kaskad.engine.transport.http import Http
from kaskad.log import get_logger
from kaskad.providers.base import Request, retry_after_ms
from kaskad.store import webhooks as webhook_store
from kaskad.store.db import Database, Transaction
from kaskad.store.vault import Vault
from kaskad.store.webhooks import DELIVERED, GIVEN_UP, WAITING, Attempt, Webhook

T = TypeVar("T")
log = get_logger(__name__)

TIMEOUT_S = 15.0
LEASE_MS = 60_000  # longer than an attempt: one whose process died is begun again after it
AT_ONCE = 8  # attempts under way to one endpoint
AHEAD = (
    3 * AT_ONCE
)  # claimed of one endpoint, with those: the last is over within its lease, however slow all are
STOP_S = 3.0  # so long a server that stops waits for attempts under way
KEPT_MS = 30 * 86_400_000  # of deliveries that have ended
GONE = 410
GONE_WHY = worded("it answered 410 Gone")
_S, _MIN, _H = 1_000, 60_000, 3_600_000
SCHEDULE_MS = (5 * _S, 5 * _MIN, 30 * _MIN, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H)
JITTER = 0.1
IDLE_S = 0.25
SWEEP_S = 600.0
_OLD = 1_000  # deliveries forgotten at once


class Answer(Struct, frozen=True):
    """What an endpoint answered: `status` 0 where no answer came."""

    status: int
    words: str
    retry_after_ms: int = 0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


async def call(http: Http, webhook: Webhook, message_id: str, body: str, wall: int) -> Answer:
    """Send one message to an endpoint; `wall` is the world's time, by which receivers judge its age.

    Whatever fails is an answer: the attempt has ended, and the next one comes when it should.
    """
    raw = body.encode()
    keys = [one.text for one in webhook.secrets if one.until is None or one.until > wall]
    headers = {"Content-Type": "application/json", "User-Agent": "Kaskad"}
    try:
        headers |= signed_headers(keys, message_id, wall // 1000, raw)
        response = await http.post(Request("POST", webhook.url, headers, raw), TIMEOUT_S)
    except SendError as error:
        return Answer(0, error.detail)
    except Exception as error:
        log.exception("webhook not called: a defect", webhook=webhook.id, error=type(error).__name__)
        return Answer(0, f"a defect of Kaskad: {type(error).__name__}")
    wait = retry_after_ms(response) or 0
    words = "" if response.ok else f": {storable(response.body[:200].decode(errors='replace')).strip()}"
    return Answer(response.status, f"HTTP {response.status}{words.rstrip(': ')}", wait)


def next_attempt_ms(attempts: int, chance: float) -> int | None:
    """Return how long after the `attempts`-th failure the next attempt begins; None: there is none.

    `chance` from 0 to 1 spreads the attempts of many events over time.
    """
    if attempts > len(SCHEDULE_MS):
        return None
    return round(SCHEDULE_MS[attempts - 1] * (1 - JITTER + 2 * JITTER * chance))


class Herald:
    """Delivers from `start` to `stop`. `inside`: which endpoints at private addresses are not refused."""

    def __init__(
        self, engine: Engine, db: Database, vault: Vault, wall: Callable[[], int], *, inside: Inside
    ) -> None:
        self._engine, self._db, self._vault, self._wall = engine, db, vault, wall
        self._inside = inside
        self._claimed: Counter[int] = Counter()  # attempts by webhook
        self._slots: dict[int, asyncio.Semaphore] = {}  # of attempts that are under way, by webhook
        self._gone: set[int] = set()  # webhooks that have answered 410 since they were last looked at
        self._unworded: set[int] = set()  # rows of the outbox that this release cannot put into words
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="herald", daemon=True)
        self._ready = threading.Event()

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Begin no more attempts, and wait for those under way."""
        self._loop.call_soon_threadsafe(self._end_rest)
        self._thread.join()

    def _end_rest(self) -> None:
        self._stopping.set()
        self._room.set()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping, self._room = asyncio.Event(), asyncio.Event()
        self._ready.set()
        self._http = Http(inside=self._inside)
        swept_at = -SWEEP_S
        try:
            while not self._stopping.is_set():
                if self._loop.time() - swept_at > SWEEP_S:
                    swept_at = self._loop.time()
                    await self._guarded(self._sweep())
                self._room.clear()
                more = await self._guarded(self._round())
                if not more:
                    await self._rest(IDLE_S if self._engine.world.outbox else 4 * IDLE_S, self._room)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=STOP_S)
        finally:
            self._http.close()  # what is still under way ends as not answered, and is tried again later
            await asyncio.gather(*self._tasks)

    async def _guarded(self, work: Coroutine[Any, Any, bool]) -> bool:
        """Return what one piece of work returns; whatever fails is tried again later."""
        try:
            return await work
        except KaskadError as error:
            log.warning("webhooks wait", why=str(error))
        except Exception as error:
            log.exception("webhooks wait: a defect", error=type(error).__name__)
        await self._rest(2.0)
        return False

    async def _rest(self, seconds: float, until: asyncio.Event | None = None) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for((until or self._stopping).wait(), seconds)

    async def _round(self) -> bool:
        """Word what the ticks have told, begin what is due; return whether there is more to do at once."""
        now = self._wall()
        over = {one for one in self._gone if not self._claimed[one]}  # that they are gone is kept: it is read
        with self._db.read() as tx:
            webhooks = webhook_store.all_webhooks(tx, self._vault)
            piece = announce.word(tx, self._engine.world, webhooks, now, self._unworded)
        self._unworded.update(piece.unworded)
        if piece.ids:
            await self._write(partial(announce.keep, piece=piece))
        self._gone -= over
        begun = 0
        for webhook in webhooks:
            free = AHEAD - self._claimed[webhook.id]
            if webhook.enabled and free > 0 and webhook.id not in self._gone:
                begun += await self._begin(webhook, free)
        return len(piece.ids) + len(piece.unworded) == announce.PIECE or begun > 0

    async def _begin(self, webhook: Webhook, free: int) -> int:
        """Begin up to `free` attempts that are due; return how many."""
        with self._db.read() as tx:  # a write costs a commit, a look nothing
            if tx.one("due_delivery", webhook_id=webhook.id, now=self._wall()) is None:
                return 0
        now = self._wall()
        attempts = await self._write(lambda tx: webhook_store.claim(tx, webhook.id, now, free, LEASE_MS))
        for attempt in attempts:
            self._claimed[webhook.id] += 1
            task = self._loop.create_task(self._deliver(webhook, attempt))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(attempts)

    async def _deliver(self, webhook: Webhook, attempt: Attempt) -> None:
        try:
            async with self._slots.setdefault(webhook.id, asyncio.Semaphore(AT_ONCE)):
                if self._stopping.is_set() or webhook.id in self._gone:
                    answer = None
                else:
                    answer = await call(self._http, webhook, attempt.message_id, attempt.body, self._wall())
                    if answer.status == GONE:
                        self._gone.add(webhook.id)
            if answer is None:
                await self._write(partial(webhook_store.give_back, attempt=attempt, now=self._wall()))
            else:
                await self._end(webhook, attempt, answer)
        except KaskadError as error:  # it comes due again after its lease
            log.warning("webhook's end not kept", webhook=webhook.id, why=str(error))
        finally:
            self._claimed[webhook.id] -= 1
            if self._claimed[webhook.id] <= AHEAD - AT_ONCE:
                self._room.set()

    async def _end(self, webhook: Webhook, attempt: Attempt, answer: Answer) -> None:
        """Keep how an attempt ended."""
        now = self._wall()
        wait_ms = next_attempt_ms(attempt.number, random.random())
        state, next_at = DELIVERED, None
        if not answer.ok:
            state = GIVEN_UP if wait_ms is None else WAITING
            next_at = None if wait_ms is None else now + max(wait_ms, answer.retry_after_ms)
            log.info("webhook not taken", webhook=webhook.id, type=attempt.type, attempt=attempt.number,
                     status=answer.status, given_up=wait_ms is None)  # fmt: skip
        end = {
            "id": attempt.id, "attempts": attempt.number, "state": state, "next_at": next_at,
            "ended_at": now if next_at is None else None, "answer": answer.words,
        }  # fmt: skip

        def keep(tx: Transaction) -> None:
            tx.run("end_delivery", **end)
            if answer.status == GONE:
                tx.run("disable_webhook", id=webhook.id, why=str(GONE_WHY))
                catalog.load(tx, self._vault, self._engine.world)

        await self._write(keep)

    async def _sweep(self) -> bool:
        """Forget what ended long ago, a piece at a time."""
        before = self._wall() - KEPT_MS
        while await self._write(lambda tx: tx.run("drop_old_deliveries", before=before, limit=_OLD)) == _OLD:
            await asyncio.sleep(0)
        return False

    async def _write(self, change: Callable[[Transaction], T]) -> T:
        return await end_of(self._engine.write(change))
