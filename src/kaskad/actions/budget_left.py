"""What budgets leave for a cascade to spend from now on: its own, those of accounts, and those of all."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from kaskad.actions.crowds import Asker
from kaskad.actions.office import Office
from kaskad.actions.rates import into
from kaskad.domain.cascade import Cascade
from kaskad.domain.errors import NotFound
from kaskad.domain.policy import DAY
from kaskad.domain.rates import converted
from kaskad.engine import spending
from kaskad.engine.purse import Purse
from kaskad.engine.spending import Spending
from kaskad.planning.budgets import Budgets, Limit
from kaskad.store import cascades

AHEAD_MS = 400 * DAY  # budgets by day or month begin anew within that


def budgets_of(
    office: Office, cascade: Cascade, asker: Asker, *, is_whole: bool = True
) -> Budgets | None:  # fmt: skip
    """Return what limits the spending of those who enter; None: nothing does.

    Of people who stand for others (not `is_whole`) only what each of them may cost is asked.
    """
    own, each = cascade.budget.total, cascade.budget.per_contact
    limits = []
    if own is not None and is_whole:
        limits.append(
            Limit(max(0.0, own.minor - spent_of(office, cascade)), _worth(office, asker, own.currency))
        )
    if is_whole:
        limits += limits_of_all(office, asker.told_in.to)
    if not limits and each is None:
        return None
    one = None if each is None else Limit(each.minor, _worth(office, asker, each.currency))
    return Budgets(limits, one, asker.timing())


def budgeted(office: Office, cascade: Cascade) -> bool:
    """Say whether a budget limits what all who enter may cost together: the cascade's, or accounts'."""
    kept = office.engine.world.money.spending
    return cascade.budget.total is not None or bool(kept is not None and kept.limits)


def limits_of_all(office: Office, told_in: str) -> list[Limit]:
    """Return what accounts, and all of them together, may spend by day or month, of costs in their own
    currencies and in one more."""
    world, now = office.engine.world, office.now()
    if world.money.spending is None:
        return []
    day = world.money.spending.day_of(now)
    with office.read() as tx:
        spent = spending.spent(tx, world.money.spending, world.accounts, day)
    return [
        Limit(
            max(0.0, float(one.minor - spent[one])), _worths(office, told_in, one.currency),
            one.account_id, is_strict=bool(one.account_id), anew=one.minor,
            turns=_turns(world.money.spending, one.period, now),
        )
        for one in world.money.spending.limits
    ]  # fmt: skip


def _turns(kept: Spending, period: str, now: int) -> tuple[int, ...]:
    found = [now]
    while found[-1] < now + AHEAD_MS:
        found.append(kept.ends_at(period, kept.day_of(found[-1])))
    return tuple(found[1:])


def held_of(office: Office, cascade: Cascade, currency: str) -> Decimal | None:
    """Return what is held of a cascade's budget, in minor units; None: no rate tells some of it."""
    with office.read() as tx:
        try:
            row = cascades.by_slug(tx, cascade.id)
        except NotFound:  # a definition that was never saved
            return Decimal(0)
        return Purse(office.engine.world, office.now()).held(tx, row.id, row.reserved, currency)


def short_of(office: Office, cascade: Cascade, cost: Mapping[str, int]) -> dict[str, int]:
    """Return what is left of the cascade's budget where that is less than a cost, in its minor units.

    {} where it is enough, where no budget is set, and where no rate of today holds the cost against it.
    """
    total = cascade.budget.total
    if total is None:
        return {}
    needed = into(office, total.currency).exact(cost)
    held = held_of(office, cascade, total.currency)
    if held is None or any(minor for name, minor in needed.items() if name != total.currency):
        return {}
    left = max(0, total.minor - int(held))
    return {total.currency: left} if needed.get(total.currency, Decimal(0)) > left else {}


def spent_of(office: Office, cascade: Cascade) -> float:
    """Return what is held of a cascade's budget, in its minor units: all, where no rate tells what is."""
    total = cascade.budget.total
    if total is None:
        return 0.0
    held = held_of(office, cascade, total.currency)
    return float(total.minor if held is None else held)


def _worth(office: Office, asker: Asker, currency: str) -> dict[str, float]:
    return _worths(office, asker.told_in.to, currency)


def _worths(office: Office, told_in: str, currency: str) -> dict[str, float]:
    """Return what a minor unit of each currency in which costs are told counts in one, by today's rates."""
    exchange = into(office, currency, told_in)
    found = {name: float(converted(1, name, currency, value)) for name, value in exchange.values.items()}
    return {**found, currency: 1.0}
