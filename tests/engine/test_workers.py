"""Several processes on one PostgreSQL database: two that move runs, and one that only takes what arrives."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from kaskad.actions import contacts as contact_actions
from kaskad.actions import suppressions as stop_list
from kaskad.actions.contacts import ToldAddress
from kaskad.actions.office import Office
from kaskad.domain.errors import Uncertain
from kaskad.domain.ids import contact_text
from kaskad.domain.policy import HOUR, Policy, SpendingLimit
from kaskad.domain.terms import Channel, Kind, Reason, Suppressed
from kaskad.domain.tokens import Signer
from kaskad.engine import backlog, merging, spending
from kaskad.engine.arrival import Arrival
from kaskad.engine.catalog import POLICY
from kaskad.engine.clock import SystemClock
from kaskad.engine.engine import Engine
from kaskad.engine.ingest import Ingest
from kaskad.engine.parcel import Parcel
from kaskad.engine.purse import Purse
from kaskad.engine.receive import Delivery
from kaskad.engine.world import Options, World
from kaskad.store import accounts, cascades, contacts, crowd, settings, suppressions
from kaskad.store import runs as run_store
from kaskad.store.db import Database, Transaction, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.postgres import PostgresDatabase, PostgresTransaction
from support.faults import until
from support.plain import LETTER_AND_SMS
from support.postgres import PostgresServer
from support.relay import relayed
from support.stage import HASH_KEY, KEYS, VAULT, Stage, accepted, refused

THREE = """
cascade: three
title: Three
class: service
topic: news
trigger: {broadcast: everybody}
steps:
  - {id: one, channel: whatsapp, text: "1", success: read, wait: 1s}
  - {id: two, channel: viber, text: "2", success: read, wait: 1s}
  - {id: three, channel: vk, text: "3", success: read, wait: 1s}
