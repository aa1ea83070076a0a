"""Canaries: some people of a launch go first, and the rest follows by itself if they fared well.

Who goes first is drawn by a hash, so that they are as the others are. Their figures are looked at once, after
the first step has had its time; a guardrail that stops the cascade before stops the canary too.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from heapq import nsmallest

from msgspec import Struct

from kaskad.actions import lists
from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.office import Office
from kaskad.analytics.courses import Tally, tally_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.channels import CHANNELS
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.figures import WAITING
from kaskad.domain.guard import CANARY_ALPHA, Figure, Guard
from kaskad.domain.guarded import Count, add, chance, told
from kaskad.domain.ids import launch_text
from kaskad.domain.policy import DAY, Policy
from kaskad.domain.span import parse_span
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.store import canaries as store
from kaskad.store import cascades, guards, settings
from kaskad.store.canaries import PASSED, RELEASED, STOPPED, UnderWay
from kaskad.store.db import Transaction

LEAST = 200  # people: of fewer little is to be learnt
WHOLE = 10_000
MOST = 50_000  # and more tell no more than these
_PIECE = 5_000
SHARE_IN = 0.9  # of them must have been written to, or have ended, before anything is concluded
_MONTH = 30 * DAY


class Wanted(Struct, frozen=True):
    """How a canary is to be: `share` of 10 000 of the people; `after_ms` None: the first step's own time."""

    share: int
    after_ms: int | None = None


class First(Struct, frozen=True):
    """Who goes first, on a list of their own, and after what time their figures are looked at."""

    list_id: int
    people: int
    mature_ms: int


def wanted(share: str, after: str) -> Wanted | None:
    """Return what is asked for by words such as `1%` and `6h`; None: no canary. Raises Invalid."""
    if not share.strip():
        if after.strip():
            raise Invalid([worded("Say how many go first, for example 1%%.")])
        return None
    try:
        of_whole = round(float(share.strip().removesuffix("%").strip().replace(",", ".")) * 100)
    except ValueError:
        of_whole = 0
    if not share.strip().endswith("%") or not 0 < of_whole < WHOLE:
        raise Invalid([worded("A canary is a share of the people, for example 1%%.")], ["/canary"])
    try:
        span = parse_span(after.strip()) if after.strip() else None
    except ValueError:
        too = [worded("The time of a canary is a duration, for example 6h.")]
        raise Invalid(too, ["/canary_after"]) from None
    return Wanted(of_whole, None if span is None else _ms(span.ms, span.days, span.months))


