"""The mail server: takes mails for the people's mailboxes, and refuses as real ones do."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import re
import warnings
from email.header import decode_header, make_header
from email.message import Message

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from msgspec import Struct

from kaskad.sandbox import links
from kaskad.sandbox.faults import REQUESTS
from kaskad.sandbox.person import EMAIL, Link, Mail, Mailbox, Phone
from kaskad.sandbox.server import HANG_S, HOST, Place, Server, Site

BOUNCE_MS = 600_000  # after which a mail that was taken comes back
SIZE_LIMIT = 25_000_000
TAKEN = "250 2.0.0 Ok: queued as {}"
MISSING = "550 5.1.1 <{}>: Recipient address rejected: User unknown in virtual mailbox table"
FULL = "552 5.2.2 <{}>: Mailbox full"
GREYLISTED = "450 4.7.1 <{}>: Recipient address rejected: Greylisted, try again in 5 minutes"
FAULTS = {
    "throttle": "421 4.7.0 Too many messages, slow down and try again later",
    "error": "451 4.3.0 Temporary system problem, try again later",
    "reject": "554 5.7.1 Message rejected as spam by content scanning",
}
_UNSUBSCRIBE = re.compile(r"<\s*(https?://[^>\s]+)\s*>")


class Keys(Struct, frozen=True):
    """The login, "" where mails are taken without, and what bounce addresses are signed with."""

    user: str = ""
    password: str = ""
    bounce_secret: str = "only-for-the-sandbox"


class Smtp(Server):
    """What aiosmtpd asks about each mail. It has no receipts: bounces and replies come back as mails."""

    name = "smtp"
    channels = (EMAIL,)
    provider = "smtp"
    account = "mail"
    price = "0.05 KZT"
    honours = frozenset(REQUESTS)
    port = 2525

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._next = 1

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        told: dict[str, object] = {
            "host": HOST, "port": place.ports[cls.name], "security": "none",
            "sender": "The shop <shop@example.org>", "bounce_domain": "bounces.example.org",
            "bounce_secret": keys.bounce_secret,
        }  # fmt: skip
        return told | ({"user": keys.user, "password": keys.password} if keys.user else {})

    def protocol(self) -> SMTP:
        """Return the protocol of one connection."""
        login = bool(self._keys.user)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a login without TLS is unsafe, but for on this machine
            return SMTP(
                self,
                hostname="mail.sandbox.example.org",
                ident="Kaskad sandbox",
                enable_SMTPUTF8=True,
                data_size_limit=SIZE_LIMIT,
                auth_required=login,
                auth_require_tls=False,
                authenticator=self._authenticate if login else None,
            )

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer whether a mailbox takes mail."""
        phone = self.world.find(EMAIL, address)
        mailbox = phone.temper.mailbox if phone is not None else Mailbox.MISSING
        if phone is None or (mailbox is Mailbox.MISSING and not phone.by_hand):
            return MISSING.format(address)
        if mailbox is Mailbox.FULL and not phone.by_hand:
            return FULL.format(address)
        sender = envelope.mail_from or ""
        if mailbox is Mailbox.GREYLISTED and sender not in phone.greeted:
            phone.greeted.add(sender)
            return GREYLISTED.format(address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail into its mailboxes."""
        fault = self.strike(REQUESTS)
        if fault is not None and fault.kind in FAULTS:
            return FAULTS[fault.kind]
        if fault is not None and fault.kind == "slow":
            await self.world.pace.wait(fault.seconds * 1000)
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        for address in envelope.rcpt_tos:
            phone = self.world.find(EMAIL, address)
            if phone is not None:
                self._arrive(phone, envelope.mail_from or "", raw)
        if fault is not None and fault.kind == "hang":
            await asyncio.sleep(HANG_S)
        return TAKEN.format(f"{self._next:08X}")

    def _arrive(self, phone: Phone, return_path: str, raw: bytes) -> None:
        mail = read_mail(raw, self._next, self.world.pace.now(), return_path)
        mail.by = self.name
        self._next += 1
        if phone.temper.mailbox is Mailbox.BOUNCES_LATER and not phone.by_hand:

            async def send_back() -> None:
                self.postman.bounce(phone, mail)

            self.world.later(BOUNCE_MS, send_back)
            return
        phone.mails.append(mail)
        self.world.arrived(phone, mail)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        keys = self._keys
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            keys.user.encode(), keys.password.encode()
        )  # fmt: skip
        return AuthResult(success=good, handled=False)


def read_mail(raw: bytes, number: int, at: int, return_path: str) -> Mail:
    """Return a mail as its reader sees it."""
    message = email.message_from_bytes(raw, policy=email.policy.compat32)  # the newer policy takes 10 ms
    html, text = _part(message, "text/html"), _part(message, "text/plain")
    marked, pictures = links.in_html(html)
    unsubscribe = _UNSUBSCRIBE.search(_header(message, "List-Unsubscribe"))
    found: tuple[Link, ...] = marked if html else links.in_text(text)
    return Mail(
        id=number, at=at, sender=_header(message, "From"), subject=_header(message, "Subject"), text=text,
        html=html, links=found, pictures=pictures,
        unsubscribe=unsubscribe[1] if unsubscribe else "",
        one_click=_header(message, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click",
        reply_to=_header(message, "Reply-To") or _header(message, "From"),
        return_path=return_path, message_id=_header(message, "Message-ID"), raw=raw,
    )  # fmt: skip


def _header(message: Message, name: str) -> str:
    """Return a header's words, decoded (RFC 2047), on one line."""
    told = str(message.get(name, ""))
    if "=?" in told:
        with contextlib.suppress(LookupError, ValueError):  # a charset that nobody knows: shown as it came
            told = str(make_header(decode_header(told)))
    return " ".join(told.split())


def _part(message: Message, kind: str) -> str:
    """Return the first part of a kind that is no attachment."""
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                try:
                    return payload.decode(part.get_content_charset("utf-8"), "replace")
                except LookupError:
                    return payload.decode("utf-8", "replace")
    return ""
