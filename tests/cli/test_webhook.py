"""Outgoing webhooks by commands."""

import json

import httpx2
import pytest

from kaskad.cli.root import run
from support.receiver import receiver


@pytest.fixture
def home(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KASKAD_PRIVATE_WEBHOOKS", "yes")
    assert run(["init"]) == 0
    capsys.readouterr()


def test_a_webhook_is_added_tested_switched_and_removed(home, capsys):
    with receiver() as got:
        assert run(["webhook", "add", got.url, "--event", "run.finished", "--json"]) == 0
        made = json.loads(capsys.readouterr().out)
        assert made["types"] == ["run.finished"]
        got.secret = made["secret"]
        assert run(["webhook", "test", "1"]) == 0
        assert got.types() == ["webhook.test"]
        got.answer = lambda _: 500
        assert run(["webhook", "test", "1"]) == 1
        assert "HTTP 500" in capsys.readouterr().out
    assert run(["webhook", "disable", "1"]) == 0
    assert run(["webhook", "list"]) == 0
    assert "disabled" in capsys.readouterr().out
    assert run(["webhook", "enable", "1"]) == 0
    assert run(["webhook", "secret", "1"]) == 0
    assert "whsec_" in capsys.readouterr().out
    assert run(["webhook", "deliveries", "1"]) == 0
    assert "Nothing: no event" in capsys.readouterr().out
    assert run(["webhook", "replay", "1"]) == 0
    assert "None is told again: what waits" in capsys.readouterr().out
    assert run(["webhook", "replay", "1", "msg_x"]) == 1
    assert run(["webhook", "remove", "1"]) == 0
    assert run(["webhook", "list"]) == 0
    assert "There are no webhooks" in capsys.readouterr().out


def test_what_changes_a_webhook_answers_programs_as_the_api_does(home, capsys):
    def told(*arguments):
        assert run(["webhook", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    number = str(told("add", "http://127.0.0.1:1/")["id"])
    assert told("disable", number)["enabled"] is False
    assert told("enable", number)["enabled"] is True
    assert told("secret", number)["secret"].startswith("whsec_")
    assert told("replay", number) == {"replayed": 0}
    assert told("remove", number) == {"deleted": int(number)}


def test_telling_again_after_a_long_outage_is_waited_for(home, monkeypatch):
    waited, request = [], httpx2.Client.request

    def noting(self, method, url, **told):
        waited.append((url, told["timeout"].read))
        return request(self, method, url, **told)

    monkeypatch.setattr(httpx2.Client, "request", noting)
    assert run(["webhook", "add", "http://127.0.0.1:1/"]) == run(["webhook", "replay", "1"]) == 0
    assert waited == [("/api/v1/webhooks", 60), ("/api/v1/webhooks/1/replay", 3_600)]


def test_without_types_it_is_told_of_all_and_the_types_are_listed(home, capsys):
    assert run(["webhook", "types", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert run(["webhook", "add", "http://127.0.0.1:1/", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["types"]) == set(known)
    assert run(["webhook", "list"]) == 0 and "everything" in capsys.readouterr().out
    assert run(["webhook", "add", "http://127.0.0.1:1/", "--event", "mice"]) == 1
    assert "--event: It is one of" in capsys.readouterr().err
