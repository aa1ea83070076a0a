"""`kaskad control`: what all advertising together brings, against the contacts who get none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from kaskad.cli.screens.options import DB, JSON

ARMS = ("treated", "control")
HOW = "kaskad policy set 'control={share: 500, event: purchase, value: total}'"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("control")(control)


def control(db: DB = "", as_json: JSON = False) -> None:
    """Measure what all advertising together brings, against the control group that gets none of it."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text
    from kaskad.cli.uplift import amount, is_uneven, print_effect

    with reached(db) as client:
        told = client.get("/control")
    if as_json:
        typer.echo(as_text(told))
    elif not told["share"]:
        typer.echo(f"Nobody is kept from all advertising. To keep 5 % of contacts from it:\n  {HOW}")
    elif told["measured"] is None:
        typer.echo(f"{told['share']:.1%} of contacts get no advertising; name what is counted:\n  {HOW}")
    else:
        one = told["measured"]
        since = f" · since {one['since'][:10]}" if one["since"] else ""
        typer.secho(f"{told['share']:.1%} of contacts get no advertising · {told['event']}{since}", bold=True)
        print_effect(one["effect"], "everybody", is_uneven(one))
        if is_uneven(one):
            typer.secho("The lot did not fall as it should: believe no effect.", fg="red")
        if one["worth"] and one["currency"]:
            each = [amount(one[name], one["currency"]) for name in ("treated", "control")]
            ends = [amount(one["worth"][end], one["currency"]) for end in ("low", "high")]
            typer.echo(
                f"Worth of each person: {each[0]} against {each[1]}; difference {ends[0]} to {ends[1]}"
                f"{'' if one['deducts'] else ' (returns not deducted)'}"
            )
        if one["more"]:
            typer.echo("There were more events than are looked at: only the last 200 000 count.")
    if not as_json and told["earlier"]:
        _print_earlier(told["earlier"])


def _print_earlier(times: list[Mapping[str, Any]]) -> None:
    """Print what the times before showed, each by the share that was held out then."""
    from kaskad.cli.screens.output import table

    rows = []
    for one in times:
        effect = one["effect"]
        between = effect["between"]
        ends = "" if between is None else f"{100 * between['low']:+.2f} to {100 * between['high']:+.2f}"
        since = "the beginning" if one["since"] is None else one["since"][:10]
        rates = ["" if rate is None else f"{rate:.2%}" for rate in (effect[arm]["rate"] for arm in ARMS)]
        rows.append((f"{since} to {one['until'][:10]}", f"{one['share']:.1%}", *rates, ends))
    heads = ("BEFORE, BY OTHER LOTS", "HELD OUT", "EVERYBODY", "CONTROL GROUP", "DIFFERENCE, POINTS")
    typer.echo("\n" + table(heads, rows))
