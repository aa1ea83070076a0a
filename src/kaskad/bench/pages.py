"""How long the server takes for each page of the web application, over a database full of people made up."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx2
from fastapi.routing import APIRoute
from msgspec import Struct

from kaskad.actions import keys, sessions, users
from kaskad.actions.sessions import Who
from kaskad.bench import passages
from kaskad.bench.crowd import fill
from kaskad.bench.furniture import furnish
from kaskad.bench.place import Place, fresh_or_left
from kaskad.config import Settings
from kaskad.domain.errors import Conflict
from kaskad.engine import counting
from kaskad.engine.clock import wall_ms
from kaskad.store import accounts, cascades
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.vault import Vault
from kaskad.web import ahead
from kaskad.web.app import PAGES, routes
from kaskad.web.auth import SESSION_COOKIE
from kaskad.web.service import Service, serving

LIMIT_MS = 100.0  # at p95
EMAIL, PASSWORD = "owner@example.org", "a password of the benchmark"
SECRET = "of-a-database-of-the-benchmark-and-of-no-worth"
# Beside every page without a part to fill in: what a reader asks of them; {since} and {until} are days.
ASKED = (
    "/contacts?q=Person+77",
    "/contacts?reachable=sms",
    "/contacts?segment=inactive-90",
    "/contacts?list=staff",
    "/api/v1/contacts?q=p&country=NU",
    "/api/v1/runs?cascade=order&outcome=opted_out",
    "/cascades/sale/people?figure=reacted&step=sms&channel=sms",
    "/cascades/sale/figures?channel=sms",
    "/cascades/sale/figures?step=letter&variant=long",
    "/cascades/sale/figures?step=sms&channel=sms&segment=inactive-90",
    "/cascades/sale/money?since={since}&until={until}",
    "/cascades/sale/money?since={year}&until={until}",
    "/cascades/sale/optimize?look_now=1",
    "/cascades/sale/uplift?all=1",
    "/api/v1/cascades/sale/report",
    "/api/v1/cascades/sale/figures",
    "/api/v1/cascades/sale/uplift",
    "/api/v1/cascades/sale/money",
    "/api/v1/cascades/sale/launches",
    "/api/v1/cascades/sale/guard",
    "/api/v1/cascades/sale/trials",
    "/api/v1/cascades/sale/winners",
    "/api/v1/cascades/sale/forecasts",
    "/api/v1/money",
    "/api/v1/money?since={year}",
    "/api/v1/attribution",
    "/api/v1/attribution?since={since}T00:00:00Z&until={until}T00:00:00Z",
    "/api/v1/customers?event=purchase",
    "/api/v1/backtest",
    "/api/v1/complaints",
    "/api/v1/control",
    "/api/v1/complaints/mailboxes",
    "/channels/complaints?look_now=1",
    "/metrics",
)
FILTERED = tuple(
    f"/cascades/sale{page}?{query}"
    for page in ("", "/figures", "/uplift", "/people")
    for query in ("since={since}&until={until}", "version=1", "segment=inactive-90")
)
_ASSET = re.compile(r'(?:src|href)="(/static/[^"#]+)')
_COUNTING = 202  # the figures are being counted
_RUNS = 2_000  # counted in one transaction
_PART = re.compile(r"{(\w+)(?::\w+)?}")
_LEFT_OUT = ("/static/", "/live", "/ui")  # files, a stream, and what is no page of the application


class Timed(Struct, frozen=True):
    """A page, and how long it took; `first_ms` is of the first time it was asked for.

    `counted_ms` is when an answer had its figures, where that first one said that they are being counted;
    else 0. It is asked for again when that answer says, after a second: they may have been there before.

    `cpu_ms` is the processor's time of one request, with the share of who asks: on a busy machine the rest of
    what a page takes is waiting for others. `there_cpu_ms` is that of all requests until its figures were
    there for the first time, `server_ms` that of a database that has processes of its own.
    """

    path: str
    first_ms: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    kib: float
    counted_ms: float = 0.0
    there_cpu_ms: float = 0.0
    server_ms: float = 0.0

    @property
    def slow(self) -> bool:
        return self.p95_ms > LIMIT_MS


class Report(Struct, frozen=True):
    contacts: int
    runs: int
    database: str
    cores: int
    fill_s: float
    first_page_kib: float  # the overview with styles, scripts and icons, as they are sent
    timed: tuple[Timed, ...]
    not_asked: tuple[str, ...]  # pages whose address needs what this database does not have


def run(contacts: int, times: int, db: str, progress: Callable[[str], None]) -> Report:
    """Fill a new database, ask for each page so many times, and return how long it took.

    `db` may also be a file that an earlier measurement has left.
    """
    with fresh_or_left(db) as (place, filled):
        return _measured(place, contacts, times, progress, filled=filled)


def _measured(
    place: Place, contacts: int, times: int, progress: Callable[[str], None], *, filled: bool
) -> Report:
    began = time.perf_counter()
    if not filled:
        _fill(place.url, contacts, progress)
    _furnish(place.url)
    url = place.url if "://" in place.url else f"sqlite:{place.url}"
    _count(url, progress)
    place.settle()
    fill_s = time.perf_counter() - began
    settings = Settings(database=url, listen="127.0.0.1:0", resolver="off", secret_key=SECRET)
    with serving(settings, "the benchmark") as service, _signed_in(service) as client:
        for piece in ahead.pieces(routes()):  # as it is soon after the start of a server
            piece()
        paths, not_asked = _paths(client)
        timed = []
        for path in paths:
            one = _timed(client, path, times, place)
            if one is None:
                not_asked.append(path)
            else:
                timed.append(one)
                progress(f"{path}: {one.p95_ms:.0f} ms")
        whole = _first_page_kib(client)
    runs = int(place.ask("SELECT count(*) FROM runs")[0][0])
    people = int(place.ask("SELECT count(*) FROM contacts")[0][0])
    return Report(
        people, runs, place.server, os.cpu_count() or 1, fill_s, whole, tuple(timed), tuple(not_asked)
    )  # fmt: skip


def _fill(url: str, contacts: int, progress: Callable[[str], None]) -> None:
    db: Database = open_database(url)
    try:
        upgrade(db)
        fill(db, contacts, contacts, progress, now=wall_ms(), runs=passages.RUNS)
        with db.write() as tx:
            for slug, wait in (("sale", "1h"), ("order", "1h"), ("sale", "2h")):
                source = passages.CASCADE.format(slug=slug, wait=wait)
                version = cascades.save_version(tx, slug, source, 1)
                cascades.set_state(tx, version.cascade_id, "active", 1)
            for channel, minor in passages.ACCOUNTS.values():
                prices = {"minor": minor, "currency": "KZT"}
                accounts.save(tx, Vault([SECRET]), accounts.Account(
                    name=channel.value, provider="generic_webhook", channel=channel, prices=prices,
                    settings={"url": "http://127.0.0.1:1/"}, secrets={"secret": SECRET},
                ))  # fmt: skip
            tx.script("INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs")
    finally:
        db.close()


def _furnish(url: str) -> None:
    """Add what there was none of where an earlier measurement left the file."""
    db = open_database(url)
    try:
        upgrade(db)
        furnish(db, wall_ms())
    finally:
        db.close()


def _count(url: str, progress: Callable[[str], None]) -> None:
    """Count what is due, as the engine counts it where it changes."""
    db = open_database(url.removeprefix("sqlite:"))
    try:
        upgrade(db)
        counted = 0
        while taken := _counted(db):
            counted += taken
            progress(f"{counted} runs counted")
    finally:
        db.close()


def _counted(db: Database) -> int:
    with db.write() as tx:
        return counting.count(tx, _RUNS)


def _signed_in(service: Service) -> httpx2.Client:
    office = service.office
    try:
        invited = users.add(office, EMAIL, "Owner", "owner")
        user_id = users.accept(office, invited.link.partition("token=")[2], PASSWORD).id
    except Conflict:  # the file was left by an earlier measurement
        user_id = next(each.id for each in users.listing(office) if each.email == EMAIL)
    token = sessions.begin(office, Who("127.0.0.1", "kaskad bench"), user_id=user_id, name="")
    key = keys.create(office, f"bench {office.now()}", tuple(keys.SCOPES), keys.SCOPES).key
    return httpx2.Client(
        base_url=service.url, cookies={SESSION_COOKIE: token}, timeout=120, trust_env=False,
        headers={"Accept-Encoding": "gzip", "Authorization": f"Bearer {key}"},
    )  # fmt: skip


def _paths(client: httpx2.Client) -> tuple[list[str], list[str]]:
    """Return the addresses of every page, and the pages whose addresses cannot be filled in."""
    known = {"slug": "sale", "contact": _somebody(client), "step": "brand", "form": "csv"}
    found: list[str] = []
    missing: list[str] = []
    for path in sorted(set(_page_paths())):
        if set(_PART.findall(path)) <= known.keys():
            found.append(_PART.sub(lambda part: known[part[1]], path))
        else:
            missing.append(path)
    today = datetime.now(UTC).date()
    days = {name: today - timedelta(ago) for name, ago in (("since", 31), ("until", 1), ("year", 365))}
    return [*found, *(path.format(**days) for path in (*FILTERED, *ASKED))], missing


def _page_paths() -> Iterator[str]:
    for router in PAGES:
        for route in router.routes:
            if (
                isinstance(route, APIRoute)
                and "GET" in (route.methods or ())
                and not route.path.startswith(_LEFT_OUT)
            ):
                yield route.path


def _somebody(client: httpx2.Client) -> str:
    """Return a contact from the middle of the database."""
    pages = client.get("/contacts", params={"q": "Person 5"}).text
    found = re.search(r"/contacts/(con_\d+)", pages)
    return found[1] if found else "con_1"


def _timed(client: httpx2.Client, path: str, times: int, place: Place) -> Timed | None:
    """Return how long a page takes; None where it leads elsewhere, or is not there for this database."""
    took: list[float] = []
    server, used, asked = place.cpu_s(), time.process_time(), time.perf_counter()
    answer = client.get(path)
    first, counted = (time.perf_counter() - asked) * 1000, 0.0
    while answer.status_code == _COUNTING:
        time.sleep(float(answer.headers["retry-after"]))
        answer = client.get(path)
        counted = (time.perf_counter() - asked) * 1000
    if answer.status_code != 200:
        return None
    there = (time.process_time() - used) * 1000
    server = (place.cpu_s() - server) * 1000
    used = time.process_time()
    for _ in range(times):
        began = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - began) * 1000)
    cpu = (time.process_time() - used) * 1000 / times
    took.sort()
    return Timed(
        path, round(first, 1), round(took[len(took) // 2], 1),
        round(took[min(len(took) - 1, len(took) * 95 // 100)], 1), round(cpu, 1),
        round(len(answer.content) / 1024, 3), round(counted, 1), round(there, 1), round(server, 1),
    )  # fmt: skip


def _first_page_kib(client: httpx2.Client) -> float:
    page = client.get("/")
    files = set(_ASSET.findall(page.text))
    scripts = re.findall(r'src="(/static/[^"]+/js/)', page.text)
    if scripts:  # what app.js brings along
        files |= {f"{scripts[0]}{name}.js" for name in ("live", "keys")}
    sent = [page, *(client.get(each) for each in sorted(files))]
    return round(sum(_sent(each) for each in sent) / 1024, 1)


def _sent(answer: httpx2.Response) -> int:
    return int(answer.headers.get("content-length") or len(answer.content))
