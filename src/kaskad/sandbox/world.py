"""Everybody's phones, who is reached by which address, and what is counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

from msgspec import Struct

from kaskad.log import get_logger
from kaskad.sandbox.clock import Pace
from kaskad.sandbox.faults import Faults
from kaskad.sandbox.line import Intent, Pickup
from kaskad.sandbox.person import (
    BY_NUMBER,
    CHANNELS,
    MESSENGERS,
    SMS,
    Chat,
    Person,
    Phone,
    Thing,
    stranger,
)
from kaskad.sandbox.profile import Profile, draw_temper

log = get_logger(__name__)

FIRST_CHAT = 900_000_000  # ids in messengers of people who were given none


Whose = Callable[[str, str], Person | None]  # (channel, address): who of whom others know is reached there


class Counts(Struct):
    """Of one channel: messages that reached a phone, those that were reacted to, and people who said no."""

    received: int = 0
    reacted: int = 0
    stopped: int = 0


class World:
    """The phones, the clock, chance, and the tasks of everything that happens later.

    `on_arrival`, `pick_up` and `intent` are what simulated people do; nothing, until habits are set.
    """

    def __init__(
        self, pace: Pace, profile: Profile, seed: int, people: Iterable[Person], strangers: bool,
        services: Mapping[str, frozenset[str]], whose: Whose | None = None,
    ) -> None:  # fmt: skip
        self.pace = pace
        self.profile = profile
        self.seed = seed
        self.faults = Faults(seed, services)
        self.strangers = strangers  # whether an unknown address comes to life when it is written to
        self.channels = tuple(channel for channel in CHANNELS if channel in services)
        self.phones: dict[int, Phone] = {}
        self.counts = {channel: Counts() for channel in self.channels}
        self.on_arrival: Callable[[Phone, Thing], None] = lambda phone, thing: None
        self.pick_up: Callable[[Phone | None], Pickup] = lambda phone: Pickup("silence")
        self.intent: Callable[[Phone, str], Intent | None] = lambda phone, words: None
        self._whose = whose
        self._by_address: dict[tuple[str, str], Phone] = {}
        self._by_key: dict[str, Phone] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for person in people:
            self.add(person)

    def add(self, person: Person) -> Phone:
        """Return the new phone of a person, reachable at all their addresses."""
        temper, blocked = draw_temper(self.profile, self.chance("temper", person.key))
        phone = Phone(id=len(self.phones) + 1, person=person, temper=temper)
        self.phones[phone.id] = phone
        self._by_key[person.key] = phone
        for channel in self.channels:
            address = person.address(channel)
            if channel in MESSENGERS:
                phone.chats[channel] = chat = self._chat(phone, channel, address)
                chat.blocked = chat.started and (
                    blocked if channel == "telegram" else self._blocked(channel, person)
                )
                address = chat.address
            if address:
                self.register(phone, channel, address)
        if person.phone:  # a number is a number, whatever is spoken here
            self._by_address.setdefault((SMS, person.phone), phone)
        return phone

    def introduce(self, person: Person) -> Phone:
        """Return the phone of a person: theirs, reachable at what is new of their addresses, or a new one."""
        phone = self._by_key.get(person.key)
        if phone is None:
            return self.add(person)
        phone.person = person
        for channel in self.channels:
            address = person.address(channel)
            if address:
                self.register(phone, channel, address)
            chat = phone.chats.get(channel)
            if chat is not None and address and not chat.started:
                chat.address, chat.started = address, True
        return phone

    def _chat(self, phone: Phone, channel: str, address: str) -> Chat:
        """Return the chat of a person; who was given no id has one, but the company may not write first."""
        started = bool(address)
        return Chat(channel, address or str(FIRST_CHAT + phone.id), started)

    def _blocked(self, channel: str, person: Person) -> bool:
        habits = self.profile.messenger(channel)
        return self.chance("blocked", channel, person.key).random() < habits.blocked

    def register(self, phone: Phone, channel: str, address: str) -> None:
        """Let a phone be reached at one more address; whoever had it first keeps it."""
        self._by_address.setdefault(_place(channel, address), phone)

    def find(self, channel: str, address: str) -> Phone | None:
        """Return whose address it is; a stranger's phone where strangers may come to life."""
        address = address.lower() if channel == "email" else address
        found = self._by_address.get(_place(channel, address))
        if found is None and self.strangers:
            person = self._whose(channel, address) if self._whose else None
            found = self.introduce(person) if person else self.add(stranger(channel, address))
        return found

    def chance(self, *about: object) -> random.Random:
        """Return the randomness of one question: the same for the same seed, whatever else happens."""
        return random.Random(":".join(map(str, (self.seed, *about))))

    def arrived(self, phone: Phone, thing: Thing) -> None:
        """Count a message that reached a phone, and let its person react."""
        channel = thing.channel
        self.counts[channel].received += 1
        phone.seen[channel] = phone.seen.get(channel, 0) + 1
        phone.trim()
        self.on_arrival(phone, thing)

    def reacted(self, thing: Thing) -> None:
        """Count a person's first reaction to a message."""
        if not thing.reacted:
            thing.reacted = True
            self.counts[thing.channel].reacted += 1

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


def _place(channel: str, address: str) -> tuple[str, str]:
    """Return where an address stands in the book: one number is one phone, whatever comes to it."""
    if channel == "email":
        return channel, address.lower()
    return (SMS if channel in BY_NUMBER and address.startswith("+") else channel), address
