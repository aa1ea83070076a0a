"""Addresses that do not exist: what a provider says of a message is kept with where it went (E8).

Some refusals pass by themselves. An address is then only in doubt, and invalid after a second such refusal on
another day (UTC) with nothing taken in between. Letters that bounce softly (a full mailbox, a server that is
away) end an address when they do so on three days within thirty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.terms import Channel, MessageState, Reason, Suppressed
from kaskad.engine.world import World
from kaskad.store import contacts, suppressions
from kaskad.store.db import Row, Transaction
from kaskad.store.runs import MessageKey

DAY_MS = 86_400_000
SOFT_DAYS, SOFT_FOR_MS = 3, 30 * DAY_MS  # domain rules 5
DOUBTED_FOR_MS = 90 * DAY_MS  # an older doubt is forgotten
_REFUSED = (MessageState.REJECTED.code, MessageState.FAILED.code)


class _Went(Struct):
    to: str = ""


class _Why(Struct):
    reason: str = ""


_decode = msgspec.json.Decoder(_Went).decode
_reason = msgspec.json.Decoder(_Why).decode


# By a message's channel the one under which its addresses are kept: calls go to numbers of SMS.
_PLACES = {each.code: Channel.of(ADDRESS_CHANNEL.get(each.code, each.code)) for each in Channel}


def spoil_addresses(tx: Transaction, sent: Mapping[MessageKey, int], now: int) -> None:
    """Mark the addresses that these messages went to, each with its channel, as ones that do not exist."""
    if sent:
        contacts.mark_invalid(tx, _went_to(tx, sent), now)


def close_addresses(tx: Transaction, world: World, sent: Mapping[MessageKey, int], now: int) -> None:
    """Put numbers on the stop-list whose carrier says that their owner has refused such messages there."""
    if sent:
        places = [(channel, to) for _, channel, to in _went_to(tx, sent)]
        suppressions.suppress(tx, world.hash_key, places, Suppressed.CARRIER_REFUSAL.value, now)


def _went_to(tx: Transaction, sent: Mapping[MessageKey, int]) -> list[tuple[int, Channel, str]]:
    """Return where messages went: contact, channel under which the address is kept, address."""
    return [
        (contact_id, _PLACES[sent[contact_id, run_id, step]], _decode(body).to)
        for contact_id, run_id, step, body in tx.many("bodies_of", sorted(sent))
    ]


def doubt_addresses(tx: Transaction, keys: Collection[MessageKey], now: int) -> None:
    """Mark the addresses that these messages went to as invalid, where they were in doubt on a day before."""
    if not keys:
        return
    rows = tx.many("others_to_the_channel", [(*key, now - DOUBTED_FOR_MS) for key in sorted(set(keys))])
    others: dict[tuple[int, int, str], list[Row]] = defaultdict(list)
    for row in rows:
        contact_id, channel, to = row[0], row[1], _decode(row[2]).to
        if _decode(row[5]).to == to:
            others[contact_id, channel, to].append(row)
    dead = [
        (contact_id, _PLACES[channel], to)
        for (contact_id, channel, to), history in others.items()
        if _doubted_before(history, now)
    ]
    contacts.mark_invalid(tx, dead, now)


def soften_addresses(tx: Transaction, told: Sequence[tuple[MessageKey, int]], now: int) -> None:
    """Mark the mailboxes as invalid that have bounced softly on three days (UTC) within thirty."""
    today: dict[tuple[int, str], set[int]] = defaultdict(set)
    at = dict(told)
    for contact_id, run_id, step, body in tx.many("bodies_of", sorted(at)) if at else ():
        today[contact_id, _decode(body).to].add(at[contact_id, run_id, step] // DAY_MS)
    before: dict[tuple[int, str], set[int]] = defaultdict(set)
    for contact_id in sorted({contact_id for contact_id, _ in today}):
        for told_at, value, body in tx.all("soft_bounces", contact_id=contact_id, since=now - SOFT_FOR_MS):
            if _reason(value or b"{}").reason == Reason.TRANSIENT.value:
                before[contact_id, _decode(body).to].add(told_at // DAY_MS)
    dead = [
        (contact_id, Channel.EMAIL, to)
        for (contact_id, to), days in today.items()
        if len(days | before[contact_id, to]) >= SOFT_DAYS
    ]
    contacts.mark_invalid(tx, dead, now)


def _doubted_before(history: Iterable[Row], now: int) -> bool:
    """Say whether the last that went to an address before today was refused with the same doubt."""
    told = [(row[4], row[3] in _REFUSED) for row in history]
    taken = max((at for at, refused in told if not refused), default=-1)
    return any(refused and at > taken and at // DAY_MS != now // DAY_MS for at, refused in told)
