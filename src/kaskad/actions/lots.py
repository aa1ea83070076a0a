"""Whether lots fall as they should: who gets which version, which variant, or nothing at all.

Looked at once an hour, and kept: where people are lost on one side, or something but the lot chooses, no
difference between the sides means anything. The test holds however often it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kaskad.actions import trials
from kaskad.actions.office import Office
from kaskad.actions.reports import Among
from kaskad.actions.uplift import drawn
from kaskad.analytics.changed import LOOKED
from kaskad.analytics.effects import StepEffect, VariantEffects
from kaskad.analytics.intervals import UNEVEN, is_uneven
from kaskad.analytics.samples import sample_ratio
from kaskad.analytics.sequential import evidence_uneven
from kaskad.domain.cascade import Step
from kaskad.domain.version import Version
from kaskad.log import get_logger
from kaskad.store import cascades as store
from kaskad.store import trials as trial_store
from kaskad.store import uneven_lots
from kaskad.store.uneven_lots import OF_CASCADE, OF_STEP, OF_TRIAL, OF_VARIANTS, Uneven, standing

log = get_logger(__name__)


class _Lot(Struct, frozen=True):
    """A lot to be looked at: how many each side got, and by which weights."""

    kind: str
    step: str
    number: int
    since: int
    arms: tuple[str, ...]
    counts: tuple[int, ...]
    weights: tuple[float, ...]

    def uneven(self, slug: str) -> Uneven:
        """Tell the side that is furthest off."""
        total, whole = sum(self.counts), sum(self.weights)
        hoped = [total * weight / whole for weight in self.weights]
        sides = range(len(hoped)) if self.kind in (OF_TRIAL, OF_VARIANTS) else (0,)  # else who is held out
        at = max(sides, key=lambda n: (self.counts[n] - hoped[n]) ** 2 / hoped[n])
        return Uneven(self.kind, slug, self.step, self.number, self.since, self.arms[at], self.counts[at],
                      total, round(hoped[at]))  # fmt: skip


def look(office: Office) -> list[Uneven]:
    """Look at all lots that fall now, and keep which did not fall as they should.

    Of a cascade of which nothing can be said now that stays which was kept.
    """
    with office.read() as tx:
        rows = [row for row in store.all_cascades(tx) if row.state == store.ACTIVE and row.version_id]
        kept = uneven_lots.kept(tx)
    found = [
        one
        for row in rows
        for one in _found(office, row.slug, [each for each in kept if each.slug == row.slug])
    ]
    if found != kept:
        office.write(lambda tx: uneven_lots.put(tx, found))
    return found


def _found(office: Office, slug: str, kept: Sequence[Uneven]) -> list[Uneven]:
    known, found = {one.place for one in kept}, list[Uneven]()
    for of_trial, drawn_lots in ((True, _of_trial), (False, _of_version)):
        try:
            lots = drawn_lots(office, slug)
        except Exception:  # of one cascade: the others, and what else is due in this hour, are looked at
            log.exception("lots are not looked at", cascade=slug)
            lots = None
        if lots is None:
            found += [one for one in kept if (one.kind == OF_TRIAL) == of_trial]
            continue
        for lot in lots:
            before = (lot.kind, slug, lot.step, lot.number, lot.since) in known
            if not _off(lot, before):
                continue
            found.append(lot.uneven(slug))
            if not before:
                log.warning("uneven lot", cascade=slug, of=lot.kind, step=lot.step)
    return found


def of_cascade(office: Office, slug: str) -> list[str]:
    """Return which lots of a cascade stood uneven at the last look, in words."""
    with office.read() as tx:
        return [one.why for one in standing(tx) if one.slug == slug]


def variants_uneven(office: Office, version: Version, step: Step) -> bool:
    """Say whether the lot between a step's variants looks uneven now, as figures show it."""
    with office.read() as tx:
        number = store.version(tx, version.id).number
    told = drawn(office, version.cascade.id, Among(version=number))
    return any(one.uneven for one in told.variants if one.step == step.id)


def trial_uneven(office: Office, slug: str) -> bool:
    """Say whether the lot between the versions on trial looks uneven now, as figures show it."""
    return any(told.uneven for told in trials.listing(office, slug, 1))


def _off(lot: _Lot, known: bool) -> bool:
    """Say whether a lot is off; once that is certain it stays so until a single look finds nothing wrong."""
    if evidence_uneven(lot.counts, lot.weights) >= 1 / UNEVEN:
        return True
    return known and is_uneven(sample_ratio(lot.counts, lot.weights))


def _of_trial(office: Office, slug: str) -> list[_Lot] | None:
    """Return the lot between versions on trial; None: nothing can be said now."""
    with office.read() as tx:
        running = trial_store.under_way(tx, store.by_slug(tx, slug).id)
    if running is None:
        return []
    told = trials.listing(office, slug, 1, LOOKED)[0]
    if told.uncounted:  # what is left out may be of one side
        return None
    if told.id != running.id or told.evenly is None:
        return []
    return [
        _Lot(OF_TRIAL, "", told.id, running.shared_at, tuple(str(arm.version) for arm in told.arms),
             tuple(arm.people for arm in told.arms), tuple(arm.share for arm in told.arms))
    ]  # fmt: skip


def _of_version(office: Office, slug: str) -> list[_Lot] | None:
    """Return the other lots of a cascade, by the version that runs; None: nothing can be said now."""
    told = drawn(office, slug)
    if told.uncounted and (told.held_share or told.steps or told.variants):
        told = drawn(office, slug, most=LOOKED)
    if told.uncounted:
        return None
    found = list[_Lot]()
    if told.held_share:
        found.append(_Lot(OF_CASCADE, "", told.version_id, 0, ("", ""), told.groups,
                          (told.held_share, 1 - told.held_share)))  # fmt: skip
    steps = {step.id: step for step in told.cascade.steps}
    found += [_of_step(one, told.version_id) for one in told.steps]
    return found + [_of_variants(one, steps[one.step], told.version_id) for one in told.variants]


def _of_step(one: StepEffect, version_id: int) -> _Lot:
    counts = (one.goal.other.of, one.goal.one.of)
    return _Lot(OF_STEP, one.step, version_id, 0, ("", ""), counts, (one.share, 1 - one.share))


def _of_variants(one: VariantEffects, step: Step, version_id: int) -> _Lot:
    weights: Sequence[float] = [variant.weight for variant in step.variants]
    return _Lot(OF_VARIANTS, one.step, version_id, 0, tuple(arm.id for arm in one.arms),
                tuple(arm.messages for arm in one.arms), tuple(weights))  # fmt: skip
