"""Whether the accounts that there are can carry a cascade: asked before it is activated."""

from __future__ import annotations

from collections.abc import Sequence

from kaskad.domain.cascade import Cascade
from kaskad.store.accounts import Account

ADD_ONE = "add one with `kaskad account add`"


def missing_accounts(
    cascade: Cascade, usable: Sequence[Account], remedy: str = ADD_ONE, place: str = ""
) -> list[str]:
    """Return what the steps lack, in words; `remedy` says where an account goes, `place` where they stand."""
    channels = {account.channel for account in usable}
    names = {account.name for account in usable}
    found = wrong_currencies(cascade, usable, place)
    for step in cascade.steps:
        if not channels & set(step.channels):
            uses = " or ".join(step.channels)
            found.append(
                f"Step {step.number + 1} ({step.id}) of {cascade.id!r} uses {uses}, which has no account: "
                f"{remedy}, or choose another channel."
            )
        elif step.account and step.account not in names:
            found.append(
                f"Step {step.number + 1} ({step.id}) of {cascade.id!r} names account {step.account!r}, "
                f"which does not exist: {remedy}."
            )
    return found


def wrong_currencies(cascade: Cascade, usable: Sequence[Account], place: str = "") -> list[str]:
    """Return which steps an account could carry whose price cannot be held against the budget, in words."""
    budget = cascade.budget.total or cascade.budget.per_contact
    if budget is None:
        return []
    where = f" in {place}" if place else ""
    return [
        f"Step {step.number + 1} ({step.id}) of {cascade.id!r} can be sent by account {account.name!r}, "
        f"whose price is in {currency}, and the budget is in {budget.currency}: give both in one currency, "
        f"or disable the account{where}."
        for step in cascade.steps
        for account in usable
        if account.channel in step.channels and step.account in (None, "", account.name)
        if (currency := account.prices.get("currency", budget.currency)) != budget.currency
    ]
