"""What a person brings above one held out, by currency, with the interval of the page "Does it work?"."""

from __future__ import annotations

from msgspec import structs

from kaskad.analytics.courses import Tally
from kaskad.analytics.measures import Gain, Seen, currency_of
from kaskad.analytics.scope import Scope
from kaskad.analytics.uplift import treated_and_held, worth_of
from kaskad.store.db import Transaction


def gains(tx: Transaction, cascade_id: int, scope: Scope, told: Tally, known: Seen) -> dict[str, Gain]:
    """Return the gain of people by their first runs, zeros included; of a currency that brought nothing none.

    Each currency is that of some versions; who entered by another has brought none of it.
    """
    effect = treated_and_held(told)
    if not effect.one.of or not effect.other.of:
        return {}
    versions: dict[str, list[int]] = {}
    for version_id in sorted({*told.values, *told.held}):
        versions.setdefault(currency_of(version_id, known), []).append(version_id)
    found: dict[str, Gain] = {}
    for currency, ids in versions.items():
        worth = worth_of(tx, cascade_id, structs.replace(scope, versions=tuple(ids)), effect, currency)
        if worth is None or worth.treated is None or worth.held is None:
            continue
        between = worth.difference
        low, high = (None, None) if between is None else (between.low, between.high)
        found[currency] = Gain(worth.treated - worth.held, low, high, worth.shown)
    return found
