"""What commands print: JSON for programs, plain columns for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec
import typer

from kaskad.domain.worded import Worded


def _plain(value: object) -> str:
    """Return a text that pages say in other languages as the English one that it is."""
    if isinstance(value, Worded):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is no value for JSON")


def as_text(value: object) -> str:
    """Return a value as JSON that is laid out for reading."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2).decode()


def as_line(value: object) -> str:
    """Return a value as JSON on one line, for what prints several."""
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def say(as_json: bool, value: object, text: str) -> None:
    """Print the value for a program, or what a person is told of it."""
    typer.echo(as_text(value) if as_json else text)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows in columns as wide as they need; numbers stand at the right."""
    shown = [list(head), *[["" if cell is None else str(cell) for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in shown) for column in range(len(head))]
    right = [
        bool(rows) and all(isinstance(row[column], int | float) for row in rows)
        for column in range(len(head))
    ]
    lines = [
        "  ".join(
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in shown
    ]
    return "\n".join(lines)


def rates_of(
    rates: Mapping[str, str], amounts: Mapping[str, int], worth: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield at which rates sums of several currencies were added up, and what stands apart.

    `worth` has those of what goals were worth: told where they are others.
    """
    others = {name: value for name, value in (worth or {}).items() if rates.get(name) != value}
    for told, begins in ((rates, "Converted"), (others, "What goals were worth is converted")):
        if told:
            each = ", ".join(f"1 {name} = {Decimal(value):.8g}" for name, value in sorted(told.items()))
            yield f"{begins} at the rates of the days, on average: {each}."
    if len(amounts) > 1:
        yield "What has no rate for its day stands apart: `kaskad rates` tells which."
