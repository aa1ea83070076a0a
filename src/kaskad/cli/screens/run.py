"""What `kaskad run` shows: what was read, how far it has come, and the report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kaskad import log
from kaskad.analytics.reach import Amounts, Level, Line, Progress, Report, Trip, money
from kaskad.cli.screens.funnel import funnel, over_days
from kaskad.cli.screens.output import rates_of
from kaskad.cli.screens.prose import wrapped
from kaskad.cli.screens.tables import Figures
from kaskad.domain.cascade import Cascade
from kaskad.domain.money import format_money
from kaskad.domain.terms import MessageClass
from kaskad.engine.launch import Entered
from kaskad.engine.people import People
from kaskad.store.cascades import VersionRow
from kaskad.web.service import Service

NOTES_SHOWN = 20
PEOPLE_SHOWN = 60
WORDS_SHOWN = 3  # of a provider for one reason
QUIET_S = 15.0  # between lines where nobody looks at a terminal
_LEVELS = {
    "delivered": "delivered to",
    "seen": "seen by",
    "seen_or_sms_delivered": "seen by, an SMS delivered counted as seen",
    "reacted": "reacted",
}
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


class Screen:
    """Progress and notes go to standard error, the report to standard output."""

    def __init__(self) -> None:
        self._err = Console(stderr=True, highlight=False)
        self._out = Console(highlight=False)
        if not self._out.is_terminal:
            self._out.width = 140

    def say(self, text: str) -> None:
        """Show one line, of a narrow terminal several."""
        shown = wrapped(text, self._err.width) if self._err.is_terminal else text
        self._err.print(Text(shown), soft_wrap=True)

    def log_to_screen(self, level: str) -> None:
        """Let what the engine logs stand above the progress instead of through it."""
        level = "warning" if level == "info" else level
        log.configure(level, "text", _Lines(self._err))  # type: ignore[arg-type]

    def brought_in(
        self, service: Service, cascade: Cascade, version: VersionRow, file: People, new: int, path: Path
    ) -> None:
        """Tell what was read and what is assumed."""
        for line in _file_lines(file, new, path):
            self.say(line)
        self.say(_consent_line(cascade, file))
        steps = " → ".join(f"{step.id} ({'/'.join(step.channels)})" for step in cascade.steps)
        self.say(f"cascade     {cascade.id}, version {version.number}: {steps}")
        self.say(f"database    {service.db.name}; links and receipts at {service.base_url}")
        self.say(f"time        {time_words(service.factor, service.ahead_ms)}")

    def entered(self, entered: Entered, refused: int) -> None:
        """Tell how many come in now."""
        words = [f"{entered.asked - refused} now"]
        if refused:
            words.append(f"{refused} not: the trigger's condition or the re-entry rule")
        if entered.before:
            words.append(f"{entered.before} by an earlier run of this command, which goes on")
        self.say(f"entered     {', '.join(words)}")
        for why, count in Counter(entered.refused).most_common(NOTES_SHOWN):
            self.say(f"            {count} {'was' if count == 1 else 'were'} refused: {why}")

    @contextmanager
    def watching(self, service: Service, cascade: Cascade) -> Iterator[Callable[[Progress], None]]:
        """Return what shows progress: a table that changes on a terminal, else a line now and then."""
        if not self._err.is_terminal:
            yield self._ticker(service)
            return
        with Live(console=self._err, refresh_per_second=4, transient=True) as live:
            yield lambda now: live.update(_progress_table(service, cascade, now))

    @contextmanager
    def refreshing(self) -> Iterator[Callable[[Report], None]]:
        """Return what shows a report in place of the one before."""
        with Live(console=self._out, auto_refresh=False, transient=True) as live:
            yield lambda report: live.update(Group(*_report_parts(report)), refresh=True)

    def report(
        self, report: Report, trips: Sequence[Trip], days: Sequence[Mapping[str, Any]] = ()
    ) -> None:  # fmt: skip
        """Print the report; without `trips` it tells of no single person, without `days` of no day."""
        for part in _report_parts(report):
            self._out.print(part)
        for drawn in (funnel(report), over_days(days)):
            if drawn:
                self._out.print(Text("\n" + "\n".join(drawn)), soft_wrap=True)
        if report.entered and trips:
            _print_people(self._out, report, trips)

    def _ticker(self, service: Service) -> Callable[[Progress], None]:
        shown = ""
        shown_at = float("-inf")

        def show(now: Progress) -> None:
            nonlocal shown, shown_at
            text = _progress_line(service, now)
            if text != shown and time.monotonic() - shown_at >= QUIET_S:
                shown, shown_at = text, time.monotonic()
                self.say(text)

        return show


def time_words(factor: float, ahead_ms: int) -> str:
    """Tell how fast time passes, and where it stands."""
    if factor != 1.0:
        return f"runs {factor:g} times as fast as the world's: for trying out, not for people"
    if ahead_ms > 60_000:
        ahead = f"is {_span(ahead_ms)} ahead of the world's, for it was run faster before"
        return f"{ahead}: use another database for real messages"
    return "the world's; with --time-factor 3600 an hour passes in a second, to try it out"


class _Lines:
    """A stream whose lines a console prints."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        self._console.print(Text.from_ansi(text.rstrip("\n")), soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return self._console.is_terminal


