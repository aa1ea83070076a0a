"""How long segments take: a count, and a preview (count, first people, reach), over people made up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from msgspec import Struct

from kaskad.bench.crowd import NOW, fill
from kaskad.bench.place import Place, fresh_or_left
from kaskad.domain.segment import read
from kaskad.store import segment_base, segment_blocks, segments
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade

# The class of the condition, and the condition.
ASKED = (
    ("attribute", 'contact.city == "Almaty"'),
    ("attribute in a list", 'contact.city in ["Almaty", "Astana"]'),
    ("number, few values", "contact.level >= 3"),
    ("number, many values", "contact.balance > 45000"),
    ("text contains", 'contact.name contains "person 77"'),
    ("events of 90 days", 'event("purchase").count(90d) >= 2'),
    ("events of 90 days, frequent", 'event("visit").count(90d) >= 3'),
    ("events ever", 'event("purchase").count >= 2'),
    ("recency", 'event("visit").last < now - 60d'),
    ("sum of 90 days", 'event("purchase").sum("amount", 90d) >= 500'),
    ("sum ever", 'event("purchase").sum("amount") >= 1000'),
    ("consent", 'consent("advertising", "email")'),
    ("reach", 'reachable("sms")'),
    ("unreachable", 'not reachable("any")'),
    ("static list", 'in_list("staff")'),
    ("sent by a cascade", 'cascade("sale").sent(30d)'),
    ("reacted to a cascade", 'cascade("sale").reacted'),
    ("outcome of a cascade", 'cascade("sale").converted(60d)'),
    ("nested", '(contact.vip or event("purchase").count(90d) >= 1) and '
        'not (event("visit").last < now - 60d) and '
               '(reachable("email") or reachable("sms")) and not in_list("staff")'),
    ("inactive-90", 'segment("inactive-90")'),
)  # fmt: skip


class Timed(Struct, frozen=True):
    """A condition, who met it, and the seconds that it took."""

    name: str
    text: str
    contacts: int
    count_s: float
    preview_s: float
    cpu_s: float  # of the count


class Report(Struct, frozen=True):
    contacts: int
    events: int
    database: str
    cores: int
    fill_s: float
    made_s: float  # of the columns
    bytes: int
    columns_bytes: int
    unmade_s: float  # of one count without columns
    timed: tuple[Timed, ...]


def run(contacts: int, events: int, db: str, progress: Callable[[str], None]) -> Report:
    """Fill a new database, ask each condition three times, and return the best of each.

    `db` may also be a file that an earlier measurement has left.
    """
    with fresh_or_left(db) as (place, filled):
        return _measured(place, contacts, events, progress, filled=filled)


def _measured(
    where: Place, contacts: int, events: int, progress: Callable[[str], None], *, filled: bool
) -> Report:
    database = open_database(where.url)
    try:
        upgrade(database)
        began = time.perf_counter()
        if not filled:
            fill(database, contacts, events, progress)
        fill_s = time.perf_counter() - began
        with database.read() as tx:
            made = not segment_blocks.standing(tx).stale
        unmade_s = 0.0 if made else _took(database, 'event("purchase").count(90d) >= 2')
        began = time.perf_counter()
        for done, of in segment_base.making(database, NOW):
            progress(f"{done} of {of} blocks")
        made_s = time.perf_counter() - began
        timed = tuple(_timed(database, name, text, progress) for name, text in ASKED)
        sizes = where.sizes()
        return Report(
            contacts, events, where.server, os.cpu_count() or 1, fill_s, made_s, sum(sizes.values()),
            sizes.get("segment_columns", 0), unmade_s, timed,
        )  # fmt: skip
    finally:
        database.close()


def _took(db: Database, text: str) -> float:
    began = time.perf_counter()
    with db.read() as tx:
        segments.count(tx, read(text), NOW)
    return time.perf_counter() - began


def _timed(db: Database, name: str, text: str, progress: Callable[[str], None]) -> Timed:
    condition = read(text)
    counts, previews, cpu = [], [], []
    found = 0
    for _ in range(3):
        with db.read() as tx:
            began, used = time.perf_counter(), time.process_time()
            found = segments.count(tx, condition, NOW)
            counts.append(time.perf_counter() - began)
            cpu.append(time.process_time() - used)
            began = time.perf_counter()
            segments.preview(tx, condition, NOW, limit=50)
            previews.append(time.perf_counter() - began)
    progress(f"{name}: {min(counts):.2f} s")
    return Timed(name, text, found, min(counts), min(previews), min(cpu))
