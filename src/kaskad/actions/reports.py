"""How cascades do: who was reached, by what, and for how much."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions import segments
from kaskad.actions.cascades import definition_of
from kaskad.actions.office import Office
from kaskad.analytics import reach
from kaskad.analytics.reach import Report
from kaskad.store import cascades as store


class Told(Struct, frozen=True):
    """A report, with what the cascade is at that moment."""

    state: str
    version: int
    launches: int  # under way
    report: Report


def report(office: Office, slug: str, segment: str = "") -> Told:
    """Return the report of a cascade, of the people only who are in a segment now where one is named.

    Raises NotFound, and Conflict for one that was never activated.
    """
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        cascade = definition_of(office, tx, row)
        launches = tx.one("open_launches", cascade_id=row.id)
        version = store.version(tx, row.version_id or 0).number
        people = segments.members(tx, office, segment) if segment else None
        made = reach.report(tx, row.id, cascade, office.now(), people)
    return Told(row.state, version, launches[0] if launches else 0, made)
