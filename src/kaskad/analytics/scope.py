"""Which runs a report is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

FOREVER = 2**62 // 3_600_000 * 3_600_000  # a whole hour, as counts are kept by the hour


class Scope(Struct, frozen=True):
    """Which runs are reported: of some people or all, of one version or any, that entered in a period.

    `versions`: of these only, where a tally is asked; (): of any.
    """

    people: Sequence[int] | None = None
    version_id: int = 0
    since: int = 0
    until: int = FOREVER
    versions: tuple[int, ...] = ()

    def has(self, version_id: int) -> bool:
        """Say whether runs of a version are meant."""
        return not self.versions or version_id in self.versions

    @property
    def params(self) -> Mapping[str, Any]:
        """Return the filters as the statements of reports take them."""
        return {
            "whole": int(self.people is None), "people": ",".join(map(str, self.people or ())),
            "version_id": self.version_id, "since": self.since, "until": self.until,
        }  # fmt: skip


EVERYTHING = Scope()
