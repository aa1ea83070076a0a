"""Polling over real sockets: everything is heard once, whatever the service and the process do."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest

from kaskad import log
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind, Outcome
from kaskad.domain.tokens import Signer
from kaskad.engine import poller as poller_module
from kaskad.engine.catalog import POLICY
from kaskad.engine.clock import SystemClock, wall_ms
from kaskad.engine.dispatch import Dispatcher
from kaskad.engine.engine import Engine
from kaskad.engine.errands import Errands
from kaskad.engine.ingest import Ingest
from kaskad.engine.opt_in import WORDS, make_link
from kaskad.engine.poller import Poller
from kaskad.engine.world import Options, World
from kaskad.store import accounts, cascades, contacts, polls, settings
from kaskad.store import runs as run_store
from kaskad.store.db import Database
from support.bot_api import TOKEN, BotApi, bot_api
from support.faults import until as until_soon
from support.postgres import clear
from support.stage import HASH_KEY, KEYS, VAULT

CHAT = 100200
until = partial(until_soon, timeout_s=30)  # with a machine that is busy with other things
CASCADE = """
cascade: hi
title: Hi
class: service
topic: news
trigger: {event: joined, key: id}
reentry: parallel_by_key
steps:
  - {id: chat, channel: telegram, text: Hello, buttons: [{text: "Yes", reply: "yes"}], wait: 6h}
"""


class Desk:
    """One process of Kaskad without its web server: engine, sending, errands and poller."""

    def __init__(self, db: Database, bot: BotApi) -> None:
        self.db, self.bot = db, bot
        self.world = World(SystemClock(), Signer(KEYS), Options(base_url="https://go.example.org"))
        self.engine = Engine(db, VAULT, self.world, self._dispatcher)
        self.errands = Errands()
        self.ingest = Ingest(self.engine, db, errands=self.errands.send)
        self.poller = Poller(self.errands, self.ingest, self.engine)
        self._numbers = count(1)

    def _dispatcher(self, engine: Engine) -> Dispatcher:
        return Dispatcher(self.world.accounts, self.world.clock.now, engine.take_results)

    def start(self) -> None:
        self.engine.start()
        self.errands.start()
        self.poller.start()

    def stop(self) -> None:
        self.errands.stop()
        self.engine.stop(5)

    def save(self, **settings_: Any) -> None:
        """Save the account, and let the engine know."""
        enabled = bool(settings_.pop("enabled", True))
        token = settings_.pop("token", TOKEN)
        own = {"base_url": self.bot.url, "bot": "shop_bot", **settings_}
        account = accounts.Account(name="chat", provider="telegram", channel=Channel.TELEGRAM, settings=own,
                                   secrets={"token": token}, enabled=enabled)  # fmt: skip
        self.engine.write(lambda tx: accounts.save(tx, VAULT, account)).result(30)
        self.engine.reload()

    def person(self, name: str, chat: int | None = None) -> int:
        addresses = [contacts.Address(Channel.TELEGRAM, str(chat))] if chat else []
        told = contacts.Contact(external_id=name, addresses=addresses)
        return self.engine.write(lambda tx: contacts.upsert(tx, HASH_KEY, [told], 1)).result(30)[0]

    def joins(self, contact_id: int) -> dict[str, Any]:
        """Send a person the message; return what the bot sent."""
        before = len(self.bot.asked("sendMessage"))
        self.tells(contact_id)
        until(lambda: len(self.bot.asked("sendMessage")) > before)
        return self.bot.asked("sendMessage")[before]

    def tells(self, contact_id: int) -> None:
        """Tell the event that brings a person the message."""
        number = next(self._numbers)
        who = ContactRef(id=contact_id)
        event = EventIn(f"e{number}", "joined", who, self.world.clock.now(), {"id": number})
        assert self.ingest.events([event]).result(30) == [None]

    def knows(self, chat: int, message: int) -> bool:
        """Say whether the answer to a send has been kept."""
        with self.db.read() as tx:
            return tx.one("by_provider_id", account_id=1, provider_id=f"{chat}:{message}") is not None

    def polls(self) -> bool:
        """Say whether this process is the one that may poll."""
        holder = self.poller.holder
        with self.db.write() as tx:
            return polls.claim(tx, 1, holder, wall_ms(), wall_ms() + 60_000, force=False) is not None

    def facts(self, contact_id: int) -> list[tuple[str, str]]:
        """Return the facts of the contact's messages with what they tell."""
        with self.db.read() as tx:
            runs = [row[1] for row in tx.among("runs_of_contacts", [contact_id])]
            key = {"contact_id": contact_id}
            rows = [row for run_id in runs for row in tx.all("facts_of_run", **key, run_id=run_id)]
        return [(Kind(row[1]).name, row[2]) for row in rows if row[0] >= 0 and Kind(row[1]) is not Kind.SENT]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller_module, "LOOK_S", 0.02)
    monkeypatch.setattr(poller_module, "FIRST_WAIT_S", 0.05)


