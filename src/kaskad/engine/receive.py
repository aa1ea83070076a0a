"""Intake inside the tick: what the web has taken is kept, and turned into arrivals that can be applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from msgspec import Struct, field

from kaskad.domain import keywords
from kaskad.domain.consent import Scope
from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.ids import contact_text, run_text
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.tokens import PIXEL
from kaskad.engine.arrival import SKEW_MS, Arrival, Unmatched
from kaskad.engine.current import Current
from kaskad.engine.parcel import Result
from kaskad.log import get_logger
from kaskad.store import contacts, merges
from kaskad.store.db import Row, Transaction

log = get_logger(__name__)

JUDGE_AFTER_MS = 10_000  # scanners that visit every link do so within this time (domain rules 2.3)
MAX_HITS = 200  # kept of one message


class InboundIn(Struct, frozen=True):
    """What a person did who is known by an address only."""

    channel: Channel
    address: str
    kind: int
    event: str
    at: int
    text: str = ""
    account_id: int = 0
    provider_id: str = ""  # of the message that it answers, where it names one


class _Went(Struct):
    to: str = ""


_decode = msgspec.json.Decoder(_Went).decode
Act = Callable[[Transaction], Sequence[Arrival]]


class Delivery(Struct):
    """One request's worth of intake. `done` ends after the commit that keeps it; None: the tick's own."""

    done: Future[Any] | None
    arrivals: Sequence[Arrival] = ()
    unmatched: Sequence[Unmatched] = ()
    inbound: Sequence[InboundIn] = ()
    raw: Sequence[Row] = ()
    hits: Sequence[Row] = ()
    events: Sequence[EventIn] = ()
    acts: Sequence[Act] = ()  # what else it changes in the same transaction; run again with a repeated tick
    problems: list[str | None] = field(default_factory=list)  # of the events, filled by the tick


def receive(
    tx: Transaction, deliveries: Sequence[Delivery], now: int, *, merged: bool = False
) -> list[Arrival]:  # fmt: skip
    """Keep what was delivered, and return what it means; `merged`: some of it may tell of merged contacts."""
    raw = [row for delivery in deliveries for row in delivery.raw]
    if raw:
        tx.many("put_raw_webhooks", raw)
    told = [row for delivery in deliveries for row in delivery.hits]
    if merged and told:
        told = Current(tx, {row[0] for row in told}).rows(told)
    hits = _within_cap(tx, _agreed(tx, told))
    if hits:
        tx.many("put_hits", hits)
    arrivals = [arrival for delivery in deliveries for arrival in delivery.arrivals]
    arrivals += _match(tx, [one for delivery in deliveries for one in delivery.unmatched], now)
    for delivery in deliveries:
        if delivery.events:
            arrivals += _read_events(tx, delivery, now)
        for one in delivery.inbound:
            arrivals += _read_inbound(tx, one)
        for act in delivery.acts:
            arrivals += act(tx)
    arrivals += _hold_clicks(hits)
    return arrivals + _complained_beside(tx, arrivals)


def _agreed(tx: Transaction, hits: list[Row]) -> list[Row]:
    """Return the hits without the pixels of people who do not agree to them, or no longer do."""
    silent = contacts.untracked(tx, [row[0] for row in hits if row[3] == PIXEL])
    return [row for row in hits if row[3] != PIXEL or row[0] not in silent] if silent else hits


def _within_cap(tx: Transaction, hits: list[Row]) -> list[Row]:
    """Return the hits that are kept: whoever calls one link again and again fills no disk with it."""
    if not hits:
        return hits
    counts = {tuple(row[:3]): row[3] for row in tx.many("count_hits", sorted({row[:3] for row in hits}))}
    full: dict[tuple[int, int, int], int] = {}  # messages that have their last hit now -> hits dropped
    kept = []
    for row in hits:
        message = row[:3]
        counts[message] = count = counts.get(message, 0) + 1
        if count <= MAX_HITS:
            kept.append(row)
        if count == MAX_HITS:
            full[message] = 0
        elif message in full:
            full[message] += 1
    for (contact_id, run_id, step), dropped in full.items():
        log.warning("no more hits of a message are kept", run=run_text(contact_id, run_id), step=step,
                    kept=MAX_HITS, dropped=dropped)  # fmt: skip
    return kept


def _match(tx: Transaction, unmatched: Sequence[Unmatched], now: int) -> list[Arrival]:
    """Find messages by the provider's id; what came before we knew the id waits among the orphans (E4)."""
    found: list[Arrival] = []
    orphans: list[Row] = []
    known = _by_ids(tx, {(one.account_id, one.provider_id) for one in unmatched})
    for one in unmatched:
        row = known.get((one.account_id, one.provider_id))
        if row is None:
            orphans.append((one.account_id, one.provider_id, now, one.kind, one.event, one.at, one.value))
        elif row[3] is None or arrived_whole(tx, one.account_id, one.provider_id, one.kind, row[:3]):
            found.append(Arrival(row[0], row[1], row[2], one.kind, one.event, one.at, one.value))
    if orphans:
        tx.many("put_orphans", orphans)
    return found + _match_earlier(tx, [one for one in unmatched if one.earlier])


