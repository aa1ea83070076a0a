"""Table `contact_changes`: what was changed of a contact, when, and by what; the newest of each contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.store.db import Transaction

KEPT = 200  # of one contact
_LAST = 2**31 - 1
_object = msgspec.json.Decoder(dict[str, Any]).decode


class Change(Struct, frozen=True):
    """One change; `who` is what made it, in a word or two: "api NAME", "import imp_3", "form", "crm NAME"."""

    contact_id: int
    at: int
    what: str
    who: str
    detail: Mapping[str, Any] = {}


class KnownChange(Struct, frozen=True):
    """A change as it is shown."""

    id: int
    at: int
    what: str
    who: str
    detail: dict[str, Any]


def note(tx: Transaction, changes: Sequence[Change]) -> None:
    """Keep the changes, and drop the oldest where a contact has too many."""
    if not changes:
        return
    ids = sorted({change.contact_id for change in changes})
    last: dict[int, int] = dict(tx.among("last_changes", ids))
    numbers = {contact_id: count(last.get(contact_id, 0) + 1) for contact_id in ids}
    rows = [
        (each.contact_id, next(numbers[each.contact_id]), each.at, each.what, each.who,
         msgspec.json.encode(each.detail).decode())
        for each in changes
    ]  # fmt: skip
    tx.changed_many("put_changes", rows)
    full = {row[0]: row[1] - KEPT for row in rows if row[1] > KEPT}
    if full:
        tx.changed_many("trim_changes", sorted(full.items()))


def page(
    tx: Transaction, contact_id: int, *, before: int | None = None, limit: int
) -> list[KnownChange]:  # fmt: skip
    """Return the changes of a contact, the newest first, those before one of them."""
    rows = tx.all("changes_of_contact", contact_id=contact_id, before=before or _LAST, limit=limit)
    return [KnownChange(row[0], row[1], row[2], row[3], _object(row[4])) for row in rows]
