"""Tables `lists` and `list_members` as people keep them; launches go through them by `cascades.py`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.ids import launch_text
from kaskad.domain.worded import worded
from kaskad.store.db import Transaction


class KnownList(Struct, frozen=True):
    """A list and how many are in it."""

    id: int
    name: str
    members: int


def find(tx: Transaction, name: str) -> KnownList | None:
    """Return the list of that name, or None."""
    row = tx.one("known_list", name=name)
    return None if row is None else KnownList(*row)


def get(tx: Transaction, name: str) -> KnownList:
    """Return the list of that name; raises NotFound."""
    found = find(tx, name)
    if found is None:
        raise NotFound(worded("There is no list %(name)r: `kaskad list show` shows them.", name=name))
    return found


def page(tx: Transaction, *, after: str, limit: int) -> list[KnownList]:
    """Return lists by name, those after a name."""
    return [KnownList(*row) for row in tx.all("lists", after=after, limit=limit)]


def names(tx: Transaction, *, limit: int, after: str = "") -> list[str]:
    """Return lists by name, those after a name, without counting who is in them."""
    return [row[0] for row in tx.all("list_names", after=after, limit=limit)]


def remove_members(tx: Transaction, list_id: int, contact_ids: Sequence[int]) -> int:
    """Take contacts out of a list; return how many were in it."""
    return tx.changed_many("remove_members", [(list_id, contact_id) for contact_id in contact_ids])


def refuse_in_use(tx: Transaction, found: KnownList) -> None:
    """Raise Conflict where a launch that is under way, or waits for its date, goes through the list."""
    row = tx.one("list_in_use", list_id=found.id)
    if row is not None:
        launch, slug = launch_text(row[0]), row[1]
        raise Conflict(
            worded(
                "The list %(name)r is used by %(launch)s of %(slug)r: let that end, or call it off by "
                "`kaskad launch %(slug)s --stop %(launch)s` or on the cascade's page.",
                name=found.name, launch=launch, slug=slug,
            )
        )  # fmt: skip


def clear(tx: Transaction, list_id: int, limit: int) -> int:
    """Take some members out of a list; return how many, 0 when it is empty."""
    return tx.run("clear_list", list_id=list_id, limit=limit)


def drop(tx: Transaction, list_id: int) -> None:
    """Forget a list that is empty."""
    tx.run("drop_list", id=list_id)
