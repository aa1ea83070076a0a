"""`kaskad doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kaskad.actions.doctor import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "problem": "red"}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="What is wrong with this installation; what the law says.", invoke_without_command=True
    )
    group.callback()(doctor)
    group.command("law")(ask_law)
    app.add_typer(group, name="doctor")


def doctor(
    context: typer.Context,
    db: Annotated[str, typer.Option("--db", help="SQLite file or postgresql://…; else the settings'.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at settings, database, disk, keys, accounts, addresses and DNS; 1 is returned for problems."""
    from kaskad.cli.screens.output import as_text

    if context.invoked_subcommand is not None:
        return
    findings = []
    for finding in _look(db):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        typer.echo(as_text(findings))
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def ask_law(
    country: Annotated[list[str] | None, typer.Option(help="Such as RU; several times.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Such as robot_call; several times.")] = None,
    message_class: Annotated[list[str] | None, typer.Option("--class", help="Such as advertising.")] = None,
    day: Annotated[str, typer.Option(help="YYYY-MM-DD; else today.")] = "",
    db: Annotated[str, typer.Option("--db", help="SQLite file or postgresql://…; else the settings'.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what may be sent to whom, by which article, and when that was last looked at. No legal advice."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    asked = {"country": country, "channel": channel, "class": message_class, "day": day or None}
    with reached(db) as client:
        found = list(client.items("/law", **asked))
        laws = {one["id"]: one for one in client.items("/law/rules")}
    if as_json:
        typer.echo(as_text({"answers": found, "laws": list(laws.values())}))
        return
    rows = [
        (one["country"], one["channel"], one["class"], one["verdict"], ", ".join(one["rules"]), _hours(one))
        for one in found
    ]
    typer.echo(table(("COUNTRY", "CHANNEL", "CLASS", "ANSWER", "BY", "HOURS"), rows))
    typer.echo("")
    for name in dict.fromkeys(rule for one in found for rule in one["rules"]):
        law = laws[name]
        doubt = "" if law["settled"] else " Opinions differ: the decision is yours."
        typer.echo(f"{name}: {law['article']}, since {law['since']}, looked at on {law['checked']}.")
        typer.echo(f"    {law['says']}{doubt}")


def _hours(answer: dict[str, Any]) -> str:
    return "; ".join(f"{', '.join(one['hours'])} ({one['days']})" for one in answer["windows"])


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
