"""What HTTP has taken becomes facts: durable, counted once, and of people only."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.money import Price
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind, Outcome, Reason
from kaskad.domain.tokens import HONEYPOT, PIXEL, Signer
from kaskad.engine.clock import HandClock
from kaskad.engine.engine import Engine
from kaskad.engine.ingest import Ingest
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.receive import Delivery
from kaskad.engine.reports import ENOUGH
from kaskad.engine.world import Options, World
from kaskad.providers.base import Account, Inbound, Receipt
from kaskad.store import accounts, cascades, contacts, settings
from kaskad.store.db import Transaction
from kaskad.store.vault import Vault
from support.databases import migrated

START = 1_790_000_000_000
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
DEFINITION = """
cascade: greeting
title: Greeting
class: service
topic: greetings
trigger: {event: joined, key: plan}
steps:
  - {id: chat, channel: whatsapp, text: "Hello: {{ link('https://example.org/a') }}", wait: 6h}
  - {id: letter, channel: email, subject: Hello, html: "<a href='https://example.org/b'>b</a>", wait: 6h}
"""


class Taker:
    """A dispatcher that takes everything at once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.parcels: list[Parcel] = []

    def submit(self, parcels: list[Parcel]) -> None:
        self.parcels += parcels
        at = self.engine.world.clock.now()
        self.engine.take_results([
            Result(p.contact_id, p.run_id, p.step, p.attempt, p.account_id, at, kind=Kind.SENT)
            for p in parcels
        ])  # fmt: skip

    def close(self, timeout_s: float) -> None:
        pass


class Site:
    """An engine in its thread with one contact who has been sent a chat message."""

    def __init__(self, path: Path) -> None:
        self.clock = HandClock(START)
        self.db = migrated(path)
        vault = Vault(["v" * 40])
        with self.db.write() as tx:
            settings.put(tx, "policy", Policy.unlimited())
            row = cascades.save_version(tx, "greeting", DEFINITION, START)
            cascades.set_state(tx, row.cascade_id, "active", START)
            for channel in ("whatsapp", "email"):
                accounts.save(tx, vault, accounts.Account(
                    name=channel, provider="generic_webhook", channel=Channel(channel),
                    prices={"minor": 100, "currency": "KZT"},
                ))  # fmt: skip
            addresses = [
                contacts.Address(Channel.WHATSAPP, "+77010000001"),
                contacts.Address(Channel.EMAIL, "a@example.org"),
            ]  # fmt: skip
            contacts.upsert(tx, b"k" * 32, [contacts.Contact(external_id="c1", addresses=addresses)], START)
        self.world = World(self.clock, Signer([(1, b"s" * 32)]), Options(base_url="https://go.example.org"))
        self.engine = Engine(self.db, vault, self.world, Taker)
        self.ingest = Ingest(self.engine, self.db)
        self.engine.start()
        joined = EventIn("e1", "joined", ContactRef(external_id="c1"), START, {"plan": "basic"})
        assert self.ingest.events([joined]).result(30) == [None]
        self.passes(0)
        self.message: tuple[int, int, int] = self.rows("messages", "contact_id, run_id, step")[0]
        self.reference = self.world.signer.reference(*self.message, self.account.id)

    @property
    def account(self) -> Account:
        found = self.ingest.account("whatsapp")
        assert found is not None
        return found[0]

    def passes(self, ms: int) -> None:
        """Let time pass, and two ticks run."""
        self.clock.at += ms
        for _ in range(2):
            self.engine.deliver(Delivery(Future())).result(30)

    def told(self, *receipts: Receipt | Inbound, problem: str | None = None) -> None:
        self.ingest.receipts(self.account, receipts, {"x-a": "b", "cookie": "c"}, b"{}", problem).result(30)

    def clicks(self, link: int = 0, agent: str = BROWSER, method: str = "GET") -> None:
        self.ingest.hit(self.message, link, method, "198.51.100.7", agent).result(30)

    def rows(self, table: str, columns: str, where: str = "1 = 1") -> list[tuple[Any, ...]]:
        connection = self.db._writer  # type: ignore[attr-defined]
        with self.db._lock:  # type: ignore[attr-defined]
            return list(connection.execute(f"SELECT {columns} FROM {table} WHERE {where}"))

    def facts(self) -> list[str]:
        return sorted(Kind(row[0]).name for row in self.rows("facts", "kind", "step >= 0"))

    def outcome(self) -> str | None:
        code = self.rows("runs", "outcome")[0][0]
        return None if code is None else Outcome.of(code).value


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "kaskad.db")
    yield site
    site.engine.stop()
    site.db.close()


def test_a_receipt_counts_only_from_the_account_that_sent_the_message(site: Site) -> None:
    other, _ = site.ingest.account("email") or (None, None)
    assert other is not None
    told = [Receipt(kind=Kind.DELIVERED, reference=site.reference, event="e-7", at=START - 5)]
    site.ingest.receipts(other, told, {}, b"{}", None).result(30)
    assert site.facts() == []
    site.told(*told)
    assert site.facts() == ["DELIVERED"]