def _file_lines(file: People, new: int, path: Path) -> Iterator[str]:
    how = f"{file.encoding.upper()}, {_DELIMITERS.get(file.delimiter, file.delimiter)}"
    rejected = sum(note.rejected for note in file.notes)
    left = f", {rejected} row{'s' * (rejected > 1)} left out" if rejected else ""
    yield f"people      {len(file.people)} in {path.name} ({how}), {new} of them new{left}"
    for note in file.notes[:NOTES_SHOWN]:
        yield f"  row {note.row}: {note.text}{'; the row is left out' if note.rejected else ''}"
    if len(file.notes) > NOTES_SHOWN:
        yield f"  … and {len(file.notes) - NOTES_SHOWN} more; --json lists all"
    triggers = [
        name.removeprefix("trigger.") for name in file.columns.values() if name.startswith("trigger.")
    ]
    attributes = [
        name.removeprefix("contact.") for name in file.columns.values() if name.startswith("contact.")
    ]
    if attributes:
        yield f"  of the contact: {', '.join(attributes)}"
    if triggers:
        yield f"  of the trigger: {', '.join(triggers)}"


def _consent_line(cascade: Cascade, file: People) -> str:
    """Say which consent was taken for granted: none but what the file shows."""
    without = len(file.people) - file.consented
    if not file.has_consents:
        shown = "consent     the file has no column consent, so none is assumed"
    else:
        shown = f"consent     of {file.consented}, each kept with file, row and time as its proof"
        shown += f"; none is assumed of the other {without}" if without else ""
    if cascade.message_class is MessageClass.ADVERTISING and without:
        return f"{shown}. This cascade is advertising: without consent its steps are skipped (no_consent)"
    if cascade.message_class is MessageClass.ADVERTISING or not without:
        return shown
    return f"{shown}. This cascade is {cascade.message_class}: it needs none, and ends for who unsubscribes"


def _progress_line(service: Service, now: Progress) -> str:
    steps = ", ".join(f"{line.id} {line.sent} sent {line.reacted} reacted" for line in now.lines)
    return f"{_clock(service)} {now.under_way} under way; {steps or 'nothing sent yet'}{_next(service, now)}"


