"""Which addresses of one's own network may be called by what somebody adds on a page."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from msgspec import Struct

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
# Ends as no name does: 10.1.2, 10.1.2.5-9, 0x7f.1.
_NUMBERS = re.compile(r"(?:.*\.)?(?:[0-9_-]+|0x[0-9a-f]*)")
_SWITCHES = frozenset({"yes", "no", "true", "false", "on", "off"})
# All other IPv6 is of one's own network, of a group, or of nobody.
_UNICAST = ipaddress.IPv6Network("2000::/3")
# RFC 6052: a gateway calls the IPv4 address in the last 32 bits.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


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

    def _opens(self, address: Address) -> bool:
        meant = _carried(address)
        return _public(meant) or any(
            each in network for network in self.networks for each in (address, meant)
        )


def _carried(address: Address) -> Address:
    """Return the IPv4 address that packets to an IPv6 one end at: mapped, 6to4, NAT64; else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


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
            if not _HOST.fullmatch(part) or _NUMBERS.fullmatch(part) or part in _SWITCHES:
                raise ValueError(part) from None
            hosts.add(part)
    return Inside(frozenset(hosts), tuple(networks))
