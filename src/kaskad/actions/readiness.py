"""Whether the accounts that there are can carry a cascade: asked before it is activated."""

from __future__ import annotations

from collections.abc import Sequence

from kaskad.domain.cascade import Cascade
from kaskad.domain.rates import NO_RATES, Rates
from kaskad.domain.worded import worded
from kaskad.store.accounts import Account

ADD_ONE = worded("add one with `kaskad account add`")


def missing_accounts(
    cascade: Cascade, usable: Sequence[Account], remedy: str = ADD_ONE, place: str = "",
    rates: Rates = NO_RATES, day: int = 0,
) -> list[str]:  # fmt: skip
    """Return what the steps lack, in words; `remedy` says where an account goes, `place` where they stand.

    `rates` of a day (since 1970) let prices be held against a budget in another currency.
    """
    channels = {account.channel for account in usable}
    names = {account.name for account in usable}
    found = wrong_currencies(cascade, usable, place, rates, day)
    for step in cascade.steps:
        if not channels & set(step.channels):
            uses = " or ".join(step.channels)
            found.append(
                worded(
                    "Step %(number)s (%(step)s) of %(cascade)r uses %(uses)s, which has no account: "
                    "%(remedy)s, or choose another channel.",
                    number=step.number + 1,
                    step=step.id,
                    cascade=cascade.id,
                    uses=uses,
                    remedy=remedy,
                )
            )
        elif step.account and step.account not in names:
            found.append(
                worded(
                    "Step %(number)s (%(step)s) of %(cascade)r names account %(account)r, which does "
                    "not exist: %(remedy)s.",
                    number=step.number + 1,
                    step=step.id,
                    cascade=cascade.id,
                    account=step.account,
                    remedy=remedy,
                )
            )
    return found


def wrong_currencies(
    cascade: Cascade, usable: Sequence[Account], place: str = "", rates: Rates = NO_RATES, day: int = 0
) -> list[str]:
    """Return which steps an account could carry whose price cannot be held against the budget, in words.

    A rate of the day (since 1970) lets it be held against one in another currency.
    """
    budget = cascade.budget.total or cascade.budget.per_contact
    if budget is None:
        return []
    where = worded(" in %(place)s", place=place) if place else ""
    return [
        worded(
            "Step %(number)s (%(step)s) of %(cascade)r can be sent by account %(name)r, "
            "whose price is in %(currency)s, and the budget is in %(currency2)s: give both "
            "in one currency, or disable the account%(where)s.",
            number=step.number + 1,
            step=step.id,
            cascade=cascade.id,
            name=account.name,
            currency=currency,
            currency2=budget.currency,
            where=where,
        )
        for step in cascade.steps
        for account in usable
        if account.channel in step.channels and step.account in (None, "", account.name)
        if (currency := account.prices.get("currency", budget.currency)) != budget.currency
        if rates.find(currency, budget.currency, day) is None
    ]
