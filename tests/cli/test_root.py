"""The root command: what is shown, said and returned."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from kaskad.cli import root
from kaskad.cli.screens.helps import TOPICS
from kaskad.domain.errors import Conflict, Invalid, NotFound, Unavailable
from support.databases import lay

# What does the work of a command and must not be loaded to describe it.
HEAVY = ("aiohttp", "apsw", "holidays", "liquid", "phonenumbers", "psycopg", "ruamel", "starlette", "uvicorn")
WEB = ("kaskad.web.app", "fastapi", "starlette", "uvicorn")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a command `fail` that raises what its `error` holds."""
    box = SimpleNamespace(error=None)
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise box.error

    app.callback()(lambda: None)
    monkeypatch.setattr(root, "_command", lambda: typer.main.get_command(app))
    monkeypatch.delenv("KASKAD_DEBUG", raising=False)
    return box


def test_help_and_version_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert root.run(["--help"]) == 0
    assert "Cascade messaging" in capsys.readouterr().out
    assert root.run(["--version"]) == 0
    assert capsys.readouterr().out == f"kaskad {version('kaskad')}\n"


def test_an_unknown_command_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert root.run(["cascade-of-nothing"]) == 2
    assert "cascade-of-nothing" in capsys.readouterr().err


def test_a_wrong_use_is_said_in_whole_lines_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/" + "/".join(["a-long-name-of-a-folder"] * 20)
    assert root.run(["check", path + "/none.yaml"]) == 2
    assert path + "/none.yaml" in capsys.readouterr().err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert root.run([]) == 0
    assert "check" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            Invalid(["Step 1 has no text.", "Step 2 waits 0 s."]),
            "kaskad: Step 1 has no text.\nkaskad: Step 2 w",
        ),
        (NotFound("There is no cascade 'x'."), "kaskad: There is no cascade 'x'.\n"),
        (Conflict("taken"), "kaskad: taken\n"),
        (Unavailable("no database"), "kaskad: no database\n"),
        (FileNotFoundError(2, "No such file", "people.csv"), "kaskad: people.csv: No such file\n"),
        (ZeroDivisionError("division by zero"), "kaskad: a defect in kaskad: ZeroDivisionError"),
    ],
)
def test_a_failure_is_said_without_a_stack_trace(
    failing: SimpleNamespace, capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    failing.error = error
    assert root.run(["fail"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith(said)
    assert "Traceback" not in told.out + told.err


def test_an_interruption_ends_with_130(failing: SimpleNamespace) -> None:
    failing.error = KeyboardInterrupt()
    assert root.run(["fail"]) == 130


def test_a_command_chooses_its_own_exit_code(failing: SimpleNamespace) -> None:
    failing.error = typer.Exit(1)
    assert root.run(["fail"]) == 1


def test_on_request_the_stack_trace_is_shown(
    failing: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASKAD_DEBUG", "1")
    failing.error = NotFound("x")
    with pytest.raises(NotFound):
        root.run(["fail"])


def commands_of(command: Any, name: str = "kaskad") -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by its whole name."""
    for part, below in getattr(command, "commands", {}).items():
        yield from commands_of(below, f"{name} {part}")
    if not hasattr(command, "commands"):
        yield name, command


def test_every_command_can_print_json() -> None:
    found = dict(commands_of(typer.main.get_command(root.build_app())))
    assert len(found) > 50 and "kaskad account remove" in found
    for name, command in found.items():
        assert any("--json" in option.opts for option in command.params), name


def test_every_help_reads_well_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line of a paragraph ends before the next word would have passed the margin."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("TERMINAL_WIDTH", raising=False)
    commands = dict(all_of(typer.main.get_command(root.build_app())))
    assert len(commands) > 200
    for name in commands:
        root.run([*name.split()[1:], "--help"])
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= 80
        assert "[[" not in shown and "......" not in shown, name  # typer itself marks what may be left out
        about = [line.strip() for line in shown.partition("╭")[0].splitlines() if "Usage:" not in line]
        for one, other in pairwise(about):
            assert not one or not other or len(f" {one} {other.split()[0]}") >= 80, f"{name}: {one}"


def all_of(command: Any, name: str = "kaskad") -> Iterator[tuple[str, Any]]:
    """Yield every command and group of commands, by its whole name."""
    yield name, command
    for part, below in getattr(command, "commands", {}).items():
        yield from all_of(below, f"{name} {part}")


def test_every_command_and_all_that_it_takes_is_described_and_stands_under_one_topic() -> None:
    whole: Any = typer.main.get_command(root.build_app())
    for name, command in all_of(whole):
        assert command.help, name
        for each in command.params:
            assert each.help, f"{name} {each.name}"
    topics = [name for names in TOPICS.values() for name in names]
    assert sorted(topics) == sorted(whole.commands)


NO_DATABASE = {  # commands that look at no installation
    "kaskad schema", "kaskad demo", "kaskad sandbox", "kaskad account kinds", "kaskad webhook types",
    "kaskad bench channels",
}  # fmt: skip


def test_every_command_of_an_installation_takes_its_database() -> None:
    found = dict(commands_of(typer.main.get_command(root.build_app())))
    without = {
        name for name, command in found.items() if not any("--db" in option.opts for option in command.params)
    }
    assert without == NO_DATABASE


def test_a_wrong_option_is_answered_with_where_it_goes_or_whose_help_tells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert root.run(["--db", "k.db", "forecast", "cart"]) == 2
    assert "behind the command: `kaskad COMMAND --db …`" in capsys.readouterr().err
    assert root.run(["account", "add", "--nothing"]) == 2
    assert "`kaskad account add --help` shows what there is." in capsys.readouterr().err


def test_describing_the_commands_loads_none_of_what_does_their_work(tmp_path: Path) -> None:
    """Nor does one that is given a wrong file, and one that only looks loads no web: where no server runs it
    asks the database itself."""
    lay(tmp_path / "k.db")
    file = Path(__file__).parents[2] / "examples" / "webinar.yaml"
    asked = ["forecast", str(file), "--typical", "--json", "--db", str(tmp_path / "k.db")]
    program = (
        "import sys; from kaskad.cli.root import build_app, run; build_app();"
        f"print([name for name in {HEAVY!r} if name in sys.modules]);"
        "run(['forecast', 'missing.yaml']); print('numpy' in sys.modules);"
        f"code = run({asked!r});"
        f"print([code, *(name for name in {WEB!r} if name in sys.modules)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("[]", "False", "[0]") and '"reach"' in done.stdout


@pytest.mark.parametrize("by", [[Path(sys.executable).parent / "kaskad"], [sys.executable, "-m", "kaskad"]])
def test_the_installed_program_is_the_root_command(by: list[Any]) -> None:
    done = subprocess.run([*by, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"kaskad {version('kaskad')}\n")
