"""Any SMS centre or aggregator over SMPP 3.4; engine/transport/smpp.py keeps the bind and speaks.

A text that is longer than one SMS goes as several submit_sm, each with its own id and its own receipt. SMPP
knows no idempotency key, no price and no signature: whoever answers at the address is believed, so use TLS
or the private line that the operator offers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from hashlib import blake2b
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct

from kaskad.domain import sms
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers import senders
from kaskad.providers.base import (
    UNREADABLE,
    Account,
    Capabilities,
    Inbound,
    Outgoing,
    Provider,
    Receipt,
    Setting,
)
from kaskad.providers.smpp_pdu import (
    DATA_SM,
    MESSAGE_STATE,
    NETWORK_ERROR,
    OK,
    PAYLOAD,
    RECEIPTED_ID,
    SAR_NUMBER,
    SAR_REFERENCE,
    SAR_TOTAL,
    UDHI,
    Address,
    Bind,
    Message,
    Pdu,
    c_string,
    concatenation,
)

# command_status of a response, SMPP 3.4, 5.1.3: every value that the specification names.
STATUSES: dict[int, Reason] = {
    0x01: Reason.CONTENT,  # ESME_RINVMSGLEN
    0x02: Reason.CONTENT,  # ESME_RINVCMDLEN
    0x03: Reason.AUTH,  # ESME_RINVCMDID: this centre takes no such command
    0x04: Reason.AUTH,  # ESME_RINVBNDSTS
    0x05: Reason.AUTH,  # ESME_RALYBND
    0x06: Reason.CONTENT,  # ESME_RINVPRTFLG
    0x07: Reason.CONTENT,  # ESME_RINVREGDLVFLG
    0x08: Reason.TRANSIENT,  # ESME_RSYSERR
    0x0A: Reason.AUTH,  # ESME_RINVSRCADR: the sender's name is not allowed
    0x0B: Reason.INVALID_ADDRESS,  # ESME_RINVDSTADR
    0x0C: Reason.OTHER,  # ESME_RINVMSGID
    0x0D: Reason.TRANSIENT,  # ESME_RBINDFAIL
    0x0E: Reason.AUTH,  # ESME_RINVPASWD
    0x0F: Reason.AUTH,  # ESME_RINVSYSID
    0x11: Reason.OTHER,  # ESME_RCANCELFAIL
    0x13: Reason.OTHER,  # ESME_RREPLACEFAIL
    0x14: Reason.RATE_LIMITED,  # ESME_RMSGQFUL
    0x15: Reason.AUTH,  # ESME_RINVSERTYP
    0x33: Reason.CONTENT,  # ESME_RINVNUMDESTS
    0x34: Reason.CONTENT,  # ESME_RINVDLNAME
    0x40: Reason.CONTENT,  # ESME_RINVDESTFLAG
    0x42: Reason.CONTENT,  # ESME_RINVSUBREP
    0x43: Reason.CONTENT,  # ESME_RINVESMCLASS
    0x44: Reason.CONTENT,  # ESME_RCNTSUBDL
    0x45: Reason.TRANSIENT,  # ESME_RSUBMITFAIL
    0x48: Reason.AUTH,  # ESME_RINVSRCTON
    0x49: Reason.AUTH,  # ESME_RINVSRCNPI
    0x50: Reason.INVALID_ADDRESS,  # ESME_RINVDSTTON
    0x51: Reason.INVALID_ADDRESS,  # ESME_RINVDSTNPI
    0x53: Reason.AUTH,  # ESME_RINVSYSTYP
    0x54: Reason.CONTENT,  # ESME_RINVREPFLAG
    0x55: Reason.OTHER,  # ESME_RINVNUMMSGS
    0x58: Reason.RATE_LIMITED,  # ESME_RTHROTTLED
    0x61: Reason.CONTENT,  # ESME_RINVSCHED
    0x62: Reason.CONTENT,  # ESME_RINVEXPIRY
    0x63: Reason.CONTENT,  # ESME_RINVDFTMSGID
    0x64: Reason.TRANSIENT,  # ESME_RX_T_APPN
    0x65: Reason.INVALID_ADDRESS,  # ESME_RX_P_APPN
    0x66: Reason.INVALID_ADDRESS,  # ESME_RX_R_APPN
    0x67: Reason.OTHER,  # ESME_RQUERYFAIL
    0xC0: Reason.CONTENT,  # ESME_RINVOPTPARSTREAM
    0xC1: Reason.CONTENT,  # ESME_ROPTPARNOTALLWD
    0xC2: Reason.CONTENT,  # ESME_RINVPARLEN
    0xC3: Reason.CONTENT,  # ESME_RMISSINGOPTPARAM
    0xC4: Reason.CONTENT,  # ESME_RINVOPTPARAMVAL
    0xFE: Reason.OTHER,  # ESME_RDELIVERYFAILURE
    0xFF: Reason.OTHER,  # ESME_RUNKNOWNERR
}
STATES: dict[int, tuple[str, Kind | None]] = {  # message_state (5.2.28) and its word in the text (Appendix B)
    1: ("ENROUTE", Kind.SENT),
    2: ("DELIVRD", Kind.DELIVERED),
    3: ("EXPIRED", Kind.EXPIRED),  # a phone that was off
    4: ("DELETED", Kind.FAILED),
    5: ("UNDELIV", Kind.FAILED),
    6: ("ACCEPTD", Kind.SENT),
    7: ("UNKNOWN", None),  # it stays sent; the step's own clock decides
    8: ("REJECTD", Kind.FAILED),
}
_WORDS = dict(STATES.values())
CODINGS: dict[int, str] = {  # data_coding (5.2.19) -> Python's name; 0 is the centre's default alphabet
    1: "ascii",
    3: "latin-1",
    6: "iso8859-5",
    7: "iso8859-8",
    8: "utf-16-be",
}
LATIN1, UCS2 = 3, 8
LATIN1_SIZES = (140, 134)
RECEIPT, INTERMEDIATE = 0x04, 0x20  # message types in esm_class, 5.2.12
_TYPE = 0x3C
THROTTLED_MS = 1000
MAX_VALID_S = 30 * 86_400
NAME = 11  # characters of a sender's name
SHORT, SHORT_TON = 8, 3  # digits of a short number, and its type: network specific
_REASONS = {reason.value: reason for reason in Reason if reason is not Reason.AMBIGUOUS}
_DIGITS = re.compile(r"\+?[0-9]{1,20}").fullmatch
_FIELDS = re.compile(r"\b(id|stat|err|done date):\s*(\S+)", re.IGNORECASE)


class Segment(Struct, frozen=True):
    """One part of a long message from a person, to be joined with the others of its `key`."""

    key: tuple[str, str, int, int]  # who, to whom, the reference, of how many parts
    number: int
    octets: bytes
    message: Inbound  # without its text
    coding: int


class Smpp(Provider):
    """SMS over a direct line to an SMS centre or an aggregator (SMPP 3.4)."""

    name = "smpp"
    title = "SMPP 3.4"
    transport = "smpp"
    hears = True
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.SMS})
    settings = (
        Setting("host"),
        Setting("port", default="2775", help="Often 2775, with TLS 3550"),
        Setting("security", default="none", choices=("none", "tls"), help="tls: if the centre offers it"),
        Setting("system_id", help="At most 15 characters"),
        Setting("password", secret=True, help="At most 8 characters"),
        Setting("system_type", required=False, help="Where the operator names one"),
        Setting("sender", help=senders.HELP),
        Setting(
            "alphabet",
            default="gsm",
            choices=("gsm", "latin1"),
            help="Of texts without Cyrillic: gsm: GSM 03.38 as data_coding 0; latin1: data_coding 3",
        ),
        Setting(
            "long_messages",
            default="udh",
            choices=("udh", "sar", "payload"),
            help="udh: parts with a header; sar: parts with sar_ parameters; payload: one message_payload",
        ),
        Setting(
            "message_ids",
            default="as_is",
            choices=("as_is", "answer_hex", "receipt_hex"),
            help="answer_hex: the centre answers with hexadecimal ids and reports decimal ones",
        ),
        Setting("receipt_zone", required=False, help="Zone of the dates in receipts, such as Asia/Almaty"),
        Setting(
            "status_codes",
            required=False,
            help="The operator's own command_status values: 0x450=opted_out 0x451=auth",
        ),
        Setting(
            "receipt_codes", required=False, help="The operator's err values: 001=invalid_address 008=window"
        ),
    )
    connect = (
        "Ask the operator or aggregator for host, port, system_id, password, the names or numbers that you "
        "may send from, how many messages a second, and how many may wait for an answer (the window).",
        "The window is the account's `concurrency`, the rate its `per_second`: "
        "`kaskad account add smpp … --concurrency 20 --per-second 50`.",
        "Kaskad binds as a transceiver and keeps the session: receipts and replies come over it, and no "
        "address of yours has to be public. Where the centre wants it, give it the address of this machine.",
        "Send one with `kaskad send-test`, and look at its receipt: if it is not found, try `message_ids`.",
    )
    judges = ("aiosmpplib", "npm's SMPP server", "Kannel")
    capabilities = Capabilities(
        receipts=frozenset({*(kind for _, kind in STATES.values() if kind), Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.REPLIED}),
        ttl=True,
        concurrency=10,  # the window: submit_sm without an answer
        per_second=10.0,
        burst=10,
    )
    unverified = (
        "The error classes of command_status values and receipt states follow the wording of the "
        "specification; what an operator's own codes mean has to be told in status_codes and receipt_codes.",
        "GSM 03.38 is written one septet an octet; a centre that wants packed septets is not supported.",
    )

    def check(self, account: Account) -> list[str]:
        found = []
        for name, most in (("system_id", 15), ("password", 8), ("system_type", 12)):
            if len(account[name]) > most or not account[name].isascii():
                found.append(f"setting {name!r}: SMPP takes at most {most} characters of ASCII")
        if not (account["port"] or "2775").isdecimal():
            found.append("setting 'port': it is a number, often 2775")
        found += senders.check_senders(account)
        for sender in account["sender"].split(","):
            name = sender.rpartition("=")[2].strip()
            if not _DIGITS(name) and len(name) > NAME:
                found.append(f"setting 'sender': {name!r} is longer than {NAME} characters")
        if account["receipt_zone"] and _zone(account["receipt_zone"]) is None:
            found.append("setting 'receipt_zone': no such time zone; write one such as Asia/Almaty")
        for name in ("status_codes", "receipt_codes"):
            try:
                _reasons(account[name])
            except ValueError as error:
                found.append(f"setting {name!r}: {error}")
        return found

    def bind(self, account: Account) -> Bind:
        """Return what opens a session."""
        return Bind(account["system_id"], account["password"], account["system_type"])

    def bind_error(self, status: int, account: Account) -> SendError:
        """Return what a refused bind means."""
        reason = self._reason(status, account)
        return SendError(reason, f"the SMS centre refused the bind: status {status:#x}", code=f"{status:#x}")

    def build_parts(self, outgoing: Outgoing, account: Account) -> list[Message]:
        """Return the messages that carry a text, in their order; raises SendError for a wrong number."""
        if not _DIGITS(outgoing.to):
            raise SendError(Reason.INVALID_ADDRESS, "the number is not one in the international form")
        coding, texts = _cut(outgoing.text, account)
        plain = Message(
            source=_source(senders.sender_for(account, outgoing.to)),
            dest=Address(1, 1, outgoing.to.lstrip("+")),
            validity=_validity(outgoing.valid_for_ms),
            registered=1,
            coding=coding,
        )
        if len(texts) == 1:
            return [_with(plain, text=texts[0])]
        if len(texts) > 255:
            raise SendError(Reason.CONTENT, f"the text has {len(texts)} parts, an SMS has at most 255")
        match account["long_messages"]:
            case "payload":
                return [_with(plain, tlvs={PAYLOAD: b"".join(texts)})]
            case "sar":
                return [
                    _with(plain, text=text, tlvs=_sar(outgoing, texts, n)) for n, text in _numbered(texts)
                ]
            case _:
                return [
                    _with(plain, esm_class=UDHI, text=_udh(outgoing, texts, n) + text)
                    for n, text in _numbered(texts)
                ]

    def read_submitted(self, answer: Pdu, account: Account) -> str:
        """Return the id of a part that the centre has taken; raises SendError where it refused."""
        if answer.status == OK:
            return _whole_id(c_string(answer.body), account, answered=True)
        reason = self._reason(answer.status, account)
        raise SendError(
            reason,
            f"the SMS centre answered status {answer.status:#x}",
            code=f"{answer.status:#x}",
            retry_after_ms=THROTTLED_MS if reason is Reason.RATE_LIMITED else None,
        )

    def read_heard(self, pdu: Pdu, account: Account) -> Receipt | Inbound | Segment:
        """Return what a deliver_sm or data_sm says; raises ValueError where it cannot be read."""
        message = Message.read_data(pdu.body) if pdu.command == DATA_SM else Message.read(pdu.body)
        kind = message.esm_class & _TYPE
        if kind in (RECEIPT, INTERMEDIATE) or RECEIPTED_ID in message.tlvs:
            return _receipt(message, account)
        if kind:  # an acknowledgement by the person's phone: nobody asks for these
            return Receipt(kind=None, name=f"esm_class {message.esm_class:#x}")
        return _inbound(message, pdu.body, account)

    def _reason(self, status: int, account: Account) -> Reason:
        own = _reasons(account["status_codes"]).get(str(status))
        return own or STATUSES.get(status, Reason.OTHER)


def joined(parts: Sequence[Segment], account: Account) -> Inbound:
    """Return the message that parts make, in the order of their numbers; also of some of them."""
    ordered = sorted(parts, key=lambda part: part.number)
    text = _words(b"".join([part.octets for part in ordered]), ordered[0].coding, account)
    first = ordered[0].message
    event = blake2b("".join([part.message.event for part in ordered]).encode(), digest_size=16).hexdigest()
    return Inbound(channel=first.channel, address=first.address, kind=first.kind, event=event, text=text)


def unreadable(why: str) -> Receipt:
    """Return what stands for a report that cannot be read: it is kept as it came."""
    return Receipt(kind=None, name=UNREADABLE, detail=why)


def _cut(text: str, account: Account) -> tuple[int, list[bytes]]:
    """Return data_coding and the parts of a text in octets."""
    gsm = sms.encoding(text) is sms.Encoding.GSM7
    if account["alphabet"] != "latin1":
        if gsm:
            return 0, [sms.octets(part) for part in sms.split(text)]
    elif all(char <= "\xff" for char in text):
        return LATIN1, [part.encode("latin-1") for part in _pieces(text, LATIN1_SIZES)]
    # The euro sign, for one, is in GSM 03.38 and not in Latin-1.
    parts = _pieces(text, sms.SIZES[sms.Encoding.UCS2]) if gsm else sms.split(text)
    return UCS2, [part.encode("utf-16-be", "replace") for part in parts]


def _pieces(text: str, sizes: tuple[int, int]) -> list[str]:
    """Return a text in parts where each character is one unit."""
    single, several = sizes
    step = single if len(text) <= single else several
    return [text[at : at + step] for at in range(0, len(text), step)] or [""]


def _with(plain: Message, **changes: Any) -> Message:
    return msgspec.structs.replace(plain, **changes)


def _numbered(texts: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    return enumerate(texts, 1)


def _reference(outgoing: Outgoing, size: int) -> bytes:
    """Return what the parts of one message have in common, the same for each attempt."""
    return blake2b(outgoing.key.encode(), digest_size=size).digest()


def _udh(outgoing: Outgoing, texts: Sequence[bytes], number: int) -> bytes:
    """Return the header of a part: concatenation with a reference of eight bits (23.040, 9.2.3.24.1)."""
    return b"\x05\x00\x03" + _reference(outgoing, 1) + bytes((len(texts), number))


def _sar(outgoing: Outgoing, texts: Sequence[bytes], number: int) -> dict[int, bytes]:
    return {
        SAR_REFERENCE: _reference(outgoing, 2),
        SAR_TOTAL: bytes((len(texts),)),
        SAR_NUMBER: bytes((number,)),
    }


def _source(sender: str) -> Address:
    """Return the sender with its type: a number with +, a short number, or a name."""
    if not sender:
        return Address(0, 0, "")  # the centre has one for us
    if sender.startswith("+"):
        return Address(1, 1, sender[1:])
    if sender.isascii() and sender.isdigit():
        return Address(3, 0, sender) if len(sender) <= SHORT else Address(1, 1, sender)
    try:
        return Address(5, 0, sms.octets(sender).decode("latin-1"))
    except KeyError:
        raise SendError(Reason.AUTH, "the sender's name has letters that GSM 03.38 has not") from None


def _validity(valid_for_ms: int) -> str:
    """Return a relative time (7.1.1): YYMMDDhhmmss000R; "" for no limit."""
    if not valid_for_ms:
        return ""
    seconds = min(max(60, valid_for_ms // 1000), MAX_VALID_S)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"0000{days:02}{hours:02}{minutes:02}{seconds:02}000R"


def _receipt(message: Message, account: Account) -> Receipt:
    """Return what a delivery receipt says: its parameters, and what they leave out its text."""
    text = message.content.decode("latin-1")
    told = {name.lower(): value for name, value in reversed(_FIELDS.findall(_head(text)))}
    state = message.tlvs.get(MESSAGE_STATE, b"")
    word, kind = STATES.get(state[0], (f"message_state {state[0]}", None)) if state else ("", None)
    if not state:
        word = told.get("stat", "").upper()
        kind = _WORDS.get(word)
    identity = c_string(message.tlvs.get(RECEIPTED_ID, b"")) or told.get("id", "")
    if not identity:
        raise ValueError("the receipt names no message")
    identity = _whole_id(identity, account, answered=False)
    code, reason = _error(message, told), None
    if kind is Kind.EXPIRED:
        reason = Reason.TRANSIENT  # the number stays good
    elif kind is Kind.FAILED:
        reason = _reasons(account["receipt_codes"]).get(code.lstrip("0") or "0", Reason.OTHER)
    return Receipt(
        kind=kind,
        event=f"{identity} {word}",
        name=word,
        provider_id=identity,
        at=_instant(told.get("done date", ""), account),
        reason=reason,
        code=code if reason else "",
    )


def _head(text: str) -> str:
    """Return a receipt's text without the beginning of the message that it may repeat."""
    return re.split(r"\btext:", text, maxsplit=1, flags=re.IGNORECASE)[0]


