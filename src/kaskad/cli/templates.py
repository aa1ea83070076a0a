"""`kaskad account templates`: the texts that an account's service approves."""

from __future__ import annotations

from typing import Annotated

import typer


def templates(
    account: Annotated[str, typer.Argument(help="The account's name.")],
    sync: Annotated[bool, typer.Option("--sync", help="Ask the service for them now.")] = False,
    db: Annotated[
        str, typer.Option("--db", help="SQLite file or postgresql://…; else that of the settings.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the texts that the service approves, which a step can name under `approved`."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        path = f"/accounts/{part(account)}/templates"
        found = client.post(f"{path}/sync", {})["items"] if sync else list(client.items(path))
    if as_json:
        typer.echo(as_text(found))
        return
    if not found:
        again = "has none" if sync else "is not known to have any: --sync asks its service"
        typer.echo(f"{account} {again}.")
        return
    rows = [
        (one["name"], one["language"], one["state"], one["category"], len(one["parameters"]), one["why"])
        for one in found
    ]
    typer.echo(table(("NAME", "LANGUAGE", "STATE", "CATEGORY", "PLACES", "WHY"), rows))
