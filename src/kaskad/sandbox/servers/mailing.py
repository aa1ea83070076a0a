"""What mail services have in common: a letter taken over HTTP, its way to a mailbox, what is told of it."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from typing import ClassVar, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from kaskad.domain.address import BadAddress, normalise_email
from kaskad.sandbox.outbox import BROWSER
from kaskad.sandbox.person import EMAIL, Bubble, Mail, Mailbox, Notice, Phone, Sms, next_id
from kaskad.sandbox.server import Server, Site
from kaskad.sandbox.servers.smtp import BOUNCE_MS, read_mail
from kaskad.sandbox.times import instant
from kaskad.sandbox.wire import Outgoing

T = TypeVar("T")

KEPT = 100_000  # letters of which something can still be told
DELIVER_MS = 2_000
GREYLIST_MS = 300_000
GIVE_UP_MS = 24 * 3_600_000  # how long a full mailbox is tried
SENDER = "The shop <shop@example.org>"
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*").fullmatch
ANSWERS = "answers.example.org"  # whose mail the services bring to Kaskad


class Fate(StrEnum):
    """What becomes of a letter."""

    SENT = "sent"
    DELAYED = "delayed"  # refused for now, and tried again
    DELIVERED = "delivered"
    BOUNCED = "bounced"  # no such mailbox
    FULL = "full"  # given up
    DROPPED = "dropped"  # not tried: it bounced, complained or left before
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    LEFT = "left"


ENDS = (Fate.BOUNCED, Fate.COMPLAINED, Fate.LEFT)  # after which a service sends to that address no more


class Letter(Struct, frozen=True):
    """A letter as a service was asked to send it; `data` comes back in what is told of it."""

    to: str
    sender: str
    subject: str
    html: str = ""
    text: str = ""
    to_name: str = ""
    reply_to: str = ""
    headers: Mapping[str, str] = {}
    data: Mapping[str, str] = {}
    tracked: bool = False  # the service counts opens and clicks


class Sent(Struct):
    """A letter that was taken; `ref` is the service's id of it."""

    ref: str
    letter: Letter
    at: int


class Event(Struct, frozen=True):
    """One thing to tell; `why` is why a letter was dropped, `agent` and `ip` are a person's."""

    id: str
    sent: Sent
    fate: Fate
    at: int
    url: str = ""
    ip: str = ""
    agent: str = ""
    why: Fate = Fate.BOUNCED


class OwnFooter(Struct, frozen=True):
    """What a service adds to letters that bring no way out of their own."""

    headers: Mapping[str, str]
    html: str


