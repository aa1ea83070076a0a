"""The bot of the sandbox: its updates, polled or posted, and how a person and a message look in them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from kaskad.sandbox.faults import RECEIPTS, Fault
from kaskad.sandbox.outbox import Outbox
from kaskad.sandbox.person import Bubble, Button, Phone
from kaskad.sandbox.wire import Outgoing
from kaskad.sandbox.world import World

Json = dict[str, object]
CHANNEL = "telegram"
WRONG_SECRET = "not-the-secret"
QUERIES = 10_000  # presses that nobody answers are forgotten
PAUSE_S = 0.5  # between attempts at a webhook that does not take its updates; doubled each time
LONGEST_PAUSE_S = 30.0


class Update(Struct):
    id: int
    kind: str
    body: Json
    forged_first: bool = False  # posted once with a wrong secret before

    def as_json(self) -> Json:
        return {"update_id": self.id, self.kind: self.body}


class Webhook(Struct):
    url: str
    secret: str
    allowed: list[str]
    max_connections: int = 40
    last_error_at: int = 0
    last_error: str = ""


class Bot:
    """One bot; `answered` takes what a webhook answers with: a method to call, as the service allows.

    `strike` tells the fault that befalls an update.
    """

    def __init__(
        self,
        world: World,
        outbox: Outbox,
        strike: Callable[[Iterable[str]], Fault | None],
        token: str,
        name: str,
    ) -> None:
        self.world = world
        self._outbox = outbox
        self._strike = strike
        self.token = token
        self.id = int(token.partition(":")[0])
        self.username = name
        self.webhook: Webhook | None = None
        self.allowed: list[str] = []
        self.updates: deque[Update] = deque()
        self.queries: dict[str, Bubble] = {}  # presses that can still be answered, by their id
        self.answered: Callable[[Mapping[str, object]], Awaitable[None]] | None = None
        self._next_update = 100_000_001
        self._next_message = 1
        self._news = asyncio.Event()
        self.polls = 0
        self._posting: asyncio.Event | None = None

    def new_message_id(self) -> int:
        self._next_message += 1
        return self._next_message - 1

    def put(self, kind: str, body: Json) -> None:
        """Let an update be polled or posted, with what befalls it on its way."""
        if self.allowed and kind not in self.allowed:
            return
        fault = self._strike(RECEIPTS)
        update = Update(self._next_update, kind, body, fault is not None and fault.kind == "bad_signature")
        self._next_update += 1
        if fault is None or fault.kind == "bad_signature":
            self._add(update)
        elif fault.kind == "late":
            self.world.later(fault.seconds * 1000, lambda: self._add_later(update))
        elif fault.kind == "duplicate":
            self._add(update)
            self._add(update)
        elif fault.kind == "reorder":
            self._add(update, len(self.updates) - 1)

    def press(self, phone: Phone, bubble: Bubble, data: str) -> None:
        """Put the press of a button, which can be answered until it is forgotten."""
        number = self.world.chance("query", phone.id, bubble.id, len(bubble.pressed)).getrandbits(62)
        self.queries[str(number)] = bubble
        while len(self.queries) > QUERIES:
            del self.queries[next(iter(self.queries))]
        self.put("callback_query", {
            "id": str(number), "from": self.user(phone), "message": self.message(phone, bubble),
            "chat_instance": str(chat_id_of(phone)), "data": data,
        })  # fmt: skip

    def member(self, phone: Phone, before: str, after: str) -> None:
        """Put that the bot was blocked or let in again."""

        def member(status: str) -> Json:
            told: Json = {"user": self.me(), "status": status}
            return told | ({"until_date": 0} if status == "kicked" else {})

        self.put("my_chat_member", {
            "chat": self.chat(phone), "from": self.user(phone), "date": self.world.pace.now() // 1000,
            "old_chat_member": member(before), "new_chat_member": member(after),
        })  # fmt: skip

    async def _add_later(self, update: Update) -> None:
        self._add(update)

    def _add(self, update: Update, place: int | None = None) -> None:
        self.updates.insert(len(self.updates) if place is None else max(0, place), update)
        self._news.set()
        if self._posting is not None:
            self._posting.set()

    async def poll(self, offset: int, limit: int, timeout_s: float) -> Sequence[Update] | None:
        """Return updates, waiting for them; None where another poll began meanwhile.

        `offset` confirms all before it; a negative one keeps so many from the end.
        """
        self.polls += 1
        turn = self.polls
        self._news.set()  # whoever waits looks up, and finds that it is not its turn any more
        await asyncio.sleep(0)
        if offset < 0:
            while len(self.updates) > -offset:
                self.updates.popleft()
        elif offset:
            self.updates = deque(update for update in self.updates if update.id >= offset)
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while not self.updates and (left := until - loop.time()) > 0:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                break
            if turn != self.polls:
                return None
        return list(self.updates)[:limit]

    def set_webhook(self, webhook: Webhook | None, drop: bool) -> None:
        """Post updates to `webhook` from now on, or have them polled."""
        self.webhook = webhook
        if drop:
            self.updates.clear()
        if webhook is not None and self._posting is None:
            self._posting = asyncio.Event()
            self.world.spawn(self._post_all(self._posting))
        if self._posting is not None:
            self._posting.set()

    async def _post_all(self, news: asyncio.Event) -> None:
        pause_s = PAUSE_S
        while True:
            await news.wait()
            news.clear()
            while self.updates and (webhook := self.webhook) is not None:
                if await self._post(webhook, self.updates[0]):
                    pause_s = PAUSE_S
                    if self.updates:
                        self.updates.popleft()
                else:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _post(self, webhook: Webhook, update: Update) -> bool:
        if update.forged_first:
            update.forged_first = False
            await self._outbox.call(self._posted(webhook, update, WRONG_SECRET))
        answer = await self._outbox.call(self._posted(webhook, update, webhook.secret))
        if not answer.ok:
            webhook.last_error_at = self.world.pace.now() // 1000
            webhook.last_error = (
                f"Wrong response from the webhook: {answer.status}" if answer.status else "Connection refused"
            )
            return False
        if self.answered is not None and answer.body:
            await self._obey(answer.body)
        return True

    async def _obey(self, body: bytes) -> None:
        try:
            said = json.loads(body)
        except ValueError:
            return
        if isinstance(said, dict) and "method" in said and self.answered is not None:
            await self.answered(said)

    @staticmethod
    def _posted(webhook: Webhook, update: Update, secret: str) -> Outgoing:
        headers = {"Content-Type": "application/json"}
        if secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = secret
        return Outgoing("POST", webhook.url, headers, json.dumps(update.as_json()).encode())

    def me(self) -> Json:
        return {"id": self.id, "is_bot": True, "first_name": "Kaskad", "username": self.username}

    def user(self, phone: Phone) -> Json:
        """Return the person as the sender of an update."""
        first, _, last = phone.person.name.partition(" ")
        told: Json = {"id": chat_id_of(phone), "is_bot": False, "first_name": first or f"Person {phone.id}"}
        if last:
            told["last_name"] = last
        if phone.person.language:
            told["language_code"] = phone.person.language
        return told

    def chat(self, phone: Phone) -> Json:
        told = {name: value for name, value in self.user(phone).items() if name.endswith("_name")}
        return {"id": chat_id_of(phone), "type": "private", **told}

    def message(self, phone: Phone, bubble: Bubble) -> Json:
        """Return a message as the service shows it."""
        sender = self.user(phone) if bubble.mine else self.me()
        told: Json = {
            "message_id": bubble.id, "from": sender, "chat": self.chat(phone), "date": bubble.at // 1000,
        }  # fmt: skip
        told |= _media(bubble) if bubble.media else {}
        if bubble.text:
            told["caption" if bubble.media else "text"] = bubble.text
        if bubble.mine and bubble.text.startswith("/"):
            command = bubble.text.split()[0]
            told["entities"] = [{"type": "bot_command", "offset": 0, "length": len(command)}]
        if bubble.buttons:
            rows = [[_button(button) for button in row] for row in bubble.buttons]
            told["reply_markup"] = {"inline_keyboard": rows}
        return told


def chat_id_of(phone: Phone) -> int:
    return int(phone.chats[CHANNEL].address)


def _button(button: Button) -> Json:
    return {"text": button.text, **({"url": button.url} if button.url else {"callback_data": button.data})}


def _media(bubble: Bubble) -> Json:
    kind, name = bubble.media[0]
    file: Json = {"file_id": f"sandbox-{kind}-{bubble.id}", "file_unique_id": f"u{kind}{bubble.id}"}
    if kind == "photo":
        return {"photo": [{**file, "width": 640, "height": 480}]}
    told: Json = {**file, "file_name": name.rpartition("/")[2] or kind, "mime_type": _MIME[kind]}
    if kind in ("video", "animation"):
        told |= {"width": 640, "height": 480}
    if kind != "document":
        told["duration"] = 10
    return {kind: told}


_MIME = {
    "document": "application/octet-stream", "video": "video/mp4", "animation": "video/mp4",
    "audio": "audio/mpeg", "voice": "audio/ogg",
}  # fmt: skip
