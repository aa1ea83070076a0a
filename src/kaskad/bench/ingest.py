"""Signed webhooks over real HTTP to the real server: how many a second are durable, then answered.

The server runs in a process of its own (`server.py`); the load comes from here, over a bounded number of
connections. Afterwards the database is asked for every receipt that was answered 2xx.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import msgspec
from msgspec import Struct, field

from kaskad.bench.client import Pool, split_address, webhook
from kaskad.bench.fates import Fates
from kaskad.bench.measure import family_cpu_s, interpreter
from kaskad.bench.place import Place, open_place
from kaskad.bench.prepare import CHANNELS, SECRET
from kaskad.bench.target import target
from kaskad.domain.errors import Unavailable
from kaskad.domain.terms import Kind
from kaskad.engine.process import new_loop

Key = tuple[int, int, int, str]  # contact, run, kind, event
_ROUNDS = 5  # receipts of each message in batches, so that this part lasts long enough to be measured
_ACCOUNT = f"bench-{CHANNELS[0]}"
_FIRST = 1_000  # webhooks by which the server is brought to take them in a process of its own
_START_S = 2.0  # for that process


class Work(Struct, frozen=True):
    """What is asked for."""

    webhooks: int = 20_000
    batch: int = 50
    connections: int = 64
    db: str = ""
    seed: int = 1


class Report(Struct, frozen=True):
    """What came out; latencies and CPU are of the webhooks with one receipt each, CPU of the server alone."""

    webhooks_per_s: float
    receipts_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s_per_1000: float
    lost: int
    refused: int
    batch_cpu_s_per_1000: float
    work: Work
    versions: dict[str, str]


class Message(Struct, frozen=True):
    """A message that was sent, as its provider knows it."""

    contact_id: int
    run_id: int
    reference: str


class _Post(Struct, frozen=True):
    """One webhook, ready to go, with the receipts in it."""

    request: bytes
    keys: list[Key]


class _Phase(Struct):
    """How a part of the load went."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answered: list[Key] = field(default_factory=list)
    refused: int = 0


def run(work: Work, say: Callable[[str], None] = lambda _: None) -> Report:
    """Do the work and return the report."""
    fates = Fates(work.webhooks, work.seed, (0, 0))
    with open_place(work.db) as place:
        with (
            target(fates.failing) as (receiver, _),
            _server(place.url, work, receiver) as (pid, url, messages),
        ):
            say(f"{len(messages)} messages wait for receipts")
            first = _load(url, pid, work, _first(messages, url))
            time.sleep(_START_S)
            single = _load(url, pid, work, _singles(messages, url, fates))
            say("in batches")
            batches = _load(url, pid, work, _batches(messages, url, work))
        lost = _lost(place, first.answered + single.answered + batches.answered)
        versions = {
            "kaskad": version("kaskad"),
            "python": interpreter(),
            "database": place.server,
        }
    latencies = sorted(single.latencies) or [0.0]
    return Report(
        webhooks_per_s=round(len(single.answered) / single.seconds, 1),
        receipts_per_s=round(len(batches.answered) / batches.seconds, 1),
        p50_ms=round(latencies[len(latencies) // 2] * 1000, 2),
        p99_ms=round(latencies[len(latencies) * 99 // 100] * 1000, 2),
        cpu_s_per_1000=round(single.cpu_s / max(1, len(single.answered)) * 1000, 4),
        lost=lost,
        refused=single.refused + batches.refused,
        batch_cpu_s_per_1000=round(batches.cpu_s / max(1, len(batches.answered)) * 1000, 4),
        work=work,
        versions=versions,
    )


@contextmanager
def _server(database: str, work: Work, receiver: str) -> Iterator[tuple[int, str, list[Message]]]:
    """Yield the process, the URL and the sent messages of a running server."""
    where = database if database.startswith("postgres") else f"sqlite:{database}"
    process = subprocess.Popen(
        [sys.executable, "-m", "kaskad.bench.server", where, str(work.webhooks), receiver],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise Unavailable("the server of the benchmark did not start")
        messages = []
        while line := process.stdout.readline().strip():
            contact_id, run_id, reference = line.split()
            messages.append(Message(int(contact_id), int(run_id), reference))
        if not messages:
            raise Unavailable("the server of the benchmark has sent nothing; what it says stands above")
        yield process.pid, url, messages
    finally:
        process.stdout.close()
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _receipt(message: Message, kind: Kind, event: str, at: int) -> dict[str, object]:
    return {"id": event, "name": kind.name.lower(), "reference": message.reference, "occurred_at": at}


def _first(messages: Sequence[Message], url: str) -> list[_Post]:
    """Return webhooks that are not measured."""
    told = [messages[number % len(messages)] for number in range(_FIRST)]
    return [_post(url, [(one, Kind.DELIVERED, f"first-{number}")]) for number, one in enumerate(told)]


def _singles(messages: Sequence[Message], url: str, fates: Fates) -> list[_Post]:
    """Return a webhook for each message: read where the person reacts, else delivered."""
    posts = []
    for number, message in enumerate(messages):
        kind = Kind.READ if fates.reacts(message.contact_id, 0) else Kind.DELIVERED
        posts.append(_post(url, [(message, kind, f"single-{number}")]))
    return posts


def _batches(messages: Sequence[Message], url: str, work: Work) -> list[_Post]:
    """Return webhooks with `batch` receipts each, of messages in random order."""
    told = [
        (message, Kind.DELIVERED, f"batch-{turn}-{number}")
        for turn in range(_ROUNDS)
        for number, message in enumerate(messages)
    ]
    random.Random(work.seed).shuffle(told)
    return [_post(url, told[first : first + work.batch]) for first in range(0, len(told), work.batch)]


def _post(url: str, told: Sequence[tuple[Message, Kind, str]]) -> _Post:
    now = time.time_ns() // 1_000_000
    events = [_receipt(message, kind, event, now) for message, kind, event in told]
    body = msgspec.json.encode(events[0] if len(events) == 1 else events)
    request = webhook(url.removeprefix("http://"), f"/hooks/{_ACCOUNT}", SECRET, now, body)
    return _Post(request, [(m.contact_id, m.run_id, kind.value, event) for m, kind, event in told])


def _load(url: str, pid: int, work: Work, posts: list[_Post]) -> _Phase:
    """Send all posts as fast as the connections go."""
    phase = _Phase()

    def answered(tag: Hashable, status: int, seconds: float) -> None:
        phase.latencies.append(seconds)
        if 200 <= status < 300:
            assert isinstance(tag, int)
            phase.answered += posts[tag].keys
        else:
            phase.refused += 1

    async def go() -> None:
        pool = Pool(*split_address(url), work.connections, answered)
        await pool.connect()
        began, cpu = time.perf_counter(), family_cpu_s(pid)
        for number, post in enumerate(posts):
            pool.post(post.request, number)
        await pool.drained()
        phase.seconds, phase.cpu_s = time.perf_counter() - began, family_cpu_s(pid) - cpu
        pool.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(go())
    return phase


def _lost(place: Place, answered: Sequence[Key]) -> int:
    """Return how many receipts were answered and are nowhere in the database."""
    kept = set()
    for table in ("facts", "inbox"):
        kept.update(place.ask(f"SELECT contact_id, run_id, kind, event FROM {table} WHERE step = 0"))
    return sum(key not in kept for key in answered)
