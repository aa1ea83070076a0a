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
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import Mailbox, Person, Phone
from kaskad.sandbox.profile import read_profile
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.store import settings
from support.databases import migrated
from support.faults import free_port

FACTOR = 1800
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
    wait: [{unless: opened, for: 5h}, {unless: clicked, for: 2h, from: opened}]
  - id: chat
    channel: telegram
    text: "{{ contact.name }}, ваша корзина: {{ link(trigger.url) }}"
    buttons: [{text: Оформить, reply: order}]
    wait: [{unless: reacted, for: 3h}]
  - id: sms
    channel: sms
    text: "{{ contact.name }}, корзина: {{ link(trigger.url) }}"
    wait: 3h
  - id: robot
    channel: robot_call
    say: "Здравствуйте. Нажмите 1, чтобы сохранить корзину, 9, чтобы мы больше не звонили."
    keys: {1: confirm, 9: opt_out}
    wait: 2h
"""
PROFILE = """  # people who react do so long before the next step, so that nobody reacts late
mail: {open: {median: 900, spread: 0.4, least: 75}, click: {median: 60, spread: 0.4, least: 20}, opens: 0.2,
  clicks: 0.25, unsubscribes: 0.05, scanned: 0.2, prefetched: 0.2, missing: 0.05}
chat: {react: {median: 600, spread: 0.4, least: 75}, reacts: 0.4, replies: 0.2, blocked: 0.05}
sms: {deliver: {median: 6, spread: 0.5}, react: {median: 500, spread: 0.4, least: 75}, reacts: 0.3}
call: {pick_up: {median: 7}, think: {median: 4}, busy: 0.1, no_answer: 0.2, machine: 0.1, presses: 0.4}
"""
BAD_DAY = (
    Fault("email", "throttle", left=4), Fault("telegram", "throttle", share=0.3, seconds=30),
    Fault("telegram", "duplicate"), Fault("sms", "duplicate", share=0.4),
    Fault("sms", "late", share=0.3, seconds=120), Fault("sms", "bad_signature", share=0.2),
    Fault("sms", "error", left=1), Fault("robot_call", "duplicate", share=0.4),
    Fault("robot_call", "reorder", share=0.4), Fault("robot_call", "throttle", left=2),
)  # fmt: skip
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
    bad_day: bool

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
    db = migrated(folder / "kaskad.db")
    with db.write() as tx:  # no quiet hours: the test must pass at any time of day
        settings.put(tx, "policy", Policy.unlimited())
    db.close()


@pytest.fixture(scope="module", params=["a good day", pytest.param("a bad day", marks=pytest.mark.long)])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("sandbox")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    people = read_profile(PROFILE, "test")
    config = SandboxConfig(people=PEOPLE, time_factor=FACTOR, kaskad_url=url, seed=5, profile=people)
    with running(config) as sandbox:
        sandbox.set_faults(*(BAD_DAY if request.param == "a bad day" else ()))
        files(folder, sandbox, url)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
        environment = {**plain, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(
            [sys.executable, "-c", "from kaskad.cli import main; main()", "run", "cart.yaml", "--people",
             "people.csv", "--time-factor", str(FACTOR), "--listen", f"127.0.0.1:{port}", "--json"],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        yield Played(json.loads(done.stdout), sandbox.phones, sandbox, request.param == "a bad day")


def reactions(phone: Phone) -> dict[str, bool]:
    """Return by step whether the person reacted, or said no, to what it sent them."""
    return {
        "letter": any(mail.reacted for mail in phone.mails) or "email" in phone.stopped,
        "chat": any(bubble.reacted for bubble in phone.chats["telegram"].bubbles)
        or "telegram" in phone.stopped,
        "sms": any(sms.reacted for sms in phone.texts) or "sms" in phone.stopped,
        "robot": any(call.reacted for call in phone.calls) or "robot_call" in phone.stopped,
    }


def test_everybody_is_carried_to_an_end_through_all_four_channels(played: Played) -> None:
    report = played.told["report"]
    assert (report["entered"], report["under_way"]) == (30, 0)
    sent = {line["id"]: line["sent"] for line in report["lines"]}
    boxes = sum(phone.temper.mailbox is not Mailbox.MISSING for phone in played.phones)
    assert sent["letter"] == boxes and 30 > sent["chat"] > sent["sms"] > sent["robot"] > 0
    unknown = {line["id"]: line["unknown"] for line in report["lines"]}
    assert unknown == {"letter": 0, "chat": 0, "sms": int(played.bad_day), "robot": 0}


def test_what_went_wrong_really_did(played: Played) -> None:
    happened = played.world.faults.happened
    wanted = {f"{fault.service}.{fault.kind}" for fault in BAD_DAY} if played.bad_day else set()
    assert happened.keys() == wanted


def test_who_is_told_to_have_responded_did_so_on_their_phone_and_nobody_else(played: Played) -> None:
    ends = {person["external_id"]: (person["outcome"], person["by"]) for person in played.told["people"]}
    assert len(ends) == 30
    assert 15 <= sum(outcome == "responded" for outcome, _ in ends.values()) <= 29
    for key, (outcome, step) in ends.items():
        did = reactions(played.phone(key))
        if outcome == "responded":
            assert did[step], (key, step)
        elif outcome == "exhausted":
            assert not any(did.values()), key
        else:
            assert outcome == "opted_out" and played.phone(key).stopped, (key, outcome)


def test_nobody_gets_a_step_twice_or_a_dearer_one_after_they_reacted(played: Played) -> None:
    for phone in played.phones:
        came = [len(phone.mails), sum(not bubble.mine for bubble in phone.chats["telegram"].bubbles),
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
    if played.bad_day:
        pytest.skip("an SMS whose answer was lost may have been paid for")
    cost = {line["id"]: line["cost"].get("KZT", 0) for line in played.told["report"]["lines"]}
    parts = sum(sms.parts for phone in played.phones for sms in phone.texts if not sms.mine)
    calls = sum(len(phone.calls) for phone in played.phones)
    mails = sum(len(phone.mails) for phone in played.phones)
    assert (cost["letter"], cost["robot"], cost["sms"]) == (mails * 5, calls * 3750, parts * 1500)
