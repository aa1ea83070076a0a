"""Sending from a process of its own, so that the tick keeps Python's lock to itself.

Both ends speak frames (`engine/pipe`) over a socket pair. When the parent dies the
socket ends and the child stops at once; when the child dies, what was under way ends as unknown and the
next message starts another child, or a keeper does where services tell something by themselves: those
connections stand in the child too, and what they tell comes back over the same socket. Secrets of accounts
go through the socket only.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from msgspec import Struct

from kaskad.domain.errors import KaskadError, Unavailable
from kaskad.domain.terms import Reason
from kaskad.engine import pipe
from kaskad.engine.carrier import Carrier
from kaskad.engine.dispatch import LOOK_S
from kaskad.engine.heard import Heard, Kept, Listener, Trouble
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.process import new_loop, spare_collector
from kaskad.providers import provider
from kaskad.providers.base import Account

RESTART_S = 2.0  # after which a child that died is replaced although there is nothing to send


class Setup(Struct, frozen=True, tag=True):
    """The first frame to a child."""

    timeout_s: float


class Accounts(Struct, frozen=True, tag=True):
    """All accounts as they are from now on."""

    accounts: dict[int, Account]


class Parcels(Struct, frozen=True, tag=True):
    parcels: list[Parcel]


class Listen(Struct, frozen=True, tag=True):
    """Keep the connections on which services tell by themselves."""


class Stop(Struct, frozen=True, tag=True):
    timeout_s: float


class Results(Struct, frozen=True, tag=True):
    """From a child: how parcels ended."""

    results: list[Result]


Key = tuple[int, int, int, int]


class Sender:
    """Like `Dispatcher`, from a child process. `on_results` is called in a thread of this process."""

    def __init__(
        self,
        accounts: Mapping[int, Account],
        clock: Callable[[], int],
        on_results: Callable[[list[Result]], None],
        *,
        timeout_s: float = 30.0,
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._on_results = on_results
        self._setup = Setup(timeout_s)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listener: Listener | None = None
        self._child: Child | None = self._start()

    def submit(self, parcels: list[Parcel]) -> None:
        """Hand over parcels from any thread; raises Unavailable once it is closed."""
        if not parcels:
            return
        with self._lock:
            if self._closing.is_set():
                raise Unavailable("the sender is closed")
            if self._child is None or not self._child.take(parcels, dict(self._accounts)):
                self._child = self._start()
                if not self._child.take(parcels, dict(self._accounts)):
                    raise Unavailable("the sending process ends as soon as it starts")

    def listen(self, listener: Listener) -> None:
        """Keep connections, as `Dispatch` says; the accounts are looked at twice a second."""
        with self._lock:
            self._listener = listener
            if self._child is not None:
                self._child.listen(listener)
        threading.Thread(target=self._keeping, name="sender-keeper", daemon=True).start()

    def close(self, timeout_s: float) -> None:
        """Let what is under way end, for at most `timeout_s`; may be called twice."""
        with self._lock:
            self._closing.set()
            child, self._child = self._child, None
        if child is not None:
            child.stop(timeout_s)

    @property
    def pid(self) -> int | None:
        """The child's process id, for whoever measures it."""
        return self._child.pid if self._child else None

    def _start(self) -> Child:
        child = Child(self._setup, self._clock, self._on_results)
        if self._listener is not None:
            child.listen(self._listener)
        return child

    def _keeping(self) -> None:
        """Tell the child of changed accounts, and replace a dead one, while services may tell something."""
        wait_s = 0.0
        while not self._closing.wait(wait_s):
            accounts = dict(self._accounts)
            wait_s = LOOK_S
            if not any(_hears(account) for account in accounts.values()) and not self._told():
                continue
            with self._lock:
                if self._closing.is_set():
                    return
                if self._child is None or not self._child.follow(accounts):
                    self._child = self._start()
                    self._child.follow(accounts)
                    wait_s = RESTART_S

    def _told(self) -> bool:
        """Return whether the child knows of accounts whose connections it keeps."""
        child = self._child
        return child is not None and any(_hears(account) for account in child.known.values())


