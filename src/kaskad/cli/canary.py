"""`kaskad canary`: the next version for a share of those who enter, before all get it."""

from __future__ import annotations

from typing import Any

import typer

from kaskad.cli.screens.options import CASCADE, DB, JSON

_canary = typer.Typer(help="New versions that a share of those who enter tries first.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(_canary, name="canary")


@_canary.command()
def show(cascade: CASCADE, db: DB = "", as_json: JSON = False) -> None:
    """Show the last canaries of a cascade's versions, and how far they are."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(client.items(f"/cascades/{part(cascade)}/canaries"))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo(f"No version of {cascade} had a canary: `kaskad apply FILE --canary 1%` begins one.")
    else:
        rows = [
            (one["version"], one["before"], f"{one['share']:g}%", f"{one['entered']}/{one['people']}",
             _judged(one), one["state"], _why(one))
            for one in found
        ]  # fmt: skip
        typer.echo(table(("VERSION", "BEFORE", "SHARE", "ENTERED", "JUDGED", "STATE", "WHY"), rows))


@_canary.command("pass")
def let_pass(cascade: CASCADE, db: DB = "", as_json: JSON = False) -> None:
    """Let everybody enter the canary's version from now on, whatever its figures say."""
    _ask(cascade, "pass", "Everybody enters version {version} of {cascade} from now on.", db, as_json)


@_canary.command()
def stop(cascade: CASCADE, db: DB = "", as_json: JSON = False) -> None:
    """End the canary: everybody enters the version that ran before. Runs keep their version."""
    _ask(cascade, "stop", "Everybody enters version {before} of {cascade} again.", db, as_json)


def _ask(cascade: str, act: str, words: str, db: str, as_json: bool) -> None:
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        done = client.post(f"/cascades/{part(cascade)}/canaries/{part(act)}")
    say(as_json, done, words.format(cascade=cascade, **done))


def _why(one: dict[str, Any]) -> str:
    return str(one["why"] or one["ended_by"])


def _judged(one: dict[str, Any]) -> str:
    at = one["ended_at"] or one["due_at"]
    return str(at)[:16].replace("T", " ") if at else "once enough have entered"
