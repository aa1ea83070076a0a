"""One process of Kaskad put together from its settings: database, engine, sending, intake and HTTP server."""

from __future__ import annotations

import base64
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING

from msgspec import structs

from kaskad.actions import asked, sandbox
from kaskad.actions.columns import Keeper
from kaskad.actions.office import Office
from kaskad.actions.playground import Playground
from kaskad.actions.watch import Watch
from kaskad.config import Settings
from kaskad.domain.errors import Locked, Unavailable
from kaskad.domain.inside import read_inside
from kaskad.domain.tokens import Signer
from kaskad.engine.clerk import Clerk
from kaskad.engine.clock import SystemClock, wall_ms
from kaskad.engine.engine import Engine
from kaskad.engine.errands import Errands
from kaskad.engine.forgetting import Forgetting
from kaskad.engine.heard import Listener
from kaskad.engine.herald import Herald
from kaskad.engine.ingest import Ingest
from kaskad.engine.listener import Hearing
from kaskad.engine.look_ups import LookUps
from kaskad.engine.mail_domains import MailDomains
from kaskad.engine.parcel import Parcel
from kaskad.engine.poller import Poller
from kaskad.engine.sender import Sender
from kaskad.engine.world import Options, World
from kaskad.log import get_logger
from kaskad.providers import PROVIDERS
from kaskad.store import settings as setting_store
from kaskad.store.db import Database, Transaction, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.sealed import SIGNING
from kaskad.store.vault import Vault, key_file, open_vault
from kaskad.web.local import database_file, found_at

if TYPE_CHECKING:
    from kaskad.web.app import Front

log = get_logger(__name__)

AHEAD = "clock"  # how far a database's time has come that was run faster than the world
_GUARD_MS = 90_000
PATIENCE_S = 2.0  # of a server with whoever holds the file: most are commands that take no longer


class Service:
    """What runs, for those who hold it; made and ended by `serving`. `url` is the address listened on."""

    def __init__(self, office: Office, clock: SystemClock, factor: float, url: str) -> None:
        self.office = office
        self.url = url
        self.db = office.db
        self.vault = office.vault
        self.base_url = office.base_url
        self.engine = office.engine
        self.clock = clock
        self.factor = factor

    @property
    def ahead_ms(self) -> int:
        """Return how far this database's time is ahead of the world's."""
        return self.clock.lead_ms

    def keep_time(self) -> None:
        """Keep how far a faster clock has come, so that the next start does not go back."""
        if self.factor != 1.0 or self.ahead_ms > 1000:
            now = self.clock.now()
            self.engine.write(lambda tx: setting_store.put(tx, AHEAD, now)).result()


@contextmanager
def serving(
    settings: Settings,
    owner: str,
    *,
    time_factor: float = 1.0,
    base_url: str = "",
    moves: bool = True,
    pages: bool = True,
    playground: Playground | None = None,
    listener: socket.socket | None = None,
    ahead: bool = False,
) -> Iterator[Service]:
    """Run everything until the end of the block, then stop it in order and lose nothing.

    `owner` is what a second process on the same SQLite file is told. `base_url` "" is that of the address
    listened on. `moves` False: nothing is decided or sent, what is asked for and arrives is only kept.
    `pages` False: nothing is listened to, `base_url` is that of the processes which do.
    `playground` runs the sandbox, where one may be opened. `listener` is listened on, where the caller has
    one already, instead of the settings' address, and closed at the end. `ahead`: what pages need when they
    are first looked at is made while there is nothing else to do.
    Raises StoreError for a database that can't be used, Conflict for an address that is taken.
    """
    with ExitStack() as stack:
        listener, url = _listened(stack, settings, listener) if pages else (None, "")
        own = structs.replace(settings, base_url=(base_url or url).rstrip("/"))
        service = _opened(stack, own, owner, url, time_factor, moves, playground)
        engine = service.engine
        real_time = time_factor == 1.0 and service.ahead_ms < 1000
        errands = Errands()
        ingest = Ingest(engine, service.db, real_time=real_time, errands=errands.send if moves else None)
        if playground is not None:
            stack.callback(playground.close)  # after the engine, which calls there
        stack.callback(engine.stop)
        engine.start()
        if moves:
            stack.callback(errands.stop)
            errands.start()
            _ask_services(service, settings, errands, ingest)
        if listener is not None:
            front = _answer_requests(stack, service, own, ingest, listener, real_time)
            if ahead:
                _look_ahead(stack, service.office, front)
        if moves:
            _tell_and_watch(stack, service.office)
        if playground is not None:
            sandbox.resume(service.office)
        if moves and pages and (file := database_file(settings)):
            stack.enter_context(found_at(file, url, service.office.local_key))
        try:
            yield service
        finally:
            if engine.problem() is None:
                service.keep_time()


