"""What happened in a database, counted slowly from its rows: runs, messages, facts, one after the other.

Nothing of the product's figures is used here; docs/figures.md is what is counted by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from kaskad.domain.terms import Channel, Kind, MessageState
from kaskad.store.db import Database

WEEK = 7 * 86_400_000
SENT = {"sent", "delivered", "read", "failed", "bounced", "expired", "unknown"}
FAILED = {"rejected", "failed", "bounced", "expired"}
ACTED = {Kind.CLICKED, Kind.REPLIED, Kind.KEYPRESS, Kind.ASKED_AGENT}
LOOKED = ACTED | {Kind.OPENED, Kind.READ, Kind.ANSWERED}
MACHINES = {Kind.MACHINE_OPENED, Kind.MACHINE_CLICKED, Kind.MACHINE_ANSWERED}
CLICKS = {Kind.CLICKED, Kind.MACHINE_CLICKED}
UNFELT = MACHINES | {Kind.SUSPECTED_CLICKED}  # of no person, so a failure stands beside them


def rows(db: Database, text: str) -> list[Any]:
    """Return what a query of plain SQL finds."""
    with db.read() as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        if tx.dialect == "sqlite":
            return list(connection.execute(text))
        return list(connection.execute(text.encode()).fetchall())


class Message:
    """One message that was made, or a step passed over, with when what was told of it."""

    def __init__(self, row: Any, tells: bool, facts: dict[Kind, int], run: Run) -> None:
        self.step, code, channel, self.variant, self.submitted_at, self.account, self.money = row
        self.state, self.channel = MessageState.of(code).value, Channel.of(channel).value
        self.tells, self.facts, self.run = tells, facts, run
        began = self.submitted_at
        self.week = {kind for kind, at in facts.items() if began is None or at <= began + WEEK}
        self.left = False

    @property
    def sent(self) -> bool:
        return self.state in SENT

    @property
    def delivered(self) -> bool:
        return self.state in ("delivered", "read")

    @property
    def unfailed(self) -> bool:
        return self.state in ("sent", "delivered", "read", "unknown")

    @property
    def refused(self) -> bool:
        """The person left by this very message, or reported it, so it has arrived whatever else is told."""
        return self.sent and bool({Kind.UNSUBSCRIBED, Kind.COMPLAINED} & self.facts.keys())

    @property
    def arrived(self) -> bool:
        return self.refused or (self.delivered if self.tells else self.unfailed)


class Run:
    """One run that counts: of no seed contact."""

    def __init__(self, row: Any, marks: dict[Kind, int]) -> None:
        (self.contact, self.id, self.holdout, self.entered_at, self.value, self.returned,
         self.outcome) = row  # fmt: skip
        self.marks, self.messages = marks, list[Message]()
        self.goal = Kind.GOAL in marks

    def reached(self, fits: Callable[[Message], bool]) -> bool:
        return any(fits(one) for one in self.messages)

    def mark_left(self) -> None:
        """Find the last message that had arrived before the person opted out, a week before at most."""
        outs = [one.facts[Kind.UNSUBSCRIBED] for one in self.messages if Kind.UNSUBSCRIBED in one.facts]
        outs += [self.marks[Kind.UNSUBSCRIBED]] if Kind.UNSUBSCRIBED in self.marks else []
        at = min(outs, default=0)
        before = [
            one
            for one in self.messages
            if one.arrived and one.submitted_at and one.submitted_at <= at <= one.submitted_at + WEEK
        ]
        if before:
            max(before, key=lambda one: (one.submitted_at, one.step)).left = True


def runs(db: Database, slug: str) -> list[Run]:
    """Return the runs of a cascade with their messages."""
    told: dict[tuple[int, int, int], dict[Kind, int]] = defaultdict(dict)
    for contact, run, step, kind, at in rows(db, "SELECT contact_id, run_id, step, kind, at FROM facts"):
        known = told[contact, run, step]
        known[Kind(kind)] = min(at, known.get(Kind(kind), at))
    failed = {tuple(row[:3]): row[3] for row in rows(
        db, "SELECT contact_id, run_id, step, max(ended_at) FROM attempts WHERE detail = 'failed' "
        "GROUP BY contact_id, run_id, step",
    )}  # fmt: skip
    tells = {row[0]: row[1] != "smtp" for row in rows(db, "SELECT id, provider FROM accounts")}
    found = {}
    for row in rows(
        db, "SELECT r.contact_id, r.id, r.holdout, r.entered_at, coalesce(r.value, 0), r.returned, r.outcome "
        "FROM runs r JOIN contacts c ON c.id = r.contact_id JOIN cascades k ON k.id = r.cascade_id "
        f"WHERE c.seed = 0 AND k.slug = '{slug}'",
    ):  # fmt: skip
        found[row[0], row[1]] = Run(row, told[row[0], row[1], -1])
    for contact, run, mask, *row in rows(
        db, "SELECT contact_id, run_id, mask, step, state, channel, variant, submitted_at, account_id, "
        "coalesce(spent, 0) + coalesce(cost, CASE WHEN state IN (0, 1, 2, 6, 11, 12) THEN 0 ELSE price END) "
        "FROM messages",
    ):  # fmt: skip
        if (contact, run) in found:
            of, key = found[contact, run], (contact, run, row[0])
            facts = of_last_attempt(told[key], mask, failed.get(key, -1))
            of.messages.append(Message(row, tells.get(row[5], False), facts, of))
    for one in found.values():
        one.mark_left()
    return list(found.values())


def of_last_attempt(facts: dict[Kind, int], mask: int, failed_at: int) -> dict[Kind, int]:
    """Return the facts without what machines did with attempts that have failed."""
    return {kind: at for kind, at in facts.items()
            if mask >> kind & 1 or kind not in UNFELT or at > failed_at}  # fmt: skip


def messages(found: Iterable[Run]) -> list[Message]:
    """Return what was made of these runs, skips aside."""
    return [one for run in found for one in run.messages if one.state not in ("skipped", "cancelled")]


def line(made: list[Message]) -> dict[str, int]:
    """Return what a report says of these messages, as the table of docs/figures.md counts it."""

    def count(*kinds: Kind, none: Iterable[Kind] = (), arrived: bool = False) -> int:
        return sum(
            bool(one.week & {*kinds}) and not one.week & {*none} and (one.arrived or not arrived)
            for one in made
        )  # fmt: skip

    return {
        "sent": sum(one.sent for one in made),
        "delivered": sum(one.delivered for one in made),
        "arrived": sum(one.arrived for one in made),
        "seen": count(*LOOKED),
        "reacted": count(*ACTED),
        "machine": count(*MACHINES),
        "suspected": count(Kind.SUSPECTED_CLICKED, none=CLICKS),
        "opened": count(Kind.OPENED),
        "opened_raw": count(Kind.OPENED, Kind.MACHINE_OPENED),
        "clicked": count(Kind.CLICKED),
        "clicked_raw": count(*CLICKS, Kind.SUSPECTED_CLICKED),
        "prefetched": count(Kind.MACHINE_OPENED, none=[Kind.OPENED], arrived=True),
        "silent": sum(one.arrived and not one.week & LOOKED for one in made),
        "failed": sum(one.state in FAILED for one in made),
        "unknown": sum(one.state == "unknown" for one in made),
        "waiting": sum(one.state in ("created", "queued", "submitted") for one in made),
    }


def opted_out(made: Iterable[Message]) -> int:
    """Return how many of these messages an opt-out followed."""
    return sum(one.left for one in made)


def complained(made: Iterable[Message]) -> int:
    """Return how many of these messages were reported as spam in time."""
    return sum(one.arrived and Kind.COMPLAINED in one.week for one in made)


def levels(found: Iterable[Run]) -> dict[str, int]:
    """Return how many of these runs reached their person in each sense, whenever."""
    live = [run for run in found if not run.holdout]
    sms = Channel.SMS.value
    fits: dict[str, Callable[[Message], bool]] = {
        "delivered": lambda one: one.delivered,
        "seen": lambda one: bool(LOOKED & one.facts.keys()),
        "seen_or_sms_delivered": lambda one: (
            bool(LOOKED & one.facts.keys()) or (one.channel == sms and one.delivered)
        ),
        "reacted": lambda one: bool(ACTED & one.facts.keys()),
    }
    return {name: sum(run.reached(fit) for run in live) for name, fit in fits.items()}
