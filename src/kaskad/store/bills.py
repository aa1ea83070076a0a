"""Tables `bills` and `bill_lines`: what providers bill, held against what we have counted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.errors import NotFound
from kaskad.domain.worded import worded
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import MessageKey

RUNNING, DONE, FAILED = "running", "done", "failed"
_encode = msgspec.json.Encoder().encode


class Unknown(Struct, frozen=True):
    """A line of the bill that is of no message of ours, or could not be read; `why` "": the former.

    Nothing of its words is kept: they may name a person, and the user has the file.
    """

    row: int
    micros: int
    why: str = ""


class Group(Struct, frozen=True):
    """Messages billed otherwise than we hold, in one place and for one reason; `minor`: by how much."""

    place: str
    reason: str
    count: int
    minor: int


class Differing(Struct, frozen=True):
    """One of them."""

    contact_id: int
    run_id: int
    step: int
    billed: int
    held: int
    reason: str


class Missing(Struct, frozen=True):
    """A message of ours that is not billed."""

    contact_id: int
    run_id: int
    step: int
    at: int
    held: int


class Report(Struct, frozen=True):
    """What a bill comes to, in minor units of its currency; `_micros` are millionths of its unit.

    `matched` are messages, all others lines. Lists hold the first of each; `taken` how many were corrected,
    `untaken` how many a defect kept from it. `shift_minutes`: by so much the times of most lines that fit no
    message are later than what went to the same numbers, as they would be read in `zone`.
    """

    lines: int = 0
    total_micros: int = 0
    matched: int = 0
    billed: int = 0
    held: int = 0
    differing: int = 0
    unknown: int = 0
    unknown_micros: int = 0
    unread: int = 0
    unbilled: int = 0
    unbilled_held: int = 0
    since: int | None = None
    until: int | None = None
    groups: tuple[Group, ...] = ()
    differences: tuple[Differing, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
    missing: tuple[Missing, ...] = ()
    taken: int = 0
    untaken: int = 0
    shift_minutes: int = 0
    zone: str = ""


class Bill(Struct, frozen=True):
    """One bill; `seen` of about `size` lines were read. `beat_at` is by the wall clock."""

    id: int
    account_id: int
    source: str
    digest: str
    owner: str
    state: str
    currency: str
    size: int
    seen: int
    beat_at: int
    started_at: int
    ended_at: int | None
    taken_at: int | None
    taken_by: str
    columns: dict[str, str]
    report: Report
    problem: str


def add(
    tx: Transaction, account_id: int, source: str, digest: str, owner: str, currency: str, size: int,
    columns: dict[str, str], now: int, beat_at: int,
) -> int:  # fmt: skip
    """Keep a bill that is to be read; return its id."""
    row = tx.one(
        "add_bill", account_id=account_id, source=source, digest=digest, owner=owner, currency=currency,
        size=size, columns=_encode(columns).decode(), now=now, beat_at=beat_at,
    )  # fmt: skip
    assert row is not None
    return int(row[0])


def get(tx: Transaction, bill_id: int) -> Bill:
    """Return a bill; raises NotFound."""
    row = tx.one("bill", id=bill_id)
    if row is None:
        raise NotFound(worded("There is no bill bill_%(number)s.", number=bill_id))
    return _bill(row)


def page(tx: Transaction, account_id: int, before: int, limit: int) -> list[Bill]:
    """Return bills with ids below `before`, the latest first; of one account, or (0) of all."""
    return [_bill(row) for row in tx.all("bills_page", account_id=account_id, before=before, limit=limit)]


def last_of(tx: Transaction, account_id: int, digest: str) -> Bill | None:
    """Return the bill of this very file, read in this very manner."""
    row = tx.one("bill_by_digest", account_id=account_id, digest=digest)
    return get(tx, row[0]) if row else None


def restart(tx: Transaction, bill: Bill, owner: str, beat_at: int) -> bool:
    """Let this process read a bill from its first line on; False where another does already."""
    row = tx.one("restart_bill", id=bill.id, owner=owner, owner_before=bill.owner, beat_at=beat_at)
    return row is not None


def clear(tx: Transaction, bill_id: int, limit: int) -> bool:
    """Forget some of what was read of a bill; return whether there was any."""
    return bool(tx.run("clear_bill_lines", id=bill_id, limit=limit))


def advance(tx: Transaction, bill: Bill, seen: int, rows: Sequence[Row], beat_at: int) -> bool:
    """Keep what was read of a piece; False where another process has taken the bill over."""
    if tx.one("advance_bill", id=bill.id, owner=bill.owner, seen=seen, beat_at=beat_at) is None:
        return False
    if rows:
        tx.many("put_bill_lines", rows)
    return True


def end(tx: Transaction, bill: Bill, state: str, problem: str, report: Report, now: int) -> None:
    """Keep how the reading of a bill has ended."""
    tx.run("end_bill", id=bill.id, owner=bill.owner, state=state, problem=problem, now=now,
           report=_encode(report).decode())  # fmt: skip


def taken(tx: Transaction, bill_id: int, who: str, report: Report, now: int) -> None:
    """Note that a bill's amounts were taken over."""
    tx.run("take_bill", id=bill_id, who=who, now=now, report=_encode(report).decode())


def compared(tx: Transaction, bill_id: int, after: MessageKey, limit: int) -> list[Row]:
    """Return messages that a bill names, with what both say, after one of them; see `compare_bill`."""
    contact_id, run_id, step = after
    return tx.all("compare_bill", id=bill_id, contact_id=contact_id, run_id=run_id, step=step, limit=limit)


def _bill(row: Row) -> Bill:
    told = dict(zip(Bill.__struct_fields__, row, strict=True))
    told["columns"] = msgspec.json.decode(told["columns"])
    told["report"] = msgspec.json.decode(told["report"])
    return msgspec.convert(told, Bill)