def _listened(stack: ExitStack, settings: Settings, given: socket.socket | None) -> tuple[socket.socket, str]:
    """Return the socket that is listened on until the stack ends, and its URL."""
    from kaskad.web.server import listen  # late, like the app: seconds of imports

    listener = given or listen(settings.host, settings.port)
    stack.callback(listener.close)
    host, port = listener.getsockname()[:2]
    return listener, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _ask_services(service: Service, settings: Settings, errands: Errands, ingest: Ingest) -> None:
    """Ask services for what they do not tell by themselves, and hear what they tell over connections."""
    engine = service.engine
    poller = Poller(errands, ingest, engine)
    poller.start()
    Clerk(errands, ingest, engine, service.db, service.vault).start()
    LookUps(errands, ingest, engine, service.db).start()
    Forgetting(errands, engine, service.db, service.vault).start()
    if settings.resolver != "off":
        MailDomains(errands, engine, service.db, settings.name_servers).start()
    engine.listen(Hearing(engine, ingest, poller))


def _answer_requests(
    stack: ExitStack, service: Service, settings: Settings, ingest: Ingest, listener: socket.socket,
    real_time: bool,
) -> Front:  # fmt: skip
    """Answer API, pages and webhooks until the stack ends; return what answers."""
    from kaskad.web.app import LONG, build_app, short_host
    from kaskad.web.porter.porter import WORKS, Porter
    from kaskad.web.server import Server

    office, engine = service.office, service.engine
    list(PROVIDERS.values())  # read their files now, and not with the first page that lists them
    app = build_app(ingest, office.signer, service.clock.now, settings, wall_ms, office)
    porter = None
    if WORKS and real_time:
        porter = Porter(ingest, engine.world, app.hooks, settings, short_host(settings))
    server = Server(app, settings, listener, porter, frozenset(map(str.encode, LONG)))
    stack.callback(server.stop)
    stack.callback(app.close)
    server.start()
    return app


def _look_ahead(stack: ExitStack, office: Office, front: Front) -> None:
    """Make ahead what pages need, until all is made or the stack ends."""
    from kaskad.web.ahead import Ahead
    from kaskad.web.app import routes

    def is_seen() -> bool:  # … or has been of late, so that a server begun anew need not be asked first
        with office.read() as tx:
            return front.is_seen() or asked.is_wanted(office, tx)

    part = Ahead(routes(), is_seen, partial(asked.to_memory, office))
    part.start()
    stack.callback(part.stop)


def _tell_and_watch(stack: ExitStack, office: Office) -> None:
    """Tell subscribers, keep columns and watch for alarms until the stack ends."""
    from kaskad.web.pages.look import Look  # late, like the app

    herald = Herald(office.engine, office.db, office.vault, wall_ms, inside=office.inside)
    for part in (herald, Keeper(office), Watch(office, Look("ru", "").told)):
        part.start()
        stack.callback(part.stop)


