"""The doctor finds what is wrong with an installation, says what to do, and ends with one for problems."""

import json
import socket
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from kaskad.actions import doctor
from kaskad.cli.root import run
from kaskad.config import load
from kaskad.store import holds
from kaskad.store.db import open_database
from kaskad.web.service import serving
from support.faults import free_port

SECRET = "swordfish-swordfish"
GOOD = {
    "example.org": ["v=spf1 -all"],
    "_dmarc.example.org": ["v=DMARC1; p=none"],
    "k1._domainkey.example.org": ["v=DKIM1; p=abc"],
}


@pytest.fixture
def home(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    port = free_port()
    assert run(["init", "--base-url", f"http://127.0.0.1:{port}"]) == 0
    monkeypatch.setenv("KASKAD_LISTEN", f"127.0.0.1:{port}")
    monkeypatch.setenv("SMS_SECRET", SECRET)
    monkeypatch.setenv("ANY_URL", "json://localhost/{to}")
    capsys.readouterr()


def found(capsys, code):
    assert run(["doctor", "--json"]) == code
    told = capsys.readouterr().out
    assert SECRET not in told
    return {one["what"]: (one["level"], f"{one['detail']} {one['todo']}") for one in json.loads(told)}


def test_an_installation_that_runs_has_no_problems(home, capsys):
    assert found(capsys, 0)["base_url"][0] == "warn"  # nothing runs yet
    with (
        socket.create_server(("127.0.0.1", 0)) as provider,
        serving(load(), "kaskad serve", base_url=load().base_url),
    ):
        url = f"http://127.0.0.1:{provider.getsockname()[1]}/"
        assert run(["account", "add", "sms", "--provider", "generic_webhook", "--channel", "sms",
                    "--set", f"url={url}", "--secret", "secret=$SMS_SECRET"]) == 0  # fmt: skip
        assert run(["account", "add", "desk", "--provider", "desk", "--set", "agents=2"]) == 0
        assert run(["account", "add", "any", "--provider", "apprise", "--channel", "push",
                    "--secret", "service_url=$ANY_URL"]) == 0  # fmt: skip
        capsys.readouterr()
        told = found(capsys, 0)
        assert run(["doctor"]) == 0
        assert "→ set base_url" in capsys.readouterr().out
    assert told["database"][0] == told["integrity"][0] == told["secret key"][0] == told["disk"][0] == "ok"
    assert told["base_url"][0] == "warn" and "not https" in told["base_url"][1]
    assert told["account sms"][0] == "ok" and told["account sms, webhooks"][0] == "warn"
    assert told["account desk"][0] == told["account any"][0] == "ok"  # neither is called at an address


def test_what_is_wrong_is_told_with_what_to_do(home, monkeypatch, capsys):
    assert run(["account", "add", "sms", "--provider", "generic_webhook", "--channel", "sms",
                "--set", "url=http://127.0.0.1:1/", "--secret", "secret=$SMS_SECRET"]) == 0  # fmt: skip
    Path("kaskad.toml").chmod(0o644)
    capsys.readouterr()
    told = found(capsys, 1)
    assert told["secret key"] == ("problem", "others can read kaskad.toml chmod 600 kaskad.toml")
    assert told["account sms"][0] == "problem" and "cannot be reached" in told["account sms"][1]
    with closing(open_database(load().database)) as db, db.write() as tx:
        assert holds.put(tx, 1, holds.Held(5, "550 5.7.1 listed"))
    assert run(["doctor", "--json"]) == 1
    (held,) = [one for one in json.loads(capsys.readouterr().out) if "held" in one["detail"]]
    assert (held["what"], held["level"], held["detail"]) == (
        "account sms",
        "problem",
        "held: 550 5.7.1 listed",
    )
    assert "kaskad account resume sms" in held["todo"]
    monkeypatch.setenv("KASKAD_SECRET_KEY", "another-key-of-more-than-32-characters")
    assert "another key" in found(capsys, 1)["accounts"][1]
    monkeypatch.setenv("KASKAD_LISTEN", "nowhere")
    assert found(capsys, 1)["settings"][0] == "problem"


def test_a_damaged_or_missing_database_is_a_problem(home, tmp_path, capsys):
    with (tmp_path / "kaskad.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    told = found(capsys, 1)
    assert "problem" in (told.get("integrity", ("",))[0], told["database"][0])
    (tmp_path / "kaskad.db").unlink()
    assert "kaskad init" in found(capsys, 1)["database"][1]


@pytest.mark.parametrize(
    ("records", "levels"),
    [
        (GOOD, {"SPF": "ok", "DMARC": "ok", "DKIM": "ok"}),
        ({}, {"SPF": "warn", "DMARC": "warn", "DKIM": "problem"}),
        (None, {"SPF": "warn", "DMARC": "warn", "DKIM": "warn"}),
    ],
)  # fmt: skip
def test_the_dns_of_a_mail_account_is_looked_at(home, records, levels):
    from kaskad.actions import accounts

    with serving(replace(load(), listen="127.0.0.1:0"), "kaskad serve") as service:
        settings = {"host": "127.0.0.1", "port": "1", "sender": "Shop <shop@example.org>",
                    "dkim_domain": "example.org", "dkim_selector": "k1"}  # fmt: skip
        accounts.save(service.office, "mail", {"provider": "smtp", "settings": settings})
    lookup = (lambda name: None) if records is None else (lambda name: records.get(name, []))
    told = {one.what: one.level for one in doctor.examine(load(), Path("kaskad.db"), lookup)}
    assert {name: told[f"account mail, {name}"] for name in levels} == levels
