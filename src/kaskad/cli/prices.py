"""`kaskad account prices`: what an account's messages cost by number, class and sender."""

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

    Columns: country (KZ, * for everywhere) or prefix (+7701), operator, class, sender, per (message, part or
    minute), price, currency, valid_from, valid_until. The longest prefix wins.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    try:
        data = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    query = {"source": file.name[:200]}
    with reached(db) as client:
        told = client.call("PUT", f"/accounts/{account}/prices", query=query, content=data, kind="text/csv")
    say(as_json, told, f"{told['size']} rows of {told['source']} are the prices of {account} from now on.")


def show(
    account: NAME,
    to: Annotated[str, typer.Option("--for", metavar="NUMBER", help="Only what this number costs.")] = "",
    message_class: Annotated[
        str, typer.Option("--class", help="advertising, service and so on.")
    ] = "service",
    parts: Annotated[int, typer.Option(min=1, max=255, help="Of an SMS, with --for.")] = 1,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show the price list, or what one message to a number costs now and by which row."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, say, table

    with reached(db) as client:
        path = f"/accounts/{account}/prices"
        if to:
            asked = client.get(f"{path}/for", to=to, parts=parts, **{"class": message_class})
            say(as_json, asked, _sentence(asked))
            return
        listed = client.get(path)
    if as_json:
        typer.echo(as_text(listed))
        return
    rows = [
        (row["place"], row["operator"], row["message_class"] or "any", row["sender"] or "any",
         f"{row['price']} {listed['currency']} per {row['per']}", (row["since"] or "")[:10],
         (row["until"] or "")[:10])
        for row in listed["rows"]
    ]  # fmt: skip
    typer.echo(table(("PLACE", "OPERATOR", "CLASS", "SENDER", "PRICE", "FROM", "BEFORE"), rows))


def export(account: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Print the price list as the CSV file that `import` takes; --json prints it as the API shows it."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        path = f"/accounts/{account}/prices"
        told = as_text(client.get(path)) if as_json else client.get(f"{path}/export")
    typer.echo(told, nl=as_json)


def clear(account: NAME, db: DB = "", as_json: JSON = False) -> None:
    """Take the price list away: the account's own price counts for all."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        client.delete(f"/accounts/{account}/prices")
    say(as_json, {"cleared": account}, f"{account} has no price list any more.")


def _sentence(asked: Mapping[str, Any]) -> str:
    row = asked["row"]
    if row is None:
        why = "no row fits, so by the account's own price"
    else:
        operator = f" ({row['operator']})" if row["operator"] else ""
        why = f"by the row of {row['place']}{operator}: {row['price']} {asked['currency']} per {row['per']}"
    return f"{asked['to']} costs {asked['price']} {asked['currency']}, {why}."
