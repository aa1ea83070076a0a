"""Addresses that do not exist: what a provider says of a message is kept with where it went (E8)."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from msgspec import Struct

from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.terms import Channel
from kaskad.engine.world import World
from kaskad.store import contacts
from kaskad.store import runs as run_store
from kaskad.store.db import Transaction
from kaskad.store.runs import MessageKey


class _Went(Struct):
    to: str = ""


_decode = msgspec.json.Decoder(_Went).decode


def _place(channel: Channel) -> Channel:
    """Return the channel under which the addresses of this one are kept: calls go to numbers of SMS."""
    return Channel.of(ADDRESS_CHANNEL.get(channel.code, channel.code))


def spoil_addresses(tx: Transaction, world: World, keys: Collection[MessageKey], now: int) -> None:
    """Mark the addresses that these messages went to as ones that do not exist."""
    if not keys:
        return
    wanted = sorted(set(keys))
    versions = {
        (run.contact_id, run.id): run.version_id for run in run_store.load(tx, {key[:2] for key in wanted})
    }
    dead = []
    for contact_id, run_id, step, body in tx.many("bodies_of", wanted):
        version = world.versions[versions[contact_id, run_id]]
        to = _decode(body).to
        dead += [(contact_id, _place(channel), to) for channel in version.cascade.steps[step].channels]
    contacts.mark_invalid(tx, dead, now)
