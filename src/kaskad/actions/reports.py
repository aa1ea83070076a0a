"""How cascades do: who was reached, by what, and for how much; the people behind each figure; as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from kaskad.actions import segments
from kaskad.actions.cascade_texts import definition_of
from kaskad.actions.office import Office
from kaskad.analytics import days as by_day
from kaskad.analytics import measures, paths, reach, recent, who
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import tally
from kaskad.analytics.days import Day
from kaskad.analytics.exchange import exchanges
from kaskad.analytics.measures import Rate
from kaskad.analytics.paths import Flow, Variant
from kaskad.analytics.reach import Report
from kaskad.analytics.recent import Hour, Lately
from kaskad.analytics.scope import FOREVER, People, Scope
from kaskad.analytics.services import services
from kaskad.analytics.who import OF_RUNS, Figure, Found
from kaskad.domain.cascade import Cascade
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.figures import OF_STEPS
from kaskad.domain.money import format_money
from kaskad.domain.terms import Channel, Outcome, Reason, SkipReason
from kaskad.domain.worded import worded
from kaskad.engine.sheets import csv_text
from kaskad.engine.workbooks import Cell, write_workbook
from kaskad.store import cascades as store
from kaskad.store import settings, uneven_lots
from kaskad.store.db import Transaction
from kaskad.store.runs import RunKey

DAY_MS = 86_400_000
Table = Literal["csv", "xlsx"]


class Among(Struct, frozen=True):
    """Which runs are meant: of people who are in a segment now, of one version, that entered in a period."""

    segment: str = ""
    version: int = 0
    since: int | None = None
    until: int | None = None


ALL = Among()


class Told(Struct, frozen=True):
    """A report, with what the cascade is at that moment."""

    state: str
    version: int
    launches: int  # under way
    report: Report
    flows: list[Flow]
    variants: list[Variant]
    rates: Mapping[tuple[str, str], Mapping[str, Rate]]  # of OF_MESSAGES, by step and channel
    uneven: list[str]  # which lots of it do not fall as they should, in words


def report(office: Office, slug: str, among: Among = ALL) -> Told:
    """Return the report of a cascade, of the runs only that `among` means.

    Raises NotFound, and Conflict for one that was never activated.
    """
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        cascade = definition_of(office, tx, row)
        launches = tx.one("open_launches", cascade_id=row.id)
        version = store.version(tx, row.version_id or 0).number
        scope = scope_of(office, tx, slug, among)
        told, accounts = tally(tx, row.id, scope, Changed(tx, office.now())), services(tx)
        uneven = [one.why for one in uneven_lots.standing(tx) if one.slug == slug]
        worth, told_in = reach.worth(tx, told), exchanges(tx, row.id, office.now(), scope)
        known = measures.seen(tx, told, accounts, settings.currency(tx), told_in)
    rates = measures.of_lines(measures.measured(told, cascade, known))
    made = reach.report_of(told, cascade, accounts, worth, office.now(), told_in)
    flows, variants = paths.flows(told, cascade), paths.variants(told, cascade, accounts, told_in.cost)
    return Told(row.state, version, launches[0] if launches else 0, made, flows, variants, rates, uneven)


def people(
    office: Office, slug: str, figure: str, *, step: str = "", channel: str = "", reason: str = "",
    among: Among = ALL, after: RunKey = who.START, limit: int = 50,
) -> Found:  # fmt: skip
    """Return the people behind a figure of a cascade's report, or with `step` of that step.

    A page may have fewer than `limit`, or none, though more follow. Raises NotFound, Conflict, Invalid.
    """
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        cascade = definition_of(office, tx, row)
        meant = _figure(cascade, figure, step, channel, reason)
        first, last = who.looked_at(tx, after)
        scope = scope_of(office, tx, slug, among, first, last)
        return who.who(tx, row.id, meant, scope, after, limit)


def lately(office: Office, days: int = 7) -> Mapping[str, Lately]:
    """Return by cascade whom it reached in the last days, and the cost; those that sent nothing lack."""
    return _lately(office, office.now() - days * DAY_MS)


def since(office: Office, at: int) -> Mapping[str, Lately]:
    """Return by cascade what was done since an instant."""
    return _lately(office, at)


def hours(office: Office, count: int = 24) -> list[Hour]:
    """Return what left in each of the last hours of the clock, the oldest first."""
    with office.read() as tx:
        return recent.hours(tx, office.now(), count)


def days(office: Office, slug: str, count: int, version: int = 0) -> list[Day]:
    """Return what a cascade sent on each of the last days, the oldest first, today last.

    Of one version, or with 0 of all. Raises NotFound.
    """
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        version_id = store.version_by_number(tx, slug, version).id if version else 0
        return by_day.days(tx, row.id, office.now(), count, version_id)


HEADER = (
    "step", "channel", "variant", "sent", "delivered", "seen", "reacted", "first_reached", "opened",
    "opened_raw", "clicked", "clicked_raw", "machine", "suspected", "silent", "failed", "unknown",
    "waiting", "price", "cost", "goals", "revenue",
)  # fmt: skip


def export(found: Told, form: Table) -> Iterator[bytes]:
    """Return a report's table as a file: a row for each step and channel, and variant; the last of all."""
    return table_of(form, HEADER, list(_rows(found)))


