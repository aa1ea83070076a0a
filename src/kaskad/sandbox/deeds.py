"""What a person can do with their phone; the simulation and the pages do it by the same functions."""

from __future__ import annotations

import asyncio
import re

from kaskad.domain.keywords import is_stop
from kaskad.sandbox.outbox import PREFETCH, SCANNER, Outbox
from kaskad.sandbox.person import Bubble, Button, Call, Link, Mail, Phone, Sms
from kaskad.sandbox.postman import Postman
from kaskad.sandbox.servers.bot import Bot, chat_id_of
from kaskad.sandbox.servers.smsc import Smsc
from kaskad.sandbox.wire import NOTHING, Answer
from kaskad.sandbox.world import World

QUERIES = 10_000
ONE_CLICK = "List-Unsubscribe=One-Click"


class Deeds:
    """Everything that people do, counted and noted on the message."""

    def __init__(self, world: World, outbox: Outbox, bot: Bot, smsc: Smsc, postman: Postman) -> None:
        self.world = world
        self.outbox = outbox
        self.bot = bot
        self.smsc = smsc
        self.postman = postman
        # https://core.telegram.org/bots/features#deep-linking
        self._start = re.compile(rf"https://t\.me/{bot.username}(?:\?start=([\w-]{{1,64}}))?", re.IGNORECASE)

    async def open_mail(self, phone: Phone, mail: Mail) -> None:
        """Open a mail: its pictures are loaded, as mail programs do."""
        first, mail.opened = not mail.opened, True
        if first:
            mail.notes.append("opened")
            for picture in mail.pictures:
                await self.outbox.visit(phone, picture)

    async def follow(self, channel: str, phone: Phone, thing: Mail | Bubble | Sms, url: str) -> Answer:
        """Follow a link; the answer is NOTHING where it leads outside. A link to the bot starts it."""
        thing.notes.append("clicked")
        self.world.reacted(channel, thing)
        answer = await self.outbox.visit(phone, url)
        if match := self._start.fullmatch(answer.location or url):
            await self.write_to_bot(phone, f"/start {match[1] or ''}".strip())
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

    async def reply_to_mail(self, phone: Phone, mail: Mail, text: str) -> None:
        """Answer a mail."""
        mail.notes.append("replied")
        self._said("email", phone, mail, text)
        self.postman.reply(phone, mail, text)

    async def press(self, phone: Phone, bubble: Bubble, button: Button) -> Answer | None:
        """Press a button of a chat: an address is followed, anything else goes to the bot."""
        if button.url:
            return await self.follow("telegram", phone, bubble, button.url)
        bubble.pressed.append(button.data)
        bubble.notes.append("pressed")
        self.world.reacted("telegram", bubble)
        number = self.world.chance("query", phone.id, bubble.id, len(bubble.pressed)).getrandbits(62)
        self.bot.queries[str(number)] = bubble
        while len(self.bot.queries) > QUERIES:  # the service forgets presses that nobody answers
            del self.bot.queries[next(iter(self.bot.queries))]
        self.bot.put("callback_query", {
            "id": str(number), "from": self.bot.user(phone), "message": self.bot.message(phone, bubble),
            "chat_instance": str(chat_id_of(phone)), "data": button.data,
        })  # fmt: skip
        return None

    async def write_to_bot(self, phone: Phone, text: str, answers: Bubble | None = None) -> None:
        """Write into the chat; `answers` is the message that is replied to, as the phone shows it."""
        if phone.bot_blocked:
            await self.unblock(phone)
        phone.bot_started = True
        bubble = Bubble(self.bot.new_message_id(), self.world.pace.now(), text, mine=True)
        about = answers or next((one for one in reversed(phone.chat) if not one.mine), None)
        phone.chat.append(bubble)
        phone.trim()
        if about is not None and not text.startswith("/"):
            about.notes.append("replied")
            self._said("telegram", phone, about, text)
        told = self.bot.message(phone, bubble)
        if answers is not None:
            told["reply_to_message"] = self.bot.message(phone, answers)
        self.bot.put("message", told)

    async def block(self, phone: Phone) -> None:
        """Block the bot."""
        if not phone.bot_blocked:
            phone.bot_blocked = True
            self.world.stopped("telegram", phone)
            self._member(phone, "member", "kicked")

    async def unblock(self, phone: Phone) -> None:
        """Take the block back."""
        if phone.bot_blocked:
            phone.bot_blocked = False
            self._member(phone, "kicked", "member")

    def _member(self, phone: Phone, before: str, after: str) -> None:
        def member(status: str) -> dict[str, object]:
            told: dict[str, object] = {"user": self.bot.me(), "status": status}
            return told | ({"until_date": 0} if status == "kicked" else {})

        self.bot.put("my_chat_member", {
            "chat": self.bot.chat(phone), "from": self.bot.user(phone),
            "date": self.world.pace.now() // 1000,
            "old_chat_member": member(before), "new_chat_member": member(after),
        })  # fmt: skip

    async def send_sms(self, phone: Phone, text: str) -> None:
        """Answer the last SMS."""
        about = next((sms for sms in reversed(phone.texts) if not sms.mine), None)
        if about is not None:
            about.notes.append("replied")
            self._said("sms", phone, about, text)
        self.smsc.receive(phone, text)

    def act_on_call(self, call: Call, deed: str) -> None:
        """Answer, decline, hang_up, or press the key that `deed` is."""
        call.deeds.put_nowait(deed)

    def _said(self, channel: str, phone: Phone, thing: Mail | Bubble | Sms, text: str) -> None:
        if is_stop(text):
            self.world.stopped(channel, phone)
        else:
            self.world.reacted(channel, thing)

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
