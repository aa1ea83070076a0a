"""Speaks with CRMs: asks what has changed there, and writes into their journals what happened here.

Each conversation (`Provider.learn`, `Provider.journal`) is a job that commits with what it follows from, and
is held again until it succeeds: after 5 s, 1, 5 and 30 min, 2 and 8 h. What was written into a journal
before an answer was lost is not written again: no CRM here knows a key that would make that safe. Only a
process that dies between a request and its answer leaves a line that may come to stand twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TypeVar

import msgspec

from kaskad.domain.address import BadAddress, country_of, normalise
from kaskad.domain.errors import KaskadError, SendError
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.terms import Channel, Reason
from kaskad.engine import catalog, journal
from kaskad.engine.clock import wall_ms
from kaskad.engine.engine import Engine
from kaskad.engine.errands import Errands, end_of, enduring
from kaskad.engine.ingest import Ingest
from kaskad.engine.parcel import storable
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.base import Account, Request, Response, limits_of
from kaskad.providers.crm import Changed, Customer, Happened, Keep
from kaskad.store import accounts as account_store
from kaskad.store import contacts as contact_store
from kaskad.store import crm
from kaskad.store.contacts import Address, Contact
from kaskad.store.crm import Job
from kaskad.store.db import Database, Transaction
from kaskad.store.vault import Vault

T = TypeVar("T")
log = get_logger(__name__)

LOOK_S = 0.5
LEASE_MS = 300_000  # longer than a conversation takes: what a process that died has begun comes due after it
KEPT_MS = 30 * 86_400_000  # of jobs that have ended
SWEEP_S = 600.0
_S, _MIN, _H = 1_000, 60_000, 3_600_000
SCHEDULE_MS = (5 * _S, _MIN, 5 * _MIN, 30 * _MIN, 2 * _H, 8 * _H)
AGAIN = frozenset(
    {Reason.RATE_LIMITED, Reason.TRANSIENT, Reason.AUTH}
)  # after which another attempt may help


class Clerk:
    """Holds the conversations of one process, on the loop of its errands; ends with them."""

    def __init__(self, errands: Errands, ingest: Ingest, engine: Engine, db: Database, vault: Vault) -> None:
        self._errands, self._ingest, self._engine = errands, ingest, engine
        self._db, self._vault = db, vault
        self._busy: dict[int, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin to look for conversations that are due."""
        self._errands.begin(self._serve)

    async def _serve(self) -> None:
        swept_at = -SWEEP_S
        try:
            while True:
                loop = asyncio.get_running_loop()
                with enduring("conversations with the CRM wait"):
                    if loop.time() - swept_at > SWEEP_S:
                        swept_at = loop.time()
                        await self._write(_sweep)
                    self._begin()
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def _begin(self) -> None:
        """Begin with every account that has something to do and is not spoken with yet."""
        with self._db.read() as tx:
            due = crm.due_accounts(tx, wall_ms())
        self._busy = {number: task for number, task in self._busy.items() if not task.done()}
        for number in due:
            account = self._engine.world.accounts.get(number)
            if account is not None and account.enabled and number not in self._busy:
                self._busy[number] = asyncio.get_running_loop().create_task(self._work(account))

    async def _work(self, account: Account) -> None:
        try:
            while job := await self._write(lambda tx: crm.claim(tx, account.id, wall_ms(), LEASE_MS)):
                fresh = self._engine.world.accounts.get(account.id)  # a token may have been renewed
                await self._hold(job, fresh or account)
        except KaskadError as error:
            log.warning("conversations with the CRM wait", account=account.name, why=str(error))
        except Exception as error:
            log.exception("conversations with the CRM wait: a defect", error=type(error).__name__)
            await asyncio.sleep(10 * LOOK_S)

    async def _hold(self, job: Job, account: Account) -> None:
        """Hold a conversation, and keep how it ended."""
        try:
            answer = await (self._learn if job.kind == crm.LEARN else self._tell)(job, account)
        except SendError as error:
            await self._failed(job, account, error)
        except KaskadError:
            raise
        except Exception as error:  # its text may hold an address, so only its name is kept
            log.exception("conversation with the CRM: a defect", error=type(error).__name__)
            why = f"a defect in Kaskad ({type(error).__name__})"
            await self._failed(job, account, SendError(Reason.OTHER, why))
        else:
            await self._end(job, crm.DONE, None, answer)

    async def _learn(self, job: Job, account: Account) -> str:
        """Ask what has changed; customers and events are kept before the job ends."""
        changed = msgspec.json.decode(job.payload, type=Changed)
        now = self._engine.world.clock.now()
        happened = await self._speak(provider(account.provider).learn(changed, account, now), account)
        told = [(contact, one) for one in happened if (contact := _contact(one.customer)) is not None]
        if not told:
            return "nobody whom it concerns"
        key = self._engine.world.hash_key
        contacts = [contact for contact, _ in told]
        ids = await self._write(lambda tx: contact_store.upsert(tx, key, contacts, now))
        events = [_event(one, contact_id, now) for (_, one), contact_id in zip(told, ids, strict=True)]
        refused = [why for why in await end_of(self._ingest.events(events)) if why]
        return "; ".join(refused) or ", ".join(f"{one.name} of con_{one.contact.id}" for one in events)

    async def _tell(self, job: Job, account: Account) -> str:
        with self._db.read() as tx:
            entry = journal.entry(tx, msgspec.json.decode(job.payload, type=journal.Noted), account)
        if entry is None:
            return "the person is not known any longer"
        speaking = provider(account.provider).journal(entry, account, wall_ms())
        return await self._speak(speaking, account) or "belongs nowhere there"

    async def _speak(self, speaking: Generator[Request | Keep, Response, T], account: Account) -> T:
        """Make the requests of a conversation, not faster than the account may; return what came of it."""
        pause_s = 1 / limits_of(account, provider(account.provider).capabilities).per_second
        try:
            said = next(speaking)
            while True:
                if isinstance(said, Keep):
                    await self._keep(account, said)
                    said = next(speaking)
                else:
                    await asyncio.sleep(pause_s)
                    said = speaking.send(await self._errands.ask(account, said))
        except StopIteration as ended:
            outcome: T = ended.value
            return outcome

    async def _keep(self, account: Account, told: Keep) -> None:
        """Keep secrets that the CRM has changed, with the account."""
        engine, vault = self._engine, self._vault

        def change(tx: Transaction) -> None:
            kept = next((one for one in account_store.all_accounts(tx, vault) if one.id == account.id), None)
            if kept is not None:
                secrets = vault.encrypt({**kept.secrets, **told.secrets})
                tx.run("put_account_secrets", id=account.id, secrets=secrets)
                catalog.load(tx, vault, engine.world)

        await self._write(change)

    async def _failed(self, job: Job, account: Account, error: SendError) -> None:
        """Keep that a conversation has failed, and when it is held again."""
        lost = error.accepted is None
        again = error.reason in AGAIN if not lost else job.kind == crm.LEARN
        next_at = None
        if again and job.attempts <= len(SCHEDULE_MS):
            next_at = wall_ms() + max(SCHEDULE_MS[job.attempts - 1], error.retry_after_ms or 0)
        log.warning("conversation with the CRM failed", account=account.name, why=error.detail,
                    given_up=next_at is None)  # fmt: skip
        told = f"nobody knows whether it was written: {error.detail}" if lost else error.detail
        await self._end(job, crm.GIVEN_UP if next_at is None else crm.WAITING, next_at, told)

    async def _end(self, job: Job, state: int, next_at: int | None, answer: str) -> None:
        told, now = storable(answer), wall_ms()
        await self._write(lambda tx: crm.end(tx, job, state=state, next_at=next_at, now=now, answer=told))

    async def _write(self, change: Callable[[Transaction], T]) -> T:
        return await end_of(self._engine.write(change))


def _sweep(tx: Transaction) -> None:
    tx.run("drop_old_crm_jobs", before=wall_ms() - KEPT_MS, limit=1000)


def _contact(customer: Customer) -> Contact | None:
    """Return a customer as a contact; None for one who has neither a name there nor an address."""
    addresses = []
    for channel, value in ((Channel.EMAIL, customer.email), (Channel.SMS, customer.phone)):
        try:
            if value:
                addresses.append(Address(channel, normalise(channel, value, None)))
        except BadAddress:
            continue  # what the CRM holds is no address: the person is known all the same
    if not addresses and not customer.external_id:
        return None
    phone = next((one.value for one in addresses if one.channel is Channel.SMS), "")
    return Contact(
        external_id=customer.external_id or None,
        country=country_of(phone) if phone else None,
        attributes={"name": storable(customer.name)} if customer.name else {},
        addresses=addresses,
    )


def _event(one: Happened, contact_id: int, now: int) -> EventIn:
    """Return what has happened as an event of the contact; not later than now, by our clock."""
    return EventIn(
        storable(one.key), one.name, ContactRef(id=contact_id), min(one.at, now), dict(one.properties)
    )
