"""`kaskad key`: keys of the API."""

from __future__ import annotations

from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Keys of the API: make, list, revoke.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(show)
    group.command("revoke")(revoke)
    app.add_typer(group, name="key")


def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as shop or crm.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="What it opens, such as events:write; several times for several. A wrong one names all."
        ),
    ],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Make a key. It is shown this once and kept nowhere."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        made = client.post("/keys", {"name": name, "scopes": scope})
    typer.echo(as_text(made) if as_json else made["key"])


def show(db: DB = "", as_json: JSON = False) -> None:
    """List the keys that open something."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        keys = list(client.items("/keys"))
    if as_json:
        typer.echo(as_text(keys))
    elif not keys:
        typer.echo("There are no keys: `kaskad key create NAME --scope …` makes one.")
    else:
        rows = [(key["name"], ", ".join(key["scopes"]), key["created_at"][:16]) for key in keys]
        typer.echo(table(("NAME", "OPENS", "MADE"), rows))


def revoke(
    name: Annotated[str, typer.Argument(help="As `kaskad key list` shows it.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Let a key open nothing any more."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/keys/{part(name)}")
    say(as_json, {"revoked": name}, f"{name} is revoked.")
