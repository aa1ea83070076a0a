"""`kaskad stops`: what people wrote that was taken as a stop, for somebody to look at."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("stops")(stops)


def stops(
    stands: Annotated[int, typer.Option(metavar="STOP", help="This one was a stop: leave it.")] = 0,
    undo: Annotated[int, typer.Option(metavar="STOP", help="This one was none: undo it.")] = 0,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were looked at.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show stops in free text that nobody has looked at; leave one standing, or undo it."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    if stands and undo:
        raise typer.BadParameter("one at a time: --stands or --undo", param_hint="--undo")
    with reached(db) as client:
        if stands or undo:
            told = {"verdict": "undone" if undo else "stands"}
            found = [client.post(f"/stops/{stands or undo}", told)]
        else:
            query = {"limit": min(limit, 1000), "all": "true" if everything else None}
            found = list(islice(client.items("/stops", **query), limit))
    if as_json:
        typer.echo(as_text(found[0] if stands or undo else found))
    elif not found:
        typer.echo("There is nothing to look at.")
    else:
        rows = [
            (each["id"], each["contact"], each["at"][:16].replace("T", " "), each["verdict"],
             ", ".join(each["channels"]), each["said"])
            for each in found
        ]  # fmt: skip
        typer.echo(table(("STOP", "CONTACT", "AT, UTC", "VERDICT", "CLOSED", "SAID"), rows))
