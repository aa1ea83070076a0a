"""`kaskad approval`: texts that somebody else than their author has to approve before they are activated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

NAME = Annotated[str, typer.Argument(metavar="CASCADE", help="Its name; with --template that of a template.")]
TEXTS = Annotated[
    list[str] | None, typer.Argument(metavar="TEXT", help="Ids, as `approval list` shows them; else all.")
]
TEMPLATE = Annotated[bool, typer.Option("--template", help="A template, and not a cascade.")]
NOTE = Annotated[str, typer.Option(help="Why; kept with the act.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="Approvals of texts: list, give, take-back, history (policy `approval: required`).",
        no_args_is_help=True,
    )
    group.command("list")(listing)
    group.command("give")(give)
    group.command("take-back")(take_back)
    group.command("history")(history)
    app.add_typer(group, name="approval")


def listing(
    name: Annotated[str, typer.Argument(metavar="CASCADE", help="Else which cascades wait.")] = "",
    template: TEMPLATE = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show which texts wait and who has approved the others. Exit code 1: some wait."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = client.get(_path(name, template) if name else "/approvals/waiting")
    waits = any(not one["approved"] for one in found["texts"]) if name else bool(found["items"])
    if as_json:
        typer.echo(as_text(found))
    elif name:
        _print(found)
    elif not found["items"]:
        typer.echo("Nothing waits for an approval.")
    else:
        typer.echo(
            table(("CASCADE", "TEXTS"), [(one["cascade"], str(one["texts"])) for one in found["items"]])
        )
    if waits:
        raise typer.Exit(1)


def give(
    name: NAME, texts: TEXTS = None, template: TEMPLATE = False, note: NOTE = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    db: DB = "", as_json: JSON = False,
) -> None:  # fmt: skip
    """Approve texts after showing them; who has written one cannot."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, many

    with reached(db) as client:
        found = client.get(_path(name, template))
        chosen = [
            one for one in found["texts"] if one["id"] in (texts or ()) or not (texts or one["approved"])
        ]
        if not yes and not as_json:
            for one in chosen:
                _print_words(one)
            if chosen:
                typer.confirm(f"Approve {many(len(chosen), 'text')}?", abort=True)
        wanted = texts or [one["id"] for one in chosen]
        if wanted:
            found = client.post(_path(name, template), {"texts": wanted, "note": note})
    typer.echo(as_text(found)) if as_json else _print(found)


def take_back(
    name: NAME, texts: TEXTS = None, template: TEMPLATE = False, note: NOTE = "", db: DB = "",
    as_json: JSON = False,
) -> None:  # fmt: skip
    """Take approvals back: what runs goes on, the next activation needs them."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    path = _path(name, template)
    with reached(db) as client:
        wanted = texts or [one["id"] for one in client.get(path)["texts"] if one["approved"]]
        told = {"texts": wanted, "note": note}
        found = client.post(f"{path}/take-back", told) if wanted else client.get(path)
    typer.echo(as_text(found)) if as_json else _print(found)


def history(db: DB = "", as_json: JSON = False) -> None:
    """Show who approved what and took it back, the newest first."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = client.get("/approvals")
    if as_json:
        typer.echo(as_text(found))
        return
    rows = [
        (one["at"][:16], one["act"].replace("_", " "), one["what"], one["by"], one["note"])
        for one in found["items"]
    ]
    typer.echo(table(("AT", "", "TEXT", "BY", "NOTE"), rows) if rows else "Nothing was approved yet.")


def _path(name: str, template: bool) -> str:
    return f"/{'templates' if template else 'cascades'}/{name}/approvals"


def _print(found: Mapping[str, Any]) -> None:
    if not found["required"]:
        typer.echo("The policy asks for no approvals: `kaskad policy set approval=required` does.")
    for one in found["texts"]:
        when = (one["approved_at"] or "")[:16]
        state = f"approved by {one['approved_by']} {when}" if one["approved"] else "waits"
        by = f", written by {one['author']}" if one["author"] else ""
        typer.secho(f"{one['id']}  {one['title']}: {state}{by}", fg=None if one["approved"] else "yellow")


def _print_words(one: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.output import as_text

    typer.secho(f"{one['title']}, written by {one['author'] or 'nobody known'}", bold=True)
    typer.echo(as_text(one["content"]))
