"""Tables `cascades`, `versions`, `lists` and `launches`: what runs enter, and who is asked to."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.content import Wording
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.worded import worded
from kaskad.store import templates, version_canaries
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


class DraftRow(Struct, frozen=True):
    """A definition as written, not in force yet."""

    source: str
    saved_at: int
    saved_by: str = ""  # "": not known


class LaunchRow(Struct, frozen=True):
    """A broadcast; `size` is of its audience when it began, None where that was not counted."""

    id: int
    version: int
    audience: str
    list_id: int | None
    pace: int
    started_at: int
    enrolled: int
    size: int | None
    state: str
    wall_at: int | None = None  # its date, where it has one: see `launch_dates`
    clock: str = ""
    why: str = ""  # it did not begin at its date
    canary: str = ""  # that it is to have, where it has a date …
    canary_after: str = ""  # … and when that is judged


class Foretold(Struct, frozen=True):
    """A launch with what was forecast of it, as JSON."""

    launch: int
    version_id: int
    audience: str
    started_at: int
    state: str
    forecast: str


def save_version(
    tx: Transaction, slug: str, source: str, now: int, *, texts: Sequence[Wording] = ()
) -> VersionRow:
    """Freeze `source` and its templates as the cascade's next version, which new runs enter; return it.

    What is the current version already is not saved again. Raises Conflict for a stopped cascade, and while
    versions are on trial, or a canary is under way: what they are compared with must stay.
    """
    row = tx.one("put_cascade", slug=slug, now=now)
    assert row is not None
    cascade_id, current = row
    if cascade(tx, cascade_id).state == STOPPED:
        raise Conflict(worded("Cascade %(slug)r was stopped: give the new one another name.", slug=slug))
    if current is not None and (known := version(tx, current)).source == source \
            and templates.frozen(tx, current) == list(texts):  # fmt: skip
        return known
    if any(row[1] == cascade_id for row in tx.all("running_trials")):
        raise Conflict(
            worded(
                "Versions of %(slug)r are on trial, and what they are compared with must stay: end the trial "
                "first (`kaskad trial end %(slug)s`).",
                slug=slug,
            )
        )
    version_canaries.refuse_two(tx, cascade_id, slug)
    made = freeze_version(tx, cascade_id, source, now, texts=texts)
    tx.run("enter_version", id=cascade_id, version_id=made.id)
    return made


def freeze_version(
    tx: Transaction, cascade_id: int, source: str, now: int, *, texts: Sequence[Wording] = ()
) -> VersionRow:
    """Freeze `source` and its templates as a cascade's next version, which nobody enters yet; return it."""
    made = tx.one("put_version", cascade_id=cascade_id, source=source, now=now)
    assert made is not None
    templates.freeze(tx, made[0], texts)
    return VersionRow(made[0], cascade_id, made[1], source, now)


def save_draft(tx: Transaction, slug: str, source: str, now: int, by: str = "") -> CascadeRow:
    """Keep `source` as what is to be activated next; return the cascade, made as a draft where it is new.

    A text that is the current version already leaves no draft. Raises Conflict for a stopped cascade.
    """
    row = tx.one("put_draft_cascade", slug=slug, now=now)
    assert row is not None
    kept = cascade(tx, row[0])
    if kept.state == STOPPED:
        raise Conflict(worded("Cascade %(slug)r was stopped: give the new one another name.", slug=slug))
    if kept.version_id is not None and version(tx, kept.version_id).source == source:
        drop_draft(tx, kept.id)
    else:
        tx.run("put_draft", cascade_id=kept.id, source=source, now=now, by=by)
    return kept


def draft(tx: Transaction, cascade_id: int) -> DraftRow | None:
    """Return what is to be activated next, or None where that is what runs already."""
    row = tx.one("draft_of", cascade_id=cascade_id)
    return None if row is None else DraftRow(*row)


def drafted(tx: Transaction) -> set[int]:
    """Return the cascades that have a draft."""
    return {row[0] for row in tx.all("drafted")}


def drop_draft(tx: Transaction, cascade_id: int) -> None:
    """Forget the draft of a cascade, where it has one."""
    tx.run("drop_draft", cascade_id=cascade_id)


def cascade(tx: Transaction, cascade_id: int) -> CascadeRow:
    """Return the cascade; raises NotFound."""
    return _cascade(tx.one("cascade", id=cascade_id), str(cascade_id))


def by_slug(tx: Transaction, slug: str) -> CascadeRow:
    """Return the cascade of that name; raises NotFound."""
    return _cascade(tx.one("cascade_by_slug", slug=slug), slug)


