"""A person, and what stands on their phone: mails, a chat in each messenger, notifications, SMS, calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import ClassVar

from msgspec import Struct, field

KEPT = 200  # of each kind a phone keeps no more: who runs for days must not fill the memory
EMAIL, PUSH, SMS, ROBOT_CALL = "email", "push", "sms", "robot_call"
MESSENGERS = ("telegram", "whatsapp", "viber", "vk", "max", "facebook_messenger", "instagram")
CHANNELS = (EMAIL, *MESSENGERS, PUSH, SMS, ROBOT_CALL)  # as the pages show them
BY_NUMBER = frozenset({SMS, ROBOT_CALL, "whatsapp", "viber"})  # reached at the telephone's number


class Person(Struct, frozen=True):
    """Who they are and where they are reached; "" is nowhere."""

    key: str  # the CRM's id, else an address: what their temper is drawn from
    name: str = ""
    email: str = ""
    phone: str = ""  # E.164
    chat_id: str = ""  # of Telegram
    language: str = ""
    zone: str = ""
    ids: Mapping[str, str] = {}  # by channel, where email, phone and chat_id do not say it

    def address(self, channel: str) -> str:
        """Return where they are reached on a channel."""
        if channel in self.ids:
            return self.ids[channel]
        if channel == EMAIL:
            return self.email
        if channel in BY_NUMBER:
            return self.phone
        return self.chat_id if channel == "telegram" else ""


def stranger(channel: str, address: str) -> Person:
    """Return somebody of whom nothing is known but one address."""
    if channel == EMAIL:
        return Person(address, address, email=address)
    if channel in BY_NUMBER and address.startswith("+"):
        return Person(address, address, phone=address)
    if channel == "telegram":
        return Person(address, address, chat_id=address)
    return Person(address, address, ids={channel: address})


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
    """A mail; `by` is the server that brought it, here and below, and `ref` the service's own id."""

    channel: ClassVar[str] = EMAIL
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
    by: str = ""
    ref: str = ""
    opened: bool = False
    complained: bool = False
    reacted: bool = False
    notes: list[str] = field(default_factory=list)  # what was done with it, words of `words.py`


class Button(Struct, frozen=True):
    text: str
    url: str = ""
    data: str = ""


class Bubble(Struct):
    """One message of a chat; `mine` is the person's own."""

    channel: str
    id: int  # within the chat; a service whose ids are numbers may give its own
    at: int
    text: str
    mine: bool = False
    by: str = ""
    ref: str = ""
    buttons: tuple[tuple[Button, ...], ...] = ()
    media: tuple[tuple[str, str], ...] = ()  # kind, address or name
    links: tuple[Link, ...] = ()
    pressed: list[str] = field(default_factory=list)
    toast: str = ""  # what the bot answered to a press
    read: bool = False
    reacted: bool = False
    notes: list[str] = field(default_factory=list)


class Chat(Struct):
    """The chat with the company in one messenger.

    `started`: the company may write; in some messengers only after the person came to it. `said_at` is when
    the person last wrote or pressed: some services take free words only for a while after it.
    """

    channel: str
    address: str
    started: bool = True
    blocked: bool = False
    said_at: int = 0
    bubbles: list[Bubble] = field(default_factory=list)

    def bubble(self, number: int) -> Bubble | None:
        return next((bubble for bubble in self.bubbles if bubble.id == number), None)

    def next_id(self) -> int:
        return self.bubbles[-1].id + 1 if self.bubbles else 1


class Notice(Struct):
    """A push notification; `link` is where a tap on it leads."""

    channel: ClassVar[str] = PUSH
    id: int
    at: int
    title: str
    text: str
    link: str = ""
    picture: str = ""
    by: str = ""
    ref: str = ""
    dismissed: bool = False
    reacted: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def links(self) -> tuple[Link, ...]:
        return (Link(self.link, self.title or self.link),) if self.link else ()


class Sms(Struct):
    channel: ClassVar[str] = SMS
    id: int
    at: int
    text: str
    other: str  # the sender's name, or where the person's own went
    mine: bool = False
    by: str = ""
    ref: str = ""
    parts: int = 1
    links: tuple[Link, ...] = ()
    reacted: bool = False
    notes: list[str] = field(default_factory=list)


class Call(Struct):
    """One call to the person. `deeds` carries what they do: answer, decline, hang_up, or a key."""

    channel: ClassVar[str] = ROBOT_CALL
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


Thing = Mail | Bubble | Notice | Sms | Call


class Phone(Struct):
    """A person's devices; `by_hand`: somebody is that person, and the simulation leaves them alone."""

    id: int
    person: Person
    temper: Temper
    by_hand: bool = False
    chats: dict[str, Chat] = {}  # by messenger
    mails: list[Mail] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    texts: list[Sms] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)  # channels on which they said no
    seen: dict[str, int] = field(default_factory=dict)  # how many messages came on each channel
    greeted: set[str] = field(default_factory=set)  # senders that the greylist knows

    @property
    def ip(self) -> str:
        """Return the address that they come from; of 198.18/15, which RFC 2544 keeps for tests."""
        return f"198.18.{self.id // 250 % 250}.{self.id % 250 + 1}"

    def pile(self, channel: str) -> list[Mail] | list[Bubble] | list[Notice] | list[Sms] | list[Call]:
        """Return what has come, and gone, on a channel, oldest first."""
        match channel:
            case "email":
                return self.mails
            case "push":
                return self.notices
            case "sms":
                return self.texts
            case "robot_call":
                return self.calls
            case _:
                return self.chats[channel].bubbles if channel in self.chats else []

    def piles(self) -> Iterator[list[Mail] | list[Bubble] | list[Notice] | list[Sms] | list[Call]]:
        yield from (self.mails, self.notices, self.texts, self.calls)
        for chat in self.chats.values():
            yield chat.bubbles

    def latest(self, channel: str = "") -> int:
        """Return when something last happened on the phone, or on one channel; 0 is never."""
        piles = [self.pile(channel)] if channel else self.piles()
        return max((things[-1].at for things in piles if things), default=0)

    def trim(self) -> None:
        """Forget what is oldest."""
        for things in self.piles():
            del things[:-KEPT]

    def mail(self, number: int) -> Mail | None:
        return next((mail for mail in self.mails if mail.id == number), None)

    def notice(self, number: int) -> Notice | None:
        return next((notice for notice in self.notices if notice.id == number), None)

    def sms(self, number: int) -> Sms | None:
        return next((sms for sms in self.texts if sms.id == number), None)

    def call(self, sid: str) -> Call | None:
        return next((call for call in self.calls if call.sid == sid), None)


def next_id(things: list[Mail] | list[Notice] | list[Sms]) -> int:
    """Return a number that nothing of a pile has."""
    return things[-1].id + 1 if things else 1
