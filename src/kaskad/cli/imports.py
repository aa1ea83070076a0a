"""`kaskad imports`: files of people that are or were brought in."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON

WHICH = Annotated[str, typer.Argument(metavar="IMPORT", help="Its id, such as imp_3.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Imports: list, show, cancel.", no_args_is_help=True)
    group.command("list")(list_imports)
    group.command("show")(show)
    group.command("cancel")(cancel)
    app.add_typer(group, name="imports")


def list_imports(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List imports, the latest first."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(islice(client.items("/imports", limit=min(limit, 1000)), limit))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("No file has been brought in yet: `kaskad import FILE` does it.")
    else:
        rows = [
            (each["id"], each["source"], f"{each['state']}{', dry run' if each['dry_run'] else ''}",
             each["rows"], each["size"], each["new"], each["changed"], each["rejected"])
            for each in found
        ]  # fmt: skip
        typer.echo(table(("IMPORT", "FILE", "STATE", "ROWS", "OF", "NEW", "CHANGED", "LEFT OUT"), rows))


def show(which: WHICH, db: DB = "", as_json: JSON = False) -> None:
    """Show the report of an import, and how far one has come that is under way."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.imported import progress, report
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.get(f"/imports/{part(which)}")
    if as_json:
        typer.echo(as_text(told))
        return
    for line in report(told):
        typer.echo(line)
    if told["state"] != "done":
        typer.echo(f"{told['state']}: {told['problem'] or progress(told)}")


def cancel(which: WHICH, db: DB = "", as_json: JSON = False) -> None:
    """End an import before its end; whom it has brought in stays."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, many

    with reached(db) as client:
        told = client.post(f"/imports/{part(which)}/cancel")
    if as_json:
        typer.echo(as_text(told))
    else:
        typer.echo(f"{which} is cancelled after {many(told['rows'], 'row')}; whom they brought in stays.")
