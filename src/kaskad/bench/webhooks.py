"""Receipts as signed webhooks: the real web app over the engine, and the provider that calls it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from queue import SimpleQueue

import msgspec

from kaskad.bench.fates import Fates
from kaskad.bench.journal import Journal, What, key_of
from kaskad.config import Settings
from kaskad.domain.errors import Unavailable
from kaskad.domain.terms import Kind
from kaskad.engine.clock import Clock
from kaskad.engine.engine import Engine
from kaskad.engine.ingest import Ingest
from kaskad.store.db import Database
from kaskad.web.app import build_app
from kaskad.web.porter.porter import WORKS, Porter
from kaskad.web.server import Server

Told = tuple[int, int, int, int, int]  # contact, run, step, kind, instant
_DELIVERED, _READ = Kind.DELIVERED.value, Kind.READ.value


class Webhooks:
    """Like `outside.Receipts`; what it costs to make and post webhooks is spent in another process."""

    def __init__(
        self, engine: Engine, db: Database, clock: Clock, fates: Fates, journal: Journal, batch: int
    ) -> None:
        self._clock, self._fates, self._journal = clock, fates, journal
        settings = Settings(listen="127.0.0.1:0", base_url="http://127.0.0.1")
        ingest = Ingest(engine, db)
        app = build_app(ingest, engine.world.signer, clock.now, settings)
        self.porter = Porter(ingest, engine.world, app.hooks, settings) if WORKS else None
        self._server = Server(app, settings, porter=self.porter)
        self._server.start()
        host, port = self._server.address
        self._provider = subprocess.Popen(
            [sys.executable, "-m", "kaskad.bench.poster", f"http://{host}:{port}", str(batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._provider.stdout is not None
        if not self._provider.stdout.readline():  # until it has begun, receipts would wait
            raise Unavailable("the provider of the benchmark did not start")
        self._lines: SimpleQueue[list[Told] | None] = SimpleQueue()
        self.spent_s = 0.0
        self.brought = 0
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._telling, self._hearing)]
        for thread in self._threads:
            thread.start()

    def plan(self, accepted: Iterable[tuple[int, int, int]], now: int) -> None:
        """Let receipts come for messages (contact, run, step) that were accepted `now`."""
        latency, reacts = self._fates.latency_ms, self._fates.reacts
        told: list[Told] = []
        for contact_id, run_id, step in accepted:
            told.append((contact_id, run_id, step, _DELIVERED, now + latency()))
            if reacts(contact_id, step):
                told.append((contact_id, run_id, step, _READ, now + latency()))
        if told:
            self._lines.put(told)

    def close(self) -> None:
        """Bring nothing more."""
        self._lines.put(None)
        for thread in self._threads:
            thread.join(30)
        self._provider.wait(30)
        self._server.stop()

    def _telling(self) -> None:
        assert self._provider.stdin is not None
        encode = msgspec.json.Encoder().encode
        with self._provider.stdin as pipe:
            while (told := self._lines.get()) is not None:
                pipe.write(encode(told) + b"\n")
                pipe.flush()

    def _hearing(self) -> None:
        """Note which reactions were answered."""
        assert self._provider.stdout is not None
        decode = msgspec.json.Decoder(list[Told]).decode
        with self._provider.stdout as pipe:
            for line in pipe:
                told = decode(line)
                self.brought += len(told)
                reactions = [key_of(contact, step) for contact, _, step, kind, _ in told if kind == _READ]
                self._journal.note(self._clock.now(), What.REACTED, reactions)
                self.spent_s = time.thread_time()
