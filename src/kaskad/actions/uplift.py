"""Whether a cascade works: its effect, the effects of its steps, and how its variants compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct, structs

from kaskad.actions import asked
from kaskad.actions.cascade_texts import cascade_of, definition_of
from kaskad.actions.office import Office
from kaskad.actions.reports import ALL, Among, scope_of
from kaskad.analytics import reach, uplift
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import Tally, tally
from kaskad.analytics.effects import Effect, StepEffect, VariantEffects, step_effects, variant_effects
from kaskad.analytics.exchange import Told, exchanges
from kaskad.analytics.scope import FOREVER, Scope
from kaskad.analytics.services import currencies
from kaskad.analytics.uplift import DAY_MS, PACE_DAYS, Uplift, Worth
from kaskad.domain.cascade import Cascade, Span
from kaskad.domain.decide import WEEK
from kaskad.domain.hours import add, subtract
from kaskad.domain.policy import Policy
from kaskad.domain.version import held_share
from kaskad.engine.catalog import POLICY
from kaskad.store import cascades as store
from kaskad.store import held_shares, settings, winners
from kaskad.store.cascades import CascadeRow, VersionRow
from kaskad.store.courses import HOUR_MS
from kaskad.store.db import Transaction
from kaskad.store.held_shares import Stretch


class Drawn(Struct, frozen=True):
    """How the lots of a version fell, of all who entered: what `measure` says of them, and no more.

    `groups`: people held out of the cascade and treated, of all versions that are compared, and `held_share`,
    of 1, that should have been held out. `variants` are those that still weigh what the definition says.
    """

    version_id: int
    cascade: Cascade
    groups: tuple[int, int]
    held_share: float | None
    steps: Sequence[StepEffect]
    variants: Sequence[VariantEffects]
    uncounted: int


class _Counted(Struct, frozen=True):
    """Who counts. `whole` is all that is asked for, `told` of `counted`: who is ripe, and was held out alike.

    `own` are the people of one version, that whose steps and variants are compared: `one` of these.
    """

    row: CascadeRow
    cascade: Cascade
    within: Span
    whole: Scope
    counted: Scope
    told: Tally
    shares: Mapping[int, int]
    span: Stretch
    version: VersionRow
    defined: Cascade
    own: Scope
    one: Tally


def measure(office: Office, slug: str, among: Among = ALL, *, ripe: bool = True) -> Uplift:
    """Return what a cascade brings, of the people only that `among` means.

    `ripe`: only those whose time for the goal is over; else all, whose goals may still come. Where there are
    many people, columns are kept made from then on. Raises NotFound, and Conflict for one that was never
    activated.
    """
    now = office.now()
    with office.read() as tx:
        asked.note_of_many(office, tx)
        changed = Changed(tx, now)
        return _measured(tx, _counted(office, tx, slug, among, ripe, now, changed), now, changed)


def drawn(office: Office, slug: str, among: Among = ALL, most: int | None = None) -> Drawn:
    """Return how the lots of a cascade's version fell. Raises as `measure`, and takes much less than that.

    `most`: so many runs that have changed are looked at.
    """
    now = office.now()
    with office.read() as tx:
        changed = Changed(tx, now, most)
        of = _counted(office, tx, slug, among, False, now, changed)
        effect = uplift.treated_and_held(of.told)
        over = _taken_over(tx, of.row, of.version.id)
        numbers = {step.id: step.number for step in of.defined.steps}
        return Drawn(
            of.version.id, of.defined, (effect.other.of, effect.one.of), uplift.lot(of.told, of.shares)[0],
            step_effects(of.one, of.defined),
            [each for each in variant_effects(of.one, of.defined) if numbers[each.step] not in over],
            changed.uncounted,
        )  # fmt: skip


def _counted(
    office: Office, tx: Transaction, slug: str, among: Among, ripe: bool, now: int, changed: Changed
) -> _Counted:  # fmt: skip
    row = store.by_slug(tx, slug)
    cascade = definition_of(office, tx, row)
    whole = scope_of(office, tx, slug, among)
    within, zone = cascade.goal.within if cascade.goal else WEEK, _policy(tx).zone
    until = min(whole.until, subtract(now, within, zone) // HOUR_MS * HOUR_MS) if ripe else whole.until
    counted = structs.replace(whole, until=until)
    known = _lots(office, tx, row)
    if whole.version_id:
        known = {whole.version_id: known[whole.version_id]}
    span, shares = _alike(tx, row, known, counted, changed)
    whole, counted = (
        structs.replace(each, since=max(each.since, span.since), until=min(each.until, span.until))
        for each in (whole, counted)
    )
    told = tally(tx, row.id, counted, changed)
    if not whole.version_id and (only := uplift.alike(told, shares)):
        whole, counted = (structs.replace(each, versions=only) for each in (whole, counted))
        told = tally(tx, row.id, counted, changed)
    version = store.version(tx, whole.version_id or row.version_id or 0)
    own = structs.replace(counted, version_id=version.id, versions=())
    alone = {each for each, _ in told.people} <= {version.id}
    return _Counted(
        row, cascade, within, whole, counted, told, shares, span, version, cascade_of(office, tx, version.id),
        own, told if alone else tally(tx, row.id, own, changed),
    )  # fmt: skip


def _measured(tx: Transaction, of: _Counted, now: int, changed: Changed) -> Uplift:
    row, whole, counted, told, span = of.row, of.whole, of.counted, of.told, of.span
    told_in, policy = exchanges(tx, row.id, now, counted), _policy(tx)
    effect = uplift.treated_and_held(told)
    expected, evenly = uplift.lot(told, of.shares)
    waiting = _waiting(tx, row, whole, counted.until, changed)
    nobody = not effect.one.of + effect.other.of
    within_ms, share, pace = (
        add(now, of.within, policy.zone) - now,
        held_share(of.defined, policy) / 10_000,
        _pace(tx, row, whole, now, changed),
    )
    return Uplift(
        cascade=of.cascade.id, title=of.cascade.title, version=of.version.number, as_of=now,
        until=min(counted.until, now), only=_numbers(tx, row, counted),
        since=span.since or None, later=counted.until == span.until < FOREVER,
        ripe=counted.until < whole.until,
        first_ripe_at=(
            _first_ripe(tx, row, counted.until, of.within, policy.zone) if nobody and waiting else None
        ),
        goal=of.cascade.goal.event if of.cascade.goal else "", within_ms=within_ms, share=share,
        waiting=waiting, effect=effect, expected_share=expected, evenly=evenly,
        worth=_worth(tx, row, counted, told, effect, told_in, changed),
        cost=uplift.cost_of(told, currencies(tx), told_in.cost),
        touched=uplift.contamination(tx, row.id, counted, within_ms, changed), pace=pace,
        plans=uplift.plans(effect, share, pace, waiting, now, within_ms),
        steps=step_effects(of.one, of.defined), variants=_variants(tx, of, changed),
        uncounted=told.uncounted,
    )  # fmt: skip


def _taken_over(tx: Transaction, row: CascadeRow, version_id: int) -> dict[int, int]:
    """Return the steps of a version whose best variant has taken over, and when."""
    return {each.step: each.at for each in winners.of_cascade(tx, row.id) if each.version_id == version_id}


def _variants(tx: Transaction, of: _Counted, changed: Changed) -> list[VariantEffects]:
    """Return how variants compare; where the best one has taken over, of who entered before.

    Who entered shortly before it may have got the new weights at a later step: nothing is said of the lot.
    """
    over, found = _taken_over(tx, of.row, of.version.id), []
    for one in variant_effects(of.one, of.defined):
        number = next(step.number for step in of.defined.steps if step.id == one.step)
        if number in over:
            until = min(of.own.until, over[number] // HOUR_MS * HOUR_MS)
            earlier = tally(tx, of.row.id, structs.replace(of.own, until=until), changed)
            before = variant_effects(earlier, of.defined)
            one = next(each for each in before if each.step == one.step)
            one = structs.replace(one, evenly=None, until=until)
        found.append(one)
    return found


def _numbers(tx: Transaction, row: CascadeRow, counted: Scope) -> tuple[int, ...]:
    """Return the numbers of the versions that are counted; (): all."""
    known = store.versions_of(tx, row.id) if counted.versions else []
    return tuple(sorted(each.number for each in known if counted.has(each.id)))


def _worth(
    tx: Transaction, row: CascadeRow, counted: Scope, told: Tally, effect: Effect, told_in: Told,
    changed: Changed,
) -> Worth | None:  # fmt: skip
    """Return what people brought, where all of it is in one known currency, or can be told in one."""
    told_of = reach.worth(tx, told)
    currencies = told_in.worth.exact({**told_of.left, **told_of.returned})
    if len(currencies) != 1 or "" in currencies:
        return None
    versions = {each: reach.currency_of(tx, each) for each in {*told.values, *told.held}}
    found = uplift.worths_of(tx, row.id, counted, effect, versions, told_in.worth, changed)
    return next((one for one in found if one.currency in currencies), None)


def _lots(office: Office, tx: Transaction, row: CascadeRow) -> dict[int, tuple[Stretch, ...]]:
    """Return by version which shares it has held out, and when; by the policy, where it names none."""
    policy = _policy(tx)
    found: dict[int, tuple[Stretch, ...]] = {}
    for each in store.versions_of(tx, row.id):
        cascade = cascade_of(office, tx, each.id)
        found[each.id] = (
            held_shares.stretches(tx, cascade.message_class, policy)
            if cascade.holdout is None
            else (Stretch(cascade.holdout),)
        )
    return found


def _alike(
    tx: Transaction, row: CascadeRow, known: Mapping[int, Sequence[Stretch]], scope: Scope, changed: Changed
) -> tuple[Stretch, dict[int, int]]:
    """Return the last time in which people were held out by shares that stayed as they were, and by version
    these shares, of 10 000.

    Who entered before or after is of another lot. Times in which nobody entered divide nothing, and where the
    share stayed the time has no bounds.
    """
    turns = sorted({one.since for told in known.values() for one in told})
    times = [Stretch(0, since, until) for since, until in pairwise([*turns, FOREVER])]
    if len(times) < 2:
        return Stretch(0), _shares_at(known, 0)
    told = [(one, _shares_at(known, one.since), _people_in(tx, row, scope, one, changed)) for one in times]
    entered = [each for each in told if each[2]]
    held = [n for n, each in enumerate(entered) if any(each[1][version] for version in each[2])]
    if not held:
        return Stretch(0), told[-1][1]
    last = held[-1]
    span, shares, _ = entered[last]
    since, until = span.since, span.until
    first = last
    while first and entered[first - 1][1] == shares:
        first -= 1
    since = 0 if first == 0 else entered[first][0].since
    if last == len(entered) - 1:
        until = FOREVER
    return Stretch(0, since, until), shares


def _people_in(tx: Transaction, row: CascadeRow, scope: Scope, one: Stretch, changed: Changed) -> set[int]:
    """Return the versions that somebody entered for the first time in the part of a scope in this time."""
    since, until = max(scope.since, one.since), min(scope.until, one.until)
    if since >= until:
        return set()
    if scope.people is None:  # whole hours are counted; the rest is looked at run by run, where it matters
        first, last = -(-since // HOUR_MS) * HOUR_MS, until // HOUR_MS * HOUR_MS
        wide = since // HOUR_MS * HOUR_MS, -(-until // HOUR_MS) * HOUR_MS
        within = _entered(tx, row, scope, first, last, changed) if first < last else set()
        if within == _entered(tx, row, scope, *wide, changed):
            return within
    return _entered(tx, row, scope, since, until, changed)


def _entered(
    tx: Transaction, row: CascadeRow, scope: Scope, since: int, until: int, changed: Changed
) -> set[int]:
    told = tally(tx, row.id, structs.replace(scope, since=since, until=until), changed)
    return {version_id for (version_id, _), people in told.people.items() if people}


def _shares_at(known: Mapping[int, Sequence[Stretch]], at: int) -> dict[int, int]:
    return {
        version_id: next((one.share for one in told if one.since <= at < one.until), 0)
        for version_id, told in known.items()
    }


def _policy(tx: Transaction) -> Policy:
    return settings.get(tx, POLICY, Policy) or Policy()


def _waiting(tx: Transaction, row: CascadeRow, whole: Scope, until: int, changed: Changed) -> int:
    """Return how many people entered too late to be counted."""
    if until >= whole.until:
        return 0
    return _people(tally(tx, row.id, structs.replace(whole, since=max(whole.since, until)), changed))


def _first_ripe(tx: Transaction, row: CascadeRow, until: int, within: Span, zone: str) -> int | None:
    """Return when the first of these will be counted."""
    first = tx.one("first_entered", cascade_id=row.id, since=until)
    return None if first is None or first[0] is None else add(first[0], within, zone) + HOUR_MS


def _pace(tx: Transaction, row: CascadeRow, whole: Scope, now: int, changed: Changed) -> float:
    """Return how many people have entered for the first time a day, lately."""
    since = max(now - PACE_DAYS * DAY_MS, 0) // HOUR_MS * HOUR_MS
    lately = Scope(whole.people, whole.version_id, since, FOREVER, whole.versions)
    return _people(tally(tx, row.id, lately, changed)) / PACE_DAYS


def _people(told: Tally) -> int:
    return sum(told.people.values())
