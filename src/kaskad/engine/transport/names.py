"""Questions to DNS: does a domain take mail?"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX

from kaskad.domain.mailbox import MailState

TIMEOUT_S = 5.0  # of one question, all its servers together
PROOF = "com."  # a name that whoever answers for the internet knows
PROVEN_S = 600.0


class Names:
    """Asks the servers of the system, or those that are named: `9.9.9.9`, `[::1]:5353`. Raises ValueError."""

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.lifetime = TIMEOUT_S
        self._proven_s = -PROVEN_S
        if servers:
            places = [place_of(server) for server in servers]
            self._resolver.nameservers = [host for host, _ in places]
            self._resolver.nameserver_ports = dict(places)
            return
        with suppress(dns.resolver.NoResolverConfiguration, OSError):  # then nothing answers
            self._resolver.read_resolv_conf("/etc/resolv.conf")

    async def mail_state(self, domain: str) -> MailState | None:
        """Return whether a domain takes mail; None where nobody could say now.

        https://www.rfc-editor.org/rfc/rfc5321#section-5.1
        """
        try:
            state = await self._asked(dns.name.from_text(domain))
        except (dns.exception.DNSException, OSError, UnicodeError):
            return None
        if state is MailState.TAKES or await self._knows_the_internet():
            return state
        return None

    async def _asked(self, name: dns.name.Name) -> MailState:
        try:
            exchanges = await self._resolver.resolve(name, "MX", search=False)
        except dns.resolver.NXDOMAIN:
            return MailState.NO_DOMAIN
        except dns.resolver.NoAnswer:
            pass
        else:
            targets = [record.exchange for record in exchanges if isinstance(record, MX)]
            return MailState.REFUSES if set(targets) == {dns.name.root} else MailState.TAKES
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            with suppress(dns.resolver.NoAnswer):
                await self._resolver.resolve(name, kind, search=False)
                return MailState.TAKES
        return MailState.NO_SERVER

    async def _knows_the_internet(self) -> bool:
        """Return whether a "no" can be believed: in a closed network every name is unknown."""
        if monotonic() - self._proven_s < PROVEN_S:
            return True
        try:
            await self._resolver.resolve(PROOF, "NS", search=False)
        except (dns.exception.DNSException, OSError):
            return False
        self._proven_s = monotonic()
        return True


def place_of(server: str) -> tuple[str, int]:
    """Return host and port of a name server written as `9.9.9.9`, `9.9.9.9:5353` or `[::1]:53`."""
    host, port = server, "53"
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    ipaddress.ip_address(host)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{port!r} is no port")
    return host, int(port)
