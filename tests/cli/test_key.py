"""Commands reach a running server, or do the same by themselves where none runs."""

import json

from kaskad.actions import keys
from kaskad.cli.root import run
from kaskad.config import Settings
from kaskad.web.service import serving


def test_keys_are_made_listed_and_revoked_without_a_server(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    assert run(["key", "create", "crm", "--scope", "events:write"]) == 0
    assert "kaskad_" in capsys.readouterr().out
    assert run(["key", "list", "--json"]) == 0
    assert [key["name"] for key in json.loads(capsys.readouterr().out)] == ["crm"]
    assert run(["key", "create", "crm", "--scope", "all"]) == 1
    assert "already" in capsys.readouterr().err
    assert run(["key", "create", "x", "--scope", "mice"]) == 1
    assert "There is no scope 'mice'" in capsys.readouterr().err
    assert run(["key", "revoke", "crm"]) == 0
    assert run(["key", "list"]) == 0
    assert "There are no keys" in capsys.readouterr().out


def test_the_same_commands_ask_the_server_that_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with serving(Settings(listen="127.0.0.1:0"), "kaskad serve") as service:
        assert run(["key", "create", "shop", "--scope", "all"]) == 0
        assert [key.name for key in keys.listing(service.office)] == ["shop"]
    assert run(["key", "list", "--db", "nowhere.db"]) == 1
    assert "kaskad init" in capsys.readouterr().err


def test_an_installation_is_made_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--base-url", "here", "--database", "mysql://there"]) == 1
    told = capsys.readouterr().err
    assert "--base-url" in told and "--database" in told
    assert run(["init", "--base-url", "https://go.example.org"]) == 0
    assert (tmp_path / "kaskad.toml").stat().st_mode & 0o077 == 0
    assert (tmp_path / "kaskad.db").exists()
    assert run(["init"]) == 1
    assert "already" in capsys.readouterr().err
