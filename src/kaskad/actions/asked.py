"""That segments are asked about here, and making what they are counted from."""

from __future__ import annotations

from collections.abc import Iterator

from kaskad.actions.office import Office
from kaskad.store import settings
from kaskad.store.db import Transaction

ASKED = "segments_asked"  # when somebody last asked about many people
_DAY_MS = 86_400_000
_FEW = 2  # blocks of contacts that are read as they stand in no time


def note(office: Office, tx: Transaction) -> None:
    """Keep that segments are asked about here, where it matters; at most once a day."""
    from kaskad.store import segment_base

    if (segment_base.last_block(tx) + 1) <= _FEW:
        return
    last = settings.get(tx, ASKED, int)
    now = office.now()
    if last is None or now - last > _DAY_MS:
        office.write(lambda own: settings.put(own, ASKED, now))


def refresh(office: Office) -> Iterator[tuple[int, int]]:
    """Make what is not made or has changed; yield how many blocks are done, of how many."""
    from kaskad.store import segment_base

    return segment_base.making(office.db, office.now(), office.write)
