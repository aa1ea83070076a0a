"""`kaskad policy` and `kaskad doctor law`."""

import json

import pytest

from kaskad.cli.root import run


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    capsys.readouterr()


def test_a_policy_is_set_by_key_and_by_file(tmp_path, capsys):
    assert run(["policy", "set", "country=KZ", "zone=Asia/Almaty", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["country"] == "KZ"
    assert run(["policy", "show"]) == 0
    (tmp_path / "policy.yaml").write_text(capsys.readouterr().out.replace("country: KZ", "country: RU"))
    assert run(["policy", "set", "--file", "policy.yaml"]) == 0
    capsys.readouterr()
    assert run(["policy", "show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["country"], told["zone"]) == ("RU", "Asia/Almaty")


@pytest.mark.parametrize(
    "wrong", [["country"], [], ["zone=Mars/Olympus"], ["caps=[", "x=1"], ["--file", "none"]]
)
def test_what_cannot_be_set_is_told(wrong, capsys):
    assert run(["policy", "set", *wrong]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_the_law_is_shown_with_its_articles(capsys):
    assert run(["doctor", "law", "--country", "RU", "--channel", "robot_call", "--class", "advertising"]) == 0
    told = capsys.readouterr().out
    assert "deny" in told and "38-FZ, art. 18 (2), since 2006-07-01" in told
    assert run(["doctor", "law", "--country", "KZ", "--channel", "sms", "--class", "service", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answers"][0]["windows"] == [{"hours": ["09:00-21:00"], "days": "working"}]
    assert run(["doctor", "law", "--country", "Russia"]) != 0


def test_the_doctor_still_looks_at_everything(capsys):
    run(["doctor", "--json"])
    assert "settings" in {one["what"] for one in json.loads(capsys.readouterr().out)}
