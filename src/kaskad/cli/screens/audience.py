"""What a cascade would say to its audience, in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from kaskad.cli.screens.output import many

SAMPLE = 1_000  # contacts that are looked at if nobody says how many
NOBODY = "There is nobody in this audience: `kaskad import` brings people in; --typical asks it of made ones."
HELD_OUT = "Everybody is in the control group: nobody is left who would get anything."


def whom(told: Mapping[str, Any]) -> str:
    """Return for whom something is reckoned, and of how many of them it rests on."""
    if not told["audience"]:
        return f"{many(told['size'], 'person', 'people')} whom each step reaches"
    return f"{told['audience']}: {_sampled(told)}"


def _sampled(told: Mapping[str, Any]) -> str:
    """Return how many contacts there are, and of how many of them something is known."""
    all_of_them = many(told["size"], "contact")
    if told["sample"] >= told["size"]:
        return all_of_them
    return f"{all_of_them}, of whom {told['sample']:,} were looked at"


@contextmanager
def looking(what: str, *, quiet: bool) -> Iterator[None]:
    """Show that something takes a while."""
    if quiet:
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def print_audience(told: Mapping[str, Any]) -> None:
    """Print what became of each step, and what all of it costs."""
    from kaskad.cli.template import print_check
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    typer.secho(f"{told['of']}: {_sampled(told)}", bold=True)
    for step in told["steps"]:
        variant = f", variant {step['variant']}" if step["variant"] else ""
        print_check(f"{step['step']} ({step['channel']}{variant})", step["found"])
    for money in told["cost"]:
        whole = format_money(Money(money["minor"], money["currency"]))
        typer.echo(f"The whole audience costs at most {whole}, if everybody gets every step.")
    for warning in told["warnings"]:
        typer.secho(warning, fg=typer.colors.YELLOW)
