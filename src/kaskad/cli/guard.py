"""`kaskad guard`: what is watched while cascades run, and what a person makes of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON, percent

CASCADE = Annotated[str, typer.Argument(metavar="CASCADE", help="The cascade's name.")]
NOTHING = "Nobody was written to who entered in this block of thirty days, so nothing is known yet."
BOUNDS = Annotated[
    list[str], typer.Argument(metavar="FIGURE=SHARE", help="Such as bounces=8% or opt_outs=0%.")
]
HINT = "FIGURE=SHARE"
FIGURES = ("complaints", "opt_outs", "bounces", "failures")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Guardrails: complaints, opt-outs, bounces, failures.", no_args_is_help=True)
    group.command("show")(show)
    group.command("set")(change)
    group.command("account")(account)
    group.command("look")(look)
    app.add_typer(group, name="guard")


def show(cascade: CASCADE, db: DB = "", as_json: JSON = False) -> None:
    """Show the bounds of a cascade, how its figures stand, and what was stopped; 1 where something is."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.get(f"/cascades/{part(cascade)}/guard")
        told["paused_steps"] = list(client.items(f"/cascades/{part(cascade)}/steps/paused"))
    typer.echo(as_text(told) if as_json else _shown(told))
    if told["stopped"] or told["paused_steps"]:
        raise typer.Exit(1)


def change(cascade: CASCADE, bound: BOUNDS, db: DB = "", as_json: JSON = False) -> None:
    """Give the current version of a cascade bounds of its own; 0% is not watched."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.call("PATCH", f"/cascades/{part(cascade)}/guard", _bounds(bound))
    typer.echo(as_text(told) if as_json else _shown(told))


def account(
    name: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name.")], bound: BOUNDS,
    db: DB = "", as_json: JSON = False,
) -> None:  # fmt: skip
    """Give an account bounds of its own; 0% is not watched."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    bounds = _bounds(bound)
    with reached(db) as client:
        client.call("PATCH", f"/accounts/{part(name)}/guard", bounds)
    say(as_json, {"account": name, **bounds}, f"Account {name} is watched by these bounds from now on.")


def look(cascade: CASCADE, db: DB = "", as_json: JSON = False) -> None:
    """Say that you have looked at what is beyond its bound: it is watched anew. A pause stays."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import say

    with reached(db) as client:
        told = client.post(f"/cascades/{part(cascade)}/guard/look")
    say(as_json, told, f"{cascade}: {told['looked']} looked at.")


def _bounds(given: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in given:
        name, _, share = (part.strip() for part in text.partition("="))
        if not share.endswith("%"):
            raise typer.BadParameter(f"{text!r}: write for example bounces=8%", param_hint=HINT)
        if name.replace("-", "_") not in FIGURES:
            known = ", ".join(one.replace("_", "-") for one in FIGURES)
            raise typer.BadParameter(f"{name!r} is none of {known}", param_hint=HINT)
        if (bound := percent(share, HINT)) == 100:
            raise typer.BadParameter(f"{text!r} bounds nothing, as 0% does", param_hint=HINT)
        found[name.replace("-", "_")] = round(bound * 100)
    return found


def _shown(told: dict[str, Any]) -> str:
    from kaskad.cli.screens.output import table

    bounds = told["bounds"]
    lines = [
        "Bounds: " + ", ".join(f"{name.replace('_', '-')} {_percent(bounds[name])}" for name in bounds
                               if name != "then") + f"; beyond one: {bounds['then']}",
    ]  # fmt: skip
    rows = [
        (one["version"], one["step"], one["figure"].replace("_", "-"), _share(one["day"]),
         _share(one["days"]),
         _percent(one["bound"]), "STOPPED" if one["stopped"] else f"{one['suspicion']:.0%}")
        for one in told["watched"]
    ]  # fmt: skip
    if rows:
        lines.append(table(("VERSION", "STEP", "FIGURE", "TODAY", "BLOCK", "BOUND", "SUSPICION"), rows))
        since = told["block_since"][:10]
        lines.append(f"Of who entered today (UTC), and in the block of thirty days from {since} on.")
    else:
        lines.append(NOTHING)
    step_alone = any(one["why"] for one in told.get("paused_steps", ()))  # no person has paused it
    if told["stopped"] and not step_alone:
        lines.append(f"Look at it, then `kaskad resume {told['cascade']}`.")
    if told["stopped"]:
        lines.append(f"`kaskad guard set {told['cascade']} FIGURE=SHARE` raises a bound.")
    for one in told.get("paused_steps", ()):
        why = one["why"] or f"by {one['by']}"
        lines.append(f"Step {one['step']} of version {one['version']} is paused, people "
                     f"{'pass it over' if one['skip'] else 'wait at it'}: {why}. "
                     f"Look at it, then `kaskad resume {told['cascade']} --step {one['step']}`.")  # fmt: skip
    return "\n".join(lines)


def _percent(bound: int) -> str:
    return f"{bound / 100:g} %" if bound else "not watched"


def _share(count: dict[str, Any]) -> str:
    return f"{count['bad']}/{count['of']}" + (f" ({count['rate']:.2%})" if count["of"] else "")
