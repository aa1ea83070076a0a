"""A name server on loopback that answers as it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """`zone` has what stands at a name and type (`("firma.kz", "MX")`); a name without any is unknown.

    Of a name in `failing` nothing can be said (SERVFAIL).
    """

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {("com", "NS"): ["a.gtld-servers.net."]}
        self.failing: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            packet, sender = self._socket.recvfrom(4096)
            if packet == b"end":
                return
            self._socket.sendto(self._answer(packet), sender)

    def end(self) -> None:
        self._socket.sendto(b"end", self._socket.getsockname())

    def close(self) -> None:
        self._socket.close()

    def _answer(self, packet: bytes) -> bytes:
        query = dns.message.from_wire(packet)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if name in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in self.zone:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *self.zone[name, kind]))
        elif not any(known == name for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()


@contextmanager
def name_server() -> Iterator[NameServer]:
    """Yield a server that runs until the end of the block."""
    server = NameServer()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join()
        server.close()
