"""Tables `contacts`, `addresses`, `consents` and `proofs`, as they are changed; `cards.py` reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from kaskad.domain.consent import ALL_CHANNELS, ANY, TRACKING
from kaskad.domain.terms import Channel
from kaskad.store import changes, mail_domains
from kaskad.store.db import Row, Transaction
from kaskad.store.suppressions import SUPPRESSED, AddressKey, suppressed

INVALID = 1  # health of an address
TOLD, DELIVERY, SITE = 1, 2, 3  # where a zone is known from, best first
NAMES = ("name", "first_name", "last_name")  # attributes by which people are looked for
_LONGEST_CHANGE = 200  # of a text that was changed, in the history
_LONGEST_NAME = 300  # of what is searched: an index entry must stay short
# What stands for a person where no external id is given, best first; then any other address.
_IDENTIFYING = (Channel.EMAIL, Channel.SMS)

_NAMES = {channel.code: channel.value for channel in Channel}


class Address(Struct, frozen=True):
    """Where a contact can be reached, normalised: lower-case e-mail, E.164, chat id."""

    channel: Channel
    value: str
    preferred: int | None = None  # order of the contact's own preference; None: leave it as it is

    @property
    def key(self) -> AddressKey:
        return (self.channel, self.value)


class Consent(Struct, frozen=True, kw_only=True, array_like=True):
    """A grant or a withdrawal. `at` is when the person acted, not when we were told: where that is unknown
    it is 0, and any withdrawal counts more."""

    granted: bool
    at: int
    purpose: int = ANY  # code of a message class
    channels: int = ALL_CHANNELS  # bits 1 << channel code
    topic: str = ""
    expires_at: int | None = None
    proof: str | None = None  # JSON; None: unproven
    brand: str = ""


class Contact(Struct, frozen=True, kw_only=True):
    """What is told of a contact. None leaves what is known; attributes are merged, None removes one.

    `id` is that of a contact known to exist; else it is found by its external id and addresses.
    """

    id: int | None = None
    external_id: str | None = None
    external_ids: Sequence[str] = ()  # more of them, of other systems
    zone: str | None = None
    zone_source: int = TOLD
    language: str | None = None
    country: str | None = None
    tracking: bool | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    addresses: Sequence[Address] = ()
    consents: Sequence[Consent] = ()


class _Kept(Struct, frozen=True):
    """A row of `contacts`."""

    id: int
    external_id: str | None = None
    zone: str | None = None
    language: str | None = None
    country: str | None = None
    tracking: int = 1
    attributes: str = "{}"
    folded: str | None = None
    zone_source: int | None = None
    zone_at: int | None = None


class Saved(Struct, frozen=True):
    """The contacts of a batch, in its order, and those of them that are new."""

    ids: list[int]
    new: frozenset[int]


def upsert(tx: Transaction, hash_key: bytes, contacts: Sequence[Contact], now: int) -> list[int]:
    """Make or change contacts, with their addresses and consents; return their ids, in the same order.

    A contact is known by its external id, else by its e-mail, its phone, or another address; one without an
    external id takes the one that comes with its address. The same person twice in a batch is one contact.
    """
    return save(tx, hash_key, contacts, now).ids


def save(
    tx: Transaction, hash_key: bytes, contacts: Sequence[Contact], now: int, by: str = ""
) -> Saved:  # fmt: skip
    """Do what `upsert` does, and return also who is new.

    What it changes of known contacts goes into their history, told of `by`; "" leaves no trace there.
    """
    tx.all("lock_contacts")
    ids, named = _identify(tx, contacts)
    known = {row[0]: _Kept(*row) for row in tx.among("contacts_among", sorted(set(ids)))}
    new, before = frozenset(ids) - known.keys(), dict(known)
    for contact_id, contact in zip(ids, contacts, strict=True):
        known[contact_id] = _merged(known.get(contact_id) or _Kept(contact_id), contact, now)
    tx.changed_many("put_contacts", [(*structs.astuple(kept), now) for kept in known.values()])
    tx.changed_many("put_external_ids", named)
    added = _put_addresses(tx, hash_key, ids, contacts)
    if by and before:
        _note(tx, before, known, [*added, *((contact_id, "external id", name) for name, contact_id in named)],
              by, now)  # fmt: skip
    _put_consents(tx, ids, contacts)
    return Saved(ids, new)


def as_known(contact: Contact, contact_id: int) -> Contact:
    """Return what is told as a change of the contact of that id."""
    return structs.replace(contact, id=contact_id)


def proof_text(proof: Mapping[str, Any]) -> str:
    """Return a proof as it is kept: the same words are kept once, in whatever order they came."""
    return msgspec.json.encode(proof, order="sorted").decode()


def known_ids(tx: Transaction, contacts: Sequence[Contact]) -> list[int | None]:
    """Return whom `upsert` would change for each contact, None where it would make one; change nothing."""
    known = _Known(tx, contacts)
    return [known.find(contact) for contact in contacts]


def add_addresses(tx: Transaction, hash_key: bytes, contact_id: int, addresses: Sequence[Address]) -> None:
    """Give a contact more addresses, or its own order to those that it has."""
    tx.all("lock_contacts")
    _put_addresses(tx, hash_key, [contact_id], [Contact(addresses=addresses)])


def untracked(tx: Transaction, ids: Iterable[int]) -> set[int]:
    """Return those of the contacts whose openings must not be noted."""
    wanted = sorted(set(ids))
    return {row[0] for row in tx.among("untracked_among", wanted)} if wanted else set()


def tell_zones(tx: Transaction, told: Iterable[tuple[int, str]], at: int) -> None:
    """Keep the zones that a site or an app knows of contacts, where nobody has told better."""
    rows = [(contact_id, zone, at) for contact_id, zone in dict(told).items()]
    if rows:
        tx.changed_many("tell_zones", rows)


def mark_invalid(tx: Transaction, addresses: Iterable[tuple[int, Channel, str]], at: int) -> int:
    """Keep that addresses (contact id, channel, value) do not exist; return how many were good until now."""
    rows = [(contact_id, channel.code, value, INVALID, at) for contact_id, channel, value in addresses]
    return tx.changed_many("set_health", rows)


def _identify(tx: Transaction, contacts: Sequence[Contact]) -> tuple[list[int], list[tuple[str, int]]]:
    """Return each contact's id (known, that of an earlier one of the batch, or new), and new external ids."""
    known = _Known(tx, contacts)
    new = sum(known.find(contact) is None or known.may_part(contact) for contact in contacts)
    fresh = iter(tx.all("next_contact_ids", count=new) if new else ())
    ids = []
    for contact in contacts:
        contact_id = known.find(contact)
        if contact_id is None:
            (contact_id,) = next(fresh)
        known.remember(contact, contact_id)
        ids.append(contact_id)
    return ids, known.named


