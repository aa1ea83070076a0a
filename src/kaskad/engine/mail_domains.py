"""Looks up in DNS whether the domains of our addresses take mail, and marks those whose domain does not.

In the background, on the loop of the errands: nothing waits for it. What is found is asked about again after
a while, so that nobody stays undeliverable whose domain has come back; no answer changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from kaskad.domain.mailbox import MailState
from kaskad.engine.engine import Engine
from kaskad.engine.errands import Errands, end_of, enduring
from kaskad.log import get_logger
from kaskad.store import mail_domains
from kaskad.store.db import Database, Transaction
from kaskad.store.mail_domains import Due

if TYPE_CHECKING:
    from kaskad.engine.transport.names import Names

log = get_logger(__name__)

LOOK_S = 2.0  # between looks at what is due
REST_S = 60.0  # where nobody answers
BATCH = 50
AT_ONCE = 10  # questions at a time
_MIN, _DAY = 60_000, 86_400_000
LEASE_MS = 10 * _MIN  # longer than a round takes
ANEW_MS = 30 * _DAY  # a domain that takes mail
DEAD_MS, LONG_DEAD_MS = _DAY, 7 * _DAY  # one that takes none, and one of which that is no news
NEWS_MS = 3 * _DAY
AGAIN_MS = 10 * _MIN  # after the first failure, then twice as long …
LATEST_MS = _DAY  # … up to this
CONTACTS = 10_000  # whose addresses are looked at in one piece
MARKS = 500  # addresses marked at once


class MailDomains:
    """Looks up for one process at `servers`, () being the system's; ends with its errands."""

    def __init__(self, errands: Errands, engine: Engine, db: Database, servers: Sequence[str] = ()) -> None:
        self._errands, self._engine, self._db, self._servers = errands, engine, db, servers
        self._names: Names | None = None

    def start(self) -> None:
        """Begin to look up whatever is due."""
        self._errands.begin(self._watch)

    async def _watch(self) -> None:
        while True:
            pause_s = LOOK_S
            with enduring("domains of mail addresses cannot be looked up"):
                if due := await self._claim():
                    pause_s = 0.0 if await self._look_up(due) else REST_S
                elif pending := await asyncio.to_thread(self._unmarked):
                    await self._mark(pending)
            await asyncio.sleep(pause_s)

    async def _claim(self) -> list[Due]:
        now = self._now()
        first = await asyncio.to_thread(self._first)
        if first is None or first > now:
            return []

        def claim(tx: Transaction) -> list[Due]:
            return mail_domains.claim(tx, now, again_at=now + LEASE_MS, limit=BATCH)

        return await end_of(self._engine.write(claim))

    async def _look_up(self, due: list[Due]) -> bool:
        """Ask about domains, and keep the answers; return whether anybody answered at all."""
        from kaskad.engine.transport.names import Names  # slow to import, and most commands never ask

        names = self._names = self._names or Names(self._servers)
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(one: Due) -> MailState | None:
            async with gate:
                return await names.mail_state(one.domain)

        states = await asyncio.gather(*map(ask, due))
        now = self._now()

        def keep(tx: Transaction) -> None:
            for one, state in zip(due, states, strict=True):
                if state is None:
                    mail_domains.put_off(tx, one, now + min(AGAIN_MS << min(one.tries, 10), LATEST_MS))
                else:
                    mail_domains.settle(tx, one, state, now, now + _until_next(one, state, now))

        await end_of(self._engine.write(keep))
        answered = len(due) - states.count(None)
        log.info("domains of mail addresses looked up", domains=len(due), answered=answered)
        return answered > 0

    async def _mark(self, pending: list[tuple[str, int]]) -> None:
        """Go once through all mail addresses, and mark those of the domains whose state has changed."""
        marked, after = 0, 0
        while (last := await asyncio.to_thread(self._last, after)) is not None:
            first, until = last
            found = await asyncio.to_thread(self._found, first - 1, until)
            for place in range(0, len(found), MARKS):
                change = partial(mail_domains.mark, found=found[place : place + MARKS], now=self._now())
                await end_of(self._engine.write(change))
            marked, after = marked + len(found), until
        await end_of(self._engine.write(lambda tx: mail_domains.marked(tx, pending)))
        log.info("addresses marked by their domains", domains=len(pending), addresses=marked)

    def _now(self) -> int:
        return self._engine.world.clock.now()

    def _first(self) -> int | None:
        with self._db.read() as tx:
            return mail_domains.first_due(tx)

    def _unmarked(self) -> list[tuple[str, int]]:
        with self._db.read() as tx:
            return mail_domains.unmarked(tx)

    def _last(self, after: int) -> tuple[int, int] | None:
        """Return the first contact after one, and up to which the next piece goes; None after the last."""
        with self._db.read() as tx:
            row = tx.one("first_contact_after", after=after)
        return None if row is None or row[0] is None else (row[0], row[0] + CONTACTS - 1)

    def _found(self, after: int, until: int) -> list[tuple[int, str, int]]:
        with self._db.read() as tx:
            return mail_domains.unmarked_addresses(tx, after, until)


def _until_next(one: Due, state: MailState, now: int) -> int:
    """Return how long what was found is believed; domains that were found together are spread a little."""
    spread = sum(one.domain.encode()) % 100 / 1000  # up to a tenth
    if state is MailState.TAKES:
        return int(ANEW_MS * (1 + spread))
    old = one.state == state and one.since is not None and now - one.since > NEWS_MS
    return int((LONG_DEAD_MS if old else DEAD_MS) * (1 + spread))
