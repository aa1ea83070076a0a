"""A person, and what stands on their phone: mails, a chat with the bot, SMS, calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct, field

KEPT = 200  # of each kind a phone keeps no more: who runs for days must not fill the memory


class Person(Struct, frozen=True):
    """Who they are and where they are reached; "" is nowhere."""

    key: str  # the CRM's id, else an address: what their temper is drawn from
    name: str = ""
    email: str = ""
    phone: str = ""  # E.164
    chat_id: str = ""
    language: str = ""
    zone: str = ""


class Mailbox(StrEnum):
    GOOD = "good"
    MISSING = "missing"  # 550 5.1.1
    FULL = "full"  # 552 5.2.2
    GREYLISTED = "greylisted"  # 450 at the first attempt
    BOUNCES_LATER = "bounces_later"  # accepted, then a bounce comes as a mail


class Sim(StrEnum):
    GOOD = "good"
    ABSENT = "absent"  # out of network until the message expires
    MISSING = "missing"  # no such subscriber


class Temper(Struct, frozen=True):
    """What is lasting about a person and their devices; drawn once, from the seed."""

    mailbox: Mailbox = Mailbox.GOOD
    sim: Sim = Sim.GOOD
    scanned: bool = False  # a gateway in front of the mailbox follows every link
    prefetched: bool = False  # the mail program loads pictures by itself
    pace: float = 1.0  # their delays are so much longer


class Link(Struct, frozen=True):
    """An address in a message; `shown` is "" where a person sees nothing to click."""

    url: str
    shown: str


class Mail(Struct):
    id: int
    at: int
    sender: str
    subject: str
    text: str
    html: str
    links: tuple[Link, ...]
    pictures: tuple[str, ...]
    unsubscribe: str  # the address of List-Unsubscribe
    one_click: bool
    reply_to: str
    return_path: str
    message_id: str
    raw: bytes
    opened: bool = False
    reacted: bool = False
    notes: list[str] = field(default_factory=list)  # what was done with it, words of `words.py`


class Button(Struct, frozen=True):
    text: str
    url: str = ""
    data: str = ""


class Bubble(Struct):
    """One message of the chat; `mine` is the person's own."""

    id: int
    at: int
    text: str
    mine: bool = False
    buttons: tuple[tuple[Button, ...], ...] = ()
    media: tuple[tuple[str, str], ...] = ()  # kind, address or name
    links: tuple[Link, ...] = ()
    pressed: list[str] = field(default_factory=list)
    toast: str = ""  # what the bot answered to a press
    reacted: bool = False
    notes: list[str] = field(default_factory=list)


class Sms(Struct):
    id: int
    at: int
    text: str
    other: str  # the sender's name, or where the person's own went
    mine: bool = False
    parts: int = 1
    links: tuple[Link, ...] = ()
    reacted: bool = False
    notes: list[str] = field(default_factory=list)


class Call(Struct):
    """One call to the person. `deeds` carries what they do: answer, decline, hang_up, or a key."""

    sid: str
    at: int
    caller: str
    status: str = "queued"
    answered_by: str = ""
    heard: list[str] = field(default_factory=list)
    keys: str = ""
    listening: bool = False  # the caller waits for a key
    ended_at: int = 0
    duration_s: int = 0
    reacted: bool = False
    deeds: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    @property
    def live(self) -> bool:
        return self.status in ("queued", "ringing", "in-progress")


class Phone(Struct):
    """A person's devices; `by_hand`: somebody is that person, and the simulation leaves them alone."""

    id: int
    person: Person
    temper: Temper
    by_hand: bool = False
    bot_blocked: bool = False
    bot_started: bool = True
    mails: list[Mail] = field(default_factory=list)
    chat: list[Bubble] = field(default_factory=list)
    texts: list[Sms] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)  # channels on which they said no
    seen: dict[str, int] = field(default_factory=dict)  # how many messages came on each channel
    greeted: set[str] = field(default_factory=set)  # senders that the greylist knows

    @property
    def ip(self) -> str:
        """Return the address that they come from; of 198.18/15, which RFC 2544 keeps for tests."""
        return f"198.18.{self.id // 250 % 250}.{self.id % 250 + 1}"

    def latest(self) -> int:
        """Return when something last happened on the phone; 0 is never."""
        return max((things[-1].at for things in (self.mails, self.chat, self.texts, self.calls) if things),
                   default=0)  # fmt: skip

    def trim(self) -> None:
        """Forget what is oldest."""
        for things in self._piles():
            del things[:-KEPT]

    def _piles(self) -> Iterator[list[Mail] | list[Bubble] | list[Sms] | list[Call]]:
        yield from (self.mails, self.chat, self.texts, self.calls)

    def mail(self, number: int) -> Mail | None:
        return next((mail for mail in self.mails if mail.id == number), None)

    def bubble(self, number: int) -> Bubble | None:
        return next((bubble for bubble in self.chat if bubble.id == number), None)

    def sms(self, number: int) -> Sms | None:
        return next((sms for sms in self.texts if sms.id == number), None)

    def call(self, sid: str) -> Call | None:
        return next((call for call in self.calls if call.sid == sid), None)
