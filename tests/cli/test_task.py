"""The call desk by commands."""

import json

import pytest

from kaskad.cli.root import run
from kaskad.config import Settings
from kaskad.domain.policy import Policy
from kaskad.engine.catalog import POLICY
from kaskad.store import settings as setting_store
from kaskad.web.service import serving

NUMBER = "+77010000301"
CASCADE = """
cascade: cart
title: Cart
class: service
trigger: {event: left, key: cart}
steps:
  - {id: agent, channel: agent_call, script: "Ask {{ contact.name }} about {{ trigger.cart }}"}
"""


@pytest.fixture
def home(tmp_path, monkeypatch, capsys):
    """A folder whose server runs, with a desk and one person to call."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cart.yaml").write_text(CASCADE)
    assert run(["init"]) == 0
    settings = Settings(database=f"sqlite:{tmp_path / 'kaskad.db'}", listen="127.0.0.1:0")
    with serving(settings, "the tests") as service:
        service.office.write(lambda tx: setting_store.put(tx, POLICY, Policy.unlimited()))
        service.office.reload()
        added = ["account", "add", "desk", "--provider", "desk", "--set", "agents=2", "--price", "400 KZT"]
        assert run(added) == 0
        assert run(["apply", "cart.yaml", "--yes"]) == 0
        (tmp_path / "people.csv").write_text(f"id,phone,name\nann,{NUMBER},Ann\n")
        assert run(["import", "people.csv"]) == 0
        assert run(["event", "send", "left", "--contact", "ann", "--set", "cart=7"]) == 0
        capsys.readouterr()
        yield


def told(capsys, *arguments):
    assert run(["task", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def said(capsys, *arguments):
    assert run(["task", *arguments]) == 0
    return capsys.readouterr().out


def test_a_call_from_the_queue_to_its_end(home, capsys):
    (task,) = told(capsys, "list")
    assert "Ann" in said(capsys, "list") and task["state"] == "open"
    card = said(capsys, "next", "--agent", "eva")
    assert task["id"] in card and "Ask Ann about 7" in card and "by right of: none needed" in card
    assert NUMBER not in card + said(capsys, "show", task["id"])
    assert "nobody to call" in said(capsys, "next", "--agent", "max")
    assert run(["task", "dial", task["id"], "--agent", "max"]) == 1
    assert "is with eva" in capsys.readouterr().err
    assert said(capsys, "dial", task["id"], "--agent", "eva") == f"{NUMBER}  Ann\n"
    assert "Noted" in said(capsys, "note", task["id"], "likes tea", "--agent", "eva")
    ended = told(capsys, "close", task["id"], "reached_agreed", "--agent", "eva")
    assert ended["state"] == "done" and "likes tea" in ended["notes"]
    assert said(capsys, "list") == "There are no such tasks.\n"
    assert [one["id"] for one in told(capsys, "list", "--state", "done", "--account", "desk")] == [task["id"]]


def test_a_call_back_needs_its_instant_and_a_task_can_be_given_back(home, capsys):
    (task,) = told(capsys, "list")
    said(capsys, "next", "--agent", "eva")
    assert "open again" in said(capsys, "release", task["id"], "--agent", "eva")
    assert told(capsys, "next", "--agent", "eva")["task"]["id"] == task["id"]
    said(capsys, "dial", task["id"], "--agent", "eva")
    assert run(["task", "close", task["id"], "callback_at", "--agent", "eva"]) == 1
    assert "call_back_at" in capsys.readouterr().err
    assert run(["task", "close", task["id"], "hung_up", "--agent", "eva"]) == 1
    assert "reached_agreed" in capsys.readouterr().err
    said(capsys, "close", task["id"], "no_answer", "--agent", "eva")
    assert told(capsys, "show", task["id"])["misses"] == 1
