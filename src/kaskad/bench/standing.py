"""Very many live runs at `kaskad serve` itself: what they cost while they wait, and how late timers are.

A few people are carried to their first message by the real engine, then cloned (`clones.py`). The server and
its workers are the commands, each a process; a receiver of ours takes what they send, and notes when it came.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from kaskad.bench import prepare as prepared
from kaskad.bench.bringing import Bringing, Brought
from kaskad.bench.clones import Timers, multiply
from kaskad.bench.fates import Fates
from kaskad.bench.importing import people
from kaskad.bench.journal import Journal
from kaskad.bench.measure import cpu_s, interpreter, peak_mib
from kaskad.bench.outside import Noop
from kaskad.bench.place import Place, open_place
from kaskad.bench.receiver import Note, Receiver, receiver
from kaskad.config import PREFIX, Settings
from kaskad.domain.errors import Unavailable
from kaskad.domain.tokens import Signer
from kaskad.engine.clock import SystemClock, wall_ms
from kaskad.engine.counting import ROUND, count
from kaskad.engine.engine import Engine
from kaskad.engine.world import Options, World
from kaskad.store import cascades, keys
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.vault import Vault
from kaskad.web.service import vault_of

FEW = 1_000  # people who are cloned
_KEY = "a-key-of-a-benchmarks-database-of-no-worth"
_WAIT_MS = 86_400_000
_CONCURRENCY = 256
_CLONE_US = 300  # a person, at most
_START_S = 120.0
_SETTLE_S = 15.0  # from the start of the server until it is measured
_END_S = 60.0


class Work(Struct, frozen=True):
    """What is asked for: so many live runs, of which so many fall due a second, for so long."""

    runs: int = 1_000_000
    per_s: float = 100.0
    seconds: int = 60
    db: str = ""
    workers: int = 0  # beside the server (PostgreSQL)
    import_rows: int = 0  # of people who are brought in meanwhile: it lasts at least as long as that takes


class Used(Struct, frozen=True):
    """A process that is Kaskad's: the most memory it had, and the processor's time while runs fell due."""

    name: str
    peak_mib: float
    cpu_s: float


class Report(Struct, frozen=True):
    """What came out. `idle_*` is the processor's time of a second in which nothing is due."""

    work: Work
    sent: int
    twice: int
    missing: int
    lag_p50_ms: int
    lag_p99_ms: int
    lag_max_ms: int
    peak_mib: float
    idle_cpu_ms_per_s: float
    idle_server_cpu_ms_per_s: float
    server_cpu_s: float  # PostgreSQL's own, while runs fell due
    processes: tuple[Used, ...]
    made_s: float
    brought: Brought | None
    versions: dict[str, str]

    @property
    def right(self) -> bool:
        """Return whether everybody got one message, and everybody of the file is there."""
        came = self.brought is None or self.brought.new == self.work.import_rows
        return came and not self.twice and not self.missing


class _Served(Struct, frozen=True):
    url: str
    processes: dict[str, subprocess.Popen[str]]  # the server's, and those of its workers


def run(work: Work, say: Callable[[str], None] = lambda _: None) -> Report:
    """Do the work and return the report; raises Unavailable where a process does not work."""
    with open_place(work.db) as place, receiver() as provider:
        url = place.url if place.url.startswith("postgres") else f"sqlite:{place.url}"
        settings = Settings(database=url, secret_key=_KEY)
        began = time.monotonic()
        timers = _made(place, settings, work, provider.url, say)
        made_s = time.monotonic() - began
        file = people(work.import_rows) if work.import_rows else b""
        with _served(settings, work) as served:
            return _measured(work, place, served, provider, timers, file, made_s, say)


