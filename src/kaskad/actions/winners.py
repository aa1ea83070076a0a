"""The best of a step's variants, or of versions on trial, told apart by a rule: once an hour, and kept."""

from __future__ import annotations

from msgspec import Struct, structs

from kaskad.actions import audit, lots
from kaskad.actions.learning import time_ms
from kaskad.actions.office import Office
from kaskad.analytics.winners import Count, counts, people, uneven, winner
from kaskad.domain.cascade import Span, Step, Winner
from kaskad.domain.errors import NotFound
from kaskad.domain.policy import DAY
from kaskad.domain.shares import EQUAL
from kaskad.domain.trials import Rule
from kaskad.domain.version import Version
from kaskad.domain.worded import worded
from kaskad.engine.step_pauses import keep_paused
from kaskad.log import get_logger
from kaskad.store import cascades as store
from kaskad.store import courses, winners
from kaskad.store import trials as trial_store
from kaskad.store.db import Transaction
from kaskad.store.trials import TrialRow
from kaskad.store.winners import Detail, Figures

log = get_logger(__name__)

BY_ITSELF = "Kaskad"  # who has done it, in the audit


class WinnerTold(Struct, frozen=True):
    """A verdict, with the names that people know; `undone`: the variants weigh again what they did before."""

    version: int
    step: str
    at: int
    winner: str
    detail: Detail
    undone: bool


def listing(office: Office, slug: str) -> list[WinnerTold]:
    """Return which variants of a cascade have won, the latest first; raises NotFound."""
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        numbers = {each.id: each.number for each in store.versions_of(tx, row.id)}
        verdicts = winners.of_cascade(tx, row.id)
    known = office.engine.world.versions
    return [
        WinnerTold(
            numbers[one.version_id], known[one.version_id].cascade.steps[one.step].id, one.at, one.winner,
            one.detail, undone(known[one.version_id], one.step),
        )
        for one in verdicts
    ]  # fmt: skip


def undone(version: Version, step: int) -> bool:
    """Say whether the winner of a step was taken back."""
    return version.weights.get(step) == _told(version.cascade.steps[step])


def undo(office: Office, slug: str, number: int, step_id: str) -> WinnerTold:
    """Let the variants of a step weigh what its version says, as before one has won.

    The rule decides no more of it in this version. Done twice, it changes nothing. Raises NotFound where no
    variant of that step has won.
    """
    for one in listing(office, slug):
        if (one.version, one.step) == (number, step_id):
            break
    else:
        raise NotFound(
            worded("No variant of step %(step)r has won in version %(number)s.", step=step_id, number=number)
        )
    with office.read() as tx:
        version_id = store.version_by_number(tx, slug, number).id
    step = next(each for each in office.engine.world.versions[version_id].cascade.steps if each.id == step_id)
    office.write(lambda tx: winners.weigh(tx, version_id, step.number, _told(step)))
    office.reload()
    return structs.replace(one, undone=True)


def _told(step: Step) -> tuple[int, ...]:
    """Return what variants weigh by the definition."""
    return tuple(variant.weight for variant in step.variants)


def decide(office: Office) -> int:
    """Tell winners apart where that is certain now; return how many."""
    decided = 0
    for version in list(office.engine.world.versions.values()):
        for step in version.cascade.steps:
            if step.winner is not None and step.number not in version.weights:
                decided += _decide(office, version, step, step.winner)
    for trial, rule in _open(office):
        decided += _decide_trial(office, trial, rule)
    if decided:
        office.reload()
    return decided


def _decide(office: Office, version: Version, step: Step, rule: Winner) -> bool:
    now = office.now()
    found = _counts(office, version, step, rule, now)
    margin = None if rule.opt_out is None else rule.opt_out / EQUAL
    told = winner(found, rule.after, 1 - rule.confidence / EQUAL, margin)
    if told is None:
        return False
    if uneven(found, _told(step)) or lots.variants_uneven(office, version, step):
        log.warning("no winner: an uneven lot", cascade=version.cascade.id, step=step.id)
        return False
    best, least = told
    figures = tuple(
        Figures(variant.id, one.of, one.hits, one.opted_out)
        for variant, one in zip(step.variants, found, strict=True)
    )
    weights = [rule.explore] * len(found)
    weights[best] = EQUAL - rule.explore * (len(found) - 1)
    name, detail = step.variants[best].id, Detail(rule.by, figures, least)
    office.write(
        lambda tx: winners.put(tx, version.cascade_id, version.id, step.number, name, detail, weights, now)
    )
    audit.note(office, BY_ITSELF, "PUT /cascades/{slug}/winner", f"{version.cascade.id} {step.id} {name}")
    log.info("winner", cascade=version.cascade.id, step=step.id, variant=name)
    return True


