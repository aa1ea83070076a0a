"""The benchmark's figures beside the floors and goals that Kaskad sets itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaskad.bench.cascade4 import Report
    from kaskad.bench.channels import Report as ChannelsReport
    from kaskad.bench.importing import Report as ImportReport
    from kaskad.bench.ingest import Report as IngestReport
    from kaskad.bench.standing import Report as StandingReport

Line = tuple[str, str, str, str]  # figure, measured, floor, goal

# Of contacts a second, by mode and kind of database: floor, goal; stated for 200 000 contacts.
_SPEED = {
    ("noop", "SQLite"): ("10 000", "20 000"),
    ("noop", "PostgreSQL"): ("4 000", "8 000"),
    ("http", "SQLite"): ("4 000", "8 000"),
}
_DISK = {"SQLite": ("800", "500"), "PostgreSQL": ("2 500", "1 500")}


def cascade4_table(report: Report) -> list[Line]:
    """Return the lines of a CASCADE-4 report."""
    figures, work = report.figures, report.work
    kind = report.versions["database"].partition(" ")[0]
    speed = _SPEED.get((work.mode, kind), ("", "")) if not work.rate else ("", "")
    lag = ("250", "100") if work.rate else ("", "")
    return [
        ("contacts/s", number(figures.contacts_per_s), *speed),
        ("sends due", number(figures.sends_due), "", ""),
        ("sends made", number(figures.sends_made), "= due", "= due"),
        ("reactions heard late", number(figures.late_reactions), "", ""),
        ("events/s", number(figures.events_per_s), "", ""),
        ("enrolled/s", number(figures.enrol_per_s), "", ""),
        ("timer lag p50, ms", number(figures.timer_lag_p50_ms), "", ""),
        ("timer lag p99, ms", number(figures.timer_lag_p99_ms), *lag),
        ("CPU µs/contact", number(figures.cpu_s_per_1000 * 1000), "", ""),
        ("  of it the driver's", number(figures.driver_us_per_contact), "", ""),
        ("  of PostgreSQL besides", number(figures.server_cpu_s_per_1000 * 1000), "", ""),
        ("ticks repeated", number(figures.ticks_repeated), "", ""),
        ("peak memory, MiB", number(figures.peak_mib), "400", "250"),
        ("bytes/contact", number(figures.bytes_per_contact), *_DISK[kind]),
        ("bytes in all", number(figures.bytes_per_contact * work.contacts), "", ""),
    ]


def standing_table(report: StandingReport) -> list[Line]:
    """Return the lines of a report about runs that wait."""
    brought = report.brought
    return [
        ("messages sent", number(report.sent), "", ""),
        ("missing", number(report.missing), "0", "0"),
        ("sent twice", number(report.twice), "0", "0"),
        ("timer lag p50, ms", number(report.lag_p50_ms), "", ""),
        ("timer lag p99, ms", number(report.lag_p99_ms), "250", "100"),
        ("timer lag, most, ms", number(report.lag_max_ms), "", ""),
        ("peak memory, MiB", number(report.peak_mib), "400", "250"),
        *[(f"  {one.name}", number(one.peak_mib), "", "") for one in report.processes],
        *[(f"CPU s, {one.name}", f"{one.cpu_s:.2f}", "", "") for one in report.processes],
        ("CPU s, PostgreSQL's own", f"{report.server_cpu_s:.2f}", "", ""),
        ("CPU ms/s while nothing is due", f"{report.idle_cpu_ms_per_s:.1f}", "", ""),
        ("  of PostgreSQL besides", f"{report.idle_server_cpu_ms_per_s:.1f}", "", ""),
        *(
            [
                ("people brought in meanwhile", number(brought.new), "", ""),
                ("  a second", number(brought.rows_per_s), "11 000", "17 000"),
            ]
            if brought
            else []
        ),
    ]


def ingest_table(report: IngestReport) -> list[Line]:
    """Return the lines of an ingest report."""
    return [
        ("webhooks/s, one receipt each", number(report.webhooks_per_s), "10 000", "15 000"),
        ("receipts/s in batches", number(report.receipts_per_s), "", "40 000"),
        ("p50, ms", f"{report.p50_ms:.1f}", "", ""),
        ("p99, ms", f"{report.p99_ms:.1f}", "", ""),
        ("CPU µs/webhook", number(report.cpu_s_per_1000 * 1000), "", ""),
        ("lost", number(report.lost), "0", "0"),
    ]


def channels_table(report: ChannelsReport) -> list[Line]:
    """Return the lines of a report on channels."""
    lines: list[Line] = []
    for each in report.figures:
        lines += [
            (f"{each.channel}: messages/s", number(each.per_second), number(each.target), ""),
            ("  CPU µs/message to send", number(each.sender_cpu_us), "", ""),
            ("  CPU µs/message to write it", number(each.writer_cpu_us), "", ""),
            ("  bytes of words", number(each.bytes), "", ""),
            ("  refused or lost", number(each.refused + each.lost), "0", ""),
        ]
    return lines


def import_table(report: ImportReport) -> list[Line]:
    """Return the lines of a report on an import."""
    return [
        ("rows/s", number(report.rows_per_s), "11 000", "17 000"),
        ("seconds for a million rows", number(report.million_s), "90", "60"),
        ("wait for a turn p50, ms", f"{report.wait_p50_ms:.1f}", "", ""),
        ("wait for a turn p99, ms", f"{report.wait_p99_ms:.1f}", "250", "100"),
        ("wait for a turn, longest, ms", f"{report.wait_max_ms:.1f}", "", ""),
        ("CPU µs/row", number(report.cpu_us_per_row), "180", "120"),
        ("  of the process that writes", number(report.writer_cpu_s * 1e6 / report.rows), "", ""),
        ("  of those that read", number(report.readers_cpu_s * 1e6 / report.rows), "", ""),
        ("peak memory, MiB", number(report.peak_mib), "", ""),
        ("new people", number(report.new), "", ""),
        ("left out", number(report.rejected), "", ""),
    ]


def number(value: float) -> str:
    """Return a number with its thousands apart, whole from 100 on."""
    return f"{value:,.0f}".replace(",", " ") if value >= 100 or value == int(value) else f"{value:.1f}"


def show(lines: Sequence[Line]) -> str:
    """Return the lines as a table in plain text."""
    table = [("figure", "measured", "floor", "goal"), *lines]
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    return "\n".join(
        f"{name:<{widths[0]}}  {value:>{widths[1]}}  {floor:>{widths[2]}}  {goal:>{widths[3]}}".rstrip()
        for name, value, floor, goal in table
    )