def _progress_table(service: Service, cascade: Cascade, now: Progress) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("step")
    for title in ("sent", "delivered", "seen", "reacted", "failed", "waiting"):
        table.add_column(title, justify="right")
    known = {(line.step, line.channel): line for line in now.lines}
    for step in cascade.steps:
        lines = [known[step.number, c.value] for c in step.channels if (step.number, c.value) in known]
        for line in lines or [Line(step.number, step.id, "/".join(step.channels))]:
            counts = (line.sent, line.delivered, line.seen, line.reacted, line.failed, line.waiting)
            table.add_row(f"{line.id} ({line.channel})", *(str(count) for count in counts))
    under_way = f"{_clock(service)} {now.under_way} under way{_next(service, now)}. Ctrl-C stops."
    return Group(table, Text(under_way))


def _next(service: Service, now: Progress) -> str:
    """Tell what hinders sending, or when something happens next, where that is not at once."""
    world = service.engine.world
    accounts, down_since = world.accounts, list(world.traffic.down_since)
    down = sorted(accounts[each].name for each in down_since if each in accounts)
    if down:
        return f"; no luck with {', '.join(down)}: check their settings and servers, it is tried again"
    if now.next_at is None:
        return ""
    wait_ms = (now.next_at - service.clock.now()) / service.factor
    return f", the next at {_at(now.next_at)} (in {_span(int(wait_ms))})" if wait_ms > 5000 else ""


def _clock(service: Service) -> str:
    return f"[{_at(service.clock.now())}]"


def _report_parts(report: Report) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble((report.title or report.cascade, "bold"), " ", _at(report.as_of))
    yield _entered_line(report)
    if report.lines:
        yield _report_table(report)
    if report.goals:
        yield _money_line(report)
    costs, worth = (
        {name: f"{value:f}" for name, value in each.items()} for each in (report.rates, report.worth_rates)
    )
    yield from map(Text, rates_of(costs, report.cost, worth))
    if report.skips:
        yield Text(f"Skipped: {_reasons(report.skips)}")
    if report.failures:
        yield Text(f"Failed: {_reasons(report.failures, report.failure_words)}")
    for line in _legend(report):
        yield Text(line, style="dim")
    if report.entered:
        yield Text()
        yield _reach_table(report.levels)


def _entered_line(report: Report) -> Text:
    words = [f"Entered {report.entered}"]
    words += [f"{count} {name.replace('_', ' ')}" for name, count in report.outcomes.items()]
    if report.under_way:
        words.append(f"{report.under_way} under way")
    if report.holdouts:
        until = f", {report.holdouts_under_way} still watched" if report.holdouts_under_way else ""
        words.append(f"{report.holdouts} held out as the control group{until}")
    return Text(" · ".join(words))


def _money_line(report: Report) -> Text:
    words = [f"Goals {report.goals}"]
    if report.revenue:
        words[0] += f", worth {_money(report.revenue)}"
        words[0] += "" if report.returns_known or report.goals_returned else " (returns not deducted)"
        words.append(f"{_money(report.revenue_each)} for each run that entered")
    if report.goal_cost:
        words.append(f"{_money(report.goal_cost)} spent for each goal")
    if report.return_rate is not None:
        words.append(
            f"goals brought {report.return_rate:,.1f} times the cost, with or because of the cascade"
        )
    if report.goals_returned:
        late = f", {report.returned_late} after their time" if report.returned_late else ""
        words.append(f"{report.goals_returned} came back{late}: {_money(report.returned)} deducted")
    if report.returned_unread:
        words.append(
            f"{report.returned_unread} came back by an amount that is not known, or in another currency"
        )
    return Text(" · ".join(words))


_COLUMNS = {  # title -> figure; the last three stand there only where there are any
    "sent": "sent",
    "delivered": "delivered",
    "seen": "seen",
    "reacted": "reacted",
    "first": "reached",
    "machines": "machine",
    "failed": "failed",
    "unheard": "unknown",
}
_MEANINGS = (
    "seen: opened, read or answered by a person in seven days; first: the first that its person saw",
    "machines: scanners that opened or clicked; unheard: sent, and no receipt in time",
)