@pytest.fixture
def bot() -> Iterator[BotApi]:
    with bot_api() as running:
        yield running


@contextmanager
def running(db: Database, bot: BotApi, **account: Any) -> Iterator[Desk]:
    desk = Desk(db, bot)
    desk.start()
    try:
        desk.save(**account)
        yield desk
    finally:
        desk.stop()


@pytest.fixture
def prepared(db: Database) -> Database:
    with db.write() as tx:
        settings.put(tx, POLICY, Policy.unlimited())
        row = cascades.save_version(tx, "hi", CASCADE, 1)
        cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)
    return db


@pytest.fixture
def desk(prepared: Database, bot: BotApi) -> Iterator[Desk]:
    with running(prepared, bot) as one:
        yield one


def test_a_press_is_a_click_on_that_message_and_the_phone_is_told(desk: Desk, bot: BotApi) -> None:
    ann = desk.person("ann", CHAT)
    first = desk.joins(ann)
    desk.joins(ann)
    number = bot.presses(first, "Yes")
    until(lambda: desk.facts(ann) == [("CLICKED", f"update {number}")])
    until(lambda: bool(bot.asked("answerCallbackQuery")))
    outcomes = [run.outcome for run in runs(desk, ann)]
    assert outcomes == [Outcome.RESPONDED.code, None]  # the first message's run, not the last one's


def runs(desk: Desk, contact_id: int) -> list[Any]:
    with desk.db.read() as tx:
        return sorted(run_store.of_contacts(tx, [contact_id])[contact_id], key=lambda run: run.id)


def test_a_reply_to_a_message_belongs_to_it_and_any_other_to_the_last(desk: Desk, bot: BotApi) -> None:
    ann = desk.person("ann", CHAT)
    desk.joins(ann)
    first = 50  # the number that the bot gave to its first message
    desk.joins(ann)
    until(lambda: desk.knows(CHAT, first))
    bot.says(CHAT, "To the first", reply_to_message={"message_id": first, "chat": {"id": CHAT}})
    until(lambda: len(desk.facts(ann)) == 1)
    assert [run.outcome for run in runs(desk, ann)] == [Outcome.RESPONDED.code, None]
    bot.says(CHAT, "To one that is not ours", reply_to_message={"message_id": 7, "chat": {"id": CHAT}})
    until(lambda: [run.outcome for run in runs(desk, ann)] == [Outcome.RESPONDED.code] * 2)


def test_an_opt_in_goes_all_the_way(desk: Desk, bot: BotApi) -> None:
    ann = desk.person("ann")
    account = desk.world.accounts.by_name["chat"]
    link = desk.engine.write(lambda tx: make_link(tx, account, ann, desk.world.clock.now())).result(30)
    bot.says(CHAT, "/start " + link.partition("=")[2])
    until(lambda: bot.texts(CHAT) == [WORDS["done"][1]])
    assert desk.joins(ann)["chat_id"] == CHAT
    bot.is_member(CHAT, "kicked")
    until(lambda: health(desk, ann) == 1)
    bot.is_member(CHAT, "member")
    until(lambda: health(desk, ann) == 0)
    bot.says(CHAT, "/stop")
    until(lambda: runs(desk, ann)[0].outcome is not None)
    desk.tells(ann)
    until(lambda: [run.outcome for run in runs(desk, ann)][1:] == [Outcome.UNREACHABLE.code])


def health(desk: Desk, contact_id: int) -> int:
    with desk.db.read() as tx:
        return int(tx.among("look_addresses", [contact_id])[0][3])


def test_a_poll_that_waits_is_ended_at_once_by_a_stop(prepared: Database, bot: BotApi) -> None:
    bot.wait_s = 30
    with running(prepared, bot) as desk:
        until(lambda: bool(bot.asked("getUpdates")))
        time.sleep(0.1)
        began = time.monotonic()
        desk.errands.stop()
        assert time.monotonic() - began < 5  # the poll waits for thirty seconds


def test_a_service_that_fails_is_asked_again_and_nothing_is_lost(desk: Desk, bot: BotApi) -> None:
    ann = desk.person("ann", CHAT)
    desk.joins(ann)
    answers = [(401, {}), (429, {"parameters": {"retry_after": 1}}), (502, {}), (500, {})]
    bot.faults["getUpdates"] = lambda _: answers.pop() if answers else None
    until(lambda: len(answers) < 4)
    bot.says(CHAT, "I have heard")
    until(lambda: [kind for kind, _ in desk.facts(ann)] == ["REPLIED"])
    assert not answers