def table_of(form: Table, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterator[bytes]:
    """Return a table as a file."""
    if form == "csv":
        text = csv_text([header, *([str("" if cell is None else cell) for cell in row] for row in rows)])
        return iter([text.encode("utf-8-sig")])
    return iter([_workbook(header, rows)])


def _rows(told: Told) -> Iterator[Sequence[Cell]]:
    for line in told.report.lines:
        yield (
            line.id, line.channel, "", line.sent, line.delivered, line.seen, line.reacted, line.reached,
            line.opened, line.opened_raw, line.clicked, line.clicked_raw, line.machine, line.suspected,
            line.silent, line.failed, line.unknown, line.waiting, _money(line.price),
            _money(line.cost), None, None,
        )  # fmt: skip
    for one in told.variants:
        empty: list[Cell] = [None] * 11
        yield (
            one.step, "", one.id, one.sent, one.delivered, one.seen, one.reacted, *empty[:5], one.machine,
            *empty[:6], _money(one.cost), None, None,
        )  # fmt: skip
    made = told.report
    if not made.entered:
        return
    yield (
        *[None] * 18, _money(made.price), _money(made.cost), made.goals, _money(made.revenue),
    )  # fmt: skip


def _money(amounts: reach.Amounts) -> str:
    return " + ".join(format_money(each) for each in reach.money(amounts))


def _workbook(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="kaskad-report-") as folder:
        path = Path(folder) / "report.xlsx"
        write_workbook(path, header, rows)
        return path.read_bytes()


def scope_of(
    office: Office, tx: Transaction, slug: str, among: Among, first: int = 1, last: int = 1 << 62
) -> Scope:  # fmt: skip
    """Return which runs are meant, of contacts from one id to another; raises NotFound."""
    people = None
    if among.segment:
        found = segments.members(tx, office, among.segment, after=first - 1, until=last)
        people = People(found, ordered=True)
    version_id = store.version_by_number(tx, slug, among.version).id if among.version else 0
    return Scope(people, version_id, among.since or 0, FOREVER if among.until is None else among.until)


def _figure(cascade: Cascade, name: str, step: str, channel: str, reason: str) -> Figure:
    """Return the figure that is meant; raises NotFound for a step, Invalid for what no report counts."""
    known = OF_STEPS if step else OF_RUNS
    if name not in known:
        raise Invalid(
            [
                worded(
                    "No report counts %(name)r here: choose one of %(known)s.",
                    name=name,
                    known=", ".join(known),
                )
            ]
        )
    number = next((each.number for each in cascade.steps if each.id == step), -1)
    if step and number < 0:
        raise NotFound(worded("Cascade %(cascade)r has no step %(step)r.", cascade=cascade.id, step=step))
    kinds = {"skipped": SkipReason, "failed": Reason, "ended": Outcome}
    words = [each.value for each in kinds[name]] if name in kinds else []
    if (reason and reason not in words) or (name == "ended" and not reason):
        raise Invalid(
            [
                worded(
                    "%(name)r has no reason %(reason)r: choose one of %(known)s.",
                    name=name,
                    reason=reason,
                    known=", ".join(words) or worded("none"),
                )
            ]
        )
    if channel and channel not in [each.value for each in Channel]:
        raise Invalid([worded("There is no channel %(channel)r.", channel=channel)])
    return Figure(name, number, channel, reason)


def _lately(office: Office, at: int) -> Mapping[str, Lately]:
    with office.read() as tx:
        names = {row.id: row.slug for row in store.all_cascades(tx)}
        found = recent.lately(tx, at, office.now())
    return {names[cascade_id]: one for cascade_id, one in found.items() if cascade_id in names}
