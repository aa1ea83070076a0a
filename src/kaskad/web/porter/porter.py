"""Taking webhooks in a process of their own: verifying and reading them leaves Python's lock to the tick.

The server accepts all connections. Once webhooks come in numbers it starts the process (`lodge`), and hands
it each connection on which one begins; the process hands on what webhooks say in lists, which one commit
keeps, and answers after that. Connections with anything else on them, or with what cannot be taken, come back
and stay for some requests.

When the server dies the process ends at once, unanswered: services tell again. When the process dies, its
connections end, and the server goes on taking webhooks itself.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from time import monotonic

import msgspec

from kaskad.config import Settings
from kaskad.domain.errors import KaskadError
from kaskad.engine import pipe
from kaskad.engine.ingest import Ingest
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.providers import base, provider
from kaskad.providers.base import Account, Provider
from kaskad.web.hooks import Hooks, read_hook
from kaskad.web.porter.frames import Back, Ended, Known, Ready, Said, Setup, Stop, Taken, Told, Whole
from kaskad.web.room import MB

log = get_logger(__name__)

MANY = 200  # webhooks within a second, from which on a process of their own is worth its memory
HANDED = 64 * 1024  # bytes that go with a connection, at most
HUNG_S = 20.0  # in which the process has taken no connection and told nothing, though asked to: it hangs
WORKS = sys.platform == "linux"  # elsewhere connections cannot be handed over in this way

Return = Callable[[socket.socket, bytes], None]


class Porter:
    """Hands webhooks' connections to a process, and keeps what that has read.

    `short_host` is where short links lead and nothing else is answered. The engine's time must be the
    world's.
    """

    def __init__(
        self, intake: Ingest, world: World, hooks: Hooks, settings: Settings, short_host: bytes = b""
    ) -> None:
        self._intake, self._world, self._hooks = intake, world, hooks
        self.setup = Setup(
            world.signer.keys,
            settings.base_url.rstrip("/"),
            settings.log_level,
            settings.log_style,
            float(settings.request_seconds),
            int(float(settings.unread_mb) * MB),
        )
        self._short_host = short_host
        self._lodge: _Lodge | None = None
        self._since_s, self._count = 0.0, 0
        self._stopping = False
        self._lock = threading.Lock()

    def take(self, descriptor: int, data: bytes, back: Return) -> bool:
        """Hand a connection over, with the beginning of a webhook; False: the server keeps it.

        `back` takes one that comes back, in any thread.
        """
        lodge = self._lodge
        if lodge is None or not lodge.alive:
            self._start_if_many(back)
            return False
        return lodge.ready and len(data) <= HANDED and lodge.hand_over(descriptor, data)

    def start(self, back: Return) -> None:
        """Start the process, unless there is one; it takes connections once it is ready."""
        with self._lock:
            if not self._stopping and (self._lodge is None or not self._lodge.alive):
                self._lodge = _Lodge(self, back)

    def stop(self, timeout_s: float) -> None:
        """End the process after what is under way, or after `timeout_s` and a little. May be called twice."""
        with self._lock:
            self._stopping = True
            lodge, self._lodge = self._lodge, None
        if lodge is not None:
            lodge.stop(timeout_s)

    @property
    def pid(self) -> int | None:
        """The process' id, for whoever measures it."""
        return self._lodge.pid if self._lodge is not None else None

    @property
    def ready(self) -> bool:
        """Say whether connections go to a process of their own now."""
        return self._lodge is not None and self._lodge.alive and self._lodge.ready

    def _start_if_many(self, back: Return) -> None:
        now_s = monotonic()
        if now_s - self._since_s > 1.0:
            self._since_s, self._count = now_s, 0
        self._count += 1
        if self._count == MANY:
            threading.Thread(target=self.start, args=(back,), name="porter-start", daemon=True).start()

    # What one process asks for

    def seen(self) -> tuple[dict[int, Account], frozenset[bytes]]:
        """Return all that `known` follows from."""
        return dict(self._world.accounts), self._world.link_hosts

    def known(self, number: int, accounts: Mapping[int, Account], hosts: frozenset[bytes]) -> Known:
        """Return what the process is told; accounts whose webhooks name a key to be fetched stay here."""
        nowhere = frozenset(host.decode() for host in (*hosts, self._short_host) if host)
        return Known(number, [one for one in accounts.values() if _is_taken(one)], nowhere)

    def keep(self, taken: Taken) -> Future[None]:
        """Make reports durable."""
        future = self._intake.reports(taken.reports)
        numbers = [report.account_id for report in taken.reports if report.body is not None]
        future.add_done_callback(lambda ended: self._count_taken(ended, numbers))
        return future

    def keep_whole(self, account: Account, whole: Whole) -> Future[None]:
        """Read a webhook, and make durable what it says."""
        hook = base.Request("POST", whole.url, whole.headers, whole.body)
        told, trouble = read_hook(provider(account.provider), hook, account)
        future = self._intake.receipts(account, told, hook.headers, hook.body, trouble)
        future.add_done_callback(lambda ended: self._count_taken(ended, [account.id]))
        return future

    def _count_taken(self, ended: Future[None], account_ids: list[int]) -> None:
        if _is_well(ended):
            accounts = self._world.accounts
            self._hooks.count([accounts[number].name for number in account_ids if number in accounts])