def _report_table(report: Report) -> Group:
    lines = report.lines
    sums = {title: sum(getattr(line, name) for line in lines) for title, name in _COLUMNS.items()}
    shown = [title for title in _COLUMNS if sums[title] or title not in ("machines", "failed", "unheard")]
    rows = [
        (
            f"{line.id} ({line.channel})",
            *(getattr(line, _COLUMNS[title]) for title in shown),
            _money(line.cost),
        )
        for line in lines
    ]
    rows.append(("all", *(sums[title] for title in shown), _money(report.cost)))
    unusual = sums["machines"] or sums["unheard"]
    notes = [Text(text, style="dim") for text in _MEANINGS[: 2 if unusual else 1]]
    return Group(Text(), Figures(("Messages", *shown, "cost"), rows, summed=True), *notes, Text())


def _reach_table(levels: Sequence[Level]) -> Figures:
    rows = [
        (_LEVELS[level.name], level.contacts, f"{level.share * 100:.0f} %", _money(level.cost_each))
        for level in levels
    ]
    return Figures(("Reach", "people", "of entered", "cost each"), rows)


def _print_people(out: Console, report: Report, trips: Sequence[Trip]) -> None:
    if len(trips) > PEOPLE_SHOWN:
        out.print(f"{len(trips)} people: --json lists all, `kaskad explain ID` tells of one.")
        return
    one = len(report.cost) == 1 and not report.rates  # all was paid in it
    currency = next(iter(report.cost)) if one else ""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("Who", "Outcome", "By"):
        table.add_column(title)
    table.add_column("Messages", justify="right")
    table.add_column("Cost", justify="right")
    for trip in trips:
        who = " ".join(part for part in (trip.external_id or str(trip.contact_id), trip.name) if part)
        outcome = "held out" if trip.holdout else trip.outcome.replace("_", " ") or "under way"
        cost = _money({currency: trip.cost}) if currency else str(trip.cost or "")
        table.add_row(Text(who), outcome, trip.by, str(trip.sent), cost)
    out.print()
    out.print(table)
    out.print(Text("`kaskad explain ID` tells why, for each of them."))


_LEGEND = {
    "no_address": "the person has no address that the step's channels could use",
    "policy_denied": "the law of the person's country or the channel's rules forbid it",
    "window_impossible": "no hour in which the step may be sent comes in time",
    "too_late": "the time of the step had passed",
    "exhausted": "every step has been tried, and nobody reacted",
}


def _legend(report: Report) -> Iterator[str]:
    """Explain those words of the report that do not explain themselves."""
    told = set(report.outcomes).union(*report.skips.values())
    return (f"{word.replace('_', ' ')}: {meaning}" for word, meaning in _LEGEND.items() if word in told)


def _reasons(
    reasons: Mapping[str, Mapping[str, int]],
    words: Mapping[str, Mapping[str, Mapping[str, int]]] = MappingProxyType({}),
) -> str:
    """Return the reasons of each step, with the providers' own words for them where they had some."""

    def part(step: str, reason: str, count: int) -> str:
        own = list(words.get(step, {}).get(reason, {}).items())
        said = [word if times == count else f"{times} {word}" for word, times in own[:WORDS_SHOWN]]
        said += ["…"] * (len(own) > WORDS_SHOWN)
        return f"{count} {reason.replace('_', ' ')}" + (f" ({', '.join(said)})" if said else "")

    return "; ".join(
        f"{step} {', '.join(part(step, reason, count) for reason, count in counts.items())}"
        for step, counts in reasons.items()
    )


def _money(amounts: Amounts) -> str:
    return " + ".join(format_money(each) for each in money(amounts)) or "-"


def _at(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%a %d %b %Y %H:%M UTC")


def _span(ms: int) -> str:
    """Return a span as people say it."""
    minutes = ms // 60_000
    if minutes < 1:
        return f"{max(1, ms // 1000)} s"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
