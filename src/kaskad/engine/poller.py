"""Set accounts up with their services, and ask the services what has happened where they are polled.

Each enabled account that has something to set up or to poll has a task of its own on the errands' loop. What
a poll brought and how far it went commit together, so that a process that is killed loses and doubles
nothing. On PostgreSQL one process tends an account, for as long as it says so in table `polls`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import random
from secrets import token_hex

from kaskad.domain.errors import KaskadError, SendError
from kaskad.domain.terms import Reason
from kaskad.engine import approved
from kaskad.engine.arrival import Arrival
from kaskad.engine.clock import wall_ms
from kaskad.engine.engine import Engine
from kaskad.engine.errands import Errands, end_of
from kaskad.engine.ingest import Ingest
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.base import UNREADABLE, Account, Inbound, Receipt
from kaskad.store import polls
from kaskad.store.db import Transaction

log = get_logger(__name__)

LOOK_S = 0.5  # between looks at the accounts
POLL_S = 45.0  # longer than a service lets a poll wait
LEASE_MS = 75_000  # longer than a poll, so that one that is under way keeps its account
RENEW_MS = 20_000
TAKEN_S = 5.0  # between looks at an account that another process tends
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
TEXTS_S = 6 * 3600.0  # between looks at the texts that a service approves; webhooks tell of changes at once


class Poller:
    """Tends the accounts of one process; ends with its errands."""

    def __init__(self, errands: Errands, ingest: Ingest, engine: Engine) -> None:
        self.errands, self.ingest, self.engine = errands, ingest, engine
        self.holder = token_hex(8)  # what this process is called in table `polls`
        self._tended: dict[int, tuple[Account, asyncio.Task[None]]] = {}
        self._problems = engine.world.traffic.troubles

    def start(self) -> None:
        """Begin to tend the accounts, and follow their changes."""
        self.errands.begin(self._watch)

    def problems(self) -> dict[str, str]:
        """Return what keeps accounts from being set up or polled, by their names."""
        return dict(self._problems)

    def note(self, account: Account, why: str) -> None:
        """Tell a problem of an account once, and its end ("")."""
        if why == self._problems.get(account.name, ""):
            return
        if why:
            self._problems[account.name] = why
            log.warning("account cannot be set up or polled", account=account.name, why=why)
        else:
            self._problems.pop(account.name, None)  # the transports' threads note here too
            log.info("account works again", account=account.name)

    async def _watch(self) -> None:
        try:
            while True:
                self._follow(dict(self.engine.world.accounts))
                await asyncio.sleep(LOOK_S)
        finally:
            tasks = [task for _, task in self._tended.values()]
            self._follow({})
            await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, accounts: dict[int, Account]) -> None:
        """Begin anew with every account that is new or has changed, and leave those that are gone."""
        for account_id, (account, task) in list(self._tended.items()):
            if accounts.get(account_id) != account:
                task.cancel()
                del self._tended[account_id]
                self._problems.pop(account.name, None)
        for account in accounts.values():
            if account.enabled and account.id not in self._tended:
                task = asyncio.get_running_loop().create_task(_Tender(self, account).run())
                self._tended[account.id] = (account, task)


class _Tender:
    """The work on one account until it changes."""

    def __init__(self, poller: Poller, account: Account) -> None:
        self._poller, self._account = poller, account
        self._set_up = self._done = False
        self._cursor = ""
        self._held_at = 0  # 0: not by us

    async def run(self) -> None:
        """Set the account up and poll it for ever; a failure is told once, and tried again later."""
        failures = 0
        try:
            while not self._done:
                try:
                    await self._step()
                except Exception as error:  # a defect of ours, too, must not end the polling for good
                    failures += 1
                    self._poller.note(self._account, _why(error))
                    if isinstance(error, SendError) and error.reason is Reason.AUTH:
                        self._set_up = False  # somebody may have set a webhook meanwhile
                    await asyncio.sleep(_wait_s(error, failures))
                else:
                    failures = 0
                    self._poller.note(self._account, "")
        finally:
            if self._held_at:
                account_id, holder = self._account.id, self._poller.holder
                self._poller.engine.write(lambda tx: polls.release(tx, account_id, holder))

    async def _step(self) -> None:
        """Set the account up if that is to be done, and poll once."""
        account, errands = self._account, self._poller.errands
        carrying = provider(account.provider)
        if not self._set_up:
            url = self._poller.engine.world.accounts.status_urls.get(account.id, "")
            requests = carrying.setup_requests(account, url)
            if requests and not await self._hold():
                return
            for request in requests:
                carrying.read_setup(await errands.ask(account, request))
            self._set_up = True
        if carrying.poll_request(account, self._cursor) is None:
            await self._ask_texts()
            return
        if not await self._hold():
            return
        poll = carrying.poll_request(account, self._cursor)
        assert poll is not None
        response = await errands.ask(account, poll, POLL_S)
        told, cursor = carrying.read_poll(response, account)
        if told or cursor not in ("", self._cursor):
            await self._keep(told, response.body, cursor or self._cursor)

    async def _ask_texts(self) -> None:
        """Ask for the texts that the service approves, and wait until it is time to ask again."""
        account, errands, engine = self._account, self._poller.errands, self._poller.engine
        if not approved.lists_texts(account):
            self._done = True
            return
        listed = await approved.fetch(account, lambda request: errands.ask(account, request))
        await end_of(engine.write(lambda tx: approved.keep(tx, engine.world, account, listed)))
        self._poller.note(account, "")
        await asyncio.sleep(TEXTS_S)

    async def _hold(self) -> bool:
        """Return whether this process tends the account, and read from where it is to go on."""
        now = wall_ms()
        if self._held_at and now - self._held_at < RENEW_MS:
            return True
        engine, account_id, holder = self._poller.engine, self._account.id, self._poller.holder
        alone = not engine.world.shared  # whoever else stands there has ended

        def claim(tx: Transaction) -> str | None:
            return polls.claim(tx, account_id, holder, now, now + LEASE_MS, force=alone)

        cursor = await end_of(engine.write(claim))
        if cursor is None:
            self._held_at = 0
            await asyncio.sleep(TAKEN_S)
            return False
        self._cursor, self._held_at = cursor, now
        return True

    async def _keep(self, told: Sequence[Receipt | Inbound], body: bytes, cursor: str) -> None:
        """Keep what a poll has brought, and where to go on, in one commit."""
        account_id, holder = self._account.id, self._poller.holder

        def advance(tx: Transaction) -> list[Arrival]:
            polls.advance(tx, account_id, holder, cursor)
            return []

        unread = sum(isinstance(one, Receipt) and one.name == UNREADABLE for one in told)
        problem = f"{unread} of {len(told)} updates cannot be read" if unread else None
        await end_of(self._poller.ingest.receipts(self._account, told, {}, body, problem, [advance]))
        self._cursor = cursor


def _why(error: Exception) -> str:
    if isinstance(error, SendError):
        return error.detail
    if isinstance(error, KaskadError):
        return str(error)
    return f"a defect in Kaskad ({type(error).__name__})"  # its text may hold a secret


def _wait_s(error: Exception, failures: int) -> float:
    """Return how long to wait after the `failures`-th failure in a row: what is asked for, else longer each
    time, the upper half by chance."""
    if isinstance(error, SendError) and error.retry_after_ms is not None:
        return max(FIRST_WAIT_S, error.retry_after_ms / 1000)
    full = min(LONGEST_WAIT_S, FIRST_WAIT_S * (1 << min(failures - 1, 10)))
    return full * (0.5 + random() / 2)
