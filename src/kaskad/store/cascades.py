"""Tables `cascades`, `versions`, `lists` and `launches`: what runs enter, and who is asked to."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.errors import Conflict, NotFound
from kaskad.store.db import Row, Transaction

DRAFT, ACTIVE, PAUSED, STOPPED = "draft", "active", "paused", "stopped"


class CascadeRow(Struct, frozen=True):
    """A cascade as it is kept; `version_id` is the version that new runs enter."""

    id: int
    slug: str
    state: str
    version_id: int | None
    reserved: int
    charged: int
    changed_at: int


class VersionRow(Struct, frozen=True):
    """A frozen version with its definition as written."""

    id: int
    cascade_id: int
    number: int
    source: str
    activated_at: int


def save_version(tx: Transaction, slug: str, source: str, now: int) -> VersionRow:
    """Freeze `source` as the cascade's next version, which new runs enter; return it.

    A text that is the current version already is not saved again. Raises Conflict for a stopped cascade.
    """
    row = tx.one("put_cascade", slug=slug, now=now)
    assert row is not None
    cascade_id, current = row
    if cascade(tx, cascade_id).state == STOPPED:
        raise Conflict(f"Cascade {slug!r} was stopped: give the new one another name.")
    if current is not None and (known := version(tx, current)).source == source:
        return known
    made = tx.one("put_version", cascade_id=cascade_id, source=source, now=now)
    assert made is not None
    tx.run("enter_version", id=cascade_id, version_id=made[0])
    return VersionRow(made[0], cascade_id, made[1], source, now)


def cascade(tx: Transaction, cascade_id: int) -> CascadeRow:
    """Return the cascade; raises NotFound."""
    return _cascade(tx.one("cascade", id=cascade_id), str(cascade_id))


def by_slug(tx: Transaction, slug: str) -> CascadeRow:
    """Return the cascade of that name; raises NotFound."""
    return _cascade(tx.one("cascade_by_slug", slug=slug), slug)


def all_cascades(tx: Transaction) -> list[CascadeRow]:
    """Return every cascade, by name."""
    return [CascadeRow(*row) for row in tx.all("cascades")]


def version(tx: Transaction, version_id: int) -> VersionRow:
    """Return the version; raises NotFound."""
    row = tx.one("version", id=version_id)
    if row is None:
        raise NotFound(f"There is no version {version_id}.")
    return VersionRow(*row)


def versions_of(tx: Transaction, cascade_id: int) -> list[VersionRow]:
    """Return the cascade's versions, first to last."""
    return [VersionRow(*row) for row in tx.all("versions_of", cascade_id=cascade_id)]


def set_state(tx: Transaction, cascade_id: int, state: str, now: int) -> None:
    """Pause, resume or stop a cascade. Raises NotFound, and Conflict for one that was stopped."""
    if not tx.run("set_cascade_state", id=cascade_id, state=state, now=now):
        slug = cascade(tx, cascade_id).slug
        raise Conflict(f"Cascade {slug!r} was stopped: its runs have ended and it cannot be {state} again.")


def save_list(tx: Transaction, name: str) -> int:
    """Return the id of the list of that name, made if missing."""
    row = tx.one("put_list", name=name)
    assert row is not None
    return int(row[0])


def add_members(tx: Transaction, list_id: int, contact_ids: Sequence[int]) -> int:
    """Add contacts to a list; return how many were not in it."""
    return tx.changed_many("add_members", [(list_id, contact_id) for contact_id in contact_ids])


def members(tx: Transaction, list_id: int, *, after: int = 0, limit: int = 1_000) -> list[int]:
    """Return contacts of a list in the order of their ids, those after `after`."""
    return [row[0] for row in tx.all("members", list_id=list_id, after=after, limit=limit)]


def launch(tx: Transaction, version_id: int, list_id: int | None, pace: int, now: int) -> int:
    """Begin a broadcast to a list, or to everybody, `pace` contacts an hour (0: no limit); return its id."""
    row = tx.one("add_launch", version_id=version_id, list_id=list_id, pace=pace, now=now)
    assert row is not None
    return int(row[0])


def _cascade(row: Row | None, name: str) -> CascadeRow:
    if row is None:
        raise NotFound(f"There is no cascade {name!r}.")
    return CascadeRow(*row)
