"""A cascade's text as somebody edits it: read with its revision, changed, saved if nobody was quicker."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from kaskad.actions import cascades
from kaskad.actions.cascade_texts import revision_of
from kaskad.actions.cascades import Saved
from kaskad.actions.office import Office
from kaskad.domain.definition import UnreadableError
from kaskad.domain.definition.edit import EditError, put
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.worded import worded, wording
from kaskad.store import cascades as store


class Sheet(Struct, frozen=True):
    """What an editor shows: the text, and where the cascade stands; `saved_at` 0: never saved as a draft."""

    slug: str
    state: str
    version: int | None
    source: str
    drafted: bool
    saved_by: str
    saved_at: int

    @property
    def revision(self) -> str:
        """Return what names this text."""
        return revision_of(self.source)


def sheet(office: Office, slug: str) -> Sheet:
    """Return a cascade's text to be edited: its draft, else what runs; raises NotFound."""
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        draft = store.draft(tx, row.id)
        current = None if row.version_id is None else store.version(tx, row.version_id)
    number = current.number if current else None
    if draft is not None:
        return Sheet(slug, row.state, number, draft.source, True, draft.saved_by, draft.saved_at)
    return Sheet(slug, row.state, number, current.source if current else "", False, "", 0)


def change(office: Office, slug: str, revision: str, by: str, how: Callable[[str], str]) -> Saved | None:
    """Change a cascade's text and save it as its draft; None where that changes nothing.

    Raises NotFound, Overtaken, Conflict, and Invalid for what cannot be changed in this text.
    """
    before = sheet(office, slug)
    if before.revision != revision:
        raise cascades.Overtaken(slug, before.saved_by, before.saved_at)
    try:
        after = how(before.source)
    except UnreadableError as error:
        raise Invalid(
            [
                worded(
                    "Line %(line)s: %(message)s. Mend the text first.",
                    line=error.problem.line,
                    message=error.problem.message,
                )
            ]
        ) from None
    except EditError as error:
        raise Invalid([str(error)]) from None
    if after == before.source:
        return None
    return cascades.put(office, slug, after, by=by, revision=revision)


def begin(office: Office, slug: str, text: str, by: str) -> Saved:
    """Save a text as a new cascade named `slug`; raises Conflict where there is one already."""
    try:
        sheet(office, slug)
    except NotFound:
        return cascades.put(office, slug, text, by=by)
    raise Conflict(worded("There is a cascade %(slug)r already: choose another name.", slug=slug))


def copy(office: Office, slug: str, text: str, by: str) -> Saved:
    """Save a text as a new cascade beside `slug`, under the first name that is free."""
    number = 2
    while True:
        name = f"{slug[:58]}-{number}"
        try:
            sheet(office, name)
        except NotFound:
            break
        number += 1
    try:
        named = put(text, "cascade", name)
    except (UnreadableError, EditError) as error:
        raise Invalid(
            [worded("A text that cannot be read cannot be copied: %(error)s", error=wording(error))]
        ) from None
    return cascades.put(office, name, named, by=by)
