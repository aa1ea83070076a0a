"""What carries messages, as the carrier sees it; which provider goes which way is `Provider.transport`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.providers.base import Accepted, Account, Inbound, Outgoing, Provider, Receipt

T = TypeVar("T")


class Transport(Protocol):
    """One way to carry messages; used from one event loop."""

    async def send(self, carrying: Provider, outgoing: Outgoing, account: Account) -> Accepted:
        """Return what the service took; raises SendError, with what is certain about it."""

    async def close(self) -> None:
        """End its connections, at once or within a second."""


class Ears(Protocol):
    """Where what a service tells by itself is taken, on the event loop of the transport."""

    def hear(self, account: Account, told: Sequence[Receipt | Inbound], raw: bytes) -> asyncio.Future[bool]:
        """Return what becomes true once all of it is durable, and False where it must be told again."""

    def note(self, account: Account, why: str) -> None:
        """Tell what keeps the account's connection from standing; "": it stands."""


class Listening(Transport, Protocol):
    """A transport over whose connections a service also tells by itself."""

    def follow(self, accounts: Mapping[int, Account], ears: Ears) -> None:
        """Keep a connection for each of these accounts from now on, and for no others.

        Called again whenever an account has changed. Without a call nothing is heard.
        """


def built(build: Callable[[Outgoing, Account], T], outgoing: Outgoing, account: Account) -> T:
    """Return what is to be sent; whatever goes wrong here, nothing has been sent."""
    try:
        return build(outgoing, account)
    except SendError:
        raise
    except Exception as failure:
        raise SendError(
            Reason.OTHER, f"the message could not be built ({type(failure).__name__})"
        ) from failure
