"""Canaries of versions: the next version for a share of those who enter, for all once these have fared well.

Who gets it follows from the contact. Guardrails watch its messages like all others; beyond a bound it is not
the cascade that is paused, but the canary is over, and everybody enters the version that ran before. Enough
has been seen when so many people have entered and their first step has had its time: that one look decides.
"""

from __future__ import annotations

from msgspec import Struct, structs

from kaskad.actions import canaries, cascades
from kaskad.actions.canaries import LEAST, Wanted
from kaskad.actions.cascade_texts import cascade_of, definition_of
from kaskad.actions.office import Office
from kaskad.actions.step_pauses import PausedStep, told_in
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import Tally, tally, tally_of
from kaskad.analytics.scope import Scope
from kaskad.domain.cascade import Cascade
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.policy import Policy
from kaskad.domain.trials import entered_alike
from kaskad.domain.worded import worded
from kaskad.engine import launch
from kaskad.engine.catalog import POLICY
from kaskad.engine.step_pauses import keep_paused
from kaskad.store import cascades as store
from kaskad.store import guards, settings, trials
from kaskad.store import version_canaries as canary_store
from kaskad.store.cascades import CascadeRow
from kaskad.store.db import Transaction
from kaskad.store.version_canaries import PASSED, STOPPED, CanaryRow

OFFERED = "1%"
SHOWN = 20


class CanaryTold(Struct, frozen=True):
    """A canary of a version, and how far it is; numbers of versions, `entered` without hold-outs."""

    row: CanaryRow
    version: int
    base: int
    entered: int
    through: int  # of these were written to, or have ended
    paused: tuple[PausedStep, ...] = ()  # what has become of them in it; told by `begin` only


def begin(office: Office, slug: str, wanted: Wanted, *, people: int = LEAST, by: str = "") -> CanaryTold:
    """Let a share of those who would enter the running version enter the draft, frozen as the next one.

    Raises NotFound, Conflict, and Invalid where the draft cannot be activated or is entered by others.
    """
    if people < 1:
        raise Invalid([worded("A canary is judged by one person at least.")])
    with office.read() as tx:
        row = _running(tx, slug)
        base = definition_of(office, tx, row)
    if not cascades.plan(office, slug).changes:
        raise Invalid([worded("There is nothing new to activate: the draft runs already.")])
    cascade, text = cascades.ready(office, slug)
    _comparable(base, cascade)
    mature_ms = wanted.after_ms if wanted.after_ms is not None else canaries.own_time(cascade)
    now = office.now()

    def change(tx: Transaction) -> None:
        latest = _running(tx, slug)  # nobody may have activated, tried or begun anything meanwhile
        assert latest.version_id is not None
        canary_store.looked(tx, latest.id, now)
        made = launch.freeze(tx, latest.id, cascade, text, now)
        canary_store.begin(
            tx, (latest.id, latest.version_id), made.id, wanted.share, people, mature_ms, by, now
        )

    office.write(change)
    begun = _reloaded(office, slug)
    with office.read() as tx:
        return structs.replace(begun, paused=told_in(tx, slug, begun.version, begun.row.base_id))


def listing(office: Office, slug: str) -> list[CanaryTold]:
    """Return the last canaries of a cascade's versions, the latest first; raises NotFound."""
    with office.read() as tx:
        row = store.by_slug(tx, slug)
        numbers = {each.id: each.number for each in store.versions_of(tx, row.id)}
        changed = Changed(tx)
        return [_told(tx, one, numbers, changed) for one in canary_store.of_cascade(tx, row.id, SHOWN)]


def let_pass(office: Office, slug: str, *, by: str = "") -> CanaryTold:
    """Let everybody enter the canary's version, whatever its figures say; raises NotFound, Conflict."""
    return _end(office, slug, PASSED, by)


def stop(office: Office, slug: str, *, by: str = "") -> CanaryTold:
    """End the canary: everybody enters the version that ran before; raises NotFound, Conflict."""
    return _end(office, slug, STOPPED, by)


def go_on(office: Office) -> None:
    """Look at all canaries under way; let those pass that have fared well, and stop those that have not."""
    with office.read() as tx:
        found = canary_store.running(tx)
    unread = office.engine.world.versions.unread
    ended = [_look(office, one) for one in found if one.version_id not in unread]
    if any(ended):
        office.reload()


