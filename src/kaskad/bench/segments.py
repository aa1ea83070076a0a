"""How long segments take: the time of a count and of a page of a preview, over people and events made up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from msgspec import Struct

from kaskad.bench.place import open_place
from kaskad.domain.segment import read
from kaskad.domain.terms import Channel
from kaskad.store import segments
from kaskad.store.contacts import Address, Contact, upsert
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade

DAY_MS = 86_400_000
NOW = 20_000 * DAY_MS + DAY_MS // 3
_BATCH = 5_000
_EVENTS = ("visit", "view", "cart", "purchase", "letter")
_CITIES = ("Almaty", "Astana", "Shymkent", "Karaganda", "Aktobe")
# Name, condition; the last ones are those that SQL leaves to the matcher.
ASKED = (
    ("attribute", 'contact.city == "Almaty"'),
    ("number", "contact.level >= 3"),
    ("events of 90 days", 'event("purchase").count(90d) >= 2'),
    ("events ever", 'event("purchase").count >= 5'),
    ("last event", 'event("visit").last < now - 60d'),
    ("all together", 'contact.vip and event("purchase").count(90d) >= 1 and reachable("email")'),
    ("unreachable", 'not reachable("any")'),
    ("sum", 'event("purchase").sum("amount", 90d) >= 150'),
    ("contains", 'contact.name contains "person 7"'),
)


class Timed(Struct, frozen=True):
    """A condition, who met it, and the seconds that it took."""

    name: str
    text: str
    contacts: int
    count_s: float
    preview_s: float


class Report(Struct, frozen=True):
    contacts: int
    events: int
    days: int  # rows of the roll-up
    database: str
    fill_s: float  # of events, with their roll-up
    timed: tuple[Timed, ...]


def run(contacts: int, events: int, db: str, progress: Callable[[str], None]) -> Report:
    """Fill a new database, ask each condition three times, and return the best of each."""
    with open_place(db) as where:
        database = open_database(where.url)
        try:
            upgrade(database)
            fill_s = _fill(database, contacts, events, progress)
            timed = tuple(_timed(database, name, text, progress) for name, text in ASKED)
            ((days,),) = where.ask("SELECT count(*) FROM event_days")
            return Report(contacts, events, int(days), where.server, fill_s, timed)
        finally:
            database.close()


def _fill(db: Database, contacts: int, events: int, progress: Callable[[str], None]) -> float:
    chance = random.Random(1)
    ids: list[int] = []
    for start in range(0, contacts, _BATCH):
        with db.write() as tx:
            people = [_person(chance, n) for n in range(start, min(start + _BATCH, contacts))]
            ids += upsert(tx, b"k" * 32, people, NOW)
        progress(f"{len(ids)} contacts")
    began = time.perf_counter()
    for start in range(0, events, _BATCH):
        told = [
            (chance.choice(ids), f"e{n}", chance.choice(_EVENTS), NOW - chance.randrange(365 * DAY_MS),
             '{"amount":100}')
            for n in range(start, min(start + _BATCH, events))
        ]  # fmt: skip
        with db.write() as tx:
            tx.many("put_events", sorted(told))
        progress(f"{start + len(told)} events")
    return time.perf_counter() - began


def _person(chance: random.Random, number: int) -> Contact:
    email = [Address(Channel.EMAIL, f"p{number}@example.org")] if number % 10 else []
    return Contact(
        external_id=f"p{number}",
        addresses=email,
        attributes={
            "name": f"Person {number}",
            "city": chance.choice(_CITIES),
            "level": chance.randrange(5),
            "vip": number % 20 == 0,
        },
    )


def _timed(db: Database, name: str, text: str, progress: Callable[[str], None]) -> Timed:
    condition = read(text)
    counts, previews = [], []
    found = 0
    for _ in range(3):
        with db.read() as tx:
            began = time.perf_counter()
            found = segments.count(tx, condition, NOW)
            counts.append(time.perf_counter() - began)
            began = time.perf_counter()
            page = segments.matching(tx, condition, NOW, piece=100)
            for _place, _contact in zip(range(100), page, strict=False):
                pass
            previews.append(time.perf_counter() - began)
    progress(f"{name}: {min(counts):.2f} s")
    return Timed(name, text, found, min(counts), min(previews))
