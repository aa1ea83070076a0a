"""All measures of a cascade, of whichever runs and messages are meant; and complaints by account and day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from kaskad.actions.cascade_texts import definition_of
from kaskad.actions.office import Office
from kaskad.actions.reports import ALL, Among, Table, scope_of, table_of
from kaskad.analytics import measures
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import left_between, tally
from kaskad.analytics.exchange import exchanges
from kaskad.analytics.measures import EVERY, Chosen, Measured, Rate, Row, rate
from kaskad.analytics.services import services
from kaskad.domain.cascade import Cascade
from kaskad.domain.errors import Invalid
from kaskad.domain.figures import arrived
from kaskad.domain.measures import OF_MESSAGES, OF_MONEY, OF_RUNS
from kaskad.domain.money import DIGITS
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.worded import worded
from kaskad.engine.workbooks import Cell
from kaskad.store import cascades as store
from kaskad.store import settings

DAY_MS, HOUR_MS, DAY_HOURS = 86_400_000, 3_600_000, 24
HEADER = ("step", "channel", "variant", "measure", "part", "whole", "value", "currency")


class Told(Struct, frozen=True):
    """The measures of a cascade as of an instant."""

    cascade: str
    title: str
    as_of: int
    chosen: Chosen
    measured: Measured


class Day(Struct, frozen=True):
    """One account's messages of one day (UTC), and how many were reported as spam."""

    day: int  # its first instant
    account: str
    provider: str
    complaints: Rate


def told(office: Office, slug: str, among: Among = ALL, chosen: Chosen = EVERY) -> Told:
    """Return the measures of a cascade, of the runs that `among` means and the messages that are chosen.

    Raises NotFound, Conflict for a cascade that was never activated, Invalid for a step, channel or variant
    that it does not have.
    """
    from kaskad.analytics.gains import gains

    now = office.now()
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        cascade = definition_of(office, tx, row)
        _check(cascade, chosen)
        scope = scope_of(office, tx, slug, among)
        changed = Changed(tx, now)
        counted = tally(tx, row.id, scope, changed)
        told_in = exchanges(tx, row.id, now, scope)
        known = measures.seen(tx, counted, services(tx), settings.currency(tx), told_in)
        gained = gains(tx, row.id, scope, counted, known, changed)
    made = measures.measured(counted, cascade, known, chosen, gained)
    return Told(cascade.id, cascade.title, now, chosen, made)


def export(found: Told, form: Table) -> Iterator[bytes]:
    """Return measures as a file: a row for each measure of each step, channel and variant; then of all."""
    return table_of(form, HEADER, list(_cells(found.measured)))


def complaints(office: Office, days: int = 30) -> list[Day]:
    """Return by account and day what was reported as spam, the latest day first; days without mail lack."""
    now = office.now()
    first = now // DAY_MS - days + 1
    with office.read() as tx:
        accounts, known = {row[0]: (row[1], row[2]) for row in tx.all("accounts")}, services(tx)
        left = left_between(tx, first * DAY_HOURS, now // HOUR_MS + 1, by=DAY_HOURS)
    came, reported = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for (hour, _, leg), count in left.items():
        name = accounts.get(leg.account_id or 0)
        if name is None or leg.channel != Channel.EMAIL.code:
            continue
        if arrived(leg.state, leg.mask, known[leg.account_id or 0].delivers):
            place = (hour // DAY_HOURS, leg.account_id or 0)
            came[place] += count
            reported[place] += count * bool(leg.in_time & Kind.COMPLAINED.bit)
    return [
        Day(day * DAY_MS, *accounts[account], rate(reported[day, account], came[day, account]))
        for day, account in sorted(came, key=lambda place: (-place[0], accounts[place[1]]))
        if came[day, account]
    ]


def _check(cascade: Cascade, chosen: Chosen) -> None:
    """Raise Invalid for what this cascade does not have."""
    steps = [step.id for step in cascade.steps]
    variants = {each.id for step in cascade.steps for each in step.variants}
    problems = []
    if chosen.step and chosen.step not in steps:
        problems.append(
            worded(
                "There is no step %(step)r: choose one of %(known)s.",
                step=chosen.step,
                known=", ".join(steps),
            )
        )
    if chosen.channel and chosen.channel not in [each.value for each in Channel]:
        problems.append(
            worded(
                "There is no channel %(channel)r: choose one of %(known)s.",
                channel=chosen.channel,
                known=", ".join(Channel),
            )
        )
    if chosen.variant and chosen.variant not in variants:
        problems.append(
            worded(
                "There is no variant %(variant)r: choose one of %(known)s.",
                variant=chosen.variant,
                known=", ".join(sorted(variants)),
            )
            if variants
            else worded("There is no variant %(variant)r: no step has variants.", variant=chosen.variant)
        )
    if problems:
        raise Invalid(problems)


def _cells(made: Measured) -> Iterator[Sequence[Cell]]:
    for row in (*made.rows, made.all):
        yield from _of_row(row)
    for name in OF_RUNS:
        if name in made.rates:
            yield (
                "",
                "",
                "",
                name,
                made.rates[name].part,
                made.rates[name].whole,
                made.rates[name].share,
                "",
            )
    yield ("", "", "", "goal_gain", None, None, made.goal_gain, "")
    for name in OF_MONEY:
        for currency, minor in sorted(made.money.get(name, {}).items()):
            yield ("", "", "", name, None, None, _whole(minor, currency), currency)
    for currency, gain in sorted(made.gains.items()):
        for name, end in (("revenue_gain_low", gain.low), ("revenue_gain_high", gain.high)):
            whole = None if end is None else _whole(round(end), currency)
            yield ("", "", "", name, None, None, whole, currency)


def _of_row(row: Row) -> Iterator[Sequence[Cell]]:
    place = (row.step, row.channel, row.variant)
    yield (*place, "sent", row.sent, None, None, "")
    for name in OF_MESSAGES:
        one = row.rates[name]
        yield (*place, name, one.part, one.whole, one.share, "")
    for name, amounts in (("cost", row.cost), ("revenue", row.revenue)):
        for currency, minor in sorted(amounts.items()):
            yield (*place, name, None, None, _whole(minor, currency), currency)


def _whole(minor: int, currency: str) -> float:
    return minor / float(10 ** DIGITS.get(currency, 2))
