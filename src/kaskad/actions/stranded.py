"""Which people under way would be sent nothing more, were an account gone."""

from __future__ import annotations

from kaskad.domain.cascade import Step
from kaskad.domain.terms import Phase
from kaskad.engine.world import World
from kaskad.store.accounts import Account
from kaskad.store.db import Transaction

_NOT_SENT = (Phase.ENTER, Phase.QUEUED)  # phases in which the message of a run's own step is still to go


def cascades_that_need(tx: Transaction, world: World, account: Account) -> list[str]:
    """Return the cascades with runs under way that no other enabled account could carry on, by name.

    Every later step of a run counts, also one that a branch may pass over.
    """
    others = any(
        other.enabled and other.channel is account.channel and other.name != account.name
        for other in world.accounts.values()
    )
    found = set()
    for cascade_id, version_id, step, phase in tx.all("runs_under_way"):
        version, cascade = world.versions.get(version_id), world.cascades.get(cascade_id)
        first = step if phase in _NOT_SENT else step + 1
        if version is None or cascade is None:
            continue
        if any(_needs(each, account, others) for each in version.cascade.steps if each.number >= first):
            found.add(cascade.slug)
    return sorted(found)


def _needs(step: Step, account: Account, others: bool) -> bool:
    if step.account:
        return step.account == account.name
    return account.channel in step.channels and not others
