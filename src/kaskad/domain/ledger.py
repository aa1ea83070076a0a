"""What is held for a message, and how that amount came about, step by step.

A price is *reserved* as the message is handed over, *charged* as its provider takes it, then corrected by
what the provider tells later or bills, or *released* where nothing was accepted. All amounts are minor units
of the account's currency, which a message keeps for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from msgspec import Struct

from kaskad.domain.terms import MessageState

NOTHING = frozenset({
    MessageState.REJECTED.code, MessageState.SKIPPED.code, MessageState.CANCELLED.code,
})  # fmt: skip
FAILED = frozenset({MessageState.FAILED.code, MessageState.BOUNCED.code, MessageState.EXPIRED.code})
TURNS = FAILED | NOTHING  # states that may change what a message costs, as it comes to them or leaves them


class Change(IntEnum):
    """Why an amount changed, as table `amounts` keeps it."""

    ANSWER = 1  # the provider named another amount as it took the message
    RECEIPT = 2  # … or later, by a receipt or when it was asked
    BILL = 3
    RELEASED = 4  # nothing was accepted
    FREE = 5  # it failed, and the provider takes nothing for that
    ATTEMPT = 6  # it has failed and is tried again: what it cost so far is kept aside
    RESTORED = 7  # what had been released or free has arrived after all


class Amended(Struct, frozen=True):
    """A row of `amounts`."""

    at: int
    kind: Change
    before: int
    after: int
    source: str = ""


class Sum(Struct, frozen=True):
    """What a message has come to: its price and cost as kept, and what earlier attempts cost."""

    state: int
    submitted_at: int | None
    sent_at: int | None
    price: int
    cost: int | None
    spent: int = 0


class Entry(Struct, frozen=True):
    """One step: `amount` more (or less) is held from `at` on, so that `total` is."""

    at: int
    what: str  # reserved, charged, or the name of a `Change`
    amount: int
    total: int
    source: str = ""


def held_of(state: int, price: int, cost: int | None) -> int:
    """Return what is held for a message's present attempt: its cost, else its price unless nobody took it."""
    return cost if cost is not None else 0 if state in NOTHING else price


def ledger(message: Sum, changes: Sequence[Amended]) -> list[Entry]:
    """Return how the amount of a message came about, oldest first; the last `total` is what it costs.

    `changes` are in order. When an earlier attempt was reserved is not kept: it is told as it ends.
    """
    found: list[Entry] = []
    aside = 0  # what earlier attempts cost
    own: list[Amended] = []  # changes of the present attempt
    for place, one in enumerate(changes, 1):
        if one.kind is Change.ATTEMPT:
            first = own[0].before if own else one.before
            found += _attempt(aside, first, own, own[0].at if own else one.at, None)
            aside, own = aside + one.before, []
        elif one.kind is Change.RELEASED and _is_earlier(message, one, changes[place:]):
            found += [
                Entry(one.at, "reserved", one.before, aside + one.before),
                Entry(one.at, "released", -one.before, aside),
            ]
        else:
            own.append(one)
    if message.submitted_at is None:
        return found
    held = held_of(message.state, message.price, message.cost)
    first = own[0].before if own else held
    if message.price:
        found.append(Entry(message.submitted_at, "reserved", message.price, aside + message.price))
    at = message.sent_at
    if not message.price and not own:  # it may have arrived though nobody took it, or told so
        at = at or message.submitted_at
    more = _attempt(aside, first, own, at, message.price)
    return found + more


def _is_earlier(message: Sum, released: Amended, later: Sequence[Amended]) -> bool:
    """Say whether that was of an attempt that another follows; until then the message has no price.

    Another account may take over in the instant of the refusal: then what follows does not begin at nothing.
    """
    if not message.price or released.at != message.submitted_at:
        return not message.price or released.at < (message.submitted_at or 0)
    return (later[0].before if later else held_of(message.state, message.price, message.cost)) > 0


def _attempt(
    aside: int, first: int, changes: Sequence[Amended], at: int | None, reserved: int | None
) -> list[Entry]:
    """Return what became of one attempt after it was reserved, if it was ever charged."""
    found, held = [], reserved or 0
    if at is not None and (first or reserved):
        found.append(Entry(at, "charged", first - held, aside + first))
        held = first
    for one in changes:  # not by `before`: older releases of Kaskad kept that of the first of one instant
        found.append(Entry(one.at, one.kind.name.lower(), one.after - held, aside + one.after, one.source))
        held = one.after
    return found