def _made(
    place: Place, settings: Settings, work: Work, receiver_url: str, say: Callable[[str], None]
) -> Timers:
    """Fill the database; the first runs are due soon after it is full."""
    db = open_database(settings.database.removeprefix("sqlite:"))
    try:
        upgrade(db)
        vault = vault_of(settings)
        text = prepared.definition().replace("wait: 1s", "wait: 1d")
        version_id = prepared.prepare(db, vault, FEW, receiver_url, _CONCURRENCY, text)
        with db.write() as tx:
            keys.add(tx, "bench", _KEY, ["contacts:read", "contacts:write"], wall_ms())
        say(f"{FEW} people get their first message")
        _carry(db, vault, version_id, place)
        people = max(1, work.runs // FEW) * FEW
        ready_ms = people * _CLONE_US // 1000 + round(_SETTLE_S * 2000)
        timers = Timers(wall_ms() + ready_ms, round(people / work.per_s * 1000), people)
        multiply(db, place, FEW, timers, _WAIT_MS, say)
    finally:
        db.close()
    place.settle()
    return timers


class _Silent(Fates):
    """Nobody reacts: every run stays live."""

    def reacts(self, contact_id: int, step: int) -> int:
        return 0


def _carry(db: Database, vault: Vault, version_id: int, place: Place) -> None:
    """Let the engine send the first message to everybody, hear of it, and count."""
    clock, world_of = SystemClock(), Signer([(1, prepared.SIGNING)])
    outside: list[Noop] = []

    def dispatch(engine: Engine) -> Noop:
        outside.append(Noop(engine, clock, _Silent(FEW, 1, (5, 10)), Journal()))
        return outside[0]

    engine = Engine(db, vault, World(clock, world_of, Options()), dispatch)
    with db.write() as tx:
        cascades.launch(tx, version_id, None, 0, clock.now())
    engine.start()
    try:
        ends = time.monotonic() + _START_S
        while place.ask("SELECT count(*) FROM runs WHERE phase = 3") != [(FEW,)]:
            if time.monotonic() > ends or engine.problem():
                raise Unavailable(engine.problem() or "the first messages did not go")
            time.sleep(0.1)
        time.sleep(0.5)  # for the last receipts
        while engine.write(lambda tx: count(tx, ROUND, clock.now(), engine.world.work.noted)).result():
            pass
    finally:
        engine.stop()


@contextmanager
def _served(settings: Settings, work: Work) -> Iterator[_Served]:
    """Yield the server and its workers, once the server answers."""
    given = {
        "DATABASE": settings.database, "SECRET_KEY": _KEY, "LISTEN": "127.0.0.1:0", "RESOLVER": "off",
        "LOG_LEVEL": "warning",
    }  # fmt: skip
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment = own | {f"{PREFIX}{name}": value for name, value in given.items()}
    with tempfile.TemporaryDirectory(prefix="kaskad-bench-") as folder:

        def begin(*command: str) -> subprocess.Popen[str]:
            return subprocess.Popen(
                [sys.executable, "-m", "kaskad", *command], env=environment, cwd=folder,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip

        processes = {"serve": begin("serve", "--json")}
        try:
            out = processes["serve"].stdout
            line = out.readline() if out is not None else ""
            if not line:
                raise Unavailable("the server of the benchmark did not start")
            for number in range(work.workers):
                processes[f"worker {number + 1}"] = begin("worker")
            yield _Served(msgspec.json.decode(line)["url"], processes)
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                try:
                    process.communicate(timeout=_END_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _measured(
    work: Work, place: Place, served: _Served, provider: Receiver, timers: Timers, file: bytes, made_s: float,
    say: Callable[[str], None],
) -> Report:  # fmt: skip
    processes = served.processes
    time.sleep(_SETTLE_S)
    idle_s = timers.base / 1000 - time.time() - 1
    before, server_s = _used(processes), place.cpu_s()
    if idle_s > 1:
        say(f"nothing is due for {idle_s:.0f} s")
        time.sleep(idle_s)
    quiet, server_quiet_s = _used(processes), place.cpu_s()
    since = max(timers.base, wall_ms())
    bringing = Bringing(served.url, _KEY, file) if file else None
    until = since + work.seconds * 1000
    after, server_after_s = _while_due(processes, until, bringing, say), place.cpu_s()
    if bringing is not None:
        until = max(until, wall_ms())
    time.sleep(_SETTLE_S)  # for those who are late
    if problem := next((name for name, one in processes.items() if one.poll() is not None), None):
        raise Unavailable(f"{problem} has ended; what it says stands above")
    spent = tuple(
        Used(name, one.peak_mib, round(one.cpu_s - quiet.get(name, one).cpu_s, 2))
        for name, one in after.items()
    )
    idle = sum(quiet[name].cpu_s - one.cpu_s for name, one in before.items() if name in quiet)
    sent, twice, missing, lags = _lags(provider.stop(), timers, since, until)
    per_s = 1000 / idle_s if idle_s > 1 else 0.0
    return Report(
        work, sent, twice, missing, _at(lags, 0.5), _at(lags, 0.99), _at(lags, 1),
        round(sum(one.peak_mib for one in spent)), round(idle * per_s, 1),
        round((server_quiet_s - server_s) * per_s, 1), round(server_after_s - server_quiet_s, 2), spent,
        round(made_s, 1), bringing.result() if bringing else None,
        {"kaskad": version("kaskad"), "python": interpreter(), "database": place.server},
    )  # fmt: skip


def _while_due(
    processes: dict[str, subprocess.Popen[str]], until: int, bringing: Bringing | None,
    say: Callable[[str], None],
) -> dict[str, Used]:  # fmt: skip
    """Let time pass until then, and until the import has ended; return what all processes have used."""
    if bringing is not None:
        bringing.start()
    used: dict[str, Used] = {}
    while (left_s := (until - wall_ms()) / 1000) > 0 or (bringing is not None and bringing.is_alive()):
        say(f"{left_s:.0f} s left" if left_s > 0 else "the import goes on")
        time.sleep(min(5.0, left_s) if left_s > 0 else 1.0)
        used |= _used(processes)  # those that read a file end with the import
    return used


def _used(processes: dict[str, subprocess.Popen[str]]) -> dict[str, Used]:
    """Return what each process and its children have used so far."""
    found = {}
    for name, process in processes.items():
        for number, pid in enumerate(_family(process.pid)):
            of = f"{name}, child {number}" if number else name
            found[of] = Used(of, round(peak_mib(pid), 1), cpu_s(pid))
    return found


def _family(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *sorted(int(child) for file in files for child in file.read_text("ascii").split())]


def _lags(
    notes: list[Note], timers: Timers, since: int, until: int
) -> tuple[int, int, int, list[int]]:  # fmt: skip
    """Return how many of those due then were sent to, of all twice, of those not; and how late they were."""
    came = Counter(key for _, key in notes)
    first = {int(key.partition(":")[0]): at for at, key in reversed(notes)}
    due = {one: timers.of(one) for one in range(1, timers.people + 1)}
    asked = [one for one, at in due.items() if since <= at < until]
    lags = sorted(first[one] - due[one] for one in asked if one in first)
    return len(lags), sum(1 for times in came.values() if times > 1), len(asked) - len(lags), lags


def _at(lags: list[int], part: float) -> int:
    return lags[min(int(len(lags) * part), len(lags) - 1)] if lags else 0
