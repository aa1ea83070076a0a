"""`kaskad check` and `kaskad schema`: definitions looked at before anything is sent."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kaskad.cli.screens.options import DB

if TYPE_CHECKING:
    from kaskad.domain.definition import Loaded, Problem

MAX_SHOWN = 120  # characters of a source line


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(check)
    app.command()(schema)


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="YAML or JSON; - is standard input.")],
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Also tell what the accounts that there are cannot do.")
    ] = False,
    db: DB = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check cascade definitions: every problem at once, with its place and what to do."""
    from kaskad.cli.screens.output import as_text

    texts = [(name, read(name)) for name in files]
    loaded = [load_text(name, text) for name, text in texts]
    if accounts:
        loaded = [_with_accounts(one, text, db) for one, (_, text) in zip(loaded, texts, strict=True)]
    if as_json:
        typer.echo(as_text([as_data(one) for one in loaded]))
    else:
        for one, (_, text) in zip(loaded, texts, strict=True):
            show_problems(one, text if isinstance(text, str) else None)
    if any(one.errors for one in loaded):
        raise typer.Exit(1)


def schema(
    _as_json: Annotated[bool, typer.Option("--json", help="As always: it is JSON anyway.")] = False,
) -> None:
    """Print the JSON Schema of a cascade definition."""
    import json

    from kaskad.domain.definition import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def read(name: str, meant: str = "FILE") -> str | UnicodeDecodeError:
    """Return the text of a file, or why it is no text; one that cannot be opened is wrong use of `meant`."""
    from pathlib import Path

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise typer.BadParameter(f"{name}: {reason}", param_hint=meant) from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error


def load_text(name: str, text: str | UnicodeDecodeError) -> Loaded:
    """Return what the text of a file holds, with all that is wrong with it."""
    from kaskad.domain.definition import Loaded, Problem, load

    shown = "<stdin>" if name == "-" else name
    if isinstance(text, str):
        return load(text, name=shown)
    before = text.object[: text.start]
    line, column = before.count(b"\n") + 1, text.start - (before.rfind(b"\n") + 1) + 1
    problem = Problem(line, column, "", "this is not UTF-8 text", "save the file as UTF-8")
    return Loaded(shown, None, (problem,))


def _with_accounts(loaded: Loaded, text: str | UnicodeDecodeError, db: str) -> Loaded:
    """Return the findings of the installation, which knows its accounts."""
    from kaskad.cli.client import reached
    from kaskad.domain.definition import Loaded, Problem

    if not isinstance(text, str):
        return loaded
    with reached(db) as client:
        told = client.call(
            "POST",
            "/cascades/check",
            query={"accounts": "true"},
            content=text.encode(),
            kind="application/yaml",
        )
    problems = tuple(Problem(**one) for one in told["problems"])
    return Loaded(loaded.name, loaded.cascade if told["ok"] else None, problems)


def as_data(loaded: Loaded) -> dict[str, object]:
    """Return what was found in a text, as `--json` tells it."""
    cascade = loaded.cascade
    return {
        "file": loaded.name,
        "ok": cascade is not None,
        "cascade": cascade.id if cascade else None,
        "steps": len(cascade.steps) if cascade else None,
        "problems": loaded.problems,
    }


def show_problems(loaded: Loaded, text: str | None) -> None:
    """Print what is wrong with a text, each with its line; and whether it can be used."""
    lines = [] if text is None else re.split(r"\r\n|\r|\n", text)
    for problem in loaded.problems:
        print_problem(loaded.name, problem, lines)
    if loaded.cascade is None:
        count = len(loaded.errors)
        typer.secho(f"{loaded.name}: {count} error{'s' * (count != 1)}", err=True, fg=typer.colors.RED)
        return
    steps, warned = len(loaded.cascade.steps), len(loaded.warnings)
    words = [f"{steps} step{'s' * (steps != 1)}"]
    words += [f"{warned} warning{'s' * (warned != 1)}"] * bool(warned)
    typer.secho(f"{loaded.name}: ok, {loaded.cascade.id}, {', '.join(words)}", fg=typer.colors.GREEN)


def print_problem(name: str, problem: Problem, lines: list[str]) -> None:
    """Print one finding with its line of the file, and what to do."""
    color = typer.colors.RED if problem.severity == "error" else typer.colors.YELLOW
    place = typer.style(f"{name}:{problem.line}:{problem.column}:", bold=True)
    typer.echo(f"{place} {typer.style(problem.severity, fg=color)}: {problem.message}")
    if 0 < problem.line <= len(lines):
        source, column = _cut(lines[problem.line - 1], problem.column)
        typer.echo(f"    {source}")
        typer.echo("    " + " " * (column - 1) + typer.style("^", fg=color))
    if problem.remedy:
        typer.echo(f"    {problem.remedy}")


def _cut(line: str, column: int) -> tuple[str, int]:
    """Return the part of a long line around the column, without what a terminal would act on."""
    line = "".join(char if char.isprintable() else " " for char in line)
    if len(line) <= MAX_SHOWN:
        return line, column
    start = max(0, min(column - MAX_SHOWN // 2, len(line) - MAX_SHOWN))
    return line[start : start + MAX_SHOWN], column - start
