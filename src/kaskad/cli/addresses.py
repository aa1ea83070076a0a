"""`kaskad contact address`: where one contact is reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

WHO = Annotated[str, typer.Argument(metavar="CONTACT", help="Its id (con_…), external id, e-mail or +phone.")]
CHANNEL = Annotated[str, typer.Argument(help="email, sms, telegram, …; calls go to the number of sms.")]
ADDRESS = Annotated[str, typer.Argument(help="As people write it.")]


def add(group: typer.Typer) -> None:
    """Add the commands of this file."""
    own = typer.Typer(help="Addresses of a contact: which is used, and its health.", no_args_is_help=True)
    own.command("list")(listing)
    own.command("add")(add_one)
    own.command("primary")(primary)
    own.command("invalid")(invalid)
    own.command("valid")(valid)
    own.command("remove")(remove)
    group.add_typer(own, name="address")


def listing(who: WHO, db: DB = "", as_json: JSON = False) -> None:
    """List the addresses by channel, those that are used first."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = client.get(f"{_at(who)}/addresses")["items"]
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo("The contact has no address.")
    else:
        head = ("CHANNEL", "ADDRESS", "HEALTH", "USED", "")
        typer.echo(table(head, [
            (each["channel"], each["value"], each["health"], "yes" if each["used"] else "", _more(each))
            for each in found
        ]))  # fmt: skip


def add_one(
    who: WHO,
    channel: CHANNEL,
    value: ADDRESS,
    main: Annotated[bool, typer.Option("--primary", help="Before all others of its channel.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Give a contact one more address."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        kept = client.post(f"{_at(who)}/addresses", {"channel": channel, "value": value, "primary": main})
    say(as_json, kept, f"{kept['channel']} {kept['value']} is an address of {who}.")


def primary(who: WHO, channel: CHANNEL, value: ADDRESS, db: DB = "", as_json: JSON = False) -> None:
    """Use this address before all others of its channel, as long as it is good."""
    _mark(who, channel, value, "primary", db, as_json)


def invalid(who: WHO, channel: CHANNEL, value: ADDRESS, db: DB = "", as_json: JSON = False) -> None:
    """Say that the address is dead: nothing is sent there any more."""
    _mark(who, channel, value, "invalid", db, as_json)


def valid(who: WHO, channel: CHANNEL, value: ADDRESS, db: DB = "", as_json: JSON = False) -> None:
    """Say that an address that was called dead works after all."""
    _mark(who, channel, value, "valid", db, as_json)


def remove(who: WHO, channel: CHANNEL, value: ADDRESS, db: DB = "", as_json: JSON = False) -> None:
    """Take an address from a contact."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"{_at(who)}/addresses", channel=channel, value=value)
    say(as_json, {"channel": channel, "value": value}, f"{channel} {value} is no address of {who} any more.")


def _mark(who: str, channel: str, value: str, deed: str, db: str, as_json: bool) -> None:
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.post(f"{_at(who)}/addresses/{deed}", {"channel": channel, "value": value})
    told = {"channel": channel, "value": value, "marked": deed}
    say(as_json, told, f"{channel} {value} of {who} is marked as {deed}.")


def _at(who: str) -> str:
    from kaskad.cli.client import whom

    return f"/contacts/{whom(who)}"


def _more(each: Mapping[str, Any]) -> str:
    said = ["primary"] if each["primary"] else []
    said += ["shared with others"] if each["shared"] else []
    said += [each["why"]] if each.get("why") else []
    said += [f"confirmed {each['confirmed_at'][:10]}"] if each["confirmed_at"] else []
    said += [f"reacted {each['reacted_at'][:10]}"] if each["reacted_at"] else []
    return ", ".join(said)