def test_a_receipt_is_found_by_our_reference_and_kept_raw(site: Site) -> None:
    site.told(Receipt(kind=Kind.DELIVERED, reference=site.reference, event="e-7", at=START - 5))
    assert site.rows("facts", "kind, event, at") == [(Kind.DELIVERED, "e-7", START - 5)]
    assert site.rows("raw_webhooks", "headers, body, problem") == [('{"x-a":"b"}', b"{}", None)]


def test_a_secret_by_which_a_service_proves_itself_is_not_kept_with_its_webhook(site: Site) -> None:
    account = msgspec.structs.replace(
        site.account, secrets={"secret": "word-of-the-shop", "old": "7", "no": ""}
    )
    headers = {
        "x-bot-api-secret-token": "word-of-the-shop",
        "x-key": "a 7 b",
        "authorization": "x",
        "x-a": "b",
    }
    body = b'{"secret": "word-of-the-shop", "id": 7}'
    site.ingest.receipts(account, [], headers, body, None).result(30)
    assert site.rows("raw_webhooks", "headers, body") == [('{"x-a":"b"}', b'{"secret": "***", "id": 7}')]


@pytest.mark.parametrize("left, right", [("[", "]"), ("%5B", "%5D"), ("%5b", "%5d")])
def test_keys_that_a_crm_hands_us_with_each_event_are_not_kept(site: Site, left: str, right: str) -> None:
    account = msgspec.structs.replace(site.account, provider="bitrix24")
    parts = {
        "access_token": "s6p6",
        "domain": "a.example.org",
        "refresh_token": "4s38",
        "application_token": "51",
    }
    told = "&".join(f"auth{left}{name}{right}={value}" for name, value in parts.items())
    site.ingest.receipts(account, [], {}, f"event=X&{told}&ts=1".encode(), None).result(30)
    ((body,),) = site.rows("raw_webhooks", "body")
    kept = dict(parse_qsl(body.decode()))
    assert kept == {
        "event": "X", "auth[access_token]": "***", "auth[domain]": "a.example.org",
        "auth[refresh_token]": "***", "auth[application_token]": "***", "ts": "1",
    }  # fmt: skip


def test_a_receipt_without_an_id_counts_once_for_its_kind(site: Site) -> None:
    for _ in range(3):
        site.told(Receipt(kind=Kind.DELIVERED, reference=site.reference))
    site.told(Receipt(kind=Kind.READ, reference=site.reference))
    assert site.facts() == ["DELIVERED", "READ"]


def test_a_receipt_from_the_future_happened_now(site: Site) -> None:
    site.told(Receipt(kind=Kind.DELIVERED, reference=site.reference, at=START + 10**9))
    assert site.rows("facts", "at") == [(START,)]


def test_where_time_runs_faster_the_payloads_instant_means_nothing(site: Site) -> None:
    fast = Ingest(site.engine, site.db, real_time=False)
    told = Receipt(kind=Kind.DELIVERED, reference=site.reference, at=START - 10**9)
    fast.receipts(site.account, [told], {}, b"", None).result(30)
    assert site.rows("facts", "at") == [(START,)]


def test_a_receipt_by_the_providers_id_waits_until_we_know_the_id(site: Site) -> None:
    site.told(Receipt(kind=Kind.DELIVERED, provider_id="p-1", event="e-1"))
    assert site.rows("orphans", "provider_id, kind, event") == [("p-1", Kind.DELIVERED, "e-1")]


def test_a_letter_that_postgresql_cannot_keep_is_left_out_of_a_providers_ids(site: Site) -> None:
    site.told(Receipt(kind=Kind.DELIVERED, provider_id="p\0-1", event="e\0-1"))
    assert site.rows("orphans", "provider_id, event") == [("p-1", "e-1")]


@pytest.mark.parametrize(
    "told", [Receipt(kind=None, name="odd", reference="x"), Receipt(kind=Kind.READ, reference="forged"),
             Receipt(kind=Kind.READ)],
)  # fmt: skip
def test_what_means_no_message_of_ours_is_kept_raw_only(site: Site, told: Receipt) -> None:
    site.told(told, problem="why")
    assert site.facts() == []
    assert site.rows("raw_webhooks", "problem") == [("why",)]


def test_the_reason_and_the_price_of_a_receipt_count(site: Site) -> None:
    from kaskad.domain.cascade import Money

    site.told(Receipt(kind=Kind.FAILED, reference=site.reference, reason=Reason.INVALID_ADDRESS,
                      cost=Money(144, "KZT")))  # fmt: skip
    assert site.rows("messages", "reason, cost", "step = 0") == [(Reason.INVALID_ADDRESS.code, 144)]
    assert site.rows("addresses", "health", "channel = 3") == [(1,)]


def test_a_price_in_another_currency_is_not_added_up(site: Site) -> None:
    from kaskad.domain.cascade import Money

    assert site.account.price == Price(100, "KZT")
    site.told(Receipt(kind=Kind.DELIVERED, reference=site.reference, cost=Money(144, "RUB")))
    assert site.rows("messages", "cost", "step = 0") == [(None,)]