def entered(tx: Transaction, slug: str) -> int | None:
    """Return the version that people enter; None where there is none, or no such cascade."""
    row = tx.one("cascade_by_slug", slug=slug)
    return None if row is None else _cascade(row, slug).version_id


def all_cascades(tx: Transaction) -> list[CascadeRow]:
    """Return every cascade, by name."""
    return [CascadeRow(*row) for row in tx.all("cascades")]


def version(tx: Transaction, version_id: int) -> VersionRow:
    """Return the version; raises NotFound."""
    row = tx.one("version", id=version_id)
    if row is None:
        raise NotFound(worded("There is no version %(version_id)s.", version_id=version_id))
    return VersionRow(*row)


def version_by_number(tx: Transaction, slug: str, number: int) -> VersionRow:
    """Return the version that a cascade calls by that number; raises NotFound."""
    row = tx.one("version_by_number", cascade_id=by_slug(tx, slug).id, number=number)
    if row is None:
        raise NotFound(worded("Cascade %(slug)r has no version %(number)s.", slug=slug, number=number))
    return VersionRow(*row)


def versions_of(tx: Transaction, cascade_id: int) -> list[VersionRow]:
    """Return the cascade's versions, first to last."""
    return [VersionRow(*row) for row in tx.all("versions_of", cascade_id=cascade_id)]


def set_state(tx: Transaction, cascade_id: int, state: str, now: int) -> None:
    """Pause, resume or stop a cascade. Raises NotFound, and Conflict for one that was stopped."""
    if not tx.run("set_cascade_state", id=cascade_id, state=state, now=now):
        slug = cascade(tx, cascade_id).slug
        raise Conflict(
            worded(
                "Cascade %(slug)r was stopped: its runs have ended and it cannot be %(state)s again.",
                slug=slug,
                state=state,
            )
        )


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


def list_id(tx: Transaction, name: str) -> int:
    """Return the id of the list of that name; raises NotFound."""
    row = tx.one("list_by_name", name=name)
    if row is None:
        raise NotFound(worded("There is no list %(name)r: `kaskad list show` shows them.", name=name))
    return int(row[0])


def size_of(tx: Transaction, list_id: int | None) -> int:
    """Return how many contacts are in a list, or how many there are at all."""
    row = tx.one("contacts_to_launch") if list_id is None else tx.one("list_size", list_id=list_id)
    return int(row[0]) if row else 0


def launch(
    tx: Transaction, version_id: int, list_id: int | None, pace: int, now: int, *, size: int | None = None,
    audience: str = "", forecast: str | None = None, opens_at: int | None = None,
) -> int:  # fmt: skip
    """Begin a broadcast to a list, or to everybody, `pace` contacts an hour (0: no limit); return its id.

    Before `opens_at` nobody enters by it.
    """
    row = tx.one(
        "add_launch", version_id=version_id, list_id=list_id, pace=pace, now=now, size=size,
        audience=audience, forecast=forecast, opens_at=opens_at,
    )  # fmt: skip
    assert row is not None
    return int(row[0])


def launches_of(tx: Transaction, cascade_id: int, *, before: int, limit: int) -> list[LaunchRow]:
    """Return launches of a cascade with smaller ids than `before`, the latest first."""
    rows = tx.all("launches_of", cascade_id=cascade_id, before=before, limit=limit)
    return [LaunchRow(*row) for row in rows]


def foretold(tx: Transaction, cascade_id: int, limit: int) -> list[Foretold]:
    """Return the last launches of a cascade of which a forecast is kept, the latest first."""
    return [Foretold(*row) for row in tx.all("foretold", cascade_id=cascade_id, limit=limit)]


def foretold_everywhere(tx: Transaction, limit: int) -> list[tuple[str, int, Foretold]]:
    """Return the last launches of all cascades of which a forecast is kept, each with its cascade's name and
    id, the latest first."""
    return [(slug, key, Foretold(*row)) for slug, key, *row in tx.all("foretold_everywhere", limit=limit)]


def stop_launch(tx: Transaction, cascade_id: int, launch_id: int) -> bool:
    """Let nobody enter any more by this launch; return False where it is over, or not the cascade's."""
    return bool(tx.run("stop_launch", id=launch_id, cascade_id=cascade_id))


def _cascade(row: Row | None, name: str) -> CascadeRow:
    if row is None:
        raise NotFound(worded("There is no cascade %(name)r: `kaskad cascades` shows them.", name=name))
    return CascadeRow(*row)
