"""Mails and forms of common shapes, taken apart by hand: the standard library takes a millisecond for each.

What is read is the same, or it is not read here: a mail that is odd in any way (letters beside ASCII in its
head, a part within a part, a line that is no header) goes the whole way through the email package. Of a
report only its own part is taken; the returned mail behind it is left alone.
"""

from __future__ import annotations

import re
from email import message_from_bytes, message_from_string
from email.message import Message

DELIVERY_REPORT, FEEDBACK_REPORT, NOTICE = (
    "message/delivery-status",
    "message/feedback-report",
    "message/disposition-notification",
)
MOST_PARTS = 20  # looked at by hand

_HEADERS = re.compile(r"(?:[!-9;-~]++:.*+\n(?:[ \t]++\S.*+\n)*+)++").fullmatch
_HEADER = re.compile(r"([!-9;-~]++):[ \t]*+(.*+(?:\n[ \t].*+)*+)\n")
_END = re.compile(rb"\n\r?\n")
_BOUNDARY = re.compile(
    r"multipart/(?:report|alternative|mixed|form-data)"
    r"(?:\s*+;\s*+(?!boundary)[a-z-]++=(?:[\w./-]++|\"[\w./-]*+\"))*+"
    r"\s*+;\s*+boundary=(?:([\w.+/=-]++)|\"([\w.+/=?:'()-]++)\")"
    r"(?:\s*+;\s*+(?!boundary)[a-z-]++=(?:[\w./-]++|\"[\w./-]*+\"))*+\s*+",
    re.IGNORECASE | re.ASCII,
).fullmatch
_FIELD = re.compile(
    rb"Content-Disposition: form-data; name=\"([A-Za-z0-9_.-]++)\"(; filename=\"[A-Za-z0-9_. -]*+\")?+"
    rb"(?:\r\nContent-Type: (?!multipart|message)[a-z0-9.+-]++/[a-z0-9.+-]++(?:; ?charset=[a-z0-9-]++)?+)?+",
    re.IGNORECASE,
).fullmatch


def head_of(raw: bytes) -> Message:
    """Return a mail whose headers are read; its content may be left out."""
    return _parted(raw)[0] or message_from_bytes(raw)


def mail_of(raw: bytes) -> Message:
    """Return a mail, of a report the part that reports; what tells nothing more may be left out."""
    mail, content = _parted(raw)
    if mail is None:
        return message_from_bytes(raw)
    lower = raw.lower()
    report = next((kind for kind in (DELIVERY_REPORT, FEEDBACK_REPORT, NOTICE) if kind.encode() in lower), "")
    # The last part of a kind counts, however deep: only one that is alone may be taken by itself.
    if report and lower.count(report.encode()) > 1:
        return message_from_bytes(raw)
    parts = _parts(mail, content, report)
    if parts is None:
        return message_from_bytes(raw)
    for part in parts:
        mail.attach(part)
    return mail


def headers_of(text: str) -> Message:
    """Return a mail of its headers alone, as a service hands them."""
    lines = text.encode() if text.isascii() else b""
    return _headers(lines if lines.endswith(b"\n") else lines + b"\n") or message_from_string(text)


def fields_of(kind: str, body: bytes) -> dict[str, bytes] | None:
    """Return the fields of a form in parts (RFC 7578), files left out; None: to be read the whole way."""
    pieces = _pieces(kind, body) if kind.isprintable() else None
    if pieces is None:
        return None
    fields: dict[str, bytes] = {}
    for piece in pieces:
        head, blank, content = piece.partition(b"\r\n\r\n")
        told = _FIELD(head)
        if not (blank and told):
            return None
        if told[2] is None:
            fields[told[1].decode("ascii")] = content
    return fields


def _parted(raw: bytes) -> tuple[Message | None, bytes]:
    """Return a mail with its headers alone, and its content; None for a head that is not plain."""
    end = _END.search(raw)
    mail = _headers(raw[: end.start() + 1]) if end else None
    return mail, raw[end.end() :] if end else b""


def _headers(raw: bytes) -> Message | None:
    """Return a mail of these lines; None where they are not ASCII, or not all of them headers."""
    try:
        text = raw.replace(b"\r\n", b"\n").decode("ascii")
    except UnicodeDecodeError:
        return None
    if "\r" in text or not _HEADERS(text):
        return None
    mail: Message = Message()
    for name, value in _HEADER.findall(text):
        mail.set_raw(name, value)
    return mail


def _parts(mail: Message, content: bytes, report: str) -> list[Message] | None:
    """Return the parts of a mail, or its report alone; [] where it has none and holds its content itself."""
    kind = mail.get_content_maintype()
    if kind == "text" and not report:
        mail.set_payload(content.decode("ascii", "surrogateescape"))
        return []
    if kind != "multipart":
        return None
    pieces = _pieces(mail["Content-Type"], content, report.encode())
    if pieces is None:
        return None
    found: list[Message] = []
    for piece in pieces:
        part = _leaf(piece, report)
        if part is None:
            return None
        if report and part.get_content_type() == report:
            return [part]
        found.append(part)
    return None if report else found


def _pieces(kind: str, content: bytes, last: bytes = b"") -> list[bytes] | None:
    """Return what stands between the boundaries; None where one is not on a line of its own.

    Of a report (`last`) what stands behind its part is not looked at.
    """
    told = _BOUNDARY(kind)
    if told is None:
        return None
    pieces = content.split(b"--" + (told[1] or told[2]).encode("ascii"), MOST_PARTS)
    found: list[bytes] = []
    if pieces[0] and not pieces[0].endswith(b"\n"):
        return None
    for number, piece in enumerate(pieces[1:], 2):
        if piece.startswith(b"--"):
            closed = number == len(pieces) and (piece == b"--" or piece.startswith((b"--\r\n", b"--\n")))
            return found if found and closed else None
        start = 2 if piece.startswith(b"\r\n") else 1
        if not piece.startswith((b"\r\n", b"\n")) or not piece.endswith(b"\n") or number == len(pieces):
            return None
        found.append(piece[start : -2 if piece.endswith(b"\r\n") else -1])
        if last and last in piece.lower() and pieces[number].startswith((b"\r\n", b"\n", b"--\r\n", b"--\n")):
            return found
    return None


def _leaf(piece: bytes, report: str) -> Message | None:
    """Return a part that has no parts, or the report with its blocks of fields."""
    if piece.startswith((b"\n", b"\r\n")):
        part: Message | None = Message()
        content = piece[1 if piece.startswith(b"\n") else 2 :]
    else:
        part, content = _parted(piece)
    if part is None:
        return None
    if report and part.get_content_type() == report:
        return _reported(part, content, report)
    if part.get_content_maintype() in ("multipart", "message"):
        return None
    part.set_payload(content.decode("ascii", "surrogateescape"))
    return part


def _reported(part: Message, content: bytes, report: str) -> Message | None:
    """Return the report with its blocks of fields; None where a line of them is no field."""
    lines = content.replace(b"\r\n", b"\n")
    if b"\r" in lines:  # ends a line too
        return None
    blocks = lines.rstrip(b"\n").split(b"\n\n")
    if report != DELIVERY_REPORT:  # has one block: what follows is text
        blocks = blocks[:1]
    for block in blocks:
        fields = _headers(block + b"\n")
        if fields is None:
            return None
        part.attach(fields)
    return part
