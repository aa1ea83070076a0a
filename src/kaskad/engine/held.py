"""What is held for messages changes: the sums that budgets go by and the ledger, in one transaction.

A row of `load_messages` is what is known of a message: its state, price, cost and account before the change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from kaskad.domain.ledger import FAILED, NOTHING, TURNS, Change, held_of
from kaskad.domain.money import ON_DELIVERY
from kaskad.domain.terms import Channel, MessageState
from kaskad.engine.changes import Changes
from kaskad.engine.world import World
from kaskad.store import runs as run_store
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

_RELEASED = NOTHING | {MessageState.CREATED.code, MessageState.QUEUED.code}  # whose price was given back
_AGENT = Channel.AGENT_CALL.code


class Amount(Struct, frozen=True, gc=False):
    """What a message has come to, by its row as it was; `told` says whether its provider named the cost."""

    row: Row
    state: int
    cost: int | None
    at: int
    kind: Change
    price: int  # as it is from now on
    source: str = ""  # of a bill: the name of its file


def turned(world: World, row: Row, state: int, told: int | None, at: int) -> Amount | None:
    """Return what a message costs that has come to `state`, and for which its provider `told` a cost.

    None: nothing about that changes. Where failures are free, one costs nothing unless its provider says so.
    """
    if told is None and (state == row[4] or not (state in TURNS or row[4] in TURNS)):
        return None
    if told is None and row[3] == _AGENT:  # a task that was never dialled gives its price back by itself
        return None
    price, cost = row[9], row[6]
    kind = Change.RECEIPT if told is not None else Change.RESTORED if row[4] in TURNS else Change.RELEASED
    if told is not None:
        cost = told
    elif _free(world, row[10]):
        if state in FAILED:
            cost, kind = 0, Change.FREE
        elif row[4] in FAILED and cost == 0:
            cost = price
    return Amount(row, state, cost, at, kind, price)


def _free(world: World, account_id: int | None) -> bool:
    account = world.accounts.get(account_id or 0)
    return account is not None and account.price is not None and account.price.charges == ON_DELIVERY


def note(
    tx: Transaction, changes: Changes, amounts: Sequence[Amount], cascades: Mapping[RunKey, int] | None = None
) -> None:  # fmt: skip
    """Count what is held more or less for these messages, and note where it has changed.

    `cascades` tell of their runs which it is, where that is known.
    """
    if cascades is None:
        runs = run_store.load(tx, {one.row[:2] for one in amounts})
        cascades = {(run.contact_id, run.id): run.cascade_id for run in runs}
    for one in amounts:
        row = one.row
        cascade_id = cascades.get((row[0], row[1]))
        if cascade_id is None:  # erased since
            continue
        if one.cost is not None and one.cost != row[6]:
            changes.sums.charge(cascade_id, one.cost - (row[6] or 0))
        before = held_of(row[4], row[9], row[6])
        after = held_of(one.state, one.price, one.cost)
        if before == after:
            continue
        changes.sums.hold(cascade_id, row[10], row[8], after - before)
        if row[6] is None and not row[9] and row[4] not in _RELEASED and one.kind is not Change.BILL:
            continue  # nobody had named a price: what it costs is told for the first time
        changes.amounts.append((*row[:3], one.at, one.kind.value, before, after, one.source))
