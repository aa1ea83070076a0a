"""`kaskad trial`: another version for some of those who enter; `kaskad learnt`: channels that are learnt."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import CASCADE, DB, JSON, percent
from kaskad.cli.screens.prose import tell

SHARE = Annotated[str, typer.Option(metavar="PERCENT", help="Of those who enter, such as 20%.")]
VERSION = Annotated[int, typer.Option(min=0, help="Its number; 0: the draft, frozen as the next version.")]
NUMBER = Annotated[int, typer.Option(min=1, help="The number of a version on trial.")]
AFTER_USUALLY, SURE_USUALLY = 500, "95%"
COUNTED = ("delivered", "seen", "reacted", "goal", "opted_out")
BY = Annotated[
    str, typer.Option(metavar="goal|reacted", help="By what the best is told apart by itself; none: you do.")
]
AFTER = Annotated[int, typer.Option(min=100, help="People of each version it takes; with --by.")]
SURE = Annotated[str, typer.Option(metavar="PERCENT", help="How certain it must be; with --by.")]
OPT_OUT = Annotated[
    str, typer.Option(metavar="PERCENT", help="None wins by which so many more opt out; with --by.")
]
ITSELF = Annotated[bool, typer.Option("--promote", help="Everybody enters the best one then; with --by.")]
FILE = Annotated[
    str, typer.Option("--file", metavar="FILE", help="Try this definition: it becomes the draft first.")
]
WHY = Annotated[str, typer.Option(metavar="TEXT", help="Why, for who reads of it later.")]

_trial = typer.Typer(help="Try other versions of a cascade on some of those who enter.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(_trial, name="trial")
    app.command()(learnt)
    app.command()(winners)


@_trial.command()
def show(cascade: CASCADE, db: DB = "", as_json: JSON = False) -> None:
    """Show the trials of a cascade, and how the versions do."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        found = list(client.items(f"/cascades/{part(cascade)}/trials"))
    if as_json:
        typer.echo(as_text(found))
    elif not found:
        typer.echo(f"No versions of {cascade} were tried: `kaskad trial start {cascade} --share 20%`.")
    for one in () if as_json else found:
        _print(one)


@_trial.command()
def start(
    cascade: CASCADE, share: SHARE, version: VERSION = 0, by: BY = "", after: AFTER = AFTER_USUALLY,
    confidence: SURE = SURE_USUALLY, opt_out: OPT_OUT = "", promote: ITSELF = False, file: FILE = "",
    db: DB = "", as_json: JSON = False,
) -> None:  # fmt: skip
    """Let a share of those who enter get the draft, or an earlier version; or add it to a trial under way.

    Who gets which stays so for the contact. Runs under way keep their version. With --by the best version is
    told apart once that is certain, by a test that is asked every hour.
    """
    told: dict[str, Any] = {"arms": [{"version": version or None, "share": percent(share)}]}
    if by:
        told["rule"] = {
            "by": by, "after": after, "confidence": percent(confidence), "promote": promote,
            "opt_out": percent(opt_out) if opt_out else None,
        }  # fmt: skip
    elif promote or opt_out or after != AFTER_USUALLY or confidence != SURE_USUALLY:
        raise typer.BadParameter("say by what the best is told apart: --by goal, or --by reacted")
    if file:
        _save_draft(cascade, file, version, db)
    _ask(cascade, "", told, db, as_json)


def _save_draft(cascade: str, file: str, version: int, db: str) -> None:
    """Make a definition's file the cascade's draft."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.forecast import chosen

    text = chosen(file)[1]
    if version or not text:
        raise typer.BadParameter("say one of --file and --version" if version else f"there is no file {file}")
    with reached(db) as client:
        client.call("PUT", f"/cascades/{part(cascade)}", content=text.encode(), kind="application/yaml")


@_trial.command("share")
def change(
    cascade: CASCADE, share: SHARE, version: NUMBER, db: DB = "",
    as_json: JSON = False,
) -> None:  # fmt: skip
    """Change how many of those who enter get a version on trial; figures begin anew."""
    told = {"arms": [{"version": version, "share": percent(share)}]}
    _ask(cascade, "/share", told, db, as_json)


@_trial.command()
def promote(
    cascade: CASCADE, version: NUMBER, why: WHY = "", db: DB = "",
    as_json: JSON = False,
) -> None:  # fmt: skip
    """End the trial: everybody enters this version from now on."""
    _ask(cascade, "/promote", {"version": version, "why": why}, db, as_json)


@_trial.command()
def end(cascade: CASCADE, why: WHY = "", db: DB = "", as_json: JSON = False) -> None:
    """End the trial: everybody enters the version that ran before."""
    _ask(cascade, "/end", {"why": why}, db, as_json)


def learnt(cascade: CASCADE, db: DB = "", as_json: JSON = False) -> None:
    """Show which channels people react to, at steps that learn it (`choose: learn`)."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(client.items(f"/cascades/{part(cascade)}/learnt"))
    if as_json:
        typer.echo(as_text(found))
        return
    if not found:
        tell(f"No step of {cascade} learns its channel: write `choose: learn` at one with several.")
    for one in found:
        of = f", {one['group']}" if one["group"] else ""
        typer.echo(f"Version {one['version']}, step {one['step']}{of}:")
        rows = [
            (
                arm["channel"], f"{arm['chance']:g}%", arm["chosen"], arm["hits"],
                f"{100 * arm['hits'] / arm['chosen']:.1f}%" if arm["chosen"] else "—",
                f"{100 * arm['weighed']:.1f}%" if arm["weighed"] is not None else "—",
            )
            for arm in one["channels"]
        ]  # fmt: skip
        typer.echo(table(("CHANNEL", "DRAWN NOW", "CHOSEN", "SUCCESSES", "RATE", "WEIGHED"), rows))


