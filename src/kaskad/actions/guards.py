"""Guardrails while cascades run: what is watched, what is beyond its bound, and what a person makes of it.

Every look asks whether what is bad is more than chance would make of the bound. The test holds however often
one looks (`analytics/sequential`): of streams that stay within their bound at most ALPHA are ever stopped in
one day, or in thirty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial

from msgspec import Struct, structs

from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.guard_counts import Counts, counts_of, forgive, less_bases
from kaskad.actions.office import Office
from kaskad.analytics.intervals import Share
from kaskad.analytics.sequential import evidence_above
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.guard import ALPHA, WHOLE, Figure, Guard, Then
from kaskad.domain.guarded import Count, enough, told
from kaskad.domain.policy import Policy
from kaskad.domain.worded import worded
from kaskad.engine import catalog
from kaskad.engine.catalog import POLICY
from kaskad.store import accounts as account_store
from kaskad.store import cascades, guards, holds, settings, step_holds, version_canaries
from kaskad.store.db import Transaction
from kaskad.store.guards import Stop, Stream
from kaskad.store.holds import Held

_SPENT = 2 / ALPHA  # evidence that stops: the two windows share ALPHA


class Subject(Struct, frozen=True):
    """What is paused where one of its streams is beyond a bound: a cascade, or an account."""

    guard: Guard
    cascade_id: int = 0
    slug: str = ""
    steps: tuple[str, ...] = ()
    account: str = ""


class Place(Struct, frozen=True):
    """A step of a version, by numbers and as people call them."""

    version_id: int
    number: int
    step: int
    id: str


class Watched(Struct, frozen=True):
    """One stream as it stands: today's and the longer window's counts. `step` "" is an account's."""

    stream: Stream
    step: str
    version: int
    bound: int
    day: Count
    days: Count
    suspicion: float  # 1: it is stopped
    stop: Stop | None


class Guarded(Struct, frozen=True):
    """The guardrails of a cascade: its bounds now, what is watched, what was stopped before.

    `block_since`: when the block of thirty days began.
    """

    slug: str
    guard: Guard
    watched: tuple[Watched, ...]
    stops: tuple[Stop, ...]
    history: tuple[Stop, ...]
    block_since: int


class Breach(Struct, frozen=True):
    """A stream beyond its bound, and what is stopped by it."""

    stream: Stream
    subject: Subject
    count: Count
    bound: int

    @property
    def pauses(self) -> bool:
        """Say whether nothing more is sent because of it."""
        return self.subject.guard.then is not Then.TELL

    @property
    def words(self) -> str:
        """Return the reason with its figures."""
        named = self.subject.steps
        step = named[self.stream.step] if 0 <= self.stream.step < len(named) else ""
        return told(self.stream.figure, self.count, self.bound, step)


def watch(office: Office) -> list[Breach]:
    """Look at everything that runs; stop what is beyond its bound, and return it.

    Raises what could not be stopped, once all else is.
    """
    found: list[Breach] = []
    failed: list[Exception] = []
    for each in breaches(office):
        try:
            found += [each] if _act(office, each) else []
        except Exception as error:
            failed.append(error)
    if failed:
        raise failed[0]
    since = guards.first_watched(office.now())
    office.write(lambda tx: tx.run("drop_guard_bases", since=since))
    return found


def breaches(office: Office) -> list[Breach]:
    """Return the streams that are beyond their bound and not stopped yet; change nothing."""
    now = office.now()
    with office.read() as tx:
        subjects = _subjects(office, tx)
        if not subjects:
            return []
        known = {stop.stream for stop in guards.stops(tx)}
        bounds = guards.bounds(tx)
        counts = counts_of(tx, now)
        less_bases(tx, counts, now)
    found: dict[Stream, Breach] = {}
    for (stream, _), count in counts.items():
        subject = subjects.get((stream.version_id, stream.account_id))
        if subject is None or stream in known:
            continue
        bound = _bound(subject.guard, bounds, stream)
        if bound and enough(stream.figure, count, bound) and _evidence(count, bound) >= _SPENT:
            found[stream] = Breach(stream, subject, count, bound)
    return [found[stream] for stream in sorted(found)]


