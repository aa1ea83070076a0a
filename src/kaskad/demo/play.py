"""The demo put together: a folder with an installation, the sandbox around it, and a shop with its traffic.

Everything is told to Kaskad over its API, as another system would: accounts, people, cascades, events.
"""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
from msgspec import Struct

from kaskad.actions import hindsight, sign_in
from kaskad.actions.hindsight import Hindsight
from kaskad.analytics.reach import Report, report
from kaskad.config import Settings
from kaskad.demo.desk import AGENTS, Agents
from kaskad.demo.people import Person, as_csv, everywhere, invent
from kaskad.demo.shop import Shop
from kaskad.demo.traffic import Traffic
from kaskad.domain.errors import Conflict, Invalid, Locked
from kaskad.providers import provider
from kaskad.sandbox.person import Person as Recipient
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.store import cascades as cascade_store
from kaskad.store.sqlite import held
from kaskad.web.local import holder
from kaskad.web.server import Server, listen
from kaskad.web.service import Service, serving

MARK = ".kaskad-demo"  # a folder with it is ours to empty
SCENARIOS = ("abandoned-cart", "webinar", "reactivation", "ten-channels")
ENGLISH = dict(
    zip(SCENARIOS, ("Abandoned cart", "Webinar", "Reactivation", "Order that waits"), strict=True)
)  # their titles for who reads English; their people write and read Russian
SERVERS = ("smtp", "telegram", "smsc", "twilio", "fcm", "max", "vk", "viber", "whatsapp")
BRAND = {"name": "Магазин Каскад", "currency": "KZT"}
TRIED = "abandoned-cart"  # half of those who enter it get other words in the first letter
OTHER_WORDS = ("ваша корзина ждёт", "{{ trigger.item }} отложено для вас")
LAUNCHED = "reactivation"  # for those who are asleep, with a forecast before
SLEEPING = "sleeping"
SPREAD_S = 45.0  # of real time, over which carts are left behind
SHARES = (0.45, 0.65, 0.8)  # of the people: carts, then webinar, then regulars; the rest is asleep
PORT = 8_000
HERE = "localhost, 127.0.0.0/8"  # webhooks of a demo may go to a receiver beside it
LIMITS = {"concurrency": 64, "per_second": 1000, "burst": 1000}  # of a local world; real services take less
DESK = {
    "provider": "desk", "price": "300 KZT",
    "settings": {"agents": str(len(AGENTS)), "hours": "10:00-20:00", "zone": "Asia/Almaty"},
}  # fmt: skip
Say = Callable[[str], None]


class Plan(Struct, frozen=True):
    """What is asked for."""

    folder: Path
    people: int = 2_000
    time_factor: float = 3_600.0
    port: int = 0  # of Kaskad; 0: PORT, or any free one where that is taken
    seed: int = 1
    english: bool = False  # titles of cascades


class Picture(Struct, frozen=True):
    """One look at the installation: what the screen is drawn from."""

    now: int
    factor: float
    addresses: Sequence[tuple[str, str]]
    people: int
    reports: Sequence[Report]
    foretold: Sequence[Hindsight]  # the launch: what was expected of it, and what has become of it
    goals: int

    @property
    def ended(self) -> bool:
        """Return whether somebody has entered and nobody is under way any more."""
        return any(report.entered for report in self.reports) and not any(
            report.under_way or report.holdouts_under_way for report in self.reports
        )