class _Known:
    """Who stands behind external ids and addresses, in the database and earlier in the batch."""

    def __init__(self, tx: Transaction, contacts: Sequence[Contact]) -> None:
        external = {(name,) for contact in contacts for name in _names(contact)}
        keys = {(key[0].code, key[1]) for contact in contacts if (key := _identity(contact)) is not None}
        self.named: list[tuple[str, int]] = []  # external ids that the batch brings
        self._by_external: dict[str, int] = dict(tx.many("contacts_by_external", sorted(external)))
        self._holders: dict[tuple[int, str], set[int]] = defaultdict(set)
        self._owner: dict[int, str | None] = {}  # contact id -> its external id
        for channel, value, contact_id, external_id in tx.many("contacts_by_address", sorted(keys)):
            self._holders[channel, value].add(contact_id)
            self._owner[contact_id] = external_id

    def find(self, contact: Contact) -> int | None:
        if contact.id is not None:
            return contact.id
        for name in _names(contact):
            if name in self._by_external:
                return self._by_external[name]
        key = _identity(contact)
        holders = self._holders[key[0].code, key[1]] if key else set()
        if contact.external_id is not None:  # another external id at the address is another person
            holders = {holder for holder in holders if self._owner.get(holder) is None}
        return min(holders, default=None)

    def may_part(self, contact: Contact) -> bool:
        """Say whether an earlier one of the batch may take the contact that is found by an address now."""
        return (
            contact.id is None
            and contact.external_id is not None
            and all(name not in self._by_external for name in _names(contact))
        )

    def remember(self, contact: Contact, contact_id: int) -> None:
        for name in _names(contact):  # one that is another contact's stays there
            if name not in self._by_external:
                self.named.append((name, contact_id))
                self._by_external[name] = contact_id
        if contact.external_id is not None:
            self._owner[contact_id] = contact.external_id
        for address in contact.addresses:
            self._holders[address.channel.code, address.value].add(contact_id)


