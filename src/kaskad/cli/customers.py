"""`kaskad customers`: who stays, by cohort too, and what one is worth."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON, SINCE, UNTIL, when

SHOWN = 8  # columns of the cohorts


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(customers)


def customers(
    event: Annotated[list[str] | None, typer.Option(help="A purchase; else those of the RFM scores.")] = None,
    amount: Annotated[
        str, typer.Option(help="The property with its amount; else that of the RFM scores.")
    ] = "",
    returned: Annotated[
        list[str] | None, typer.Option(help="An event that gives such an amount back.")
    ] = None,
    unit: Annotated[str, typer.Option(help="month or week, of UTC.")] = "month",
    keep: Annotated[int, typer.Option(help="For how many periods a purchase makes a customer.")] = 1,
    margin: Annotated[
        float | None, typer.Option(help="Share of the revenue that is margin, such as 0.3.")
    ] = None,
    discount: Annotated[
        float, typer.Option(help="What a period's delay takes from money, such as 0.01.")
    ] = 0.0,
    since: SINCE = "",
    until: UNTIL = "",
    segment: Annotated[list[str] | None, typer.Option(help="Told of apart; may be given again.")] = None,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Tell who stays a customer, by period and cohort, and what one is worth.

    docs/figures.md explains each figure.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    asked = {"event": event or None, "amount": amount or None, "returned": returned or None, "unit": unit,
             "keep": keep, "margin": margin, "discount": discount, "since": when(since), "until": when(until),
             "segment": segment or None}  # fmt: skip
    with reached(db) as client:
        told = client.get("/customers", **asked)
    if as_json:
        typer.echo(as_text(told))
    elif not told["customers"]:
        typer.echo("Nobody has bought: no contact has such an event. Name yours with --event.")
    else:
        _print(told)


def _print(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from kaskad.cli.screens.output import many

    out = Console(highlight=False)
    currency = told["currency"]
    out.print(
        f"[bold]{many(told['customers'], 'customer')}[/bold] · revenue {_money(told['revenue'], currency)}"
    )
    if told["retention"] is None:
        out.print("Retention is not known yet: no period that is over began with customers.")
    else:
        out.print(f"Retention {_share(told['retention'])} · churn {_share(told['churn'])} a period")
    ltv, predicted = told["ltv"], told["ltv_predicted"]
    if ltv is None:
        out.print(
            f"Revenue of each {_money(told['revenue_each'], currency)}; its margin is not known: --margin 0.3"
        )
    else:
        more = "not known yet" if predicted is None else _money(predicted, currency)
        out.print(f"Worth of a customer to date {_money(ltv, currency)}, as predicted {more}")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("Period", "at start", "kept", "new", "won back", "bought", "amount", "retention"):
        table.add_column(title, justify="left" if title == "Period" else "right", no_wrap=True)
    for one in told["periods"]:
        table.add_row(
            one["begins_at"][:10],
            *(str(one[name]) for name in ("at_start", "kept", "new", "won_back", "buyers")),
            _money(one["amount"], currency), _share(one["retention"]),
        )  # fmt: skip
    out.print()
    out.print(table)
    if told["cohorts"]:
        out.print(
            "\nCohorts: who bought again", style="bold"
        )  # a table's own title is as narrow as the table
        out.print(_cohorts(told["cohorts"]))
    if told["segments"]:
        out.print()
        out.print(_segments(told["segments"], currency))
    if told["rfm"]:
        out.print(
            "\nCustomers by score: recency (5: bought last) and frequency (5: most often)", style="bold"
        )
        out.print(_grid(told["rfm"]))


def _money(amount: float, currency: str) -> str:
    """Return an amount in whole units as all others are told; of no currency, where none is known."""
    from kaskad.domain.money import format_amount

    return format_amount(amount, currency) if currency else f"{amount:,.2f}"


def _cohorts(cohorts: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("First bought", no_wrap=True)
    table.add_column("people", justify="right")
    wide = min(max(len(one["shares"]) for one in cohorts), SHOWN)
    for number in range(1, wide):
        table.add_column(f"+{number}", justify="right")
    for one in cohorts:
        table.add_row(
            one["begins_at"][:10], str(one["size"]), *(_share(each) for each in one["shares"][1:wide])
        )
    return table


def _segments(segments: list[dict[str, Any]], currency: str) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("Segment", "customers", "revenue each", "worth to date", "predicted", "retention"):
        table.add_column(title, justify="left" if title == "Segment" else "right")
    for one in segments:
        worth = (one[name] for name in ("revenue_each", "ltv", "ltv_predicted"))
        table.add_row(
            one["segment"], str(one["customers"]),
            *("-" if amount is None else _money(amount, currency) for amount in worth),
            _share(one["retention"]),
        )  # fmt: skip
    return table


def _grid(cells: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("recency")
    for f in range(1, 6):
        table.add_column(f"f {f}", justify="right")
    known = {(one["r"], one["f"]): one["customers"] for one in cells}
    for r in range(5, 0, -1):
        table.add_row(f"r {r}", *(f"{known.get((r, f), 0):,}" for f in range(1, 6)))
    return table


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f} %"
