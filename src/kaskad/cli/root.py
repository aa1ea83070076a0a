"""The root of the command line: finds the groups of commands, and words every failure.

A group's file imports at its top only what describes its commands (typer, the standard library);
what does their work is imported inside them, so that `kaskad --help` answers at once.
Exit codes: 0 fine, 1 a problem was found, 2 used wrongly, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer
from typer.core import TyperGroup

import kaskad.cli
from kaskad.cli.screens.helps import make_readable
from kaskad.cli.screens.negative import take_numbers
from kaskad.cli.screens.typed import named
from kaskad.domain.errors import Invalid, KaskadError

_UNNAMED = "Invalid value: "  # how a value is refused of which nobody says where it was given


def build_app() -> typer.Typer:
    """Return the `kaskad` command with the commands of every group in this package."""
    app = typer.Typer(
        name="kaskad",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in iter_modules(kaskad.cli.__path__):
        if module.name != "root":
            register = getattr(import_module(f"kaskad.cli.{module.name}"), "register", None)
            if register is not None:
                register(app)
    return app


@cache
def _command() -> TyperGroup:
    """Return what `build_app` describes, ready to be called: made of 900 parameters, so once a process."""
    command = typer.main.get_command(build_app())
    assert isinstance(command, TyperGroup)
    make_readable(command)
    take_numbers(command)
    return command


def run(arguments: list[str]) -> int:
    """Return the exit code of one command; whatever goes wrong has been said on standard error."""
    try:
        code = _command().main(args=arguments or ["--help"], prog_name="kaskad", standalone_mode=False)
    except typer.TyperException as error:  # used wrongly: in whole lines, so that a path can be copied
        _say(f"{_wrong_use(error, arguments)}\n{_hint(error, arguments)}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _say("interrupted")
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as error:
        if os.environ.get("KASKAD_DEBUG") == "1":
            raise
        _say(explain(error, arguments))
        return 1
    return code if isinstance(code, int) else 0


def _hint(error: typer.TyperException, arguments: list[str]) -> str:
    """Return what to do about a wrong use: where an option goes, or whose help tells of it."""
    context = getattr(error, "ctx", None)
    used = context.command_path if context is not None else "kaskad"
    if used == "kaskad" and arguments and arguments[0].startswith("--"):
        return f"Options stand behind the command: `kaskad COMMAND {arguments[0].partition('=')[0]} …`."
    return f"`{used} --help` shows what there is."


def _wrong_use(error: typer.TyperException, arguments: list[str]) -> str:
    """Return what was used wrongly, with the option that it is about: of a value only it is known."""
    told = error.format_message()
    what = told.removeprefix(_UNNAMED)
    if what == told or (found := named(what, _command(), arguments)) == what:
        return told
    return f"Invalid value for {found}"


def explain(error: Exception, arguments: Sequence[str] = ()) -> str:
    """Return what a person who has typed these arguments needs to know of a failure, one problem a line."""
    match error:
        case Invalid():
            told = (named(str(problem), _command(), arguments) for problem in error.problems)
            return "\n".join(dict.fromkeys(told))
        case KaskadError():
            return named(str(error), _command(), arguments)
        case OSError() if error.strerror:
            names = [str(name) for name in (error.filename, error.filename2) if name is not None]
            return ": ".join([*names, error.strerror])
    return (
        f"a defect in kaskad: {type(error).__name__}: {error}\n"
        "Run the command again with KASKAD_DEBUG=1 to see where, and report what it shows."
    )


def _say(text: str) -> None:
    for line in text.splitlines():
        print(f"kaskad: {line}", file=sys.stderr)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"kaskad {version('kaskad')}")
        raise typer.Exit


def _root(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Cascade messaging: one message, several channels in turn, until the person answers."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org; None: where a terminal is written to
        context.color = False
