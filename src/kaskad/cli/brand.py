"""`kaskad brand`: who sends."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Who sends: the brand's name and currency.", no_args_is_help=True)
    group.command("show")(show)
    group.command("set")(change)
    app.add_typer(group, name="brand")


def show(db: DB = "", as_json: JSON = False) -> None:
    """Show who sends."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        _say(client.get("/brand"), as_json)


def change(
    name: Annotated[str, typer.Argument(help="How the sender is called.")],
    currency: Annotated[str, typer.Argument(help="Of prices and budgets, such as RUB.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Say who sends."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        _say(client.put("/brand", {"name": name, "currency": currency}), as_json)


def _say(told: dict[str, Any], as_json: bool) -> None:
    from kaskad.cli.screens.output import as_text

    if as_json:
        typer.echo(as_text(told))
    else:
        typer.echo(f"{told['name']}, {told['currency']}" if told["name"] else "Nobody has said who sends.")
