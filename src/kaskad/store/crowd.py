"""Many people at once, as a file tells of them: written by a few statements for all who are new.

Who may be known, or shares an id or address with another of the crowd, goes the way of `contacts.save`. What
the tables then hold is the same but for the order of new ids; tests compare the two ways.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.terms import Channel
from kaskad.store import book, contacts, mail_domains, runs
from kaskad.store.contacts import Address, Consent, Contact
from kaskad.store.db import Transaction
from kaskad.store.suppressions import SUPPRESSED, stopped

Key = tuple[int, str]  # of an address: code of its channel, and value

_object = msgspec.json.Decoder(dict[str, object]).decode
_EMAIL = Channel.EMAIL.code
_CHANNELS = {channel.code: channel for channel in Channel}


class Told(Struct, frozen=True, array_like=True):
    """What is told of a person, made ready for the tables; else as in `Contact`."""

    external_id: str | None
    zone: str | None
    language: str | None
    country: str | None
    tracking: bool | None
    attributes: str  # a JSON object without null
    folded: str | None
    addresses: tuple[Key, ...]
    consents: tuple[Consent, ...]

    @property
    def contact(self) -> Contact:
        """Return the same as other functions take it."""
        return Contact(
            external_id=self.external_id, zone=self.zone, language=self.language, country=self.country,
            tracking=self.tracking, attributes=_object(self.attributes), consents=self.consents,
            addresses=[Address(_CHANNELS[code], value) for code, value in self.addresses],
        )  # fmt: skip


class Came(Struct, frozen=True):
    """The contacts of a crowd, in no order, how many of them are new, and which addresses are stopped."""

    ids: list[int]
    new: int
    stopped: set[Key]


def save(
    tx: Transaction, hash_key: bytes, people: Sequence[Told], now: int, by: str = "",
    reserved: Sequence[int] = (),
) -> Came:  # fmt: skip
    """Make or change the contacts of people, with addresses and consents; `by` as in `contacts.save`.

    `reserved` has a number for each of them, in order: its own if it is new and shares nothing. Their
    addresses then stand in the book under it (`store.book`).
    """
    fenced = set() if reserved else _fence(tx, people)  # where numbers are reserved, one writes at a time
    tx.all("lock_contacts")
    never = stopped(tx, hash_key, [key for told in people for key in told.addresses])
    strangers, others = _apart(tx, people, reserved)
    if reserved and not others:
        ids = list(reserved)
    elif reserved:
        kept = {id(told): number for told, number in zip(people, reserved, strict=True)}
        ids = [kept[id(told)] for told in strangers]
    else:
        ids = [row[0] for row in tx.all("next_contact_ids", count=len(strangers))] if strangers else []
    with book.writing(tx, ids if reserved else ()):
        _put(tx, ids, strangers, never, now)
    if not others:
        return Came(ids, len(ids), never)
    saved = contacts.save(tx, hash_key, [told.contact for told in others], now, by)
    runs.fence(tx, sorted({*saved.ids} - fenced))  # who has come to be known only since
    return Came(sorted({*ids, *saved.ids}), len(ids) + len(saved.new), never)


def identities_of_new(tx: Transaction, people: Sequence[Told]) -> list[object]:
    """Return what each of those whom nobody knows yet is told from others by; nothing is changed."""
    strangers, others = _apart(tx, people)
    found = [told.external_id or contacts.identity(told.contact) for told in strangers]
    rest = [told.contact for told in others]
    known = contacts.known_ids(tx, rest)
    return found + [
        contacts.identity(contact) for contact, found in zip(rest, known, strict=True) if found is None
    ]


def _fence(tx: Transaction, people: Sequence[Told]) -> set[int]:
    """Wait for ticks of other processes that decide about those of the people who are known; return these.

    So no timer overtakes a "no" that is told of them: before `lock_contacts`, as ticks take it last.
    """
    _, others = _apart(tx, people)
    found = contacts.known_ids(tx, [told.contact for told in others])
    known = {contact_id for contact_id in found if contact_id is not None}
    runs.fence(tx, sorted(known))
    return known


def _apart(
    tx: Transaction, people: Sequence[Told], reserved: Sequence[int] = ()
) -> tuple[list[Told], list[Told]]:  # fmt: skip
    """Return those of whom nothing is known and who share nothing, and all others."""
    ids = [told.external_id for told in people if told.external_id is not None]
    common: set[str | Key] = {row[0] for row in tx.among_texts("known_external_ids", ids)} | _repeated(ids)
    if reserved:
        common |= _shared(tx, people, reserved)
    else:
        keys = [key for told in people for key in told.addresses]
        common.update(tx.among_texts("known_addresses", [value for _, value in keys]))
        common |= _repeated(keys)
    if not common:
        return list(people), []
    strangers: list[Told] = []
    others: list[Told] = []
    for told in people:
        shares = told.external_id in common or not common.isdisjoint(told.addresses)
        (others if shares else strangers).append(told)
    return strangers, others


def _shared(tx: Transaction, people: Sequence[Told], reserved: Sequence[int]) -> set[str | Key]:
    """Return the addresses of those who share one; of these at least all that are shared."""
    twice = book.shared(tx, reserved)
    if not twice:
        return set()
    return {key for told, number in zip(people, reserved, strict=True) if number in twice
            for key in told.addresses}  # fmt: skip


def _repeated(values: Sequence[str | Key]) -> set[str | Key]:
    if len(set(values)) == len(values):
        return set()
    seen: set[str | Key] = set()
    return {value for value in values if value in seen or seen.add(value)}  # type: ignore[func-returns-value]


def _put(
    tx: Transaction, ids: Sequence[int], strangers: Sequence[Told], never: set[Key], now: int
) -> None:  # fmt: skip
    """Write who is new; on PostgreSQL what takes longest is sent last: what is asked waits for it."""
    both = list(zip(ids, strangers, strict=True))
    tx.many("put_new_contacts", [
        (key, told.external_id, told.zone, told.language, told.country, int(told.tracking is not False),
         told.attributes, told.folded, now, *((contacts.TOLD, now) if told.zone else (None, None)))
        for key, told in both
    ])  # fmt: skip
    named = [(told.external_id, key) for key, told in both if told.external_id is not None]
    tx.many("put_external_ids", named)
    contacts.add_first_consents(tx, [(key, told.consents) for key, told in both if told.consents])
    places = [(key, code, value, 0) for key, told in both for code, value in told.addresses]
    if len(set(places)) < len(places):
        places = list(dict.fromkeys(places))
    if never:
        places = [(*place[:3], SUPPRESSED if place[1:3] in never else 0) for place in places]
    tx.many("put_new_addresses", places)
    mail_domains.note(tx, [value for _, code, value, _ in places if code == _EMAIL])
