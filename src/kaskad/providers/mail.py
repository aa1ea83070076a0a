"""What every mail needs, whether our own server carries it or a service: addresses, list headers, replies.

A service is told our reference in a field of its own and brings it back in every report. Replies come as
mails: they name the message by the address they go to, or by the Message-ID they answer, both
`r+<reference>@…`. The reference stands there in base32, because some servers write local parts in small
letters, and it proves itself: it is signed.
"""

from __future__ import annotations

import re
from base64 import b32decode, b32encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotEncoded
from binascii import b2a_base64
from collections.abc import Iterable
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import msgspec

from kaskad.domain.errors import SendError
from kaskad.domain.machine import Actor, Hit, classify
from kaskad.domain.terms import Channel, Kind, MessageClass, Reason
from kaskad.domain.tokens import PIXEL
from kaskad.providers.base import (
    Accepted,
    Account,
    File,
    Outgoing,
    Provider,
    Receipt,
    Request,
    Response,
    Setting,
    decode,
)
from kaskad.providers.ics import as_file
from kaskad.providers.mails_in import is_automatic, unquoted
from kaskad.providers.mime import on_one_line
from kaskad.providers.mime_in import fields_of

_REPLY = re.compile(r"(?<![a-z0-9])r\+([a-z2-7]{8,60})@", re.IGNORECASE)
_PLAIN = re.compile(r"[!#-+\--:=?-~]+@[!#-+\--:=?-~]+").fullmatch  # visible ASCII but <>",;
_ADDRESS = re.compile(r"\S+@\S+")
_ADDRESSED = ("To", "Cc", "Delivered-To", "X-Original-To", "In-Reply-To", "References")


REPLY_TO = Setting("reply_to", required=False, help="Where answers go; empty: to the sender")
TRACKING = Setting(
    "tracking",
    required=False,
    default="off",
    choices=("on", "off"),
    help="on: it counts opens and clicks too",
)


class MailService(Provider):
    """A service that sends e-mail over its own API."""

    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.EMAIL})

    def check(self, account: Account) -> list[str]:
        return sender_problems(account)


def sender_of(account: Account) -> tuple[str, str]:
    """Return the name and the address that mails come from; raises SendError for what is no address."""
    name, address = _parsed(account["sender"])
    if not plain(address):
        raise SendError(Reason.AUTH, "the sender is no address: write Name <name@example.org>")
    return name, address


def sender_problems(account: Account) -> list[str]:
    """Return what is wrong with the sender of an account's settings; [] where nothing is."""
    try:
        sender_of(account)
    except SendError as error:
        return [f"setting 'sender': {error.detail}"]
    return []


def reply_to(outgoing: Outgoing, account: Account) -> tuple[str, str]:
    """Return the name and the address that replies go to, ("", "") for the sender's own.

    Where the account's `reply_domain` brings its mail to our webhook, the address names the message.
    """
    name, address = parseaddr(account["reply_to"])
    local = _local_part(outgoing.reference) if account["reply_domain"] else ""
    return (name, f"{local}@{account['reply_domain']}") if local else (name, address)


def recipient(outgoing: Outgoing) -> str:
    """Return the address with its domain in ASCII; raises SendError for one that can't be written."""
    to = ascii_domain(outgoing.to)
    if not plain(to):
        raise SendError(Reason.INVALID_ADDRESS, "the address can't be written in an envelope")
    return to


def plain(address: str) -> bool:
    """Return whether an address can stand between < and > on a line without SMTPUTF8."""
    return _PLAIN(address) is not None


def ascii_domain(address: str) -> str:
    """Return an address with its domain in ASCII (IDNA); "" for one that has no such form."""
    name, at, domain = address.rpartition("@")
    ascii_ = _idna(domain)
    return name + at + ascii_ if ascii_ else ""


