"""Whether columns are wanted here: whoever asks about many people, or is going to, says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from kaskad.actions.cascade_texts import source_of
from kaskad.actions.office import Office
from kaskad.domain.condition import Event, Kept, parse, walk
from kaskad.domain.errors import Invalid
from kaskad.domain.segment import READY
from kaskad.store import cascades, run_blocks, segment_blocks, segments, settings
from kaskad.store.db import Transaction
from kaskad.store.segment_blocks import Standing

ASKED = "segments_asked"  # when somebody last asked about people, or prepared to
DAY_MS = 86_400_000
IN_USE_MS = 30 * DAY_MS
LARGE = 8  # blocks of contacts; of fewer the tables tell in some ten milliseconds
SEVERAL = 8  # events and deeds that segments ask about, and cascades, that are brought into memory
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
    """Yield what brings into memory what segments ask of people and of cascades, and as what the runs of
    those changed last are counted: nothing where columns are not wanted or not made, or people are few."""
    from kaskad.actions import control
    from kaskad.store import deed_columns, run_columns, segment_columns, touch_columns

    with office.read() as tx:
        if not is_wanted(office, tx) or any(
            each.blocks < LARGE or each.made < each.blocks for each in standings(tx)
        ):
            return
        trees = [parse(text).tree for text in READY.values()]
        trees += [each.condition.tree for each in segments.page(tx, after="", limit=SEVERAL)]
        latest = sorted(cascades.all_cascades(tx), key=lambda row: -row.changed_at)[:SEVERAL]
    nodes = [node for tree in trees for node in walk(tree)]
    names = dict.fromkeys(node.name for node in nodes if isinstance(node, Event))
    yield partial(_bring, office, partial(segment_columns.bring, names=list(names)[:SEVERAL]))
    asked_for = dict.fromkeys(
        deed_columns.asked_for(node)
        for node in nodes
        if isinstance(node, Kept) and node.function == "cascade"
    )
    for deeds in list(asked_for)[:SEVERAL]:
        yield partial(_bring, office, partial(deed_columns.bring, asked=deeds))
    yield partial(control.show, office)
    yield partial(_bring, office, touch_columns.bring)
    for row in latest:
        yield partial(_bring_reactions, office, row.slug)
        yield partial(_bring, office, partial(run_columns.bring, cascade_id=row.id))


def _bring_reactions(office: Office, slug: str) -> None:
    """Bring into memory how people react to a cascade, which optimisation asks for."""
    from kaskad.actions.crowds import drawn
    from kaskad.actions.reactions import reactions

    with office.read() as tx:
        text = source_of(tx, slug)[0]
    with suppress(Invalid):  # a draft of which nothing can be forecast
        reactions(office, slug, drawn(slug, text))


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
