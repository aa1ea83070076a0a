"""Hand what transports hear by themselves to the same intake as webhooks and polls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from kaskad.engine.engine import Engine
from kaskad.engine.heard import Told
from kaskad.engine.ingest import Ingest
from kaskad.engine.poller import Poller
from kaskad.log import get_logger
from kaskad.providers.base import UNREADABLE

log = get_logger(__name__)


class Hearing:
    """The `Listener` of one process; called from the threads of its dispatcher."""

    def __init__(self, engine: Engine, ingest: Ingest, poller: Poller) -> None:
        self._accounts = engine.world.accounts
        self._ingest = ingest
        self._poller = poller

    def hear(self, told: list[Told], done: Callable[[bool], None]) -> None:
        """Make reports durable, and say after their commit whether they all are."""
        try:
            futures = [future for one in told if (future := self._keep(one)) is not None]
        except Exception as error:  # a defect of ours: it will be told again, and must not end the hearing
            log.error("reports were not taken because of a defect", error=type(error).__name__)
            done(False)
            return
        _after(futures, done)

    def note(self, account_id: int, why: str) -> None:
        """Show what keeps an account's connection from standing, where polls show their troubles too."""
        account = self._accounts.get(account_id)
        if account is not None:
            self._poller.note(account, why)

    def _keep(self, one: Told) -> Future[None] | None:
        account = self._accounts.get(one.account_id)
        if account is None:
            return None  # deleted since: there is nobody whom it could be told about
        unread = any(receipt.name == UNREADABLE for receipt in one.receipts)
        problem = "the report cannot be read" if unread else None
        return self._ingest.receipts(account, [*one.receipts, *one.inbound], {}, one.raw, problem)


def _after(futures: list[Future[None]], done: Callable[[bool], None]) -> None:
    """Call `done` once all have ended: True where all ended well."""
    if not futures:
        done(True)
        return
    lock = threading.Lock()
    left, well = len(futures), True

    def ended(future: Future[None]) -> None:
        nonlocal left, well
        with lock:
            left -= 1
            well = well and not future.cancelled() and future.exception() is None
            last = left == 0
        if last:
            done(well)

    for future in futures:
        future.add_done_callback(ended)