def _counts(office: Office, version: Version, step: Step, rule: Winner, now: int) -> list[Count]:
    """Return the counts of those who have had the time for it: until the step's end, or for the goal."""
    steps = version.cascade.steps[: step.number + 1]
    length = sum(time_ms(version, one) for one in steps) + DAY
    if rule.by == "goal" and version.cascade.goal is not None:
        length = max(length, _ms(version.cascade.goal.within))
    with office.read() as tx:
        rows = tx.all(
            "course_scan", cascade_id=version.cascade_id, version_id=version.id, since=0,
            until=max(0, now - length),
        )  # fmt: skip
        parts = courses.parts(tx, {row[1] for row in rows}, {})
    runs = [(parts[row[1]], row[2]) for row in rows]
    return counts(runs, step.number, len(step.variants), rule.by)


def _open(office: Office) -> list[tuple[TrialRow, Rule]]:
    """Return the trials with a rule that has not decided since their shares are as they are."""
    with office.read() as tx:
        return [
            (trial, trial.rule)
            for trial in trial_store.running(tx)
            if trial.rule is not None and winners.of_trial(tx, trial) is None
        ]


def _decide_trial(office: Office, trial: TrialRow, rule: Rule) -> bool:
    now, known = office.now(), office.engine.world.versions
    versions = [known[number] for number in (trial.base_id, *(arm.version_id for arm in trial.arms))]
    until = now - max(_whole(version, rule) for version in versions)  # of the same days in all of them
    with office.read() as tx:
        numbers = {each.id: each.number for each in store.versions_of(tx, trial.cascade_id)}
        found = [_people(tx, version.id, trial.shared_at, until, rule.by) for version in versions]
    counted = [one for one in found if one is not None]
    if len(counted) < len(found):
        return False
    margin = None if rule.opt_out is None else rule.opt_out / EQUAL
    told = winner(counted, rule.after, 1 - rule.confidence / EQUAL, margin)
    if told is None:
        return False
    shares = [arm.share for arm in trial.arms]
    slug = versions[0].cascade.id
    if uneven(counted, [EQUAL - sum(shares), *shares]) or lots.trial_uneven(office, slug):
        log.warning("no winner: an uneven lot", cascade=slug)
        return False
    best, least = versions[told[0]], told[1]
    figures = tuple(
        Figures(str(numbers[version.id]), one.of, one.hits, one.opted_out)
        for version, one in zip(versions, counted, strict=True)
    )

    def keep(tx: Transaction) -> bool:
        if not winners.put_of_trial(tx, trial, numbers[best.id], Detail(rule.by, figures, least), now):
            return False
        if rule.promote and not trial_store.end(tx, trial, now, winner_id=best.id):
            return False
        if rule.promote:
            keep_paused(tx, best.id, trial.base_id, best.cascade)
        return True

    if not office.write(keep):
        return False
    if rule.promote:
        audit.note(office, BY_ITSELF, "POST /cascades/{slug}/trials/promote", best.cascade.id)
    else:
        audit.note(office, BY_ITSELF, "PUT /cascades/{slug}/trials/winner", best.cascade.id)
    log.info("winner", cascade=best.cascade.id, version=numbers[best.id], promoted=rule.promote)
    return True


def _people(tx: Transaction, version_id: int, since: int, until: int, by: str) -> Count | None:
    rows = tx.all("first_courses", version_id=version_id, since=since, until=until)
    parts = courses.parts(tx, {row[0] for row in rows}, {})
    return people([(parts[course_id], number) for course_id, number in rows], by)


def _whole(version: Version, rule: Rule) -> int:
    """Return how long somebody who enters the version can take until nothing of what counts comes any more.

    As far as it says so: where a step waits for a date, those under way are seen in the figures.
    """
    steps = version.cascade.steps
    length = sum(time_ms(version, step) + DAY * (step.at.day if step.at else 0) for step in steps)
    length += _ms(version.cascade.trigger.delay) + DAY
    goal = version.cascade.goal
    return max(length, _ms(goal.within)) if rule.by == "goal" and goal is not None else length


def _ms(span: Span) -> int:
    return span.ms + (span.days + 31 * span.months) * DAY
