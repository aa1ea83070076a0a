"""`kaskad import`: people from a file: CSV, XLSX, JSON Lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON

if TYPE_CHECKING:
    from kaskad.cli.client import Client

KIND = "application/octet-stream"  # what it is shows in its first bytes
NOTES_SHOWN = 20  # of a kind
# In which order notes are shown, and what is said of how many rows.
KINDS = {
    "rejected": "left out",
    "asked": "an address that looks mistyped: --typos keep or fix takes them",
    "unread": "a value left out",
    "duplicate": "of somebody in an earlier row",
    "suppressed": "an address on the stop-list",
    "flagged": "deserve a look",
    "fixed": "another spelling",
}
_LOOK_S = 0.25  # between looks at how far it has come


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("import")(bring)


def bring(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, XLSX or JSON Lines.")],
    to_list: Annotated[
        str, typer.Option("--list", help="Add them to this list, made where there is none.")
    ] = "",
    country: Annotated[
        str, typer.Option(help="Where numbers without country code are from, such as KZ.")
    ] = "",
    consent: Annotated[
        str,
        typer.Option(
            "--consent-source",
            "--consent",
            help="Where everybody agreed of whom no column says otherwise: kept as the proof.",
        ),
    ] = "",
    consent_text: Annotated[str, typer.Option(help="What they agreed to, word for word.")] = "",
    consent_date: Annotated[str, typer.Option(help="When they agreed, such as 2026-02-14.")] = "",
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=MEANING", help="What a column is, as 'Тел.=phone'; or skip."),
    ] = None,
    typos: Annotated[
        str, typer.Option(help="Addresses at gmial.com and the like: ask (left out), keep, fix.")
    ] = "ask",
    rejected: Annotated[
        Path | None, typer.Option(help="Write the rows that are left out to this CSV file, with the reason.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Bring in people from a file: new ones are made, known ones changed, nobody is made twice.

    Columns: id, name, email, phone, telegram, whatsapp and other chat ids, zone, language, country, consent
    (yes, no or its date; consent_email and so on for one channel), tracking; any other is an attribute.
    Headers may be in Russian, and what --map says comes first. Rows that cannot be read are left out and
    named, and the exit code is 1.
    """
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    data = _bytes(file)
    asked = {
        "list": to_list, "country": country, "consent": consent, "source": file.name[:200], "typos": typos,
        "consent_text": consent_text, "consent_at": f"{consent_date}T00:00:00Z" if consent_date else "",
    }  # fmt: skip
    query: dict[str, Any] = {name: given for name, given in asked.items() if given}
    query |= {"wait_s": _LOOK_S, "map": mapping or []} | ({"dry_run": "true"} if dry_run else {})
    with reached(db) as client, _progress(file.name) as seen:
        told = client.call("POST", "/contacts/import", query=query, content=data, kind=KIND)
        told = _watch(client, told, seen)
        if rejected is not None:
            _write(rejected, client.get(f"/imports/{told['id']}/rejected"))
        told["mail_domains"] = client.get("/mail-domains/counts")
    if as_json:
        typer.echo(as_text(told))
    else:
        _report(told, to_list)
    if told["state"] != "done" or told["rejected"]:
        raise typer.Exit(1)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from None


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


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8-sig")  # the mark, so that a spreadsheet reads it as UTF-8
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--rejected") from None


def _report(told: Mapping[str, Any], to_list: str) -> None:
    from kaskad.cli.domains import counted

    for kind in KINDS:
        notes = [note for note in told["notes"] if note["kind"] == kind]
        for note in notes[:NOTES_SHOWN]:
            left_out = "left out: " if note["rejected"] else ""
            typer.echo(f"row {note['row']}: {left_out}{note['text']}")
        if (count := told["counts"][kind]) > len(notes[:NOTES_SHOWN]) > 0:
            typer.echo(f"… {count} rows of this kind ({KINDS[kind]}): --json shows more of them.")
    typer.echo(f"Read as {told['shape']}.")
    taken = ", ".join(
        f"{name} is {meaning}{' (by its cells)' if name in told['guessed'] else ''}"
        for name, meaning in told["columns"].items()
        if meaning
    )
    typer.echo(f"Columns: {taken}.")
    if skipped := [name for name, meaning in told["columns"].items() if not meaning]:
        typer.echo(f"Not read: {', '.join(skipped)}.")
    counts = {"clean": "as they stood", **KINDS}
    said = [f"{told['counts'][kind]} {words}" for kind, words in counts.items() if told["counts"][kind]]
    typer.echo(f"Rows: {'; '.join(said)}.")
    would = "would be " if told["dry_run"] else ""
    listed = f", on the list {to_list}" if to_list and not told["dry_run"] else ""
    typer.echo(
        f"{told['source']}: {told['rows']} rows, {told['new']} {would}new, {told['changed']} {would}changed, "
        f"{told['rejected']} left out{listed}."
    )
    if not told["dry_run"] and (domains := counted(told["mail_domains"])):
        typer.echo(f"{domains} `kaskad domain list` shows them.")
    if told["problem"]:
        typer.echo(f"{told['state']}: {told['problem']}", err=True)
