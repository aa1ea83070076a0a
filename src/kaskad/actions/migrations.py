"""Moving all live runs of a cascade to another version, in the background: with progress, until stopped.

What was moved is kept piece by piece, so whatever ends it (a stop, a failure, the server) loses nothing:
begun again, it goes on with those who are left.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from secrets import token_hex

from kaskad.actions import migrating
from kaskad.actions.migrating import START
from kaskad.actions.moves import Migration
from kaskad.actions.office import Office
from kaskad.actions.questions import CANCELLED, DONE, FAILED
from kaskad.domain.errors import KaskadError
from kaskad.domain.worded import worded
from kaskad.log import get_logger
from kaskad.store import cascades as cascade_store

log = get_logger(__name__)

PIECES = 5  # of `migrating` between two looks at whether it is to stop


def begin(office: Office, slug: str, to: int, mapping: Mapping[str, str]) -> Migration:
    """Begin to move all live runs of a cascade to version `to`; raises NotFound, Invalid, Conflict."""
    migrating.migrate(office, slug, to, mapping, dry_run=True, pieces=0)  # says what is wrong at once
    with office.read() as tx:
        cascade = cascade_store.by_slug(tx, slug)
        version = next(row.id for row in cascade_store.versions_of(tx, cascade.id) if row.number == to)
        rows = tx.all("runs_in_flight", cascade_id=cascade.id)
    made = Migration(f"mig_{token_hex(8)}", slug, to, sum(row[2] for row in rows if row[0] != version))
    office.migrations.put(made)
    threading.Thread(target=_run, args=(office, made, dict(mapping)), name=made.id, daemon=True).start()
    return made


def show(office: Office, slug: str, migration_id: str) -> Migration:
    """Return how one stands; raises NotFound."""
    return office.migrations.show(slug, migration_id)


def latest(office: Office, slug: str) -> Migration | None:
    """Return the one of a cascade that was begun last, None where there is none."""
    return office.migrations.latest(slug)


def stop(office: Office, slug: str, migration_id: str) -> Migration:
    """Let it end soon; who was moved stays moved. Raises NotFound."""
    found = office.migrations.show(slug, migration_id)
    found.is_stopping = True
    return found


def _run(office: Office, made: Migration, mapping: Mapping[str, str]) -> None:
    state = FAILED
    try:
        state = _moved(office, made, mapping)
    except KaskadError as error:  # the server stops, among others
        made.problem = str(error)
    except Exception as error:
        log.exception("migration failed", id=made.id)
        made.problem = worded("A defect in kaskad: %(name)s; the log says more.", name=type(error).__name__)
    made.state = state


def _moved(office: Office, made: Migration, mapping: Mapping[str, str]) -> str:
    """Move stretch after stretch; return how it ended."""
    after = START
    while not made.is_stopping:
        part = migrating.migrate(
            office, made.cascade, made.version, mapping, after=after, dry_run=False, pieces=PIECES
        )
        made.moved += part.moved
        for mine, theirs in ((made.places, part.places), (made.stay, part.stay)):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        made.seen = made.moved + sum(made.stay.values())
        if part.next is None:
            return DONE
        after = part.next
    return CANCELLED