class Play:
    """A running demo."""

    def __init__(
        self, plan: Plan, service: Service, sandbox: Sandbox, shop: Shop, shop_url: str, traffic: Traffic,
        agents: Agents, say: Say,
    ) -> None:  # fmt: skip
        self._plan, self._service, self._sandbox = plan, service, sandbox
        self._shop, self._shop_url, self._traffic = shop, shop_url, traffic
        self._agents, self._say = agents, say
        self._addresses: list[tuple[str, str]] = []

    def picture(self) -> Picture:
        """Return how it stands now."""
        office = self._service.office
        with office.read() as tx:
            reports = [
                report(tx, row.id, office.engine.world.versions[row.version_id or 0].cascade, office.now())
                for row in (cascade_store.by_slug(tx, slug) for slug in SCENARIOS)
            ]
        return Picture(
            office.now(), self._plan.time_factor, self._addresses, self._plan.people, reports,
            hindsight.of_cascade(office, LAUNCHED, 1), self._shop.sold,
        )  # fmt: skip

    def begin(self, people: Sequence[Person], client: httpx2.Client) -> None:
        """Let it all in: accounts, people, cascades; then the shop opens."""
        carts, guests, regulars, sleeping = _parts(people)
        for account in self._sandbox.accounts(self._service.base_url):
            name = str(account.pop("name"))
            _good(client.put(f"/accounts/{name}", json=account_of(account)))
        _good(client.put("/accounts/desk", json=DESK))
        _bring_in(client, as_csv([*carts, *guests, *regulars], f"{self._shop_url}/sale-"))
        _bring_in(client, as_csv(sleeping, f"{self._shop_url}/sale-"), list=SLEEPING)
        _good(client.post("/accounts/whatsapp/templates/sync"))
        _good(client.put("/brand", json=BRAND))
        for slug in SCENARIOS:
            text = (self._plan.folder / f"{slug}.yaml").read_text("utf-8")
            _draft(client, slug, text)
            _good(client.post(f"/cascades/{slug}/activate"))
            if slug == TRIED:
                _draft(client, slug, text.replace(*OTHER_WORDS))
                _good(client.post(f"/cascades/{slug}/trials", json={"arms": [{"share": 50}]}))
        pace = max(60, round(len(sleeping) * 3600 / (SPREAD_S * self._plan.time_factor)))
        expected = _counted(client, f"/cascades/{LAUNCHED}/forecast", {"list": SLEEPING})
        self._say(_words(expected))
        _good(client.post(f"/cascades/{LAUNCHED}/launch", json={"list": SLEEPING, "pace": f"{pace}/h"}))
        self._addresses = [
            ("Status and reports", sign_in.link(self._service.office, self._service.url, to="/")),
            ("Everybody's phone", self._sandbox.http_url),
        ]
        for name, address in self._addresses:
            self._say(f"{name}: {address}")
        self._traffic.start(carts, guests, regulars, sleeping)
        self._agents.start()


@contextmanager
def playing(plan: Plan, say: Say) -> Iterator[Play]:
    """Yield a demo that runs until the end of the block.

    Raises Conflict for a folder that is not its own or in use, and for a port that is asked for and taken.
    """
    people = [person for group in _parts(invent(plan.people, plan.seed)) for person in group]
    with ExitStack() as stack:
        listener = _listener(plan.port)  # before the folder is emptied: it may be refused
        stack.callback(listener.close)
        stack.enter_context(_own(plan.folder))
        shop_at = listen("127.0.0.1", 0)
        stack.callback(shop_at.close)
        shop_url = f"http://127.0.0.1:{shop_at.getsockname()[1]}"
        settings = _settle(plan, as_csv(people, f"{shop_url}/sale-"), listener.getsockname()[1])
        say(f"The sandbox: {plan.people} people with mailboxes, chats and phones, all on this machine.")
        recipients = [recipient_of(person) for person in people]
        world = SandboxConfig(
            people=recipients, time_factor=plan.time_factor, seed=plan.seed, servers=SERVERS
        )
        sandbox = stack.enter_context(running(world))
        say("Kaskad: database, engine, API and pages.")
        service = stack.enter_context(
            serving(settings, "kaskad demo", time_factor=plan.time_factor, listener=listener, ahead=True)
        )
        client = stack.enter_context(_client(service))
        shop = Shop(lambda event: _tell(client, [event]))
        server = Server(shop.app, settings, shop_at)
        server.start()
        stack.callback(server.stop)
        traffic = Traffic(
            lambda events: _tell(client, events), shop, shop_url, service.clock.now, plan.seed, SPREAD_S
        )
        stack.callback(traffic.stop)
        agents = Agents(lambda path, told: _good(client.post(path, json=told)), service.clock.now, plan.seed)
        stack.callback(agents.stop)
        play = Play(plan, service, sandbox, shop, shop_url, traffic, agents, say)
        say("Accounts, people and four cascades come in over the API.")
        play.begin(people, client)
        yield play


def _counted(client: httpx2.Client, path: str, told: Mapping[str, Any]) -> Any:
    """Return what the API answers once it has counted it, on however slow a machine."""
    while (answer := client.post(path, json=told)).status_code == 202:
        time.sleep(float(answer.headers["retry-after"]))
    return _good(answer)


def _draft(client: httpx2.Client, slug: str, text: str) -> None:
    headers = {"Content-Type": "application/yaml"}
    _good(client.put(f"/cascades/{slug}", content=text.encode(), headers=headers))


