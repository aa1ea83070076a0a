"""Load what the engine keeps in memory: cascades with their versions, accounts, what waits in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from kaskad.domain.content import TextBook
from kaskad.domain.definition import defined
from kaskad.domain.money import Price
from kaskad.domain.policy import Policy
from kaskad.domain.rhythm import Curves
from kaskad.domain.version import Version, prepare
from kaskad.engine import texts, unread
from kaskad.engine.outbox import Outbox
from kaskad.engine.ranges import read_ranges, starters
from kaskad.engine.returns import begin_anew
from kaskad.engine.versions import Cascades, CascadeState, Unread, Versions
from kaskad.engine.world import World
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account, Limits
from kaskad.store import accounts as account_store
from kaskad.store import cascades as cascade_store
from kaskad.store import (
    held_shares,
    holds,
    learning,
    rhythms,
    seeds,
    set_aside,
    settings,
    step_holds,
    trials,
    version_canaries,
    winners,
)
from kaskad.store import sites as site_store
from kaskad.store import templates as template_store
from kaskad.store import webhooks as webhook_store
from kaskad.store.db import Transaction
from kaskad.store.suppressions import hash_key
from kaskad.store.vault import Vault

POLICY = held_shares.POLICY


def load(tx: Transaction, vault: Vault, world: World) -> None:
    """Fill the world from the database; called at the start and after every change of these tables."""
    world.hash_key = world.hash_key or hash_key(tx, vault)
    world.policy = policy = settings.get(tx, POLICY, Policy) or Policy()
    world.link_hosts = frozenset(
        urlsplit(one.link_domain).netloc.lower().encode("idna") for one in policy.brands if one.link_domain
    )
    _note_services(tx)
    changed = world.accounts.replace(to_send_by(kept) for kept in account_store.all_accounts(tx, vault))
    world.traffic.follow_accounts(changed, world.clock.now())
    cascades = cascade_store.all_cascades(tx)
    versions, not_read = _versions(tx, world, cascades)
    new = [version for version in versions if version.id not in world.versions]
    if new:  # for the views
        steps = [(version.id, step.number, step.id) for version in new for step in version.cascade.steps]
        tx.many("put_step_names", steps)
        tx.many("put_version_currencies", [(each.id, each.cascade.budget.currency) for each in new])
    _note_returns(tx, world, cascades, versions)
    states = Cascades({c.id: CascadeState(c.id, c.slug, c.state, c.version_id) for c in cascades})
    on_trial = {row.base_id: row.trial for row in trials.running(tx)} | {
        row.base_id: row.lot for row in version_canaries.running(tx)
    }
    catalog = Versions(versions, states.values(), unread=not_read, trials=on_trial)
    catalog.take_over(world.versions)
    world.versions, world.cascades = catalog, states
    world.curves = settings.get(tx, rhythms.CURVES, Curves) or Curves()
    world.money.load(tx, policy, world.accounts, world.clock.now())
    world.set_sites(site_store.all_sites(tx, vault))
    _load_ranges(tx, world)
    world.seeds = frozenset(seeds.all_seeds(tx))
    world.accounts.approved = texts.load(tx)
    types = webhook_store.subscribed(tx).union(*world.accounts.journals.values())
    world.outbox = Outbox(types) if types else None
    world.traffic.set_holds(holds.load(tx))
    world.merges = world.merges or tx.one("any_merge") is not None
    world.work.entries_set_aside = set_aside.count(tx)
    world.traffic.queued = {row[0]: row[1] for row in tx.all("queued_accounts")}


def _versions(
    tx: Transaction, world: World, cascades: Sequence[cascade_store.CascadeRow]
) -> tuple[list[Version], dict[int, Unread]]:  # fmt: skip
    """Return all versions that read, and by id those that do not."""
    versions: list[Version] = []
    not_read: dict[int, Unread] = {}
    learnt, won, held = learning.chances(tx), winners.weights(tx), step_holds.held(tx)
    for cascade in cascades:
        for row in cascade_store.versions_of(tx, cascade.id):
            version = world.versions.get(row.id)
            if version is None or version.policy != world.policy:
                try:
                    version = read_version(tx, row, world.policy)
                except Exception as error:
                    not_read[row.id] = unread.note(world, cascade.slug, row, error)
                    continue
            now = learnt.get(row.id, {}), won.get(row.id, {}), held.get(row.id, {})
            if (version.chances, version.weights, version.held) != now:
                version = structs.replace(version, chances=now[0], weights=now[1], held=now[2])
            versions.append(version)
    return versions, not_read


def _note_returns(
    tx: Transaction, world: World, cascades: Sequence[cascade_store.CascadeRow], versions: Sequence[Version]
) -> None:  # fmt: skip
    """Let past returns be found of cascades whose running version tells them otherwise than the last one."""
    told = {each.id: each.cascade.goal.returned if each.cascade.goal else None for each in versions}
    before = {number: one.version_id for number, one in world.cascades.items()}
    changed = [
        each.id
        for each in cascades
        if each.version_id in told
        and (last := before.get(each.id))
        and told.get(last) != told[each.version_id]
    ]
    if changed:
        begin_anew(tx, changed)


def _note_services(tx: Transaction) -> None:
    """Keep what the service of each account tells, as SQL cannot read it from providers."""
    for number, provider, known in tx.all("account_tells"):
        one = PROVIDERS.get(provider)
        tells = one.capabilities.tells if one else 0
        if tells != known:
            tx.run("put_account_tells", id=number, tells=tells)


def _load_ranges(tx: Transaction, world: World) -> None:
    """Read the addresses of machines where their lists have changed."""
    mark = [(one.name, one.changed_at) for one in site_store.range_names(tx)]
    if mark != world.ranges_mark:
        world.ranges = read_ranges([*starters(), *site_store.range_lists(tx)])
        world.ranges_mark = mark


def read_version(tx: Transaction, row: cascade_store.VersionRow, policy: Policy) -> Version:
    """Return the version ready to run; raises Invalid where its text no longer reads, which is a defect."""
    cascade = defined(row.source, name=f"version {row.id}")
    return prepare(row.id, row.cascade_id, cascade, policy, TextBook(template_store.frozen(tx, row.id)))


def to_send_by(kept: account_store.Account) -> Account:
    """Return an account as providers and transports see it."""
    return Account(
        id=kept.id, name=kept.name, provider=kept.provider, channel=kept.channel, settings=kept.settings,
        secrets=kept.secrets, limits=msgspec.convert(kept.limits, Limits),
        price=msgspec.convert(kept.prices, Price) if kept.prices else None, priority=kept.priority,
        weight=kept.weight, enabled=kept.enabled,
    )  # fmt: skip
