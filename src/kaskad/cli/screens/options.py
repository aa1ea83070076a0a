"""Options that many commands have."""

from __future__ import annotations

from typing import Annotated

import typer

DB = Annotated[str, typer.Option("--db", help="SQLite file or postgresql://…; else that of the settings.")]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CASCADE = Annotated[str, typer.Argument(metavar="CASCADE", help="Its name: `kaskad cascades` lists them.")]
FILE = Annotated[str, typer.Argument(metavar="FILE", help="YAML or JSON; - is standard input.")]
