"""`kaskad rates`: exchange rates by day, and the currency that figures are told in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON

BASE = Annotated[str, typer.Argument(metavar="FROM", help="A currency, such as USD.")]
QUOTE = Annotated[str, typer.Argument(metavar="TO", help="The currency that it is told in, such as KZT.")]
FROM_DAY = Annotated[str, typer.Option("--since", metavar="DATE", help="From that day on.")]
TO_DAY = Annotated[str, typer.Option("--until", metavar="DATE", help="Until that day, which counts too.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="Exchange rates by day, and the currency of figures.", no_args_is_help=True
    )  # fmt: skip
    for name, command in (
        ("show", show), ("days", days), ("import", bring), ("set", put), ("remove", remove),
        ("export", export), ("convert", convert), ("reporting", reporting),
    ):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="rates")


def show(db: DB = "", as_json: JSON = False) -> None:
    """Show which rates there are, which are needed, and what figures are told in."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        told = client.get("/rates")
    if as_json:
        typer.echo(as_text(told))
        return
    if not told["reporting"]:
        typer.echo(
            "Sums are told by currency: `kaskad rates reporting KZT` says in which one to add them up."
        )
    else:
        brand = "" if told["own"] else ", the brand's currency"
        typer.echo(f"Figures are told in {told['reporting']}{brand}, as far as rates tell.")
    for one in told["needed"]:
        of = f" (accounts {', '.join(one['accounts'])})" if one["accounts"] else ""
        if one["rate"] is None:
            typer.echo(f"{one['currency']}{of}: no rate, so what is paid in it stands apart.")
        else:
            old = ", more than a week ago" if one["old"] else ""
            typer.echo(
                f"1 {one['currency']} = {_short(one['rate'])} {told['reporting']}{of}, of {one['day']}{old}."
            )
    if told["pairs"]:
        rows = [
            (one["base"], one["quote"], f"{one['count']:,}", one["since"], one["until"], one["rate"])
            for one in told["pairs"]
        ]
        typer.echo("")
        typer.echo(table(("FROM", "TO", "RATES", "FIRST", "LAST", "LAST RATE"), rows))


def days(
    base: Annotated[str, typer.Argument(metavar="FROM", help="Only of this currency.")] = "",
    quote: Annotated[str, typer.Argument(metavar="TO", help="And of this one.")] = "",
    since: FROM_DAY = "",
    until: TO_DAY = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most.")] = 100,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show rates by day, the latest first."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        told = client.get(
            "/rates/days", base=base, quote=quote, since=since or None, until=until or None, limit=limit
        )["items"]
    if as_json:
        typer.echo(as_text(told))
        return
    rows = [(one["day"], one["base"], one["quote"], one["rate"]) for one in told]
    typer.echo(table(("DAY", "FROM", "TO", "RATE"), rows) if rows else "There are no such rates.")


def bring(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV; its first line names the columns.")],
    to: Annotated[
        str,
        typer.Option(help="The currency they are told in, where no column says so; else that of figures."),
    ] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Bring in rates, each in place of what was told for its day; where a row cannot be read, nothing of it.

    Columns: date, from, to, rate; amount where a rate is of more than one unit (100 JPY). The files of the
    national banks of Kazakhstan and Russia are read as they are, theirs with --to KZT or --to RUB.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import many, say

    try:
        data = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    with reached(db) as client:
        query = {"source": file.name[:200], "to": to}
        told = client.call("POST", "/rates", query=query, content=data, kind="text/csv")
    kept = many(told["count"], "rate")
    say(as_json, told, f"{kept} of {file.name} kept. Figures use what holds on each day.")


def put(
    base: BASE,
    quote: QUOTE,
    rate: Annotated[str, typer.Argument(metavar="RATE", help="One unit of FROM is so many of TO.")],
    day: Annotated[str, typer.Option(metavar="DATE", help="From that day on; else today.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Keep one rate, in place of what was told for that day."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        day = (
            day or client.get("/rates")["today"]
        )  # of the installation's zone: this terminal's may be another
        told = client.put(f"/rates/days/{part(base)}/{part(quote)}/{part(day)}", {"rate": rate})
    say(as_json, told, f"1 {told['base']} = {told['rate']} {told['quote']} from {told['day']} on.")


def remove(
    base: BASE, quote: QUOTE, since: FROM_DAY = "", until: TO_DAY = "", db: DB = "", as_json: JSON = False
) -> None:  # fmt: skip
    """Forget rates of two currencies as they were told: those of some days, or all."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    query = {name: day for name, day in (("since", since), ("until", until)) if day}
    with reached(db) as client:
        client.delete(f"/rates/days/{part(base)}/{part(quote)}", **query)
    say(
        as_json,
        {"removed": [base.upper(), quote.upper()]},
        f"Rates of {base.upper()} in {quote.upper()} are gone.",
    )


def export(db: DB = "", as_json: JSON = False) -> None:
    """Print all rates as the CSV file that `import` takes, or the latest first as JSON."""
    import csv

    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.get("/rates/export")
    if not as_json:
        typer.echo(told, nl=False)
        return
    rows = [  # as `days` tells them, whose list has an end
        {"day": one["date"], "base": one["from"], "quote": one["to"], "rate": one["rate"]}
        for one in csv.DictReader(told.splitlines())
    ]
    typer.echo(as_text(sorted(rows, key=lambda one: one["day"], reverse=True)))


def convert(
    amount: Annotated[str, typer.Argument(help="Such as '12.50 USD'.")],
    to: Annotated[str, typer.Argument(help="Such as KZT.")],
    day: Annotated[str, typer.Option(metavar="DATE", help="On that day; else today.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Say what an amount comes to in another currency, and by which rate."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    with reached(db) as client:
        told = client.get("/rates/convert", amount=amount, to=to, day=day or None)
    shown = format_money(Money(told["minor"], told["currency"]))
    say(
        as_json,
        told,
        f"{amount} is {shown} on {told['day']}, at {_short(told['rate'])} (rate of {told['rate_of']}).",
    )


def reporting(
    currency: Annotated[str, typer.Argument(help="Such as KZT; '' for the brand's.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Say which currency figures are told in; rates bring them into it."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        told = client.put("/rates/reporting", {"currency": currency})
    say(as_json, told, f"Figures are told in {told['currency'] or 'their own currencies'} from now on.")


def _short(rate: str) -> str:
    """Return as much of a rate as people look at."""
    from decimal import Decimal

    return f"{Decimal(rate):.8g}"
