"""What transports hear by themselves, on its way to the intake: receipts and what people did.

A service that tells over a standing connection (SMPP, ARI) is answered only after the commit that keeps
what it told: so it tells again what a process that was killed had not kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from kaskad.providers.base import Account, Inbound, Receipt


class Told(Struct, frozen=True, array_like=True):
    """What one report of a service says, and the report as it came."""

    account_id: int
    receipts: list[Receipt]
    inbound: list[Inbound]
    raw: bytes


class Heard(Struct, frozen=True, tag=True):
    """Reports that came together; `Kept` answers them by their number."""

    batch: int
    told: list[Told]


class Kept(Struct, frozen=True, tag=True):
    """Whether a batch is durable now; False: none of it may be answered as taken."""

    batch: int
    well: bool


class Trouble(Struct, frozen=True, tag=True):
    """What keeps an account's connection from standing; "": it stands."""

    account_id: int
    why: str


class Listener(Protocol):
    """Who takes what is heard; called from any thread."""

    def hear(self, told: list[Told], done: Callable[[bool], None]) -> None:
        """Make it durable, then say so, from any thread."""

    def note(self, account_id: int, why: str) -> None:
        """Take what keeps an account's connection from standing."""


class Batches:
    """The `Ears` of transports: what they hear in one turn of the loop goes on together."""

    def __init__(self, tell: Callable[[Heard | Trouble], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._tell = tell
        self._number = 0
        self._open: list[Told] = []
        self._ended: asyncio.Future[bool] = self._loop.create_future()
        self._waiting: dict[int, asyncio.Future[bool]] = {}

    def hear(self, account: Account, told: Sequence[Receipt | Inbound], raw: bytes) -> asyncio.Future[bool]:
        """Return what ends with the batch that takes this."""
        if not self._open:
            self._ended = self._loop.create_future()
            self._loop.call_soon(self._send)
        receipts = [one for one in told if isinstance(one, Receipt)]
        inbound = [one for one in told if isinstance(one, Inbound)]
        self._open.append(Told(account.id, receipts, inbound, raw))
        return self._ended

    def note(self, account: Account, why: str) -> None:
        """Tell at once what keeps an account's connection from standing."""
        self._tell(Trouble(account.id, why))

    def kept(self, kept: Kept) -> None:
        """End what waits for a batch."""
        ended = self._waiting.pop(kept.batch, None)
        if ended is not None and not ended.done():
            ended.set_result(kept.well)

    def _send(self) -> None:
        self._number += 1
        self._waiting[self._number] = self._ended
        told, self._open = self._open, []
        self._tell(Heard(self._number, told))
