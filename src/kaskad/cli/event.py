"""`kaskad event`: tell what a person did, as CRM or site would."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Events of people: send.", no_args_is_help=True)
    group.command("send")(send)
    group.callback()(_group)
    app.add_typer(group, name="event")


def _group() -> None:
    """Keep `send` a command of its own."""


def send(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as purchase or cart_abandoned.")],
    contact: Annotated[str, typer.Option(help="Its id (con_…), external id, e-mail or +phone.")],
    event_id: Annotated[str, typer.Option("--id", help="The same id counts once; else one is made up.")] = "",
    at: Annotated[str, typer.Option(help="When it happened, such as 2026-11-25T12:00:00+05:00.")] = "",
    property_: Annotated[
        list[str] | None, typer.Option("--set", help="property=value; several times for several.")
    ] = None,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Tell that a person did something: it may begin a run, be a goal, or only be known."""
    from uuid import uuid4

    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    event: dict[str, Any] = {
        "id": event_id or str(uuid4()),
        "name": name,
        "contact": _contact(contact),
        "properties": dict(_property(each) for each in property_ or ()),
    }
    if at:
        event["at"] = at
    with reached(db) as client:
        told = client.post("/events", event)
        moves = client.moves
    if as_json:
        typer.echo(as_text({**told, "id": event["id"]}))
        return
    typer.echo(f"{name} is kept as {event['id']}.")
    if not moves:
        typer.echo("No server runs: what follows from it happens when one does.")


def _contact(who: str) -> dict[str, Any]:
    from kaskad.domain.ids import read_contact

    if read_contact(who) is not None:
        return {"id": who}
    given = {"external_id": who}
    if "@" in who:
        given["email"] = who
    elif who.startswith("+"):
        given["phone"] = who
    return given


def _property(told: str) -> tuple[str, Any]:
    from kaskad.cli.lists import value_of

    name, equals, value = told.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{told!r} is no property: write such as total=1500", param_hint="--set")
    return name, value_of(value)