"""
CHANNELS = (Channel.WHATSAPP, Channel.VIBER, Channel.VK)
INTAKE = Options(base_url="https://go.example.org", moves=False)


class Process:
    """What one process has of its own: connections, memory, an engine, and what it has sent."""

    def __init__(self, url: str, options: Options) -> None:
        self.db = open_database(url)
        self.clock = SystemClock()
        self.parcels: list[tuple[float, Parcel]] = []
        world = World(self.clock, Signer(KEYS), options)
        self.engine = Engine(self.db, VAULT, world, lambda engine: self)

    def submit(self, parcels: list[Parcel]) -> None:
        self.parcels += [(time.monotonic(), parcel) for parcel in parcels]
        now = self.clock.now()
        receipts = [Arrival(p.contact_id, p.run_id, p.step, Kind.DELIVERED.value, "d", now) for p in parcels]
        self.engine.take_results([accepted(parcel, now) for parcel in parcels])
        self.engine.deliver(Delivery(None, arrivals=receipts))

    def close(self, timeout_s: float) -> None:
        pass

    def stop(self) -> None:
        self.engine.stop()
        self.db.close()


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """A database in four parts with everything but people."""
    url = postgres.create()
    db = open_database(url)
    upgrade(db, partitions=4)
    with db.write() as tx:
        settings.put(tx, POLICY, Policy.unlimited())
        for channel in CHANNELS:
            accounts.save(tx, VAULT, accounts.Account(
                name=channel.value, provider="generic_webhook", channel=channel,
                settings={"url": "https://provider.example.org/", "idempotent": "no"},
                limits={"concurrency": 1_000, "per_second": 1e6, "burst": 100_000},
            ))  # fmt: skip
    db.close()
    yield url
    postgres.drop(url)


@pytest.fixture
def twin(postgres: PostgresServer) -> Iterator[tuple[Stage, Database]]:
    """An engine with a hand-moved clock, and what another process has of the same database."""
    url = postgres.create()
    own, other = open_database(url), open_database(url)
    upgrade(own)
    yield Stage(own), other
    own.close()
    other.close()
    postgres.drop(url)


def everybody(db: Database, number: int) -> list[int]:
    """Make people and begin a broadcast to them."""
    with db.write() as tx:
        told = [
            contacts.Contact(
                external_id=f"c{n}", zone="UTC",
                addresses=[contacts.Address(channel, f"{channel}{n}") for channel in CHANNELS],
                consents=[contacts.Consent(granted=True, at=1, proof="{}")],
            )
            for n in range(number)
        ]  # fmt: skip
        ids = contacts.upsert(tx, HASH_KEY, told, 1)
        row = cascades.save_version(tx, "three", THREE, 1)
        cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)
        cascades.launch(tx, row.id, None, 0, 1)
    return ids


def live(db: Database) -> int:
    with db.read() as tx:
        return sum(run.outcome is None for run in runs_of(tx, range(1, 10_000)))


def runs_of(tx: Transaction, ids: range) -> list[run_store.Run]:
    return [run for runs in run_store.of_contacts(tx, ids).values() for run in runs]


def test_two_workers_and_an_intake_lose_nobody_and_send_nothing_twice_nor_to_who_has_read(url: str) -> None:
    workers = [Process(url, Options(due_limit=40, enrol_limit=40)) for _ in range(2)]
    intake = Process(url, INTAKE)
    people = everybody(intake.db, 300)
    for process in (*workers, intake):
        process.engine.start()
    read: dict[int, tuple[float, Future[None]]] = {}
    seen: set[int] = set()
    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            for _, parcel in [*workers[0].parcels, *workers[1].parcels]:
                if parcel.contact_id % 3 == parcel.step and parcel.contact_id not in seen:
                    seen.add(parcel.contact_id)
                    read_by(intake, parcel, read)
            with intake.db.read() as tx:
                if len(runs_of(tx, range(1, 10_000))) == 300 and not live(intake.db):
                    break
            time.sleep(0.01)
    finally:
        for process in (*workers, intake):
            process.stop()
    check(url, people, workers, read)


def read_by(intake: Process, parcel: Parcel, read: dict[int, tuple[float, Future[None]]]) -> None:
    """The person reads a message; note when we were told that this is kept."""
    now = intake.clock.now()
    arrival = Arrival(parcel.contact_id, parcel.run_id, parcel.step, Kind.READ.value, "r", now)
    future = intake.engine.deliver(Delivery(Future(), arrivals=[arrival]))
    future.add_done_callback(lambda _: read.__setitem__(parcel.contact_id, (intake.clock.now(), future)))


def check(
    url: str, people: list[int], workers: list[Process], read: dict[int, tuple[float, Future[None]]]
) -> None:
    sent = [parcel for worker in workers for _, parcel in worker.parcels]
    twice = Counter((parcel.contact_id, parcel.run_id, parcel.step) for parcel in sent)
    assert set(twice.values()) == {1}
    assert {parcel.contact_id for parcel in sent} == set(people)
    assert all(worker.parcels for worker in workers), "one of the workers did nothing"
    assert len(read) > 200
    for parcel in sent:
        told_at, future = read.get(parcel.contact_id, (parcel.outgoing.at, None))
        assert future is None or future.result() is not None
        assert parcel.outgoing.at <= told_at, "a timer has overtaken a fact that was answered"
    steps = Counter(parcel.contact_id for parcel in sent)
    assert all(steps[contact_id] == 3 for contact_id in people if contact_id not in read)
    db = open_database(url)
    with db.read() as tx:
        runs = runs_of(tx, range(1, 10_000))
        assert len(runs) == 300
        assert all(run.outcome is not None for run in runs)
        assert tx.one("oldest_inbox") == (None,)
        facts = Counter(row[0] for run in runs for row in facts_of(tx, run))
        assert facts[Kind.DELIVERED.value] == len(sent)
        assert facts[Kind.READ.value] == len(read)
    db.close()


def facts_of(tx: Transaction, run: run_store.Run) -> list[tuple[int]]:
    rows = tx.all("facts_of_run", contact_id=run.contact_id, run_id=run.id)
    return [(row[1],) for row in rows]


def begun(stage: Stage) -> int:
    """Bring a person to the end of the first step's time; return the contact's id."""
    stage.cascade(THREE.replace("broadcast: everybody", "event: left"))
    ann = stage.person("ann")
    stage.event(ann, "left")
    assert stage.sent(ann) == ["one"]
    stage.clock.at += 2_000
    return ann


def test_a_run_that_another_worker_has_is_left_to_it_without_waiting(twin: tuple[Stage, Database]) -> None:
    stage, other = twin
    ann = begun(stage)
    with other.write() as tx:
        assert [run.contact_id for run in run_store.claim_due(tx, stage.clock.now(), 10)] == [ann]
        stage.works()
        assert stage.sent(ann) == ["one"]
    stage.works()
    assert stage.sent(ann) == ["one", "two"]


def test_sums_that_all_processes_share_are_written_when_nothing_else_is_left_to_do(
    twin: tuple[Stage, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has written one keeps all others from it until its commit: they would wait for a whole tick."""
    stage, _ = twin
    for channel in CHANNELS:
        stage.account(channel, channel.value, prices={"minor": 150, "currency": "KZT"})
    stage.cascade(THREE.replace("broadcast: everybody", "event: left"))
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.answer = lambda parcel: None
    stage.event(ann, "left")
    stage.engine.take_results([refused(stage.parcels[-1], stage.clock.now(), Reason.INVALID_ADDRESS)])
    stage.engine.deliver(Delivery(None, events=[stage.told(bob, "left")]))
    names: list[str] = []
    send = PostgresTransaction._send

    def noted(self: PostgresTransaction, text: bytes, params: Mapping[str, Any]) -> object:
        names.append(text.decode())
        return send(self, text, params)

    monkeypatch.setattr(PostgresTransaction, "_send", noted)
    stage.engine._tick()
    shared = [at for at, text in enumerate(names) if "cascades SET" in text or "INTO held_by_day" in text]
    assert len(shared) == 2, "what was given back and what is held now are one sum"
    assert shared == [len(names) - 2, len(names) - 1]
    assert stage.sent(ann) == ["one", "two"]
    assert stage.sent(bob) == ["one"]