def status(office: Office, slug: str) -> Guarded:
    """Return the guardrails of a cascade: its current version and those of which something counts today."""
    now = office.now()
    day, days = guards.windows(now)
    with office.read() as tx:
        row = cascades.by_slug(tx, slug)
        if row.version_id is None:
            raise Conflict(worded("Cascade %(slug)r is a draft: activate it first.", slug=slug))
        policy = settings.get(tx, POLICY, Policy) or Policy()
        numbers = {version.id: version.number for version in cascades.versions_of(tx, row.id)}
        counts = counts_of(tx, now, row.id)
        seen = {stream for stream, since in counts if since in (day, days)}
        less_bases(tx, counts, now)
        stops = {stop.stream: stop for stop in guards.stops(tx) if stop.stream.version_id in numbers}
        past, bounds = guards.history(tx, cascade_id=row.id), guards.bounds(tx)
        current = _own(
            policy.guard.over(cascade_of(office, tx, row.version_id).guard), bounds, row.version_id
        )
        shown: list[Watched] = []
        for version_id, number in sorted(numbers.items()):
            cascade = cascade_of(office, tx, version_id)
            guard = _own(policy.guard.over(cascade.guard), bounds, version_id)
            for step in cascade.steps:
                at = Place(version_id, number, step.number, step.id)
                shown += _watched(at, guard, counts, stops, (day, days), seen)
    return Guarded(slug, current, tuple(shown), tuple(stops.values()), tuple(past), days * 3_600_000)


def _watched(
    at: Place,
    guard: Guard,
    counts: Counts,
    stops: Mapping[Stream, Stop],
    windows: tuple[int, int],
    seen: Collection[Stream],
) -> Iterator[Watched]:
    """Yield how the figures of one step stand that have anything to count."""
    for figure in Figure:
        stream = Stream(at.version_id, 0, at.step, figure)
        today, long = (counts.get((stream, since), Count()) for since in windows)
        if stream in seen or stream in stops:
            bound = guard.bound(figure)
            suspicion = _suspicion((today, long), bound)
            yield Watched(stream, at.id, at.number, bound, today, long, suspicion, stops.get(stream))


def words_of(office: Office, tx: Transaction, stop: Stop) -> str:
    """Return in words why something was stopped."""
    step = ""
    if stop.stream.version_id and stop.stream.version_id not in office.engine.world.versions.unread:
        steps = cascade_of(office, tx, stop.stream.version_id).steps
        step = steps[stop.stream.step].id if 0 <= stop.stream.step < len(steps) else ""
    return told(stop.stream.figure, stop.count, stop.bound, step)


def looked(office: Office, slug: str, by: str) -> int:
    """Watch a cascade anew from what has been counted until now: a person has looked. Raises NotFound."""
    with office.read() as tx:
        row = cascades.by_slug(tx, slug)
        stopped = any(one[0] == slug for one in version_canaries.stopped(tx))
    if stopped:
        now = office.now()
        office.write(lambda tx: version_canaries.looked(tx, row.id, now))
    return forgive(office, cascade_id=row.id, by=by)


def raise_bounds(office: Office, slug: str, told: Mapping[Figure, int]) -> None:
    """Give a cascade's current version bounds of its own, of 10 000; raises NotFound, Conflict, Invalid."""
    _check(told)
    with office.read() as tx:
        row = cascades.by_slug(tx, slug)
    if row.version_id is None:
        raise Conflict(worded("Cascade %(slug)r is a draft: activate it first.", slug=slug))
    office.write(partial(_put_bounds, version_id=row.version_id, account_id=0, told=told))


def raise_account_bounds(office: Office, name: str, told: Mapping[Figure, int]) -> None:
    """Give an account bounds of its own, of 10 000; raises NotFound, Invalid."""
    _check(told)
    with office.read() as tx:
        found = next((one for one in account_store.all_accounts(tx, office.vault) if one.name == name), None)
    if found is None:
        raise NotFound(worded("There is no account %(name)r.", name=name))
    office.write(partial(_put_bounds, version_id=0, account_id=found.id, told=told))


