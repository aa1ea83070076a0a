"""What an installation asks of whoever runs a sandbox for it: `cli/playground.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct


class Resident(Struct, frozen=True):
    """A contact as the sandbox is told of them; `addresses` are by channel."""

    key: str
    name: str
    language: str
    zone: str
    addresses: Mapping[str, str]


Resolve = Callable[[str, str], Resident | None]  # (channel, address): whose it is


class Playground(Protocol):
    """What runs the sandbox; `url` is where its phones are, "" while it is closed."""

    url: str

    def open(self, kaskad_url: str, resolve: Resolve) -> Sequence[Mapping[str, Any]]:
        """Run from now on, and return the accounts that lead here, as an accounts.yaml has them."""

    def close(self) -> None:
        """End it; may be called twice."""

    def phone(self, resident: Resident) -> str:
        """Return the address of the page that is somebody's phone."""
