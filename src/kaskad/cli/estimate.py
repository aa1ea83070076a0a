"""`kaskad cascade estimate`: what a cascade is expected to reach, send and cost, before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

NOTES = {
    "no_prior": "nobody is counted as reacting: no figure of the field is known for this channel",
    "no_price": "counted as free: no account tells a price",
    "condition": "its condition looks at the run: counted as if it held for everybody",
}


def estimate(
    what: Annotated[
        str, typer.Argument(metavar="FILE|CASCADE", help="A definition's file, or the name of a cascade.")
    ],
    to_list: Annotated[str, typer.Option("--list", metavar="LIST", help="For this list.")] = "",
    segment: Annotated[str, typer.Option(metavar="SEGMENT", help="For this segment.")] = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="For all contacts.")] = False,
    typical: Annotated[
        bool, typer.Option("--typical", help="For 1 000 people whom each step reaches.")
    ] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Estimate how many people each step reaches, how many messages it sends and what they cost.

    Addresses, consents and prices are the real ones; how many react are figures of the field, not yours.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    if (bool(to_list), bool(segment), everybody, typical).count(True) > 1:
        raise typer.BadParameter("say whom it is for: one of --list, --segment, --everybody and --typical")
    slug, text = _chosen(what)
    told = {
        "definition": text, "list": to_list, "segment": segment, "everybody": everybody, "typical": typical,
    }  # fmt: skip
    with reached(db) as client:
        found = client.post(f"/cascades/{slug}/estimate", told)
    if as_json:
        typer.echo(as_text(found))
    else:
        _print(found)


def _chosen(what: str) -> tuple[str, str]:
    """Return a cascade's name, and its text where a file was meant."""
    if what != "-" and not Path(what).exists() and what.replace("-", "").replace("_", "").isalnum():
        return what, ""
    from kaskad.cli.check import load_text, read
    from kaskad.domain.definition.edit import tree_of

    text = read(what)
    if not isinstance(text, str):
        raise typer.BadParameter(f"{what} is no text: `kaskad check {what}` says what is wrong")
    cascade = load_text(what, text).cascade
    tree = None if cascade is not None else tree_of(text)
    named = cascade.id if cascade else str(tree.get("cascade", "")) if isinstance(tree, Mapping) else ""
    return named or "draft", text


def _print(told: Mapping[str, Any]) -> None:
    from kaskad.cli.screens.output import table

    whom = f"{told['audience']}: {told['size']} contacts" if told["audience"] else (
        f"{told['size']} people whom each step reaches"
    )  # fmt: skip
    looked = f", of whom {told['sample']} were looked at" if told["audience"] else ""
    held = f", {told['held_out']} in the control group" if told["held_out"] else ""
    typer.secho(f"{whom}{looked}{held}", bold=True)
    rows = [
        (
            step["step"], step["arrived"], step["messages"], f"{step['react_rate']:.1%}", step["reacted"],
            _money(step["cost"]),
            ", ".join(f"{why.replace('_', ' ')} {count}" for why, count in step["passed"].items()),
        )
        for step in told["steps"]
    ]  # fmt: skip
    typer.echo(table(("STEP", "ARRIVE", "MESSAGES", "REACT", "REACTIONS", "COST", "PASSED OVER"), rows))
    typer.echo(
        f"{told['reach']:.1%} are expected to react ({told['reached']}), {told['silent']} to stay silent, by "
        f"{told['messages']} messages for {_money(told['cost']) or 'nothing'}"
        + (f"; {_money(told['each_reached'])} for each who reacts" if told["each_reached"] else "")
        + "."
    )
    for step in told["steps"]:
        for note in step["notes"]:
            typer.secho(f"{step['step']}: {NOTES[note]}.", fg=typer.colors.YELLOW)
    typer.echo("How many react are figures of the field, not of your own people.")


def _money(amounts: Mapping[str, float]) -> str:
    from kaskad.domain.cascade import Money
    from kaskad.domain.money import format_money

    return " + ".join(format_money(Money(round(minor), name)) for name, minor in sorted(amounts.items()))
