"""Whether a cascade's budget is enough for what it is expected to cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from kaskad.actions.office import Office
from kaskad.actions.rates import into
from kaskad.domain.cascade import Cascade
from kaskad.domain.errors import NotFound
from kaskad.engine.purse import Purse
from kaskad.store import cascades


def short_of(office: Office, cascade: Cascade, cost: Mapping[str, int]) -> dict[str, int]:
    """Return what is left of the budget where that is less than a cost, in minor units of its currency.

    {} where it is enough, where no budget is set, and where no rate of today holds the cost against it.
    """
    total = cascade.budget.total
    if total is None:
        return {}
    needed = into(office, total.currency).exact(cost)
    with office.read() as tx:
        try:
            row = cascades.by_slug(tx, cascade.id)
            held = Purse(office.engine.world, office.now()).held(tx, row.id, row.reserved, total.currency)
        except NotFound:  # a definition that was never saved
            held = Decimal(0)
    if held is None or any(minor for name, minor in needed.items() if name != total.currency):
        return {}
    left = max(0, total.minor - int(held))
    return {total.currency: left} if needed.get(total.currency, Decimal(0)) > left else {}
