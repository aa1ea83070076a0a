"""Load what the engine keeps in memory: cascades with their versions, accounts, what waits in the queue."""

from __future__ import annotations

import msgspec

from kaskad.domain.definition import to_cascade
from kaskad.domain.money import Price
from kaskad.domain.policy import Policy
from kaskad.domain.version import Version, prepare
from kaskad.engine import texts
from kaskad.engine.outbox import Outbox
from kaskad.engine.world import CascadeState, World
from kaskad.providers.base import Account, Limits
from kaskad.store import accounts as account_store
from kaskad.store import cascades as cascade_store
from kaskad.store import settings
from kaskad.store import webhooks as webhook_store
from kaskad.store.db import Transaction
from kaskad.store.suppressions import hash_key
from kaskad.store.vault import Vault

POLICY = "policy"


def load(tx: Transaction, vault: Vault, world: World) -> None:
    """Fill the world from the database; called at the start and after every change of these tables."""
    world.hash_key = world.hash_key or hash_key(tx, vault)
    policy = settings.get(tx, POLICY, Policy) or Policy()
    world.set_accounts(to_send_by(kept) for kept in account_store.all_accounts(tx, vault))
    cascades = cascade_store.all_cascades(tx)
    versions: list[Version] = []
    for cascade in cascades:
        for row in cascade_store.versions_of(tx, cascade.id):
            known = world.versions.get(row.id)
            same = known is not None and known.policy == policy
            versions.append(known if known and same else read_version(row, policy))
    world.set_versions(versions, [CascadeState(c.id, c.slug, c.state, c.version_id) for c in cascades])
    world.approved = texts.load(tx)
    types = webhook_store.subscribed(tx)
    world.outbox = Outbox(types) if types else None
    world.queued = {row[0]: row[1] for row in tx.all("queued_accounts")}


def read_version(row: cascade_store.VersionRow, policy: Policy) -> Version:
    """Return the version ready to run; raises Invalid where its text no longer reads, which is a defect."""
    return prepare(row.id, row.cascade_id, to_cascade(row.source, name=f"version {row.id}"), policy)


def to_send_by(kept: account_store.Account) -> Account:
    """Return an account as providers and transports see it."""
    return Account(
        id=kept.id, name=kept.name, provider=kept.provider, channel=kept.channel, settings=kept.settings,
        secrets=kept.secrets, limits=msgspec.convert(kept.limits, Limits),
        price=msgspec.convert(kept.prices, Price) if kept.prices else None, priority=kept.priority,
        weight=kept.weight, enabled=kept.enabled,
    )  # fmt: skip
