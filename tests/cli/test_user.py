"""`kaskad user`: people are invited, listed, changed, reset and shown out."""

import json

from kaskad.cli.root import run


def test_people_are_invited_listed_changed_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def told(*words: str) -> str:
        assert run(["user", *words]) == 0
        return capsys.readouterr().out

    assert run(["init"]) == 0
    capsys.readouterr()
    assert "Nobody has an account yet" in told("list")
    link = told("add", "Ann@example.org", "--role", "owner", "--name", "Ann")
    assert link.startswith("http://localhost:8000/invitation?token=")
    assert "ann@example.org" in told("list") and "invited" in told("list")
    assert "is now: viewer" in told("role", "ann@example.org", "viewer")
    assert json.loads(told("list", "--json"))[0]["role"] == "viewer"
    assert told("reset", "ann@example.org") != link
    assert run(["user", "add", "ann@example.org"]) == 1
    assert "already" in capsys.readouterr().err
    assert run(["user", "role", "bob@example.org", "owner"]) == 1
    assert "kaskad user list" in capsys.readouterr().err
    assert "is removed" in told("remove", "ann@example.org")
