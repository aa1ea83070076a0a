"""What can be taken out of an installation, row by row, some contacts at a time."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.actions import messages
from kaskad.actions.names import Names
from kaskad.actions.office import Office
from kaskad.analytics.scope import ENDS_FIRST
from kaskad.domain.consent import ALL_CHANNELS, purpose_of
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import contact_text, run_text
from kaskad.domain.money import DIGITS
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.worded import worded
from kaskad.engine.columns import header_of
from kaskad.store import cards, lists, segments, suppressions
from kaskad.store.cards import Card, KnownAddress
from kaskad.store.db import Row, Transaction

AT_ONCE = 500  # contacts of one piece
OLDEST, LATEST = -(2**62), 2**62
Fields = dict[str, Any]


class What(StrEnum):
    """What is taken out."""

    PEOPLE = "people"
    EVENTS = "events"
    MESSAGES = "messages"
    CONSENTS = "consents"
    SUPPRESSIONS = "suppressions"


class Wanted(Struct, frozen=True):
    """Of whom, and of what time: those of a segment or list, "" is everybody; contacts after one of them.

    With `contacts`, of these alone.
    """

    segment: str = ""
    list_name: str = ""
    after: int = 0
    since: int = OLDEST
    until: int = LATEST
    contacts: Sequence[int] = ()


HEADERS: dict[What, tuple[str, ...]] = {  # but for people, who have attributes
    What.EVENTS: ("contact", "external_id", "id", "name", "at", "properties"),
    What.MESSAGES: (
        "contact", "external_id", "run", "cascade", "version", "step", "channel", "account", "state",
        "reason", "variant", "submitted_at", "sent_at", "attempt", "price", "cost", "currency", "facts",
    ),
    What.CONSENTS: (
        "contact", "external_id", "granted", "purpose", "channels", "topic", "brand", "at", "expires_at",
        "proof",
    ),
    What.SUPPRESSIONS: ("contact", "channel", "address", "reason", "at", "hash"),
}  # fmt: skip


def pieces(office: Office, what: What, wanted: Wanted) -> Iterator[list[Fields]]:
    """Return rows piece by piece, in the order of contacts; who comes meanwhile may be among them or not.

    Raises NotFound for the segment or list, Invalid where both are named.
    """
    ids = ids_of(office, wanted)
    if what is What.SUPPRESSIONS:
        whole = not (wanted.segment or wanted.list_name or wanted.after)
        return _suppressions(office, ids, whole)
    read: Callable[[Office, Transaction, Sequence[int], Wanted], list[Fields]] = {
        What.PEOPLE: _people, What.EVENTS: _events, What.MESSAGES: _messages, What.CONSENTS: _consents,
    }[what]  # fmt: skip
    return _read(office, ids, lambda tx, some: read(office, tx, some, wanted))


def looked_over(office: Office, wanted: Wanted) -> Iterator[list[Fields]]:
    """Return people as `pieces` does, without what their columns do not depend on: consents and lists."""
    return _read(office, ids_of(office, wanted), _in_short)


def _read(
    office: Office, ids: Iterator[list[int]], read: Callable[[Transaction, Sequence[int]], list[Fields]]
) -> Iterator[list[Fields]]:
    for some in ids:
        with office.read() as tx:
            rows = read(tx, some)
        yield rows


def ids_of(office: Office, wanted: Wanted) -> Iterator[list[int]]:
    """Return the ids of who is wanted, some at a time; raises NotFound, Invalid."""
    if wanted.segment and wanted.list_name:
        raise Invalid([worded("Name a segment or a list, not both.")])
    if wanted.since >= wanted.until:
        raise Invalid([ENDS_FIRST], ["/until"])
    if wanted.contacts:
        return iter([sorted(wanted.contacts)])
    with office.read() as tx:
        if wanted.segment:
            found = segments.find(tx, wanted.segment)
            if found is None:
                raise NotFound(
                    worded(
                        "There is no segment %(segment)r: `kaskad segment list` shows them.",
                        segment=wanted.segment,
                    )
                )
            matching = segments.matching(tx, found.condition, office.now(), after=wanted.after)
            within = array("q", matching)  # 8 bytes each: asked once, however long the file takes
            return (list(within[n : n + AT_ONCE]) for n in range(0, len(within), AT_ONCE))
        listed = lists.get(tx, wanted.list_name) if wanted.list_name else None
    return _after(office, None if listed is None else listed.id, wanted.after)


def _after(office: Office, list_id: int | None, after: int) -> Iterator[list[int]]:
    while True:
        with office.read() as tx:
            if list_id is None:
                rows = tx.all("contact_ids_after", after=after, limit=AT_ONCE)
            else:
                rows = tx.all("list_ids_after", list_id=list_id, after=after, limit=AT_ONCE)
        if not rows:
            return
        yield [row[0] for row in rows]
        after = rows[-1][0]


def _people(office: Office, tx: Transaction, ids: Sequence[int], wanted: Wanted) -> list[Fields]:
    where = cards.addresses_among(tx, ids)
    agreed, listed = defaultdict[int, list[Fields]](list), defaultdict[int, list[str]](list)
    for row in tx.among("export_consents", ids):
        agreed[row[0]].append(_consent(row, lambda at: at or None))
    for contact_id, name in tx.among("export_lists", ids):
        listed[contact_id].append(name)
    return [
        _person(card, where[card.id], agreed.get(card.id, []), listed.get(card.id, []))
        for card in cards.among(tx, ids)
    ]


def _in_short(tx: Transaction, ids: Sequence[int]) -> list[Fields]:
    where = cards.addresses_among(tx, ids)
    return [_person(card, where[card.id], [], []) for card in cards.among(tx, ids)]


def _person(
    card: Card, addresses: list[KnownAddress], consents: list[Fields], listed: list[str]
) -> Fields:  # fmt: skip
    """Return a person under the names of columns that an import knows; no attribute hides one of them."""
    known: Fields = {
        "id": card.external_id, "zone": card.zone, "language": card.language, "country": card.country,
        "tracking": card.tracking,
    }  # fmt: skip
    by_channel: dict[str, list[str]] = {}
    for address in addresses:
        name = "phone" if address.channel is Channel.SMS else address.channel.value
        by_channel.setdefault(name, []).append(address.value)
    known |= {name: "; ".join(values) for name, values in by_channel.items()}
    bad = {each.value: each.condition for each in addresses if each.health}
    known |= {"health": bad, "consents": consents, "lists": listed, "contact": contact_text(card.id)}
    told = {header_of(name): value for name, value in card.attributes.items()}
    return {name: value for name, value in (told | known).items() if value not in (None, "", {}, [])}


def _events(office: Office, tx: Transaction, ids: Sequence[int], wanted: Wanted) -> list[Fields]:
    named = _named(tx, ids)
    return [
        {"contact": contact_text(row[0]), "external_id": named.get(row[0]), "id": row[1], "name": row[2],
         "at": _instant(row[3]), "properties": msgspec.json.decode(row[4])}
        for row in tx.among("export_events", ids, since=wanted.since, until=wanted.until)
    ]  # fmt: skip


def _messages(office: Office, tx: Transaction, ids: Sequence[int], wanted: Wanted) -> list[Fields]:
    named, names = _named(tx, ids), Names(office, tx)
    rows = tx.among("export_messages", ids, since=wanted.since, until=wanted.until)
    facts = defaultdict[tuple[int, int, int], list[Fields]](list)
    for contact_id, run_id, step, kind, at in tx.among("export_facts", ids) if rows else ():
        facts[contact_id, run_id, step].append({"kind": Kind(kind).name.lower(), "at": _instant(at)})
    return [_message(messages.view(names, row), named.get(row[0]), facts.get(row[:3], [])) for row in rows]


def _message(told: messages.MessageView, external_id: str | None, facts: list[Fields]) -> Fields:
    """Return a message; its money in whole units, as who pays counts it."""
    unit = 10 ** DIGITS.get(told.currency, 2)
    return {
        "contact": contact_text(told.contact_id), "external_id": external_id,
        "run": run_text(told.contact_id, told.run_id), "cascade": told.cascade, "version": told.version,
        "step": told.step, "channel": told.channel, "account": told.account, "state": told.state,
        "reason": told.reason, "variant": told.variant, "submitted_at": _instant(told.submitted_at),
        "sent_at": _instant(told.sent_at), "attempt": told.attempt,
        "price": None if told.price is None else told.price / unit,
        "cost": None if told.cost is None else told.cost / unit, "currency": told.currency, "facts": facts,
    }  # fmt: skip


def _consents(office: Office, tx: Transaction, ids: Sequence[int], wanted: Wanted) -> list[Fields]:
    named = _named(tx, ids)
    return [
        {"contact": contact_text(row[0]), "external_id": named.get(row[0])}
        | _consent(row, lambda at: _instant(at or None), "")
        for row in tx.among("export_consents", ids)
        if wanted.since <= row[5] < wanted.until
    ]


def _consent(row: Row, told: Callable[[int | None], object], unit: str = "_ms") -> Fields:
    _, granted, purpose, bits, topic, at, expires_at, proof, brand = row
    return {
        "granted": bool(granted),
        "purpose": purpose_of(purpose),
        "channels": [] if bits == ALL_CHANNELS else [each.value for each in Channel if bits & 1 << each.code],
        "topic": topic,
        "brand": brand,
        f"at{unit}": told(at),
        f"expires_at{unit}": told(expires_at),
        "proof": None if proof is None else msgspec.json.decode(proof),
    }


def _suppressions(office: Office, ids: Iterator[list[int]], whole: bool) -> Iterator[list[Fields]]:
    """Yield suppressed addresses that somebody has, then the hashes of those that nobody has any longer."""
    shown = array("Q")  # beginnings of hashes
    key = office.write(lambda tx: suppressions.hash_key(tx, office.vault))
    for some in ids:
        with office.read() as tx:
            rows = tx.among("export_suppressed", some)
            hashes = {
                row: bytes.fromhex(suppressions.digests(key, [(Channel.of(row[1]), row[2])])[0])
                for row in rows
            }
            known = suppressions.known(tx, [*hashes.values()])
            domains = {  # of addresses that are there by their mail domain, or one above it
                row: suppressions.domain_hashes(key, row[2].rpartition("@")[2])
                for row, digest in hashes.items()
                if digest not in known and row[1] == Channel.EMAIL.code
            }
            known |= suppressions.known(tx, [digest for each in domains.values() for digest in each])
            hashes |= {
                row: next((digest for digest in each if digest in known), each[0])
                for row, each in domains.items()
            }
        shown.extend(_beginning(digest) for digest in known)
        yield [
            {"contact": contact_text(row[0]), "channel": Channel.of(row[1]).value, "address": row[2],
             **_told(hashes[row], *known.get(hashes[row], ("", None)))}
            for row in rows
        ]  # fmt: skip
    if whole:
        yield from _forgotten(office, array("Q", sorted(shown)))


def _forgotten(office: Office, shown: array[int]) -> Iterator[list[Fields]]:
    after = b""
    while True:
        with office.read() as tx:
            rows = tx.all("suppressions_after", after=after, limit=AT_ONCE)
        if not rows:
            return
        after = bytes(rows[-1][0])
        yield [_told(bytes(digest), reason, at) for digest, reason, at in rows if not _among(shown, digest)]


def _told(digest: bytes, reason: str, at: int | None) -> Fields:
    return {"reason": reason, "at": _instant(at), "hash": digest.hex()}


def _among(shown: array[int], digest: bytes) -> bool:
    wanted = _beginning(bytes(digest))
    place = bisect_left(shown, wanted)
    return place < len(shown) and shown[place] == wanted


def _beginning(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big")


def _named(tx: Transaction, ids: Sequence[int]) -> dict[int, str]:
    return dict(tx.among("external_ids_among", ids))


def _instant(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)
