"""Asking services what became of messages: prices that no report tells, calls, and lost answers.

When a service takes a message, the tick notes when to ask (`Capabilities.look_ups`); this asks, on the loop
of the errands, and hands what it hears to the same intake as webhooks do. The answer and the next time to ask
commit together. What fails is tried again, for three days at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import structs

from kaskad.domain.errors import KaskadError, SendError
from kaskad.engine.arrival import Arrival
from kaskad.engine.engine import Engine
from kaskad.engine.errands import TIMEOUT_S, Errands, end_of, enduring
from kaskad.engine.ingest import Ingest
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.base import Account, Sent
from kaskad.store import look_ups
from kaskad.store.db import Database, Transaction
from kaskad.store.look_ups import LookUp

log = get_logger(__name__)

LOOK_S = 1.0  # between looks at what is due
BATCH = 100
AT_ONCE = 8  # requests of one round
LEASE_MS = 300_000  # longer than a round takes
AGAIN_MS = 300_000  # after a failure
LEAST_MS = 30_000  # between two questions about one message
PATIENCE_MS = 3 * 86_400_000


class LookUps:
    """Asks for one process; ends with its errands."""

    def __init__(self, errands: Errands, ingest: Ingest, engine: Engine, db: Database) -> None:
        self._errands, self._ingest, self._engine, self._db = errands, ingest, engine, db
        self._world = engine.world

    def start(self) -> None:
        """Begin to ask whenever something is due."""
        self._errands.begin(self._watch)

    async def _watch(self) -> None:
        while True:
            more = False
            with enduring("messages cannot be looked up"):
                more = await self._round()
            if not more:
                await asyncio.sleep(LOOK_S)

    async def _round(self) -> bool:
        """Ask about what is due; return whether more may be due now."""
        if not any(able.look_ups or able.finds for able in list(self._world.accounts.capabilities.values())):
            return False
        now = self._world.clock.now()
        first = await asyncio.to_thread(look_ups.first_due, self._db)
        if first is None or first > now:
            return False

        def claim(tx: Transaction) -> list[LookUp]:
            return look_ups.claim(tx, now, again_at=now + LEASE_MS, limit=BATCH)

        due = await end_of(self._engine.write(claim))
        gate = asyncio.Semaphore(AT_ONCE)

        async def one_by_one(one: LookUp) -> None:
            async with gate:
                await self._ask(one)

        await asyncio.gather(*map(one_by_one, due))
        return len(due) == BATCH

    async def _ask(self, one: LookUp) -> None:
        """Ask about one message, and keep the answer with what is to happen next."""
        account = self._world.accounts.get(one.account_id)
        if account is None:
            await end_of(self._engine.write(lambda tx: look_ups.drop(tx, one)))
            return
        try:
            await self._look(one, account)
        except SendError as error:
            log.info("message cannot be looked up", account=account.name, why=error.detail)
            wait_ms = max(AGAIN_MS, error.retry_after_ms or 0)
            await end_of(self._engine.write(lambda tx: self._try_again(tx, one, wait_ms)))
        except KaskadError:
            raise  # nothing can be kept now: its lease ends, and it is asked about again
        except Exception as error:  # a defect of ours must not end the asking
            log.error("message cannot be looked up", account=account.name, error=type(error).__name__)
            await end_of(self._engine.write(lambda tx: look_ups.drop(tx, one)))

    async def _look(self, one: LookUp, account: Account) -> None:
        carrying = provider(account.provider)
        able = carrying.capabilities
        to = await asyncio.to_thread(self._address, one) if able.finds else ""
        sent = Sent(one.provider_id, one.sent_at, to)
        request = carrying.look_up(sent, account, self._world.clock.now())
        response = await self._errands.ask(account, request, TIMEOUT_S)
        told, all_known = carrying.read_look_up(response, sent, account)
        reference = self._world.signer.reference(one.contact_id, one.run_id, one.step, account.id)
        receipts = [structs.replace(receipt, reference=reference) for receipt in told]

        def settle(tx: Transaction) -> Sequence[Arrival]:
            next_at = None if all_known else self._next(one, able.finds or able.look_ups)
            if next_at is None:
                look_ups.drop(tx, one)
            else:
                look_ups.put_off(tx, one, one.tries + 1, next_at)
            return []

        await end_of(self._ingest.receipts(account, receipts, {}, response.body, None, [settle]))

    def _address(self, one: LookUp) -> str:
        """Return where the message went; "" for one that has been erased."""
        with self._db.read() as tx:
            row = tx.one("body_of", contact_id=one.contact_id, run_id=one.run_id, step=one.step)
        return str(msgspec.json.decode(row[0]).get("to", "")) if row else ""

    def _next(self, one: LookUp, after_ms: Sequence[int]) -> int | None:
        """Return when to ask next; None where that was the last time."""
        if one.tries + 1 >= len(after_ms):
            return None
        return max(one.sent_at + after_ms[one.tries + 1], self._world.clock.now() + LEAST_MS)

    def _try_again(self, tx: Transaction, one: LookUp, wait_ms: int) -> None:
        now = self._world.clock.now()
        if now - one.sent_at > PATIENCE_MS:
            look_ups.drop(tx, one)
        else:
            look_ups.put_off(tx, one, one.tries, now + wait_ms)
