"""Table `suppressions`: addresses and mail domains that are never written to again, as keyed hashes only.

The hash outlives the contact, so that an erased address which is imported again stays suppressed.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Sequence

from kaskad.domain.address import covering
from kaskad.domain.terms import Channel
from kaskad.store import runs, settings
from kaskad.store.db import Transaction
from kaskad.store.sealed import HASHING
from kaskad.store.vault import Vault, keyed_hash

SUPPRESSED = 2  # health of an address
_PHONE = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)  # one number: a stop to one of them is for all
_KINDS = {channel.code: "phone" if channel in _PHONE else channel.value for channel in Channel}

_DOMAIN = "domain"  # a kind of its own: every address at a mail domain
_EMAIL = Channel.EMAIL.code

AddressKey = tuple[Channel, str]


def hash_key(tx: Transaction, vault: Vault) -> bytes:
    """Return the key of the hashes, made at first use; it stays the same when the vault's keys change."""
    fresh = vault.encrypt(base64.b64encode(secrets.token_bytes(32)).decode()).decode()
    token = settings.put_first(tx, HASHING, fresh, str)
    return base64.b64decode(vault.decrypt(token.encode(), str))


def fence(tx: Transaction, addresses: Iterable[AddressKey]) -> None:
    """Wait for ticks of other processes that decide about people who have these addresses, so that no timer
    overtakes the "no" of whoever then stops them: before `lock_contacts`, as ticks take it last.
    """
    keys = sorted({(same.code, value) for channel, value in addresses for same in _same(channel)})
    runs.fence(tx, sorted({row[2] for row in tx.many("contacts_by_address", keys)}) if keys else [])


def suppress(tx: Transaction, key: bytes, addresses: Iterable[AddressKey], reason: str, at: int) -> int:
    """Never write to these addresses again, whoever has them; return how many are marked now."""
    kept = sorted({(same, value) for channel, value in addresses for same in _same(channel)})
    hashes = sorted({_hash(key, channel, value) for channel, value in kept})
    tx.all("lock_contacts")
    tx.changed_many("put_suppressions", [(digest, reason, at) for digest in hashes])
    return tx.changed_many("suppress_addresses", [(channel.code, value, at) for channel, value in kept])


def suppressed(tx: Transaction, key: bytes, addresses: Sequence[AddressKey]) -> set[AddressKey]:
    """Return those of the addresses that are suppressed."""
    found = stopped(tx, key, [(channel.code, value) for channel, value in addresses])
    return {each for each in addresses if (each[0].code, each[1]) in found} if found else set()


