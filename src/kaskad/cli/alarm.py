"""`kaskad alarm`: what wants a look, and who is told of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

ACCOUNT = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Through which account: mail, Apprise, any.")]
TO = Annotated[str, typer.Argument(metavar="ADDRESS", help="To which address there.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Alarms: what wants a look, and who is told of it.", no_args_is_help=True)
    group.command("list")(show)
    group.command("history")(history)
    group.command("ways")(ways)
    group.command("tell")(tell)
    group.command("spare")(spare)
    app.add_typer(group, name="alarm")


def show(db: DB = "", as_json: JSON = False) -> None:
    """List what wants a look now, the worst first; 1 where something does."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(client.items("/alarms"))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("All is well.")
    else:
        rows = [(one["kind"], one["name"], one["detail"]) for one in found]
        typer.echo(table(("KIND", "ABOUT", "DETAIL"), rows))
    if found:
        raise typer.Exit(1)


def history(db: DB = "", as_json: JSON = False) -> None:
    """List the last alarms, the latest first, with who was told."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = client.get("/alarms/history")["items"]
    if as_json:
        typer.echo(as_text(found))
        return
    rows = [
        (one["kind"], one["name"], _at(one["began_at"]), _at(one["over_at"] or "stands"), _told(one))
        for one in found
    ]
    typer.echo(table(("KIND", "ABOUT", "BEGAN, UTC", "OVER", "TOLD"), rows) if rows else "There were none.")


def _at(instant: str) -> str:
    return instant[:16].replace("T", " ")


def ways(db: DB = "", as_json: JSON = False) -> None:
    """List who is told of alarms."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        _print(client.get("/alarms/ways"), as_json)


def tell(
    account: ACCOUNT, to: TO,
    kind: Annotated[list[str] | None, typer.Option(help="Of this kind only; may be repeated.")] = None,
    db: DB = "", as_json: JSON = False,
) -> None:  # fmt: skip
    """Tell somebody of alarms from now on."""
    from kaskad.cli.client import part, reached

    with reached(db) as client:
        known = client.get("/alarms/ways")["ways"]
        kept = [one for one in known if (one["account"], one["to"]) != (account, to)]
        wanted = [*kept, {"account": account, "to": to, "kinds": kind or []}]
        _print(client.call("PUT", "/alarms/ways", {"ways": wanted}), as_json)
        used = client.get(f"/accounts/{part(account)}")
    if used["provider"] == "apprise" and used["enabled"] and not as_json:
        typer.echo(
            f"{account} also carries messages of cascades by {used['channel']}: `kaskad account disable "
            f"{account}` leaves it to alarms only."
        )


def spare(account: ACCOUNT, to: TO, db: DB = "", as_json: JSON = False) -> None:
    """Tell somebody of alarms no more."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        known = client.get("/alarms/ways")["ways"]
        kept = [one for one in known if (one["account"], one["to"]) != (account, to)]
        if len(kept) == len(known):
            raise typer.BadParameter(f"{to} is not told through {account}: `kaskad alarm ways` lists who is")
        _print(client.call("PUT", "/alarms/ways", {"ways": kept}), as_json)


def _told(one: dict[str, Any]) -> str:
    last = {(each["account"], each["to"]): each for each in one["told"]}  # it is told again each day
    return ", ".join(f"{each['to']}: {each['answer'] or 'waits'}" for each in last.values()) or "nobody"


def _print(told: dict[str, Any], as_json: bool) -> None:
    from kaskad.cli.screens.output import as_text, table

    if as_json:
        typer.echo(as_text(told))
    elif not told["ways"]:
        typer.echo(
            "Nobody: `kaskad alarm tell ACCOUNT ADDRESS` changes that. Alarms stand on the first page."
        )
    else:
        rows = [(one["account"], one["to"], ", ".join(one["kinds"]) or "all") for one in told["ways"]]
        typer.echo(table(("ACCOUNT", "ADDRESS", "KINDS"), rows))
