"""A silent mail, then WhatsApp: the real engine and adapter against the sandbox, over real sockets."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from ruamel.yaml import YAML

from kaskad.domain.policy import Policy
from kaskad.sandbox.person import Person, Phone
from kaskad.sandbox.profile import read_profile
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.store import settings
from kaskad.store.db import open_database
from kaskad.store.migrate import upgrade
from support.faults import free_port

FACTOR = 1800
PATIENCE_S = 200
CASCADE = """
cascade: order
title: An order
class: service
topic: orders
trigger: {event: ready, key: order_id}
goal: {event: fetched}
steps:
  - id: letter
    channel: email
    subject: "{{ contact.name }}, ваш заказ готов"
    html: '<p><a href="{{ link(trigger.url) }}">Заказ</a> готов.</p>'
    wait: 4h
  - id: chat
    channel: whatsapp
    text: "{{ contact.name }}, вы спрашивали: заказ готов"
    approved:
      name: order_ready
      language: ru
      parameters: ["{{ contact.name }}", "{{ trigger.total }}"]
      buttons: ["{{ link(trigger.url) }}"]
    wait: 6h
  - {id: again, channel: email, subject: "Ещё раз", html: "<p>Ещё раз</p>", wait: 2h}
"""
PROFILE = """  # nobody opens a mail, everybody reads a chat
mail: {open: {median: 1}, click: {median: 1}}
chat: {react: {median: 900, spread: 0.2, least: 75}, reads: 1.0}
sms: {deliver: {median: 1}, react: {median: 1}}
call: {pick_up: {median: 1}, think: {median: 1}}
"""
PEOPLE = [
    Person(f"p{n}", f"Имя{n}", f"p{n}@example.org", f"+7701000000{n}", language="ru") for n in range(1, 6)
]
WRITER = PEOPLE[0]  # writes to the business before its message would come


class Played(Struct):
    """What the command told, and the phones after it."""

    told: dict[str, Any]
    phones: list[Phone]

    def end(self, person: Person) -> tuple[str, str]:
        """Return how a person's run ended, and at which step."""
        found = next(one for one in self.told["people"] if one["external_id"] == person.key)
        return found["outcome"], found["by"]

    def bubbles(self, person: Person) -> list[Any]:
        phone = next(phone for phone in self.phones if phone.person.key == person.key)
        return [bubble for bubble in phone.chats["whatsapp"].bubbles if not bubble.mine]


def files(folder: Path, sandbox: Sandbox, kaskad_url: str) -> None:
    (folder / "order.yaml").write_text(CASCADE)
    rows = [
        f"{p.key},{p.name},{p.email},{p.phone},ru,yes,k{p.key},12 000 ₸,https://shop.example.org/{p.key}"
        for p in PEOPLE
    ]
    head = "id,name,email,whatsapp,language,consent,trigger.order_id,trigger.total,trigger.url"
    (folder / "people.csv").write_text("\n".join([head, *rows, ""]))
    told = sandbox.accounts(kaskad_url)
    for account in told:  # services' own limits hold by a clock that is not faster
        account["limits"] = {"per_second": 100, "burst": 100}
    with (folder / "accounts.yaml").open("w") as file:
        YAML().dump({"accounts": told}, file)
    db = open_database(str(folder / "kaskad.db"))
    upgrade(db)
    with db.write() as tx:  # no quiet hours: the test must pass at any time of day
        settings.put(tx, "policy", Policy.unlimited())
    db.close()


def write_when_the_mail_has_come(sandbox: Sandbox) -> None:
    phone = next(phone for phone in sandbox.phones if phone.person.key == WRITER.key)
    until = time.monotonic() + PATIENCE_S
    while not phone.mails and time.monotonic() < until:
        time.sleep(0.01)
    sandbox.do(lambda deeds: deeds.write(phone, "whatsapp", "Когда будет готов мой заказ?"))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("whatsapp")
    port = free_port()
    config = SandboxConfig(
        people=PEOPLE, time_factor=FACTOR, kaskad_url=f"http://127.0.0.1:{port}", seed=3,
        profile=read_profile(PROFILE, "test"), servers=["smtp", "whatsapp"],
    )  # fmt: skip
    with running(config) as sandbox:
        files(folder, sandbox, config.kaskad_url)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
        environment = {**plain, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        writing = threading.Thread(target=write_when_the_mail_has_come, args=(sandbox,), daemon=True)
        writing.start()
        done = subprocess.run(
            [sys.executable, "-c", "from kaskad.cli import main; main()", "run", "order.yaml", "--people",
             "people.csv", "--time-factor", str(FACTOR), "--listen", f"127.0.0.1:{port}", "--json"],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield Played(json.loads(done.stdout), sandbox.phones)


@pytest.mark.parametrize("person", PEOPLE[1:], ids=lambda person: person.key)
def test_who_was_silent_gets_the_approved_text_and_reading_it_ends_the_run(
    played: Played, person: Person
) -> None:
    (bubble,) = played.bubbles(person)
    assert bubble.text == f"{person.name}, ваш заказ на 12 000 ₸ готов."
    assert played.end(person) == ("responded", "chat")
    assert len(next(p for p in played.phones if p.person.key == person.key).mails) == 1


def test_the_button_of_the_approved_text_leads_over_kaskad(played: Played) -> None:
    (bubble,) = played.bubbles(PEOPLE[1])
    (button,) = bubble.buttons[0]
    assert "/l/" in button.url and button.url.startswith("http://127.0.0.1:") and button.url.count("/l/") == 1


def test_who_has_written_gets_a_free_text(played: Played) -> None:
    (bubble,) = played.bubbles(WRITER)
    assert bubble.text == "Имя1, вы спрашивали: заказ готов"
    assert played.end(WRITER) == ("responded", "chat")


def test_what_the_answer_within_the_window_cost_was_nothing(played: Played) -> None:
    line = next(line for line in played.told["report"]["lines"] if line["id"] == "chat")
    assert line["cost"] == {"KZT": 4 * 1500}
