"""People of a launch by when it is their hour: those whose clocks show the same enter together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from msgspec import Struct

from kaskad.actions import lists
from kaskad.actions.office import Office
from kaskad.domain.hours import is_zone, wall_instant
from kaskad.domain.policy import DAY, Policy
from kaskad.engine.catalog import POLICY
from kaskad.store import cascades, settings
from kaskad.store import launch_dates as store
from kaskad.store.launch_dates import Planned

PREFIX = "hours of launch "  # of the lists' names
_PIECE = 5_000


class Parted(Struct, frozen=True):
    """Lists of people by the instant of their hour, and that of the brand's zone; empty: all at once."""

    lists: Mapping[int, int] = {}
    brand_at: int | None = None


def instant(wall_at: int, zone: str) -> int:
    """Return when the clock of a zone shows that; what it leaves out in spring is as much later."""
    return wall_instant(wall_at // DAY, wall_at % DAY, zone)


def brand_zone(office: Office) -> str:
    """Return the zone of the brand's clock."""
    with office.read() as tx:
        return (settings.get(tx, POLICY, Policy) or Policy()).zone


def divide(office: Office, planned: Planned, list_id: int | None) -> Parted:
    """Return who enters when, of a list or of all, where each goes by their own clock.

    Whose zone is not known goes by the brand's; of several the first counts.
    """
    if planned.date.clock != store.OWN:
        return Parted()
    brand, wall_at = brand_zone(office), planned.date.wall_at
    found: defaultdict[int, list[int]] = defaultdict(list)
    at_zone: dict[str, int] = {}
    after = 0
    while True:
        with office.read() as tx:
            rows = store.zones(tx, list_id, after, _PIECE)
        for contact_id, known in rows:
            zone = next(iter(known.split()), "")
            if zone not in at_zone:
                at_zone[zone] = instant(wall_at, zone if is_zone(zone) else brand)
            found[at_zone[zone]].append(contact_id)
        if len(rows) < _PIECE:
            break
        after = rows[-1][0]
    made = {opens_at: _list(office, planned.launch_id, opens_at, ids) for opens_at, ids in found.items()}
    return Parted(made, instant(wall_at, brand))


def _list(office: Office, launch_id: int, opens_at: int, contact_ids: list[int]) -> int:
    name = f"{PREFIX}{launch_id}: {opens_at} {office.now()}"
    list_id = office.write(lambda tx: cascades.save_list(tx, name))
    lists.fill(office, list_id, contact_ids)
    return list_id
