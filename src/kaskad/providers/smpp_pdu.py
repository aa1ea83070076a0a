"""SMPP 3.4 on the wire: PDUs and the messages inside them, from and to bytes.

SMPP Protocol Specification v3.4, 12-Oct-1999, Issue 1.2: sections 3.1 (types), 4 (PDUs) and 5.3 (TLVs).
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct as Packed
from typing import Self

from msgspec import Struct, field

BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x1, 0x2, 0x9
SUBMIT_SM, DELIVER_SM, DATA_SM = 0x4, 0x5, 0x103
UNBIND, ENQUIRE_LINK = 0x6, 0x15
RESPONSE = 0x80000000  # this bit makes a command its response; alone it is generic_nack
OK = 0

PAYLOAD = 0x0424  # message_payload
SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = 0x020C, 0x020E, 0x020F
RECEIPTED_ID, MESSAGE_STATE, NETWORK_ERROR = 0x001E, 0x0427, 0x0423

UDHI = 0x40  # esm_class: the text begins with a user data header
MAX_PDU = 70_000  # a payload of 64 kB and its surroundings
_HEAD = Packed(">IIII")
_TLV = Packed(">HH")


class Pdu(Struct, frozen=True, gc=False):
    """One PDU; `status` means something in responses only."""

    command: int
    status: int = OK
    sequence: int = 0
    body: bytes = b""

    def octets(self) -> bytes:
        """Return the PDU as it is written."""
        return _HEAD.pack(16 + len(self.body), self.command, self.status, self.sequence) + self.body

    def __repr__(self) -> str:
        """Return text without the body: it holds an address and a text, or a password."""
        return f"Pdu({self.command:#x}, {self.status:#x}, {self.sequence})"


def take(buffer: bytearray) -> list[Pdu]:
    """Return the whole PDUs at the head of `buffer`, and remove them there.

    Raises ValueError for a length that no PDU has: nothing after it can be understood either.
    """
    found, at = [], 0
    while len(buffer) - at >= 16:
        length, command, status, sequence = _HEAD.unpack_from(buffer, at)
        if not 16 <= length <= MAX_PDU:
            raise ValueError(f"a PDU of {length} bytes")
        if len(buffer) - at < length:
            break
        found.append(Pdu(command, status, sequence, bytes(buffer[at + 16 : at + length])))
        at += length
    del buffer[:at]
    return found


def read_pdu(data: bytes) -> Pdu:
    """Return the one PDU that `data` is; raises ValueError."""
    buffer = bytearray(data)
    found = take(buffer)
    if len(found) != 1 or buffer:
        raise ValueError("not one whole PDU")
    return found[0]


class Bind(Struct, frozen=True):
    """The body of the three binds."""

    system_id: str
    password: str
    system_type: str = ""
    version: int = 0x34

    def octets(self) -> bytes:
        strings = _text(self.system_id) + _text(self.password) + _text(self.system_type)
        return strings + bytes((self.version, 0, 0)) + b"\0"

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Return what a peer binds with; raises ValueError."""
        reader = _Reader(body)
        return cls(reader.text(), reader.text(), reader.text(), reader.octet())

    def __repr__(self) -> str:
        """Return text without the password."""
        return f"Bind({self.system_id!r})"


class Address(Struct, frozen=True, gc=False):
    """A number or a name with its type and numbering plan (5.2.5, 5.2.6)."""

    ton: int
    npi: int
    value: str


