"""Any mail server (ESMTP): builds the mail, reads the server's replies. engine/transport/smtp.py speaks.

What comes back later (bounces, complaints, replies, unsubscribing by mail) is POSTed to our webhook, as it
is, by the mail server of `bounce_domain`; docs/email.md tells how. Only addresses that we made are believed.
"""

from __future__ import annotations

import re
from email.utils import formatdate, parseaddr
from functools import lru_cache
from hashlib import sha256
from typing import ClassVar

from msgspec import Struct

from kaskad.domain.errors import BadSignature, SendError
from kaskad.domain.terms import Channel, MessageClass, Reaction, Reason
from kaskad.providers.base import (
    Accepted,
    Account,
    Capabilities,
    Inbound,
    Outgoing,
    Provider,
    Receipt,
    Request,
    Setting,
)
from kaskad.providers.dkim import BadKey, identities, signatures
from kaskad.providers.ics import calendar
from kaskad.providers.ics import method as method_of
from kaskad.providers.mail import plain, recipient, sender_of, sender_problems
from kaskad.providers.mails_in import REPORTED, marked, read_mail
from kaskad.providers.mime import body, named, on_one_line, words
from kaskad.providers.verp import BOUNCE, MESSAGE, UNSUBSCRIBE, local_part

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
_GREY = re.compile(r"gr[ae]y-?list", re.IGNORECASE)  # RFC 6647; by whatever code
_OF_SENDER = ("4.1.7", "4.1.8")
_LOGIN = (530, 534, 535, 538)  # whatever the enhanced code
NO_BOUNCES = "the address for bounces is no address: write bounces@example.org"
NO_BOUNCE_SECRET = "bounce_domain needs bounce_secret, which proves that a bounce is one of our mails"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*").fullmatch
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
    """The last word of a mail server on one mail: what refused it, or the reply to its final dot.

    `to_person`: it was said of the recipient or of the mail, not in a greeting or of the sender.
    """

    code: int
    text: str
    to_person: bool = False


class Smtp(Provider):
    """E-mail over your own server. Bounces come to a mailbox, opens and clicks to our own links."""

    name = "smtp"
    title = "SMTP"
    transport = "smtp"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.EMAIL})
    settings = (
        Setting("host"),
        Setting("port", default="587"),
        Setting(
            "security",
            default="starttls",
            choices=("starttls", "tls", "none"),
            help="none: a server on this machine",
        ),
        Setting("user", required=False, usual=True),
        Setting("password", secret=True, required=False, usual=True),
        Setting("sender", help="Name <name@example.org>"),
        Setting("reply_to", required=False),
        Setting("bounces", required=False, help="Envelope sender; empty: the sender's address"),
        Setting(
            "bounce_domain", required=False, help="Its mail comes to /hooks/<account>: bounces, see email.md"
        ),
        Setting("bounce_secret", secret=True, required=False, help="Any long text; signs bounce addresses"),
        Setting("dkim_domain", required=False, help="Signs mails where set, best the sender's domain"),
        Setting("dkim_selector", required=False, help="Of the key's TXT record; several in the keys' order"),
        Setting(
            "dkim_key", secret=True, lines=True, required=False, help="Private keys in PEM, RSA or Ed25519"
        ),
        Setting("list_id", required=False, help="Of this kind of mails, such as news.example.org"),
        Setting("feedback_id", required=False, help="Your name in Gmail's reports on complaints"),
    )
    connect = (
        "Let the mail server take mails from this machine, with a user and a password where it wants them.",
        "Publish SPF and DKIM of the sender's domain; give `dkim_key`, or let the server sign.",
        "Choose a `bounce_domain` and let its mail be POSTed to `https://…/hooks/<account>`: "
        "[E-mail](../email.md) shows it with Postfix.",
        "`kaskad send-test ACCOUNT you@example.org`",
    )
    judges = (
        "Postfix",
        "dkim",
    )
    capabilities = Capabilities(
        receipts=REPORTED,
        reactions=frozenset({Reaction.READ, Reaction.REPLIED}),
        echoes_reference=True,
        files=True,
        concurrency=4,
        per_second=50.0,
        burst=50,
    )

    def check(self, account: Account) -> list[str]:
        found = sender_problems(account)
        if account["bounces"] and not plain(account["bounces"]):
            found.append(f"setting 'bounces': {NO_BOUNCES}")
        if account["bounce_domain"] and not account["bounce_secret"]:
            found.append(NO_BOUNCE_SECRET)
        return found

    def build_mail(self, outgoing: Outgoing, account: Account) -> Mail:
        """Return the mail; raises SendError for an address or setting that can't be written."""
        _, sender = sender_of(account)
        to = recipient(outgoing)
        envelope = _envelope(outgoing, account, sender)
        headers = _headers(outgoing, account, to)
        more, content = _content(outgoing, sender_of(account), to)
        headers += more
        if account["dkim_domain"]:
            headers = _signed(headers, content, outgoing.at, account)
        head = "".join([f"{name}: {value}\r\n" for name, value in headers])
        return Mail(envelope, to, head.encode("ascii") + b"\r\n" + content)

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        if not account["bounce_secret"]:
            raise BadSignature("the account has no bounce_secret to tell its own addresses by")
        if marked(hook, account["bounce_secret"]) is None:
            raise BadSignature("the mail names no message of this account")

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        found = marked(hook, account["bounce_secret"])
        if found is None:
            raise ValueError("the mail names no message of this account")
        kind, reference = found
        return list(read_mail(hook.body, kind, reference, reason_of))

    def read_reply(self, reply: Reply) -> Accepted:
        """Return the acceptance; raises SendError by the enhanced code, else by the basic one."""
        if 200 <= reply.code < 300:
            return Accepted()
        enhanced = _ENHANCED.match(reply.text)
        code = enhanced[1] if enhanced else str(reply.code)
        reason = reason_of(code) or (Reason.TRANSIENT if reply.code < 500 else Reason.OTHER)
        if reply.code < 500 and _THROTTLED.search(reply.text):
            reason = Reason.RATE_LIMITED
        elif reply.code in _LOGIN or _RELAY.search(reply.text):
            reason = Reason.AUTH
        # The text itself may repeat the address: only its code is kept.
        detail = f"the mail server answered {reply.code}"
        raise SendError(reason, detail, code=code, of_person=reason is Reason.TRANSIENT and _one(reply, code))


