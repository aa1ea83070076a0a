"""Guardrails while cascades run: what is watched, what is beyond its bound, and what a person makes of it.

Every look asks whether what is bad is more than chance would make of the bound. The test holds however often
one looks (`analytics/sequential`): of streams that stay within their bound at most ALPHA are ever stopped in
one day, or in thirty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from msgspec import Struct

from kaskad.actions.cascades import cascade_of
from kaskad.actions.office import Office
from kaskad.analytics.courses import part_of_text
from kaskad.analytics.intervals import Share
from kaskad.analytics.sequential import evidence_above
from kaskad.domain.course import Leg
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.guard import ALPHA, OF_ACCOUNTS, WHOLE, Figure, Guard, Then
from kaskad.domain.guarded import Count, counted, enough, told
from kaskad.domain.policy import Policy
from kaskad.domain.worded import worded
from kaskad.engine import catalog
from kaskad.engine.catalog import POLICY
from kaskad.store import accounts as account_store
from kaskad.store import cascades, guards, holds, settings
from kaskad.store.db import Transaction
from kaskad.store.guards import Stop, Stream
from kaskad.store.holds import Held

_SPENT = 2 / ALPHA  # evidence that stops: the two windows share ALPHA
Counts = dict[tuple[Stream, int], Count]  # by stream and first hour of the window


class Subject(Struct, frozen=True):
    """What is paused where one of its streams is beyond a bound: a cascade, or an account."""

    guard: Guard
    cascade_id: int = 0
    slug: str = ""
    steps: tuple[str, ...] = ()
    account: str = ""


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
    """The guardrails of a cascade: its bounds now, what is watched, what was stopped before."""

    slug: str
    guard: Guard
    watched: tuple[Watched, ...]
    stops: tuple[Stop, ...]
    history: tuple[Stop, ...]


class Breach(Struct, frozen=True):
    """A stream beyond its bound, and what is stopped by it."""

    stream: Stream
    subject: Subject
    count: Count
    bound: int

    @property
    def pauses(self) -> bool:
        """Say whether nothing more is sent because of it."""
        return self.subject.guard.then is Then.PAUSE

    @property
    def words(self) -> str:
        """Return the reason with its figures."""
        named = self.subject.steps
        step = named[self.stream.step] if 0 <= self.stream.step < len(named) else ""
        return told(self.stream.figure, self.count, self.bound, step)


def watch(office: Office) -> list[Breach]:
    """Look at everything that runs; stop what is beyond its bound, and return it."""
    found = [each for each in breaches(office) if _act(office, each)]
    _, since = guards.windows(office.now())
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
        counts = _counts(tx, now)
        _less_bases(tx, counts, now)
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
        counts = _counts(tx, now, row.id)
        _less_bases(tx, counts, now)
        stops = {stop.stream: stop for stop in guards.stops(tx) if stop.stream.version_id in numbers}
        past, bounds = guards.history(tx, cascade_id=row.id), guards.bounds(tx)
        shown = []
        for version_id in sorted(numbers):
            cascade = cascade_of(office, tx, version_id)
            guard = _own(policy.guard.over(cascade.guard), bounds, version_id)
            if version_id == row.version_id:
                current = guard
            for step in cascade.steps:
                for figure in Figure:
                    stream = Stream(version_id, 0, step.number, figure)
                    both = [counts.get((stream, since), Count()) for since in (day, days)]
                    if both[1].of or stream in stops:
                        bound = guard.bound(figure)
                        shown.append(Watched(stream, step.id, numbers[version_id], bound, *both,
                                             _suspicion(both, bound), stops.get(stream)))  # fmt: skip
    return Guarded(slug, current, tuple(shown), tuple(stops.values()), tuple(past))


def stopped(office: Office) -> dict[Stream, Stop]:
    """Return all that was stopped and nobody has looked at."""
    with office.read() as tx:
        return {stop.stream: stop for stop in guards.stops(tx)}


def words_of(office: Office, tx: Transaction, stop: Stop) -> str:
    """Return in words why something was stopped."""
    step = ""
    if stop.stream.version_id:
        steps = cascade_of(office, tx, stop.stream.version_id).steps
        step = steps[stop.stream.step].id if 0 <= stop.stream.step < len(steps) else ""
    return told(stop.stream.figure, stop.count, stop.bound, step)


def forgive(office: Office, *, cascade_id: int = 0, account_id: int = 0, by: str = "") -> int:
    """Let what was stopped be watched anew, from what has been counted until now: a person has looked.

    Return how many stops that concerns; where there are none, nothing is changed.
    """
    now = office.now()
    with office.read() as tx:
        versions = {row.id for row in cascades.versions_of(tx, cascade_id)} if cascade_id else set()
        if not any(
            stop.stream.version_id in versions or (account_id and stop.stream.account_id == account_id)
            for stop in guards.stops(tx)
        ):
            return 0
        counts = {
            key: count
            for key, count in _counts(tx, now, cascade_id).items()
            if key[0].version_id in versions or (account_id and key[0].account_id == account_id)
        }

    def change(tx: Transaction) -> int:
        guards.put_bases(tx, counts)
        return guards.look(tx, now, by, cascade_id=cascade_id, account_id=account_id)

    return office.write(change)


def raise_bounds(office: Office, slug: str, told: Mapping[Figure, int]) -> None:
    """Give the current version of a cascade bounds of its own, of 10 000; raises NotFound, Conflict, Invalid."""
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
            cascade = cascade_of(office, tx, version.id)
            guard = policy.guard.over(cascade.guard)
            found[version.id, 0] = Subject(guard, row.id, row.slug, tuple(each.id for each in cascade.steps))
    if policy.guard.accounts:
        held = holds.load(tx)
        for account in account_store.all_accounts(tx, office.vault):
            if account.enabled and account.id not in held:
                found[0, account.id] = Subject(policy.guard, account=account.name)
    return found


def _counts(tx: Transaction, now: int, cascade_id: int = 0) -> Counts:
    """Return what befell the messages of runs that entered today, and within the longer window."""
    day, days = guards.windows(now)
    found: Counts = {}
    for version_id, hour, text, runs in guards.counts(tx, days, cascade_id):
        leg = part_of_text(text)
        if not isinstance(leg, Leg):
            continue
        for figure, bad in counted(leg).items():
            streams = [Stream(version_id, 0, leg.step, figure)]
            if leg.account_id and figure in OF_ACCOUNTS:
                streams.append(Stream(0, leg.account_id, -1, figure))
            for stream in streams:
                for since in {day, days}:
                    if hour >= since:
                        count = found.setdefault((stream, since), Count())
                        count.of += runs
                        count.bad += runs * bad
    return found


def _less_bases(tx: Transaction, counts: Counts, now: int) -> None:
    """Leave out what had been counted when somebody looked."""
    for key, base in guards.bases(tx, guards.windows(now)[1]).items():
        if key in counts:
            counts[key] = counts[key].less(base)


def _bound(guard: Guard, bounds: Mapping[tuple[int, int, Figure], int], stream: Stream) -> int:
    own = bounds.get((stream.version_id, stream.account_id, stream.figure))
    return guard.bound(stream.figure) if own is None else own


def _own(guard: Guard, bounds: Mapping[tuple[int, int, Figure], int], version_id: int) -> Guard:
    told = {figure.value: bounds.get((version_id, 0, figure)) for figure in Figure}
    values = {name: value if (value := told.get(name)) is not None else getattr(guard, name)
              for name in guard.__struct_fields__}  # fmt: skip
    return Guard(**values)


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
    stream, subject, why = breach.stream, breach.subject, breach.words

    def change(tx: Transaction) -> bool:
        active = not subject.cascade_id or cascades.cascade(tx, subject.cascade_id).state == cascades.ACTIVE
        if not active or not guards.put_stop(tx, stream, breach.count, breach.bound, breach.pauses, now):
            return False
        if not breach.pauses:
            return True
        if subject.cascade_id:
            cascades.set_state(tx, subject.cascade_id, cascades.PAUSED, now)
            if world.outbox is not None:
                world.outbox.cascade_paused(tx, subject.slug, now, why=why)
        elif holds.put(tx, stream.account_id, Held(now, why)) and world.outbox is not None:
            world.outbox.account_held(tx, subject.account, why, now)
        catalog.load(tx, office.vault, world)
        return True

    return office.write(change)
