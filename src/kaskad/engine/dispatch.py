"""Carry submitted messages to the providers, and bring one result for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from kaskad.domain.cascade import Money
from kaskad.domain.terms import Kind, Reason
from kaskad.providers.base import Account, Outgoing


class Parcel(Struct, frozen=True, gc=False):
    """A message whose `submitted` is committed, on its way to the account's provider."""

    contact_id: int
    run_id: int
    step: int
    attempt: int
    account_id: int
    outgoing: Outgoing


class Result(Struct, frozen=True, gc=False):
    """How one parcel ended. `reason` None: accepted; `kind` None then means queued at the provider.

    Otherwise `accepted` False proves that nothing was sent, and None that nobody knows.
    """

    contact_id: int
    run_id: int
    step: int
    attempt: int
    account_id: int
    at: int
    provider_id: str = ""
    kind: Kind | None = None
    cost: Money | None = None
    reason: Reason | None = None
    detail: str = ""
    code: str = ""
    retry_after_ms: int | None = None
    accepted: bool | None = True


class Dispatcher:
    """A thread of its own with an event loop; the only caller of engine/transport."""

    def __init__(
        self,
        accounts: Mapping[int, Account],
        clock: Callable[[], int],
        on_results: Callable[[list[Result]], None],
    ) -> None:
        raise NotImplementedError

    def submit(self, parcels: list[Parcel]) -> None:
        """Hand over parcels from any thread, after the commit of their `submitted` only."""
        raise NotImplementedError

    def close(self, timeout_s: float) -> None:
        """Let requests under way end, for at most `timeout_s`; the rest end as unknown."""
        raise NotImplementedError