def _names(contact: Contact) -> list[str]:
    """Return the external ids that are told of a contact, each once, its own first."""
    told = [] if contact.external_id is None else [contact.external_id]
    return list(dict.fromkeys([*told, *contact.external_ids]))


def identity(contact: Contact) -> object:
    """Return what a contact that nobody knows is told from others by."""
    return next(iter(_names(contact)), None) or _identity(contact)


def _identity(contact: Contact) -> AddressKey | None:
    ranked = {address.channel: address.key for address in reversed(contact.addresses)}
    return next((ranked[channel] for channel in (*_IDENTIFYING, *ranked) if channel in ranked), None)


def _merged(kept: _Kept, contact: Contact, now: int) -> _Kept:
    attributes, names = kept.attributes, kept.folded
    if contact.attributes:
        merged = {**msgspec.json.decode(kept.attributes), **contact.attributes}
        left = {name: value for name, value in merged.items() if value is not None}
        attributes, names = msgspec.json.encode(left).decode(), folded(left)
    zone, source, at = kept.zone, kept.zone_source, kept.zone_at
    if contact.zone and (zone is None or contact.zone_source <= (source or TOLD)):
        zone, source, at = contact.zone, contact.zone_source, now
    return _Kept(
        kept.id,
        kept.external_id or contact.external_id,
        zone,
        contact.language or kept.language,
        contact.country or kept.country,
        kept.tracking if contact.tracking is None else int(contact.tracking),
        attributes,
        names,
        source,
        at,
    )


