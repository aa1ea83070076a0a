"""The place where a crash test happens: the cascade, its accounts and people, and how the server is set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel
from kaskad.store import accounts, cascades, contacts, settings
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.vault import Vault

API_KEY = "a-key-for-events-of-the-crash-test"
SECRET = "a-secret-of-the-crash-test"
EVENT = "cart_abandoned"
SIGNING_KEY = b"a-signing-key-of-the-crash-test!"
CHANNELS = (Channel.WHATSAPP, Channel.VIBER, Channel.VK, Channel.FACEBOOK_MESSENGER)
STEPS = len(CHANNELS)
WAIT_MS = 1_000
TIMEOUT_S = 0.5  # until an answer is given up
# How long what is under way is left alone. Of two workers one that has no turn for so long is dead to the
# other: the product's guard is three times the patience with a provider, but machines of tests are busy.
GUARD_S = 4.0

CASCADE = """
cascade: crash
title: Crash
class: service
topic: crash
trigger: {event: cart_abandoned}
reentry: {after_finish: 1s}
steps:
  - {id: s1, channel: whatsapp, success: read, wait: 1s,
     text: "{{ contact.name }}, see {{ link('https://shop.example.org/cart') }}"}
  - {id: s2, channel: viber, text: "{{ contact.name }}, it still waits", success: read, wait: 1s}
  - {id: s3, channel: vk, text: "{{ contact.name }}, it goes tomorrow", success: read, wait: 1s}
  - {id: s4, channel: facebook_messenger, text: "{{ contact.name }}, last chance", success: read, wait: 1s}
"""


class Setup(Struct, frozen=True):
    """How one server process is started; sent to it as JSON. `factor`: how much faster its time runs."""

    database: str
    port: int
    zero_ns: int  # the boot clock at the test's start
    base_ms: int  # what the engine's clock showed then
    factor: float
    shift_ms: int = 0  # what a wrong wall clock adds
    guard_ms: int = int(GUARD_S * 1_000)
    timeout_s: float = TIMEOUT_S
    sender: bool = False
    mutant: str = ""
    busy_ms: int = 5_000
    tries: int = 5  # failing ticks, before the engine stops
    max_bytes: int = 0  # how large a file may grow (RLIMIT_FSIZE); 0: any size
    max_pages: int = 0  # how many pages SQLite may use more than now; 0: any number


def boot_ns() -> int:
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ShiftedClock:
    """The engine's clock through all restarts: `factor` times real time from one start, plus a shift."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def now(self) -> int:
        setup = self._setup
        return setup.base_ms + setup.shift_ms + int((boot_ns() - setup.zero_ns) * setup.factor) // 1_000_000

    def seconds_until(self, at: int) -> float:
        return (at - self.now()) / 1000 / self._setup.factor

    def follow(self, told_at: int, error_ms: int) -> int:
        return 0


def vault() -> Vault:
    return Vault(["a vault key for the crash test, long enough"])


def prepare(database: str, provider: str, people: int, *, concurrency: int, idempotent: bool) -> None:
    """Make the tables, the cascade, an account for each channel, and people p1, p2, …"""
    with closing(database) as db:
        upgrade(db)
        with db.write() as tx:
            settings.put(tx, "policy", Policy.unlimited())
            row = cascades.save_version(tx, "crash", CASCADE, 1)
            cascades.set_state(tx, row.cascade_id, "active", 1)
            for channel in CHANNELS:
                told = {"url": f"{provider}/send/{channel.value}"}
                if not idempotent:
                    told["idempotent"] = "no"
                accounts.save(tx, vault(), accounts.Account(
                    name=channel.value, provider="generic_webhook", channel=channel, settings=told,
                    secrets={"secret": SECRET},
                    limits={"concurrency": concurrency, "per_second": 10_000.0, "burst": 10_000},
                ))  # fmt: skip
            contacts.upsert(tx, b"k" * 32, [_person(number) for number in range(1, people + 1)], 1)


def _person(number: int) -> contacts.Contact:
    return contacts.Contact(
        external_id=f"p{number}", zone="Asia/Almaty", language="ru", attributes={"name": f"Name {number}"},
        addresses=[contacts.Address(channel, f"{channel.value}-{number}") for channel in CHANNELS],
        consents=[contacts.Consent(granted=True, at=1, proof="{}")],
    )  # fmt: skip


@contextmanager
def closing(database: str) -> Iterator[Database]:
    db = open_database(database)
    try:
        yield db
    finally:
        db.close()


encode = msgspec.json.encode
