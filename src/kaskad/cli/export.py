"""`kaskad export people`: everybody who is known, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaskad.cli.screens.options import DB, JSON

FORMS = {".csv": "csv", ".jsonl": "jsonl"}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Take out what is known.", no_args_is_help=True)
    group.callback()(_group)
    group.command()(people)
    app.add_typer(group, name="export")


def _group() -> None:
    """Take out what is known, as files."""


def people(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to: FILE.csv or FILE.jsonl.")],
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Write everybody, with addresses, consents and lists, to a file that an import reads again."""
    from kaskad.cli.client import reached
    from kaskad.cli.screens.output import as_text

    form = FORMS.get(out.suffix.lower())
    if form is None:
        raise typer.BadParameter(f"{out} must end in {' or '.join(FORMS)}", param_hint="--out")
    with reached(db) as client:
        text = client.get("/exports/people", format=form)
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise typer.BadParameter(f"{out}: {error.strerror}", param_hint="--out") from None
    size = out.stat().st_size
    typer.echo(as_text({"file": str(out), "bytes": size}) if as_json else f"{out}: {size:,} bytes.")
