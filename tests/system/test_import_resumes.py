"""A server that is killed while it brings in a file: the command waits, and its report is as ever."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kaskad.cli import importing
from kaskad.cli.root import run
from kaskad.web.local import find

ROWS = 6_000


def file() -> str:
    """Return people of whom some are odd in every way that is told."""
    odd = {
        3: "{n},,bad{n}@,12,maybe", 5: ",Кто,,,", 7: "{n},A,info@example.org,8 (900) 000-00-01,да",
        11: "{n},Б,p{n}@gmial.com,,", 13: ",В,p1@example.org,,", 17: "1,Г,p{n}@example.org,,нет",
        19: "{n},=cmd(),p{n}@mailinator.com,+79000{n:06},2026-02-14", 23: "{n},Д,p{n}@example.org,,,,x",
    }  # fmt: skip
    plain = "{n},Имя {n},p{n}@example.org,+7900{n:07},да"
    rows = [odd.get(n % 40, plain).format(n=n) for n in range(1, ROWS + 1)]
    return "\n".join(["id,name,email,phone,consent", *rows]) + "\n"


@contextmanager
def server(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", "from kaskad.cli import main; main()", "serve", "--listen", "127.0.0.1:0"],
        cwd=folder, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None and process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()


def told(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    run([*arguments, "--json", "--db", str(folder / "kaskad.db")])
    return json.loads(capsys.readouterr().out)


def everybody(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    """Return all people with all that is kept of them, but for when the file was first sent."""
    out = folder / "everybody.csv"
    run(["export", "people", "--out", str(out), "--db", str(folder / "kaskad.db")])
    capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"))))
    for row in rows:
        del row["contact"]  # its number: people of one piece may be made in another order
        consents = json.loads(row["consents"] or "[]")
        for each in consents:
            each["proof"].pop("imported_at")
            if not each["granted"]:
                each.pop("at")  # that of the file
        row["consents"] = json.dumps(consents)
    return sorted(rows, key=lambda row: (row["id"], row["email"]))


@pytest.mark.long
def test_an_import_goes_on_after_its_server_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    for folder in (quiet, killed):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert run(["init"]) == 0
    capsys.readouterr()
    people = tmp_path / "people.csv"
    people.write_text(file(), "utf-8")
    expected = told(quiet, capsys, "import", str(people), "--country", "RU", "--list", "all")
    monkeypatch.setattr(importing, "_LOOK_S", 0.02)
    done: list[int] = []
    bring = ["import", str(people), "--country", "RU", "--list", "all", "--json"]
    command = threading.Thread(target=lambda: done.append(run([*bring, "--db", str(killed / "kaskad.db")])))
    with server(killed) as first:
        command.start()
        seen = wait_for_rows(killed, ROWS // 10)
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert seen < ROWS, "it had ended before it was killed"
    with server(killed):
        command.join(60)
    assert done == [1]
    report = json.loads(capsys.readouterr().out)
    for each in (report, expected):
        assert each.pop("started_at") and each.pop("ended_at")
        assert each.pop("mail_domains")["known"] == 1  # looked up beside the import
    assert report == expected and report["state"] == "done" and report["rows"] == ROWS
    assert sorted(kind for kind, count in report["counts"].items() if not count) == ["suppressed"]
    assert everybody(killed, capsys) == everybody(quiet, capsys)


def wait_for_rows(folder: Path, rows: int) -> int:
    """Return how many rows are kept when there are so many; the server is asked for it."""
    import httpx2

    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        found = find(folder / "kaskad.db")
        if found is not None:
            headers = {"Authorization": f"Bearer {found.key}"}
            answer = httpx2.get(f"{found.url}/api/v1/imports", headers=headers, trust_env=False)
            items = answer.json()["items"]
            if items and items[0]["rows"] >= rows:
                return int(items[0]["rows"])
        time.sleep(0.01)
    raise AssertionError("it has not begun")
