"""The report of a cascade: who entered, who was reached, by what, and for how much.

What each figure counts is told beside its SQL, in `store/sql/reports.sql`. Only people count as reactions;
machines stand beside them. Money is kept apart by currency: what providers took, else the prices agreed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Cascade, Money
from kaskad.domain.run import HUMAN
from kaskad.domain.terms import Channel, Kind, Outcome, Reason, SkipReason
from kaskad.store.db import Row, Transaction

SEEN = HUMAN
REACTED = Kind.CLICKED.bit | Kind.REPLIED.bit | Kind.KEYPRESS.bit | Kind.ASKED_AGENT.bit
MACHINE = Kind.MACHINE_OPENED.bit | Kind.MACHINE_CLICKED.bit | Kind.MACHINE_ANSWERED.bit
SUSPECTED = Kind.SUSPECTED_CLICKED.bit  # every click at first; it stays one that nothing settles as:
SETTLED = Kind.CLICKED.bit | Kind.MACHINE_CLICKED.bit
HUMAN_KINDS = [kind.value for kind in Kind if kind.bit & HUMAN]

FOREVER = 2**62
Amounts = dict[str, int]  # currency -> minor units


class Scope(Struct, frozen=True):
    """Which runs are reported: of some people or all, of one version or any, that entered in a period."""

    people: Sequence[int] | None = None
    version_id: int = 0
    since: int = 0
    until: int = FOREVER

    @property
    def params(self) -> Mapping[str, Any]:
        """Return the filters as the statements of reports take them."""
        return {
            "whole": int(self.people is None), "people": ",".join(map(str, self.people or ())),
            "version_id": self.version_id, "since": self.since, "until": self.until,
        }  # fmt: skip


EVERYTHING = Scope()


class Line(Struct):
    """One step on one channel, in messages; `reached` in contacts."""

    step: int
    id: str
    channel: str
    sent: int = 0
    delivered: int = 0
    seen: int = 0
    reacted: int = 0
    machine: int = 0
    suspected: int = 0
    opened: int = 0  # by a person: each of these once, however often
    opened_raw: int = 0  # by whomever
    clicked: int = 0
    clicked_raw: int = 0
    prefetched: int = 0  # opened by a machine only
    arrived: int = 0  # sent, and not known to have failed: mail servers tell no more
    silent: int = 0  # of these, those about whom no person was heard of
    failed: int = 0
    unknown: int = 0
    waiting: int = 0
    reached: int = 0  # contacts whose first human reaction of all was to this step on this channel
    price: Amounts = field(default_factory=dict)
    cost: Amounts = field(default_factory=dict)

    @property
    def open_rate(self) -> float | None:
        """Opened by people, of what arrived without what only a machine opened; None: of nothing."""
        return _share(self.opened, self.arrived - self.prefetched)

    @property
    def open_rate_raw(self) -> float | None:
        """Opened by whomever, of what arrived."""
        return _share(self.opened_raw, self.arrived)

    @property
    def click_rate(self) -> float | None:
        """Clicked by people, of what arrived."""
        return _share(self.clicked, self.arrived)

    @property
    def click_rate_raw(self) -> float | None:
        """Clicked by whomever, of what arrived."""
        return _share(self.clicked_raw, self.arrived)


class Level(Struct, frozen=True):
    """How many contacts were reached in one sense, their share of those who entered, and the cost of each."""

    name: str
    contacts: int
    share: float
    cost_each: Amounts


class Trip(Struct, frozen=True):
    """One person's run."""

    contact_id: int
    run_id: int
    external_id: str
    name: str
    outcome: str  # "" while under way
    by: str  # the step that the outcome came at
    sent: int
    cost: int
    holdout: bool


class Report(Struct):
    """The whole of it, as of `as_of`."""

    cascade: str
    title: str
    as_of: int
    entered: int
    under_way: int
    outcomes: dict[str, int]
    holdouts: int
    holdouts_under_way: int
    lines: list[Line]
    skips: dict[str, dict[str, int]]  # step id -> reason -> how many
    failures: dict[str, dict[str, int]]
    failure_words: dict[str, dict[str, dict[str, int]]]  # the same by the provider's own codes or words
    levels: list[Level]
    price: Amounts
    cost: Amounts


class Progress(Struct, frozen=True):
    """How far a cascade has come; hold-outs, who only wait for the end of their time, are not counted."""

    under_way: int
    handed_over: int  # with their account, or waiting for it
    next_at: int | None
    launches: int
    lines: list[Line]


def progress(tx: Transaction, cascade_id: int, cascade: Cascade) -> Progress:
    """Return where the cascade's people are now."""
    row = tx.one("report_progress", cascade_id=cascade_id)
    launches = tx.one("open_launches", cascade_id=cascade_id)
    assert row is not None and launches is not None
    names = {step.number: step.id for step in cascade.steps}
    return Progress(row[0], row[1], row[2], launches[0], _lines(tx, cascade_id, names, EVERYTHING.params))


