"""Messages: what was sent to whom, what became of it, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.actions import history
from kaskad.actions.hiding import hidden_in
from kaskad.actions.history import Fact
from kaskad.actions.names import Names
from kaskad.actions.office import Office
from kaskad.actions.runs import LAST, find_contact
from kaskad.domain.errors import NotFound
from kaskad.domain.ids import run_text
from kaskad.domain.ledger import Amended, Change, Entry, Sum, ledger
from kaskad.domain.terms import Channel, Kind, MessageState, Reason, SkipReason
from kaskad.domain.worded import worded
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import RunKey

BEFORE = (0, -1)  # every run and step
_ALL = 2**31 - 1


class MessageView(Struct, frozen=True):
    """A message, or the skip of a step, with its codes as words. Money is in minor units of `currency`."""

    contact_id: int
    run_id: int
    number: int
    cascade: str
    version: int
    version_id: int
    step: str
    channel: str
    account: str | None
    state: str
    reason: str | None
    variant: str | None
    facts: tuple[str, ...]
    not_before: int | None
    submitted_at: int | None
    sent_at: int | None
    attempt: int
    price: int | None  # before it is sent; None: nobody has said
    cost: int | None
    currency: str


class Attempt(Struct, frozen=True):
    """A submission that ended otherwise than accepted."""

    attempt: int
    account: str
    submitted_at: int
    ended_at: int
    reason: str
    detail: str


class Whole(Struct, frozen=True):
    """A message with its words, its failed attempts and the facts about it; links of ours open nothing."""

    message: MessageView
    body: Mapping[str, Any] | None
    attempts: list[Attempt]
    facts: list[Fact]
    money: list[Entry]  # how its cost came about


def of_contact(office: Office, who: str, *, after: tuple[int, int] = BEFORE, limit: int) -> list[MessageView]:
    """Return messages to a contact in the order of run and step, those after `after`; raises NotFound."""
    with office.read() as tx:
        names = Names(office, tx)
        contact_id = find_contact(tx, who)
        rows = tx.all(
            "messages_of_contact", contact_id=contact_id, first=0, last=LAST, run_id=after[0], step=after[1],
            limit=limit,
        )  # fmt: skip
        return [view(names, row) for row in rows]


def of_run(office: Office, key: RunKey, *, after: tuple[int, int] = BEFORE, limit: int) -> list[MessageView]:
    """Return the messages of a run in the order of its steps, those after `after`; raises NotFound."""
    with office.read() as tx:
        if tx.one("run_by_key", contact_id=key[0], run_id=key[1]) is None:
            raise NotFound(worded("There is no run %(run)s.", run=run_text(*key)))
        rows = tx.all(
            "messages_of_contact", contact_id=key[0], first=key[1], last=key[1], run_id=after[0],
            step=after[1], limit=limit,
        )  # fmt: skip
        names = Names(office, tx)
        return [view(names, row) for row in rows]


def find(office: Office, key: RunKey, step: str) -> Whole:
    """Return the message of a run at a step, named by its id; raises NotFound."""
    found = [each for each in of_run(office, key, limit=256) if each.step == step]
    if not found:
        raise NotFound(worded("%(run)s has no message at step %(step)r.", run=run_text(*key), step=step))
    with office.read() as tx:
        return _whole(tx, Names(office, tx), found[0])


def everything(tx: Transaction, names: Names, contact_id: int) -> list[Whole]:
    """Return all messages to a contact and skips of steps, each with its words, attempts and facts."""
    rows = tx.all(
        "messages_of_contact", contact_id=contact_id, first=0, last=LAST, run_id=0, step=-1, limit=_ALL
    )  # fmt: skip
    return [_whole(tx, names, view(names, row)) for row in rows]


def _whole(tx: Transaction, names: Names, message: MessageView) -> Whole:
    key = (message.contact_id, message.run_id)
    place = {"contact_id": key[0], "run_id": key[1], "step": message.number}
    body = tx.one("body_of", **place)
    attempts = [
        Attempt(row[0], names.accounts.get(row[1], str(row[1])), row[2], row[3],
                Reason.of(row[4]).value, row[5])
        for row in tx.all("attempts_of", **place)
    ]  # fmt: skip
    facts = history.facts(tx, names, *key, message.version_id, message.number)
    words = hidden_in(tx, names.signer, msgspec.json.decode(body[0])) if body else None
    return Whole(message, words, attempts, facts, money(tx, place))


def money(tx: Transaction, place: Mapping[str, int]) -> list[Entry]:
    """Return how the cost of a message came about, step by step; the last total is what it costs."""
    row = tx.one("sum_of", **place)
    changes = [
        Amended(at, Change(kind), before, after, source)
        for at, kind, before, after, source in tx.all("amounts_of", **place)
    ]
    return ledger(Sum(*row), changes) if row else []


def view(names: Names, row: Row) -> MessageView:
    """Return a message from its row."""
    (contact_id, run_id, step, channel, state, mask, account_id, reason, variant, not_before, submitted_at,
     sent_at, price, cost, attempt, _, version_id) = row  # fmt: skip
    skipped = state == MessageState.SKIPPED.code
    words = SkipReason if skipped else Reason
    return MessageView(
        contact_id=contact_id,
        run_id=run_id,
        number=step,
        cascade=names.cascade(version_id),
        version=names.number(version_id),
        version_id=version_id,
        step=names.step(version_id, step) or "",
        channel=Channel.of(channel).value,
        account=names.accounts.get(account_id) if account_id is not None else None,
        state=MessageState.of(state).value,
        reason=words.of(reason).value if reason is not None else None,
        variant=names.variant(version_id, step, variant),
        facts=tuple(kind.name.lower() for kind in Kind if mask & kind.bit),
        not_before=not_before,
        submitted_at=submitted_at,
        sent_at=sent_at,
        attempt=attempt,
        price=names.price(account_id, price),
        cost=cost,
        currency=names.currencies.get(account_id, "") if account_id is not None else "",
    )
