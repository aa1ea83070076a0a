"""What a person can do with their phone; the simulation and the pages do it by the same functions.

What is done stands on the phone first; then the server that brought the message is told, and tells Kaskad as
its service does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kaskad.domain.keywords import is_stop
from kaskad.sandbox.outbox import PREFETCH, SCANNER, Outbox
from kaskad.sandbox.person import Bubble, Button, Call, Chat, Link, Mail, Notice, Phone, Sms, next_id
from kaskad.sandbox.postman import Postman
from kaskad.sandbox.server import Server
from kaskad.sandbox.wire import NOTHING, Answer
from kaskad.sandbox.world import World

ONE_CLICK = "List-Unsubscribe=One-Click"


class Deeds:
    """Everything that people do, counted and noted on the message."""

    def __init__(self, world: World, outbox: Outbox, postman: Postman, servers: Sequence[Server]) -> None:
        self.world = world
        self.outbox = outbox
        self.postman = postman
        self._servers = servers

    def server(self, channel: str, by: str = "") -> Server:
        """Return the server of a name, else the first of a channel."""
        named = (one for one in self._servers if one.name == by)
        return next(named, None) or next(one for one in self._servers if channel in one.channels)

    async def open_mail(self, phone: Phone, mail: Mail) -> None:
        """Open a mail: its pictures are loaded, as mail programs do."""
        first, mail.opened = not mail.opened, True
        if first:
            mail.notes.append("opened")
            for picture in mail.pictures:
                await self.outbox.visit(phone, picture)
            self.server("email", mail.by).on_open(phone, mail)

    async def follow(self, phone: Phone, thing: Mail | Bubble | Notice | Sms, url: str) -> Answer:
        """Follow a link; the answer is NOTHING where it leads outside. A link into a chat begins it."""
        self._has_read(phone, thing)
        thing.notes.append("clicked")
        self.world.reacted(thing)
        answer = await self.outbox.visit(phone, url)
        self.server(thing.channel, thing.by).on_click(phone, thing, url)
        for server in self._servers:
            payload = server.start_of(answer.location or url)
            if payload is not None:
                await self.start(phone, server.channels[0], payload, server)
                break
        return answer

    async def send_form(self, phone: Phone, url: str) -> Answer:
        """Send the form of a page outside of Kaskad, as who buys or joins does; NOTHING where it has none."""
        page = await self.outbox.visit(phone, url)
        if b'method="post"' not in page.body:
            return NOTHING
        return await self.outbox.visit(phone, url, "POST", body="sent=yes")

    async def unsubscribe(self, phone: Phone, mail: Mail) -> Answer:
        """Unsubscribe by the mail program's button (RFC 8058), or by the page's where there is none."""
        mail.notes.append("unsubscribed")
        self.world.stopped("email", phone)
        if mail.one_click:
            return await self.outbox.visit(phone, mail.unsubscribe, "POST", body=ONE_CLICK)
        await self.outbox.visit(phone, mail.unsubscribe)
        return await self.outbox.visit(phone, mail.unsubscribe, "POST", body="scope=topic")

    async def complain(self, phone: Phone, mail: Mail) -> None:
        """Mark a mail as spam."""
        if not mail.complained:
            mail.complained = True
            mail.notes.append("complained")
            self.world.stopped("email", phone)
            self.server("email", mail.by).on_complaint(phone, mail)

    async def reply_to_mail(self, phone: Phone, mail: Mail, text: str) -> None:
        """Answer a mail."""
        mail.notes.append("replied")
        self._said("email", phone, mail, text)
        answer = self.postman.written(phone, mail, text)
        if not self.server("email", mail.by).on_reply(phone, mail, answer):
            self.postman.send(phone.person.email, answer)

    async def read(self, phone: Phone, bubble: Bubble) -> None:
        """Read a message of a chat and do nothing more."""
        if not bubble.read:
            bubble.notes.append("read")
            self._has_read(phone, bubble)

    async def press(self, phone: Phone, bubble: Bubble, button: Button) -> Answer | None:
        """Press a button of a chat: an address is followed, anything else goes to the service."""
        if button.url:
            return await self.follow(phone, bubble, button.url)
        self._has_read(phone, bubble)
        bubble.pressed.append(button.data)
        bubble.notes.append("pressed")
        self.world.reacted(bubble)
        phone.chats[bubble.channel].said_at = self.world.pace.now()
        self.server(bubble.channel, bubble.by).on_press(phone, bubble, button)
        return None

    async def start(self, phone: Phone, channel: str, payload: str, server: Server | None = None) -> None:
        """Come to a chat by its button or by a link, which may carry a word."""
        server = server or self.server(channel)
        if channel in phone.chats:  # a browser has none
            await self._let_in(phone, phone.chats[channel])
        if words := server.on_start(phone, payload):
            await self.write(phone, channel, words, by=server.name)

    async def write(
        self, phone: Phone, channel: str, text: str, answers: Bubble | None = None, by: str = ""
    ) -> None:
        """Write into a chat; `answers` is the message that is replied to, as the phone shows it."""
        chat = phone.chats[channel]
        await self._let_in(phone, chat)
        about = answers or next((one for one in reversed(chat.bubbles) if not one.mine), None)
        server = self.server(channel, by or (about.by if about else ""))
        chat.said_at = self.world.pace.now()
        bubble = Bubble(channel, server.next_number(chat), chat.said_at, text, mine=True, by=server.name)
        chat.bubbles.append(bubble)
        phone.trim()
        if about is not None and not text.startswith("/"):
            self._has_read(phone, about)
            about.notes.append("replied")
            self._said(channel, phone, about, text)
        server.on_message(phone, bubble, answers)

    async def block(self, phone: Phone, channel: str) -> None:
        """Let the company write no more in a messenger."""
        chat = phone.chats[channel]
        if not chat.blocked:
            chat.blocked = True
            self.world.stopped(channel, phone)
            self._of_chat(chat).on_block(phone, chat)

    async def unblock(self, phone: Phone, channel: str) -> None:
        """Take the block back."""
        chat = phone.chats[channel]
        if chat.blocked:
            chat.blocked = False
            self._of_chat(chat).on_unblock(phone, chat)

    async def send_sms(self, phone: Phone, text: str) -> None:
        """Answer the last SMS."""
        about = next((sms for sms in reversed(phone.texts) if not sms.mine), None)
        if about is not None:
            about.notes.append("replied")
            self._said("sms", phone, about, text)
        server = self.server("sms", about.by if about else "")
        to = about.other if about else ""
        sms = Sms(next_id(phone.texts), self.world.pace.now(), text, to, mine=True, by=server.name)
        phone.texts.append(sms)
        phone.trim()
        server.on_sms(phone, sms, about)

    async def tap(self, phone: Phone, notice: Notice) -> Answer:
        """Tap a notification: the app opens, or where it leads."""
        notice.dismissed = True  # it leaves the tray
        if notice.link:
            return await self.follow(phone, notice, notice.link)
        notice.notes.append("clicked")
        self.world.reacted(notice)
        self.server("push", notice.by).on_click(phone, notice, "")
        return NOTHING

    async def dismiss(self, phone: Phone, notice: Notice) -> None:
        """Wipe a notification away."""
        if not notice.dismissed:
            notice.dismissed = True
            notice.notes.append("dismissed")
            self.server("push", notice.by).on_dismiss(phone, notice)

    def act_on_call(self, call: Call, deed: str) -> None:
        """Answer, decline, hang_up, or press the key that `deed` is."""
        call.deeds.put_nowait(deed)

    async def _let_in(self, phone: Phone, chat: Chat) -> None:
        """Whoever writes to the company lets it write back."""
        if chat.blocked:
            await self.unblock(phone, chat.channel)
        chat.started = True

    def _of_chat(self, chat: Chat) -> Server:
        return self.server(chat.channel, chat.bubbles[-1].by if chat.bubbles else "")

    def _has_read(self, phone: Phone, thing: Mail | Bubble | Notice | Sms) -> None:
        if isinstance(thing, Bubble) and not thing.read and not thing.mine:
            thing.read = True
            self.server(thing.channel, thing.by).on_read(phone, thing)

    def _said(self, channel: str, phone: Phone, thing: Mail | Bubble | Sms, text: str) -> None:
        if is_stop(text):
            self.world.stopped(channel, phone)
        else:
            self.world.reacted(thing)

    async def scan(self, phone: Phone, mail: Mail) -> None:
        """Let the gateway in front of a mailbox look at every link, hidden ones too, twice each."""
        urls = dict.fromkeys((*(link.url for link in mail.links), mail.unsubscribe))
        visits = []
        for url in filter(None, urls):
            for method in ("HEAD", "GET"):
                visits.append(self.outbox.visit(phone, url, method, SCANNER, gateway_of(phone)))
        mail.notes.append("scanned")
        await asyncio.gather(*visits)

    async def prefetch(self, phone: Phone, mail: Mail) -> None:
        """Let the mail program's proxy load the pictures, whether or not anybody looks."""
        mail.notes.append("prefetched")
        for picture in mail.pictures:
            await self.outbox.visit(phone, picture, agent=PREFETCH, ip=gateway_of(phone))


def gateway_of(phone: Phone) -> str:
    """Return the address from which the machines in front of a mailbox come."""
    return f"198.19.0.{phone.id % 200 + 1}"


def shown_links(links: tuple[Link, ...], unsubscribe: str = "") -> list[Link]:
    """Return the links that a person would click: seen, and not the way out."""
    return [link for link in links if link.shown and link.url != unsubscribe]