def test_a_reply_by_address_answers_the_last_message_there(site: Site) -> None:
    reply = Inbound(channel=Channel.WHATSAPP, address="+77010000001", kind=Kind.REPLIED, text="yes", raw=b"1")
    site.told(reply)
    site.told(reply)
    assert site.facts() == ["REPLIED"]
    assert site.outcome() == "responded"


def test_a_persons_click_ends_the_run_when_its_neighbours_are_known(site: Site) -> None:
    site.passes(120_000)
    site.clicks()
    assert site.outcome() is None
    assert site.facts() == ["SUSPECTED_CLICKED"]
    site.passes(10_001)
    assert site.outcome() == "responded"


def test_a_scanners_click_does_not(site: Site) -> None:
    site.passes(120_000)
    site.clicks()
    site.clicks(HONEYPOT)
    site.passes(10_001)
    assert "CLICKED" not in site.facts()
    assert "MACHINE_CLICKED" in site.facts()
    site.passes(7 * 3_600_000)
    assert [row[0] for row in site.rows("messages", "step")] == [0, 1]


def test_an_open_is_kept_only_of_who_may_be_tracked(site: Site) -> None:
    site.clicks(PIXEL)
    assert len(site.rows("hits", "id")) == 1
    with site.db.write() as tx:
        contacts.upsert(tx, b"k" * 32, [contacts.Contact(external_id="c1", tracking=False)], START)
    site.clicks(PIXEL)
    assert len(site.rows("hits", "id")) == 1
    site.clicks(0)
    assert len(site.rows("hits", "id")) == 2


def test_a_link_leads_where_the_message_said(site: Site) -> None:
    assert site.ingest.destination(*site.message, 0) == "https://example.org/a"
    assert site.ingest.destination(*site.message, 1) is None
    assert site.ingest.destination(*site.message, HONEYPOT) is None
    assert site.ingest.destination(99, 1, 0, 0) is None


@pytest.mark.parametrize("scope", ["topic", "all"])
def test_unsubscribing_ends_the_run_before_it_is_answered(site: Site, scope: str) -> None:
    site.ingest.unsubscribe(*site.message, scope).result(30)
    assert site.outcome() == "opted_out"
    site.ingest.unsubscribe(*site.message, scope).result(30)
    site.passes(30 * 3_600_000)
    assert [row[0] for row in site.rows("messages", "step")] == [0]
    told = site.rows("consents", "DISTINCT granted, topic")
    assert told == [(0, "greetings" if scope == "topic" else "")]


def test_an_event_of_nobody_is_refused_in_its_place(site: Site) -> None:
    nobody = EventIn("e2", "joined", ContactRef(external_id="c9"), START)
    somebody = EventIn("e3", "other", ContactRef(email="A@example.org"), START)
    refused = site.ingest.events([nobody, somebody]).result(30)
    assert refused[0] is not None and "no such contact" in refused[0]
    assert refused[1] is None


def test_accounts_are_found_by_name(site: Site) -> None:
    assert site.ingest.account("whatsapp") is not None
    assert site.ingest.account("nobody") is None


def test_reports_are_counted_in_a_tenth_of_the_time_while_somebody_waits(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy: list[bool] = []

    def run(_: Transaction, told: bool, __: int) -> bool:
        busy.append(told)
        return False

    monkeypatch.setattr(site.engine._counting, "run", run)
    site.told(Receipt(kind=Kind.DELIVERED, reference=site.reference))
    site.told(Receipt(kind=Kind.READ, reference=site.reference))
    assert busy.count(True) == 2
    until = monotonic() + 60
    while False not in busy and monotonic() < until:  # a tick for which nobody waits
        site.engine.write(lambda _: None).result(30)
    assert False in busy


def test_a_tick_waits_a_little_for_as_many_as_the_last_one_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    engine = Engine(migrated(tmp_path / "kaskad.db"), Vault(["v" * 40]), World(
        HandClock(START), Signer([(1, b"s" * 32)]), Options(base_url="https://go.example.org")
    ), Taker)  # fmt: skip

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        engine.deliver(Delivery(None))
        return False

    monkeypatch.setattr(engine._halt, "wait", wait)
    later = monotonic() + 60
    engine._gather(later, 3)
    assert waits == []  # nothing waits: it may sleep
    engine.deliver(Delivery(None))
    engine._gather(later, 3)
    assert len(waits) == 2  # until three are there
    engine._gather(later, 3)
    assert len(waits) == 2
    engine._gather(monotonic(), 9)
    assert len(waits) == 2  # no longer than that
    engine._gather(later, 2 * ENOUGH)
    assert len(waits) == ENOUGH - 1  # somebody waits for these, and the next ones come while they are kept
    engine._gather(later)
    assert len(waits) == ENOUGH - 1

    def woken(seconds: float) -> bool:
        assert 0 < seconds <= 60
        for _ in range(ENOUGH):
            engine.deliver(Delivery(None))
        return True

    engine._take_deliveries()
    engine.write(lambda _: None)
    monkeypatch.setattr(engine._wake, "wait", woken)
    engine._gather(monotonic() + 60)
    assert len(waits) == ENOUGH - 1  # of writes alone there are never enough: it looks when something comes
    engine.stop()
