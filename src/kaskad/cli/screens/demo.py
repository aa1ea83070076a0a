"""What `kaskad demo` shows while people move through the channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, repeat

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kaskad import log
from kaskad.actions.hindsight import Compared, Hindsight
from kaskad.analytics.reach import Amounts, Line, Report, money
from kaskad.cli.screens import output
from kaskad.cli.screens.plots import plot
from kaskad.cli.screens.prose import wrapped
from kaskad.demo.play import Picture
from kaskad.domain.cascade import Money
from kaskad.domain.money import format_money

FIGURES = ("sent", "delivered", "seen", "reacted", "failed", "waiting", "reached")
BAR = 16  # characters of a full bar
LOG_PAUSES_S = (5.0, 10.0, 20.0, 40.0)  # between looks where they go to a log, and from then on …
LOG_PAUSE_S = 60.0
WIDE = 116  # columns of a terminal from which on everything is shown
CHANNELS = {
    "email": "E-mail", "push": "Push", "telegram": "Telegram", "max": "MAX", "vk": "VK", "viber": "Viber",
    "whatsapp": "WhatsApp", "sms": "SMS", "robot_call": "Robot call", "agent_call": "Agent call",
}  # fmt: skip
FORETOLD = {
    "entered": "entered", "reached": "react", "silent": "stay silent", "messages": "messages",
    "converted": "reach the goal", "cost": "cost",
}  # fmt: skip
COLOURS = {
    "email": "blue", "push": "white", "telegram": "cyan", "max": "bright_blue", "vk": "bright_cyan",
    "viber": "bright_magenta", "whatsapp": "bright_green", "sms": "green", "robot_call": "magenta",
    "agent_call": "red",
}  # fmt: skip


class Screen:
    """Draws pictures: in place on a terminal, else what changes as a line, ever more seldom, or each as JSON.

    With JSON the words go to standard error, so that standard output holds one object a line.
    """

    def __init__(self, as_json: bool = False) -> None:
        self._out = Console(highlight=False, stderr=as_json)
        self._as_json = as_json

    @property
    def live(self) -> bool:
        """Return whether somebody looks at a terminal."""
        return self._out.is_terminal and not self._as_json

    def pauses_s(self) -> Iterator[float]:
        """Yield after how many seconds to look again, without an end."""
        if self.live:
            return repeat(1.0)
        return repeat(LOG_PAUSES_S[0]) if self._as_json else chain(LOG_PAUSES_S, repeat(LOG_PAUSE_S))

    def say(self, text: str) -> None:
        """Show one line, of a narrow terminal several."""
        shown = wrapped(text, self._out.width) if self._out.is_terminal else text
        self._out.print(Text(shown), soft_wrap=True)

    def log_to_screen(self) -> None:
        """Let warnings of the log stand above the picture instead of through it."""
        log.configure("error", "text")

    @contextmanager
    def watching(self) -> Iterator[Callable[[Picture], None]]:
        """Return what shows a picture."""
        if self._as_json:
            yield lambda picture: typer.echo(output.as_line(as_data(picture)))
            return
        if not self.live:
            yield _Log(self.say).show
            return
        with Live(console=self._out, refresh_per_second=4, screen=False) as live:
            yield lambda picture: live.update(as_panel(picture, self._out.width))


class _Log:
    """Says a picture as a line, where another one than before is to be seen."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._told = say, ""

    def show(self, picture: Picture) -> None:
        """Say what is to be seen, unless it was said last."""
        told = as_line(picture)
        if told != self._told:
            self._told = told
            self._say(f"{_at(picture.now)}: {told}")


def as_panel(picture: Picture, width: int = WIDE) -> RenderableType:
    """Return the whole picture; a terminal of few columns is shown fewer figures, each of them whole."""
    wide = width >= WIDE
    head = Text.assemble(
        ("Kaskad ", "bold"), ("demo  ", "bold cyan"), f"{_at(picture.now)}  ",
        (f"{_speed(picture.factor)}, {picture.people:,} people who do not exist".replace(",", " "), "dim"),
    )  # fmt: skip
    links = [Text.assemble((f"{name:<20}", "dim"), (url, "underline")) for name, url in picture.addresses]
    end = (
        "Everybody has been carried through." if picture.ended else "Be one of them: open a phone and react."
    )
    return Group(
        head, Text(), _channels(picture.reports, wide), Text(), _cascades(picture, wide), Text(),
        *(part for each in picture.foretold for part in (_foretold(each, wide), Text())), *links, Text(),
        Text(f"{end} Ctrl-C ends the demo.", style="dim"),
    )  # fmt: skip


def as_line(picture: Picture) -> str:
    """Return all that may change in the picture but the time as one line, for a log."""
    parts = [f"{name} {line.sent} sent {line.reacted} reacted" for name, line in by_channel(picture.reports)]
    under_way = sum(report.under_way for report in picture.reports)
    end = "; everybody has been carried through" if picture.ended else ""
    return f"{', '.join(parts)}; {under_way} under way, {picture.goals} goals reached{end}"


