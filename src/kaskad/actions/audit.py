"""Who changed what, and who looked at whom."""

from __future__ import annotations

from kaskad.actions.contacts import find
from kaskad.actions.office import Office
from kaskad.domain.errors import NotFound
from kaskad.domain.ids import contact_text
from kaskad.store import audit
from kaskad.store.audit import Noted

LATEST = 2**62
_LONGEST = 200


def note(office: Office, who: str, action: str, what: str) -> None:
    """Keep that somebody did something."""
    now = office.now()
    office.write(lambda tx: audit.note(tx, now, who, action, what[:_LONGEST]))


def named(office: Office, who: str) -> str:
    """Return the id of a contact however it was named; "" where there is none.

    Addresses and external ids stay out of the audit: it outlives an erasure.
    """
    with office.read() as tx:
        try:
            return contact_text(find(tx, who))
        except NotFound:
            return ""


def listing(
    office: Office, *, before: int = LATEST, since: int = 0, who: str = "", what: str = "", limit: int
) -> list[Noted]:
    """Return what was done, the newest first; `what` is an id or a name, a contact's however it is named."""
    with office.read() as tx:
        try:
            found = contact_text(find(tx, what)) if what else ""
        except NotFound:
            found = what
        return audit.before(tx, before=before, since=since, who=who, what=found, limit=limit)
