"""A picture of points in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 60  # columns
LOW, HIGH = 5, 14  # lines
Dot = tuple[float, float, str]  # across, up, how it is drawn; those that come later lie above


def scatter(dots: Sequence[Dot], across: str, up: str, *, width: int = WIDTH, height: int = 0) -> list[str]:
    """Return the lines of a picture; `across` and `up` tell in words what the ends of the axes are.

    `height`: its lines, by itself no more than the dots have use for.
    """
    height = height or min(HIGH, max(LOW, 2 * len(dots)))
    xs, ys = [dot[0] for dot in dots], [dot[1] for dot in dots]
    low_x, high_x, low_y, high_y = min(xs), max(xs), min(ys), max(ys)
    rows = [[" "] * width for _ in range(height)]
    for x, y, sign in dots:
        column = round((x - low_x) / ((high_x - low_x) or 1.0) * (width - 1))
        row = round((high_y - y) / ((high_y - low_y) or 1.0) * (height - 1))
        rows[row][column] = sign
    lines = [f"  {up}", *(f"  │{''.join(row).rstrip()}" for row in rows), f"  └{'─' * width}"]
    return [*lines, f"   {across}"]
