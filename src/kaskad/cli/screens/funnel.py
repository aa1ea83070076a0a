"""How far a cascade's messages came, step by step, and what left day by day, drawn in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from kaskad.analytics.reach import Line, Report
from kaskad.cli.screens.plots import Bar, chart, columns, sparkline
from kaskad.domain.cascade import Money
from kaskad.domain.money import format_money

STAGES = {"sent": "sent", "arrived": "arrived", "seen": "seen", "reacted": "reacted"}  # word -> figure
UNTOLD = "arrived: delivered; where deliveries are not told, as by most mail servers, sent and not failed"


def funnel(report: Report, width: int = 0) -> list[str]:
    """Return who entered and how far the messages of each step on each channel came, as bars to one scale.

    `width`: columns, by itself those of the terminal. Nothing where nobody entered or nothing was sent.
    Says what has arrived where that is more than was told as delivered, which the table above it has.
    """
    lines = [line for line in report.lines if line.sent]
    if not report.entered or not lines:
        return []
    bars = [Bar("entered", report.entered, f"{report.entered:,}", "people")]
    for line in lines:
        bars += _of_line(line, report.entered)
    untold = any(line.arrived > line.delivered for line in lines)
    return [*chart(bars, width=width), *([UNTOLD] if untold else ())]


def _of_line(line: Line, entered: int) -> list[Bar]:
    counts = {word: getattr(line, figure) for word, figure in STAGES.items()}
    return [
        Bar(
            word, count, f"{count:,} {count / entered:4.0%}",
            f"{line.id} ({line.channel})" if word == "sent" else "",
        )
        for word, count in counts.items()
    ]  # fmt: skip


def over_days(days: Sequence[Mapping[str, Any]], width: int = 0) -> list[str]:
    """Return what was sent day by day, who reacted to it and what it cost, each as a line to its own scale.

    `days` as `/report/days` tells them. Nothing where all was sent on one day.
    """
    first = next((at for at, day in enumerate(days) if day["sent"] or day["failed"]), len(days))
    days = days[first:]
    if len(days) < 2:
        return []
    wide = (width or columns()) - len("reacted ")
    series = {name: [day[name] for day in days] for name in ("sent", "reacted")}
    for currency in sorted({name for day in days for name in day["cost"]}):
        series[f"cost {currency}"] = [day["cost"].get(currency, 0) for day in days]
    lines, each = [], 1
    for name, counts in series.items():
        drawn, each, top = sparkline(counts, wide)
        if top:
            what, _, currency = name.partition(" ")
            lines.append(f"{what:<7} {drawn}".rstrip())
            most = format_money(Money(round(top), currency)) if currency else f"{top:,}"
            lines.append(f"{'':<7} at most {most}")
    ends = " to ".join(f"{date.fromisoformat(day['day']):%d %b}" for day in (days[0], days[-1]))
    bars = f", {each} days a bar" if each > 1 else ""
    return [f"All messages by the day of sending, {ends}{bars}:", *lines]
