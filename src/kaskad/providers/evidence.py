"""How well each provider is verified: counted from the tests, kept in `evidence.json` beside this file.

An installation has no tests, yet its users should know what an adapter rests on before they trust it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from kaskad.providers.base import Provider


class Level(StrEnum):
    """What a provider's cases rest on, the strongest first."""

    LIBRARY = "library"  # a library or a server of others agrees with us
    SPECIFICATION = "specification"  # the service's own machine-readable description
    PAYLOADS = "payloads"  # the service's own examples, byte for byte
    DOCUMENTATION = "documentation"  # what its pages say
    OWN = "own"  # nobody else's service is behind it: the tests drive the whole of it


class Evidence(Struct, frozen=True):
    """What is counted of one provider."""

    cases: int = 0
    payloads: int = 0  # of the cases: those that hold a published payload
    specification: bool = False

    def level(self, provider: Provider) -> Level:
        """Return the strongest that holds of the provider."""
        if provider.own:
            return Level.OWN
        if provider.judges:
            return Level.LIBRARY
        if self.specification:
            return Level.SPECIFICATION
        return Level.PAYLOADS if self.payloads else Level.DOCUMENTATION


def evidence(name: str) -> Evidence:
    """Return what is known of the provider with this name; nothing counted where it has no cases."""
    return _all().get(name, Evidence())


@cache
def _all() -> dict[str, Evidence]:
    text = files("kaskad.providers").joinpath("evidence.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Evidence])
