"""What is handed over for sending, and what comes back."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.cascade import Money
from kaskad.domain.terms import Kind, Reason
from kaskad.providers.base import Outgoing


def storable(text: str) -> str:
    """Return a provider's text without U+0000, which PostgreSQL cannot keep."""
    return text.replace("\0", "")


class Parcel(Struct, frozen=True, gc=False, array_like=True):
    """A message whose `submitted` is committed, on its way to the account's provider."""

    contact_id: int
    run_id: int
    step: int
    attempt: int
    account_id: int
    outgoing: Outgoing


class Result(Struct, frozen=True, gc=False, array_like=True):
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
    parts: tuple[str, ...] = ()  # all ids of a message that travels as several
    of_person: bool = False  # refused for now for whom it is to: others may be sent to
