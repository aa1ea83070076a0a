"""What was expected and what happened, drawn in a line of text."""

from __future__ import annotations

OUTSIDE, INSIDE = 6, 18  # characters: beyond the range on each side, and the range
LEGEND = "├ ┤ is where eight of ten outcomes were expected, ● what happened."


def plot(low: float, high: float, happened: float) -> str:
    """Return the range as a line and what happened as a dot, as far outside of it as there is room."""
    low, high = round(low), round(high)
    side = (happened > high) - (happened < low)
    place = (happened - low) / (high - low) if high > low else 0.5 + side
    drawn = [*(" " * OUTSIDE), "├", *("─" * (INSIDE - 1)), "┤", *(" " * OUTSIDE)]
    at = round(OUTSIDE + place * INSIDE)
    drawn[min(max(at, 0), len(drawn) - 1)] = "●"
    return "".join(drawn)