def test_what_keeps_an_account_from_being_polled_is_told_once(
    prepared: Database, bot: BotApi, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("info", "json")
    with running(prepared, bot, token="1:wrong") as desk:
        until(lambda: desk.poller.problems() == {"chat": "Unauthorized"})
        time.sleep(0.5)
        desk.save()
        until(lambda: bool(bot.asked("getUpdates")) and not desk.poller.problems())
    told = [line for line in capsys.readouterr().err.splitlines() if "cannot be set up or polled" in line]
    assert len(told) == 1 and "wrong" not in told[0]


def test_a_service_that_hangs_is_given_up_and_asked_again(
    prepared: Database, bot: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller_module, "POLL_S", 0.3)
    hung: list[int] = []

    def hang(_: dict[str, Any]) -> None:
        if len(hung) < 2:
            hung.append(1)
            time.sleep(1)

    bot.faults["getUpdates"] = hang
    bot.wait_s = 0.1
    with running(prepared, bot) as desk:
        ann = desk.person("ann", CHAT)
        desk.joins(ann)
        bot.says(CHAT, "I have heard")
        until(lambda: [kind for kind, _ in desk.facts(ann)] == ["REPLIED"])
    assert len(hung) == 2


def test_an_account_that_is_changed_is_tended_anew(desk: Desk, bot: BotApi) -> None:
    until(lambda: bool(bot.asked("getUpdates")))
    assert [method for method, _ in bot.calls][:2] == ["deleteWebhook", "getUpdates"]
    desk.save(mode="webhook")
    until(lambda: bool(bot.asked("setWebhook")))
    assert bot.webhook["url"] == "https://go.example.org/hooks/chat"
    time.sleep(0.2)
    polled = len(bot.asked("getUpdates"))
    desk.save(enabled=False)
    time.sleep(0.3)
    assert len(bot.asked("getUpdates")) == polled
    desk.save()
    until(lambda: len(bot.asked("getUpdates")) > polled)


def test_a_webhook_that_somebody_set_meanwhile_is_taken_away_again(desk: Desk, bot: BotApi) -> None:
    until(lambda: bool(bot.asked("getUpdates")))
    bot.webhook = {"url": "https://elsewhere.example.org"}
    until(lambda: len(bot.asked("deleteWebhook")) == 2)
    until(lambda: not desk.poller.problems())


def test_what_cannot_be_read_is_kept_and_the_rest_is_heard(desk: Desk, bot: BotApi) -> None:
    ann = desk.person("ann", CHAT)
    desk.joins(ann)
    bot.tells(message={"text": 5})
    bot.says(CHAT, "I have heard")
    until(lambda: [kind for kind, _ in desk.facts(ann)] == ["REPLIED"])
    until(lambda: bot.waiting == 0)
    assert kept(desk.db) == list(range(1000, 1002))


def kept(db: Database) -> list[int]:
    """Return the numbers of all updates that stand in raw webhooks, in order."""
    with db._lock:  # type: ignore[attr-defined]
        bodies = list(db._writer.execute("SELECT body FROM raw_webhooks ORDER BY id"))  # type: ignore[attr-defined]
    return [update["update_id"] for (body,) in bodies for update in json.loads(bytes(body))["result"]]


@pytest.mark.parametrize("renew_ms", [0, 20_000])  # 0: the kept cursor counts, as after a restart
def test_a_process_that_cannot_keep_what_it_read_reads_it_again(
    desk: Desk, bot: BotApi, monkeypatch: pytest.MonkeyPatch, renew_ms: int
) -> None:
    monkeypatch.setattr(poller_module, "RENEW_MS", renew_ms)
    ann = desk.person("ann", CHAT)
    desk.joins(ann)
    original: Callable[..., Any] = desk.ingest.receipts
    refused: list[int] = []

    def receipts(*arguments: Any, **more: Any) -> Any:
        if len(refused) < 2:
            refused.append(1)
            return desk.engine.write(lambda tx: tx.all("no such statement"))
        return original(*arguments, **more)

    desk.ingest.receipts = receipts  # type: ignore[method-assign]
    number = bot.says(CHAT, "I have heard")
    until(lambda: desk.facts(ann) == [("REPLIED", f"update {number}")])
    until(lambda: bot.waiting == 0)
    assert kept(desk.db) == [number]


def test_two_processes_on_one_database_poll_an_account_once(
    postgres_db: Database, bot: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller_module, "TAKEN_S", 0.1)
    with running(postgres_db, bot) as first:
        until(lambda: bool(bot.asked("getUpdates")))
        other = Desk(postgres_db, bot)
        other.start()
        try:
            under_way = []
            bot.faults["getUpdates"] = lambda _: under_way.append(1)  # type: ignore[func-returns-value]
            time.sleep(1.0)
            assert len(under_way) <= 3  # each poll waits a second; two pollers would have twice as many
            assert first.polls() and not other.polls()
            first.errands.stop()
            until(other.polls)
        finally:
            other.stop()
    clear(postgres_db)


def test_errands_after_the_end_are_dropped(desk: Desk) -> None:
    desk.errands.stop()
    desk.errands.begin(lambda: pytest.fail("it ran after the end"))
    desk.errands.stop()
