"""Everybody's phones, who is reached by which address, and what is counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable

from msgspec import Struct
from msgspec.structs import replace

from kaskad.log import get_logger
from kaskad.sandbox.clock import Pace
from kaskad.sandbox.faults import Faults
from kaskad.sandbox.person import Bubble, Call, Mail, Person, Phone, Sms
from kaskad.sandbox.profile import Profile, draw_temper

log = get_logger(__name__)

FIRST_CHAT = 900_000_000  # chat ids of people who were given none
CHANNELS = ("email", "telegram", "sms", "robot_call")
Thing = Mail | Bubble | Sms | Call


class Counts(Struct):
    """Of one channel: messages that reached a phone, those that were reacted to, and people who said no."""

    received: int = 0
    reacted: int = 0
    stopped: int = 0


class World:
    """The phones, the clock, chance, and the tasks of everything that happens later."""

    def __init__(
        self, pace: Pace, profile: Profile, seed: int, people: Iterable[Person], strangers: bool
    ) -> None:
        self.pace = pace
        self.profile = profile
        self.seed = seed
        self.faults = Faults(seed)
        self.strangers = strangers  # whether an unknown address comes to life when it is written to
        self.phones: dict[int, Phone] = {}
        self.counts = {channel: Counts() for channel in CHANNELS}
        self.on_arrival: Callable[[Phone, Thing], None] = lambda phone, thing: None
        self._by_address: dict[tuple[str, str], Phone] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for person in people:
            self.add(person)

    def add(self, person: Person) -> Phone:
        """Return the new phone of a person, reachable at all their addresses."""
        started = bool(person.chat_id)
        temper, blocked = draw_temper(self.profile, self.chance("temper", person.key))
        number = len(self.phones) + 1
        if not person.chat_id:  # a Telegram user all the same, whom the bot may not write to first
            person = replace(person, chat_id=str(FIRST_CHAT + number))
        phone = Phone(
            id=number, person=person, temper=temper, bot_blocked=blocked and started, bot_started=started
        )
        self.phones[phone.id] = phone
        for channel, address in (
            ("email", person.email.lower()), ("sms", person.phone), ("telegram", person.chat_id)
        ):  # fmt: skip
            if address:
                self._by_address.setdefault((channel, address), phone)
        return phone

    def find(self, channel: str, address: str) -> Phone | None:
        """Return whose address it is; a stranger's phone where strangers may come to life."""
        address = address.lower() if channel == "email" else address
        found = self._by_address.get((channel, address))
        if found is None and self.strangers:
            field = {"email": "email", "sms": "phone", "telegram": "chat_id"}[channel]
            found = self.add(Person(key=address, name=address, **{field: address}))
        return found

    def chance(self, *about: object) -> random.Random:
        """Return the randomness of one question: the same for the same seed, whatever else happens."""
        return random.Random(":".join(map(str, (self.seed, *about))))

    def arrived(self, channel: str, phone: Phone, thing: Thing) -> None:
        """Count a message that reached a phone, and let its person react."""
        self.counts[channel].received += 1
        phone.seen[channel] = phone.seen.get(channel, 0) + 1
        phone.trim()
        self.on_arrival(phone, thing)

    def reacted(self, channel: str, thing: Thing) -> None:
        """Count a person's first reaction to a message."""
        if not thing.reacted:
            thing.reacted = True
            self.counts[channel].reacted += 1

    def stopped(self, channel: str, phone: Phone) -> None:
        """Count who said no on a channel, once."""
        if channel not in phone.stopped:
            phone.stopped.append(channel)
            self.counts[channel].stopped += 1

    def later(self, span_ms: float, act: Callable[[], Awaitable[None]]) -> None:
        """Do something after so long, by the sandbox's clock."""

        async def wait_and_act() -> None:
            await self.pace.wait(span_ms)
            await act()

        self.spawn(wait_and_act())

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Let `work` run by itself; what goes wrong in it is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """End everything that still runs or waits."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the sandbox failed at something", error=type(error).__name__, detail=str(error))
