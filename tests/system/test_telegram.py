"""Telegram with `kaskad serve`, a process of its own: killed again and again, and told by webhooks."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.account_file import read_accounts
from kaskad.engine.opt_in import WORDS, make_link
from kaskad.providers.base import Account
from kaskad.sandbox.person import Bubble, Person
from kaskad.sandbox.serve import SandboxConfig, running
from kaskad.sandbox.servers.telegram import Telegram
from kaskad.store import accounts, cascades, contacts, settings
from kaskad.store.db import Database
from kaskad.store.vault import Vault
from support.bot_api import TOKEN, BotApi, bot_api
from support.databases import migrated
from support.faults import free_port, until

SECRET = "k" * 40
PEOPLE = 240  # who press Start: more than five servers hear before they are killed
PATIENCE_S = 60
CASCADE = """
cascade: hi
title: Hi
class: service
topic: news
trigger: {event: joined}
steps:
  - {id: chat, channel: telegram, text: Hello, buttons: [{text: "Yes", reply: "yes"}], wait: 6h}
"""


class House:
    """An installation in a folder, whose server is started and killed."""

    def __init__(self, folder: Path, bot: BotApi) -> None:
        self.folder, self.bot = folder, bot
        self.port = free_port()
        self.db: Database = migrated(folder / "kaskad.db")
        self.account = Account(1, "chat", "telegram", Channel.TELEGRAM, {"bot": "shop_bot"})
        with self.db.write() as tx:
            settings.put(tx, "policy", Policy.unlimited())
            row = cascades.save_version(tx, "hi", CASCADE, 1)
            cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)

    def save(self, **own: str) -> None:
        told = accounts.Account(
            name="chat", provider="telegram", channel=Channel.TELEGRAM, secrets={"token": TOKEN},
            settings={"base_url": self.bot.url, "bot": "shop_bot", **own},
        )  # fmt: skip
        with self.db.write() as tx:
            assert accounts.save(tx, Vault([SECRET]), told) == self.account.id

    def people(self, count: int, **address: str) -> list[int]:
        chats = [contacts.Address(Channel.TELEGRAM, value) for value in address.values()]
        told = [contacts.Contact(external_id=f"c{n}", addresses=chats) for n in range(count)]
        with self.db.write() as tx:
            return contacts.upsert(tx, b"h" * 32, told, 1)

    def token(self, contact_id: int) -> str:
        """Return the token of a new opt-in link."""
        now = time.time_ns() // 1_000_000
        with self.db.write() as tx:
            return make_link(tx, self.account, contact_id, now).partition("=")[2]

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """The running server; ended in order where it still runs."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
        address = f"127.0.0.1:{self.port}"
        own = {
            "KASKAD_DATABASE": f"sqlite:{self.folder}/kaskad.db", "KASKAD_SECRET_KEY": SECRET,
            "KASKAD_LISTEN": address, "KASKAD_BASE_URL": f"http://{address}", "KASKAD_API_KEY": "a" * 32,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }  # fmt: skip
        command = [sys.executable, "-c", "from kaskad.cli import main; main()", "serve"]
        process = subprocess.Popen(command, cwd=self.folder, env={**plain, **own})
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        with self.db._lock:  # type: ignore[attr-defined]
            return list(self.db._writer.execute(text))  # type: ignore[attr-defined]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with bot_api() as bot:
        made = House(tmp_path, bot)
        yield made
        made.db.close()


@pytest.mark.long
def test_a_server_that_is_killed_while_it_polls_loses_and_doubles_nothing(house: House) -> None:
    chance = random.Random(7)
    house.save()
    people = house.people(PEOPLE)
    house.bot.piece, house.bot.wait_s = 2, 0.2
    chats = {5000 + contact_id: contact_id for contact_id in people}
    numbers = [
        house.bot.says(chat, "/start " + house.token(contact_id)) for chat, contact_id in chats.items()
    ]
    for _ in range(5):
        goal = house.bot.waiting - chance.randint(6, 14)
        with house.serving() as process:
            heard(house.bot, goal)
            time.sleep(chance.random() / 20)
            process.kill()
            process.wait()
    assert house.bot.waiting > 0
    with house.serving():
        heard(house.bot, 0)
    bodies = house.rows("SELECT body FROM raw_webhooks")
    kept = Counter(update["update_id"] for (body,) in bodies for update in json.loads(bytes(body))["result"])
    assert kept == Counter(numbers)
    bound = house.rows("SELECT value, contact_id FROM addresses WHERE channel = 2")
    assert {int(value): contact_id for value, contact_id in bound} == chats and len(bound) == len(chats)
    assert house.rows("SELECT count(*), count(DISTINCT contact_id) FROM consents") == [(PEOPLE, PEOPLE)]
    said = Counter(chat for chat in chats for _ in house.bot.texts(chat))
    assert max(said.values()) == 1  # and a word that a kill swallowed is not said again