def _error(message: Message, told: Mapping[str, str]) -> str:
    """Return the network's code: of network_error_code (5.3.2.31) its number, else `err` of the text."""
    network = message.tlvs.get(NETWORK_ERROR, b"")
    return str(int.from_bytes(network[1:], "big")) if len(network) == 3 else told.get("err", "")


def _instant(text: str, account: Account) -> int | None:
    """Return milliseconds of YYMMDDhhmm[ss] in the centre's zone; None where that is not agreed."""
    zone = _zone(account["receipt_zone"]) if account["receipt_zone"] else None
    if zone is None or not (text.isascii() and text.isdigit() and len(text) in (10, 12)):
        return None
    try:
        told = datetime.strptime(text.ljust(12, "0"), "%y%m%d%H%M%S").replace(tzinfo=zone)
    except ValueError:
        return None
    return int(told.timestamp() * 1000)


def _inbound(message: Message, body: bytes, account: Account) -> Inbound | Segment:
    address = message.source.value.lstrip("+")
    if not address:
        raise ValueError("the message names no sender")
    if address.isascii() and address.isdigit() and message.source.ton != SHORT_TON:
        address = f"+{address}"
    event = blake2b(body, digest_size=16).hexdigest()  # the same when it is told again
    plain = Inbound(channel=Channel.SMS, address=address, kind=Kind.REPLIED, event=event)
    part = concatenation(message)
    if part is None:
        return msgspec.structs.replace(plain, text=_words(message.content, message.coding, account))
    reference, total, number = part
    key = (message.source.value, message.dest.value, reference, total)
    return Segment(key, number, message.content, plain, message.coding)


def _words(octets: bytes, coding: int, account: Account) -> str:
    """Return a text in its letters."""
    if coding == 0 and account["alphabet"] != "latin1":
        return sms.from_octets(octets)
    return octets.decode(CODINGS.get(coding, "latin-1"), "replace")


def _whole_id(text: str, account: Account, *, answered: bool) -> str:
    """Return an id in the one form in which answers and receipts agree."""
    quirk = account["message_ids"]
    if quirk not in ("answer_hex", "receipt_hex"):
        return text
    try:
        return str(int(text, 16 if answered == (quirk == "answer_hex") else 10))
    except ValueError:
        return text


@lru_cache(maxsize=64)
def _reasons(text: str) -> Mapping[str, Reason]:
    """Return what an operator's own codes mean: `0x450=opted_out 012=auth`; raises ValueError."""
    found = {}
    for pair in text.replace(",", " ").split():
        code, _, word = pair.partition("=")
        if word not in _REASONS or not code:
            words = ", ".join(_REASONS)
            raise ValueError(f"{pair!r} is not code=reason, where the reason is one of {words}")
        number = code.lower().startswith("0x")
        found[str(int(code, 16)) if number else code.lstrip("0") or "0"] = _REASONS[word]
    return found


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo | None:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
