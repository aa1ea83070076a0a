"""Table `suppressions`: addresses that are never written to again, kept as keyed hashes only.

The hash outlives the contact, so that an erased address which is imported again stays suppressed.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Sequence

from kaskad.domain.terms import Channel
from kaskad.store import settings
from kaskad.store.db import Transaction
from kaskad.store.vault import Vault, keyed_hash

SETTING = "suppression_key"
SUPPRESSED = 2  # health of an address
_PHONE = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)  # one number: a stop to one of them is for all
_KINDS = {channel.code: "phone" if channel in _PHONE else channel.value for channel in Channel}

AddressKey = tuple[Channel, str]


def hash_key(tx: Transaction, vault: Vault) -> bytes:
    """Return the key of the hashes, made at first use; it stays the same when the vault's keys change."""
    fresh = vault.encrypt(base64.b64encode(secrets.token_bytes(32)).decode()).decode()
    token = settings.put_first(tx, SETTING, fresh, str)
    return base64.b64decode(vault.decrypt(token.encode(), str))


def rotate_hash_key(tx: Transaction, vault: Vault) -> None:
    """Write the key anew under the vault's first key."""
    token = settings.get(tx, SETTING, str)
    if token is not None:
        settings.put(tx, SETTING, vault.rotate(token.encode()).decode())


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
    found = {bytes(row[0]) for row in tx.many("suppressed", [(digest,) for digest in set(hashes.values())])}
    return {address for address, digest in hashes.items() if digest in found} if found else set()


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