def _match_earlier(tx: Transaction, told: Sequence[Unmatched]) -> list[Arrival]:
    """Return what receipts say of messages before theirs; those that are not ours say nothing."""
    known = _by_ids(tx, {(one.account_id, provider_id) for one in told for provider_id in one.earlier})
    return [
        Arrival(row[0], row[1], row[2], one.kind, one.event, one.at, one.value)
        for one in told
        for provider_id in one.earlier
        if (row := known.get((one.account_id, provider_id))) is not None
    ]


def _by_ids(tx: Transaction, ids: Collection[tuple[int, str]]) -> dict[tuple[int, str], Row]:
    """Return contact, run, step and part of messages by account and their service's id."""
    return {(row[0], row[1]): row[2:] for row in tx.many("by_provider_ids", sorted(ids))} if ids else {}


def arrived_whole(
    tx: Transaction, account_id: int, provider_id: str, kind: int, message: Sequence[int]
) -> bool:
    """Return whether what is told of one part counts for its message: a delivery does with the last part."""
    if kind != Kind.DELIVERED.value:
        return True
    contact_id, run_id, step = message
    parts = tx.all("parts_of", contact_id=contact_id, run_id=run_id, step=step, account_id=account_id)
    tx.run("deliver_part", account_id=account_id, provider_id=provider_id)
    return not any(awaited for part, awaited in parts if part != provider_id)


def match_orphans(tx: Transaction, results: Iterable[Result]) -> list[Arrival]:
    """Return receipts that were quicker than the answers in `results`."""
    known = {
        (r.account_id, provider_id): (r.contact_id, r.run_id, r.step)
        for r in results
        for provider_id in r.parts or (r.provider_id,)
        if provider_id
    }
    if not known or tx.one("any_orphans") is None:
        return []
    several = {(r.account_id, part) for r in results for part in r.parts}
    return [
        Arrival(*known[row[0], row[1]], *row[2:])
        for row in tx.many("take_orphans", sorted(known))
        if (row[0], row[1]) not in several or arrived_whole(tx, row[0], row[1], row[2], known[row[0], row[1]])
    ]


def _read_events(tx: Transaction, delivery: Delivery, now: int) -> list[Arrival]:
    found: list[Arrival] = []
    zones: list[tuple[int, str]] = []
    for event in delivery.events:
        contact_id = find_contact(tx, event.contact)
        if contact_id and event.zone:
            zones.append((contact_id, event.zone))
        delivery.problems.append(None if contact_id else _unknown(event.contact))
        if contact_id:
            told = msgspec.json.encode({"name": event.name, "properties": event.properties}).decode()
            at = min(max(event.at, 0), now)  # what is told has happened, and not before clocks began
            found.append(Arrival(contact_id, 0, -1, Kind.EVENT.value, event.id, at, told))
    contacts.tell_zones(tx, zones, now)
    return found


def _unknown(ref: ContactRef) -> str:
    who = ref.external_id or ref.email or ref.phone or contact_text(ref.id or 0)
    return f"no such contact {who!r}: create it first, or check its id"


