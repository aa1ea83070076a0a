"""The inbox by commands, and so over the API."""

import json
from concurrent.futures import Future

import pytest

from kaskad.cli.root import run
from kaskad.config import Settings
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.receive import Delivery, InboundIn
from kaskad.web.service import serving
from support.shop import equip, people, taking


@pytest.fixture
def home(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    settings = Settings(
        database=f"sqlite:{tmp_path / 'kaskad.db'}", listen="127.0.0.1:0", private_webhooks="yes"
    )
    with serving(settings, "the tests") as service, taking() as taker:
        equip(service, taker.url, Channel.SMS)
        people(service, "ann")
        one = InboundIn(
            Channel.SMS, "ann@sms.example.org", Kind.REPLIED, "in1", service.office.now(), "In red?"
        )
        service.office.engine.deliver(Delivery(Future(), inbound=[one])).result(30)
        capsys.readouterr()
        yield taker


def told(capsys, *words):
    assert run(["thread", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_conversation_by_commands(home, capsys):
    (one,) = told(capsys, "list", "--unread")
    assert (one["name"], one["channel"], one["words"], one["unread"]) == ("Ann", "sms", "In red?", 1)
    assert [each["contact"] for each in told(capsys, "list", "--search", "RED")] == [one["contact"]]
    found = told(capsys, "reply", "ann", "Yes")
    assert [(each["text"], each["channel"]) for each in found["texts"]] == [
        ("In red?", "sms"),
        ("Yes", "sms"),
    ]
    assert found["unread"] == 0 and found["texts"][1]["author"] == found["assignee"] != ""
    assert told(capsys, "assign", "ann", "eva")["assignee"] == "eva"
    assert told(capsys, "close", "ann")["state"] == "closed" and told(capsys, "list") == []
    assert told(capsys, "reopen", "ann")["state"] == "open"
    assert run(["thread", "show", "ann"]) == 0
    assert "sms: In red?" in capsys.readouterr().out
    assert run(["thread", "reply", "ann", "x", "--channel", "email"]) != 0
    assert "has not written on email" in capsys.readouterr().err
    assert run(["thread", "show", "bob"]) != 0
