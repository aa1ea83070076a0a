"""Which addresses of one's own network may be called by what somebody adds on a page."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from msgspec import Struct

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)


class Inside(Struct, frozen=True):
    """The hosts and networks that may be called though they are private; what is public always may."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    everything: bool = False

    def opens(self, host: str, addresses: Iterable[str]) -> bool:
        """Say whether a host that has these addresses may be called."""
        if self.everything or host.strip("[]").rstrip(".").lower() in self.hosts:
            return True
        return all(self._opens(ipaddress.ip_address(each.split("%")[0])) for each in addresses)

    def _opens(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return address.is_global or any(address in network for network in self.networks)


NOTHING = Inside()
EVERYTHING = Inside(everything=True)


def read_inside(text: str) -> Inside:
    """Return what `no`, `yes`, or hosts, addresses and networks separated by commas open.

    Raises ValueError that names what is none of these.
    """
    if text in ("no", "yes"):
        return EVERYTHING if text == "yes" else NOTHING
    hosts, networks = set(), []
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(part.strip("[]"), strict=False))
        except ValueError:
            if not _HOST.fullmatch(part) or part in ("yes", "no"):
                raise ValueError(part) from None
            hosts.add(part)
    return Inside(frozenset(hosts), tuple(networks))
