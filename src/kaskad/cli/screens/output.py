"""What commands print: JSON for programs, plain columns for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest

import msgspec
import typer

from kaskad.cli.screens.prose import LEAST, terminal
from kaskad.domain.worded import Worded

FEW = 3  # rows before they are compared by their columns rather than read one after another
PARTS = 3  # tables into which one that is too wide is dealt at most
TALLEST = 4  # lines of a cell, before its row rather stands by itself
_GAP = "  "
_AMOUNT = re.compile(r"[+-]?[₸$€₽£¥₴]?\d[\d,.\u00a0\u202f]*(?:[ \u00a0]?(?:%|[₸$€₽£¥₴]|[A-Z]{3}))?").fullmatch
_PIECES = re.compile(r"\([^()]{1,20}\)[^\s()]*|\S+")


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


def many(count: int, one: str, more: str = "") -> str:
    """Return how many there are of something: "1 row", "2,000 rows"."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def table(
    head: Sequence[str], rows: Sequence[Sequence[object]], width: int = 0, *, names: int = 1,
    compared: bool = False,
) -> str:  # fmt: skip
    """Return rows in columns as wide as they need; numbers and amounts stand at the right.

    Where a terminal has fewer columns, those that are empty are left out and texts are broken into lines;
    where that is not enough, each row stands by itself: its first `names` cells on a line (from → to), and
    each of the others on one. Rows that are `compared` with one another, at least three, rather keep their
    columns, in up to three tables below one another. What goes to a file or to a program is never broken.
    `width`: columns of a whole line, by itself those of the terminal.
    """
    wide = width or terminal()
    shown = [["" if cell is None else str(cell) for cell in row] for row in rows]
    right = [_of_numbers([row[at] for row in rows]) for at in range(len(head))]
    if rows and _wide(head, shown) > wide:
        kept = [at for at in range(len(head)) if any(row[at] for row in shown)]
        head, right = [head[at] for at in kept], [right[at] for at in kept]
        shown = [[row[at] for at in kept] for row in shown]
    widths = _narrowed(head, shown, right, wide)
    if widths is not None:
        return _columns(head, shown, widths, right)
    if compared and len(rows) >= FEW:
        parts = [_part(head, shown, right, wide, part) for part in _dealt(head, shown, wide, names)]
        if len(parts) <= PARTS and all(parts):
            return "\n\n".join(parts)
    return "\n".join(_stacked(head, shown, max(LEAST, wide), names))


def _columns(
    head: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]
) -> str:
    return "\n".join(line for row in (head, *rows) for line in _in_columns(row, widths, right))


def _dealt(head: Sequence[str], rows: Sequence[Sequence[str]], wide: int, names: int) -> list[list[int]]:
    """Return the columns of tables that are no wider than that as far as it can be, each with the names."""
    parts: list[list[int]] = []
    for at in range(names, len(head)):
        if parts and _wide_of(head, rows, [*parts[-1], at]) <= wide:
            parts[-1].append(at)
        else:
            parts.append([*range(names), at])
    return parts


def _part(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], wide: int, part: Sequence[int]
) -> str:
    """Return a table of some of the columns; "" where they do not fit."""
    kept_head, kept = [head[at] for at in part], [[row[at] for at in part] for row in rows]
    kept_right = [right[at] for at in part]
    widths = _narrowed(kept_head, kept, kept_right, wide)
    return "" if widths is None else _columns(kept_head, kept, widths, kept_right)


def _wide_of(head: Sequence[str], rows: Sequence[Sequence[str]], part: Sequence[int]) -> int:
    return _wide([head[at] for at in part], [[row[at] for at in part] for row in rows])


def _of_numbers(cells: Sequence[object]) -> bool:
    """Say whether a column has numbers, shares and amounts of money only; it may have gaps."""
    told = [cell for cell in cells if cell not in (None, "", "-")]
    return bool(told) and all(isinstance(cell, int | float) or _AMOUNT(str(cell)) for cell in told)


def _wide(head: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    columns = [max(len(name), *(len(row[at]) for row in rows)) for at, name in enumerate(head)]
    return sum(columns) + len(_GAP) * (len(columns) - 1)


def _in_columns(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    broken = [_broken(cell, width) for cell, width in zip(row, widths, strict=True)]
    for line in zip_longest(*broken, fillvalue=""):
        yield _GAP.join(
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(line, widths, right, strict=True)
        ).rstrip()


def _narrowed(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], wide: int
) -> list[int] | None:
    """Return how wide each column is, the widest texts broken first; None where they do not fit."""
    cells = [[name, *(row[at] for row in rows)] for at, name in enumerate(head)]
    widths = [max(map(len, column)) for column in cells]
    least = [
        width if at_right else max(map(_unbroken, column))
        for column, width, at_right in zip(cells, widths, right, strict=True)
    ]
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - wide
    for _ in range(over):
        at = max(range(len(widths)), key=lambda at: (widths[at] > least[at], widths[at]))
        if widths[at] <= least[at]:
            return None
        widths[at] -= 1
    tallest = max(
        len(_broken(cell, width)) for column, width in zip(cells, widths, strict=True) for cell in column
    )
    return widths if tallest <= TALLEST else None


def _stacked(
    head: Sequence[str], rows: Sequence[Sequence[str]], wide: int, names: int
) -> Iterator[str]:  # fmt: skip
    """Yield each row as lines: what it is of, and below it its other cells, each behind its name."""
    room = min(max(map(len, head[names:]), default=0), wide // 2 - 2)
    for row in rows:
        first = next((at for at, cell in enumerate(row) if cell), 0)
        first = max(first, names - 1)
        yield from _broken(" → ".join(filter(None, row[: first + 1])), wide)
        for name, cell in list(zip(head, row, strict=True))[first + 1 :]:
            yield from _named(name, cell, room, wide)


def _named(name: str, cell: str, room: int, wide: int) -> Iterator[str]:
    """Yield a cell behind its name, or below it where it has words that do not fit beside it."""
    beside = wide - room - 2 * len(_GAP)
    if not cell or (_drawn(cell) and len(cell) + len(_GAP) > wide):
        return
    if not name or (_unbroken(cell) > beside and len(cell) > beside):
        yield from (f"{_GAP}{line}".rstrip() for line in ([name] if name else []))
        yield from (f"{_GAP}{line}".rstrip() for line in _broken(cell, wide - len(_GAP)))
        return
    for part, line in zip_longest(_broken(name, room), _broken(cell, beside), fillvalue=""):
        yield f"{_GAP}{part:{room}}{_GAP}{line}".rstrip()


def _drawn(cell: str) -> bool:
    return "─" in cell


def _unbroken(cell: str) -> int:
    """Return how wide the widest part of a cell is that stays in one piece; a picture is one."""
    return len(cell) if _drawn(cell) else max(map(len, _PIECES.findall(cell)), default=0)


def _broken(cell: str, width: int) -> list[str]:
    """Return a cell as lines of at most `width`; a range in brackets stays together where it fits."""
    if len(cell) <= width or _drawn(cell):
        return [cell]
    lines = [""]
    for piece in _PIECES.findall(cell):
        if lines[-1] and len(lines[-1]) + 1 + len(piece) > width:
            lines.append("")
        lines[-1] += f" {piece}" if lines[-1] else piece
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines


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
        yield "What has no rate for its day stands apart: `kaskad rates show` tells which."
