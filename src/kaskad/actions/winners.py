"""The best of a step's variants, told apart by the rule in the definition: decided once an hour, and kept."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions import audit
from kaskad.actions.learning import time_ms
from kaskad.actions.office import Office
from kaskad.analytics.winners import Count, counts, winner
from kaskad.domain.cascade import Step, Winner
from kaskad.domain.policy import DAY
from kaskad.domain.shares import EQUAL
from kaskad.domain.version import Version
from kaskad.log import get_logger
from kaskad.store import cascades as store
from kaskad.store import courses, winners
from kaskad.store.winners import Detail, Figures

log = get_logger(__name__)

BY_ITSELF = "Kaskad"  # who has done it, in the audit


class WinnerTold(Struct, frozen=True):
    """A verdict, with the names that people know."""

    version: int
    step: str
    at: int
    winner: str
    detail: Detail


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
            one.detail,
        )
        for one in verdicts
    ]  # fmt: skip


def decide(office: Office) -> int:
    """Tell winners apart where that is certain now; return how many."""
    decided = 0
    for version in list(office.engine.world.versions.values()):
        for step in version.cascade.steps:
            if step.winner is not None and step.number not in version.weights:
                decided += _decide(office, version, step, step.winner)
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
        within = version.cascade.goal.within
        length = max(length, within.ms + (within.days + 31 * within.months) * DAY)
    with office.read() as tx:
        rows = tx.all(
            "course_scan", cascade_id=version.cascade_id, version_id=version.id, whole=1, people="", since=0,
            until=max(0, now - length),
        )  # fmt: skip
        parts = courses.parts(tx, {row[1] for row in rows}, {})
    runs = [(parts[course_id], number) for _, course_id, number, _ in rows]
    return counts(runs, step.number, len(step.variants), rule.by)
