"""Any mail server (ESMTP): builds the mail, reads the server's replies. engine/transport/smtp.py speaks."""

from __future__ import annotations

import re
from base64 import encodebytes
from email.header import Header
from email.utils import formataddr, formatdate, parseaddr
from hashlib import sha256
from typing import ClassVar

from msgspec import Struct

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.providers.base import Accepted, Account, Capabilities, Outgoing, Provider, Setting

ENHANCED: dict[str, Reason] = {  # RFC 3463, class.subject.detail; the longest prefix counts
    "4": Reason.TRANSIENT,
    "4.7.28": Reason.RATE_LIMITED,  # Gmail: too much from this address
    "5": Reason.OTHER,
    "5.1": Reason.INVALID_ADDRESS,
    "5.1.7": Reason.AUTH,  # the sender's address
    "5.1.8": Reason.AUTH,
    "5.2.1": Reason.INVALID_ADDRESS,  # disabled
    "5.2.2": Reason.OTHER,  # mailbox full: given up, but the address stays good
    "5.2.3": Reason.CONTENT,  # too big for this mailbox
    "5.3.4": Reason.CONTENT,  # too big for this system
    "5.4.1": Reason.INVALID_ADDRESS,
    "5.5": Reason.AUTH,  # protocol: a fault of ours or of the settings
    "5.6": Reason.CONTENT,
    "5.7": Reason.OTHER,  # policy, spam, SPF, DMARC: not the address' fault
    "5.7.8": Reason.AUTH,
    "5.7.9": Reason.AUTH,
    "5.7.14": Reason.AUTH,
}
CODES: dict[int, Reason] = {  # RFC 5321 4.2.3, where the reply has no enhanced code
    421: Reason.TRANSIENT,
    432: Reason.AUTH,
    450: Reason.TRANSIENT,
    451: Reason.TRANSIENT,
    452: Reason.TRANSIENT,
    454: Reason.RATE_LIMITED,
    500: Reason.AUTH,
    501: Reason.AUTH,
    502: Reason.AUTH,
    503: Reason.AUTH,
    504: Reason.AUTH,
    521: Reason.INVALID_ADDRESS,  # the host takes no mail
    530: Reason.AUTH,
    534: Reason.AUTH,
    535: Reason.AUTH,
    538: Reason.AUTH,
    550: Reason.INVALID_ADDRESS,
    551: Reason.INVALID_ADDRESS,
    552: Reason.OTHER,
    553: Reason.INVALID_ADDRESS,
    554: Reason.OTHER,
    555: Reason.AUTH,
    556: Reason.INVALID_ADDRESS,  # null MX (RFC 7505)
}
_ENHANCED = re.compile(r"\A([245]\.\d{1,3}\.\d{1,3})\b")
_THROTTLED = re.compile(r"throttl|too many|rate limit|try again later.*rate", re.IGNORECASE)
_RELAY = re.compile(
    r"relay(ing)?( access)? (denied|prohibited|not (allowed|permitted))"
    r"|(unable|not permitted|not allowed) to relay",
    re.IGNORECASE,
)
_LOGIN = (530, 534, 535, 538)  # whatever the enhanced code
_ATOM = re.compile(r"\A[A-Za-z0-9._=+-]{1,200}\Z")


class Mail(Struct, frozen=True):
    """An envelope and what it holds."""

    sender: str
    to: str
    content: bytes

    def __repr__(self) -> str:
        """Return text without addresses and body."""
        return f"Mail({len(self.content)} bytes)"


class Reply(Struct, frozen=True):
    """The last word of a mail server on one mail: what refused it, or the reply to its final dot."""

    code: int
    text: str


