"""The main job in one command: `kaskad run` against a real mail server and a real web server.

Seven people, each with one habit. The command runs as a process of its own, its clock 900 times as fast.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from msgspec import Struct

from kaskad.domain.policy import Policy
from kaskad.store import settings
from support.databases import migrated
from support.faults import free_port, interruptible

ROOT = Path(__file__).resolve().parents[2]
CASCADE = """
cascade: cart
title: A cart
class: service
topic: carts
trigger: {event: left, key: cart_id}
goal: {event: purchase}
steps:
  - id: letter
    channel: email
    subject: "{{ contact.name }}, your cart"
    html: '<p><a href="{{ trigger.url }}">Your cart</a></p>'
    wait: [{unless: opened, for: 40m}, {unless: clicked, for: 20m, from: opened}]
  - {id: chat, channel: telegram, text: "{{ contact.name }}: {{ link(trigger.url) }}", wait: 40m}
  - {id: sms, channel: sms, text: "{{ contact.name }}: {{ link(trigger.url) }}", wait: 40m}
  - {id: robot, channel: robot_call, say: "Hello {{ contact.name }}", keys: {1: confirm}, wait: 1h}
"""
PEOPLE = """id,name,email,phone,telegram,trigger.cart_id,trigger.url
ann,Ann,ann@example.org,+77010000001,1001,k1,https://shop.example.org/1
bob,Bob,bob@example.org,+77010000002,1002,k2,https://shop.example.org/2
carl,Carl,carl@example.org,+77010000003,1003,k3,https://shop.example.org/3
dora,Dora,dora@example.org,+77010000004,1004,k4,https://shop.example.org/4
eve,Eve,,+77010000005,1005,k5,https://shop.example.org/5
fay,Fay,gone.fay@example.org,+77010000006,1006,k6,https://shop.example.org/6
gil,Gil,gil@bank.example.org,+77010000007,1007,k7,https://shop.example.org/7
"""
ACCOUNTS = """
accounts:
  - name: mail
    provider: smtp
    settings: {{host: 127.0.0.1, port: {mail}, security: none, sender: shop@example.org}}
    price: 0.05 KZT
  - {{name: telegram, provider: generic_webhook, channel: telegram, price: 0 KZT,
     settings: {{url: "http://127.0.0.1:{web}/", secret: only-for-trying-it-out}}}}
  - {{name: sms, provider: generic_webhook, channel: sms, price: 15 KZT per part,
     settings: {{url: "http://127.0.0.1:{web}/", secret: only-for-trying-it-out}}}}
  - {{name: robot, provider: generic_webhook, channel: robot_call, price: 37.50 KZT,
     settings: {{url: "http://127.0.0.1:{web}/", secret: only-for-trying-it-out}}}}
"""
PATIENCE_S = 200  # with a machine that is busy with other things
HUMAN_S = 0.25  # about four minutes of theirs


def receivers_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("receivers", ROOT / "examples/receivers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Scene:
    """A folder with the files of the command, and the servers that it sends to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, dict[str, Any]()
        self.module = receivers_module()
        self.world = self.module.World(HUMAN_S, quiet=True)
        ports = {"mail": free_port(), "web": free_port()}
        self.servers = self.module.Receivers(self.world, ports["mail"], ports["web"])
        self.servers.start()
        self.module.MailBox.react = lambda box, to, words, page, leave: self.on_mail(to, page, leave)
        self.module.answer_as_people = lambda world, message: self.on_message(message)
        (folder / "cart.yaml").write_text(CASCADE)
        (folder / "people.csv").write_text(PEOPLE)
        (folder / "accounts.yaml").write_text(ACCOUNTS.format(**ports))
        db = migrated(folder / "kaskad.db")
        with db.write() as tx:  # no quiet hours: the test must pass at any time of day
            settings.put(tx, "policy", Policy.unlimited())
        db.close()

    def on_mail(self, to: str, page: str, leave: str) -> None:
        links = self.module.LINK.findall(page)
        get = self.module.get
        if to.startswith("ann"):
            self.world.later(1, get, links[0])
        elif to.startswith("dora"):
            self.world.later(1, lambda: get(leave, method="POST", body=b"List-Unsubscribe=One-Click"))
        elif to.startswith("gil"):
            for link in set(links):
                self.world.later(0, get, link)

    def on_message(self, message: dict[str, Any]) -> None:
        links = self.module.LINK.findall(message.get("text", ""))
        if message["to"] == "1003":
            self.world.later(1, self.module.get, links[0])
        if message["channel"] == "sms":
            self.module.report(self.world, message, "delivered")
        if message["channel"] == "robot_call" and message["to"].endswith("2"):
            self.module.report(self.world, message, "answered")
            self.module.report(self.world, message, "keypress", key="1")

    def start(self, *more: str) -> subprocess.Popen[str]:
        arguments = ["cart.yaml", "--people", "people.csv", "--time-factor", "900",
                     "--listen", "127.0.0.1:0", "--json", *more]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-c", "from kaskad.cli import main; main()", "run", *arguments],
            cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=interruptible,
        )  # fmt: skip

    def run(self, *more: str) -> dict[str, Any]:
        process = self.start(*more)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        self.told = dict(json.loads(out))
        return self.told

    def wait_for_a_call(self) -> None:
        """Wait until the first message to a chat, so that the run stands in its middle."""
        limit = time.monotonic() + PATIENCE_S
        while not self.world.calls and time.monotonic() < limit:
            time.sleep(0.05)

    def stop(self, process: subprocess.Popen[str], number: signal.Signals) -> dict[str, Any]:
        """Interrupt a run and return the report that it leaves."""
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, err
        assert "Nothing is lost: the same command goes on from here." in err
        return dict(json.loads(out))

    def arrived(self) -> Counter[tuple[str, str]]:
        """Return how often each person got each channel, as the servers saw it."""
        found = Counter(("email", to.split("@")[0]) for to, *_ in self.world.mails)
        return found + Counter(
            (call["channel"], call["contact"]["name"].lower()) for call in self.world.calls
        )


