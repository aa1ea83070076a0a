"""A provider that reports by signed webhooks, in a process of its own.

`python -m kaskad.bench.poster URL BATCH` reads lines of JSON, lists of receipts as (contact, run, step, kind,
instant). It posts each when its instant has come and a connection is free, up to BATCH of one account
together, until it is answered 2xx; then it prints a line with the receipts that were taken. It ends when its
input does. A first line, of no receipts, says that its connections stand.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict, deque
from collections.abc import Hashable
from typing import cast

import msgspec

from kaskad.bench.client import Pool, split_address, webhook
from kaskad.bench.outside import AGAIN_MS, GRAIN_MS
from kaskad.bench.prepare import ACCOUNTS, CHANNELS, SECRET, SIGNING
from kaskad.domain.terms import Kind
from kaskad.domain.tokens import Signer
from kaskad.engine.process import new_loop

Told = tuple[int, int, int, int, int]  # contact, run, step, kind, instant
CONNECTIONS = 64

decode = msgspec.json.Decoder(list[Told]).decode
encode = msgspec.json.Encoder().encode


class Poster:
    """Posts receipts when they fall due; used from its event loop only."""

    def __init__(self, url: str, batch: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = url.removeprefix("http://")
        self._batch = batch
        self._due: dict[int, list[Told]] = {}
        self._ready: dict[int, deque[Told]] = defaultdict(deque)  # due, by step: these wait for a connection
        self._posted: dict[int, list[Told]] = {}
        self._number = 0
        self._signer = Signer([(1, SIGNING)])
        self.pool = Pool(*split_address(url), CONNECTIONS, self._answered)
        self.closing = False

    def take(self, told: list[Told]) -> None:
        """Plan receipts for their instants."""
        for one in told:
            grain = one[4] // GRAIN_MS + 1
            if grain not in self._due:
                self._due[grain] = []
                self._loop.call_later(grain * GRAIN_MS / 1000 - time.time(), self._fire, grain)
            self._due[grain].append(one)

    def _fire(self, grain: int) -> None:
        for one in self._due.pop(grain):
            self._ready[one[2]].append(one)
        self._post_ready()

    def _post_ready(self) -> None:
        """Post what is due while connections are free; what waits for one goes together with what comes next.

        A webhook for each grain of each step would be a few receipts and a commit, whatever BATCH allows.
        """
        while self.pool.free and (step := max(self._ready, key=self._waiting, default=None)) is not None:
            ready = self._ready[step]
            if not ready:
                return
            self._post(step, [ready.popleft() for _ in range(min(self._batch, len(ready)))])

    def _waiting(self, step: int) -> int:
        return len(self._ready[step])

    def _post(self, step: int, told: list[Told]) -> None:
        events = [
            {"id": f"e{contact_id}-{step}-{kind}", "name": Kind(kind).name.lower(), "occurred_at": at,
             "reference": self._signer.reference(contact_id, run_id, step, ACCOUNTS[step])}
            for contact_id, run_id, _, kind, at in told
        ]  # fmt: skip
        body = encode(events[0] if len(events) == 1 else events)
        now = time.time_ns() // 1_000_000
        self._number += 1
        self._posted[self._number] = told
        request = webhook(self._host, f"/hooks/bench-{CHANNELS[step]}", SECRET, now, body)
        self.pool.post(request, self._number)

    def _answered(self, tag: Hashable, status: int, seconds: float) -> None:
        told = self._posted.pop(cast(int, tag))
        if 200 <= status < 300:
            sys.stdout.buffer.write(encode(told) + b"\n")
            sys.stdout.buffer.flush()
        elif not self.closing:
            self._loop.call_later(AGAIN_MS / 1000, self._post, told[0][2], told)
        self._post_ready()


async def main(url: str, batch: int) -> None:
    """Be the provider."""
    poster = Poster(url, batch)
    await poster.pool.connect()
    sys.stdout.buffer.write(b"[]\n")
    sys.stdout.buffer.flush()
    reader = asyncio.StreamReader(limit=1 << 30)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        poster.take(decode(line))
    poster.closing = True
    await poster.pool.drained()
    poster.pool.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