def _end(office: Office, slug: str, state: str, by: str) -> CanaryTold:
    now = office.now()
    with office.read() as tx:
        running = canary_store.under_way(tx, store.by_slug(tx, slug).id)

    def change(tx: Transaction) -> bool:
        return running is not None and _ended(tx, running, state, "", now, by)

    if not office.write(change):
        raise Conflict(
            worded("No canary of %(slug)r is under way: `kaskad canary show %(slug)s` lists them.", slug=slug)
        )
    return _reloaded(office, slug)


def _reloaded(office: Office, slug: str) -> CanaryTold:
    office.reload()
    return listing(office, slug)[0]


def _look(office: Office, one: CanaryRow) -> bool:
    """Conclude what there is to conclude about one canary; return whether it has ended."""
    now = office.now()
    with office.read() as tx:
        stopped = store.cascade(tx, one.cascade_id).state == store.STOPPED
        seen = _seen(tx, one, now)
        policy = settings.get(tx, POLICY, Policy) or Policy()
        guard = policy.guard.over(cascade_of(office, tx, one.version_id).guard)
        own = guards.bounds(tx)
    if stopped:
        why = str(worded("the cascade was stopped"))
        return office.write(lambda tx: _ended(tx, one, STOPPED, why, now, one.started_by or "-"))
    entered, through = canaries.through(seen)
    if one.due_at is None:
        if entered >= one.people:
            office.write(lambda tx: canary_store.due(tx, one.id, now + one.mature_ms))
        return False
    if now < one.due_at or through < canaries.SHARE_IN * entered:
        return False
    why, passed = canaries.judged(seen, guard, one.version_id, own)
    return office.write(lambda tx: _ended(tx, one, PASSED if passed else STOPPED, why, now))


def _seen(tx: Transaction, one: CanaryRow, now: int) -> Tally:
    """Return how the canary's runs went; where it is due, what came last, the worst perhaps, is in it.

    Of more than MOST runs those that entered first then stand for all.
    """
    seen = tally(tx, one.cascade_id, Scope(None, one.version_id))
    if not seen.uncounted or one.due_at is None or now < one.due_at:
        return seen
    return tally_of(tx, canary_store.runs_of(tx, one.version_id, canaries.MOST))


def _ended(tx: Transaction, one: CanaryRow, state: str, why: str, now: int, by: str = "") -> bool:
    """End a canary; return False where it has ended. What was paused of the version before stays paused."""
    ended = canary_store.end(tx, one, state, why, now, by)
    if ended and state == PASSED:
        keep_paused(tx, one.version_id, one.base_id)
    return ended


def _told(tx: Transaction, one: CanaryRow, numbers: dict[int, int], changed: Changed) -> CanaryTold:
    seen: Tally = tally(tx, one.cascade_id, Scope(None, one.version_id), changed)
    entered, through = canaries.through(seen)
    return CanaryTold(one, numbers[one.version_id], numbers[one.base_id], entered, through)


def _running(tx: Transaction, slug: str) -> CascadeRow:
    """Return the cascade; raises Conflict where a share of its entrants cannot get another version now."""
    row = store.by_slug(tx, slug)
    if row.version_id is None:
        raise Conflict(
            worded(
                "Nobody enters %(slug)r yet: activate it without a canary, which needs a version that runs.",
                slug=slug,
            )
        )
    if row.state == store.STOPPED:
        raise Conflict(worded("Cascade %(slug)r was stopped: nobody enters it.", slug=slug))
    if trials.under_way(tx, row.id) is not None:
        raise Conflict(
            worded(
                "Versions of %(slug)r are on trial, and what they are compared with must stay: end the trial "
                "first (`kaskad trial end %(slug)s`).",
                slug=slug,
            )
        )
    canary_store.refuse_two(tx, row.id, slug)
    return row


def _comparable(base: Cascade, other: Cascade) -> None:
    """Raise Invalid where the next version is not entered by those who enter the running one."""
    trigger = other.trigger
    if trigger.broadcast:
        raise Invalid([
            worded("People enter this cascade by launches: give the launch a canary (`kaskad launch "
                   "--canary 1%%`), and activate without one.")
        ])  # fmt: skip
    if not entered_alike(base, other):
        raise Invalid([
            worded("The draft has another `trigger`, so that other people would enter it: a share of those "
                   "who enter now cannot try it. Activate it without a canary.")
        ])  # fmt: skip
