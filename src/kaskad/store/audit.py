"""Table `audit`: who changed what, and who looked at whom; nothing here changes or deletes a row."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Transaction


class Noted(Struct, frozen=True):
    """That somebody did something; `object` is what the route named, "" where it named nothing."""

    id: int
    at: int
    who: str
    action: str
    object: str


def note(tx: Transaction, at: int, who: str, action: str, what: str) -> None:
    """Add a row."""
    tx.run("put_audit", at=at, who=who, action=action, object=what)


def before(
    tx: Transaction, *, before: int, since: int = 0, who: str = "", what: str = "", limit: int
) -> list[Noted]:
    """Return rows before one of them, the newest first."""
    rows = tx.all("audit", before=before, since=since, who=who, object=what, limit=limit)
    return [Noted(*row) for row in rows]
