"""What the last events that begin a cascade tell of those to come: how long before the dates they name."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kaskad.actions.office import Office
from kaskad.domain.cascade import Cascade
from kaskad.domain.policy import DAY
from kaskad.planning.dates import Entry, Past, asks_events, coming
from kaskad.store import week_forecasts

DAYS, MOST = 28, 1_000

_decode = msgspec.json.Decoder(dict[str, object]).decode


def last_events(office: Office, cascade: Cascade, now: int) -> Mapping[int, Entry]:
    """Return by contact how people may enter next; {}: no step asks for a date of the event, or too few tell
    it."""
    if not asks_events(cascade):
        return {}
    with office.read() as tx:
        found = week_forecasts.last_events(tx, cascade.trigger.event, now - DAYS * DAY, MOST)
    events = [Past(contact_id, at, _decode(properties)) for contact_id, at, properties in found]
    return coming(cascade, events, now)
