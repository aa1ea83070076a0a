"""`kaskad account prices`: what an account's messages cost by where they go, class, sender and day."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

NAME = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name.")]


def add_to(group: typer.Typer) -> None:
    """Add the commands of this file."""
    prices = typer.Typer(help="Price lists: import, show, export, clear.", no_args_is_help=True)
    prices.command("import")(bring)
    prices.command("show")(show)
    prices.command("export")(export)
    prices.command("clear")(clear)
    group.add_typer(prices, name="prices")


def bring(
    account: NAME,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV; its first line names the columns.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Bring in a price list in place of what the account had; where a row cannot be read, nothing of it.

    Columns: country (KZ, * for everywhere) or prefix (+7701), for mail domain; operator, class, category (of
    WhatsApp's texts), sender, per (message, part, minute or thousand), price, currency, valid_from,
    valid_until. The longest prefix or domain wins; days are the installation's.
    """
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import many, say

    try:
        data = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    query = {"source": file.name[:200]}
    with reached(db) as client:
        path = f"/accounts/{part(account)}/prices"
        told = client.call("PUT", path, query=query, content=data, kind="text/csv")
    rows = many(told["size"], "row")
    say(as_json, told, f"The prices of {account} are those of {rows} in {told['source']} from now on.")


def show(
    account: NAME,
    to: Annotated[str, typer.Option("--for", metavar="ADDRESS", help="Only what this one costs.")] = "",
    message_class: Annotated[
        str, typer.Option("--class", help="advertising, service and so on.")
    ] = "service",
    parts: Annotated[int, typer.Option(min=1, max=255, help="Of an SMS, with --for.")] = 1,
    category: Annotated[str, typer.Option(help="Of a text of WhatsApp, with --for.")] = "",
    at: Annotated[str, typer.Option(metavar="DATE", help="A day or an instant, with --for; else now.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show the price list, or what one message to an address costs and by which row."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, say, table

    with reached(db) as client:
        path = f"/accounts/{part(account)}/prices"
        if to:
            asked = client.get(
                f"{path}/for",
                to=to,
                parts=parts,
                category=category,
                at=at or None,
                **{"class": message_class},
            )
            say(as_json, asked, _sentence(asked))
            return
        listed = client.get(path)
    if as_json:
        typer.echo(as_text(listed))
        return
    rows = [
        ("everywhere" if row["place"] == "*" else row["place"], row["operator"], row["message_class"] or "",
         row["category"], row["sender"], f"{row['price']} {listed['currency']} per {row['per']}",
         _day(row["since"], listed["zone"]), _day(row["until"], listed["zone"], last=True))
        for row in listed["rows"]
    ]  # fmt: skip
    heads = ("PLACE", "OPERATOR", "CLASS", "CATEGORY", "SENDER", "PRICE", "FROM", "TO")
    kept = [  # a column that is empty in all rows is left out: most lists have few of them
        at for at, head in enumerate(heads) if head in ("PLACE", "PRICE") or any(row[at] for row in rows)
    ]
    typer.echo(table([heads[at] for at in kept], [[row[at] for at in kept] for row in rows]))


def export(account: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Print the price list as the CSV file that `import` takes; --json prints it as the API shows it."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        path = f"/accounts/{part(account)}/prices"
        told = as_text(client.get(path)) if as_json else client.get(f"{path}/export")
    typer.echo(told, nl=as_json)


def clear(account: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Take the price list away: the account's own price counts for all."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/accounts/{part(account)}/prices")
    say(as_json, {"cleared": account}, f"{account} has no price list any more.")


def _day(at: str | None, zone: str, *, last: bool = False) -> str:
    """Return a day of the zone, for an end the last that counts; with the time where it is no midnight."""
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    if at is None:
        return ""
    there = datetime.fromisoformat(at).astimezone(ZoneInfo(zone))
    if (there.hour, there.minute, there.second) != (0, 0, 0):
        return f"{'before ' if last else ''}{there:%Y-%m-%d %H:%M}"
    return f"{there - timedelta(days=1) if last else there:%Y-%m-%d}"


def _sentence(asked: Mapping[str, Any]) -> str:
    row = asked["row"]
    if row is None:
        why = "no row fits, so by the account's own price"
    else:
        operator = f" ({row['operator']})" if row["operator"] else ""
        place = "everywhere" if row["place"] == "*" else row["place"]
        why = f"by the row of {place}{operator}: {row['price']} {asked['currency']} per {row['per']}"
    return f"{asked['to']} costs {asked['price']} {asked['currency']}, {why}."
