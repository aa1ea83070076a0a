"""Whether columns are wanted here: whoever asks about many people, or is going to, says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from kaskad.actions.office import Office
from kaskad.domain.condition import Kept, parse, walk
from kaskad.domain.segment import READY
from kaskad.store import cascades, run_blocks, segment_blocks, segments, settings
from kaskad.store.db import Transaction
from kaskad.store.segment_blocks import Standing

ASKED = "segments_asked"  # when somebody last asked about people, or prepared to
DAY_MS = 86_400_000
IN_USE_MS = 30 * DAY_MS
LARGE = 8  # blocks of contacts; of fewer the tables tell in some ten milliseconds
SEVERAL = 8  # deeds that segments ask about, and cascades, of which columns are brought into memory
MANY_ROWS = 16_000  # of an import: whoever brings in so many will ask about them


def note(office: Office, tx: Transaction) -> None:
    """Keep that segments are asked about here; at most once a day."""
    last = settings.get(tx, ASKED, int)
    now = office.now()
    if last is None or now - last > DAY_MS:
        office.write(lambda own: settings.put(own, ASKED, now))


def note_of_many(office: Office, tx: Transaction) -> None:
    """Keep the same where there are many people: of few the tables tell as soon."""
    if segment_blocks.last_block(tx) >= LARGE:
        note(office, tx)


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


def standings(tx: Transaction) -> tuple[Standing, Standing]:
    """Return how much is made of contacts, and of as what their runs are counted."""
    return segment_blocks.standing(tx), run_blocks.standing(tx)


def refresh(office: Office) -> Iterator[tuple[int, int]]:
    """Make what is not made or has changed; yield how many blocks are done, of how many."""
    from kaskad.store import run_columns, segment_base

    yield from segment_base.making(office.db, office.now(), office.write)
    yield from run_columns.making(office.db, office.write)


def to_memory(office: Office) -> Iterator[Callable[[], object]]:
    """Yield what brings into memory what segments ask of cascades, and as what the runs of those changed last
    are counted: nothing where columns are not wanted or not made, or people are few."""
    from kaskad.store import deed_columns, run_columns

    with office.read() as tx:
        if not is_wanted(office, tx) or any(
            each.blocks < LARGE or each.made < each.blocks for each in standings(tx)
        ):
            return
        trees = [parse(text).tree for text in READY.values()]
        trees += [each.condition.tree for each in segments.page(tx, after="", limit=SEVERAL)]
        latest = sorted(cascades.all_cascades(tx), key=lambda row: -row.changed_at)[:SEVERAL]
    nodes = [
        node for tree in trees for node in walk(tree) if isinstance(node, Kept) and node.function == "cascade"
    ]
    asked_for = dict.fromkeys(deed_columns.asked_for(node) for node in nodes)
    for deeds in list(asked_for)[:SEVERAL]:
        yield partial(_bring, office, partial(deed_columns.bring, asked=deeds))
    for row in latest:
        yield partial(_bring, office, partial(run_columns.bring, cascade_id=row.id))


def _bring(office: Office, bring: Callable[[Transaction], object]) -> None:
    with office.read() as tx:
        bring(tx)


def drop(office: Office) -> Iterator[int]:
    """Drop all that is made, a block at a time; yield each. People who are changed are no longer noted."""
    for own in (segment_blocks, run_blocks):
        with office.read() as tx:
            kept = own.kept(tx)
        for block in kept:
            office.write(partial(own.drop, block=block))
            yield block
