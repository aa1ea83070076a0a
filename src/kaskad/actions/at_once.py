"""Sending at once, for tries in the sandbox: no hours, gaps, caps and hold-outs until it ends.

The rules that held before are kept and come back: when the sandbox closes, and before the first account that
leads out of it is saved.
"""

from __future__ import annotations

from msgspec import Struct, structs

from kaskad.actions.office import Office
from kaskad.domain.policy import Policy
from kaskad.engine.catalog import POLICY
from kaskad.store import held_shares
from kaskad.store import settings as setting_store
from kaskad.store.db import Transaction

SETTING = "at_once"
_RULES = ("windows", "window_jitter_ms", "caps", "min_gap_ms", "run_gap_ms", "holdout")


class Before(Struct, frozen=True):
    """The policy as it was; None while nothing is tried."""

    policy: Policy | None = None


def is_on(office: Office) -> bool:
    """Say whether messages go at once now."""
    with office.read() as tx:
        return _before(tx) is not None


def begin(office: Office) -> None:
    """Let messages go at once; may be called twice."""

    now = office.now()

    def change(tx: Transaction) -> None:
        if _before(tx) is not None:
            return
        policy = setting_store.get(tx, POLICY, Policy) or Policy()
        setting_store.put(tx, SETTING, Before(policy))
        held_shares.put_policy(tx, _with_rules_of(policy, Policy.unlimited()), now)

    office.write(change)
    office.reload()


def end(office: Office) -> None:
    """Let the rules hold again that held before; what else of the policy was changed meanwhile stays."""

    now = office.now()

    def change(tx: Transaction) -> None:
        before = _before(tx)
        if before is not None:
            policy = setting_store.get(tx, POLICY, Policy) or Policy()
            held_shares.put_policy(tx, _with_rules_of(policy, before), now)
            setting_store.put(tx, SETTING, Before())

    if is_on(office):
        office.write(change)
        office.reload()


def _before(tx: Transaction) -> Policy | None:
    return (setting_store.get(tx, SETTING, Before) or Before()).policy


def _with_rules_of(policy: Policy, other: Policy) -> Policy:
    return structs.replace(policy, **{name: getattr(other, name) for name in _RULES})
