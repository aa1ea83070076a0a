"""Kill the server again and again under load, start it again at once, and let the judge see what is left."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from crash.judge import Verdict, judge
from crash.outside import Outside, Weather
from crash.place import GUARD_S, TIMEOUT_S, Setup, ShiftedClock, boot_ns, prepare
from crash.records import Records
from support.faults import free_port

HOUR_MS = 3_600_000
TESTS = Path(__file__).resolve().parent.parent
AGAIN = 20  # carts that are told of once more in the end
PATIENCE_S = 10.0  # until a server that was started again sends, on a busy machine
AT_PROVIDER = "submitted, at the provider, not answered"
UNSEEN = "submitted, not at the provider yet"
UNKEPT = "answered, the result not kept"
IDLE = "nothing under way"
ANOTHER = "none of its messages at the provider"  # of two workers only the provider can tell


class Plan(Struct, frozen=True):
    """One variant of the crash test."""

    name: str
    kills: int
    postgres: bool = False
    workers: int = 1
    idempotent: bool = False
    sender: bool = False
    jumps: bool = False
    mutant: str = ""
    per_second: float = 40.0  # people who enter
    people: int = 4_000  # at most
    concurrency: int = 4
    factor: float = 3.0
    seed: int = 1
    drain_s: float = 300.0  # at most: a busy machine takes long
    timeout_s: float = TIMEOUT_S
    weather: Weather = Weather()


class Played(Struct):
    """What came of a plan."""

    plan: Plan
    verdict: Verdict
    points: Counter[str] = field(default_factory=Counter)  # kills by kill point
    seconds: float = 0.0

    @property
    def steered(self) -> int:
        """Return how many kills fell between the commit of `submitted` and the answer."""
        return self.points[AT_PROVIDER] + self.points[UNSEEN]


class Nursery:
    """The process that forks servers; see `server.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, log: Path) -> Nursery:
        paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "crash.server", stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=out, cwd=TESTS,
                env={**os.environ, "PYTHONPATH": paths},
            )  # fmt: skip
        return cls(process)

    async def fork(self, setup: Setup) -> int:
        return int((await self._ask({"start": setup}))["pid"])

    async def kill(self, pid: int) -> int:
        """Kill a server at once; return the exit code it had: -9, unless it had ended by itself."""
        os.kill(pid, signal.SIGKILL)
        return int((await self._ask({"reap": pid}))["status"])

    async def wait(self, pid: int) -> int:
        """Return the exit code of a server that ends by itself."""
        return int((await self._ask({"reap": pid}))["status"])

    async def stop(self) -> None:
        """End the nursery, and with it all its servers."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the nursery has ended")
        told: dict[str, Any] = msgspec.json.decode(answer)
        return told


class Driver:
    """One plan under way."""

    def __init__(self, plan: Plan, database: str, folder: Path) -> None:
        self.plan, self.database = plan, database
        self.log = folder / "servers.log"
        self.chance = random.Random(plan.seed)
        self.ports = [free_port() for _ in range(plan.workers)]
        self.setup = Setup(
            database, 0, boot_ns(), time.time_ns() // 1_000_000, plan.factor, sender=plan.sender,
            mutant=plan.mutant, guard_ms=int(GUARD_S * 1_000 * plan.factor), timeout_s=plan.timeout_s,
        )  # fmt: skip
        self.now = ShiftedClock(self.setup).now
        self.outside = Outside(
            self.ports, plan.weather, self.now, idempotent=plan.idempotent, factor=plan.factor,
            seed=plan.seed, people=plan.people,
        )  # fmt: skip
        self.ends: list[int] = []  # when a server ended with something under way, in the engine's time
        self.points: Counter[str] = Counter()
        self.deaths: list[int] = []  # exit codes of servers that ended by themselves
        self.pids: list[int] = []
        self._submitted: set[str] = set()  # at the last look, which a moment has passed since
        self._background: set[asyncio.Task[None]] = set()

    async def play(self) -> Played:
        """Go through the plan; stop early only where a server ends by itself."""
        began = time.monotonic()
        longest_s = 2 * PATIENCE_S * (self.plan.kills + 1) + 2 * self.plan.drain_s
        async with self.going(), asyncio.timeout(longest_s):
            carts = asyncio.create_task(self.outside.tell_of_carts(self.plan.per_second))
            await self.outside.until(lambda: self.outside.accepted >= 3, 120.0)
            for number in range(1, self.plan.kills + 1):
                await self._kill(number)
                if self.deaths:
                    break
            carts.cancel()
            await self.drain()
        return Played(self.plan, self.judged(), self.points, time.monotonic() - began)

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """Run the outside and the servers; end them, and no others, whatever happens."""
        await self.outside.start()
        self._prepare()
        self.nursery = await Nursery.start(self.log)
        try:
            for worker in range(self.plan.workers):
                self.pids.append(await self.start(worker))
            yield
        finally:
            self.over_at = self.now()  # the servers end here too
            await self.nursery.stop()
            await self.outside.close()

    def judged(self) -> Verdict:
        """Return the verdict on all that has happened."""
        limit = len(self.ends) * self.plan.concurrency
        ends = None if self.plan.jumps else [*self.ends, self.over_at]
        with Records(self.database) as records:
            verdict = judge(records, self.outside, per_account=limit, ends=ends)
        verdict.problems += [
            f"a server ended by itself with code {code}: {self.last_words()}" for code in self.deaths
        ]
        return verdict

    def last_words(self) -> str:
        """Return the end of what the servers have logged."""
        return self.log.read_text(errors="replace")[-2_000:]

    def _prepare(self) -> None:
        plan, provider = self.plan, self.outside.url
        prepare(
            self.database, provider, plan.people, concurrency=plan.concurrency, idempotent=plan.idempotent
        )

    async def start(self, worker: int, shift_ms: int = 0) -> int:
        """Start a server, its clock set wrong where the plan says so; return its process id."""
        if self.plan.jumps and not shift_ms:
            shift_ms = self.chance.randint(-3 * HOUR_MS, 3 * HOUR_MS)
        return await self.nursery.fork(
            structs.replace(self.setup, port=self.ports[worker], shift_ms=shift_ms)
        )

    async def _kill(self, number: int) -> None:
        """Choose a moment, kill one server, note what it had under way, and start it again at once."""
        outside, chance = self.outside, self.chance
        worker = chance.randrange(self.plan.workers)
        if chance.random() < 0.1:
            self._disturb(chance.uniform(0.05, 0.3))
        await self._moment(chance.choices(("held", "accepted", "soon", "any"), (4, 2, 1, 3))[0])
        outside.kills = number
        answered = set(outside.answered)
        code = await self.nursery.kill(self.pids[worker])
        self.ends.append(self.now())
        if code != -signal.SIGKILL:
            self.deaths.append(code)
        held = outside.held_keys()
        outside.release()
        await asyncio.sleep(0)  # let the provider's side see that the connections are gone
        if self.plan.workers == 1:
            self._note(answered, held)
        self.pids[worker] = await self.start(worker)
        if self.plan.workers > 1:
            await asyncio.sleep(self.plan.weather.answer_s + 0.01)  # until the answers have found nobody
            self.points[AT_PROVIDER if outside.cut_at[number] else ANOTHER] += 1

    async def _moment(self, kind: str) -> None:
        """Wait for the moment of a kill: by what the provider sees, so that no machine is too fast for it."""
        outside, chance = self.outside, self.chance
        if kind == "held":
            outside.hold()
            wanted = chance.randint(1, 2 * self.plan.concurrency * self.plan.workers)
            await outside.until(lambda: len(outside.held_keys()) >= 1, PATIENCE_S)
            await outside.until(lambda: len(outside.held_keys()) >= wanted, 0.5)
        elif kind == "accepted":
            wanted = outside.accepted + chance.randint(5, 30)
            await outside.until(lambda: outside.accepted >= wanted, PATIENCE_S)
        else:
            await asyncio.sleep(chance.uniform(0, 0.05) if kind == "soon" else chance.uniform(0.1, 0.8))

    def _disturb(self, seconds: float) -> None:
        task = asyncio.create_task(self.outside.refuse_for(seconds))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _note(self, answered: set[str], held: set[str]) -> None:
        """Tell from the database what the only server had handed over without keeping its end."""
        with Records(self.database) as records:
            doubtful = records.submitted()
        if doubtful & held - answered:
            self.points[AT_PROVIDER] += 1
        elif doubtful - self.outside.sends.keys():
            self.points[UNSEEN] += 1
        elif doubtful:
            self.points[UNKEPT] += 1
        else:
            self.points[IDLE] += 1

    async def drain(self) -> None:
        """Let everybody come to an end, on a clock that is behind nothing."""
        if self.plan.jumps:
            for worker, pid in enumerate(self.pids):
                await self.nursery.kill(pid)
                self.pids[worker] = await self.start(worker, 3 * HOUR_MS + 60_000)
        if not self.deaths:
            await _until(self._is_over, self.plan.drain_s)
            self.outside.tell_again(AGAIN)  # of carts whose runs are over, so that another could begin
            await _until(self._is_over, self.plan.drain_s)

    def _is_over(self) -> bool:
        """Say whether all has been told, everybody is at an end, and no answer is on its way any more."""
        if not self.outside.quiet or self.outside.held_keys():
            return False
        with Records(self.database) as records:
            before, self._submitted = self._submitted, records.submitted()
            return records.live() == 0 and before == self._submitted


async def _until(condition: Callable[[], bool], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.2)


def play(plan: Plan, database: str, folder: Path) -> Played:
    """Play one plan on an empty database; the servers' log is left in `folder`."""
    return asyncio.run(Driver(plan, database, folder).play())
