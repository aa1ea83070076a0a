"""Pictures of one line each: bars, ranges, and how something went over time.

They are drawn with signs that tell by their shape, so that they say the same without any colour.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from msgspec import Struct

OUTSIDE, INSIDE = 6, 18  # characters: beyond the range on each side, and the range
LEGEND = "├ ┤ is where eight of ten outcomes were expected, ● what happened."
MOST, LEAST = 100, 10  # columns: of a whole line, however wide the terminal is; of a bar
_PARTS = " ▏▎▍▌▋▊▉█"  # of a cell, from the left
_HEIGHTS = " ▁▂▃▄▅▆▇█"


class Bar(Struct, frozen=True):
    """One line of a chart: what it is of, how much, and how that is written behind it.

    `between`: the ends of a range, drawn as whiskers. `of` is told once for the bars that follow it.
    """

    what: str
    value: float
    text: str
    of: str = ""
    between: tuple[float, float] | None = None
    filled: bool = True  # False: an instant, and not an amount that begins at nothing


def columns() -> int:
    """Return how wide a line may be: as the terminal is, 80 where there is none."""
    return max(40, min(MOST, shutil.get_terminal_size().columns))


def chart(bars: Sequence[Bar], top: float = 0.0, width: int = 0) -> list[str]:
    """Return a line each for these bars, all to the scale of which `top` is the end; 0: of the largest.

    `width`: columns of a whole line, by itself those of the terminal. Where they have no room behind the
    bars, texts stand below them.
    """
    wide = width or columns()
    top = max(top, *(end for bar in bars for end in (bar.value, *(bar.between or ()))), 0.0) or 1.0
    text, of, what = (
        max(map(len, told), default=0)
        for told in ([bar.text for bar in bars], [bar.of for bar in bars], [bar.what for bar in bars])
    )
    below = what + LEAST + text + 2 > wide
    beside = 0 if below else text + 1
    of = max(0, min(of, wide - beside - what - 2 - LEAST, wide // 3))
    names = [f"{_short(bar.of, of):<{of}} {bar.what:<{what}}" if of else bar.what.ljust(what) for bar in bars]
    room = max(LEAST, wide - beside - 1 - max(map(len, names), default=0))
    lines = []
    for name, bar in zip(names, bars, strict=True):
        drawn = f"{name} {_drawn(bar, top, room)}"
        apart = " " * max(0, min(len(name) + 1, wide - text))
        lines += [drawn.rstrip(), f"{apart}{bar.text}"] if below else [f"{drawn} {bar.text}".rstrip()]
    return lines


def _drawn(bar: Bar, top: float, width: int) -> str:
    """Return a bar in cells; its range begins and ends in the cells of its ends."""
    if bar.between is None:
        return filled(bar.value / top, width)
    told = (bar.between[0], bar.value, bar.between[1])
    low, at, high = (min(width - 1, max(0, round(value / top * (width - 1)))) for value in told)
    cells = [" "] * width
    if bar.filled:
        cells[:low] = "█" * low
    if low == high:
        cells[at] = ("█" if told[1] else " ") if bar.filled else "│"
        return "".join(cells)
    cells[low : high + 1] = ["├", *("─" * (high - low - 1)), "┤"]
    cells[at] = "┼" if low < at < high else cells[at]
    return "".join(cells)


def filled(share: float, width: int) -> str:
    """Return a bar that fills this share of `width` cells, to an eighth of one; of anything a little."""
    eighths = round(share * width * 8)
    eighths = min(8 * width, max(eighths, 1 if share > 0 else 0))
    whole, part = divmod(eighths, 8)
    return ("█" * whole + (_PARTS[part] if part else "")).ljust(width)


def sparkline(counts: Sequence[float], width: int = 0) -> tuple[str, int, float]:
    """Return a line of bars, of how many counts each is the sum, and the largest of these sums.

    `width`: columns at most, by itself those of the terminal. Whatever is more than nothing can be seen.
    """
    each = -(-len(counts) // (width or columns())) or 1
    bars = [sum(counts[at : at + each]) for at in range(0, len(counts), each)]
    top = max(bars, default=0)
    line = "".join(_HEIGHTS[min(8, max(0, -int(-8 * count // top)))] if top else " " for count in bars)
    return line, each, top


def plot(
    low: float, high: float, happened: float, inside: int = INSIDE, outside: int = OUTSIDE
) -> str:  # fmt: skip
    """Return the range as a line and what happened as a dot, as far outside of it as there is room."""
    low, high = round(low), round(high)
    side = (happened > high) - (happened < low)
    place = (happened - low) / (high - low) if high > low else 0.5 + side
    drawn = [*(" " * outside), "├", *("─" * (inside - 1)), "┤", *(" " * outside)]
    at = round(outside + place * inside)
    drawn[min(max(at, 0), len(drawn) - 1)] = "●"
    return "".join(drawn)


def around_zero(low: float, high: float, scale: float, width: int = 41) -> str:
    """Return an interval as a line around zero, in the middle; `scale` is the end at both sides."""
    half = width // 2
    left, right = (half + round(end / scale * half) for end in (low, high))
    cells = [" "] * width
    cells[left : right + 1] = "─" * (right - left + 1)
    cells[half] = "┼" if left <= half <= right else "│"
    for at, sign in ((left, "├"), (right, "┤")):
        cells[at] = cells[at] if at == half else sign
    return "".join(cells)


def _short(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…" if width > 1 else ""