@lru_cache(maxsize=4096)
def _idna(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return ""


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[str, str]:
    return parseaddr(text)


def spoken(name: str, address: str) -> str:
    """Return an address with the name of its owner, in letters of any language, for services that encode."""
    name = on_one_line(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{address}>' if name else address


def headers(outgoing: Outgoing, domain: str) -> dict[str, str]:
    """Return the headers that a service is asked to hand through, its own address fields aside."""
    found: dict[str, str] = {}
    if local := _local_part(outgoing.reference):
        found["Message-ID"] = f"<{local}@{domain}>"
    if outgoing.unsubscribe_url:
        found["List-Unsubscribe"] = f"<{on_one_line(outgoing.unsubscribe_url)}>"
        found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if outgoing.message_class is not MessageClass.ADVERTISING:
        found["Auto-Submitted"] = "auto-generated"
    return found


def files_of(outgoing: Outgoing, sender: tuple[str, str], to: str) -> list[File]:
    """Return what goes with a mail: its files, and the appointment as a file of its own."""
    if outgoing.invite is None:
        return list(outgoing.files)
    invited = as_file(outgoing, sender, to)
    return [*outgoing.files, *([invited] if invited else [])]


def encoded(file: File) -> str:
    """Return a file's content in base64."""
    return b2a_base64(file.content, newline=False).decode()


def reply(told: Iterable[tuple[str, str]], text: str, addresses: Iterable[str], raw: bytes) -> Receipt:
    """Return what a mail that came in says of one of our messages; what names none is kept for nobody.

    `told` are its headers, `addresses` whom the service took it for, `text` its words with all quotes.
    """
    mail = Message()
    for name, value in told:
        mail[name] = " ".join(value.split())
    event = str(mail.get("Message-ID", ""))[:200]
    named_by = [*addresses, *(str(value) for name in _ADDRESSED for value in mail.get_all(name, ()))]
    reference = next((found for each in named_by if (found := _reference(each))), "")
    if not reference:
        return Receipt(kind=None, event=event, name="mail of no message", raw=raw)
    if is_automatic(mail):
        return Receipt(kind=None, event=event, name="automatic reply", reference=reference, raw=raw)
    return Receipt(
        kind=Kind.REPLIED, event=event, name="reply", reference=reference, text=unquoted(text), raw=raw
    )


def answer_of(response: Response) -> dict[str, Any]:
    """Return the object that was answered; an empty one for anything else."""
    try:
        return dict_of(decode(response.body))
    except ValueError:
        return {}


def taken(identity: str) -> Accepted:
    """Return the acceptance of a message; raises SendError, not known, where the answer names none."""
    if not identity:
        raise SendError(Reason.AMBIGUOUS, "the answer names no message", accepted=None)
    return Accepted(identity)


def text_of(value: object) -> str:
    """Return a text, or a number's digits; "" for anything else: what others send is of any type."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def dict_of(value: object) -> dict[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def events_in(body: bytes) -> list[bytes]:
    """Return the events of a JSON array, each as it stands there; raises ValueError for anything else."""
    try:
        return [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def unix_seconds(value: object) -> int | None:
    """Return milliseconds of seconds since 1970, with a fraction or without; None: that is no instant."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1 << 36:
        return None
    return round(value * 1000)


def iso_instant(value: object) -> int | None:
    """Return milliseconds of an RFC 3339 text with its zone; None where that is no instant."""
    try:
        at = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return None if at.tzinfo is None else round(at.timestamp() * 1000)


def words_of(value: object) -> str:
    """Return what a service says of a failure, without addresses, on one line, 200 letters at most."""
    return _ADDRESS.sub("<address>", on_one_line(text_of(value)))[:200]


def opened(agent: str) -> Kind:
    """Return what an open told by a service is, by the program that asked for the picture; "": not told."""
    return Kind.OPENED if _human(agent, PIXEL) else Kind.MACHINE_OPENED


def clicked(agent: str) -> Kind:
    """Return what a click told by a service is, by the program that followed the link; "": not told."""
    return Kind.CLICKED if _human(agent, 0) else Kind.MACHINE_CLICKED


@lru_cache(maxsize=4096)  # a few programs open most mails, and each takes 80 µs to be judged
def _human(agent: str, link: int) -> bool:
    (verdict,) = classify([Hit(0, "GET", link, "", agent)], sent_at=None, links=1)
    return not agent or verdict.actor is Actor.HUMAN


def form(hook: Request) -> dict[str, bytes]:
    """Return the fields of a form, also of one in parts (RFC 7578); files are left out."""
    kind = hook.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        pairs = parse_qsl(hook.body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
        return {name: value.encode("latin-1") for name, value in pairs}
    if (plain_fields := fields_of(kind, hook.body)) is not None:
        return plain_fields
    parts = message_from_bytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + hook.body)
    fields: dict[str, bytes] = {}
    for part in parts.walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes) and part.get_filename() is None:
            fields[name] = content
    return fields


def _local_part(reference: str) -> str:
    """Return what names a message before an @; "" for a reference that is not ours to write so."""
    try:
        token = urlsafe_b64decode(reference + "=" * (-len(reference) % 4))
    except (NotEncoded, ValueError):
        return ""
    if not 5 <= len(token) <= 36 or urlsafe_b64encode(token).decode().rstrip("=") != reference:
        return ""
    return "r+" + b32encode(token).decode().rstrip("=").lower()


def _reference(text: str) -> str:
    """Return the reference that an address or an id names, or ""."""
    found = _REPLY.search(text)
    if found is None:
        return ""
    encoded = found[1].upper()
    try:
        token = b32decode(encoded + "=" * (-len(encoded) % 8))
    except (NotEncoded, ValueError):
        return ""
    return urlsafe_b64encode(token).decode().rstrip("=")
