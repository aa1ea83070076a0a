"""The texts of a cascade: its draft and its versions, one of them, and how two of them differ."""

from __future__ import annotations

from difflib import unified_diff
from hashlib import sha256

from kaskad.actions.office import Office
from kaskad.domain.cascade import Cascade
from kaskad.domain.definition import defined
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.worded import worded
from kaskad.store import cascades as store
from kaskad.store.cascades import CascadeRow, VersionRow
from kaskad.store.db import Transaction

DRAFT, CURRENT = "draft", "current"


def versions(office: Office, slug: str) -> list[VersionRow]:
    """Return the versions of a cascade, the latest first; raises NotFound."""
    with office.read() as tx:
        return store.versions_of(tx, store.by_slug(tx, slug).id)[::-1]


def version(office: Office, slug: str, number: int) -> VersionRow:
    """Return one version; raises NotFound."""
    with office.read() as tx:
        return store.version_by_number(tx, slug, number)


def definition_of(office: Office, tx: Transaction, row: CascadeRow) -> Cascade:
    """Return the definition that runs; raises Conflict where none has been activated yet."""
    if row.version_id is None:
        raise Conflict(worded("Cascade %(slug)r is a draft: activate it first.", slug=row.slug))
    return cascade_of(office, tx, row.version_id)


def cascade_of(office: Office, tx: Transaction, version_id: int) -> Cascade:
    """Return the cascade of a version, from the engine's memory where it is there already."""
    known = office.engine.world.versions.get(version_id)
    if known is not None:
        return known.cascade
    return defined(store.version(tx, version_id).source, name=f"version {version_id}")


def source_of(tx: Transaction, slug: str, which: str = "") -> tuple[str, int | None]:
    """Return a text of a cascade, and of which version it is: None is the draft, which "" prefers.

    Raises NotFound, Conflict.
    """
    row = store.by_slug(tx, slug)
    draft = store.draft(tx, row.id)
    if which == DRAFT or (not which and draft is not None):
        return _text(tx, slug, DRAFT), None
    if not which or which == CURRENT:
        if row.version_id is None:
            return _text(tx, slug, CURRENT), None
        return store.version(tx, row.version_id).source, row.version_id
    if not which.isdecimal():
        raise NotFound(worded("%(slug)s has no version %(which)r.", slug=slug, which=which))
    version = store.version_by_number(tx, slug, int(which))
    return version.source, version.id


def next_text(tx: Transaction, row: CascadeRow) -> str:
    """Return the draft, or where there is none what runs already."""
    draft = store.draft(tx, row.id)
    if draft is not None:
        return draft.source
    if row.version_id is None:
        raise Conflict(worded("Cascade %(slug)r has no definition: put one first.", slug=row.slug))
    return store.version(tx, row.version_id).source


def diff(office: Office, slug: str, old: str, new: str) -> str:
    """Return how two texts of a cascade differ; each is a version's number, `current` or `draft`."""
    with office.read() as tx:
        return differing(_text(tx, slug, old), _text(tx, slug, new), f"{slug} {old}", f"{slug} {new}")


def differing(old: str, new: str, old_name: str, new_name: str) -> str:
    """Return how two texts differ, as a unified diff."""
    lines = unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def revision_of(text: str) -> str:
    """Return what names a text; another text has another one."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _text(tx: Transaction, slug: str, which: str) -> str:
    row = store.by_slug(tx, slug)
    if which == DRAFT:
        draft = store.draft(tx, row.id)
        if draft is None:
            raise NotFound(worded("Cascade %(slug)r has no draft.", slug=slug))
        return draft.source
    if which == CURRENT:
        if row.version_id is None:
            raise NotFound(worded("Cascade %(slug)r has no version yet: it is a draft.", slug=slug))
        return store.version(tx, row.version_id).source
    return store.version_by_number(tx, slug, int(which)).source
