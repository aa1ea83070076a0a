"""Local servers that take whatever `kaskad bench channels` sends, in a process of their own.

They do as little as their protocols allow, so that what is measured is the sender. The process says its ports
and, at the end of its input, what it has taken: the benchmark believes that, not the sender.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

import msgspec
from msgspec import Struct

from kaskad.domain.errors import Unavailable
from kaskad.engine.process import new_loop

_TELEGRAM = b'{"ok":true,"result":{"message_id":17,"date":1790000000,"chat":{"id":1,"type":"private"}}}'
_SMSC = b'{"id":1234,"cnt":1,"cost":"1.44","balance":"98.56"}'


class Taken(Struct):
    """How many messages have come by each protocol."""

    email: int = 0
    telegram: int = 0
    sms: int = 0


class Sinks:
    """The running servers, as the benchmark sees them."""

    def __init__(self, process: subprocess.Popen[bytes], http: int, smtp: int) -> None:
        self._process = process
        self.http_port, self.smtp_port = http, smtp
        self.taken = Taken()

    def stop(self) -> None:
        """End the servers; `taken` then says what came."""
        out, _ = self._process.communicate()
        self.taken = msgspec.json.decode(out, type=Taken)


@contextmanager
def sinks() -> Iterator[Sinks]:
    """Running servers; at the end `taken` of what was yielded is filled."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kaskad.bench.sinks"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        ports = process.stdout.readline().split()
        if len(ports) != 2:
            raise Unavailable("the local servers of the benchmark did not start")
        running = Sinks(process, *map(int, ports))
        yield running
        running.stop()
    finally:
        process.kill()
        process.wait()


class Http(asyncio.Protocol):
    """Answers as Telegram, or as SMSC where the path is its."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        while True:
            head, end, rest = self._got.partition(b"\r\n\r\n")
            if not end:
                return
            size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(rest) < size:
                return
            self._got = rest[size:]
            self._answer(head.startswith(b"POST /sys/send.php"))

    def _answer(self, sms: bool) -> None:
        if sms:
            self._taken.sms += 1
        else:
            self._taken.telegram += 1
        body = _SMSC if sms else _TELEGRAM
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


class Smtp(asyncio.Protocol):
    """A mail server that takes every mail; commands may come together (RFC 2920)."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._got = b""
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(b"220 sink.example.org ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._got += data
        answers = []
        while answer := self._next():
            answers.append(answer)
        self._transport.write(b"".join(answers))

    def _next(self) -> bytes:
        """Take a command or a mail off what has come, and return its answer; b"" while it is not whole."""
        unit, end, rest = self._got.partition(b"\r\n.\r\n" if self._in_mail else b"\r\n")
        if not end:
            return b""
        self._got = rest
        if self._in_mail:
            self._in_mail = False
            self._taken.email += 1
            return b"250 2.0.0 taken\r\n"
        verb = unit[:4].upper()
        if verb == b"DATA":
            self._in_mail = True
            return b"354 go on\r\n"
        if verb == b"EHLO":
            return b"250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
        return b"221 2.0.0 bye\r\n" if verb == b"QUIT" else b"250 2.0.0 ok\r\n"


async def serve(commands: IO[bytes], out: IO[bytes]) -> None:
    """Listen until the input ends, then say what has come."""
    loop, taken = asyncio.get_running_loop(), Taken()
    http = await loop.create_server(lambda: Http(taken), "127.0.0.1", 0, backlog=4096)
    smtp = await loop.create_server(lambda: Smtp(taken), "127.0.0.1", 0, backlog=4096)
    out.write(f"{http.sockets[0].getsockname()[1]} {smtp.sockets[0].getsockname()[1]}\n".encode())
    out.flush()
    await loop.run_in_executor(None, commands.read)
    out.write(msgspec.json.encode(taken))
    out.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(sys.stdin.buffer, sys.stdout.buffer))
