"""What follows from a tick outside: its messages go, those who brought something are answered.

Nothing of it may happen before the tick is on the disk. While the engine runs, the next tick begins meanwhile
(`Database.write_ahead`): a disk takes as long to keep a small tick as the tick took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from kaskad.domain.errors import KaskadError, StoreError, Unavailable
from kaskad.domain.terms import Reason
from kaskad.engine.dispatch import Dispatch
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.receive import Delivery
from kaskad.log import get_logger
from kaskad.store.db import Database, Transaction

log = get_logger(__name__)


class Effects:
    """Of the ticks of one engine, in their order.

    `on_results` takes the results of parcels that nobody took, `on_loss` is called once `lost` is set.
    """

    def __init__(
        self, db: Database, dispatch: Dispatch, now: Callable[[], int],
        on_results: Callable[[list[Result]], None], on_loss: Callable[[], None],
    ) -> None:  # fmt: skip
        self._db, self._dispatch, self._now = db, dispatch, now
        self._on_results, self._on_loss = on_results, on_loss
        self.ahead = False  # whether the next tick may begin before the last one is on the disk
        self.lost: StoreError | None = None  # why what was committed is not on the disk, or had no effects

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Return a transaction for a tick."""
        return self._db.write_ahead() if self.ahead else self._db.write()

    def follow(self, parcels: list[Parcel], deliveries: list[Delivery], shared: Future[None]) -> None:
        """Let parcels go and answer deliveries as soon as what has been committed is on the disk."""
        if self.ahead:
            self._db.when_durable(partial(self._have, parcels, deliveries, shared))
        else:
            self._have(parcels, deliveries, shared, None)

    def catch_up(self) -> None:
        """Wait until all that ticks have written is on the disk, and has had its effects; or sets `lost`."""
        if self.ahead:
            kept: Future[StoreError | None] = Future()
            self._db.when_durable(kept.set_result)
            self.lost = kept.result() or self.lost

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Let ticks wait for the disk meanwhile."""
        self.catch_up()
        ahead, self.ahead = self.ahead, False
        try:
            yield
        finally:
            self.ahead = ahead

    def _have(
        self, parcels: list[Parcel], deliveries: list[Delivery], shared: Future[None],
        lost: StoreError | None,
    ) -> None:  # fmt: skip
        try:
            if lost is not None:
                raise lost
            self._submit(parcels)
            for delivery in deliveries:
                if delivery.done is not None:
                    delivery.done.set_result(delivery.problems)
            if deliveries:
                shared.set_result(None)
        except Exception as error:
            if not self.ahead:
                raise
            if lost is None:
                log.exception("engine stopped")
                lost = Unavailable(f"The engine stopped because of a defect: {error!r}")
            elif self.lost is None:
                log.error("engine stopped", why=str(lost), messages=len(parcels))
            refuse(deliveries, shared, lost)
            self.lost = self.lost or lost
            self._on_loss()

    def _submit(self, parcels: list[Parcel]) -> None:
        """Let the parcels go; those that nobody took come back as not sent, and are tried again."""
        if not parcels:
            return
        try:
            self._dispatch.submit(parcels)
        except KaskadError as error:
            log.error("nobody sends", why=str(error), messages=len(parcels))
            now = self._now()
            self._on_results([_not_sent(parcel, now, str(error)) for parcel in parcels])


def refuse(deliveries: Sequence[Delivery], shared: Future[None], error: BaseException) -> None:
    """Tell those whose deliveries were not kept, and whoever shares a future with them."""
    for delivery in deliveries:
        if delivery.done is not None and not delivery.done.done():
            delivery.done.set_exception(error)
    if deliveries and not shared.done():
        shared.set_exception(error)


def _not_sent(parcel: Parcel, at: int, why: str) -> Result:
    return Result(
        parcel.contact_id, parcel.run_id, parcel.step, parcel.attempt, parcel.account_id, at,
        reason=Reason.TRANSIENT, detail=why, accepted=False,
    )  # fmt: skip
