"""`kaskad runs`: where people stand in cascades, and how a run is cancelled."""

from __future__ import annotations

import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import CASCADE, DB, JSON

if TYPE_CHECKING:
    from kaskad.cli.client import Client

_EVERY_S = 0.2  # between two looks at how far moving runs is

RUN = Annotated[str, typer.Argument(metavar="RUN", help="Such as run_12_345.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Runs: list, show, cancel, migrate.", no_args_is_help=True)
    group.command("list")(listing)
    group.command("show")(show)
    group.command("cancel")(cancel)
    group.command("migrate")(migrate)
    app.add_typer(group, name="runs")


def listing(
    cascade: Annotated[str, typer.Option(help="Of this cascade only.")] = "",
    contact: Annotated[str, typer.Option(help="Of this contact: id, e-mail or phone.")] = "",
    state: Annotated[str, typer.Option(help="pending, active, paused or finished.")] = "",
    outcome: Annotated[str, typer.Option(help="Such as responded, converted, exhausted, cancelled.")] = "",
    step: Annotated[str, typer.Option(help="That stand at this step of the cascade.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """List runs."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, table

    if step and not cascade:
        raise typer.BadParameter("--step needs --cascade: steps are its own")
    path = f"/cascades/{part(cascade)}/runs" if cascade else "/runs"
    asked = {"contact": contact, "state": state, "outcome": outcome, "step": step}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value}
    with reached(db) as client:
        items = client.items(path, **given, limit=min(limit + 1, 1000))
        found = list(islice(items, limit + 1))
    if as_json:
        typer.echo(as_text(found[:limit]))
    elif not found:
        typer.echo("There are no such runs.")
    else:
        rows = [
            (
                run["id"], run["cascade"], run["version"],
                (run["outcome"] or run["state"]).replace("_", " "),
                run["outcome_step"] or run["step"] or "", _minute(run["entered_at"]),
            )
            for run in found[:limit]
        ]  # fmt: skip
        typer.echo(table(("RUN", "CASCADE", "VERSION", "STATE", "STEP", "ENTERED"), rows))
        if len(found) > limit:
            typer.echo(f"… and more: --limit {limit * 10} shows more of them.")


def show(run: RUN, db: DB = "", as_json: JSON = False) -> None:
    """Show where a run stands, and its messages."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text, table

    with reached(db) as client:
        told = client.get(f"/runs/{part(run)}")
        messages = list(client.items("/messages", run=run))
    if as_json:
        typer.echo(as_text({**told, "messages": messages}))
        return
    state = (told["outcome"] or told["state"]).replace("_", " ")
    step = told["outcome_step"] or told["step"]
    typer.echo(
        f"{told['id']}  {told['cascade']}, version {told['version']}: {state}{f' at {step}' if step else ''}"
    )
    typer.echo(f"contact {told['contact']}, entered {_minute(told['entered_at'])}")
    if told["wake_at"]:
        typer.echo(f"looks again {_minute(told['wake_at'])}")
    if messages:
        rows = [
            (each["step"], each["channel"], each["account"] or "", each["state"],
             (each["reason"] or "").replace("_", " "), _minute(each["sent_at"] or each["submitted_at"]))
            for each in messages
        ]  # fmt: skip
        typer.echo(table(("STEP", "CHANNEL", "ACCOUNT", "STATE", "WHY", "SENT"), rows))
    typer.echo(f"`kaskad explain {run}` tells why.")


def cancel(run: RUN, db: DB = "", as_json: JSON = False) -> None:
    """End a run as cancelled: nothing more is sent by it."""
    from kaskad.cli.client import part, reached
    from kaskad.cli.screens.output import as_text

    with reached(db) as client:
        told = client.post(f"/runs/{part(run)}/cancel")
    if as_json:
        typer.echo(as_text(told))
    elif told["outcome"]:
        typer.echo(f"{run} is cancelled.")
    else:
        typer.echo(f"{run} will be cancelled as soon as `kaskad serve` runs, before it sends anything.")


def migrate(
    cascade: CASCADE,
    to: Annotated[int, typer.Option("--to", min=1, metavar="VERSION", help="The version to go on in.")],
    pairs: Annotated[
        list[str] | None, typer.Option("--map", metavar="OLD=NEW", help="A step with another id there.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would become of them.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Let live runs go on in another version of their cascade.

    Nothing that was sent is sent again. A run stays on its version where a step that it was sent has another
    place, or where a message is on its way: it is told how many, and why.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text, many
    from kaskad.domain.errors import KaskadError

    mapping = dict(pair.partition("=")[::2] for pair in pairs or ())
    if not all(mapping.values()):
        raise typer.BadParameter("write OLD=NEW, two ids of steps", param_hint="--map")
    told: dict[str, Any] = {"version": to, "map": mapping}
    with reached(db) as client:
        total = _planned(client, cascade, told) if dry_run else _moved(client, cascade, told)
    if as_json:
        typer.echo(as_text({**total, "dry_run": dry_run}))
        return
    if total.get("problem"):
        raise KaskadError(total["problem"])
    typer.echo(f"{many(total['moved'], 'run')} {'would' if dry_run else 'will'} go on in version {to}.")
    for place, count in sorted(total["places"].items()):
        typer.echo(f"  {count:,} {place}")
    for why, count in sorted(total["stay"].items()):
        typer.echo(f"  {count:,} stay on their version: {why}")


def _planned(client: Client, cascade: str, told: dict[str, Any]) -> dict[str, Any]:
    """Return what would become of all runs, asked for stretch by stretch."""
    from kaskad.cli.client import part

    total: dict[str, Any] = {"moved": 0, "places": {}, "stay": {}}
    asked = {**told, "dry_run": True}
    while True:
        stretch = client.post(f"/cascades/{part(cascade)}/runs/migrate", asked)
        total["moved"] += stretch["moved"]
        for name in ("places", "stay"):
            for what, count in stretch[name].items():
                total[name][what] = total[name].get(what, 0) + count
        if stretch["next"] is None:
            return total
        asked["after"] = stretch["next"]


def _moved(client: Client, cascade: str, told: dict[str, Any]) -> dict[str, Any]:
    """Return what has become of all runs; Ctrl+C lets it end there."""
    from kaskad.cli.client import part

    path = f"/cascades/{part(cascade)}/migrations"
    found: dict[str, Any] = client.post(path, told)
    try:
        while found["state"] == "running":
            time.sleep(_EVERY_S)
            found = client.get(f"{path}/{found['id']}")
            if sys.stderr.isatty():
                typer.echo(f"\r{found['seen']:,} of about {found['total']:,} runs", nl=False, err=True)
    except KeyboardInterrupt:
        client.post(f"{path}/{found['id']}/stop", {})
        typer.echo("Stopped: who was moved stays moved; run it again for the others.", err=True)
        raise typer.Exit(1) from None
    return found


def _minute(at: str | None) -> str:
    return at[:16].replace("T", " ") + " UTC" if at else ""
