"""`kaskad backtest`: forecasts of launches and weeks beside what happened, and how often ranges held."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.forecast import UNCOUNTED
from kaskad.cli.screens.options import DB, JSON
from kaskad.cli.screens.prose import tell, terminal

WIDE = 100  # columns: in fewer the pictures are smaller, so that figures keep theirs
VERDICTS = {
    "few": "Too few launches and weeks to tell whether that is chance: from ten on more can be said.",
    "good": "That fits what was promised.",
    "narrow": "The ranges hold too little: what happens is less certain than the forecasts say.",
    "wide": "The ranges hold more than they need to: what happens is more certain than the forecasts say.",
}
AGAIN = {
    "below": "%s: less came than expected, again and again; count with less.",
    "above": "%s: more came than expected, again and again; count with more.",
}
LEFT_OUT = (
    "Left out: %d figure%s that came exactly as was certain beforehand. "
    "What was certain and came otherwise counts as missed."
)
ANEW = (
    "Made again, as the first to enter had told the dates by which steps are due. "
    "Counted are those who came after it."
)
SLOWLY = "Older weeks count less in forecasts, yet what changes over time is still followed late."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)


def backtest(
    cascade: Annotated[str, typer.Argument(metavar="CASCADE", help="Of this one; else of all.")] = "",
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Hold what was forecast of launches, and of weeks of new versions, against what has happened since.

    A range is to hold eight of ten outcomes: how many it held of what is over is told at the end.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text
    from kaskad.cli.screens.plots import LEGEND

    with reached(db) as client:
        found = client.get("/backtest", cascade=cascade or None)
    if as_json:
        typer.echo(as_text(found))
        return
    if not found["launches"]:
        tell("No launch has been forecast yet, and no week after a new version: each will be, and is kept.")
        return
    for one in found["launches"]:
        _print(one)
    tell(LEGEND)
    _print_calibration(found["calibration"])


def _print(told: dict[str, Any]) -> None:
    from kaskad.cli.screens.output import table
    from kaskad.cli.screens.plots import INSIDE, OUTSIDE, plot

    sides = (INSIDE, OUTSIDE) if terminal() >= WIDE else (12, 3)
    people = "person" if told["under_way"] == 1 else "people"
    state = "over" if told["over"] else f"{told['under_way']} {people} under way"
    whom = told["audience"]
    if told["version"]:
        whom = f"version {told['version']}, the week after it (by {whom.partition(' ')[2]})"
    if told["versions"]:
        whom += f", versions {', '.join(map(str, told['versions']))} on trial"
    tell(
        f"{told['cascade']} · {whom} · {told['started_at'][:16].replace('T', ' ')} · {state}",
        bold=True,
    )
    rows = [
        (
            one["figure"], _shown(one, one["expected"]),
            f"{_shown(one, one['between']['low'])} to {_shown(one, one['between']['high'])}",
            _shown(one, one["happened"]),
            plot(one["between"]["low"], one["between"]["high"], one["happened"], *sides),
            ("in the range" if one["held"] else "OUT of the range") if told["over"] else "so far",
        )
        for one in told["figures"]
    ]  # fmt: skip
    typer.echo(table(("FIGURE", "EXPECTED", "8 OF 10", "HAPPENED", "", ""), rows))
    if told["again"]:
        tell(ANEW)
    for what in told["uncounted"]:
        tell(UNCOUNTED[what])


def _print_calibration(told: dict[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    whole = told["whole"]
    if told["share"] is None and told["certain"]:
        tell("Of what is over all was certain beforehand, and came so: nothing to tell yet.")
        return
    if told["share"] is None:
        tell("Nothing that was forecast is over yet: once something is, it is told how far forecasts hold.")
        return
    rows = [(one["figure"], one["below"], one["inside"], one["above"]) for one in told["figures"]]
    typer.echo(table(("FIGURE", "BELOW", "IN THE RANGE", "ABOVE"), rows))
    count = whole["below"] + whole["inside"] + whole["above"]
    number = told["launches"]
    of = "1 launch or week that is" if number == 1 else f"{number} launches and weeks that are"
    tell(
        f"{whole['inside']} of {count} figures of {of} over lie in their "
        f"range ({told['share']:.0%}; 80% are to).", bold=True,
    )  # fmt: skip
    tell(VERDICTS[told["verdict"]])
    if told["certain"]:
        tell(LEFT_OUT % (told["certain"], "" if told["certain"] == 1 else "s"))
    leaning = [AGAIN[side] % ", ".join(told[side]).capitalize() for side in AGAIN if told[side]]
    for said in (*leaning, SLOWLY) if leaning else ():
        tell(said)


def _shown(figure: dict[str, Any], number: float) -> str:
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    if not figure["currency"]:
        return str(round(number))
    return format_money(Money(round(number), figure["currency"]))
