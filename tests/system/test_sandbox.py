"""Thirty people and four channels: the real engine and adapters against the sandbox, over real sockets."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from ruamel.yaml import YAML

from kaskad.domain.policy import Policy
from kaskad.sandbox.person import Person, Phone
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.store import settings
from kaskad.store.db import open_database
from kaskad.store.migrate import upgrade
from support.faults import free_port

FACTOR = 3600
PATIENCE_S = 200
CASCADE = """
cascade: cart
title: A cart
class: service
topic: carts
trigger: {event: left, key: cart_id}
goal: {event: purchase}
stop_on: [reply]
steps:
  - id: letter
    channel: email
    subject: "{{ contact.name }}, ваша корзина"
    html: '<p>Здравствуйте! <a href="{{ link(trigger.url) }}">Корзина</a> ждёт.</p>'
    success: clicked
    wait: [{unless: opened, for: 12h}, {unless: clicked, for: 4h, from: opened}]
  - id: chat
    channel: telegram
    text: "{{ contact.name }}, ваша корзина: {{ link(trigger.url) }}"
    buttons: [{text: Оформить, reply: order}]
    wait: [{unless: reacted, for: 6h}]
  - id: sms
    channel: sms
    text: "{{ contact.name }}, корзина: {{ link(trigger.url) }}"
    wait: 4h
  - id: robot
    channel: robot_call
    say: "Здравствуйте. Нажмите 1, чтобы сохранить корзину, 9, чтобы мы больше не звонили."
    keys: {1: confirm, 9: opt_out}
    wait: 2h
"""
PEOPLE = [
    Person(
        f"p{number:02}", f"Имя{number:02}", f"p{number:02}@example.org", f"+7701000{number:04}",
        str(700_000 + number), "ru",
    )
    for number in range(1, 31)
]  # fmt: skip


class Played(Struct):
    """What the command told, and the phones after it."""

    told: dict[str, Any]
    phones: list[Phone]
    world: Sandbox

    def phone(self, key: str) -> Phone:
        return next(phone for phone in self.phones if phone.person.key == key)


def files(folder: Path, sandbox: Sandbox, kaskad_url: str) -> None:
    (folder / "cart.yaml").write_text(CASCADE)
    rows = [
        f"{p.key},{p.name},{p.email},{p.phone},{p.chat_id},ru,yes,yes,k{p.key},https://shop.example.org/{p.key}"
        for p in PEOPLE
    ]
    head = "id,name,email,phone,telegram,language,consent,tracking,trigger.cart_id,trigger.url"
    (folder / "people.csv").write_text("\n".join([head, *rows, ""]))
    accounts = sandbox.accounts(kaskad_url)
    for account in accounts:  # services' own limits hold by a clock that is not faster
        account["limits"] = {"per_second": 100, "burst": 100}
    with (folder / "accounts.yaml").open("w") as file:
        YAML().dump({"accounts": accounts}, file)
    db = open_database(str(folder / "kaskad.db"))
    upgrade(db)
    with db.write() as tx:  # no quiet hours: the test must pass at any time of day
        settings.put(tx, "policy", Policy.unlimited())
    db.close()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("sandbox")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(SandboxConfig(people=PEOPLE, time_factor=FACTOR, kaskad_url=url, seed=7)) as sandbox:
        files(folder, sandbox, url)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
        environment = {**plain, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(
            [sys.executable, "-c", "from kaskad.cli import main; main()", "run", "cart.yaml", "--people",
             "people.csv", "--time-factor", str(FACTOR), "--listen", f"127.0.0.1:{port}", "--json"],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield Played(json.loads(done.stdout), sandbox.phones, sandbox)


def reactions(phone: Phone) -> dict[str, bool]:
    """Return by step whether the person reacted, or said no, to what it sent them."""
    return {
        "letter": any(mail.reacted for mail in phone.mails) or "email" in phone.stopped,
        "chat": any(bubble.reacted for bubble in phone.chat) or "telegram" in phone.stopped,
        "sms": any(sms.reacted for sms in phone.texts) or "sms" in phone.stopped,
        "robot": any(call.reacted for call in phone.calls) or "robot_call" in phone.stopped,
    }


def test_everybody_is_carried_to_an_end_through_all_four_channels(played: Played) -> None:
    report = played.told["report"]
    assert (report["entered"], report["under_way"]) == (30, 0)
    sent = {line["id"]: line["sent"] for line in report["lines"]}
    assert sent["letter"] == 30 and 30 > sent["chat"] > sent["sms"] > sent["robot"] > 0
    assert all(line["unknown"] == 0 for line in report["lines"])


def test_who_is_told_to_have_responded_did_so_on_their_phone_and_nobody_else(played: Played) -> None:
    ends = {person["external_id"]: (person["outcome"], person["by"]) for person in played.told["people"]}
    assert len(ends) == 30
    assert 15 <= sum(outcome == "responded" for outcome, _ in ends.values()) <= 29
    for key, (outcome, step) in ends.items():
        did = reactions(played.phone(key))
        assert did[step] if outcome == "responded" else not any(did.values()), (key, outcome, step)


def test_nobody_gets_a_step_twice_or_a_dearer_one_after_they_reacted(played: Played) -> None:
    for phone in played.phones:
        came = [len(phone.mails), sum(not bubble.mine for bubble in phone.chat),
                sum(not sms.mine for sms in phone.texts), len(phone.calls)]  # fmt: skip
        assert max(came) == 1
    by = {person["external_id"]: person["by"] for person in played.told["people"]}
    assert not any(
        phone.calls for phone in played.phones if by[phone.person.key] in ("letter", "chat", "sms")
    )


def test_gateways_followed_links_and_were_not_taken_for_people(played: Played) -> None:
    scanned = {phone.person.key for phone in played.phones if phone.temper.scanned}
    silent = {key for key in scanned if not reactions(played.phone(key))["letter"]}
    assert silent, "the seed gives nobody whose gateway alone has clicked: choose another"
    by = {person["external_id"]: person["by"] for person in played.told["people"]}
    assert "letter" not in {by[key] for key in silent}
    assert next(line for line in played.told["report"]["lines"] if line["id"] == "letter")["machine"] >= 1


def test_the_money_is_that_of_the_prices(played: Played) -> None:
    cost = {line["id"]: line["cost"].get("KZT", 0) for line in played.told["report"]["lines"]}
    parts = sum(sms.parts for phone in played.phones for sms in phone.texts if not sms.mine)
    calls = sum(len(phone.calls) for phone in played.phones)
    assert (cost["letter"], cost["robot"]) == (30 * 5, calls * 3750)
    assert cost["sms"] >= parts * 1500