def as_data(picture: Picture) -> dict[str, object]:
    """Return the picture for a program: the fields of the API's report, money in minor units by currency."""
    channels = {line.channel: _counts(line) | {"cost": line.cost} for _, line in by_channel(picture.reports)}
    cascades = [
        {
            "cascade": report.cascade, "title": report.title, "entered": report.entered,
            "under_way": report.under_way, "outcomes": report.outcomes, "cost": report.cost,
            "levels": report.levels,
        }
        for report in picture.reports
    ]  # fmt: skip
    return {
        "now": datetime.fromtimestamp(picture.now / 1000, UTC), "people": picture.people,
        "addresses": dict(picture.addresses), "channels": channels, "cascades": cascades,
        "foretold": picture.foretold, "goals": picture.goals, "ended": picture.ended,
    }  # fmt: skip


def by_channel(reports: Sequence[Report]) -> Iterator[tuple[str, Line]]:
    """Yield each channel's name with the sums over all cascades."""
    for channel, name in CHANNELS.items():
        total = Line(0, "", channel)
        for line in (line for report in reports for line in report.lines if line.channel == channel):
            for figure, count in _counts(line).items():
                setattr(total, figure, getattr(total, figure) + count)
            for currency, minor in line.cost.items():
                total.cost[currency] = total.cost.get(currency, 0) + minor
        yield name, total


def _counts(line: Line) -> dict[str, int]:
    return {figure: getattr(line, figure) for figure in FIGURES}


def _channels(reports: Sequence[Report], wide: bool) -> Table:
    everything = ["waiting", "sent", "delivered", "seen", "reacted", "failed"]
    shown = everything if wide else ["sent", "seen", "reacted", "failed"]
    table = _table("Channel", *shown, "spent")
    table.add_column("reached first by it" if wide else "first", no_wrap=True)
    totals = list(by_channel(reports))
    most = max((line.reached for _, line in totals), default=0)
    for name, line in totals:
        counts = [_count(getattr(line, figure)) for figure in shown]
        bar = Text.assemble((_bar(line.reached, most, wide), COLOURS[line.channel]), f" {line.reached}")
        table.add_row(Text(name, style=COLOURS[line.channel]), *counts, _money(line.cost), bar)
    return table


def _cascades(picture: Picture, wide: bool) -> Table:
    rare = ("stopped", "each reacted") if wide else ()
    table = _table("Cascade", "entered", "under way", "reacted", "goal", "cost", *rare)
    table.add_column("of those who entered" if wide else "share", no_wrap=True)
    for report in picture.reports:
        reacted = next(level for level in report.levels if level.name == "reacted")
        stopped = report.outcomes.get("opted_out", 0) + report.outcomes.get("complained", 0)
        more = (_count(stopped), _money(reacted.cost_each)) if wide else ()
        share = f" {reacted.share:.0%}"
        bar = Text.assemble((_bar(reacted.share, 1.0, wide), "yellow"), share)
        table.add_row(
            report.title, _count(report.entered), _count(report.under_way), _count(reacted.contacts),
            _count(report.outcomes.get("converted", 0)), _money(report.cost), *more,
            bar if wide else share.strip(),
        )  # fmt: skip
    return table


def _foretold(told: Hindsight, wide: bool) -> Table:
    """Return what was expected of a launch beside what has happened."""
    table = _table(
        f"Launch: {told.cascade}", "expected", "8 of 10", "so far" if not told.over else "happened"
    )
    if wide:
        table.add_column("├ ┤ the range, ● what happened", no_wrap=True)
    for one in told.figures:
        between = f"{_amount(one, one.between.low)} to {_amount(one, one.between.high)}"
        drawn = [Text(plot(one.between.low, one.between.high, one.happened), style="yellow")] if wide else []
        table.add_row(
            FORETOLD[one.figure], _amount(one, one.expected), between, _amount(one, one.happened), *drawn
        )
    return table


def _amount(one: Compared, value: float) -> str:
    return (
        format_money(Money(round(value), one.currency))
        if one.currency
        else f"{round(value):,}".replace(",", " ")
    )


def _table(title: str, *figures: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column(title, no_wrap=True, min_width=17)
    for figure in figures:
        table.add_column(figure, justify="right", no_wrap=True)
    return table


def _bar(value: float, most: float, wide: bool) -> str:
    full = BAR if wide else BAR // 4
    whole, rest = divmod(round(value / most * full * 8) if most else 0, 8)
    return ("█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(full)


def _count(count: int) -> str:
    return f"{count:,}".replace(",", " ") if count else "·"


def _money(amounts: Amounts) -> str:
    return " + ".join(format_money(each) for each in money(amounts)) or "·"


def _speed(factor: float) -> str:
    hours = factor / 3600
    if hours >= 1:
        return f"{hours:g} h pass in a second"
    return f"{factor / 60:g} min pass in a second" if factor > 1 else "real time"


def _at(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%a %d %b %H:%M UTC")
