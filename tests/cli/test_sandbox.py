"""`kaskad sandbox`, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from ruamel.yaml import YAML

from kaskad.cli import phones
from kaskad.cli.root import run
from support.faults import free_port

PEOPLE = Path(__file__).parents[2] / "examples" / "people.csv"


def start(*arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", "from kaskad.cli import main; main()", "sandbox", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_people_of_a_file_until_it_is_told_to_end(number: signal.Signals) -> None:
    process = start("--port", "0", "--smtp-port", "0", "--people", str(PEOPLE))
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("phones") and "people)" in line
    url = line.split()[1].rstrip("/")
    assert httpx2.get(f"{url}/control/counts").json()["sms"] == {"received": 0, "reacted": 0, "stopped": 0}
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "telegram    0 received, 0 reacted to, 0 said no" in out


def test_the_accounts_have_the_ports_that_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", "--accounts", "--port", "8123", "--smtp-port", "2599"]) == 0
    told = YAML(typ="safe").load(capsys.readouterr().out)["accounts"]
    assert [account["name"] for account in told] == ["mail", "telegram", "sms", "robot-call"]
    assert told[0]["settings"]["port"] == 2599
    assert {account["settings"].get("base_url", "") for account in told} == {
        "", "http://127.0.0.1:8123/telegram", "http://127.0.0.1:8123/smsc", "http://127.0.0.1:8123/twilio"
    }  # fmt: skip


def test_what_cannot_be_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(["sandbox", "--port", str(port), "--smtp-port", str(free_port())]) == 1
        assert f"127.0.0.1:{port}: Address already in use" in capsys.readouterr().err
    empty = tmp_path / "people.csv"
    empty.write_text("id,name\n")
    assert run(["sandbox", "--people", str(empty)]) == 1
    assert "nobody in the file" in capsys.readouterr().err
    assert run(["sandbox", "--people", str(tmp_path / "none.csv")]) == 2
    assert run(["sandbox", "--mail-route", "mailbox"]) == 2
    assert run(["sandbox", "--kaskad-url", "shop"]) == 2
    assert run(["sandbox", "--people", str(empty), "--country", "Kasachstan"]) == 2
    habits = tmp_path / "habits.yaml"
    habits.write_bytes("# Привычки\n".encode("cp1251"))
    capsys.readouterr()
    assert run(["sandbox", "--profile", str(habits)]) == 2
    assert f"--profile: {habits} is not UTF-8 text: save it as such" in capsys.readouterr().err
    habits.write_text("email: [\n")
    assert run(["sandbox", "--profile", str(habits)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run(["sandbox", "--accounts", "--port", "0"]) == 2


def test_phones_of_a_sandbox_whose_server_does_not_run_are_told_without_an_address(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = {"open": True, "url": "", "accounts": ["mail", "sms"]}
    phones._say(told, False)
    phones._say({**told, "url": "http://127.0.0.1:8025"}, False)
    assert capsys.readouterr().out.splitlines() == [
        "The sandbox is open: phones are there while `kaskad serve` runs, accounts mail, sms.",
        "The sandbox is open: phones at http://127.0.0.1:8025, accounts mail, sms.",
    ]
