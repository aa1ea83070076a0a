"""`kaskad import`: people from a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

if TYPE_CHECKING:
    from kaskad.cli.client import Client

NOTES_SHOWN = 20
_LOOK_S = 0.25  # between looks at how far it has come


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("import")(bring)


def bring(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV; its first line names the columns.")],
    to_list: Annotated[
        str, typer.Option("--list", help="Add them to this list, made where there is none.")
    ] = "",
    country: Annotated[
        str, typer.Option(help="Where numbers without country code are from, such as KZ.")
    ] = "",
    consent: Annotated[
        str,
        typer.Option(help="Where everybody agreed of whom no column says otherwise: kept as the proof."),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Bring in people from a CSV file: new ones are made, known ones changed, nobody is made twice.

    Columns: id, name, email, phone, telegram, whatsapp and other chat ids, zone, language, country, consent
    (yes, no or its date; consent_email and so on for one channel), tracking; any other is an attribute.
    Rows that cannot be read are left out and named, and the exit code is 1.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    try:
        data = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None
    asked = {"list": to_list, "country": country, "consent": consent, "source": file.name[:200]}
    query: dict[str, Any] = {name: given for name, given in asked.items() if given}
    query |= {"wait_s": _LOOK_S} | ({"dry_run": "true"} if dry_run else {})
    with reached(db) as client, _progress(file.name) as seen:
        told = client.call("POST", "/contacts/import", query=query, content=data, kind="text/csv")
        told = _watch(client, told, seen)
    if as_json:
        typer.echo(as_text(told))
    else:
        _report(told, to_list)
    if told["state"] != "done" or told["rejected"]:
        raise typer.Exit(1)


def _watch(client: Client, told: dict[str, Any], seen: Callable[[int, int], None]) -> dict[str, Any]:
    """Return the import when it has ended."""
    import time

    while True:
        seen(told["rows"], told["size"])
        if told["state"] != "running":
            return told
        time.sleep(_LOOK_S)
        told = client.get(f"/imports/{told['id']}")


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error, where that is a terminal; yield what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda rows, size: bar.update(task, completed=rows, total=max(size, rows))


def _report(told: Mapping[str, Any], to_list: str) -> None:
    for note in told["notes"][:NOTES_SHOWN]:
        left_out = "left out: " if note["rejected"] else ""
        typer.echo(f"row {note['row']}: {left_out}{note['text']}")
    if len(told["notes"]) > NOTES_SHOWN:
        typer.echo(f"… and {len(told['notes']) - NOTES_SHOWN} notes more: --json shows them.")
    taken = ", ".join(f"{name} is {meaning}" for name, meaning in told["columns"].items() if meaning)
    typer.echo(f"Columns: {taken}.")
    would = "would be " if told["dry_run"] else ""
    listed = f", on the list {to_list}" if to_list and not told["dry_run"] else ""
    typer.echo(
        f"{told['source']}: {told['rows']} rows, {told['new']} {would}new, {told['changed']} {would}changed, "
        f"{told['rejected']} left out{listed}."
    )
    if told["problem"]:
        typer.echo(f"{told['state']}: {told['problem']}", err=True)
