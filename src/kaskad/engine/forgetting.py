"""Goes on with searches for erased people in what was kept whole, after the answer to the erasure."""

from __future__ import annotations

import asyncio
from functools import partial

from kaskad.engine.engine import Engine
from kaskad.engine.errands import Errands, end_of, enduring
from kaskad.log import get_logger
from kaskad.store import searches
from kaskad.store.db import Database
from kaskad.store.searches import Found, Search
from kaskad.store.vault import Vault

log = get_logger(__name__)

LOOK_S = 5.0  # between looks for a search
PAUSE_S = 0.02  # between two pieces: others have work to do, too


class Forgetting:
    """Searches for one process; ends with its errands."""

    def __init__(self, errands: Errands, engine: Engine, db: Database, vault: Vault) -> None:
        self._errands, self._engine, self._db, self._vault = errands, engine, db, vault
        self._shed = False  # the journal of the database still holds what was deleted

    def start(self) -> None:
        """Begin to look for searches that are under way."""
        self._errands.begin(self._watch)

    async def _watch(self) -> None:
        while True:
            pause_s = LOOK_S
            with enduring("what was kept whole is not searched"):
                if piece := await asyncio.to_thread(self._look):
                    await self._apply(*piece)
                    pause_s = PAUSE_S
                elif self._shed:
                    self._shed = not await asyncio.to_thread(self._db.shed)
            await asyncio.sleep(pause_s)

    def _look(self) -> tuple[Search, Found] | None:
        with self._db.read() as tx:
            search = searches.first(tx, self._vault)
            return None if search is None else (search, searches.look(tx, search))

    async def _apply(self, search: Search, found: Found) -> None:
        change = partial(searches.apply, vault=self._vault, before=search, found=found)
        if await end_of(self._engine.write(change)):
            self._shed = True
            log.info("erased person is in nothing that was kept whole", erasure=search.erasure_id)