class Child:
    """One child process with the threads that write to it and read from it."""

    def __init__(
        self, setup: Setup, clock: Callable[[], int], on_results: Callable[[list[Result]], None]
    ) -> None:
        self._clock = clock
        self._on_results = on_results
        self._listener: Listener | None = None
        self.known: Mapping[int, Account] = {}
        self._lock = threading.Lock()
        self._under_way: dict[Key, Parcel] = {}
        self._alive = True
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kaskad.engine.sender", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self.pid = self._process.pid
        self._frames = pipe.Writer(self._socket, "sender-out")
        self._write(setup)
        self._reader = threading.Thread(target=self._reading, name="sender-in", daemon=True)
        self._reader.start()

    def take(self, parcels: list[Parcel], accounts: dict[int, Account]) -> bool:
        """Return whether the child has the parcels: each will have its result."""
        with self._lock:
            if not self._alive:
                return False
            self._under_way.update({_key(parcel): parcel for parcel in parcels})
            self._tell(accounts)
            self._write(Parcels(parcels))
            return True

    def listen(self, listener: Listener) -> None:
        """Hand what services tell by themselves to `listener`, from now on."""
        self._listener = listener
        self._write(Listen())

    def follow(self, accounts: dict[int, Account]) -> bool:
        """Return whether the child lives, and so knows the accounts as they are now."""
        with self._lock:
            if self._alive:
                self._tell(accounts)
            return self._alive

    def stop(self, timeout_s: float) -> None:
        """End the child after what is under way, or after `timeout_s` and a little."""
        self._write(Stop(timeout_s))
        self._reader.join(timeout_s + 2.0)
        self._process.kill()
        self._reader.join()

    def _tell(self, accounts: dict[int, Account]) -> None:
        if accounts != self.known:
            self.known = accounts
            self._write(Accounts(accounts))

    def _write(self, frame: Setup | Accounts | Parcels | Listen | Kept | Stop) -> None:
        self._frames.put(frame)

    def _reading(self) -> None:
        decode = msgspec.msgpack.Decoder(Results | Heard | Trouble).decode
        with self._socket, self._socket.makefile("rb") as stream:
            while (frame := pipe.read(stream.read)) is not None:
                match decode(frame):
                    case Results(results):
                        self._deliver(results)
                    case Heard(batch, told) if self._listener is not None:
                        self._listener.hear(told, partial(self._kept, batch))
                    case Trouble(account_id, why) if self._listener is not None:
                        self._listener.note(account_id, why)
        self._frames.end()
        self._process.kill()
        self._process.wait()
        self._bury()

    def _kept(self, batch: int, well: bool) -> None:
        self._write(Kept(batch, well))

    def _deliver(self, results: list[Result]) -> None:
        at = self._clock()
        forget = self._under_way.pop
        with self._lock:
            for result in results:
                forget(_key(result), None)
        for result in results:  # just read, and nobody else's: a copy of each took three times as long
            msgspec.structs.force_setattr(result, "at", at)
        self._on_results(results)

    def _bury(self) -> None:
        """End as unknown what a dead child had: it may have sent it."""
        with self._lock:
            self._alive = False
            lost, self._under_way = list(self._under_way.values()), {}
        if lost:
            at = self._clock()
            self._on_results([_unknown(parcel, at) for parcel in lost])


def _key(item: Parcel | Result) -> Key:
    return item.contact_id, item.run_id, item.step, item.attempt


def _hears(account: Account) -> bool:
    try:
        return account.enabled and provider(account.provider).hears
    except KaskadError:
        return False


def _unknown(parcel: Parcel, at: int) -> Result:
    return Result(
        *_key(parcel),
        parcel.account_id,
        at,
        reason=Reason.AMBIGUOUS,
        detail="the sending process ended before the answer",
        accepted=None,
    )


async def serve(theirs: socket.socket) -> None:
    """Send what comes over the socket until the parent says stop, or is gone."""
    reader, writer = await asyncio.open_connection(sock=theirs)
    decode = msgspec.msgpack.Decoder(Setup | Accounts | Parcels | Listen | Kept | Stop).decode

    def tell(frame: Results | Heard | Trouble) -> None:
        writer.write(pipe.framed(frame))

    accounts: dict[int, Account] = {}
    carrier: Carrier | None = None
    while (frame := await pipe.next_of(reader)) is not None:
        match decode(frame):
            case Setup(timeout_s):
                carrier = Carrier(
                    accounts,
                    lambda: 0,  # the parent has the clock
                    lambda results: tell(Results(results)),
                    timeout_s=timeout_s,
                )
            case Accounts(now):
                accounts.clear()
                accounts.update(now)
                if carrier is not None:
                    carrier.follow()
            case Listen() if carrier is not None:
                carrier.listen(tell)
            case Kept() as kept if carrier is not None:
                carrier.kept(kept)
            case Parcels(parcels) if carrier is not None:
                carrier.take(parcels)
            case Stop(timeout_s) if carrier is not None:
                await carrier.stop(timeout_s)
                writer.close()
                await writer.wait_closed()
                return
    os._exit(1)  # the parent is gone: nobody would learn of what is sent from here on


def main() -> None:
    """Be the child; signals to the whole group are the parent's to handle, which then stops us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    spare_collector()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
