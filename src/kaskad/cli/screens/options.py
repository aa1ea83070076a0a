"""Options that many commands have."""

from __future__ import annotations

from typing import Annotated

import typer

DB = Annotated[str, typer.Option("--db", help="SQLite file or postgresql://…; else that of the settings.")]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CASCADE = Annotated[str, typer.Argument(metavar="CASCADE", help="Its name: `kaskad cascades` lists them.")]
FILE = Annotated[str, typer.Argument(metavar="FILE", help="YAML or JSON; - is standard input.")]
SINCE = Annotated[
    str,
    typer.Option(
        metavar="WHEN", help="From 2026-11-01 on, a day by the installation's clock, or an instant."
    ),
]
UNTIL = Annotated[str, typer.Option(metavar="WHEN", help="Before 2026-12-01 begins, or before an instant.")]


def when(text: str) -> str | None:
    """Return a day or an instant as it was written, None for none; raises BadParameter."""
    from datetime import datetime

    try:
        datetime.fromisoformat(text or "2026-11-01")
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a day such as 2026-11-01 nor an instant such as 2026-11-01T00:00:00+05:00"
        ) from None
    return text or None


def percent(text: str, where: str | None = None) -> float:
    """Return how many of a hundred a share is, such as 20 of 20%; raises BadParameter, of `where`."""
    try:
        number = float(text.strip().removesuffix("%").strip().replace(",", "."))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise typer.BadParameter(f"{text!r} is no share of a whole: write for example 20%", param_hint=where)
    return number