class MailService(Server):
    """A service with its own words for fates in `words`; what has none there is not told."""

    channels = (EMAIL,)
    price = "0.05 KZT"
    words: ClassVar[Mapping[Fate, str]]

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.ids = random.Random(f"{self.name}:{self.world.seed}")
        self._sent: dict[tuple[str, str], Sent] = {}
        self._ended: dict[str, Fate] = {}

    def webhook(self, event: Event, good: bool) -> Outgoing:
        """Return what Kaskad is told, signed as the service signs; not `good`: wrongly."""
        raise NotImplementedError

    def answer_hook(self, answer: EmailMessage, to: str, good: bool) -> Outgoing | None:
        """Return how the service hands on a mail that came in; None where it takes none."""
        return None

    def new_id(self, digits: int = 32) -> str:
        """Return an id of hexadecimal digits."""
        return f"{self.ids.getrandbits(4 * digits):0{digits}x}"

    def take(self, letter: Letter, ref: str) -> Sent:
        """Let a letter begin its way."""
        sent = Sent(ref, letter, self.world.pace.now())
        self._sent[ref, letter.to.lower()] = sent
        while len(self._sent) > KEPT:
            del self._sent[next(iter(self._sent))]
        self.world.spawn(self._carry(sent))
        return sent

    def ended(self, address: str) -> Fate | None:
        """Return why the service does not send to an address any more; None: it does."""
        return self._ended.get(address.lower())

    async def _carry(self, sent: Sent) -> None:
        letter, pace = sent.letter, self.world.pace
        if why := self.ended(letter.to):
            self.happened(sent, Fate.DROPPED, why=why)
            return
        self.happened(sent, Fate.SENT)
        await pace.wait(DELIVER_MS)
        phone = self.world.find(EMAIL, letter.to)
        mailbox = phone.temper.mailbox if phone is not None and not phone.by_hand else Mailbox.GOOD
        if phone is None or mailbox is Mailbox.MISSING:
            self.happened(sent, Fate.BOUNCED)
        elif mailbox is Mailbox.FULL:
            self.happened(sent, Fate.DELAYED)
            await pace.wait(GIVE_UP_MS)
            self.happened(sent, Fate.FULL)
        elif mailbox is Mailbox.BOUNCES_LATER:
            self.happened(sent, Fate.DELIVERED)
            await pace.wait(BOUNCE_MS)
            self.happened(sent, Fate.BOUNCED)
        else:
            if mailbox is Mailbox.GREYLISTED and letter.sender not in phone.greeted:
                phone.greeted.add(letter.sender)
                self.happened(sent, Fate.DELAYED)
                await pace.wait(GREYLIST_MS)
            self._arrive(phone, sent)

    def _arrive(self, phone: Phone, sent: Sent) -> None:
        raw = raw_mail(sent.letter, sent.at, f"<{sent.ref}@{self.name}.sandbox.example.org>")
        mail = read_mail(raw, next_id(phone.mails), self.world.pace.now(), sent.letter.sender)
        mail.by, mail.ref = self.name, sent.ref
        phone.mails.append(mail)
        self.happened(sent, Fate.DELIVERED)
        self.world.arrived(phone, mail)

    def happened(
        self, sent: Sent, fate: Fate, *, url: str = "", phone: Phone | None = None, why: Fate = Fate.BOUNCED
    ) -> None:
        """Remember what became of a letter, and tell it where the service does."""
        if fate in ENDS:
            self._ended[sent.letter.to.lower()] = fate
        if self.hook and fate in self.words:
            ip, agent = (phone.ip, BROWSER) if phone else ("", "")
            self.pass_on(Event(self.new_id(), sent, fate, self.world.pace.now(), url, ip, agent, why))

    def pass_on(self, event: Event) -> None:
        """Tell one event by the webhook."""
        self.report(lambda good: self.webhook(event, good))

    def on_open(self, phone: Phone, mail: Mail) -> None:
        sent = self._of(phone, mail.ref)
        if sent is not None and sent.letter.tracked:
            self.happened(sent, Fate.OPENED, phone=phone)

    def on_click(self, phone: Phone, thing: Mail | Bubble | Notice | Sms, url: str) -> None:
        sent = self._of(phone, thing.ref)
        if sent is not None and sent.letter.tracked:
            self.happened(sent, Fate.CLICKED, url=url, phone=phone)

    def on_complaint(self, phone: Phone, mail: Mail) -> None:
        if sent := self._of(phone, mail.ref):
            self.happened(sent, Fate.COMPLAINED)

    def _of(self, phone: Phone, ref: str) -> Sent | None:
        return self._sent.get((ref, phone.person.email.lower()))

    def on_reply(self, phone: Phone, mail: Mail, answer: EmailMessage) -> bool:
        to = parseaddr(mail.reply_to)[1]
        if not self.hook or not to.endswith(f"@{ANSWERS}") or self.answer_hook(answer, to, True) is None:
            return False

        def build(good: bool) -> Outgoing:
            made = self.answer_hook(answer, to, good)
            assert made is not None
            return made

        self.report(build)
        return True

    # Letters that carry the service's own way out

    def way_out(self, ref: str, to: str) -> OwnFooter:
        """Return the header and the last line of a letter by which its reader leaves the service's list."""
        url = f"{self.url(self.place)}/leave/{ref}/{quote(to, safe='@')}"
        headers = {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        return OwnFooter(headers, f'<p><a href="{url}">Unsubscribe</a></p>')

    async def leave(self, request: Request) -> Response:
        """Show the page, and by its button take the reader off: POST, as RFC 8058 has it."""
        sent = self._sent.get((request.path_params["ref"], request.path_params["to"].lower()))
        if sent is None:
            return HTMLResponse("Not found", 404)
        if request.method == "POST":
            self.happened(sent, Fate.LEFT)
            return HTMLResponse("<!doctype html><p>You are unsubscribed.</p>")
        return HTMLResponse("<!doctype html><form method=post><button>Unsubscribe</button></form>")


class Unreadable(ValueError):
    """A body that is no JSON, or not of the shape that the service asks for."""


def read_json(body: bytes, kind: type[T]) -> T:
    """Return the value of a body; raises Unreadable."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def spoken(name: str, address: str) -> str:
    """Return an address with the name of its owner, in letters of any language."""
    name = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{address}>' if name else address


async def fields_of(request: Request) -> dict[str, list[str]]:
    """Return the fields of a form of either kind; files are left out."""
    async with request.form() as told:
        given: dict[str, list[str]] = {}
        for name, value in told.multi_items():
            if isinstance(value, str):
                given.setdefault(name, []).append(value)
        return given


def is_address(text: str) -> bool:
    try:
        normalise_email(text)
    except BadAddress:
        return False
    return True


def raw_mail(letter: Letter, at: int, message_id: str) -> bytes:
    """Return a letter as its mailbox gets it."""
    message = EmailMessage()
    message["From"] = _on_one_line(letter.sender)
    message["To"] = _on_one_line(spoken(letter.to_name, letter.to))
    message["Subject"] = _on_one_line(letter.subject)
    message["Date"] = format_datetime(instant(at))
    if letter.reply_to:
        message["Reply-To"] = _on_one_line(letter.reply_to)
    for name, value in letter.headers.items():
        if _HEADER(name) and name.lower() not in ("from", "to", "subject", "date", "reply-to"):
            message[name] = _on_one_line(value)
    if "Message-ID" not in message:
        message["Message-ID"] = message_id
    if letter.text or not letter.html:
        message.set_content(letter.text)
    if letter.html and letter.text:
        message.add_alternative(letter.html, subtype="html")
    elif letter.html:
        message.set_content(letter.html, subtype="html")
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n"))


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
