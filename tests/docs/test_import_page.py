"""What docs/import.md says of its files happens, and the files are those that its script writes."""

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from kaskad.cli.root import run
from kaskad.engine.columns import COLUMNS
from kaskad.engine.people import Kind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/import.md").read_text("utf-8")
COMMANDS = [line.strip() for line in re.findall(r"(?m)^    (kaskad import .*)$", PAGE)]


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "people.xlsx").symlink_to(ROOT / "examples/people-messy.xlsx")
    assert run(["init"]) == 0
    capsys.readouterr()

    def call(command: str, *more: str) -> tuple[int, str]:
        code = run([*shlex.split(command)[1:], *more])
        out, err = capsys.readouterr()
        return code, out or err

    return call


def test_every_command_of_the_page_runs(told):
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        code, out = told(command)
        assert code == 1  # each of these files has something to be mended
        assert "left out" in out or "never closed" in out


def test_the_messy_file_gives_the_report_that_the_page_describes(told):
    messy = next(line for line in COMMANDS if "people-messy" in line)
    code, out = told(messy, "--json", "--rejected", "rejected.csv")
    report = json.loads(out)
    assert code == 1 and report["dry_run"] and report["state"] == "done"
    assert (report["rows"], report["new"], report["rejected"]) == (9, 7, 2)
    counts = {kind: count for kind, count in report["counts"].items() if count}
    assert counts == {"rejected": 2, "asked": 2, "unread": 3, "flagged": 2, "fixed": 5}
    assert report["columns"]["День рождения"] == "date.День рождения"
    assert report["guessed"] == ["День рождения"]
    rejected = Path("rejected.csv").read_text("utf-8-sig").splitlines()
    assert rejected[0].endswith(",row,reason") and len(rejected) == 3
    assert "id '101' is already in row 2" in rejected[2]
    assert told("kaskad contact list")[1] == "There are no such contacts.\n"


def test_the_mangled_file_is_brought_in_but_for_what_is_broken(told):
    code, out = told("kaskad import examples/people-mangled.csv")
    assert code == 1 and "line 3 in cp1251" in out and "rounded it" in out
    assert "row 5: left out: 7 cells, and the header names 4 columns" in out
    assert "5 rows, 4 new, 0 changed, 1 left out" in out
    assert "Борис" in told("kaskad contact list")[1]


def test_the_file_that_breaks_off_is_refused_whole(told):
    code, out = told("kaskad import examples/people-cut-off.csv")
    assert code == 1 and "never closed" in out
    assert told("kaskad contact list")[1] == "There are no such contacts.\n"


def test_the_files_are_those_of_the_script(tmp_path, monkeypatch):
    module = runpy.run_path(str(ROOT / "examples/make_people_messy.py"))
    module["main"].__globals__["HERE"] = tmp_path
    module["main"]()
    for name in ("people-mangled.csv", "people-cut-off.csv"):
        assert (tmp_path / name).read_bytes() == (ROOT / "examples" / name).read_bytes()
    from kaskad.engine.tables import open_table

    made, kept = (
        open_table((place / "people-messy.xlsx").read_bytes(), "x") for place in (tmp_path, ROOT / "examples")
    )
    assert (made.header, list(made.lines())) == (kept.header, list(kept.lines()))


def test_the_page_names_every_field_and_every_kind_of_note():
    for name in COLUMNS:
        assert f"`{ {'sms': 'phone', 'external_id': 'id'}.get(name, name) }`".replace(" ", "") in PAGE
    for kind in Kind:
        assert f"| `{kind.value}` |" in PAGE
