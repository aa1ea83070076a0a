"""Mails that people and their servers send: replies and bounces (RFC 3464), to where Kaskad takes mail in."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from urllib.parse import urlsplit

import aiosmtplib

from kaskad.log import get_logger
from kaskad.sandbox.outbox import Outbox
from kaskad.sandbox.person import Mail, Phone
from kaskad.sandbox.wire import Outgoing
from kaskad.sandbox.world import World

log = get_logger(__name__)

SERVER = "mail.sandbox.example.org"


class Postman:
    """Delivers to `route`: smtp://host:port, or an http address that takes message/rfc822; "" is nowhere."""

    def __init__(self, world: World, outbox: Outbox, route: str) -> None:
        self._world = world
        self._outbox = outbox
        self.route = route
        self.sent: list[tuple[str, bytes]] = []  # recipient and mail, the last thousand

    def written(self, phone: Phone, mail: Mail, text: str) -> EmailMessage:
        """Return a person's answer to a mail."""
        message = EmailMessage()
        message["From"] = phone.person.email
        message["To"] = mail.reply_to
        message["Subject"] = f"Re: {mail.subject}"
        message["Date"] = self._date()
        message["Message-ID"] = make_msgid(domain=phone.person.email.rpartition("@")[2] or None)
        if mail.message_id:
            message["In-Reply-To"] = message["References"] = mail.message_id
        message.set_content(text)
        return message

    def send(self, sender: str, message: EmailMessage) -> None:
        """Send a mail to whom its header names."""
        self._send(sender, parseaddr(str(message["To"]))[1], message)

    def bounce(self, phone: Phone, mail: Mail) -> None:
        """Send back, to the envelope's sender, that a mail could not be delivered after all."""
        message = EmailMessage()
        message["From"] = f"Mail Delivery System <MAILER-DAEMON@{SERVER}>"
        message["To"] = mail.return_path
        message["Subject"] = "Undelivered Mail Returned to Sender"
        message["Date"] = self._date()
        message["Message-ID"] = make_msgid(domain=SERVER)
        message["Auto-Submitted"] = "auto-replied"
        address = phone.person.email
        message.set_content(
            f"This is the mail system at host {SERVER}.\n\nYour message could not be delivered.\n\n"
            f"<{address}>: 550 5.1.1 User unknown\n"
        )
        report = EmailMessage()
        report["Content-Type"] = "message/delivery-status"
        report.set_payload([
            _block({"Reporting-MTA": f"dns; {SERVER}", "Arrival-Date": self._date()}),
            _block({
                "Final-Recipient": f"rfc822; {address}", "Original-Recipient": f"rfc822; {address}",
                "Action": "failed", "Status": "5.1.1", "Remote-MTA": f"dns; {SERVER}",
                "Diagnostic-Code": "smtp; 550 5.1.1 User unknown",
            }),
        ])  # fmt: skip
        head = EmailMessage()
        head["Content-Type"] = "text/rfc822-headers"
        head.set_payload(
            mail.raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("ascii", "replace") + "\n"
        )
        message.make_mixed()
        message.attach(report)
        message.attach(head)
        message.set_type("multipart/report")
        message.set_param("report-type", "delivery-status")
        self._send("", mail.return_path, message)

    def _date(self) -> str:
        return format_datetime(datetime.fromtimestamp(self._world.pace.now() // 1000, UTC))

    def _send(self, sender: str, to: str, message: EmailMessage) -> None:
        raw = message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
        self.sent = [*self.sent[-999:], (to, raw)]
        if self.route and to:
            self._world.spawn(self._deliver(sender, to, raw))

    async def _deliver(self, sender: str, to: str, raw: bytes) -> None:
        parts = urlsplit(self.route)
        if parts.scheme == "smtp":
            try:
                await aiosmtplib.send(
                    raw, sender=sender, recipients=[to], hostname=parts.hostname, port=parts.port or 25,
                    start_tls=False, use_tls=False,
                )  # fmt: skip
            except (aiosmtplib.SMTPException, OSError) as error:
                log.warning("a mail to Kaskad was not taken", error=type(error).__name__)
        else:
            await self._outbox.call(Outgoing("POST", self.route, {"Content-Type": "message/rfc822"}, raw))


def _block(fields: dict[str, str]) -> EmailMessage:
    """Return one block of a delivery status: fields without a body."""
    block = EmailMessage()
    for name, value in fields.items():
        block[name] = value
    return block
