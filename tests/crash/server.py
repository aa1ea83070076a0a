"""The server under test, and the nursery that forks it: a fork starts at once, an interpreter does not.

    python -m crash.server    # reads one JSON line a command: {"start": Setup} or {"reap": pid}

Each server is the real thing put together as `kaskad serve` does it; only its clock, its patience and,
for the mutants, its defects are its own. When the driver goes, the nursery ends its servers by their ids.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crash.mutants import MUTANTS
from crash.place import API_KEY, SIGNING_KEY, Setup, ShiftedClock, vault
from kaskad.config import Settings
from kaskad.domain.tokens import Signer
from kaskad.engine import engine as engine_module
from kaskad.engine.clock import Clock
from kaskad.engine.dispatch import Dispatch, Dispatcher
from kaskad.engine.engine import Engine
from kaskad.engine.ingest import Ingest
from kaskad.engine.sender import Sender
from kaskad.engine.world import Options, World
from kaskad.log import configure
from kaskad.store import sqlite
from kaskad.store.db import open_database
from kaskad.web.app import build_app
from kaskad.web.server import Server

STOPPED = 3  # the exit code of a server whose engine has given up


class Command(Struct):
    start: Setup | None = None
    reap: int | None = None


class Telling:
    """Adds the engine's time to every answer: a tick that begins later must know what was answered."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                now = str(self._clock.now()).encode()
                message = {**message, "headers": [*message.get("headers", []), (b"x-engine-now", now)]}
            await send(message)

        await self._app(scope, receive, told)


def serve(setup: Setup) -> int:
    """Run a server until it is killed, or its engine gives up."""
    configure("info", "json")
    sqlite.BUSY_MS = setup.busy_ms  # type: ignore[misc]
    engine_module._TRIES = setup.tries
    if setup.max_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (setup.max_bytes, setup.max_bytes))
    db = open_database(setup.database)
    if setup.max_pages:
        writer = db._writer  # type: ignore[attr-defined]
        writer.pragma("max_page_count", writer.pragma("page_count") + setup.max_pages)
    clock, signer = ShiftedClock(setup), Signer([(1, SIGNING_KEY)])
    base_url = "http://kaskad.example.org"
    few = 100 if setup.mutant else 5  # what a mutant spoils is what is written of who waits
    options = Options(base_url=base_url, submit_guard_ms=setup.guard_ms, wait_unwritten_from=few)
    world = World(clock, signer, options)
    kind: Callable[..., Dispatch] = Sender if setup.sender else Dispatcher

    def dispatch(engine: Engine) -> Dispatch:
        return kind(world.accounts, clock.now, engine.take_results, timeout_s=setup.timeout_s)

    engine = Engine(db, vault(), world, dispatch)
    if setup.mutant:
        MUTANTS[setup.mutant](engine, db)
    settings = Settings(listen=f"127.0.0.1:{setup.port}", base_url=base_url, api_key=API_KEY)
    app = application(Ingest(engine, db, real_time=False), signer, clock, settings)
    server = Server(Telling(app, clock), settings)
    engine.start()
    server.start()
    while engine.problem() is None:
        time.sleep(0.05)
    print(engine.problem(), flush=True)
    return STOPPED


def application(ingest: Ingest, signer: Signer, clock: Clock, settings: Settings) -> ASGIApp:
    """Return the real application; webhooks are signed in the world's time, not in the engine's."""
    return build_app(ingest, signer, clock.now, settings, lambda: time.time_ns() // 1_000_000)


def main() -> None:
    """Fork servers as told; at the end of the commands kill those that still run."""
    running: set[int] = set()
    for line in sys.stdin.buffer:
        command = msgspec.json.decode(line, type=Command)
        if command.start is not None:
            pid = os.fork()
            if not pid:
                _child(command.start)
            running.add(pid)
            _answer({"pid": pid})
        elif command.reap is not None:
            _, status = os.waitpid(command.reap, 0)
            running.discard(command.reap)
            _answer({"status": os.waitstatus_to_exitcode(status)})
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _child(setup: Setup) -> None:
    """Be a server; never return into the nursery's loop."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what is printed goes to the log
    threading.excepthook = lambda told: (sys.excepthook(*told[:3]), os._exit(4))  # type: ignore[arg-type, assignment]
    try:
        os._exit(serve(setup))
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        sys.stderr.flush()
        os._exit(4)


def _answer(told: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
