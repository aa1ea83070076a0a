"""Whether columns are wanted here: whoever asks about many people, or is going to, says so."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kaskad.actions.office import Office
from kaskad.store import segment_blocks, segments, settings
from kaskad.store.db import Transaction

ASKED = "segments_asked"  # when somebody last asked about people, or prepared to
DAY_MS = 86_400_000
IN_USE_MS = 30 * DAY_MS
MANY_ROWS = 16_000  # of an import: whoever brings in so many will ask about them


def note(office: Office, tx: Transaction) -> None:
    """Keep that segments are asked about here; at most once a day."""
    last = settings.get(tx, ASKED, int)
    now = office.now()
    if last is None or now - last > DAY_MS:
        office.write(lambda own: settings.put(own, ASKED, now))


def is_wanted(office: Office, tx: Transaction) -> bool:
    """Tell whether columns shall be kept made: somebody asked of late, or segments wait to be asked for the
    first time.
    """
    last = settings.get(tx, ASKED, int)
    if last is None:
        if not segments.page(tx, after="", limit=1):
            return False
        note(office, tx)
        return True
    return office.now() - last <= IN_USE_MS


def refresh(office: Office) -> Iterator[tuple[int, int]]:
    """Make what is not made or has changed; yield how many blocks are done, of how many."""
    from kaskad.store import segment_base

    return segment_base.making(office.db, office.now(), office.write)


def drop(office: Office) -> Iterator[int]:
    """Drop all that is made, a block at a time; yield each. People who are changed are no longer noted."""
    with office.read() as tx:
        kept = segment_blocks.kept(tx)
    for block in kept:
        office.write(partial(segment_blocks.drop, block=block))
        yield block