def find_contact(tx: Transaction, ref: ContactRef) -> int | None:
    """Return the first contact that one of the given ids is known for, or None."""
    row: Row | None = None
    if ref.id is not None:
        row = tx.one("contact_by_id", id=ref.id) or tx.one("contact_by_id", id=merges.kept(tx, ref.id))
    if row is None and ref.external_id:
        row = tx.one("contact_by_external_id", external_id=ref.external_id)
    for channel, value in ((Channel.EMAIL, ref.email.lower()), (Channel.SMS, ref.phone)):
        if row is None and value:
            row = tx.one("contact_by_address", channel=channel.code, value=value)
    return int(row[0]) if row else None


def _read_inbound(tx: Transaction, one: InboundIn) -> list[Arrival]:
    """Return what it tells of the contact: a refusal also of all others who have that address."""
    more: dict[str, str | int] = {"channel": one.channel.code, "text": one.text}
    stops = one.kind == Kind.REPLIED and keywords.is_stop(one.text)
    of_address = one.kind == Kind.UNSUBSCRIBED and one.channel is not Channel.EMAIL
    if stops or of_address or one.kind == Kind.COMPLAINED:
        more["scope"] = Scope.CHANNEL.value  # a number or a chat knows nothing of topics
    told = msgspec.json.encode(more).decode()
    place: Row | None = None
    if one.provider_id:
        place = tx.one("by_provider_id", account_id=one.account_id, provider_id=one.provider_id)
    complains = one.kind == Kind.COMPLAINED and place is None  # else it is found whom its message concerns
    refuses = stops or one.kind == Kind.UNSUBSCRIBED or complains
    known: list[int] = []
    if place is None or refuses:
        rows = tx.many("contacts_by_address", [(one.channel.code, one.address)])
        known = sorted([row[2] for row in rows])
    if place is None:
        if not known:
            return []
        place = (_written_to(tx, known, one), 0, -1)
    found = [Arrival(place[0], place[1], place[2], one.kind, one.event, one.at, told)]
    if refuses:
        found += [_refused(other, one.event, one.at, told) for other in known if other != place[0]]
    return found


def _refused(contact_id: int, event: str, at: int, told: str) -> Arrival:
    """Return the refusal of somebody at whose address another one has refused."""
    return Arrival(contact_id, 0, -1, Kind.UNSUBSCRIBED.value, event, at, told)


def _complained_beside(tx: Transaction, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Return the refusals of all others at whose address somebody has complained about a message."""
    told = [one for one in arrivals if one.kind == Kind.COMPLAINED.value and one.run_id]
    if not told:
        return []
    rows = tx.many("went_to", sorted({(one.contact_id, one.run_id, one.step) for one in told}))
    went = {row[:3]: (ADDRESS_CHANNEL.get(row[3]) or row[3], _decode(row[4]).to) for row in rows}
    sharers: dict[tuple[int, str], list[int]] = defaultdict(list)
    for channel, value, contact_id, _ in tx.many("contacts_by_address", sorted(set(went.values()))):
        sharers[channel, value].append(contact_id)
    return [
        _refused(other, one.event, one.at, f'{{"channel":{place[0]},"scope":"{Scope.CHANNEL.value}"}}')
        for one in told
        if (place := went.get((one.contact_id, one.run_id, one.step)))
        for other in sorted(sharers[place])
        if other != one.contact_id
    ]


def _written_to(tx: Transaction, people: Sequence[int], one: InboundIn) -> int:
    """Return who of those with that address was written to last before; else the first of them."""
    if len(people) == 1:
        return people[0]
    rows = tx.among("last_written_to", people, channel=one.channel.code, until=one.at + SKEW_MS)
    return int(rows[0][0]) if rows else people[0]


def _hold_clicks(hits: Sequence[Row]) -> list[Arrival]:
    """A click holds its run at once; who clicked is judged when its neighbours are known."""
    return [
        Arrival(contact_id, run_id, step, Kind.SUSPECTED_CLICKED.value, f"hit:{at}:{link}", at)
        for contact_id, run_id, step, link, at, method, *_ in hits
        if link >= 0 and method not in ("HEAD", "OPTIONS")
    ]