def beside(stage: Stage, other: Database, parcels: list[Parcel]) -> Engine:
    """Return another engine at the same hour, which adds what it sends to `parcels`."""
    world = World(stage.clock, Signer(KEYS), Options(base_url="https://go.example.org"))
    return Engine(other, VAULT, world, lambda engine: _Sink(parcels))


class _Sink:
    def __init__(self, parcels: list[Parcel]) -> None:
        self._parcels = parcels

    def submit(self, parcels: list[Parcel]) -> None:
        self._parcels += parcels

    def close(self, timeout_s: float) -> None:
        pass


def waits_for_a_lock(db: Database) -> bool:
    """Return whether a transaction of this database waits for another one."""
    assert isinstance(db, PostgresDatabase)
    with psycopg.connect(db._url) as connection:
        asked = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return connection.execute(asked).fetchone() is not None


def paid(stage: Stage, *budgets: SpendingLimit) -> None:
    """Let every message cost 10 KZT, and these budgets hold."""
    with stage.db.write() as tx:
        settings.put(tx, POLICY, replace(Policy.unlimited(), budgets=budgets))
    for channel in CHANNELS:
        stage.account(channel, channel.value, prices={"minor": 1_000, "currency": "KZT"})


@pytest.mark.parametrize("whose", ["accounts", "cascades"])
def test_two_that_look_at_budgets_and_write_the_same_sums_do_not_wait_for_each_other(
    twin: tuple[Stage, Database], monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """One has looked at a budget when the other one comes, who has written something before it looks."""
    stage, other = twin
    paid(stage, *[SpendingLimit("100000 KZT", "month")] * (whose == "accounts"))
    own = "steps:" if whose == "accounts" else "budget: {total: 100000 KZT}\nsteps:"
    for name in ("first", "second"):
        text = THREE.replace("cascade: three", f"cascade: {name}").replace("steps:", own)
        stage.cascade(text.replace("broadcast: everybody", f"event: {name}"))
    people = [stage.person(name) for name in ("ann", "bob", "cid", "dan")]
    stage.answer = lambda parcel: None
    stage.event(people[0], "second")
    failed = refused(stage.parcels[-1], stage.clock.now(), Reason.INVALID_ADDRESS)
    parcels: list[Parcel] = []
    engine = beside(stage, other, parcels)
    engine.deliver(Delivery(None, events=[stage.told(people[2], "first"), stage.told(people[3], "second")]))
    looks = threading.Event()
    place: object = spending if whose == "accounts" else Purse
    name = "spent" if whose == "accounts" else "held"
    look = getattr(place, name)

    def looked(*given: object) -> object:
        if threading.current_thread().name.startswith("other") and not looks.is_set():
            looks.set()
            until(lambda: waits_for_a_lock(other))
        return look(*given)

    monkeypatch.setattr(place, name, looked)
    with ThreadPoolExecutor(1, "other") as pool:
        ticking = pool.submit(engine._tick)
        assert looks.wait(20)
        stage.engine.take_results([failed])
        stage.engine.deliver(
            Delivery(None, events=[stage.told(people[1], "second"), stage.told(people[1], "first")])
        )
        stage.engine._tick()
        ticking.result(20)
    assert (stage.engine.repeated, engine.repeated) == (0, 0)
    assert stage.sent(people[0]) == ["one", "two"]
    assert stage.sent(people[1]) == ["one", "one"]
    assert {parcel.contact_id for parcel in parcels} == set(people[2:])


@pytest.mark.parametrize("how", ["person", "address", "domain"])
def test_a_stop_told_to_one_process_waits_for_who_decides_about_the_person_in_another(
    twin: tuple[Stage, Database], how: str
) -> None:
    stage, other = twin
    stage.cascade(LETTER_AND_SMS)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.clock.at += 25 * HOUR
    beside = stage.beside(other, INTAKE)
    office = Office(other, VAULT, beside.engine, stage.world.signer, "")
    mail = ToldAddress(Channel.EMAIL, "ann@email.example.org", "/address")

    def stop() -> int:
        if how == "person":
            return contact_actions.suppress(office, contact_text(ann), [mail], Suppressed.MANUAL)
        told = ([mail], []) if how == "address" else ([], ["email.example.org"])
        return stop_list.add(office, *told, Suppressed.MANUAL)

    beside.engine.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            with stage.db.write() as tx:
                assert run_store.claim_due(tx, stage.clock.now(), 10)
                asked = pool.submit(stop)
                with pytest.raises(TimeoutError):
                    asked.result(0.5)
            assert asked.result(20) == 1
    finally:
        beside.engine.stop()


def test_a_file_and_a_tick_that_puts_numbers_on_the_stop_list_do_not_wait_for_each_other(
    twin: tuple[Stage, Database],
) -> None:
    stage, other = twin
    stage.cascade(LETTER_AND_SMS)
    ann = stage.person("ann")
    stage.event(ann, "joined")
    stage.clock.at += 25 * HOUR
    number, now = (Channel.SMS, "ann@sms.example.org"), stage.clock.now()
    told = crowd.Told("ann", "UTC", None, None, None, "{}", None, (), ())

    def bring_in() -> crowd.Came:
        with other.write() as tx:
            return crowd.save(tx, HASH_KEY, [told], now)

    with ThreadPoolExecutor(1) as pool:
        with stage.db.write() as tx:
            assert run_store.claim_due(tx, now, 10)
            asked = pool.submit(bring_in)
            until(lambda: waits_for_a_lock(other))
            assert suppressions.suppress(tx, HASH_KEY, [number], Suppressed.CARRIER_REFUSAL.value, now) == 1
        assert asked.result(20).ids == [ann]


@pytest.mark.parametrize("again", [False, True])
def test_a_merge_and_a_tick_that_puts_numbers_on_the_stop_list_do_not_wait_for_each_other(
    twin: tuple[Stage, Database], again: bool
) -> None:
    stage, other = twin
    stage.cascade(LETTER_AND_SMS)
    ann, anna = stage.person("ann"), stage.person("anna")
    stage.event(ann, "joined")
    stage.clock.at += 25 * HOUR
    number, now = (Channel.SMS, "ann@sms.example.org"), stage.clock.now()
    world = stage.beside(other).world

    def unite() -> merging.Merged | bool:
        with other.write() as tx:
            if again:
                return merging.take_over(tx, world, anna, now)
            return merging.merge(tx, world, ann, anna, "test", now)

    if again:
        with stage.db.write() as tx:
            merging.merge(tx, stage.world, ann, anna, "test", now)
            tx.many("put_events", [(anna, "late", "left", now, "{}")])
    with ThreadPoolExecutor(1) as pool:
        with stage.db.write() as tx:
            assert run_store.claim_due(tx, now, 10)
            asked = pool.submit(unite)
            until(lambda: waits_for_a_lock(other) or asked.done())
            assert suppressions.suppress(tx, HASH_KEY, [number], Suppressed.CARRIER_REFUSAL.value, now) == 1
        assert asked.result(20)


def test_a_tick_that_waits_in_a_ring_with_another_at_a_budget_is_repeated(
    twin: tuple[Stage, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, other = twin
    paid(stage, SpendingLimit("100000 KZT", "month"))
    cascade_id = stage.cascade(THREE.replace("broadcast: everybody", "event: left"))
    ann = stage.person("ann")
    held, spends, tries = threading.Event(), threading.Event(), count()
    spent = spending.spent

    def looked(tx: Transaction, *given: Any) -> object:
        if not next(tries):
            spends.set()
            assert held.wait(20)
            until(lambda: waits_for_a_lock(other))
            tx.one("reserved_money", id=cascade_id + 1)  # waits for the other one, who waits for us
        return spent(tx, *given)

    def wait_for_each_other() -> None:
        with other.write() as tx:
            tx.script("SET LOCAL deadlock_timeout = '1min'")  # the tick sees the ring first, and is refused
            assert tx.one("reserved_money", id=cascade_id + 1)
            held.set()
            assert spends.wait(20)
            tx.one("lock_spending")

    stage.cascade(THREE.replace("cascade: three", "cascade: other"))
    monkeypatch.setattr(spending, "spent", looked)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_for_each_other)
        stage.event(ann, "left")
        waiting.result(20)
    assert stage.engine.repeated == 1
    assert stage.sent(ann) == ["one"]


def test_what_is_due_and_waits_for_the_inbox_is_looked_at_soon(
    twin: tuple[Stage, Database],
) -> None:
    stage, other = twin
    ann = begun(stage)
    now = stage.clock.now()
    with other.write() as tx:
        tx.many("put_inbox", [(now, ann, stage.run(ann).id, 0, Kind.READ.value, "r", now, None)])
    with other.write() as tx:
        assert tx.all("take_inbox", limit=10)
        stage.engine._tick()
        assert stage.engine.next_at == now + 10
    stage.works()
    assert stage.outcome(ann) == "responded"


def test_intake_waits_for_a_tick_that_is_deciding_and_then_keeps_timers_away(
    twin: tuple[Stage, Database],
) -> None:
    stage, other = twin
    ann = begun(stage)
    intake = Engine(other, VAULT, World(stage.clock, Signer(KEYS), INTAKE), lambda engine: stage)
    run = stage.run(ann)
    fact = Arrival(ann, run.id, 0, Kind.READ.value, "r", stage.clock.now())
    future: Future[None] = intake.deliver(Delivery(Future(), arrivals=[fact]))
    with ThreadPoolExecutor(1) as pool:
        with stage.db.write() as tx:
            assert run_store.claim_due(tx, stage.clock.now(), 10)
            ticking = pool.submit(intake._work)
            time.sleep(0.2)
            assert not future.done(), "it was answered while somebody was deciding without it"
        ticking.result(30)
    assert future.done()
    with other.write() as tx:
        assert run_store.claim_due(tx, stage.clock.now(), 10) == [], "a timer before the inbox"
    stage.works()
    assert stage.sent(ann) == ["one"]
    assert stage.outcome(ann) == "responded"


def test_a_fact_that_comes_between_the_look_at_the_inbox_and_the_lock_is_not_overtaken(
    twin: tuple[Stage, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, other = twin
    ann = begun(stage)
    row = (stage.clock.now(), ann, stage.run(ann).id, 0, Kind.READ.value, "r", stage.clock.now(), None)
    numbers = count()

    def claim(tx: Transaction, now: int, limit: int) -> list[run_store.Run]:
        claimed = run_store.claim_due(tx, now, limit)
        if not next(numbers):
            with other.write() as elsewhere:
                elsewhere.many("put_inbox", [row])
        return claimed

    monkeypatch.setattr(backlog, "run_store", _Claiming(claim))
    stage.works()
    stage.works()
    assert stage.sent(ann) == ["one"]
    assert stage.outcome(ann) == "responded"


class _Claiming:
    """The store's runs, claimed in another way."""

    def __init__(self, claim: object) -> None:
        self.claim_due = claim

    def __getattr__(self, name: str) -> object:
        return getattr(run_store, name)


def test_an_intake_that_is_stopped_has_kept_all_that_it_has_answered(url: str) -> None:
    intake = Process(url, INTAKE)
    everybody(intake.db, 1)
    intake.engine.start()
    futures = [
        intake.engine.deliver(
            Delivery(Future(), arrivals=[Arrival(1, 0, -1, Kind.CANCELLED.value, f"{n}", 1)])
        )
        for n in range(50)
    ]
    intake.engine.stop()
    assert all(future.done() for future in futures)
    answered = sum(future.exception() is None for future in futures)
    with intake.db.read() as tx:
        assert len(tx.among("inbox_contacts", [1])) == answered
    intake.db.close()


def test_what_another_process_changes_is_noticed(url: str) -> None:
    worker, intake = Process(url, Options()), Process(url, INTAKE)
    worker.engine.start()
    people = everybody(intake.db, 5)
    until(lambda: {parcel.contact_id for _, parcel in worker.parcels} == set(people))
    worker.stop()
    intake.stop()


def test_a_change_of_which_nobody_knows_whether_it_was_kept_is_not_made_again(url: str) -> None:
    with relayed(url) as relay:
        process = Process(relay.url, INTAKE)
        with process.db.write() as tx:
            tx.script("CREATE TABLE tries (number BIGINT)")
        lost = process.engine.write(lambda tx: tx.script("INSERT INTO tries VALUES (1)"))
        relay.cut_commits = 1
        process.engine._do_writes()
        with pytest.raises(Uncertain, match="unknown"):
            lost.result(0)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT number FROM tries").fetchall() == [(1,)]
        next_one = process.engine.write(lambda tx: tx.script("INSERT INTO tries VALUES (2)"))
        process.engine._do_writes()
        next_one.result(0)
        process.stop()


def test_whoever_asks_is_told_while_no_connection_is_to_be_had_and_no_longer(url: str) -> None:
    with relayed(url) as relay:
        process = Process(relay.url, INTAKE)
        intake = Ingest(process.engine, process.db)
        process.engine.start()
        try:
            until(lambda: process.engine.ticks > 0)
            assert intake.problem() is None
            relay.away = True
            relay.cut()
            until(lambda: intake.problem() is not None)
            assert "cannot be reached" in str(intake.problem())
            assert process.engine.problem() is None, "it goes on trying"
            relay.away = False
            until(lambda: intake.problem() is None)
        finally:
            relay.away = False
            process.stop()