def draw(office: Office, version_id: int, list_id: int | None, size: int, told: Wanted) -> First | None:
    """Return who of a launch goes first; None where it is no larger than that: then it just begins."""
    people = min(max(size * told.share // WHOLE, LEAST), MOST)
    if people >= size:
        return None
    ids = nsmallest(people, _ids(office, list_id), key=lambda contact_id: _lot(version_id, contact_id))
    at = office.now()
    own = office.write(lambda tx: cascades.save_list(tx, f"canary of version {version_id} {at}"))
    lists.fill(office, own, sorted(ids))
    with office.read() as tx:
        cascade = cascade_of(office, tx, version_id)
    return First(own, len(ids), told.after_ms if told.after_ms is not None else own_time(cascade))


def go_on(office: Office) -> None:
    """Look at all canaries under way; let those pass that have fared well, and stop those that have not."""
    with office.read() as tx:
        found = store.under_way(tx)
    for one in found:
        if one.version_id not in office.engine.world.versions.unread:
            _look(office, one)


def release(office: Office, slug: str, launch_id: int) -> None:
    """Let the rest of a launch enter, whatever its canary says: a person has looked. Raises Conflict."""
    now = office.now()

    def change(tx: Transaction) -> bool:
        return store.end(tx, launch_id, RELEASED, "", now) and store.go(tx, launch_id, now)

    if not office.write(change):
        raise Conflict(
            worded("Launch %(launch)s of %(slug)r waits for no canary.", launch=launch_text(launch_id),
                   slug=slug)
        )  # fmt: skip


def _look(office: Office, one: UnderWay) -> None:
    """Conclude what there is to conclude about one canary."""
    now, number = office.now(), one.canary.launch_id
    if one.rest_state != "paused":  # a person has stopped the launch
        office.write(lambda tx: store.end(tx, number, STOPPED, "", now))
        return
    with office.read() as tx:
        halted = _halted(office, tx, one)
    if halted:
        office.write(lambda tx: store.end(tx, number, STOPPED, halted, now))
        return
    if one.canary.due_at is None:
        if one.first_state == "done":
            office.write(lambda tx: store.due(tx, number, now + one.canary.mature_ms))
        return
    if now < one.canary.due_at:
        return
    verdict = _verdict(office, one)
    if verdict is None:
        return
    why, passed = verdict

    def change(tx: Transaction) -> None:
        if store.end(tx, number, PASSED if passed else STOPPED, why, now) and passed:
            store.go(tx, number, now)

    office.write(change)


def _halted(office: Office, tx: Transaction, one: UnderWay) -> str:
    """Return why a canary need not be waited for: a guardrail has stopped its version; else ""."""
    from kaskad.actions.guards import words_of  # which looks at launches' cascades itself

    for stop in guards.stops(tx):
        if stop.stream.version_id == one.version_id:
            return str(words_of(office, tx, stop))
    return ""


def _verdict(office: Office, one: UnderWay) -> tuple[str, bool] | None:
    """Return what the figures say, and whether the rest may go; None: too few have been written to as yet.

    Their runs are looked at themselves: what came last, the worst perhaps, may not be counted yet.
    """
    with office.read() as tx:
        seen = tally_of(tx, store.runs_of(tx, one))
        policy = settings.get(tx, POLICY, Policy) or Policy()
        guard = policy.guard.over(cascade_of(office, tx, one.version_id).guard)
        own = guards.bounds(tx)
    entered, through_it = through(seen)
    if not entered:
        return str(worded("nobody of the first part could enter")), False
    if through_it < SHARE_IN * entered:
        return None
    return judged(seen, guard, one.version_id, own)


def judged(
    seen: Tally, guard: Guard, version_id: int, own: dict[tuple[int, int, Figure], int]
) -> tuple[str, bool]:
    """Return what figures of a first part say, and whether the rest may go; `own`: bounds people have set."""
    counts: dict[Figure, Count] = {}
    for leg, messages in seen.legs.items():
        add(counts, leg, messages)
    if not counts:
        return str(worded("nothing was sent to the first part")), False
    said = []
    for figure in filter(counts.__contains__, Figure):
        count = counts[figure]
        bound = own.get((version_id, 0, figure), guard.bound(figure))
        said.append(f"{figure.value} {count.bad}/{count.of}")
        if bound and count.bad > 1 and chance(count, bound) < CANARY_ALPHA:
            return str(told(figure, count, bound)), False
    return ", ".join(said), True


def through(seen: Tally) -> tuple[int, int]:
    """Return how many have entered to be written to, and how many of them were, or have ended."""
    entered = past = 0
    for shape, runs in seen.shapes.items():
        if not shape.holdout:
            entered += runs
            past += runs if shape.steps or shape.outcome else 0
    return entered, past - sum(runs for leg, runs in seen.legs.items() if leg.state in WAITING)


def _ids(office: Office, list_id: int | None) -> Iterator[int]:
    after = 0
    while True:
        with office.read() as tx:
            if list_id is None:
                ids = [row[0] for row in tx.all("contacts_after", after=after, limit=_PIECE)]
            else:
                ids = cascades.members(tx, list_id, after=after, limit=_PIECE)
        if not ids:
            return
        yield from ids
        after = ids[-1]


def _lot(version_id: int, contact_id: int) -> bytes:
    return blake2b(f"canary {version_id} {contact_id}".encode(), digest_size=8).digest()


def own_time(cascade: Cascade) -> int:
    """Return how long the first step waits for people, at its longest."""
    step = cascade.steps[cascade.first]
    spans = [clock.span for clock in step.wait] or [CHANNELS[step.channels[0]].default_timeout]
    return max(_ms(span.ms, span.days, span.months) for span in spans)


def _ms(ms: int, days: int, months: int) -> int:
    return ms + days * DAY + months * _MONTH
