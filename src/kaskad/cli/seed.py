"""`kaskad seed`: seed and test contacts, who get what others get and are in no figure."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.contact import print_contacts
from kaskad.cli.screens.options import DB, JSON

WHO = Annotated[
    list[str] | None,
    typer.Argument(metavar="CONTACT", help="Ids (con_…), external ids, e-mails or +phones."),
]
LIST = Annotated[str, typer.Option("--list", help="Everybody on this list.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="Seed and test contacts: they get what others get, and are in no figure.", no_args_is_help=True
    )
    group.command("list")(show)
    group.command("add")(add)
    group.command("remove")(remove)
    app.add_typer(group, name="seed")


def show(db: DB = "", as_json: JSON = False) -> None:
    """Show the seed contacts."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        found = client.get("/seeds")["items"]
    print_contacts(
        found, max(1, len(found)), as_json, "There are no seed contacts: `kaskad seed add CONTACT` makes one."
    )


def add(who: WHO = None, to_list: LIST = "", db: DB = "", as_json: JSON = False) -> None:
    """Make contacts seeds."""
    _mark("/seeds", who, to_list, db, as_json, "made seed contacts")


def remove(who: WHO = None, to_list: LIST = "", db: DB = "", as_json: JSON = False) -> None:
    """Make seeds people again."""
    _mark("/seeds/remove", who, to_list, db, as_json, "made people again")


def _mark(path: str, who: list[str] | None, name: str, db: str, as_json: bool, what: str) -> None:
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    if not who and not name:
        raise typer.BadParameter("name contacts, or a list by --list", param_hint="CONTACT")
    told: dict[str, Any] = {"contacts": who or [], "list": name or None}
    with reached(db) as client:
        answer = client.post(path, told)
    typer.echo(as_text(answer) if as_json else f"{answer['changed']} {what}.")
