"""Accounts by commands: settings by option or prompt, secrets never on the command line."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from kaskad.cli import account as commands
from kaskad.cli.root import run
from kaskad.providers import PROVIDERS, provider

SECRET = "swordfish-swordfish"


@pytest.fixture
def home(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    capsys.readouterr()


def add(*more: str) -> int:
    return run(["account", "add", "sms", "--provider", "generic_webhook", "--channel", "sms",
                "--set", "url=http://127.0.0.1:1/send", *more])  # fmt: skip


def shown(capsys: Any, *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_account_is_added_shown_switched_and_removed(home, monkeypatch, capsys):
    monkeypatch.setenv("SMS_SECRET", SECRET)
    assert add("--secret", "secret=$SMS_SECRET", "--price", "2 RUB per part") == 0
    assert "/hooks/sms" in capsys.readouterr().out
    told = shown(capsys, "account", "show", "sms")
    assert told["secrets"] == ["secret"] and told["price"] == "2.00 RUB per part"
    assert run(["account", "disable", "sms"]) == 0
    assert run(["account", "list"]) == 0
    assert "disabled" in capsys.readouterr().out
    assert run(["account", "enable", "sms"]) == 0
    capsys.readouterr()
    assert shown(capsys, "account", "show", "sms") == told
    assert run(["account", "show", "sms"]) == 0
    assert "(secret)" in capsys.readouterr().out
    assert run(["account", "remove", "sms"]) == 0
    assert run(["account", "show", "sms"]) == 1
    assert "There is no account 'sms'" in capsys.readouterr().err


def test_keys_that_nobody_gave_are_made_once_and_the_public_one_is_shown(home, capsys):
    command = ["account", "add", "web", "--provider", "webpush", "--set", "contact=mailto:a@example.org"]
    assert run(command) == 0
    said = capsys.readouterr().out
    told = shown(capsys, "account", "show", "web")
    key = told["settings"]["public_key"]
    assert f"Its public_key is {key}\n" in said and told["secrets"] == ["private_key"]
    assert run([*command, "--set", "title=Shop"]) == 0
    capsys.readouterr()
    assert shown(capsys, "account", "show", "web")["settings"]["public_key"] == key


def test_what_changes_an_account_answers_programs_as_the_api_does(home, monkeypatch, capsys):
    monkeypatch.setenv("SMS_SECRET", SECRET)
    assert add("--secret", "secret=$SMS_SECRET") == 0
    capsys.readouterr()
    assert shown(capsys, "account", "disable", "sms")["enabled"] is False
    assert shown(capsys, "account", "enable", "sms") == shown(capsys, "account", "show", "sms")
    assert shown(capsys, "account", "remove", "sms") == {"deleted": "sms"}


def test_a_secret_comes_from_standard_input_or_the_environment_only(home, monkeypatch, capsys):
    assert add("--secret", f"secret={SECRET}") == 2
    told = capsys.readouterr().err
    assert "standard input" in told and SECRET not in told
    assert add("--secret", "secret=$NOT_THERE") == 2
    assert add("--secret", "secret=@nowhere.txt") == 2
    Path("secret.txt").write_text(f"{SECRET}\n")
    assert add("--secret", "secret=@secret.txt") == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    assert add("--secret", "secret=-") == 0
    capsys.readouterr()
    assert shown(capsys, "account", "list")[0]["secrets"] == ["secret"]


def test_what_is_missing_is_told_where_nobody_can_be_asked(home, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["account", "add", "mail", "--provider", "smtp", "--set", "hots=x"]) == 1
    told = capsys.readouterr().err
    assert "no setting 'hots'" in told and "'host' is missing" in told and "'sender' is missing" in told
    assert run(["account", "add", "mail", "--provider", "pigeon"]) == 1
    assert "There is no provider 'pigeon'" in capsys.readouterr().err


def test_a_terminal_is_asked_for_exactly_what_the_provider_declares(home, monkeypatch, capsys):
    asked = []

    def prompt(label: str, *, default: str | None, hide_input: bool = False, show_default: bool) -> str:
        asked.append((label.split()[0], hide_input))
        answers = {"host": "smtp.example.org", "sender": "Shop <shop@example.org>", "password": SECRET}
        return answers.get(label.split()[0], default or "")

    monkeypatch.setattr(commands.typer, "prompt", prompt)
    monkeypatch.setattr(commands.sys.stdin, "isatty", lambda: True)
    assert run(["account", "add", "mail", "--provider", "smtp", "--set", "port=25"]) == 0
    declared = [(setting.name, setting.secret) for setting in provider("smtp").settings]
    assert asked == [one for one in declared if one[0] != "port"]  # which the command line told
    capsys.readouterr()
    (account,) = shown(capsys, "account", "list")
    assert account["settings"]["port"] == "25" and account["secrets"] == ["password"]


def test_a_test_message_that_is_refused_ends_with_one(home, monkeypatch, capsys):
    monkeypatch.setenv("SMS_SECRET", SECRET)
    assert add("--secret", "secret=$SMS_SECRET") == 0
    assert run(["send-test", "sms", "+79000000001"]) == 1
    assert "Refused (transient)" in capsys.readouterr().err
    assert run(["account", "test", "sms", "+79000000001", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["accepted"] is False


def test_the_kinds_of_accounts_are_listed_without_an_installation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["account", "kinds"]) == 0
    assert "smtp" in capsys.readouterr().out
    assert run(["account", "kinds", "--json"]) == 0
    kinds = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert kinds.keys() == PROVIDERS.keys()
    assert kinds["twilio_voice"]["verified"]["level"] == "library"
    for name, one in kinds.items():
        cases = Path(__file__).parents[1] / "providers/cases" / name
        assert one["verified"]["cases"] == len(list(cases.glob("*.json")))
        assert one["verified"]["cases"] or PROVIDERS[name].own, f"{name} is listed without a case"
        assert one["connect"]
