"""`kaskad backtest`: forecasts of launches beside what happened, and how often their ranges held."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)


def backtest(
    cascade: Annotated[str, typer.Argument(metavar="[CASCADE]", help="Of this one; else of all.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Hold what was forecast of launches against what has happened since.

    A range is to hold eight of ten outcomes: how many it held of launches that are over is told at the end.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        known = [] if cascade else [one for one in client.items("/cascades") if one["version"]]
        names = [cascade] if cascade else [one["slug"] for one in known]
        found = [one for name in names for one in client.get(f"/cascades/{name}/forecasts")]
    if as_json:
        typer.echo(as_text(found))
        return
    if not found:
        typer.echo("No launch has been forecast yet: `kaskad launch` makes a forecast of each and keeps it.")
    for one in found:
        _print(one)
    told = [figure["held"] for one in found if one["over"] for figure in one["figures"]]
    if told:
        typer.secho(
            f"{sum(told)} of {len(told)} figures of launches that are over lie in their range "
            f"({sum(told) / len(told):.0%}; 80% are to).", bold=True,
        )  # fmt: skip


def _print(told: dict[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    state = "over" if told["over"] else f"{told['under_way']} people under way"
    typer.secho(
        f"{told['cascade']} · {told['audience']} · {told['started_at'][:16].replace('T', ' ')} · {state}",
        bold=True,
    )
    rows = [
        (
            one["figure"], _shown(one, one["expected"]),
            f"{_shown(one, one['between']['low'])} to {_shown(one, one['between']['high'])}",
            _shown(one, one["happened"]),
            ("in the range" if one["held"] else "OUT of the range") if told["over"] else "",
        )
        for one in told["figures"]
    ]  # fmt: skip
    typer.echo(table(("FIGURE", "EXPECTED", "8 OF 10", "HAPPENED", ""), rows))


def _shown(figure: dict[str, Any], number: float) -> str:
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    if not figure["currency"]:
        return str(round(number))
    return format_money(Money(round(number), figure["currency"]))
