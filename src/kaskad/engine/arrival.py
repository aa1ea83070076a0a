"""What arrives from outside, in the one shape in which it is made durable and applied."""

from __future__ import annotations

from msgspec import Struct

SKEW_MS = 60_000  # by so much may a service's clock be behind ours


class Arrival(Struct, frozen=True, gc=False, array_like=True):
    """A fact about a message (`run_id`, `step`), or about a contact (`run_id` 0).

    `event` is the sender's own id of it: the same fact counts once. `value` is JSON where there is more.
    """

    contact_id: int
    run_id: int
    step: int
    kind: int
    event: str
    at: int
    value: str | None = None


class Unmatched(Struct, frozen=True, gc=False, array_like=True):
    """A receipt that names only the provider's own id of the message, and perhaps of some before it."""

    account_id: int
    provider_id: str
    kind: int
    event: str
    at: int
    value: str | None = None
    earlier: tuple[str, ...] = ()
