"""`kaskad audit`: who changed what, and who looked at whom."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON, SINCE, when


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("audit")(audit)


def audit(
    what: Annotated[
        str, typer.Argument(metavar="OBJECT", help="A contact, cascade, account, key …: its id or name.")
    ] = "",
    by: Annotated[str, typer.Option(help="What this key has done.")] = "",
    since: SINCE = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show who changed what and who looked at whom, the newest first."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    query = {"object": what or None, "by": by or None, "since": when(since), "limit": min(limit, 1000)}
    with reached(db) as client:
        found = list(islice(client.items("/audit", **query), limit))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("Nothing of that kind was done.")
    else:
        rows = [
            (each["at"][:19].replace("T", " "), each["by"], each["action"], each["object"]) for each in found
        ]
        typer.echo(table(("UTC", "BY", "ACTION", "OBJECT"), rows))
