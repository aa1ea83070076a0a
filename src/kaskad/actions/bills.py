"""Bills of providers: read, held against what we have counted, and taken over where the user says so.

A file is known by its hash: who sends it again is told of the bill that it was, and nothing changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice

import msgspec
from msgspec import Struct, structs

from kaskad.actions import accounts
from kaskad.actions.bill_job import Job, compare, differences
from kaskad.actions.office import Office
from kaskad.domain.bill import Asked, Reader, guess, propose
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.ids import run_text
from kaskad.domain.ledger import Change
from kaskad.domain.policy import Policy
from kaskad.domain.prices import PriceList
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.engine.changes import Changes
from kaskad.engine.clock import wall_ms
from kaskad.engine.defects import by_halves
from kaskad.engine.held import Amount, note
from kaskad.engine.tables import open_table
from kaskad.log import get_logger
from kaskad.store import accounts as account_store
from kaskad.store import bills as store
from kaskad.store import prices as price_store
from kaskad.store import settings
from kaskad.store.accounts import Account
from kaskad.store.bills import DONE, FAILED, RUNNING, Bill, Differing
from kaskad.store.db import Transaction

log = get_logger(__name__)

INTERRUPTED = "interrupted"
_SILENT_MS = 60_000  # a piece never takes as long: whoever was at it has ended
_LOOK_S = 0.05
_PIECE = 500  # amounts taken over between two ticks
_SAMPLES = 3
_FAULTS = 100  # messages whose cost a defect keeps from being taken over: more are not theirs


class Column(Struct, frozen=True):
    """A column of a bill's file: what it is taken for ("" for nothing), and what its first lines say."""

    header: str
    meaning: str
    samples: tuple[str, ...]


def columns(data: bytes, source: str) -> list[Column]:
    """Return the columns of a file that may become a bill; raises Invalid where it is no table."""
    table = open_table(data, source)
    cells = [line.cells for line in islice(table.lines(), _SAMPLES) if not line.problem]
    return [
        Column(header, meaning, tuple(row[at] for row in cells if at < len(row) and row[at]))
        for at, (header, meaning) in enumerate(zip(table.header, guess(table.header, {}), strict=True))
    ]


def start(
    office: Office, name: str, data: bytes, source: str, asked: Asked, wait_s: float
) -> Bill:  # fmt: skip
    """Read a provider's bill of an account; return how it stands when it was read, or after `wait_s`.

    `asked` says what columns are, by their headers or in their order. Raises NotFound, and Invalid for what
    cannot be read.
    """
    account = _priced(office, name)
    table = open_table(data, source)
    meanings = propose(table.header, asked)
    digest = sha256(sha256(data).digest() + msgspec.json.encode(meanings)).hexdigest()
    currency = str(account.prices["currency"])
    with office.read() as tx:
        policy = settings.get(tx, POLICY, Policy) or Policy()
        rows = price_store.rows_of(tx, account.id)
        last = store.last_of(tx, account.id, digest)
    columns = _read_columns(table.header, meanings)
    bill = last and _judged(office, last)
    if bill is not None and bill.state in (DONE, RUNNING):
        return _awaited(office, bill.id, wait_s)
    owner = _owner(office)
    if bill is None:
        number = office.write(lambda tx: store.add(
            tx, account.id, source, digest, owner, currency, table.size, columns, office.now(), wall_ms(),
        ))  # fmt: skip
    else:
        number, before = bill.id, bill
        if not office.write(lambda tx: store.restart(tx, before, owner, wall_ms())):
            return _awaited(office, number, wait_s)
    reader = Reader(meanings, currency, policy.country, policy.zone)
    prices = PriceList(currency, rows) if rows else None
    job = Job(office, show(office, number), account, table, reader, prices)
    threading.Thread(target=job.run, name=f"bill {number}", daemon=True).start()
    return _awaited(office, number, wait_s)


def _read_columns(header: Sequence[str], meanings: Sequence[str]) -> dict[str, str]:
    """Return what is read by the columns' headers; where a header stands twice, the later has its place."""
    found: dict[str, str] = {}
    for place, (name, what) in enumerate(zip(header, meanings, strict=True), 1):
        if what:
            found[f"{name} ({place})" if name in found else name] = what
    return found


def show(office: Office, bill_id: int) -> Bill:
    """Return how a bill stands; one whose process has ended is `interrupted`. Raises NotFound."""
    with office.read() as tx:
        return _judged(office, store.get(tx, bill_id))


def listing(office: Office, name: str, before: int, limit: int) -> list[Bill]:
    """Return bills of an account, or ("") of all, the latest first; raises NotFound."""
    account_id = accounts.get(office, name).account.id if name else 0
    with office.read() as tx:
        return [_judged(office, bill) for bill in store.page(tx, account_id, before, limit)]