class Message(Struct, frozen=True, kw_only=True):
    """The body of submit_sm, deliver_sm and, in its own layout, data_sm."""

    source: Address
    dest: Address
    esm_class: int = 0
    validity: str = ""
    registered: int = 0
    coding: int = 0
    text: bytes = b""
    tlvs: Mapping[int, bytes] = field(default_factory=dict)

    def octets(self) -> bytes:
        """Return the body of a submit_sm or deliver_sm; raises ValueError for a text over 254 octets."""
        if len(self.text) > 254:
            raise ValueError(f"a short message of {len(self.text)} octets")
        head = b"\0" + _address(self.source) + _address(self.dest) + bytes((self.esm_class, 0, 0))
        times = b"\0" + _text(self.validity) + bytes((self.registered, 0, self.coding, 0, len(self.text)))
        return head + times + self.text + _tlvs(self.tlvs)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Return a submit_sm's or deliver_sm's message; raises ValueError."""
        reader = _Reader(body)
        reader.text()  # service_type
        source, dest = reader.address(), reader.address()
        esm_class, _, _ = reader.octet(), reader.octet(), reader.octet()  # protocol_id, priority_flag
        reader.text()  # schedule_delivery_time
        validity = reader.text()
        registered, _, coding = reader.octet(), reader.octet(), reader.octet()
        reader.octet()  # sm_default_msg_id
        text = reader.take(reader.octet())
        return cls(
            source=source, dest=dest, esm_class=esm_class, validity=validity, registered=registered,
            coding=coding, text=text, tlvs=reader.tlvs(),
        )  # fmt: skip

    @classmethod
    def read_data(cls, body: bytes) -> Self:
        """Return a data_sm's message, which has its text in message_payload; raises ValueError."""
        reader = _Reader(body)
        reader.text()
        source, dest = reader.address(), reader.address()
        esm_class, registered, coding = reader.octet(), reader.octet(), reader.octet()
        return cls(
            source=source, dest=dest, esm_class=esm_class, registered=registered, coding=coding,
            tlvs=reader.tlvs(),
        )  # fmt: skip

    @property
    def header_size(self) -> int:
        """Return how many octets at the head of the content are its user data header; 0: none."""
        content = self.tlvs.get(PAYLOAD) or self.text
        return 1 + content[0] if self.esm_class & UDHI and content else 0

    @property
    def content(self) -> bytes:
        """Return the octets of the text, without a user data header."""
        return (self.tlvs.get(PAYLOAD) or self.text)[self.header_size :]

    @property
    def header(self) -> bytes:
        """Return the user data header with its length."""
        return (self.tlvs.get(PAYLOAD) or self.text)[: self.header_size]

    def __repr__(self) -> str:
        """Return text without addresses and text."""
        return f"Message({len(self.text)} octets)"


def concatenation(message: Message) -> tuple[int, int, int] | None:
    """Return reference, total and number of a part of a long message (23.040, 9.2.3.24; or sar TLVs)."""
    header = message.header
    at = 1
    while at + 2 <= len(header):
        kind, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        if (kind, len(value)) in ((0, 3), (8, 4)):
            return _part(int.from_bytes(value[:-2], "big"), value[-2], value[-1])
        at += 2 + size
    try:
        reference = int.from_bytes(message.tlvs[SAR_REFERENCE], "big")
        return _part(reference, message.tlvs[SAR_TOTAL][0], message.tlvs[SAR_NUMBER][0])
    except (KeyError, IndexError):
        return None


def _part(reference: int, total: int, number: int) -> tuple[int, int, int] | None:
    return (reference, total, number) if 1 <= number <= total and total > 1 else None


def c_string(body: bytes) -> str:
    """Return the one string of a response's body (message_id, system_id); "" where there is none."""
    return body.partition(b"\0")[0].decode("latin-1")


def of_c_string(text: str) -> bytes:
    """Return the body of a response with one string."""
    return _text(text)


class _Reader:
    """Reads a body from its head; raises ValueError where it ends too early."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def octet(self) -> int:
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        found = self._body[self._at : self._at + size]
        if len(found) != size:
            raise ValueError("the PDU ends in the middle of a field")
        self._at += size
        return found

    def text(self) -> str:
        end = self._body.find(b"\0", self._at)
        if end < 0:
            raise ValueError("a string of the PDU has no end")
        found = self._body[self._at : end].decode("latin-1")
        self._at = end + 1
        return found

    def address(self) -> Address:
        return Address(self.octet(), self.octet(), self.text())

    def tlvs(self) -> dict[int, bytes]:
        """Return the optional parameters; what does not follow their form is left out with all behind it."""
        found: dict[int, bytes] = {}
        while self._at + 4 <= len(self._body):
            tag, size = _TLV.unpack_from(self._body, self._at)
            value = self._body[self._at + 4 : self._at + 4 + size]
            if len(value) != size:
                break
            found[tag] = value
            self._at += 4 + size
        return found


def _text(value: str) -> bytes:
    octets = value.encode("latin-1")
    if b"\0" in octets:
        raise ValueError("a string of a PDU cannot hold NUL")
    return octets + b"\0"


def _address(address: Address) -> bytes:
    return bytes((address.ton, address.npi)) + _text(address.value)


def _tlvs(tlvs: Mapping[int, bytes]) -> bytes:
    return b"".join([_TLV.pack(tag, len(value)) + value for tag, value in tlvs.items()])