def heard(bot: BotApi, left: int) -> None:
    """Wait until no more than `left` updates are unconfirmed."""
    until(lambda: bot.waiting <= left, PATIENCE_S)


def test_by_webhook_presses_starts_and_replies_count_as_by_polling(house: House) -> None:
    house.save(mode="webhook")
    (ann,) = house.people(1)
    with house.serving():
        until(lambda: bool(house.bot.webhook.get("url")), PATIENCE_S)
        assert house.bot.webhook["url"] == f"http://127.0.0.1:{house.port}/hooks/chat"
        until(lambda: listening(house.port), PATIENCE_S)
        house.bot.says(100200, "/start " + house.token(ann))
        until(lambda: house.bot.texts(100200) == [WORDS["done"][1]], PATIENCE_S)
        joined(house.port, "c0")
        until(lambda: len(house.bot.texts(100200)) == 2, PATIENCE_S)
        number = house.bot.presses(house.bot.asked("sendMessage")[1], "Yes")
        until(lambda: bool(house.bot.asked("answerCallbackQuery")), PATIENCE_S)
        clicked = f"SELECT event FROM facts WHERE kind = {Kind.CLICKED.value}"
        assert house.rows(clicked) == [(f"update {number}",)]
        forged = {"update_id": 1, "message": {"message_id": 1, "text": "/stop",
                  "chat": {"id": 100200, "type": "private"}}}  # fmt: skip
        assert house.bot.post(forged, "guessed") == 401
        assert not house.bot.asked("getUpdates")


def listening(port: int) -> bool:
    with suppress(OSError):
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200)
    return False


def joined(port: int, external_id: str) -> None:
    event = {"id": "e1", "name": "joined", "contact": {"external_id": external_id}}
    headers = {"Authorization": f"Bearer {'a' * 32}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/api/v1/events"
    request = urllib.request.Request(url, json.dumps(event).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status < 300


def test_with_the_sandbox_a_person_opts_in_presses_writes_and_blocks(tmp_path: Path) -> None:
    ann = Person("c0", name="Ann", chat_id="1001", language="ru")
    with running(SandboxConfig(people=(ann,))) as sandbox:
        told = next(one for one in sandbox.accounts() if one["provider"] == "telegram")
        with bot_api() as unused:
            house = House(tmp_path, unused)
        (account,) = read_accounts(msgspec.json.encode({"accounts": [told]}).decode(), "sandbox", {})
        with house.db.write() as tx:
            accounts.save(tx, Vault([SECRET]), msgspec.structs.replace(account, name="chat"))
        (contact_id,) = house.people(1)
        (phone,) = sandbox.phones
        phone.by_hand = True

        def got() -> list[Bubble]:
            return [bubble for bubble in phone.chats["telegram"].bubbles if not bubble.mine]

        with house.serving():
            token = house.token(contact_id)
            sandbox.do(lambda deeds: deeds.write(phone, "telegram", f"/start {token}"))
            until(lambda: [bubble.text for bubble in got()] == [WORDS["done"][1]], PATIENCE_S)
            joined(house.port, "c0")
            until(lambda: [bubble.text for bubble in got()][1:] == ["Hello"], PATIENCE_S)
            hello = got()[1]
            sandbox.do(lambda deeds: deeds.press(phone, hello, hello.buttons[0][0]))
            clicked = f"SELECT contact_id FROM facts WHERE kind = {Kind.CLICKED.value}"
            until(lambda: house.rows(clicked) == [(contact_id,)], PATIENCE_S)
            until(
                lambda: hello.notes.count("pressed") == 1 and not sandbox.server(Telegram).bot.queries,
                PATIENCE_S,
            )
            health = "SELECT health FROM addresses WHERE channel = 2"
            sandbox.do(lambda deeds: deeds.block(phone, "telegram"))
            until(lambda: house.rows(health) == [(1,)], PATIENCE_S)
            sandbox.do(lambda deeds: deeds.unblock(phone, "telegram"))
            until(lambda: house.rows(health) == [(0,)], PATIENCE_S)
        house.db.close()
