"""Messengers with `kaskad serve`, a process of its own: MAX is polled, VK calls, both from link to block."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.account_file import read_accounts
from kaskad.engine.opt_in import WORDS, make_link
from kaskad.providers.base import Account
from kaskad.providers.viber import WELCOME
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Bubble, Person, Phone
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.sandbox.servers import viber
from kaskad.store import accounts, cascades, contacts, settings
from kaskad.store.db import Database
from kaskad.store.vault import Vault
from support.databases import migrated
from support.faults import free_port
from support.world import profile, wait_for

SECRET, KEY = "k" * 40, "a" * 32
PATIENCE_S = 60
CASCADE = """
cascade: ready
title: Ready
class: service
topic: orders
trigger: {{event: ready, key: order}}
reentry: parallel_by_key
steps:
  - id: chat
    channel: {channel}
    text: "Order {{{{ trigger.order }}}} is ready"
    buttons: [{{text: "Got it", reply: got}}]
    success: clicked
    wait: 6h
"""


class House:
    """An installation in a folder with one account, that of the sandbox's messenger."""

    def __init__(self, folder: Path, channel: str) -> None:
        self.folder, self.channel, self.port = folder, Channel[channel.upper()], free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.db: Database = migrated(folder / "kaskad.db")
        with self.db.write() as tx:
            settings.put(tx, "policy", Policy.unlimited())
            row = cascades.save_version(tx, "ready", CASCADE.format(channel=channel), 1)
            cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)
            (self.ann,) = contacts.upsert(tx, b"h" * 32, [contacts.Contact(external_id="ann")], 1)

    def save(self, sandbox: Sandbox) -> None:
        told = [one for one in sandbox.accounts() if one["provider"] == self.channel.value]
        (read,) = read_accounts(msgspec.json.encode({"accounts": told}).decode(), "sandbox", {})
        with self.db.write() as tx:
            number = accounts.save(tx, Vault([SECRET]), read)
        self.account = Account(number, read.name, read.provider, read.channel, read.settings, read.secrets)

    def link(self) -> str:
        with self.db.write() as tx:
            return make_link(tx, self.account, self.ann, time.time_ns() // 1_000_000)

    @contextmanager
    def serving(self) -> Iterator[None]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
        own = {
            "KASKAD_DATABASE": f"sqlite:{self.folder}/kaskad.db", "KASKAD_SECRET_KEY": SECRET,
            "KASKAD_LISTEN": f"127.0.0.1:{self.port}", "KASKAD_BASE_URL": self.url, "KASKAD_API_KEY": KEY,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }  # fmt: skip
        command = [sys.executable, "-c", "from kaskad.cli import main; main()", "serve"]
        process = subprocess.Popen(command, cwd=self.folder, env={**plain, **own})
        try:
            wait_for(self._ready, PATIENCE_S)
            yield
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def _ready(self) -> bool:
        with suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/readyz", trust_env=False).status_code == 200
        return False

    def happens(self, order: int) -> None:
        told = {"name": "ready", "contact": {"external_id": "ann"}, "properties": {"order": order},
                "id": f"ready {order}"}  # fmt: skip
        answer = httpx2.post(f"{self.url}/api/v1/events", json=told, trust_env=False,
                             headers={"Authorization": f"Bearer {KEY}"})  # fmt: skip
        assert answer.status_code < 300, answer.text

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        with self.db._lock:  # type: ignore[attr-defined]
            return list(self.db._writer.execute(text))  # type: ignore[attr-defined]

    def kinds(self) -> set[Kind]:
        return {Kind(kind) for (kind,) in self.rows("SELECT kind FROM facts WHERE step >= 0")}

    def health(self) -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT value, health FROM addresses WHERE channel = {self.channel.code}")


def chat_of(phone: Phone, channel: str) -> list[Bubble]:
    return [bubble for bubble in phone.chats[channel].bubbles if not bubble.mine]


def bot_of_viber(sandbox: Sandbox) -> dict[str, Any]:
    told = {"auth_token": viber.Keys().token}
    return httpx2.post(f"{sandbox.http_url}/viber/get_account_info", json=told, trust_env=False).json()


@pytest.mark.parametrize("channel", ["max", "vk"])
def test_from_an_opt_in_link_to_a_press_and_a_block(channel: str, tmp_path: Path) -> None:
    house = House(tmp_path, channel)
    ann = Person("ann", "Ann", language="en")  # known to the messenger, not to the company
    config = SandboxConfig(
        servers=(channel,), people=(ann,), kaskad_url=house.url, profile=profile(), strangers=False
    )
    with running(config) as sandbox:
        house.save(sandbox)
        phone = sandbox.phones[0]
        with house.serving():
            payload = house.link().rpartition("=")[2]
            sandbox.do(lambda deeds: deeds.start(phone, channel, payload))
            said = wait_for(lambda: chat_of(phone, channel), PATIENCE_S)
            assert said[0].text in WORDS["done"]
            assert house.health() == [(phone.chats[channel].address, 0)]

            house.happens(17)
            wait_for(lambda: len(chat_of(phone, channel)) == 2, PATIENCE_S)
            bubble = chat_of(phone, channel)[1]
            assert bubble.text == "Order 17 is ready"
            sandbox.do(lambda deeds: deeds.press(phone, bubble, bubble.buttons[0][0]))
            wait_for(lambda: Kind.CLICKED in house.kinds(), PATIENCE_S)
            if channel == "vk":
                wait_for(lambda: Kind.READ in house.kinds(), PATIENCE_S)
            else:
                wait_for(lambda: bubble.toast == "Got it", PATIENCE_S)
            wait_for(lambda: house.rows("SELECT outcome FROM runs") == [(2,)], PATIENCE_S)  # responded

            sandbox.do(lambda deeds: deeds.block(phone, channel))
            wait_for(lambda: house.health() == [(phone.chats[channel].address, 1)], PATIENCE_S)
            house.happens(18)
            wait_for(
                lambda: len(house.rows("SELECT id FROM runs WHERE outcome IS NOT NULL")) == 2, PATIENCE_S
            )
            assert len(chat_of(phone, channel)) == 2
    house.db.close()


def test_who_opens_a_chat_of_viber_is_welcomed_and_then_written_to(tmp_path: Path) -> None:
    house = House(tmp_path, "viber")
    ann = Person("ann", "Ann", phone="+79000000003", language="ru")
    config = SandboxConfig(
        servers=("viber",), people=(ann,), kaskad_url=house.url, profile=profile(), strangers=False
    )
    with running(config) as sandbox:
        house.save(sandbox)
        phone = sandbox.phones[0]
        with house.serving():
            token = house.link().rpartition("context=")[2]
            wait_for(lambda: bot_of_viber(sandbox)["webhook"], PATIENCE_S)  # Kaskad has set it by itself
            sandbox.do(lambda deeds: deeds.start(phone, "viber", token))
            (welcome,) = wait_for(lambda: chat_of(phone, "viber"), PATIENCE_S)
            assert welcome.text == WELCOME[True] and house.health() == []
            sandbox.do(lambda deeds: deeds.press(phone, welcome, welcome.buttons[0][0]))
            wait_for(lambda: len(chat_of(phone, "viber")) == 2, PATIENCE_S)
            assert chat_of(phone, "viber")[1].text == WORDS["done"][True]
            house.happens(17)
            wait_for(lambda: len(chat_of(phone, "viber")) == 3, PATIENCE_S)
            bubble = chat_of(phone, "viber")[2]
            sandbox.do(lambda deeds: deeds.press(phone, bubble, bubble.buttons[0][0]))
            wait_for(lambda: {Kind.DELIVERED, Kind.READ, Kind.CLICKED} <= house.kinds(), PATIENCE_S)
            wait_for(lambda: house.rows("SELECT outcome FROM runs") == [(2,)], PATIENCE_S)  # responded
    house.db.close()


@pytest.mark.long
@pytest.mark.parametrize("channel", ["vk", "max"])
def test_what_goes_wrong_on_the_way_loses_and_doubles_nothing(channel: str, tmp_path: Path) -> None:
    house = House(tmp_path, channel)
    ann = Person("ann", "Ann", language="ru", ids={channel: "3001"})
    config = SandboxConfig(
        servers=(channel,), people=(ann,), kaskad_url=house.url, profile=profile(), strangers=False
    )
    with running(config) as sandbox:
        house.save(sandbox)
        with house.db.write() as tx:
            contacts.add_addresses(tx, b"h" * 32, house.ann, [contacts.Address(house.channel, "3001")])
        sandbox.set_faults(
            Fault(channel, "throttle", left=1, seconds=1), Fault(channel, "duplicate"),
            Fault(channel, "bad_signature", share=0.5),
        )  # fmt: skip
        phone = sandbox.phones[0]
        with house.serving():
            for order in (1, 2, 3):
                house.happens(order)
            wait_for(lambda: len(chat_of(phone, channel)) == 3, PATIENCE_S)
            for bubble in chat_of(phone, channel):
                sandbox.do(lambda deeds, it=bubble: deeds.press(phone, it, it.buttons[0][0]))
            wait_for(lambda: house.rows("SELECT outcome FROM runs") == [(2,)] * 3, PATIENCE_S)
            clicks = house.rows(f"SELECT count(*) FROM facts WHERE kind = {Kind.CLICKED.value} AND step = 0")
            assert clicks == [(3,)]
            assert len(chat_of(phone, channel)) == 3
    house.db.close()
