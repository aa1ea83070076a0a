"""The sandbox put together and run: its servers, its people and its pages, on one loop in one thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import uvicorn
from msgspec import Struct
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from kaskad.domain.errors import Conflict
from kaskad.log import get_logger
from kaskad.sandbox.app import build_app
from kaskad.sandbox.clock import Pace
from kaskad.sandbox.deeds import Deeds
from kaskad.sandbox.faults import Fault, Faults
from kaskad.sandbox.habits import Habits
from kaskad.sandbox.outbox import Outbox
from kaskad.sandbox.person import Person, Phone
from kaskad.sandbox.postman import Postman
from kaskad.sandbox.profile import Profile, default_profile
from kaskad.sandbox.server import HOST, Place, Server, Site
from kaskad.sandbox.servers import USUAL, chosen, services
from kaskad.sandbox.servers.smtp import Smtp
from kaskad.sandbox.world import Counts, Whose, World

log = get_logger(__name__)

START_S = 20.0
STOP_S = 10.0

S = TypeVar("S", bound=Server)


class SandboxConfig(Struct, frozen=True):
    """What a sandbox is made of; port 0 is any free one.

    `strangers`: whether an address that belongs to nobody comes to life when it is written to; None: where no
    people are given. `mail_route`: where replies and bounces go, smtp://host:port or an http
    address; "": to the mail account's hook. `servers`: which protocols are spoken, by name, or "all".
    `whose`: who such an address belongs to, where somebody else knows.
    `ports`: of servers that listen by themselves. `keys`: credentials instead of the servers' own.
    """

    port: int = 0
    smtp_port: int = 0
    servers: Sequence[str] = USUAL
    ports: Mapping[str, int] = {}
    people: Sequence[Person] = ()
    kaskad_url: str = ""
    time_factor: float = 1.0
    seed: int = 1
    profile: Profile | None = None
    strangers: bool | None = None
    mail_route: str = ""
    keys: Sequence[Struct] = ()
    whose: Whose | None = None


class Sandbox:
    """A running sandbox. What it returns may be read from any thread."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.kinds = chosen(config.servers)
        self._http, self._sockets = _listeners(config, self.kinds)
        self.http_url = f"http://{HOST}:{self._http.getsockname()[1]}"
        ports = {name: int(each.getsockname()[1]) for name, each in self._sockets.items()}
        self.place = Place(self.http_url, ports, config.keys)
        self.smtp_port = ports.get(Smtp.name, 0)
        profile = config.profile or default_profile()
        strangers = not config.people if config.strangers is None else config.strangers
        known = services(self.kinds)
        self.world = World(
            Pace(config.time_factor), profile, config.seed, config.people, strangers, known, config.whose
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._end: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._parts: _Parts | None = None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def start(self) -> None:
        """Serve from now on; returns when everything listens."""
        self._thread.start()
        self._ready.wait(START_S)
        if self._failure is not None:
            raise self._failure
        self.connect(self.config.kaskad_url)

    def stop(self) -> None:
        """End everything. May be called twice."""
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(STOP_S)
        for listener in (self._http, *self._sockets.values()):
            listener.close()

    def accounts(self, kaskad_url: str = "") -> list[dict[str, object]]:
        """Return the accounts with which Kaskad uses this sandbox, as an accounts.yaml has them.

        With `kaskad_url` receipts go there from now on.
        """
        if kaskad_url:
            self.connect(kaskad_url)
        return accounts_of(self.kinds, self.place)

    def connect(self, kaskad_url: str) -> None:
        """Let receipts that are set up at the service itself, and people's visits, go to this Kaskad."""
        base = kaskad_url.rstrip("/")
        if base and self._parts is not None:
            self._parts.outbox.home = base
            if not self.config.mail_route and Smtp in self.kinds:
                self._parts.deeds.postman.route = f"{base}/hooks/{Smtp.account}"

    def counts(self) -> dict[str, Counts]:
        """Return by channel how many messages arrived and were reacted to, and how many people said no."""
        return {name: Counts(c.received, c.reacted, c.stopped) for name, c in self.world.counts.items()}

    @property
    def phones(self) -> list[Phone]:
        """Return everybody's phone; only to be looked at."""
        return list(self.world.phones.values())

    @property
    def faults(self) -> Faults:
        return self.world.faults

    def set_faults(self, *faults: Fault) -> None:
        """Add faults; raises Invalid."""
        self.call(lambda: self.world.faults.set(faults))

    def call(self, act: Callable[[], object]) -> None:
        """Do something on the sandbox's own thread, and wait for it; raises what it raises."""
        assert self._loop is not None

        async def run() -> None:
            act()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(STOP_S)

    def server(self, kind: type[S]) -> S:
        """Return the server of a kind; its state is the sandbox's own thread's."""
        assert self._parts is not None
        return next(server for server in self._parts.servers if isinstance(server, kind))

    @property
    def deeds(self) -> Deeds:
        """Return what people do, to be called on the sandbox's own thread."""
        assert self._parts is not None
        return self._parts.deeds

    def do(self, deed: Callable[[Deeds], object]) -> None:
        """Let a person do something, and wait until it is done."""
        assert self._loop is not None

        async def run() -> None:
            done = deed(self.deeds)
            if asyncio.iscoroutine(done):
                await done

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            log.error("the sandbox ended", error=type(error).__name__, detail=str(error))
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._parts = parts = _Parts(self.world, self.config, self.kinds, self.place)
        listening = [
            await loop.create_server(server.protocol, sock=self._sockets[server.name])
            for server in parts.servers
            if server.port is not None
        ]
        server = _http_server(parts.app, parts.speaks_websocket)
        serving = loop.create_task(server.serve(sockets=[self._http]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        self._ready.set()
        ended = loop.create_task(self._end.wait())
        await asyncio.wait((serving, ended), return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        for each in listening:
            each.close()
        await self.world.close()
        await serving
        await parts.outbox.close()


class _Parts:
    """The servers and the people, connected."""

    def __init__(
        self, world: World, config: SandboxConfig, kinds: Sequence[type[Server]], place: Place
    ) -> None:
        self.outbox = Outbox(world, config.kaskad_url.rstrip("/"))
        postman = Postman(world, self.outbox, config.mail_route)
        site = Site(world, self.outbox, postman, place)
        self.servers = [kind(site) for kind in kinds]
        self.deeds = Deeds(world, self.outbox, postman, self.servers)
        habits = Habits(self.deeds)
        world.on_arrival, world.pick_up, world.intent = habits.on_arrival, habits.pick_up, habits.intent
        routes = [route for server in self.servers for route in server.routes()]
        self.speaks_websocket = any(isinstance(route, WebSocketRoute) for route in routes)
        self.app = build_app(world, self.deeds, self.servers)


def accounts_of(kinds: Sequence[type[Server]], place: Place) -> list[dict[str, object]]:
    """Return the accounts of servers, as an accounts.yaml has them."""
    return [account for kind in kinds for account in kind.accounts(place)]


@contextmanager
def running(config: SandboxConfig) -> Iterator[Sandbox]:
    """Run a sandbox until the end of the block; raises Conflict where a port is taken."""
    sandbox = Sandbox(config)
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.stop()


def _http_server(app: ASGIApp, websocket: bool) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio" if websocket else "none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="critical",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )


def _listeners(
    config: SandboxConfig, kinds: Sequence[type[Server]]
) -> tuple[socket.socket, dict[str, socket.socket]]:
    """Return the sockets of HTTP and of the servers that have their own; raises Conflict, with none open."""
    ports = {Smtp.name: config.smtp_port, **config.ports}
    opened: list[socket.socket] = []
    try:
        opened.append(_listener(config.port))
        names = [kind.name for kind in kinds if kind.port is not None]
        for name in names:
            opened.append(_listener(ports.get(name, 0)))
    except Conflict:
        for listener in opened:
            listener.close()
        raise
    return opened[0], dict(zip(names, opened[1:], strict=True))


def _listener(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off, 40 ms a message, only where the protocol is named
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise Conflict(
            f"The sandbox cannot listen on {HOST}:{port}: {error.strerror}. Choose another port."
        ) from None
    return listener
