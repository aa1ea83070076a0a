"""A provider that takes every message and notes when it came, in a process of its own.

`python -m kaskad.bench.receiver` says its port, and at the end of its input a line `milliseconds key`
for each message.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from kaskad.bench.target import TAKEN, Answering
from kaskad.domain.errors import Unavailable
from kaskad.engine.process import new_loop

Note = tuple[int, str]  # when a message came, and its key


class Receiver:
    """The running provider, as the benchmark sees it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url

    def stop(self) -> list[Note]:
        """End it, and return what has come."""
        out, _ = self._process.communicate()
        lines = [line.split() for line in out.decode("ascii").splitlines()]
        return [(int(at), key) for at, key in lines]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Yield a running provider; `stop` tells what has come."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kaskad.bench.receiver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise Unavailable("the local provider of the benchmark did not start")
        yield Receiver(process, f"http://127.0.0.1:{int(port)}/")
    finally:
        process.kill()
        process.wait()


async def serve(commands: IO[bytes], out: IO[bytes]) -> None:
    """Listen until the input ends, then say what has come."""
    loop, notes = asyncio.get_running_loop(), list[Note]()

    def answer(key: str) -> bytes:
        notes.append((time.time_ns() // 1_000_000, key))
        return TAKEN

    server = await loop.create_server(lambda: Answering(answer), "127.0.0.1", 0, backlog=4096)
    out.write(f"{server.sockets[0].getsockname()[1]}\n".encode())
    out.flush()
    await loop.run_in_executor(None, commands.read)
    out.write("".join(f"{at} {key}\n" for at, key in notes).encode("ascii"))
    out.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(sys.stdin.buffer, sys.stdout.buffer))
