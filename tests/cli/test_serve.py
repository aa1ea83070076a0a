"""`kaskad serve`, as a process of its own: what it prints once it listens."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from kaskad import config
from kaskad.cli.root import run
from kaskad.store.sqlite import held
from kaskad.web.local import find, found_at


@contextmanager
def server(folder: Path, *arguments: str, **more: str) -> Iterator[Mapping[str, str]]:
    """Yield what a server prints, and see it end in order."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **more}
    process = subprocess.Popen(
        [sys.executable, "-c", "from kaskad.cli import main; main()", "serve", "--json", *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()


def test_where_nobody_set_base_url_the_link_leads_to_the_port_listened_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["file"] == "kaskad.toml" and made["base_url"] == "http://localhost:8000"
    with server(tmp_path, "--listen", "127.0.0.1:0") as told:
        port = told["url"].rpartition(":")[2]
        assert told["sign_in"].startswith(f"http://localhost:{port}/sign-in?token=")
        assert told["base_url"] == "http://localhost:8000"
        answer = httpx2.get(told["sign_in"], trust_env=False)
        assert answer.status_code == 303 and "set-cookie" in answer.headers


def test_an_installation_is_made_where_the_environment_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "there.db"
    monkeypatch.setenv("KASKAD_DATABASE", str(there))
    monkeypatch.setenv("KASKAD_BASE_URL", "https://go.example.org")
    monkeypatch.setenv("KASKAD_SECRET_KEY", "k" * 32)
    assert run(["init"]) == 0
    assert there.exists() and not (tmp_path / "kaskad.db").exists()
    said = capsys.readouterr().out
    assert str(there) in said and "KASKAD_SECRET_KEY" in said
    for name in ("KASKAD_DATABASE", "KASKAD_BASE_URL"):
        monkeypatch.delenv(name)
    made = config.load()
    assert (made.database, made.base_url) == (f"sqlite:{there}", "https://go.example.org")
    assert "secret_key" not in (tmp_path / "kaskad.toml").read_text(), "the environment's is the one in use"


def test_a_database_of_the_command_line_goes_before_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KASKAD_DATABASE", "environment.db")
    assert run(["init", "--db", "named.db"]) == 0
    assert (tmp_path / "named.db").exists() and not (tmp_path / "environment.db").exists()
    monkeypatch.delenv("KASKAD_DATABASE")
    assert config.load().database == "sqlite:named.db" and len(config.load().secret_key) >= 32


@pytest.mark.parametrize("named", ["environment", "command line"])
def test_a_password_is_shown_nowhere_and_the_environments_not_written(named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    url = "postgresql://kaskad:hush@db.example.org/kaskad"
    monkeypatch.setattr("kaskad.store.db.open_database", lambda name: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr("kaskad.store.migrate.upgrade", lambda db: None)
    if named == "environment":
        monkeypatch.setenv("KASKAD_DATABASE", url)
    assert run(["init", *(["--db", url] if named == "command line" else [])]) == 0
    said = capsys.readouterr().out
    assert "hush" not in said and "postgresql://kaskad@db.example.org/kaskad" in said
    assert ("hush" in (tmp_path / "kaskad.toml").read_text()) == (named == "command line")
    assert config.load().database == url


@pytest.mark.parametrize("name", ["рассылки", "😀", "a\x7fb", 'a"\\b'])
def test_a_database_may_have_any_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--db", f"{name}.db"]) == 0
    assert config.load().database == f"sqlite:{name}.db" and (tmp_path / f"{name}.db").exists()


def test_where_base_url_is_set_the_link_is_that_of_the_outside_world(tmp_path):
    """And the database is the one that the command line names."""
    asked = ("--listen", "127.0.0.1:0", "--db", "other.db")
    with server(tmp_path, *asked, KASKAD_BASE_URL="https://go.example.org") as told:
        assert told["sign_in"].startswith("https://go.example.org/sign-in?token=")
    assert (tmp_path / "other.db").exists() and not (tmp_path / "kaskad.db").exists()


def test_an_installation_is_made_with_the_database_that_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--db", "other.db", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["database"] == "sqlite:other.db"
    assert (tmp_path / "other.db").exists()
    for wrong in ("postgresql:/x", "mysql://host/name"):
        assert run(["worker", "--db", wrong]) == 1
        assert "kaskad: --db: " in capsys.readouterr().err


def test_what_a_killed_server_has_told_is_not_taken_for_the_one_that_is_starting(tmp_path):
    """Its key opens nothing any more: a command that waits for the server would be refused."""
    file, beside = tmp_path / "k.db", tmp_path / "k.db.server"
    with found_at(file, "http://127.0.0.1:1", "a key"):
        assert find(file) is None, "nobody holds the file"
        with held(file, "kaskad serve"):
            found = find(file)
            assert found is not None and found.key == "a key"
            beside.write_text(beside.read_text().replace(str(os.getpid()), "1"))
            assert find(file) is None, "this one has not told yet where it listens"
