"""`kaskad export`: what is known, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON, SINCE, when

FORMS = {".csv": "csv", ".jsonl": "jsonl", ".xlsx": "xlsx", ".parquet": "parquet"}
OUT = Annotated[Path, typer.Option(metavar="FILE", help="FILE.csv, FILE.xlsx, FILE.jsonl or FILE.parquet.")]
SEGMENT = Annotated[str, typer.Option(help="Of who is in this segment now.")]
LIST = Annotated[str, typer.Option("--list", help="Of who is on this list.")]
UNTIL = Annotated[str, typer.Option(metavar="WHEN", help="Until this day, with it, or before an instant.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Take out what is known, as a file.", no_args_is_help=True)
    group.command()(people)
    group.command()(events)
    group.command()(messages)
    group.command()(consents)
    group.command()(suppressions)
    group.command("data")(data)
    app.add_typer(group, name="export")


def people(out: OUT, segment: SEGMENT = "", to_list: LIST = "", db: DB = "", as_json: JSON = False) -> None:
    """Write people, with addresses, consents and lists; an import reads all but consents and lists again."""
    _write("people", out, segment, to_list, "", "", db, as_json)


def events(
    out: OUT, segment: SEGMENT = "", to_list: LIST = "", since: SINCE = "", until: UNTIL = "", db: DB = "",
    as_json: JSON = False,
) -> None:  # fmt: skip
    """Write what CRM and site told of people."""
    _write("events", out, segment, to_list, since, until, db, as_json)


def messages(
    out: OUT, segment: SEGMENT = "", to_list: LIST = "", since: SINCE = "", until: UNTIL = "", db: DB = "",
    as_json: JSON = False,
) -> None:  # fmt: skip
    """Write messages and skipped steps, with what became of each and what it cost; not their texts."""
    _write("messages", out, segment, to_list, since, until, db, as_json)


def consents(
    out: OUT, segment: SEGMENT = "", to_list: LIST = "", since: SINCE = "", until: UNTIL = "", db: DB = "",
    as_json: JSON = False,
) -> None:  # fmt: skip
    """Write every consent and withdrawal, with its proof."""
    _write("consents", out, segment, to_list, since, until, db, as_json)


def data(
    what: Annotated[
        str, typer.Argument(metavar="SET", help="contacts, runs, facts, decisions, goals or costs.")
    ],
    out: OUT, segment: SEGMENT = "", to_list: LIST = "", since: SINCE = "", until: UNTIL = "",
    identified: Annotated[bool, typer.Option("--identified", help="With your ids of contacts.")] = False,
    db: DB = "", as_json: JSON = False,
) -> None:  # fmt: skip
    """Write a set of rows for a warehouse; nobody who could be named is in it, unless asked."""
    _write(f"data/{what}", out, segment, to_list, since, until, db, as_json, identified=identified)


def suppressions(out: OUT, db: DB = "", as_json: JSON = False) -> None:
    """Write whom nothing is ever sent to: the address where somebody still has it, else its hash."""
    _write("suppressions", out, "", "", "", "", db, as_json)


def _write(
    what: str, out: Path, segment: str, to_list: str, since: str, until: str, db: str, as_json: bool,
    *, identified: bool = False,
) -> None:  # fmt: skip
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    form = FORMS.get(out.suffix.lower())
    if form is None:
        raise typer.BadParameter(f"{out} must end in {', '.join(FORMS)}", param_hint="--out")
    query = {
        "format": form, "segment": segment or None, "list": to_list or None, "since": when(since),
        "until": _with_it(until), "identified": "true" if identified else None,
    }  # fmt: skip
    with reached(db) as client:
        try:
            size = client.save(f"/exports/{what}", out, **query)
        except OSError as error:
            raise typer.BadParameter(f"{out}: {error.strerror}", param_hint="--out") from None
    told = {"file": str(out), "bytes": size}
    typer.echo(as_text(told) if as_json else f"{out}: {what}, {size:,} bytes.")


def _with_it(text: str) -> str | None:
    """Return an instant as it was written; of a day the next one, so that it is with it."""
    from datetime import date, timedelta

    told = when(text)
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except ValueError:
        return told
    except OverflowError:  # after the last day of the calendar there is none
        return None
