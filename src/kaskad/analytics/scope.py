"""Which runs a report is of."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from kaskad.domain.worded import worded
from kaskad.store.db import Transaction

if TYPE_CHECKING:  # loads numpy: only whoever asks about some people needs it
    from kaskad.store.run_columns import Counted

FOREVER = 2**62 // 3_600_000 * 3_600_000  # a whole hour, as counts are kept by the hour
ENDS_FIRST = worded("The period ends before it begins: choose a later end.")


class People:
    """Some people, of whom several things are asked in one transaction: their runs are read once.

    `ids` are of contacts, in any order; where `ordered`, in theirs, each once.
    """

    def __init__(self, ids: Sequence[int], *, ordered: bool = False) -> None:
        self.ids: array[int] = array("q", ids if ordered else sorted(set(ids)))
        self._counted: dict[int, Counted] = {}

    def __contains__(self, contact_id: int) -> bool:
        place = bisect_left(self.ids, contact_id)
        return place < len(self.ids) and self.ids[place] == contact_id

    def counted(self, tx: Transaction, cascade_id: int) -> Counted:
        """Return as what their runs through a cascade are counted."""
        from kaskad.store import run_columns

        if cascade_id not in self._counted:
            self._counted[cascade_id] = run_columns.counted(tx, cascade_id, self.ids)
        return self._counted[cascade_id]


class Scope(Struct, frozen=True):
    """Which runs are reported: of some people or all, of one version or any, that entered in a period.

    `versions`: of these only, where a tally is asked; (): of any.
    """

    people: People | None = None
    version_id: int = 0
    since: int = 0
    until: int = FOREVER
    versions: tuple[int, ...] = ()

    def has(self, version_id: int) -> bool:
        """Say whether runs of a version are meant."""
        return version_id in self.versions or not self.versions

    def means(self, version_id: int) -> bool:
        """Say whether runs of a version of the cascade are meant, also by `version_id`."""
        return self.has(version_id) and self.version_id in (0, version_id)

    @property
    def params(self) -> Mapping[str, Any]:
        """Return the filters as the statements of reports take them."""
        return {
            "whole": int(self.people is None),
            "people": ",".join(map(str, self.people.ids)) if self.people is not None else "",
            "version_id": self.version_id, "since": self.since, "until": self.until,
        }  # fmt: skip


EVERYTHING = Scope()