class _Lodge:
    """One process, with the threads that write to it and read from it."""

    def __init__(self, porter: Porter, back: Return) -> None:
        self._porter, self._back = porter, back
        self.alive, self.ready = True, False
        self._refused_s: float | None = None  # since when it has not taken what it was to take
        self._known = Known(0, [], frozenset())
        self._seen: object = None
        self._socket, theirs = socket.socketpair()
        self._door, their_door = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.setblocking(False)  # by itself: Python 3.11's `send_fds` leaves its flags out
        with theirs, their_door:
            numbers = [theirs.fileno(), their_door.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kaskad.web.porter.lodge", *map(str, numbers)],
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
            )
        self.pid = self._process.pid
        self._frames = pipe.Writer(self._socket, "porter-out")
        self._say(porter.setup)
        self._tell_news()
        self._reader = threading.Thread(target=self._reading, name="porter-in", daemon=True)
        self._reader.start()
        log.info("webhooks are taken by a process of their own", pid=self.pid)

    def hand_over(self, descriptor: int, data: bytes) -> bool:
        """Return whether the process has the connection now; what it cannot take at once it does not get."""
        try:
            socket.send_fds(self._door, [data], [descriptor], socket.MSG_DONTWAIT)
        except OSError:
            now_s = monotonic()
            since_s = self._refused_s = self._refused_s or now_s
            if now_s - since_s > HUNG_S:
                log.error("the process that takes webhooks hangs and is ended", pid=self.pid)
                self._process.kill()
            return False
        self._refused_s = None
        return True

    def stop(self, timeout_s: float) -> None:
        self.ready = False
        self._say(Stop(timeout_s))
        self._reader.join(timeout_s + 2.0)
        self._process.kill()
        self._reader.join()

    def _say(self, frame: Said) -> None:
        self._frames.put(frame)

    def _tell_news(self) -> None:
        """Tell what is known, if that has changed."""
        seen = self._porter.seen()
        if seen != self._seen:
            self._seen, self._known = seen, self._porter.known(self._known.number + 1, *seen)
            self._say(self._known)

    def _reading(self) -> None:
        decode = msgspec.msgpack.Decoder(Told).decode
        with self._socket, self._door, self._socket.makefile("rb") as stream:
            try:
                while (frame := pipe.read(stream.read)) is not None:
                    self._hear(decode(frame))
            finally:
                self.alive = False
                self._frames.end()
                self._process.kill()
                self._process.wait()

    def _hear(self, told: Told) -> None:
        self._refused_s = None
        self._tell_news()
        match told:
            case Ready():
                self.ready = True
            case Taken() | Whole():
                self._answer(told.number, self._kept(told))
            case Back(data):
                _, descriptors, _, _ = socket.recv_fds(self._door, 16, 1)
                for descriptor in descriptors:
                    self._back(socket.socket(fileno=descriptor), data)

    def _kept(self, told: Taken | Whole) -> Future[None] | None:
        """Return what ends when it is durable; None: the server is to take it as it came."""
        if told.known != self._known.number:
            return None  # verified by accounts that are others now
        try:
            if isinstance(told, Taken):
                return self._porter.keep(told)
            account = next(one for one in self._known.accounts if one.id == told.account_id)
            return self._porter.keep_whole(account, told)
        except Exception as error:  # a defect of ours, which the server then tells of
            log.error("webhooks were not kept because of a defect", error=type(error).__name__)
            return None

    def _answer(self, number: int, kept: Future[None] | None) -> None:
        if kept is None:
            self._say(Ended(number, False))
        else:
            kept.add_done_callback(lambda ended: self._say(Ended(number, _is_well(ended))))


def _is_well(ended: Future[None]) -> bool:
    return not ended.cancelled() and ended.exception() is None


def _is_taken(account: Account) -> bool:
    try:
        return type(provider(account.provider)).key_request is Provider.key_request
    except KaskadError:
        return False
