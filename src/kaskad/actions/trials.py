"""Trials between versions of a cascade: begun, shared out anew, promoted, ended; how the versions do."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from kaskad.actions import cascades
from kaskad.actions.cascade_texts import cascade_of, definition_of
from kaskad.actions.office import Office
from kaskad.actions.step_pauses import PausedStep, told_in
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import tally
from kaskad.analytics.exchange import exchanges
from kaskad.analytics.intervals import Interval, Share, is_uneven
from kaskad.analytics.scope import Scope
from kaskad.analytics.sequential import difference_at_any_look
from kaskad.analytics.services import currencies
from kaskad.analytics.trials import COMPARED, Outcomes, design_effects, outcomes
from kaskad.domain.cascade import Cascade
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.shares import EQUAL
from kaskad.domain.trials import LEAST_AFTER, LEAST_CERTAIN, RULED_BY, Rule, shared_out, unlike
from kaskad.domain.worded import worded
from kaskad.engine import launch
from kaskad.engine.step_pauses import keep_paused
from kaskad.store import cascades as store
from kaskad.store import trials as trial_store
from kaskad.store import version_canaries, winners
from kaskad.store.cascades import CascadeRow
from kaskad.store.courses import HOUR_MS
from kaskad.store.db import Transaction
from kaskad.store.trials import TrialRow
from kaskad.store.winners import TrialVerdict

MOST = 5  # versions on trial at once
LEAST = 10  # of 10 000: what an arm has at least, and what is left to the running version
NEXT = 0  # instead of a version's number: the draft, frozen as the next one
_DAY_MS = 24 * HOUR_MS


class ArmTold(Struct, frozen=True):
    """A version of a trial, and what became of those who entered it; `share` of 10 000.

    `people` entered for the first time: by them it is asked whether the lot fell as the shares say.
    `apart`: by measure, how far its rate is from that of what ran before, at any look; nothing where one of
    them has nobody.
    """

    version: int
    running: bool
    share: int
    people: int
    found: Outcomes
    apart: Mapping[str, Interval]


class TrialTold(Struct, frozen=True):
    """A trial and how its versions do. `since`: of entrants from then on the figures are.

    `evenly`: p-value of the versions getting so many people, of those who entered for the first time; None:
    nothing can be said, as in the first day, whose first hour has people from before the shares.
    """

    id: int
    state: str
    started_at: int
    started_by: str
    ended_at: int | None
    ended_by: str
    why: str
    winner: int | None
    since: int
    until: int | None
    arms: tuple[ArmTold, ...]
    rule: Rule | None  # None: people decide
    verdict: TrialVerdict | None  # of the rule, since the shares are as they are
    evenly: float | None
    uncounted: int  # so many runs that have changed, or more, are left out
    paused: Mapping[int, tuple[PausedStep, ...]] = {}  # by version that `start` began: what they are there

    @property
    def uneven(self) -> bool:
        """Say whether something other than the lot has chosen who gets which version."""
        return is_uneven(self.evenly)


def listing(office: Office, slug: str, limit: int = 20, most: int | None = None) -> list[TrialTold]:
    """Return the trials of a cascade, the latest first, each with its figures; raises NotFound.

    `most`: so many runs that have changed are looked at.
    """
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        numbers = {each.id: each.number for each in store.versions_of(tx, row.id)}
        money = currencies(tx)
        return [
            _told(tx, row, trial, numbers, money, office.now(), most)
            for trial in trial_store.of_cascade(tx, row.id, limit)
        ]


def start(
    office: Office, slug: str, shares: Mapping[int, int], *, rule: Rule | None = None, by: str = ""
) -> TrialTold:  # fmt: skip
    """Let some of those who would enter the running version enter others; return the trial.

    `shares` are of 10 000 by the number of the version; NEXT freezes the draft as the next one. A trial under
    way gets more versions so, and the rule where one is given. Raises NotFound, Conflict, Invalid.
    """
    with office.read() as tx:
        row = _active(tx, slug)
        version_canaries.refuse_two(tx, row.id, slug)
        running = trial_store.under_way(tx, row.id)
        known = _shares_of(tx, running)
        base = definition_of(office, tx, row)
        drafted = store.draft(tx, row.id) is not None
    _check({**known, **shares})
    if rule is not None:
        _check_rule(rule, base)
    if NEXT in shares and not drafted:
        raise Invalid([worded("There is no draft to try: save one first, or name a version by its number.")])
    draft = cascades.ready(office, slug) if NEXT in shares else None
    for number in shares:
        _comparable(base, draft[0] if draft and number == NEXT else _version(office, row, number))
    now = office.now()

    def change(tx: Transaction) -> list[int]:
        wanted = dict(shares)
        if draft is not None:
            wanted[launch.freeze(tx, row.id, *draft, now).number] = wanted.pop(NEXT)
        for number in wanted:
            keep_paused(tx, store.version_by_number(tx, slug, number).id, row.version_id)
        assert row.version_id is not None
        if running is None:
            trial_store.begin(tx, row.id, row.version_id, rule, by, now)
        elif rule is not None:
            trial_store.put_rule(tx, running.id, rule)
        _share_out(tx, row.id, wanted, now)
        return list(wanted)

    begun = office.write(change)
    found = _reloaded(office, slug)
    with office.read() as tx:
        paused = {number: told_in(tx, slug, number, row.version_id) for number in begun}
    return structs.replace(found, paused=paused)


def share(office: Office, slug: str, shares: Mapping[int, int]) -> TrialTold:
    """Change the shares of versions on trial, by number, of 10 000; nobody changes sides who need not.

    Figures are of those who enter from now on. Raises NotFound, Conflict, Invalid.
    """
    with office.read() as tx:
        row, running = _under_way(tx, slug)
        known = _shares_of(tx, running)
    if strange := [number for number in shares if number not in known]:
        raise Invalid([worded("Version %(number)s is not on trial.", number=strange[0])])
    _check({**known, **shares})
    now = office.now()
    office.write(lambda tx: _share_out(tx, row.id, shares, now))
    return _reloaded(office, slug)


def promote(office: Office, slug: str, number: int, *, by: str = "", why: str = "") -> TrialTold:
    """End the trial; everybody enters this version of it from now on. Raises NotFound, Conflict, Invalid."""
    with office.read() as tx:
        _, running = _under_way(tx, slug)
        version = store.version_by_number(tx, slug, number)
    if version.id != running.base_id and version.id not in {arm.version_id for arm in running.arms}:
        raise Invalid([worded("Version %(number)s is not on trial.", number=number)])
    return _end(office, slug, running, version.id, by, why)


def end(office: Office, slug: str, *, by: str = "", why: str = "") -> TrialTold:
    """End the trial; everybody enters the version that ran before. Raises NotFound, Conflict."""
    with office.read() as tx:
        _, running = _under_way(tx, slug)
    return _end(office, slug, running, None, by, why)


def _end(
    office: Office, slug: str, running: TrialRow, winner_id: int | None, by: str, why: str
) -> TrialTold:  # fmt: skip
    now = office.now()

    def change(tx: Transaction) -> None:
        if trial_store.end(tx, running, now, winner_id=winner_id, by=by, why=why) and winner_id is not None:
            keep_paused(tx, winner_id, running.base_id)

    office.write(change)
    return _reloaded(office, slug)


def _reloaded(office: Office, slug: str) -> TrialTold:
    office.reload()
    return listing(office, slug, 1)[0]


def _comparable(base: Cascade, other: Cascade) -> None:
    if different := unlike(base, other):
        raise Invalid(
            [
                worded(
                    "The version to be tried differs in %(keys)s, so that other people would enter it, or "
                    "for another aim: it cannot be compared. Activate it instead.",
                    keys=", ".join(f"`{key}`" for key in different),
                )
            ]
        )


def _active(tx: Transaction, slug: str) -> CascadeRow:
    row = store.by_slug(tx, slug)
    if row.version_id is None:
        raise Conflict(
            worded("Cascade %(slug)r is a draft: activate it first, then try another version.", slug=slug)
        )
    if row.state == store.STOPPED:
        raise Conflict(worded("Cascade %(slug)r was stopped: nobody enters it.", slug=slug))
    return row


def _under_way(tx: Transaction, slug: str) -> tuple[CascadeRow, TrialRow]:
    row = store.by_slug(tx, slug)
    running = trial_store.under_way(tx, row.id)
    if running is None:
        raise Conflict(
            worded("No version of %(slug)r is on trial: `kaskad trial start %(slug)s` begins one.", slug=slug)
        )
    return row, running


def _version(office: Office, row: CascadeRow, number: int) -> Cascade:
    with office.read() as tx:
        version = store.version_by_number(tx, row.slug, number)
        if version.id == row.version_id:
            raise Invalid(
                [worded("Version %(number)s is what runs: try another one against it.", number=number)]
            )
        return cascade_of(office, tx, version.id)


def _shares_of(tx: Transaction, running: TrialRow | None) -> dict[int, int]:
    if running is None:
        return {}
    return {store.version(tx, arm.version_id).number: arm.share for arm in running.arms}


def _check(shares: Mapping[int, int]) -> None:
    """Say what is wrong with shares of 10 000."""
    if not shares:
        raise Invalid([worded("Say which version is to be tried, and its share.")])
    problems = []
    if len(shares) > MOST:
        problems.append(worded("At most %(most)s versions are tried at once.", most=MOST))
    if any(one < LEAST for one in shares.values()):
        problems.append(worded("A version on trial gets at least 0.1%% of those who enter."))
    if sum(shares.values()) > EQUAL - LEAST:
        problems.append(
            worded(
                "Leave at least 0.1%% to the version that runs: else nothing is compared. Promote the other "
                "one."
            )
        )
    if problems:
        raise Invalid(problems)


def _check_rule(rule: Rule, base: Cascade) -> None:
    """Say what is wrong with a rule for the entrants of `base`."""
    problems = []
    if rule.by not in RULED_BY:
        problems.append(worded("A rule goes by %(names)s.", names=", ".join(RULED_BY)))
    if rule.by == "goal" and base.goal is None:
        problems.append(worded("The cascade has no `goal`: let the rule go by `reacted`."))
    if rule.after < LEAST_AFTER:
        problems.append(
            worded("A rule decides after %(least)s people of each version or more.", least=LEAST_AFTER)
        )
    if not LEAST_CERTAIN <= rule.confidence < EQUAL:
        problems.append(worded("A rule must be certain to at least 80%%, and less than 100%%."))
    if rule.opt_out is not None and not 0 <= rule.opt_out < EQUAL:
        problems.append(worded("What more may opt out is a share from 0%% to under 100%%."))
    if problems:
        raise Invalid(problems)


def _share_out(tx: Transaction, cascade_id: int, shares: Mapping[int, int], now: int) -> None:
    """Let versions have these shares, by number; the others on trial keep theirs."""
    running = trial_store.under_way(tx, cascade_id)
    if running is None:
        raise Conflict(worded("The trial has just been ended."))
    ids = {each.number: each.id for each in store.versions_of(tx, cascade_id)}
    wanted = {arm.version_id: arm.share for arm in running.arms}
    wanted |= {ids[number]: share for number, share in shares.items()}
    _check(wanted)
    trial_store.put_arms(tx, running.id, shared_out(running.arms, wanted), now)


def _told(
    tx: Transaction, row: CascadeRow, trial: TrialRow, numbers: Mapping[int, int],
    money: Mapping[int, str], now: int, most: int | None = None,
) -> TrialTold:  # fmt: skip
    from kaskad.analytics.samples import sample_ratio

    since, until = compared(trial, now)
    shares = {arm.version_id: arm.share for arm in trial.arms}
    shares = {trial.base_id: EQUAL - sum(shares.values()), **shares}
    told_in = exchanges(tx, row.id, now, Scope(None, 0, since, until)).cost
    arms: list[ArmTold] = []
    effects: list[Mapping[str, float]] = []
    changed = Changed(tx, now, most)
    for version_id, part in shares.items():
        told = tally(tx, row.id, Scope(None, version_id, since, until), changed)
        found = outcomes(told, money, told_in)
        effects.append(design_effects(tx, version_id, since, until, told))
        apart = _apart((found, arms[0].found), (effects[-1], effects[0])) if arms else {}
        first = told.people[version_id, 0]
        arms.append(ArmTold(numbers[version_id], version_id == trial.base_id, part, first, found, apart))
    people = [arm.people for arm in arms]
    evenly = sample_ratio(people, list(shares.values())) if since >= trial.shared_at else None
    return TrialTold(
        trial.id, trial.state, trial.started_at, trial.started_by, trial.ended_at, trial.ended_by, trial.why,
        None if trial.winner_id is None else numbers[trial.winner_id], since, trial.ended_at, tuple(arms),
        trial.rule, winners.of_trial(tx, trial),
        evenly, changed.uncounted,
    )  # fmt: skip


def _apart(
    found: tuple[Outcomes, Outcomes], effects: tuple[Mapping[str, float], Mapping[str, float]]
) -> dict[str, Interval]:
    """Return by measure the difference of runs, as sure as the people are who made them."""
    one, other = found
    told = {
        name: difference_at_any_look(
            Share(one.of(name), one.entered), Share(other.of(name), other.entered),
            effects=(effects[0][name], effects[1][name]),
        )
        for name in COMPARED
    }  # fmt: skip
    return {name: interval for name, interval in told.items() if interval is not None}


def compared(trial: TrialRow, now: int) -> tuple[int, int]:
    """Return from when to when people must have entered to be compared: whole hours, as these are counted.

    Only since the shares are as they are: before, the versions had people of other days. In its first day the
    hour in which it began counts too.
    """
    until = (trial.ended_at or now) // HOUR_MS * HOUR_MS + HOUR_MS
    first = trial.shared_at // HOUR_MS * HOUR_MS
    return (first if until - first <= _DAY_MS else first + HOUR_MS), until
