"""What the server and the process that takes its webhooks tell each other.

Connections themselves go over a socket of their own, one at a time, each with what had been read of it; on
their way back they come in the order of `Back`.
"""

from __future__ import annotations

from msgspec import Struct

from kaskad.engine.reports import Report
from kaskad.providers.base import Account


class Setup(Struct, frozen=True, tag=True):
    """The first frame to the process; `keys` are those of references."""

    keys: list[tuple[int, bytes]]
    base_url: str
    log_level: str
    log_style: str
    patience_s: float  # for a request that has not come whole, …
    most: int  # … and bytes for all of them


class Known(Struct, frozen=True, tag=True):
    """The accounts whose webhooks are taken, as they are from now on, and where none is (`hosts`)."""

    number: int
    accounts: list[Account]
    hosts: frozenset[str]


class Ended(Struct, frozen=True, tag=True):
    """Whether what was taken under that number is durable now."""

    number: int
    well: bool


class Stop(Struct, frozen=True, tag=True):
    """End what is under way, for so long at most, and take nothing more."""

    timeout_s: float


class Ready(Struct, frozen=True, tag=True):
    """Connections may be handed over."""


class Taken(Struct, frozen=True, tag=True):
    """Webhooks that tell of messages only, verified by the accounts of `Known` of that number."""

    number: int
    known: int
    reports: list[Report]


class Whole(Struct, frozen=True, tag=True):
    """A verified webhook that tells of more, to be read where the engine is."""

    number: int
    known: int
    account_id: int
    url: str
    headers: dict[str, str]
    body: bytes


class Back(Struct, frozen=True, tag=True):
    """A connection goes back, with what has been read of it and not been answered."""

    data: bytes


Told = Ready | Taken | Whole | Back
Said = Setup | Known | Ended | Stop
