"""`kaskad phones`: the sandbox inside of the running server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="The sandbox inside of the running server: be the recipient.", no_args_is_help=True
    )
    group.command("show")(show)
    group.command("open")(open_up)
    group.command("close")(close)
    app.add_typer(group, name="phones")


def show(
    contact: Annotated[str, typer.Argument(help="Whose phone: con_…, external id, e-mail, +phone.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show where the phones are, or that of one contact."""

    from kaskad.cli.client import reached, whom
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        if not contact:
            _say(client.get("/sandbox"), as_json)
            return
        found = client.get(f"/sandbox/phones/{whom(contact)}")
    typer.echo(as_text(found) if as_json else found["url"])


def open_up(
    currency: Annotated[str, typer.Option(help="Of its illustrative prices; else the brand's.")] = "",
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Set hours, gaps, caps and hold-outs aside while it is tried.")
    ] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Open a local world of providers and phones, and save accounts that lead to it."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        _say(client.post("/sandbox/open", {"currency": currency.upper(), "at_once": at_once}), as_json)


def close(db: DB = "", as_json: JSON = False) -> None:
    """Close the sandbox and delete its accounts; what was sent stays in the reports."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        _say(client.post("/sandbox/close"), as_json)


def _say(told: dict[str, Any], as_json: bool) -> None:
    from kaskad.cli.screens.output import as_text

    if as_json:
        typer.echo(as_text(told))
    elif told["open"]:
        where = f"phones at {told['url']}" if told["url"] else "phones are there while `kaskad serve` runs"
        typer.echo(f"The sandbox is open: {where}, accounts {', '.join(told['accounts'])}.")
    else:
        typer.echo("The sandbox is closed: `kaskad phones open` opens it.")
