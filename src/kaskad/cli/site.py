"""`kaskad site`: shops' pages that speak with us, and their public keys."""

from __future__ import annotations

from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON

NAME = Annotated[str, typer.Argument(metavar="NAME", help="The site's name.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Shops' pages: keys, the script, who visitors are.", no_args_is_help=True)
    group.command("add")(add)
    group.command("list")(show)
    group.command("secret")(secret)
    group.command("remove")(remove)
    app.add_typer(group, name="site")


def add(
    name: NAME,
    origin: Annotated[list[str], typer.Option(help="https://shop.example.org; several times for several.")],
    event: Annotated[
        list[str] | None, typer.Option(help="An event that its pages may send of a visitor; several times.")
    ] = None,
    per_minute: Annotated[int, typer.Option(min=1, help="Requests of one address.")] = 60,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Add a site, or change where its key may be used and what it may send; show the line for its pages."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    told = {"origins": origin, "events": event or [], "per_minute": per_minute}
    with reached(db) as client:
        kept = client.put(f"/sites/{part(name)}", told)
    if as_json:
        typer.echo(as_text(kept))
        return
    typer.echo(f"{name} speaks from {', '.join(kept['origins'])}. Put this into its pages:\n{kept['tag']}")
    typer.echo(f"`kaskad site secret {name}` shows what the shop's server signs visitors with.")


def show(db: DB = "", as_json: JSON = False) -> None:
    """List the sites."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        sites = list(client.items("/sites"))
    if as_json:
        typer.echo(as_text(sites))
    elif not sites:
        typer.echo("There are no sites: `kaskad site add NAME --origin https://…` adds one.")
    else:
        rows = [
            (one["name"], one["key"], ", ".join(one["origins"]), ", ".join(one["events"])) for one in sites
        ]
        typer.echo(table(("NAME", "KEY", "ORIGINS", "EVENTS"), rows))


def secret(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Show the secret by which the shop's server signs who a visitor is: keep it off pages."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        told = client.get(f"/sites/{part(name)}/secret")
    say(
        as_json,
        told,
        f"{told['secret']}\nThe server's own events, signed with {told['webhook_secret']}, go to "
        f"{told['webhook_url']}",
    )


def remove(name: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Let a site's key open nothing any more."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/sites/{part(name)}")
    say(as_json, {"removed": name}, f"The key of {name} opens nothing any more.")
