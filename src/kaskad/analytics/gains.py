"""What a person brings above one held out, by currency, with the interval of the page "Does it work?"."""

from __future__ import annotations

from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import Tally
from kaskad.analytics.measures import Gain, Seen, currency_of
from kaskad.analytics.scope import Scope
from kaskad.analytics.uplift import treated_and_held, worths_of
from kaskad.store.db import Transaction


def gains(
    tx: Transaction, cascade_id: int, scope: Scope, told: Tally, known: Seen, changed: Changed
) -> dict[str, Gain]:
    """Return the gain of people by their first runs, zeros included; of a currency that brought nothing none.

    Each currency is that of some versions; who entered by another has brought none of it. All that can be
    told in one is of all versions together, at one rate for each of theirs.
    """
    effect = treated_and_held(told)
    if not effect.one.of or not effect.other.of:
        return {}
    currencies = {each: currency_of(each, known) for each in {*told.values, *told.held}}
    found: dict[str, Gain] = {}
    for worth in worths_of(tx, cascade_id, scope, effect, currencies, known.told_in.worth, changed):
        if worth.treated is None or worth.held is None:
            continue
        between = worth.difference
        low, high = (None, None) if between is None else (between.low, between.high)
        found[worth.currency] = Gain(worth.treated - worth.held, low, high, worth.shown)
    return found
