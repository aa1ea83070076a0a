"""The process that takes webhooks: `python -m kaskad.web.porter.lodge FRAMES DOOR`, two file descriptors.

It verifies, reads and hands on; the server makes durable, then it answers. What it is in doubt about goes
back to the server as it came, so that every refusal is worded, logged and counted there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Coroutine

import msgspec

from kaskad.domain.tokens import Signer
from kaskad.engine import pipe
from kaskad.engine.clock import wall_ms
from kaskad.engine.process import new_loop, spare_collector
from kaskad.engine.reports import ENOUGH, Report, is_plain, report_of
from kaskad.log import configure
from kaskad.providers import base, provider
from kaskad.providers.base import NOTHING, Account, Provider
from kaskad.web.answers import answer_of
from kaskad.web.porter.frames import Back, Ended, Known, Ready, Said, Setup, Stop, Taken, Told, Whole
from kaskad.web.porter.line import Head, Line
from kaskad.web.portions import AHEAD, LONG, portions
from kaskad.web.room import LATE, Room

WAIT_S = 20.0  # for a commit, after which the server answers
IDLE_S = 75.0  # longer than a proxy in front keeps an idle connection, so that it never meets a closed one
SWEEP_S = 1.0
MOST = 10_000  # connections
HANDED = 256 * 1024  # bytes that come with a connection, at most

_NONE: frozenset[str] = frozenset()


class Lodge:
    """Takes webhooks; used from its event loop only."""

    def __init__(self, setup: Setup, tell: Callable[[Told], None], door: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._signer = Signer(setup.keys)
        self._base_url = setup.base_url
        self._tell, self._door = tell, door
        door.setblocking(False)
        self._accounts: dict[str, tuple[Account, Provider, bool]] = {}
        self._hosts, self._known, self._number = _NONE, 0, 0
        self._reports: list[Report] = []
        self._open: list[tuple[Line, tuple[str, bytes]]] = []  # of these reports, with what is answered
        self._waiting: dict[int, list[tuple[Line, tuple[str, bytes]]]] = {}
        self._portions: dict[int, asyncio.Future[bool]] = {}  # of long webhooks, that wait for their commit
        self._long = asyncio.Lock()
        self._tasks: set[asyncio.Task[object]] = set()
        self.lines: set[Line] = set()
        self.room = Room(setup.patience_s, setup.most)
        self.closing = False
        self.now_s = self._loop.time
        self._loop.add_reader(door.fileno(), self._open_door)
        self._loop.call_later(SWEEP_S, self._sweep)

    def know(self, known: Known) -> None:
        """Go by these accounts from now on."""
        self._known, self._hosts = known.number, known.hosts
        self._accounts = {}
        for account in known.accounts:
            carrying = provider(account.provider)
            self._accounts[account.name] = account, carrying, is_plain(carrying)

    def take(self, line: Line, head: Head, body: bytes) -> bool:
        """Take a webhook, to answer it once it is durable; False: it is left to the server."""
        found = self._accounts.get(head.account)
        elsewhere = bool(self._hosts) and head.headers.get("host", "").lower() in self._hosts
        if found is None or self.closing or elsewhere:
            return False
        account, carrying, plain = found
        hook = base.Request("POST", self._base_url + head.target, head.headers, body)
        try:
            now = wall_ms()
            carrying.verify_webhook(hook, account, now)
            if len(body) >= LONG:
                return plain and self._begin(self._take_long(line, account, carrying, hook))
            told = carrying.read_webhook(hook, account)
            report = report_of(self._signer, account, told, head.headers, body, now) if plain else None
        except Exception:  # whatever is wrong, the server finds out and says
            return False
        waits = line, _answer_of(carrying, hook, account)
        if report is None:
            self._number += 1
            self._waiting[self._number] = [waits]
            self._tell(Whole(self._number, self._known, account.id, hook.url, head.headers, body))
            return True
        if not self._open:
            self._loop.call_soon(self._hand_on)
        self._reports.append(report)
        self._open.append(waits)
        if len(self._open) == ENOUGH:
            self._hand_on()
        return True

    async def _take_long(self, line: Line, account: Account, carrying: Provider, hook: base.Request) -> None:
        """Hand a long webhook on in portions, after those before it; answer once all of them are durable."""
        async with self._long:
            try:
                well = await self._hand_on_long(line, account, carrying, hook)
            except Exception:  # as in `take`
                well = False
        if well:
            line.answer(*_answer_of(carrying, hook, account))
        else:
            line.give_back()

    async def _hand_on_long(
        self, line: Line, account: Account, carrying: Provider, hook: base.Request
    ) -> bool:  # fmt: skip
        """Return whether all portions are durable; some may be, where one is not."""
        kept: deque[asyncio.Future[bool]] = deque()
        for each in portions(hook, lambda part: (carrying.read_webhook(part, account), None)):
            report = report_of(self._signer, account, each.told, hook.headers, each.body, wall_ms())
            if report is None or line.transport.is_closing():
                return False
            self._number += 1
            kept.append(self._loop.create_future())
            self._portions[self._number] = kept[-1]
            self._tell(Taken(self._number, self._known, [report]))
            line.since = self.now_s()  # it is not forgotten
            await asyncio.sleep(0)  # others come between two portions
            if len(kept) == AHEAD and not await kept.popleft():
                return False
        return all([await one for one in kept])

    def ended(self, ended: Ended) -> None:
        """Answer what is durable; what is not, the server is to try again."""
        if ended.number in self._portions:
            self._portions.pop(ended.number).set_result(ended.well)
        for line, (content_type, words) in self._waiting.pop(ended.number, ()):
            if ended.well:
                line.answer(content_type, words)
            else:
                line.give_back()

    def give_back(self, line: Line, data: bytes) -> None:
        """Let the server go on with a connection."""
        line.transport.pause_reading()
        self._return(_fileno(line), data)
        self.lines.discard(line)
        line.transport.abort()  # our end of it: the server has its own

    def _return(self, descriptor: int, data: bytes) -> None:
        try:
            socket.send_fds(self._door, [b"-"], [descriptor], socket.MSG_DONTWAIT)
        except OSError:  # so many go back that it cannot keep up: whoever called will try again
            return
        self._tell(Back(data))

    async def stop(self, timeout_s: float) -> None:
        """Close what is idle, answer what waits, for `timeout_s` at most."""
        self.closing = True
        for line in [*self.lines]:
            if not line.busy:
                line.transport.close()
        until_s = self.now_s() + timeout_s
        while self.lines and self.now_s() < until_s:
            await asyncio.sleep(0.02)

    def _hand_on(self) -> None:
        """Hand on what has come in one turn of the loop, or enough of it, which one commit is to keep."""
        if not self._open:
            return
        reports, self._reports = self._reports, []
        self._number += 1
        self._waiting[self._number], self._open = self._open, []
        self._tell(Taken(self._number, self._known, reports))

    def _open_door(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._door, HANDED, 1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if not data and not descriptors:
            os._exit(1)  # the server is gone
        for descriptor in descriptors:
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            if len(self.lines) >= MOST or self.closing:
                with connection:
                    if not self.closing:  # the server takes it, or says that it is full
                        self._return(descriptor, data)
                continue
            self._begin(self._receive(connection, data))

    def _begin(self, work: Coroutine[object, object, None]) -> bool:
        task: asyncio.Task[object] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _receive(self, connection: socket.socket, data: bytes) -> None:
        try:
            _, line = await self._loop.connect_accepted_socket(lambda: Line(self, data), connection)
        except OSError:
            connection.close()  # it has ended meanwhile
            return
        line.begin()

    def _sweep(self) -> None:
        """Close what has been idle too long; what has waited too long the server answers."""
        now = self.now_s()
        for line in [*self.lines]:
            if line.busy and now - line.since > WAIT_S:
                line.give_back()
            elif not line.busy and now - line.since > IDLE_S:
                line.transport.close()
            elif line.held and self.room.left_s(line.began, line.held, now) <= 0:
                line.refuse(LATE)
        self._loop.call_later(SWEEP_S, self._sweep)


def _answer_of(carrying: Provider, hook: base.Request, account: Account) -> tuple[str, bytes]:
    silent = type(carrying).answer_webhook is Provider.answer_webhook
    return NOTHING if silent else answer_of(carrying, hook, account)


def _fileno(line: Line) -> int:
    return int(line.transport.get_extra_info("socket").fileno())


async def serve(theirs: socket.socket, door: socket.socket) -> None:
    """Take webhooks until the server says stop, or is gone."""
    reader, writer = await asyncio.open_connection(sock=theirs)
    decode = msgspec.msgpack.Decoder(Said).decode

    def tell(frame: Told) -> None:
        writer.write(pipe.framed(frame))

    lodge: Lodge | None = None
    stopping: asyncio.Task[None] | None = None
    while (frame := await pipe.next_of(reader)) is not None:
        match decode(frame):
            case Setup() as setup:
                configure(setup.log_level, setup.log_style)
                lodge = Lodge(setup, tell, door)
            case Known() as known if lodge is not None:
                lodge.know(known)
                tell(Ready())
            case Ended() as ended if lodge is not None:
                lodge.ended(ended)
            case Stop(timeout_s) if lodge is not None:
                stopping = asyncio.create_task(lodge.stop(timeout_s))
                stopping.add_done_callback(lambda _: writer.close())
    os._exit(0 if stopping is not None and stopping.done() else 1)  # else nobody would keep what comes


def main() -> None:
    """Be the process; signals to the whole group are the server's to handle, which then stops us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    spare_collector()
    theirs, door = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(theirs, door))


if __name__ == "__main__":
    main()