def environment() -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KASKAD_")}
    return {**plain, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


class Played(Struct):
    scene: Scene
    told: dict[str, Any]
    arrived: Counter[tuple[str, str]]


@pytest.fixture
def make_scene(tmp_path: Path) -> Iterator[Callable[[], Scene]]:
    made: list[Scene] = []

    def make() -> Scene:
        made.append(Scene(tmp_path))
        return made[-1]

    yield make
    for scene in made:
        scene.servers.stop()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    scene = Scene(tmp_path_factory.mktemp("main_job"))
    told = scene.run()
    yield Played(scene, told, scene.arrived())
    scene.servers.stop()


ALL = ("email", "telegram", "sms", "robot_call")
WANTED = {
    "ann": ALL[:1], "bob": ALL, "carl": ALL[:2], "dora": ALL[:1], "eve": ALL[1:], "fay": ALL[1:], "gil": ALL
}  # fmt: skip


def test_real_mails_and_calls_arrive_as_far_as_each_person_stays_silent(played: Played) -> None:
    assert played.arrived == Counter(
        (channel, name) for name, channels in WANTED.items() for channel in channels
    )


def test_who_was_reached_and_by_what_is_reported(played: Played) -> None:
    people = {person["external_id"]: (person["outcome"], person["by"]) for person in played.told["people"]}
    assert people == {
        "ann": ("responded", "letter"), "bob": ("responded", "robot"), "carl": ("responded", "chat"),
        "dora": ("opted_out", ""), "eve": ("exhausted", ""), "fay": ("exhausted", ""),
        "gil": ("exhausted", ""),
    }  # fmt: skip
    report = played.told["report"]
    assert (report["entered"], report["under_way"]) == (7, 0)
    assert report["outcomes"] == {"responded": 3, "exhausted": 3, "opted_out": 1}
    assert {line["id"]: line["reached"] for line in report["lines"]} == {
        "letter": 1, "chat": 1, "sms": 0, "robot": 1
    }  # fmt: skip


def test_the_report_says_for_how_much(played: Played) -> None:
    report = played.told["report"]
    assert {line["id"]: line["cost"] for line in report["lines"]} == {
        "letter": {"KZT": 25}, "chat": {"KZT": 0}, "sms": {"KZT": 4 * 1500}, "robot": {"KZT": 4 * 3750}
    }  # fmt: skip
    assert report["cost"] == {"KZT": 25 + 4 * 1500 + 4 * 3750}
    reacted = next(level for level in report["levels"] if level["name"] == "reacted")
    assert reacted["contacts"] == 3 and reacted["cost_each"] == {"KZT": round((25 + 6000 + 15000) / 3)}


def test_a_dead_address_leads_on_at_once_and_a_scanner_does_not_stop(played: Played) -> None:
    report = played.told["report"]
    assert report["failures"]["letter"] == {"invalid_address": 1}
    assert report["skips"]["letter"] == {"no_address": 1}
    letter = next(line for line in report["lines"] if line["id"] == "letter")
    assert (letter["machine"], letter["reacted"]) == (1, 1)


def test_no_message_carries_anything_after_the_person_has_reacted(played: Played) -> None:
    assert max(played.arrived.values()) == 1


def test_the_same_command_again_sends_nothing(played: Played) -> None:
    told, arrived = played.scene.told["report"], played.scene.arrived()
    again = played.scene.run()
    assert played.scene.arrived() == arrived
    assert (again["report"]["outcomes"], again["report"]["cost"]) == (told["outcomes"], told["cost"])


def test_one_who_is_added_to_the_file_enters_alone(played: Played) -> None:
    people = played.scene.folder / "people.csv"
    people.write_text(PEOPLE + "hal,Hal,hal@example.org,,,k8,https://shop.example.org/8\n")
    told = played.scene.run()
    assert told["report"]["entered"] == 8
    assert played.scene.arrived() - played.arrived == Counter({("email", "hal"): 1})


@pytest.mark.long
def test_interrupted_it_goes_on_where_it_stopped(make_scene: Callable[[], Scene]) -> None:
    scene = make_scene()
    process = scene.start()
    scene.wait_for_a_call()
    assert scene.stop(process, signal.SIGINT)["report"]["under_way"] > 0
    told = scene.run()
    assert told["report"]["under_way"] == 0
    assert max(scene.arrived().values()) == 1
    assert {name for _, name in scene.arrived()} == set(WANTED)


def test_a_second_server_refuses_and_names_the_first_which_ends_cleanly(
    make_scene: Callable[[], Scene],
) -> None:
    scene = make_scene()
    first = scene.start("--time-factor", "30")  # still under way, however long the second takes to start
    scene.wait_for_a_call()
    second = scene.start()
    _, err = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 1
    assert "in use by kaskad run cart.yaml, process" in err
    assert scene.stop(first, signal.SIGTERM)["report"]["under_way"] > 0