def take(office: Office, bill_id: int, who: str) -> Bill:
    """Take the amounts of a bill over: each message of it then costs what was billed.

    Done twice, it changes nothing. Raises NotFound, and Conflict for a bill that was not read to its end.
    """
    bill = show(office, bill_id)
    if bill.state != DONE:
        raise Conflict(
            worded("The bill bill_%(number)s is %(state)s: only one that was read can be taken over.",
                   number=bill_id, state=bill.state)
        )  # fmt: skip
    channel = _channel(office, bill)
    corrected, after = 0, (0, 0, -1)
    faults: list[Differing] = []
    while True:
        with office.read() as tx:
            rows, odd = differences(tx, bill, channel, after)
        if not rows:
            break
        after = (rows[-1][0], rows[-1][1], rows[-1][2])
        for at in range(0, len(odd), _PIECE):
            corrected += _corrected(office, bill, odd[at : at + _PIECE], faults)
    with office.read() as tx:
        report = compare(tx, bill, channel, bill.report)
    report = structs.replace(report, taken=bill.report.taken + corrected, untaken=len(faults))
    if corrected or bill.taken_at is None or len(faults) != bill.report.untaken:
        office.write(lambda tx: store.taken(tx, bill_id, who, report, office.now()))
    return show(office, bill_id)


def _corrected(office: Office, bill: Bill, piece: Sequence[Differing], faults: list[Differing]) -> int:
    """Let these messages cost what was billed, but for those that a defect stops; return how many changed."""
    changed = 0

    def attempt(part: Sequence[Differing]) -> None:
        nonlocal changed
        changed += office.write(lambda tx: _correct(tx, office, bill, part))

    def aside(one: Differing, failure: Exception) -> None:
        if len(faults) >= _FAULTS:
            raise failure
        log.error("cost not taken over: a defect", run=run_text(one.contact_id, one.run_id), step=one.step,
                  error=type(failure).__name__)  # fmt: skip
        faults.append(one)

    by_halves(piece, attempt, aside)
    return changed


def _correct(tx: Transaction, office: Office, bill: Bill, piece: Sequence[Differing]) -> int:
    """Let these messages cost what was billed; return of how many that changed something."""
    changes = Changes({}, spending=office.engine.world.money.spending)
    wanted = {(one.contact_id, one.run_id, one.step): one for one in piece}
    spent = {row[:3]: row[3] or 0 for row in tx.many("spent_of", sorted(wanted))}
    amounts = []
    for row in tx.many("load_messages", sorted(wanted)):
        cost = wanted[row[:3]].billed - spent[row[:3]]
        if cost != row[6]:
            amounts.append(Amount(row, row[4], cost, office.now(), Change.BILL, row[9], bill.source))
            changes.folded.append((*row[:3], row[5], row[4], cost, None))
    if amounts:
        note(tx, changes, amounts)
        changes.flush_facts(tx)
        changes.flush_last(tx)
    return len(amounts)


def _channel(office: Office, bill: Bill) -> Channel:
    with office.read() as tx:
        kept = account_store.all_accounts(tx, office.vault)
    for account in kept:
        if account.id == bill.account_id:
            return account.channel
    raise Conflict(worded("The account of bill bill_%(number)s is deleted.", number=bill.id))


def _priced(office: Office, name: str) -> Account:
    account = accounts.get(office, name).account
    if not account.prices:
        raise Invalid(
            [
                worded(
                    "Account %(name)r has no price: give it one, it says in which currency the bill is.",
                    name=name,
                )
            ]
        )
    return account


def _awaited(office: Office, bill_id: int, wait_s: float) -> Bill:
    until_s = time.monotonic() + wait_s
    while (found := show(office, bill_id)).state == RUNNING and time.monotonic() < until_s:
        time.sleep(_LOOK_S)
    return found


def _judged(office: Office, bill: Bill) -> Bill:
    """Return a bill with what its process cannot say of itself: that it has ended."""
    stranger = bill.owner != _owner(office)
    gone = stranger and (not office.engine.world.shared or wall_ms() - bill.beat_at > _SILENT_MS)
    if bill.state != RUNNING or not gone:
        return bill
    problem = worded("The server stopped meanwhile: send the same file again.")
    return structs.replace(bill, state=INTERRUPTED, problem=problem)


def _owner(office: Office) -> str:
    """Return what tells this process from others and later ones."""
    return sha256(office.local_key.encode()).hexdigest()[:16]


__all__ = [
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "RUNNING",
    "Column",
    "columns",
    "listing",
    "show",
    "start",
    "take",
]