def _put_bounds(tx: Transaction, *, version_id: int, account_id: int, told: Mapping[Figure, int]) -> None:
    for figure, bound in told.items():
        guards.put_bound(tx, version_id, account_id, figure, bound)


def _check(told: Mapping[Figure, int]) -> None:
    wrong = [
        worded("%(figure)s: a bound is a share from 0%% (not watched) to under 100%%.", figure=figure.value)
        for figure, bound in told.items()
        if not 0 <= bound < WHOLE
    ]
    if wrong or not told:
        raise Invalid(wrong or [worded("Say which bound: complaints, opt_outs, bounces or failures.")])


def _subjects(office: Office, tx: Transaction) -> dict[tuple[int, int], Subject]:
    """Return what may be stopped, by version and account."""
    policy = settings.get(tx, POLICY, Policy) or Policy()
    found: dict[tuple[int, int], Subject] = {}
    for row in cascades.all_cascades(tx):
        if row.state != cascades.ACTIVE:
            continue
        for version in cascades.versions_of(tx, row.id):
            if version.id in office.engine.world.versions.unread:
                continue  # it sends nothing
            cascade = cascade_of(office, tx, version.id)
            guard = policy.guard.over(cascade.guard)
            found[version.id, 0] = Subject(guard, row.id, row.slug, tuple(each.id for each in cascade.steps))
    if policy.guard.accounts:
        held = holds.load(tx)
        for account in account_store.all_accounts(tx, office.vault):
            if account.enabled and account.id not in held:
                found[0, account.id] = Subject(policy.guard, account=account.name)
    return found


def _bound(guard: Guard, bounds: Mapping[tuple[int, int, Figure], int], stream: Stream) -> int:
    own = bounds.get((stream.version_id, stream.account_id, stream.figure))
    return guard.bound(stream.figure) if own is None else own


def _own(guard: Guard, bounds: Mapping[tuple[int, int, Figure], int], version_id: int) -> Guard:
    told = {figure.value: bounds[key] for figure in Figure if (key := (version_id, 0, figure)) in bounds}
    return structs.replace(guard, **told)


def _evidence(count: Count, bound: int) -> float:
    return evidence_above(Share(count.bad, count.of), bound / WHOLE)


def _suspicion(counts: Iterable[Count], bound: int) -> float:
    """Return how near to being stopped a stream is: the logarithm of the evidence, by that which stops."""
    from math import log

    found = 0.0
    for count in counts:
        if bound and count.bad and count.bad * WHOLE > bound * count.of:
            evidence = _evidence(count, bound)
            found = max(found, min(1.0, log(max(evidence, 1.0)) / log(_SPENT)))
    return found


def _act(office: Office, breach: Breach) -> bool:
    """Stop what a breach is of, with the reason; return False where somebody else was quicker."""
    now, world = office.now(), office.engine.world
    stream, subject, why = breach.stream, breach.subject, str(breach.words)

    def change(tx: Transaction) -> bool:
        active = not subject.cascade_id or cascades.cascade(tx, subject.cascade_id).state == cascades.ACTIVE
        tried = version_canaries.of_version(tx, subject.cascade_id, stream.version_id)
        if not active or not guards.put_stop(tx, stream, breach.count, breach.bound, breach.pauses, now):
            return False
        if not breach.pauses:
            return True
        if tried is not None:
            version_canaries.end(tx, tried, version_canaries.STOPPED, why, now)
        if subject.cascade_id and (tried is not None or subject.guard.then is not Then.PAUSE):
            skip = subject.guard.then is Then.SKIP_STEP
            step_holds.put(tx, (stream.version_id, stream.step), now, skip=skip, why=why)
        elif subject.cascade_id:
            cascades.set_state(tx, subject.cascade_id, cascades.PAUSED, now)
            if world.outbox is not None:
                world.outbox.cascade_paused(tx, subject.slug, now, why=why)
        elif holds.put(tx, stream.account_id, Held(now, why)) and world.outbox is not None:
            world.outbox.account_held(tx, subject.account, why, now)
        catalog.load(tx, office.vault, world)
        return True

    return office.write(change)
