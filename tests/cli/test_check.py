"""`kaskad check` and `kaskad schema` as a stranger meets them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kaskad.cli.root import run

EXAMPLES = Path(__file__).parents[2] / "examples"
BAD = """\
cascade: shop
class: service
trigger: {event: cart}
goal: {event: purchase}
steps:
  - id: letter
    chanel: email
    text: hello
"""


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BAD, "utf-8")
    return str(path)


def test_a_good_file_is_ok_in_one_line(capsys):
    path = str(EXAMPLES / "webinar.yaml")
    assert run(["check", path]) == 0
    assert capsys.readouterr().out == f"{path}: ok, webinar, 3 steps\n"


def test_an_error_shows_place_line_caret_and_remedy(bad, capsys):
    assert run(["check", bad]) == 1
    out = capsys.readouterr().out
    assert f"{bad}:7:5: error: `chanel` is not known in item 1 of `steps`\n" in out
    assert "        chanel: email\n        ^\n    did you mean `channel`?\n" in out
    assert "has no `channel`" in out


def test_warnings_alone_are_no_failure(capsys):
    path = str(EXAMPLES / "general.yaml")
    assert run(["check", path]) == 0
    out = capsys.readouterr().out
    assert "warning: 5 steps" in out
    assert "ok, general, 5 steps, 1 warning" in out


def test_several_files_are_all_checked(bad, capsys):
    assert run(["check", bad, str(EXAMPLES / "promo.yaml")]) == 1
    captured = capsys.readouterr()
    assert "promo.yaml: ok" in captured.out
    assert "bad.yaml: 2 errors" in captured.err


def test_json_holds_every_problem(bad, capsys):
    assert run(["check", "--json", bad, str(EXAMPLES / "promo.yaml")]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["ok"], second["ok"]) == (False, True)
    assert second["cascade"] == "spring-sale"
    assert {(problem["line"], problem["severity"]) for problem in first["problems"]} == {
        (6, "error"),
        (7, "error"),
    }
    assert set(first["problems"][0]) == {"line", "column", "path", "message", "remedy", "severity"}


def test_a_file_that_is_not_there_is_wrong_use(tmp_path, capsys):
    assert run(["check", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err
    assert run(["check", str(tmp_path)]) == 2
    assert run(["check"]) == 2


def test_bytes_that_are_no_text_are_an_error_with_a_place(tmp_path, capsys):
    path = tmp_path / "latin.yaml"
    path.write_bytes("title: ok\ncascade: корзина".encode("cp1251"))
    assert run(["check", str(path)]) == 1
    assert ":2:10: error: this is not UTF-8 text" in capsys.readouterr().out


def test_what_cannot_be_shown_has_no_empty_line_and_no_caret(tmp_path, capsys):
    path = tmp_path / "latin.yaml"
    path.write_bytes("корзина".encode("cp1251"))
    assert run(["check", str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{path}:1:1: error: this is not UTF-8 text",
        "    save the file as UTF-8",
    ]


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path, capsys):
    path = tmp_path / "evil.yaml"
    path.write_text("cascade: x\ntitle: \x1b[31mred\n", "utf-8")
    assert run(["check", str(path)]) == 1
    assert "\x1b[31m" not in capsys.readouterr().out


def test_a_long_line_is_cut_around_its_place(tmp_path, capsys):
    path = tmp_path / "long.yaml"
    path.write_text(BAD.replace("text: hello", f"text: [{'a, ' * 300}]").replace("\n", " \n"), "utf-8")
    run(["check", str(path)])
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) < 400


def test_standard_input_is_checked_in_a_process_of_its_own():
    done = subprocess.run(
        [sys.executable, "-c", "from kaskad.cli import main; main()", "check", "-"],
        input=BAD, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.startswith("<stdin>:6:5: error:")
    assert "Traceback" not in done.stderr


def test_schema_prints_json_schema(capsys):
    assert run(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "steps" in schema["required"]