class Smtp(Provider):
    """E-mail over your own server. Bounces come to a mailbox, opens and clicks to our own links."""

    name = "smtp"
    title = "SMTP"
    transport = "smtp"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.EMAIL})
    settings = (
        Setting("host"),
        Setting("port", default="587"),
        Setting("security", default="starttls", help="starttls, tls, or none (a server on this machine)"),
        Setting("user", required=False),
        Setting("password", secret=True, required=False),
        Setting("sender", help="Name <name@example.org>"),
        Setting("reply_to", required=False),
        Setting("bounces", required=False, help="Envelope sender; empty: the sender's address"),
    )
    capabilities = Capabilities(media=False, concurrency=4, per_second=50.0, burst=50)

    def build_mail(self, outgoing: Outgoing, account: Account) -> Mail:
        """Return the mail; raises SendError for an address or setting that can't be written."""
        _, sender = parseaddr(account["sender"])
        if not _plain(sender):
            raise SendError(Reason.AUTH, "the sender is no address: write Name <name@example.org>")
        to = _ascii_domain(outgoing.to)
        if not _plain(to):
            raise SendError(Reason.INVALID_ADDRESS, "the address can't be written in an envelope")
        headers = "".join(f"{name}: {value}\r\n" for name, value in _headers(outgoing, account, to))
        envelope = account["bounces"] or sender
        if not _plain(envelope):
            raise SendError(Reason.AUTH, "the address for bounces is no address: write bounces@example.org")
        return Mail(envelope, to, headers.encode("ascii") + _body(outgoing))

    def read_reply(self, reply: Reply) -> Accepted:
        """Return the acceptance; raises SendError by the enhanced code, else by the basic one."""
        if 200 <= reply.code < 300:
            return Accepted()
        enhanced = _ENHANCED.match(reply.text)
        code = enhanced[1] if enhanced else str(reply.code)
        reason = _enhanced(code) if enhanced else CODES.get(reply.code)
        if reason is None:
            reason = Reason.TRANSIENT if reply.code < 500 else Reason.OTHER
        if reply.code < 500 and _THROTTLED.search(reply.text):
            reason = Reason.RATE_LIMITED
        elif reply.code in _LOGIN or _RELAY.search(reply.text):
            reason = Reason.AUTH
        # The text itself may repeat the address: only its code is kept.
        raise SendError(reason, f"the mail server answered {reply.code}", code=code)


def _enhanced(code: str) -> Reason:
    subject = code.rsplit(".", 1)[0]
    return next(ENHANCED[part] for part in (code, subject, code[0]) if part in ENHANCED)


def _plain(address: str) -> bool:
    """Whether an address can stand between < and > on a line without SMTPUTF8."""
    name, at, domain = address.rpartition("@")
    return bool(name and at and domain) and all(33 <= ord(a) <= 126 and a not in '<>",;' for a in address)


def _ascii_domain(address: str) -> str:
    name, at, domain = address.rpartition("@")
    try:
        return name + at + domain.encode("idna").decode()
    except UnicodeError:
        return ""


def _headers(outgoing: Outgoing, account: Account, to: str) -> list[tuple[str, str]]:
    sender_name, sender = parseaddr(account["sender"])
    domain = sender.rpartition("@")[2]
    local = outgoing.reference
    if not _ATOM.match(local):
        local = sha256(local.encode()).hexdigest()
    headers = [
        ("From", _named(sender_name, sender)),
        ("To", _named(outgoing.contact_name, to)),
        ("Subject", _words(outgoing.subject, "Subject")),
        ("Date", formatdate(outgoing.at / 1000)),
        ("Message-ID", f"<{local}@{domain}>"),
        ("MIME-Version", "1.0"),
    ]
    if account["reply_to"]:
        headers.append(("Reply-To", _named(*parseaddr(account["reply_to"]))))
    if outgoing.unsubscribe_url:  # on one line: folding breaks DKIM (nodemailer issue 1654)
        headers.append(("List-Unsubscribe", f"<{_line(outgoing.unsubscribe_url)}>"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return headers


def _named(name: str, address: str) -> str:
    name = _line(name)
    return formataddr((name, address)) if name.isascii() else f"{_words(name, 'From')} <{address}>"


def _words(text: str, header: str) -> str:
    """Return text as RFC 2047 words, folded, on however many lines it takes."""
    return Header(_line(text), header_name=header, charset="utf-8").encode(linesep="\r\n")


def _line(text: str) -> str:
    """Return text on one line, without control characters."""
    return "".join(sign for sign in " ".join(text.split()) if sign >= " " and sign != "\x7f")


def _body(outgoing: Outgoing) -> bytes:
    """Return the content headers and the body: text, HTML, or both as alternatives, in base64.

    Written by hand: the standard library takes 1.5 ms for 20 kB, and equal parts make equal bytes.
    """
    parts = [(kind, text) for kind, text in (("plain", outgoing.text), ("html", outgoing.html)) if text]
    if len(parts) < 2:
        return _part(*(parts[0] if parts else ("plain", "")))
    boundary = b"=_" + sha256(outgoing.reference.encode()).hexdigest()[:32].encode()  # `_`: never in base64
    head = b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n'
    pieces = [b"--" + boundary + b"\r\n" + _part(kind, text) for kind, text in parts]
    return head + b"".join(pieces) + b"--" + boundary + b"--\r\n"


def _part(kind: str, text: str) -> bytes:
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + encodebytes(text.encode()).replace(b"\n", b"\r\n")