def report(tx: Transaction, cascade_id: int, cascade: Cascade, now: int, scope: Scope = EVERYTHING) -> Report:
    """Return the report of a cascade, whose current definition names its steps.

    It is of the runs in `scope`; seed contacts are in no figure.
    """
    among = scope.params
    names = {step.number: step.id for step in cascade.steps}
    lines = _lines(tx, cascade_id, names, among)
    cost, price = _total(line.cost for line in lines), _total(line.price for line in lines)
    entered = tx.all("report_entered", cascade_id=cascade_id, **among)
    outcomes = {Outcome.of(row[1]).value: row[2] for row in entered if not row[0] and row[1]}
    return Report(
        cascade=cascade.id,
        title=cascade.title,
        as_of=now,
        entered=sum(row[2] for row in entered if not row[0]),
        under_way=sum(row[2] for row in entered if not row[0] and not row[1]),
        outcomes=dict(sorted(outcomes.items(), key=lambda pair: -pair[1])),
        holdouts=sum(row[2] for row in entered if row[0]),
        holdouts_under_way=sum(row[2] for row in entered if row[0] and not row[1]),
        lines=lines,
        skips=_reasons(tx.all("report_skips", cascade_id=cascade_id, **among), names, SkipReason),
        failures=_reasons(tx.all("report_failures", cascade_id=cascade_id, **among), names, Reason),
        failure_words=_words(tx.all("report_failure_words", cascade_id=cascade_id, **among), names),
        levels=_levels(tx, cascade_id, cost, among),
        price=price,
        cost=cost,
    )


def trips(tx: Transaction, cascade_id: int, cascade: Cascade, limit: int) -> list[Trip]:
    """Return the runs of up to `limit` people, in the order of the contacts."""
    names = {step.number: step.id for step in cascade.steps}
    found = []
    for row in tx.all("report_people", cascade_id=cascade_id, limit=limit, **EVERYTHING.params):
        attributes = msgspec.json.decode(row[3])
        outcome = Outcome.of(row[5]).value if row[5] else ""
        by = "" if row[6] is None else names.get(row[6], str(row[6]))
        found.append(Trip(
            row[0], row[1], row[2] or "", str(attributes.get("name", "")), outcome, by, row[9], row[10],
            bool(row[4]),
        ))  # fmt: skip
    return found


def _lines(
    tx: Transaction, cascade_id: int, names: Mapping[int, str], among: Mapping[str, Any]
) -> list[Line]:
    currencies = {row[0]: msgspec.json.decode(row[8]).get("currency", "") for row in tx.all("accounts")}
    lines: dict[tuple[int, int], Line] = {}

    def line(step: int, channel: int) -> Line:
        name = names.get(step, str(step))
        return lines.setdefault((step, channel), Line(step, name, Channel.of(channel).value))

    counted = tx.all(
        "report_messages", cascade_id=cascade_id, seen=SEEN, reacted=REACTED, machine=MACHINE,
        suspected=SUSPECTED, settled=SETTLED, opened=Kind.OPENED.bit, prefetched=Kind.MACHINE_OPENED.bit,
        opened_raw=Kind.OPENED.bit | Kind.MACHINE_OPENED.bit, clicked=Kind.CLICKED.bit,
        clicked_raw=Kind.CLICKED.bit | Kind.MACHINE_CLICKED.bit | SUSPECTED,
        **among,
    )  # fmt: skip
    for step, channel, account_id, *counts, price, cost in counted:
        one = line(step, channel)
        figures = (
            "sent",
            "delivered",
            "seen",
            "reacted",
            "machine",
            "suspected",
            "opened",
            "opened_raw",
            "clicked",
            "clicked_raw",
            "prefetched",
            "arrived",
            "silent",
            "failed",
            "unknown",
            "waiting",
        )
        for name, count in zip(figures, counts, strict=True):
            setattr(one, name, getattr(one, name) + count)
        currency = currencies.get(account_id, "")
        if currency:
            one.price[currency] = one.price.get(currency, 0) + price
            one.cost[currency] = one.cost.get(currency, 0) + cost
    for step, channel, count in tx.among("report_reached_by", HUMAN_KINDS, cascade_id=cascade_id, **among):
        line(step, channel).reached = count
    return [lines[key] for key in sorted(lines)]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None


def _levels(tx: Transaction, cascade_id: int, cost: Amounts, among: Mapping[str, Any]) -> list[Level]:
    sms = Channel.SMS.code
    row = tx.one("report_reach", cascade_id=cascade_id, seen=SEEN, reacted=REACTED, sms=sms, **among)
    assert row is not None
    entered, *counts = row
    names = ("delivered", "seen", "seen_or_sms_delivered", "reacted")
    return [
        Level(name, count, count / entered if entered else 0.0, _each(cost, count))
        for name, count in zip(names, counts, strict=True)
    ]


def _each(cost: Amounts, count: int) -> Amounts:
    return {currency: -(-minor // count) for currency, minor in cost.items()} if count else {}


def _reasons(
    rows: list[Row], names: Mapping[int, str], words: type[SkipReason] | type[Reason]
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for step, code, count in sorted(rows, key=lambda row: (row[0], -row[2])):
        word = words.of(code).value if code is not None else Reason.OTHER.value
        found[names.get(step, str(step))][word] = count
    return dict(found)


def _words(rows: list[Row], names: Mapping[int, str]) -> dict[str, dict[str, dict[str, int]]]:
    found: dict[str, dict[str, dict[str, int]]] = {}
    for step, code, word, count in rows:
        reason = Reason.of(code).value if code is not None else Reason.OTHER.value
        found.setdefault(names.get(step, str(step)), {}).setdefault(reason, {})[word] = count
    return found


def _total(parts: Any) -> Amounts:
    total: Amounts = {}
    for amounts in parts:
        for currency, minor in amounts.items():
            total[currency] = total.get(currency, 0) + minor
    return total


def money(amounts: Amounts) -> list[Money]:
    """Return amounts as money, the largest currency first by name."""
    return [Money(minor, currency) for currency, minor in sorted(amounts.items())]
