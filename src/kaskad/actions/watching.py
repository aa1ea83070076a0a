"""Cascades that a person enters by becoming a member of a segment: looked at again and again."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from msgspec import Struct

from kaskad.actions import asked, lists
from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.office import Office
from kaskad.domain.cascade import Trigger
from kaskad.store import cascades as launch_store
from kaskad.store import segments
from kaskad.store.db import Transaction

if TYPE_CHECKING:
    from kaskad.store.cascades import CascadeRow


class _Watched(Struct, frozen=True):
    row: CascadeRow
    trigger: Trigger
    before: frozenset[int] | None  # None: it is looked at for the first time
    checked_at: int
    members: list[int]


def look(office: Office) -> int:
    """Let those enter who have become members since the last time; return how many.

    Who is a member already when a cascade is first looked at does not enter: a launch is for them.
    """
    with office.read() as tx:
        found = [
            watched
            for row in launch_store.all_cascades(tx)
            if row.state == launch_store.ACTIVE and row.version_id is not None
            if (watched := _watched(office, tx, row)) is not None
        ]
        if found:
            asked.note(office, tx)
    return sum(_let_enter(office, each) for each in found)


def _watched(office: Office, tx: Transaction, row: CascadeRow) -> _Watched | None:
    if row.version_id in office.engine.world.versions.unread:
        return None
    trigger = cascade_of(office, tx, row.version_id or 0).trigger
    known = segments.find(tx, trigger.segment) if trigger.segment else None
    if known is None:
        return None
    kept = tx.one("segment_watch", cascade_id=row.id)
    before = None
    if kept is not None and kept[0] == trigger.segment:
        before = frozenset(array("q", bytes(kept[2])))
    members = segments.matching(tx, known.condition, office.now())
    return _Watched(row, trigger, before, kept[1] if kept else -1, members)


def _let_enter(office: Office, watched: _Watched) -> int:
    new = [each for each in watched.members if each not in (watched.before or ())]
    if watched.before is not None and not new and len(watched.before) == len(watched.members):
        return 0
    now, row = office.now(), watched.row
    entering = new if watched.before is not None else []
    list_id = None
    if entering:
        name = f"segment {watched.trigger.segment} {row.slug} {now}"
        list_id = office.write(lambda tx: launch_store.save_list(tx, name))
        lists.fill(office, list_id, entering)

    def change(tx: Transaction) -> bool:
        kept = tx.run(
            "put_segment_watch", cascade_id=row.id, segment=watched.trigger.segment, now=now,
            members=array("q", watched.members).tobytes(),
            before=watched.checked_at if watched.before is not None else now,
        )  # fmt: skip
        if kept and list_id is not None:  # else another process has looked meanwhile
            launch_store.launch(
                tx, row.version_id or 0, list_id, watched.trigger.pace_per_hour, now, size=len(entering),
                audience=f"segment {watched.trigger.segment}",
            )  # fmt: skip
        return bool(kept)

    return len(entering) if office.write(change) else 0
