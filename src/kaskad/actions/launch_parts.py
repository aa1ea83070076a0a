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

_PIECE = 50_000  # people looked at together


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


def divide(office: Office, planned: Planned, list_id: int | None, made: list[int]) -> Parted:
    """Return who enters when, of a list or of all, where each goes by their own clock; lists go into `made`.

    Whose zone is not known goes by the brand's; of several the first counts.
    """
    if planned.date.clock != store.OWN:
        return Parted()
    brand, wall_at = brand_zone(office), planned.date.wall_at
    own: dict[int, int] = {}
    at_zone: dict[str, int] = {}
    rows, after = [(0, "")], 0
    while rows:
        with office.read() as tx:
            rows = store.zones(tx, list_id, after, _PIECE)
        found: defaultdict[int, list[int]] = defaultdict(list)
        for after, known in rows:
            zone = next(iter(known.split()), "")
            if zone not in at_zone:
                at_zone[zone] = instant(wall_at, zone if is_zone(zone) else brand)
            found[at_zone[zone]].append(after)
        for opens_at, contact_ids in found.items():
            if opens_at not in own:
                own[opens_at] = _list(office, planned.launch_id, opens_at)
                made.append(own[opens_at])
            lists.fill(office, own[opens_at], contact_ids)
    return Parted(own, instant(wall_at, brand))


def _list(office: Office, launch_id: int, opens_at: int) -> int:
    name = f"{lists.HOURS}{launch_id}: {opens_at} {office.now()}"
    return office.write(lambda tx: cascades.save_list(tx, name))
