"""`kaskad doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kaskad.actions.doctor import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "problem": "red"}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(doctor)


def doctor(
    db: Annotated[str, typer.Option("--db", help="SQLite file or postgresql://…; else the settings'.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at settings, database, disk, keys, accounts, addresses and DNS; 1 is returned for problems."""
    from kaskad.cli.screens.output import as_text

    findings = []
    for finding in _look(db):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        typer.echo(as_text(findings))
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def _look(db: str) -> Iterator[Finding]:
    from kaskad.actions.doctor import Finding, examine
    from kaskad.cli.client import chosen
    from kaskad.domain.errors import Invalid
    from kaskad.web.local import database_file

    try:
        settings = chosen(db)
    except Invalid as error:
        yield from (Finding("problem", "settings", problem) for problem in error.problems)
        return
    yield Finding("ok", "settings", f"base_url {settings.base_url}, listening at {settings.listen}")
    yield from examine(settings, database_file(settings))


def _print(finding: Finding) -> None:
    level = typer.style(finding.level.ljust(8), fg=_COLOURS[finding.level])
    typer.echo(f"{level}{finding.what}: {finding.detail}")
    if finding.todo and finding.level != "ok":
        typer.echo(f"{' ' * 8}→ {finding.todo}")
