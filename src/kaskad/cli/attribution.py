"""`kaskad attribution`: goals shared out among messages by rules."""

from __future__ import annotations

from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON, SINCE, UNTIL, when
from kaskad.cli.screens.prose import tell

WARNING = (
    "Rule-based, not causal. Whoever gets a later step has had the earlier ones: `first` always names "
    "step 1, and no rule tells what a step adds. `holdout` of a step does: `kaskad uplift CASCADE`."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("attribution")(attribution)


def attribution(
    since: SINCE = "",
    until: UNTIL = "",
    days: Annotated[int, typer.Option(min=1, max=90, help="How many days before a goal messages count.")] = 7,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Share out the goals of a period among the messages before them, by five rules. No proof of cause."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        told = client.get("/attribution", since=when(since), until=when(until), within_days=days)
    if as_json:
        typer.echo(as_text(told))
        return
    tell(f"{told['goals']} goals from {told['since'][:10]} to {told['until'][:10]}", bold=True)
    if told["more"]:
        tell("There were more: only the last ones were looked at.")
    if told["without"]:
        tell(f"{told['without']} of them had no message in the {days} days before.")
    if told["lines"]:
        rules = list(told["lines"][0]["goals"])
        rows = [
            (line["cascade"], line["step"], line["channel"], line["touches"],
             *(round(line["goals"][rule], 1) for rule in rules))
            for line in told["lines"]
        ]  # fmt: skip
        heads = ("CASCADE", "STEP", "CHANNEL", "MESSAGES", *(rule.upper() for rule in rules))
        typer.echo(table(heads, rows))
    tell(WARNING)