def _note(
    tx: Transaction, before: Mapping[int, _Kept], after: Mapping[int, _Kept],
    added: Iterable[tuple[int, str, str]], by: str, now: int,
) -> None:  # fmt: skip
    """Keep what was changed of contacts that were known before."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for contact_id, was in before.items():
        if structs.replace(was, zone_at=None) != structs.replace(after[contact_id], zone_at=None):
            found[contact_id] = _differences(was, after[contact_id])
    for contact_id, what, value in added:
        if contact_id in before:
            found[contact_id].setdefault(f"new {what}", []).append(value)
    changes.note(
        tx, [changes.Change(each, now, "changed", by, detail) for each, detail in found.items() if detail]
    )


def _differences(was: _Kept, now: _Kept) -> dict[str, Any]:
    """Return what is different, each with what it was and what it is."""
    plain = ("zone", "language", "country", "tracking")
    pairs = {name: [getattr(was, name), getattr(now, name)] for name in plain}
    old, new = msgspec.json.decode(was.attributes), msgspec.json.decode(now.attributes)
    pairs |= {name: [old.get(name), new.get(name)] for name in (*old, *new)}
    return {name: [_short(each) for each in pair] for name, pair in pairs.items() if pair[0] != pair[1]}


def _short(value: Any) -> Any:
    """Return a value as the history keeps it."""
    return value[:_LONGEST_CHANGE] if isinstance(value, str) else value


def fold(text: str) -> str:
    """Return a text as it is compared where case and the number of spaces mean nothing."""
    return " ".join(text.casefold().split())


def folded(attributes: Mapping[str, Any]) -> str | None:
    """Return the names of a person as they are searched; None where there is none."""
    names = [name for key in NAMES if isinstance(name := attributes.get(key), str)]
    return fold(" ".join(names))[:_LONGEST_NAME] or None


def _put_addresses(
    tx: Transaction, hash_key: bytes, ids: Sequence[int], contacts: Sequence[Contact]
) -> list[tuple[int, str, str]]:  # fmt: skip
    """Add addresses; return those that are new: contact, channel, value."""
    found = {
        (contact_id, *address.key): address
        for contact_id, contact in zip(ids, contacts, strict=True)
        for address in contact.addresses
    }
    stopped = suppressed(tx, hash_key, [address.key for address in found.values()])
    rows = [
        (
            contact_id,
            address.channel.code,
            address.value,
            _health(address, stopped),
            address.preferred or 0,
        )
        for (contact_id, *_), address in sorted(found.items())
    ]
    put = tx.many("put_addresses", rows)
    new = sorted({(row[0], row[1]) for row in put})
    tx.changed_many("share_addresses", new)
    mail_domains.note(tx, [value for code, value in new if code == Channel.EMAIL.code])
    preferred = [
        (contact_id, address.channel.code, address.value, address.preferred)
        for (contact_id, *_), address in found.items()
        if address.preferred is not None
    ]
    tx.changed_many("prefer_addresses", preferred)
    return [(row[2], _NAMES[row[0]], row[1]) for row in put]


def _health(address: Address, stopped: set[AddressKey]) -> int:
    return SUPPRESSED if address.key in stopped else 0


def _put_consents(tx: Transaction, ids: Sequence[int], contacts: Sequence[Contact]) -> None:
    add_consents(
        tx,
        [
            (contact_id, consent)
            for contact_id, contact in zip(ids, contacts, strict=True)
            for consent in contact.consents
        ],
    )


def add_consents(tx: Transaction, consents: Iterable[tuple[int, Consent]]) -> None:
    """Keep grants and withdrawals of contacts; what is already known word for word is not kept again."""
    told = dict.fromkeys(consents)  # once, however often the batch says it
    if not told:
        return
    proofs = _proofs(tx, {consent.proof for _, consent in told if consent.proof is not None})
    last: dict[int, int] = dict(tx.among("last_consent_ids", sorted({contact_id for contact_id, _ in told})))
    numbers = {contact_id: count(last.get(contact_id, 0) + 1) for contact_id, _ in told}
    tx.changed_many(
        "put_consents",
        [
            _consent_row(contact_id, next(numbers[contact_id]), consent, proofs)
            for contact_id, consent in told
        ],
    )
    for contact_id in sorted({contact_id for contact_id, consent in told if consent.purpose == TRACKING}):
        tx.run("set_tracking", id=contact_id)


def add_first_consents(tx: Transaction, consents: Sequence[tuple[int, Sequence[Consent]]]) -> None:
    """Keep grants and withdrawals of contacts of whom there are none yet."""
    proofs = _proofs(tx, {each.proof for _, said in consents for each in said if each.proof is not None})
    tx.many(
        "put_first_consents",
        [
            _consent_row(contact_id, number, consent, proofs)
            for contact_id, said in consents
            for number, consent in enumerate(said if len(said) == 1 else dict.fromkeys(said), 1)
        ],
    )


def _consent_row(contact_id: int, number: int, consent: Consent, proofs: Mapping[str, int]) -> Row:
    return (
        contact_id,
        number,
        int(consent.granted),
        consent.purpose,
        consent.channels,
        consent.topic,
        consent.at,
        consent.expires_at,
        None if consent.proof is None else proofs[consent.proof],
        consent.brand,
    )


def _proofs(tx: Transaction, details: set[str]) -> dict[str, int]:
    found: dict[str, int] = dict(tx.many("put_proofs", sorted((detail,) for detail in details)))
    if len(found) < len(details):
        found |= dict(tx.among_texts("proofs_by_detail", sorted(details - found.keys())))
    return found
