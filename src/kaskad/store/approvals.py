"""Table `approvals`: who wrote, approved and took back which text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from kaskad.store.db import Transaction

Act = Literal["written", "approved", "taken_back"]


class Done(Struct, frozen=True):
    """One act about one text; `what` is how people call it."""

    id: int
    at: int
    text: str
    act: Act
    what: str
    by: str
    note: str


def add(tx: Transaction, text: str, act: Act, what: str, by: str, note: str, now: int) -> None:
    """Keep an act."""
    tx.run("add_approval", text=text, act=act, what=what, by=by, note=note, now=now)


def of_texts(tx: Transaction, texts: Iterable[str]) -> dict[str, list[Done]]:
    """Return what was done about each text, in its order."""
    return {text: [Done(*row) for row in tx.all("approvals_of", text=text)] for text in texts}


def latest(tx: Transaction, before: int, limit: int) -> list[Done]:
    """Return approvals and what was taken back with ids below `before`, the latest first."""
    return [Done(*row) for row in tx.all("approvals", before=before, limit=limit)]