def stopped(tx: Transaction, key: bytes, addresses: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return those of the addresses (code of the channel, value) that are suppressed."""
    if not addresses or not is_anybody_suppressed(tx):
        return set()
    hashes = {address: keyed_hash(key, _KINDS[address[0]], address[1]) for address in addresses}
    at = {value: value.rpartition("@")[2] for code, value in addresses if code == _EMAIL}
    domains = {domain: domain_hashes(key, domain) for domain in set(at.values())}
    asked = {*hashes.values(), *(digest for each in domains.values() for digest in each)}
    found = {bytes(row[0]) for row in tx.many("suppressed", [(digest,) for digest in asked])}
    if not found:
        return set()
    whole = {domain for domain, digests in domains.items() if not found.isdisjoint(digests)}
    return {
        address
        for address, digest in hashes.items()
        if digest in found or (address[0] == _EMAIL and at[address[1]] in whole)
    }


def put_domains(tx: Transaction, key: bytes, domains: Iterable[str], reason: str, at: int) -> None:
    """Note that nobody at these mail domains is written to again; `mark` tells it to addresses there."""
    tx.all("lock_contacts")
    tx.changed_many(
        "put_suppressions", [(domain_hash(key, each), reason, at) for each in sorted(set(domains))]
    )


def at_domains(
    tx: Transaction, domains: Sequence[str], after: int, until: int, *, marked: bool
) -> list[tuple[int, str]]:
    """Return contacts between two with their addresses at these domains: those on the list, or others."""
    rows = [
        (
            each.removeprefix("*."),
            _EMAIL,
            after,
            until,
            SUPPRESSED if marked else 0,
            int(each.startswith("*.")),
        )
        for each in sorted(set(domains))
    ]
    return [(row[0], row[1]) for row in tx.many("addresses_at", rows)]


def mark(tx: Transaction, places: Sequence[tuple[int, str]], at: int) -> int:
    """Put addresses of contacts on the stop-list, whose domain is there; return how many are new on it."""
    return tx.changed_many("suppress_at", [(contact_id, _EMAIL, value, at) for contact_id, value in places])


def lift_domains(tx: Transaction, key: bytes, domains: Iterable[str]) -> int:
    """Take mail domains off the stop-list; return how many were on it. `unmark` tells it to addresses."""
    tx.all("lock_contacts")
    return tx.changed_many("drop_suppressions", [(domain_hash(key, each),) for each in sorted(set(domains))])


def lift(
    tx: Transaction, key: bytes, addresses: Iterable[AddressKey]
) -> list[tuple[Channel, tuple[int, str]]]:
    """Take addresses off the stop-list; return where contacts have them, for `unmark`."""
    kept = sorted({(same, value) for channel, value in addresses for same in _same(channel)})
    tx.all("lock_contacts")
    tx.changed_many("drop_suppressions", [(each,) for each in sorted({_hash(key, *one) for one in kept})])
    return [
        (channel, (owner, value)) for channel, value in kept for owner in owners(tx, channel, value)
    ]  # fmt: skip


def owners(tx: Transaction, channel: Channel, value: str) -> list[int]:
    """Return the contacts who have an address."""
    return [row[0] for row in tx.all("contacts_at_address", channel=channel.code, value=value)]


def unmark(
    tx: Transaction, key: bytes, places: Sequence[tuple[int, str]], at: int, *,
    channel: Channel = Channel.EMAIL,
) -> int:  # fmt: skip
    """Call addresses good again that nothing keeps on the stop-list any more; return how many."""
    code = channel.code
    kept = stopped(tx, key, [(code, value) for _, value in places])
    free = [each for each in places if (code, each[1]) not in kept]
    return tx.changed_many("lift_at", [(contact_id, code, value, at) for contact_id, value in free])


def known(tx: Transaction, digests: Sequence[bytes]) -> dict[bytes, tuple[str, int]]:
    """Return why and since when these hashes are on the stop-list; those that are not are left out."""
    rows = tx.many("suppressions_by_hash", [(digest,) for digest in sorted(set(digests))])
    return {bytes(row[0]): (row[1], row[2]) for row in rows}


def domain_hash(key: bytes, domain: str) -> bytes:
    """Return the hash of a mail domain; with `*.` before it of the domain and all that are below it."""
    return keyed_hash(key, _DOMAIN, domain)


def domain_hashes(key: bytes, domain: str) -> list[bytes]:
    """Return the hashes by which a mail domain may be on the list."""
    return [domain_hash(key, each) for each in covering(domain)]


def address_hash(key: bytes, channel: Channel, value: str) -> bytes:
    """Return the hash of an address; a phone number has one for all channels that use it."""
    return _hash(key, channel, value)


def digests(key: bytes, addresses: Iterable[AddressKey]) -> list[str]:
    """Return the hashes of addresses as texts, sorted, each once."""
    return sorted({_hash(key, channel, value).hex() for channel, value in addresses})


def is_anybody_suppressed(tx: Transaction) -> bool:
    """Return whether the list has an entry at all."""
    return tx.one("any_suppression") is not None


def _same(channel: Channel) -> tuple[Channel, ...]:
    return _PHONE if channel in _PHONE else (channel,)


def _hash(key: bytes, channel: Channel, value: str) -> bytes:
    return keyed_hash(key, _KINDS[channel.code], value)
