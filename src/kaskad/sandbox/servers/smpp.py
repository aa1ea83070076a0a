"""An SMS centre: SMPP 3.4 on a socket of its own, with receipts and people's answers on the same session.

SMPP Protocol Specification v3.4, Issue 1.2. Parts of a long message are put together for the phone; each has
an id and a receipt of its own, in the words of Appendix B.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count

from msgspec import Struct

from kaskad.domain import sms
from kaskad.domain.address import BadAddress, normalise_phone
from kaskad.providers.smpp_pdu import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    ENQUIRE_LINK,
    OK,
    RESPONSE,
    SUBMIT_SM,
    UDHI,
    UNBIND,
    Address,
    Bind,
    Message,
    Pdu,
    concatenation,
    of_c_string,
    take,
)
from kaskad.sandbox.faults import RECEIPTS, REQUESTS, SESSIONS, Fault
from kaskad.sandbox.person import SMS, Phone, Sms
from kaskad.sandbox.server import HOST, Place, Server, Site
from kaskad.sandbox.servers.sms import ABSENT_MS, Fate, carry

SHORT = "1234"  # where answers to a sender's name go
ANSWER_S = 10.0  # in which a report has to be answered
AGAIN_MS = 5_000  # after which a report that nobody has taken is told again
BINDS = (BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER)
BAD_COMMAND, NOT_BOUND, BOUND, SYSTEM_ERROR = 0x03, 0x04, 0x05, 0x08
BAD_SOURCE, BAD_NUMBER, BAD_PASSWORD, BAD_SYSTEM_ID = 0x0A, 0x0B, 0x0E, 0x0F
THROTTLED, BAD_LENGTH, BAD_VALIDITY, REJECTED = 0x58, 0x01, 0x62, 0x45
FAULTS = {"throttle": THROTTLED, "error": SYSTEM_ERROR, "reject": REJECTED}
FATES = {  # stat and err of a receipt
    Fate.DELIVERED: ("DELIVRD", "000"),
    Fate.EXPIRED: ("EXPIRED", "006"),
    Fate.UNKNOWN_NUMBER: ("UNDELIV", "001"),
}
CODINGS = {1: "ascii", 3: "latin-1", 8: "utf-16-be"}
UCS2 = 8


class Keys(Struct, frozen=True):
    """The one login."""

    system_id: str = "sandbox"
    password: str = "secret"


class Part(Struct, frozen=True):
    """A submission that was taken."""

    identity: str
    message: Message
    at: int


class Smpp(Server):
    """The centre; `Session` is one connection to it."""

    name = "smpp"
    channels = (SMS,)
    provider = "smpp"
    account = "gate"
    price = "15 KZT per part"
    honours = frozenset((*REQUESTS, *RECEIPTS, *SESSIONS)) - {"bad_signature"}
    port = 2775

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.keys = site.place.keys(Keys)
        self.sessions: list[Session] = []
        self._numbers = count(1)
        self._parts: dict[tuple[str, str, int, int], dict[int, Part]] = {}
        self._waiting: deque[Message] = deque()  # reports for whoever binds next

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "host": HOST, "port": str(place.ports[cls.name]), "system_id": keys.system_id,
            "password": keys.password, "sender": "Shop", "receipt_codes": "001=invalid_address",
        }  # fmt: skip

    def protocol(self) -> Session:
        return Session(self)

    def submitted(self, message: Message) -> tuple[int, str]:
        """Return the status and the id of a submission, which then goes its way."""
        try:
            number = normalise_phone(f"+{message.dest.value}")
        except BadAddress:
            return BAD_NUMBER, ""
        if message.source.ton == 5 and not 0 < len(message.source.value) <= 11:
            return BAD_SOURCE, ""
        valid_ms = _span_ms(message.validity)
        if valid_ms is None:
            return BAD_VALIDITY, ""
        if len(message.text) > (160 if message.coding == 0 else 140):
            return BAD_LENGTH, ""
        part = Part(f"{next(self._numbers):08x}", message, self.world.pace.now())
        place = concatenation(message)
        if place is None:
            self._carry([part], number, valid_ms)
            return OK, part.identity
        reference, total, at = place
        key = (message.source.value, message.dest.value, reference, total)
        held = self._parts.setdefault(key, {})
        held[at] = part
        if len(held) == total:
            del self._parts[key]
            self._carry([held[n] for n in sorted(held)], number, valid_ms)
        return OK, part.identity

    def _carry(self, parts: Sequence[Part], number: str, valid_ms: float) -> None:
        first = parts[0].message
        octets = b"".join([part.message.content for part in parts])
        text = sms.from_octets(octets) if first.coding == 0 else _read(octets, first.coding)
        told = partial(self._told, parts)
        sender = first.source.value or SHORT
        self.world.spawn(carry(self, number, text, sender, parts[0].identity, told, valid_ms))

    def _told(self, parts: Sequence[Part], fate: Fate) -> None:
        """Report what has become of each part, where that was asked for."""
        if fate not in FATES:
            return
        stat, err = FATES[fate]
        done = self.world.pace.now()
        for part in parts:
            if part.message.registered & 1:
                text = (
                    f"id:{part.identity} sub:001 dlvrd:{'001' if fate is Fate.DELIVERED else '000'} "
                    f"submit date:{_date(part.at)} done date:{_date(done)} stat:{stat} err:{err} text:"
                )
                asked = part.message
                report = Message(source=asked.dest, dest=asked.source, esm_class=4, text=text.encode())
                self.tell(partial(self._deliver, report))

    def on_sms(self, phone: Phone, sms: Sms, about: Sms | None) -> None:
        """Deliver what a person wrote, in parts where it is long."""
        source = Address(1, 1, phone.person.phone.lstrip("+"))
        dest = Address(3, 0, SHORT)
        texts = _pieces(sms.text)
        for number, octets in enumerate(texts, 1):
            header = bytes((5, 0, 3, sms.id & 0xFF, len(texts), number)) if len(texts) > 1 else b""
            self.tell(
                partial(
                    self._deliver,
                    Message(
                        source=source, dest=dest, coding=UCS2, text=header + octets,
                        esm_class=UDHI if header else 0,
                    ),
                )
            )  # fmt: skip

    async def _deliver(self, message: Message, good: bool) -> None:
        """Tell a report until it is taken; where nobody is bound it waits."""
        while True:
            session = next((one for one in reversed(self.sessions) if one.hears), None)
            if session is None:
                self._waiting.append(message)
                return
            if await session.ask(message):
                return
            await self.world.pace.wait(AGAIN_MS)

    def bound(self, session: Session) -> None:
        """Take a session into service, and tell it what has waited."""
        self.sessions.append(session)
        waiting, self._waiting = self._waiting, deque()
        for message in waiting:
            self.tell(partial(self._deliver, message))


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, centre: Smpp) -> None:
        self._centre = centre
        self._buffer = bytearray()
        self._bound = 0
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[int]] = {}

    @property
    def hears(self) -> bool:
        """Say whether it takes reports."""
        return self._bound in (BIND_RECEIVER, BIND_TRANSCEIVER)

    async def ask(self, message: Message) -> bool:
        """Return whether a report was taken in time."""
        number = next(self._numbers)
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        self._write(Pdu(DELIVER_SM, OK, number, message.octets()))
        try:
            return await asyncio.wait_for(answered, ANSWER_S) == OK
        except TimeoutError:
            return False
        finally:
            del self._asked[number]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._centre.sessions:
            self._centre.sessions.remove(self)
        for answered in self._asked.values():
            if not answered.done():
                answered.set_result(NOT_BOUND)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            for pdu in take(self._buffer):
                self._take(pdu)
        except ValueError:
            self._transport.abort()

    def _take(self, pdu: Pdu) -> None:
        if pdu.command & RESPONSE:
            answered = self._asked.get(pdu.sequence)
            if answered is not None and not answered.done():
                answered.set_result(pdu.status)
        elif pdu.command in BINDS:
            self._bind(pdu)
        elif pdu.command == ENQUIRE_LINK:
            self._answer(pdu)
        elif pdu.command == UNBIND:
            self._answer(pdu)
            self._transport.close()
        elif pdu.command == SUBMIT_SM:
            if self._bound in (BIND_TRANSMITTER, BIND_TRANSCEIVER):
                self._centre.world.spawn(self._submit(pdu))
            else:
                self._answer(pdu, NOT_BOUND)
        else:
            self._answer(Pdu(0, sequence=pdu.sequence), BAD_COMMAND)

    def _bind(self, pdu: Pdu) -> None:
        told, keys = Bind.read(pdu.body), self._centre.keys
        status = OK
        if self._bound:
            status = BOUND
        elif told.system_id != keys.system_id:
            status = BAD_SYSTEM_ID
        elif told.password != keys.password:
            status = BAD_PASSWORD
        self._answer(pdu, status, of_c_string(keys.system_id) if status == OK else b"")
        if status == OK:
            self._bound = pdu.command
            self._centre.bound(self)

    async def _submit(self, pdu: Pdu) -> None:
        fault: Fault | None = self._centre.strike((*REQUESTS, *SESSIONS))
        kind = fault.kind if fault else ""
        if kind in FAULTS:
            self._answer(pdu, FAULTS[kind])
            return
        if fault is not None and kind == "slow":
            await self._centre.world.pace.wait(fault.seconds * 1000)
        try:
            status, identity = self._centre.submitted(Message.read(pdu.body))
        except ValueError:
            self._answer(pdu, BAD_LENGTH)
            return
        if kind == "disconnect":
            self._transport.abort()
        elif kind != "hang":
            self._answer(pdu, status, of_c_string(identity) if status == OK else b"")

    def _answer(self, asked: Pdu, status: int = OK, body: bytes = b"") -> None:
        self._write(Pdu(asked.command | RESPONSE, status, asked.sequence, body))

    def _write(self, pdu: Pdu) -> None:
        if not self._transport.is_closing():
            self._transport.write(pdu.octets())


def _span_ms(validity: str) -> float | None:
    """Return how long a message is tried: a relative time of 7.1.1; None for what is none."""
    if not validity:
        return ABSENT_MS
    if len(validity) != 16 or not validity[:15].isdigit() or not validity.endswith("R"):
        return None
    years, months, days, hours, minutes, seconds = (int(validity[at : at + 2]) for at in range(0, 12, 2))
    return 1000.0 * ((((years * 365 + months * 30 + days) * 24 + hours) * 60 + minutes) * 60 + seconds)


def _read(octets: bytes, coding: int) -> str:
    return octets.decode(CODINGS.get(coding, "latin-1"), "replace")


def _pieces(text: str) -> list[bytes]:
    """Return a text in UCS-2, in parts that fit."""
    octets = text.encode("utf-16-be", "replace")
    step = 140 if len(octets) <= 140 else 134
    return [octets[at : at + step] for at in range(0, len(octets), step)] or [b""]


def _date(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%y%m%d%H%M")