def _words(expected: Mapping[str, Any]) -> str:
    """Return what is said of a launch before it begins."""
    ranges, entering = expected["ranges"], expected["size"] - expected["held_out"]

    def likely(figure: str) -> str:
        return f"{expected[figure]} ({round(ranges[figure]['low'])} to {round(ranges[figure]['high'])})"

    return (
        f"Forecast of {LAUNCHED} before its launch: of {entering} people {likely('reached')} are to react, "
        f"by {likely('messages')} messages. What came stands beside it."
    )


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Let the folder be there, empty, and no other demo's until the end of the block; raises Conflict."""
    kept = {MARK, f"{MARK}.lock"}
    if folder.exists() and not folder.is_dir():
        raise Conflict(f"{folder} is a file: choose another folder with --folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in folder.iterdir()}
        if found - kept and MARK not in found:
            raise Conflict(f"{folder} is not empty and no earlier demo's: choose another with --folder.")
        (folder / MARK).touch()
    except OSError as error:
        raise Conflict(f"{folder} cannot be made: {error.strerror}. Choose another with --folder.") from None
    with ExitStack() as stack:
        try:
            stack.enter_context(held(folder / MARK, "kaskad demo"))
        except Locked:
            who = holder(folder / MARK) or "another demo"
        else:
            who = holder(folder / "kaskad.db")  # somebody may look at what an earlier demo has left
        if who:
            raise Conflict(f"{folder} is in use by {who}: stop it first, or choose another with --folder.")
        for path in folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        yield


def _settle(plan: Plan, people: bytes, port: int) -> Settings:
    """Fill the folder with everything that one may want to look at; return the installation's settings."""
    folder = plan.folder
    (folder / "people.csv").write_bytes(people)
    for slug in SCENARIOS:
        (folder / f"{slug}.yaml").write_text(scenario(slug, english=plan.english), encoding="utf-8")
    secret_key = secrets.token_urlsafe(32)
    toml = folder / "kaskad.toml"
    toml.touch(mode=0o600)
    toml.write_text(
        f'database = "sqlite:kaskad.db"\nsecret_key = "{secret_key}"\nprivate_webhooks = "{HERE}"\n',
        encoding="utf-8",
    )
    return Settings(
        database=f"sqlite:{folder / 'kaskad.db'}", listen=f"127.0.0.1:{port}", secret_key=secret_key,
        private_webhooks=HERE,
    )  # fmt: skip


def scenario(slug: str, *, english: bool) -> str:
    """Return the definition of one of the demo's cascades, with an English title or its own."""
    text = files("kaskad.demo").joinpath(f"scenarios/{slug}.yaml").read_text("utf-8")
    return re.sub(r"(?m)^title: .*$", f"title: {ENGLISH[slug]}", text, count=1) if english else text


def _listener(port: int) -> socket.socket:
    """Return a socket at the port; 0: at PORT, or any free one. It stays ours from here on."""
    if port:
        return listen("127.0.0.1", port)
    try:
        return listen("127.0.0.1", PORT)
    except Conflict:
        return listen("127.0.0.1", 0)


def _client(service: Service) -> httpx2.Client:
    return httpx2.Client(
        base_url=f"{service.url}/api/v1", timeout=60.0, trust_env=False,
        headers={"Authorization": f"Bearer {service.office.local_key}"},
    )  # fmt: skip


def _tell(client: httpx2.Client, events: Sequence[Mapping[str, Any]]) -> None:
    _good(client.post("/events", json=list(events)))


def _good(answer: httpx2.Response) -> Any:
    """Return what the API answers; raises Invalid, with what it says, unless it was done."""
    if answer.status_code >= 300:
        raise Invalid([f"{answer.request.method} {answer.request.url.path}: {answer.text}"])
    return answer.json() if answer.content else None


def account_of(told: Mapping[str, Any]) -> dict[str, object]:
    """Return an account of an accounts.yaml as the API takes it: settings and secrets apart, as texts."""
    secret = {one.name for one in provider(told["provider"]).settings if one.secret}
    values = {name: str(value) for name, value in told["settings"].items()}
    return {
        "provider": told["provider"],
        "settings": {name: value for name, value in values.items() if name not in secret},
        "secrets": {name: value for name, value in values.items() if name in secret},
        "price": told["price"],
        "limits": LIMITS,
    }


def _bring_in(client: httpx2.Client, file: bytes, **more: str) -> None:
    query = {"source": "people.csv", "country": "KZ", "wait_s": "30", **more}
    headers = {"Content-Type": "text/csv"}
    told = _good(client.post("/contacts/import", content=file, params=query, headers=headers))
    if told["state"] != "done" or told["rejected"]:
        raise Invalid([f"The demo's people were not taken: {told}"])


def _parts(people: Sequence[Person]) -> tuple[Sequence[Person], ...]:
    ends = [0, *(round(len(people) * share) for share in SHARES), len(people)]
    carts, guests, regulars, sleeping = (people[start:end] for start, end in pairwise(ends))
    return carts, guests, [everywhere(person) for person in regulars], sleeping


def recipient_of(person: Person) -> Recipient:
    return Recipient(
        key=person.id, name=f"{person.name}, {person.city}", email=person.email, phone=person.phone,
        chat_id=person.telegram, language=person.language, zone=person.zone,
        ids={"push": person.push, "max": person.max, "vk": person.vk, "viber": person.viber},
    )  # fmt: skip
