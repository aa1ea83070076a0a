"""`kaskad brand`: who sends."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Who sends: name, currency, the look of letters.", no_args_is_help=True)
    group.command("show")(show)
    group.command("set")(change)
    group.command("parts")(parts)
    app.add_typer(group, name="brand")


def show(db: DB = "", as_json: JSON = False) -> None:
    """Show who sends."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        _say(client.get("/brand"), as_json)


def change(
    name: Annotated[str, typer.Argument(help="How the sender is called.")],
    currency: Annotated[str, typer.Argument(help="Of prices and budgets, such as RUB.")],
    site: Annotated[str | None, typer.Option(help="Where the logo leads.")] = None,
    logo: Annotated[
        str | None, typer.Option(help="A saved picture (`kaskad file put`) or a web address.")
    ] = None,
    colour: Annotated[str | None, typer.Option(help="Of buttons and links, such as #0b6e4f.")] = None,
    ground: Annotated[str | None, typer.Option(help="What lies behind letters.")] = None,
    address: Annotated[str | None, typer.Option(help="The postal address at the foot.")] = None,
    legal: Annotated[str | None, typer.Option(help="Further lines at the foot.")] = None,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Say who sends, and how letters look; options that are left out stay as they are."""
    from kaskad.cli.client import reached

    told = {"name": name, "currency": currency, "site": site, "logo": logo, "colour": colour,
            "ground": ground, "address": address, "legal": legal}  # fmt: skip
    with reached(db) as client:
        _say(
            client.patch("/brand", {key: value for key, value in told.items() if value is not None}), as_json
        )


def parts(
    write: Annotated[bool, typer.Option("--write", help="Write them as the brand is now.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --write: also those changed by hand.")
    ] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show or write the parts brand-head, brand-foot and brand-letter, which letters are built on."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    if replace and not write:
        raise typer.BadParameter("goes with --write", param_hint="--replace")
    with reached(db) as client:
        told = client.put("/brand/parts", {"replace": replace}) if write else client.get("/brand/parts")
    say(as_json, told["items"], "\n".join(f"{each['name']}: {each['state']}" for each in told["items"]))


def _say(told: dict[str, Any], as_json: bool) -> None:
    from kaskad.cli.screens.output import as_text

    if as_json:
        typer.echo(as_text(told))
        return
    typer.echo(f"{told['name']}, {told['currency']}" if told["name"] else "Nobody has said who sends.")
    for key in ("site", "logo", "colour", "ground", "address", "legal"):
        if told[key]:
            typer.echo(f"{key}: {told[key]}")
