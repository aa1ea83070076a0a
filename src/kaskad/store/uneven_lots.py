"""Setting `uneven_lots`: the lots that did not fall as they should when they were last looked at."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.domain.worded import worded
from kaskad.store import cascades, settings, trials
from kaskad.store.db import Transaction

NAME = "uneven_lots"
OF_TRIAL, OF_VARIANTS, OF_STEP, OF_CASCADE = "trial", "variants", "step", "cascade"


class Uneven(Struct, frozen=True):
    """A lot that did not fall as it should, and the side that is furthest off: `got` of `of`, not `hoped`.

    `number` is the trial's id, else the version's; `since`: when the trial's shares became what they are.
    """

    kind: str
    slug: str
    step: str
    number: int
    since: int
    arm: str
    got: int
    of: int
    hoped: int

    @property
    def place(self) -> tuple[str, str, str, int, int]:
        """Return which lot it is, whatever its figures."""
        return self.kind, self.slug, self.step, self.number, self.since

    @property
    def why(self) -> str:
        """Return what is wrong, in words."""
        told = {"step": self.step, "arm": self.arm, "got": self.got, "of": self.of, "hoped": self.hoped}
        match self.kind:
            case "trial":
                return worded("version %(arm)s got %(got)s of %(of)s people; %(hoped)s should have got it",
                              **told)  # fmt: skip
            case "variants":
                return worded("variant %(arm)s of step %(step)r went to %(got)s of %(of)s people; "
                              "it should have gone to %(hoped)s", **told)  # fmt: skip
            case "step":
                return worded("%(got)s of %(of)s people were held out of step %(step)r; "
                              "%(hoped)s should have been", **told)  # fmt: skip
        return worded("%(got)s of %(of)s people were held out; %(hoped)s should have been", **told)


def kept(tx: Transaction) -> list[Uneven]:
    """Return what was found at the last look."""
    return settings.get(tx, NAME, list[Uneven]) or []


def put(tx: Transaction, found: Sequence[Uneven]) -> None:
    """Keep what was found, in place of what was before."""
    settings.put(tx, NAME, found)


def standing(tx: Transaction) -> list[Uneven]:
    """Return the lots that were uneven at the last look and still fall so: not of what is over by now."""
    if not (found := kept(tx)):
        return []
    running = {(trial.id, trial.shared_at) for trial in trials.running(tx)}
    versions = {row.version_id for row in cascades.all_cascades(tx) if row.state == cascades.ACTIVE}
    return [
        one
        for one in found
        if ((one.number, one.since) in running if one.kind == OF_TRIAL else one.number in versions)
    ]
