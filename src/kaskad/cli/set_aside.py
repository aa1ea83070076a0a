"""`kaskad set-aside`: what has arrived and could not be applied, because of a defect."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("set-aside")(set_aside)


def set_aside(
    retry: Annotated[int, typer.Option(metavar="ENTRY", help="Apply this one again.")] = 0,
    retry_all: Annotated[bool, typer.Option("--retry-all", help="Apply all again.")] = False,
    drop: Annotated[int, typer.Option(metavar="ENTRY", help="Leave this one out for good.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show what could not be applied; apply it again, as after an upgrade, or leave it out."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    if bool(retry) + retry_all + bool(drop) > 1:
        raise typer.BadParameter("one at a time: --retry, --retry-all or --drop", param_hint="--retry")
    with reached(db) as client:
        if drop:
            client.delete(f"/set-aside/{drop}")
            typer.echo(f"Entry {drop} is left out.")
            return
        if retry or retry_all:
            told = client.post("/set-aside/retry", {"id": retry} if retry else {})
            typer.echo(f"Applied again: {told['count']}. What fails again is listed again.")
            return
        found = list(islice(client.items("/set-aside", limit=min(limit, 1000)), limit))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("Nothing is set aside.")
    else:
        rows = [
            (each["id"], each["contact"], each["kind"], each["at"][:16].replace("T", " "), each["event"],
             each["value"], each["defect"])
            for each in found
        ]  # fmt: skip
        typer.echo(table(("ENTRY", "CONTACT", "KIND", "AT, UTC", "EVENT", "SAYS", "DEFECT"), rows))
