"""What commands tell in sentences: broken between words where a terminal is narrow."""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

import typer

ENDLESS = 1_000_000  # columns: where nobody looks at a terminal
LEAST = 24  # columns that are taken to be there, whatever a terminal says


def terminal() -> int:
    """Return how many columns whoever reads this has; what goes to a program has no end."""
    return shutil.get_terminal_size((ENDLESS, 0)).columns


def tell(text: str, **style: Any) -> None:
    """Print sentences, in a style of `typer.secho`."""
    typer.secho(wrapped(text), **style)


def wrapped(text: str, width: int = 0) -> str:
    """Return lines broken between words where a terminal has fewer columns, each as far in as it began.

    A word that is longer (an address, a path) stays whole, so that it can be copied. `width`: columns of a
    whole line, by itself those of the terminal.
    """
    wide = max(LEAST, width or terminal())
    return "\n".join(line if len(line) <= wide else _wrapped(line, wide) for line in text.split("\n"))


def _wrapped(line: str, wide: int) -> str:
    lead = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.lstrip(), wide, initial_indent=lead, subsequent_indent=lead, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