def winners(
    cascade: CASCADE,
    undo: Annotated[
        str, typer.Option("--undo", metavar="STEP", help="Let its variants weigh what the definition says.")
    ] = "",
    version: Annotated[int, typer.Option(min=0, help="Of this version; 0: of the latest in which.")] = 0,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Show which variants of a cascade's steps have won, and by which figures; or take that back."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        found = list(client.items(f"/cascades/{part(cascade)}/winners"))
        if undo:
            of = version or next((one["version"] for one in found if one["step"] == undo), 1)
            client.post(f"/cascades/{part(cascade)}/winners/undo", {"version": of, "step": undo})
            found = list(client.items(f"/cascades/{part(cascade)}/winners"))
    if as_json:
        typer.echo(as_text(found))
        return
    if not found:
        tell(f"No variant of {cascade} has won: steps with `winner` decide it once it is certain.")
    for one in found:
        at = one["at"][:16].replace("T", " ")
        tell(
            f"{at} UTC: version {one['version']}, step {one['step']}: {one['winner']} won by {one['by']}"
            f"{', which was taken back' if one['undone'] else ''}."
        )
        rows = [
            (
                each["id"],
                each["of"],
                each["hits"],
                f"{100 * each['hits'] / each['of']:.1f}%",
                each["opted_out"],
            )
            for each in one["variants"]
        ]
        typer.echo(table(("VARIANT", "MESSAGES", "SUCCESSES", "RATE", "OPTED OUT"), rows))


def _ask(cascade: str, path: str, told: dict[str, Any], db: str, as_json: bool) -> None:
    from kaskad.cli.cascade import print_paused
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        found = client.post(f"/cascades/{part(cascade)}/trials{path}", told)
    if as_json:
        typer.echo(as_text(found))
        return
    _print(found)
    print_paused(cascade, found.get("paused", []))


def _print(trial: dict[str, Any]) -> None:
    """Print a trial with its versions side by side."""
    from kaskad.cli.screens.output import table
    from kaskad.cli.uplift import UNEVEN_LOT, is_uneven

    by = "" if trial["ended_by"] else " by its rule"
    state = {
        "running": "under way",
        "promoted": f"over: version {trial['winner']} was promoted{by}",
        "ended": "over: nothing was promoted",
    }[trial["state"]]
    why = f" ({trial['why']})" if trial["why"] else ""
    since = trial["since"][:16].replace("T", " ")
    typer.echo(f"Trial {trial['id']}, {state}{why}; of those who entered since {since} UTC:")
    uneven = is_uneven(trial)
    if uneven:
        typer.secho(
            "The lot did not fall as the shares say: believe no difference until the cause is found; no rule "
            "decides meanwhile.", fg="red",
        )  # fmt: skip
    rows = [
        (
            f"{arm['version']}{' (runs)' if arm['running'] else ''}", f"{arm['share']:g}%", arm["entered"],
            arm["under_way"], *(_of(arm, name) for name in COUNTED),
        )
        for arm in trial["arms"]
    ]  # fmt: skip
    base = next(arm["version"] for arm in trial["arms"] if arm["running"])
    heads = ("VERSION", "SHARE", "ENTERED", "UNDER WAY", "DELIVERED", "SEEN", "REACTED", "GOAL", "LEFT")
    typer.echo(table(heads, rows))
    for arm in trial["arms"]:
        if arm["apart"]:
            shown = [
                f"{name} {100 * told['low']:+.1f} to {100 * told['high']:+.1f} points"
                for name in COUNTED
                if (told := arm["apart"][name])["low"] > 0 or told["high"] < 0
            ]
            words = UNEVEN_LOT if uneven else "; ".join(shown) or "no difference is shown"
            typer.echo(f"Version {arm['version']} against {base} (95 %, however often you look): {words}")
    if trial["rule"]:
        _print_rule(trial["rule"], trial["verdict"], trial["state"] == "running")


def _print_rule(rule: dict[str, Any], verdict: dict[str, Any] | None, running: bool) -> None:
    """Print by what the best is told apart, or was."""
    from kaskad.cli.screens.output import table

    if verdict is None:
        then = "it is promoted" if rule["promote"] else "you are told"
        more = "" if rule["opt_out"] is None else f", unless {rule['opt_out']:g}% more opt out"
        if running:
            typer.echo(
                f"Once one is the best by {rule['by']} for certain ({rule['confidence']:g}%{more}), {then}; "
                f"it takes {rule['after']} people of each."
            )
        return
    at = verdict["at"][:16].replace("T", " ")
    then = "; promote it, or end the trial" if running else ""
    typer.echo(f"{at} UTC: version {verdict['winner']} won by {verdict['by']}{then}.")
    rows = [
        (
            each["version"], each["people"], each["hits"], f"{100 * each['hits'] / each['people']:.1f}%",
            each["opted_out"],
        )
        for each in verdict["versions"]
    ]  # fmt: skip
    typer.echo(table(("VERSION", "PEOPLE", "SUCCESSES", "RATE", "OPTED OUT"), rows))


def _of(arm: dict[str, Any], name: str) -> str:
    entered = arm["entered"]
    return f"{arm[name]} ({100 * arm[name] / entered:.1f}%)" if entered else "—"