def _opened(
    stack: ExitStack, settings: Settings, owner: str, url: str, time_factor: float, moves: bool,
    playground: Playground | None,
) -> Service:  # fmt: skip
    """Return the installation with its database open and held, and an engine that does not run yet."""
    db = open_database(settings.database)
    stack.callback(db.close)
    _hold(stack, db, owner, PATIENCE_S if moves else 0.0)
    _bring_up(db)
    vault = vault_of(settings)
    with db.write() as tx:
        signer = Signer([(1, _signing_key(tx, vault))])
        ahead_at = setting_store.get(tx, AHEAD, int) or 0
    clock = SystemClock(time_factor, ahead_at)
    world = World(clock, signer, _options(settings, time_factor, moves))
    engine = Engine(db, vault, world, partial(_dispatch, clock) if moves else Nobody)
    inside = read_inside(settings.private_webhooks)
    key = secrets.token_urlsafe(32)
    office = Office(db, vault, engine, signer, settings.base_url, inside, settings.antivirus, key, playground)
    stack.callback(office.renderers.close)
    return Service(office, clock, time_factor, url)


def _bring_up(db: Database) -> None:
    """Bring the tables up to this program; say so where there were some, as older ones are shut out then."""
    applied = upgrade(db)
    if applied and applied[0].number > 1:
        log.warning(
            "tables brought up to this release, an older one does not open them any more",
            database=db.name,
            before=applied[0].number - 1,
            now=applied[-1].number,
        )


def _hold(stack: ExitStack, db: Database, owner: str, patience_s: float) -> None:
    """Hold the SQLite file until the stack ends; raises Locked where another keeps it longer."""
    until_s = monotonic() + patience_s
    while True:
        try:
            stack.enter_context(db.hold(owner))
            return
        except Locked:
            if monotonic() > until_s:
                raise
            sleep(0.05)


@contextmanager
def attending(settings: Settings, owner: str) -> Iterator[Service]:
    """Answer the API for this process only, where no server runs; nothing is decided or sent meanwhile."""
    own = structs.replace(settings, listen="127.0.0.1:0")
    with serving(own, owner, base_url=settings.base_url, moves=False) as service:
        yield service


@contextmanager
def looking(settings: Settings, owner: str) -> Iterator[Office]:
    """Open the installation for a command that only looks, where no server runs; nothing listens or moves."""
    with serving(settings, owner, base_url=settings.base_url, moves=False, pages=False) as service:
        yield service.office


class Nobody:
    """Sends nothing: there is nothing to send where nothing is decided."""

    def __init__(self, _: Engine) -> None:
        pass

    def submit(self, parcels: list[Parcel]) -> None:
        """Refuse to send; raises Unavailable."""
        raise Unavailable("This process sends nothing: start `kaskad serve`.")

    def listen(self, listener: Listener) -> None:
        """Keep no connections."""

    def close(self, timeout_s: float) -> None:
        """Do nothing: nothing is under way."""


def _dispatch(clock: SystemClock, engine: Engine) -> Sender:
    return Sender(engine.world.accounts, clock.now, engine.take_results)


def vault_of(settings: Settings) -> Vault:
    """Return the vault of an installation, its key from the settings or from the file beside the database."""
    return open_vault(settings.secret_key, key_file(settings.database))


def _options(settings: Settings, factor: float, moves: bool) -> Options:
    """Return the engine's options; what is patience with machines is counted in the world's time."""
    plain = Options()
    return Options(
        base_url=settings.base_url,
        link_url=settings.link_url if settings.base_url else "",
        submit_guard_ms=int(_GUARD_MS * factor),
        inbox_patience_ms=int(plain.inbox_patience_ms * factor),
        timer_patience_ms=int(plain.timer_patience_ms * factor),
        moves=moves,
    )


def _signing_key(tx: Transaction, vault: Vault) -> bytes:
    """Return the key of links and references, made at first use and kept encrypted."""
    fresh = vault.encrypt(base64.b64encode(secrets.token_bytes(32)).decode()).decode()
    token = setting_store.put_first(tx, SIGNING, fresh, str)
    return base64.b64decode(vault.decrypt(token.encode(), str))