def _one(reply: Reply, code: str) -> bool:
    """Say whether a refusal for now is about one mailbox, as by greylisting: others may be open."""
    if not reply.to_person or reply.code not in (450, 451, 452) or code in _OF_SENDER:
        return False
    if _GREY.search(reply.text) or code.startswith(("4.1.", "4.2.")):
        return True
    return reply.code == 450 and (code == "450" or code.startswith("4.7."))  # "blocked for policy reasons"


def _content(outgoing: Outgoing, sender: tuple[str, str], to: str) -> tuple[list[tuple[str, str]], bytes]:
    if outgoing.invite is None and not outgoing.files:
        return body(outgoing.text, outgoing.html, outgoing.reference)
    invite = outgoing.invite
    told, method = (calendar(invite, outgoing, sender, to), method_of(invite)) if invite else ("", "")
    return body(
        outgoing.text, outgoing.html, outgoing.reference, calendar=told, method=method, files=outgoing.files
    )


def _envelope(outgoing: Outgoing, account: Account, sender: str) -> str:
    """Return where bounces go: an address of this message alone, or that of the settings."""
    domain = account["bounce_domain"]
    if domain and not account["bounce_secret"]:
        raise SendError(Reason.AUTH, NO_BOUNCE_SECRET)
    local = _marked(BOUNCE, outgoing, account)
    envelope = f"{local}@{domain}" if local else account["bounces"] or sender
    if not plain(envelope):
        raise SendError(Reason.AUTH, NO_BOUNCES)
    return envelope


def _signed(
    headers: list[tuple[str, str]], content: bytes, at: int, account: Account
) -> list[tuple[str, str]]:
    """Return the headers with their DKIM signatures before them."""
    try:
        by = identities(account["dkim_domain"], account["dkim_selector"], account["dkim_key"])
    except BadKey as error:
        raise SendError(Reason.AUTH, f"account {account.name!r}: {error}") from error
    return signatures(headers, content, at, by) + headers


def reason_of(code: str) -> Reason | None:
    """Return what an enhanced or a basic code means; None for one that no table has."""
    if "." not in code:
        return CODES.get(int(code))
    subject = code.rsplit(".", 1)[0]
    return next((ENHANCED[part] for part in (code, subject, code[0]) if part in ENHANCED), None)


@lru_cache(maxsize=256)
def _person(text: str) -> tuple[str, str]:
    """Return an address of the settings and its header's value."""
    name, address = parseaddr(text)
    return address, named(name, address)


def _headers(outgoing: Outgoing, account: Account, to: str) -> list[tuple[str, str]]:
    """Return the headers without those of the content and without signatures."""
    address, sender = _person(account["sender"])
    domain = address.rpartition("@")[2]
    headers = [
        ("From", sender),
        ("To", named(outgoing.contact_name, to)),
        ("Subject", words(outgoing.subject, "Subject")),
        ("Date", formatdate(outgoing.at / 1000)),
        ("Message-ID", f"<{_message_local(outgoing, account)}@{domain}>"),
        ("MIME-Version", "1.0"),
    ]
    if account["reply_to"]:
        headers.append(("Reply-To", _person(account["reply_to"])[1]))
    if _LANGUAGE(outgoing.language):
        headers.append(("Content-Language", outgoing.language))
    if outgoing.unsubscribe_url:  # on one line: folding breaks DKIM (nodemailer issue 1654)
        ways = f"<{on_one_line(outgoing.unsubscribe_url)}>"
        local = _marked(UNSUBSCRIBE, outgoing, account)
        if local is not None:
            ways += f", <mailto:{local}@{account['bounce_domain']}?subject=unsubscribe>"
        headers.append(("List-Unsubscribe", ways))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    if account["list_id"]:
        headers.append(("List-ID", f"<{account['list_id']}>"))
    if account["feedback_id"]:
        kind = outgoing.message_class.value
        headers.append(("Feedback-ID", f"{account.name}:{kind}:{account['feedback_id']}"))
    if outgoing.message_class is not MessageClass.ADVERTISING:
        headers.append(("Auto-Submitted", "auto-generated"))
    return headers


def _message_local(outgoing: Outgoing, account: Account) -> str:
    local = _marked(MESSAGE, outgoing, account) or outgoing.reference
    return local if _ATOM.match(local) else sha256(local.encode()).hexdigest()


def _marked(kind: str, outgoing: Outgoing, account: Account) -> str | None:
    """Return a local part that names the message, where the account can read it when it comes back."""
    secret = account["bounce_secret"]
    if not (secret and account["bounce_domain"]):
        return None
    return local_part(kind, outgoing.reference, secret)
