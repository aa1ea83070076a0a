"""Steps that are due by a date, as somebody comes to them who stays silent: to whom do they still go?

The date of an event or of a contact is a person's own, and whoever comes late passes the step over. When
somebody comes to a step follows from the entry, what the steps before it wait, and the hours in which
messages go; what is then decided, `entering` says. Who reacts has mostly left before later steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from kaskad.domain import entering
from kaskad.domain.caps import Touch
from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.paths import instant_at
from kaskad.domain.policy import DAY
from kaskad.domain.run import Answers, Run, Send
from kaskad.domain.span import approximate_ms
from kaskad.domain.terms import Channel, Phase, RunState, SkipReason
from kaskad.domain.timing import When
from kaskad.domain.version import Version
from kaskad.domain.ways import Way
from kaskad.planning.costs import goes_at

CONTACT, TRIGGER = "contact.", "trigger."
WEEK = 7 * DAY
FEW = 10  # events: of fewer each would stand for too many
SLOTS = 10  # of the time until a date that is still ahead
SHARED = 20  # a date that more than one of so many events names is no person's own
_LOOKS = 20  # at one step: whoever waits for that many hours of caps and windows in turn gets nothing
_PENDING = RunState.PENDING.code
_OF_DATES = (SkipReason.TOO_LATE, SkipReason.WINDOW_IMPOSSIBLE, SkipReason.CONDITION_FALSE)

Ways = tuple[Way | SkipReason, ...]


class Entry(Struct, frozen=True):
    """When somebody enters, and the properties of the event that lets them: those of one in the past, whose
    dates come so much later too. `slot` 0: when such a one enters is known; else one of SLOTS in which some
    do, nobody knows how many."""

    at: int
    properties: Mapping[str, object] = {}
    later_ms: int = 0
    slot: int = 0


def as_next(at: int, properties: Mapping[str, object], now: int) -> Entry:
    """Return the entry by an event like one of the past: in the week that begins, on the same day of it at
    the same time, as those decide how many hours are left and which of them are permitted."""
    later_ms = max(0, -(-(now - at) // WEEK)) * WEEK
    return Entry(at + later_ms, properties, later_ms)


class Past(Struct, frozen=True):
    """An event of the past: to whom it happened, when, and its properties."""

    contact_id: int
    at: int
    properties: Mapping[str, object]


def coming(cascade: Cascade, events: Sequence[Past], now: int) -> dict[int, Entry]:
    """Return by contact how the next may enter, by the last events; {}: too few tell it.

    Of a date that many share, as of a webinar, only those have come who come early until it is over: how long
    before it people come, those tell that are over. Until there are such the next name the same date.
    """
    paths = sorted({_names(step) for step in cascade.steps if _names(step).startswith(TRIGGER)})
    dates = [tuple([instant_at(path, event.properties, {}) or 0 for path in paths]) for event in events]
    shared = {
        one for one, times in Counter(dates).items() if any(one) and times > max(1, len(events) // SHARED)
    }
    over, ahead, own = list[Past](), dict[tuple[int, ...], list[Past]](), list[Past]()
    for event, one in zip(events, dates, strict=True):
        into = own if one not in shared else over if max(one) <= now else ahead.setdefault(one, [])
        into.append(event)
    found = {one.contact_id: as_next(one.at, one.properties, now) for one in (*own, *over)}
    for one, early in ahead.items() if len(over) < FEW else ():
        found.update(_evenly(early, now, min(max(one), now + WEEK)))
    return found if len(found) >= FEW else {}


def _evenly(events: Sequence[Past], now: int, until: int) -> dict[int, Entry]:
    """Return by contact entries from now until then which name the dates of these events: when people come to
    a date that is still ahead, those do not tell who have come early."""
    found, many = {}, len(events)
    for place, one in enumerate(events):
        at = now + (until - now) * (2 * place + 1) // (2 * many)
        found[one.contact_id] = Entry(at, one.properties, slot=1 + SLOTS * place // many)
    return found


def with_dates(cascade: Cascade, *, events: bool) -> Cascade:
    """Return the cascade without the dates of which nothing is known: those of events, unless some are.

    A date that begins the runs tells when they begin, which an audience of today does not.
    """
    return structs.replace(
        cascade,
        steps=tuple([
            structs.replace(step, at=None) if _is_unknown(cascade, step, events) else step
            for step in cascade.steps
        ]),
    )  # fmt: skip


def asks_events(cascade: Cascade) -> bool:
    """Say whether steps are due by dates of the event that begins the runs."""
    return bool(cascade.trigger.event) and any(_names(step).startswith(TRIGGER) for step in cascade.steps)


def lacks_dates(cascade: Cascade, *, contacts: bool, events: bool) -> bool:
    """Say whether steps are due by dates of which nothing is known: are those of `contacts`, of `events`?"""
    return any(
        _is_unknown(cascade, step, events) or (not contacts and _names(step).startswith(CONTACT))
        for step in cascade.steps
    )


def has_dates(version: Version) -> bool:
    """Say whether a step is due by a date that is a person's own."""
    return any(_names(step) for step in version.anchored)


def anchors(version: Version, entry: Entry, attributes: Mapping[str, object]) -> dict[int, int]:
    """Return of each step that is due by a date of the person that instant, where there is one."""
    found = {}
    for step in version.anchored:
        path = _names(step)
        at = instant_at(path, entry.properties, attributes) if path else None
        if at is not None:
            found[step.number] = at + entry.later_ms * path.startswith(TRIGGER)
    return found


def by_date(
    version: Version, silences: Sequence[int], entry: Entry, run: Run, answers: Answers,
    attributes: Mapping[str, object], found: Ways,
) -> Ways:  # fmt: skip
    """Return over what each step goes to a contact who enters so: those without a date as was `found`."""
    due_at = entry.at + approximate_ms(version.cascade.trigger.delay)
    run = structs.replace(run, entered_at=entry.at, due_at=due_at, wake_at=due_at)
    touches = tuple([structs.replace(one, run_id=-1 - one.run_id) for one in answers.touches])  # not of `run`
    told = structs.replace(answers, touches=touches, anchors=anchors(version, entry, attributes))
    return _gone_through(version, silences, run, told, found)


def usual_by_date(
    version: Version, silences: Sequence[int], entries: Iterable[Entry], answers: Answers
) -> Iterator[Mapping[int, SkipReason]]:  # fmt: skip
    """Yield of people whom each step reaches, who enter so, the steps that dates of the event keep from
    them."""
    steps = tuple([
        structs.replace(step, condition=None, at=None if _names(step).startswith(CONTACT) else step.at)
        for step in version.cascade.steps
    ])  # fmt: skip
    cascade = structs.replace(version.cascade, steps=steps)
    version = structs.replace(version, cascade=cascade, control=None)
    found = tuple([Way(step.channels[0], 0, False) for step in steps])
    for number, entry in enumerate(entries, 1):
        run = Run(number, 1, 0, 0, 0, _PENDING, Phase.ENTER, -1, None, 0, 0, 0, 0)
        ways = by_date(version, silences, entry, run, answers, {}, found)
        yield {
            number: why for number, why in enumerate(ways) if not isinstance(why, Way) and why in _OF_DATES
        }


def _gone_through(
    version: Version, silences: Sequence[int], run: Run, answers: Answers, found: Ways
) -> Ways:  # fmt: skip
    cascade, ways, touches = version.cascade, list(found), answers.touches
    comes: list[int | None] = [None] * len(ways)
    comes[cascade.first] = run.due_at
    for step in cascade.steps:
        at = comes[step.number]
        if at is None:
            continue
        way = ways[step.number]
        if _names(step):
            way, at = _met(version, run, step, structs.replace(answers, touches=touches), at)
            ways[step.number] = way
        elif isinstance(way, Way):
            at = _later(version, run, step, answers, at)
        if not isinstance(way, Way):
            _lead(comes, step.next, at)
            continue
        touches = (*touches, Touch(at, run.id, way.channel.code, version.class_code))
        following = None if step.next is None else cascade.steps[step.next]
        waits = following is None or following.at is None  # a step with a date of its own is entered at once
        _lead(comes, step.next, at + silences[step.number] if waits else at)
        for branch in cascade.branches:
            if branch.step == step.number:
                _lead(comes, branch.go, at + silences[step.number])
    return tuple(ways)


def _lead(comes: list[int | None], to: int | None, at: int | None) -> None:
    if to is not None and comes[to] is None:
        comes[to] = at


def _met(version: Version, run: Run, step: Step, answers: Answers, at: int) -> tuple[Way | SkipReason, int]:
    """Return over what a step with a date goes to who comes to it at `at`, or why not, and when that is."""
    for _ in range(_LOOKS):
        found = entering.asked(version, run, step, answers, at)
        if isinstance(found, Send):
            return Way(Channel.of(found.channel), found.account_id, found.by_name), at
        if not isinstance(found, When):
            return found[2], at
        if found.at is None:
            return found.why if isinstance(found.why, SkipReason) else SkipReason.TOO_LATE, at
        at = found.at
    return SkipReason.TOO_LATE, at


def _later(version: Version, run: Run, step: Step, answers: Answers, at: int) -> int:
    """Return when a step without a date goes to who comes to it at `at`."""
    if step.at is not None:
        at = max(at, run.entered_at + (step.at.day - 1) * DAY)
    return goes_at(version, step.number, at, answers.country, answers.zones)


def _names(step: Step) -> str:
    """Return the path of the date by which a step is due; "": it is due by none."""
    return step.at.path if step.at is not None else ""


def _is_unknown(cascade: Cascade, step: Step, events: bool) -> bool:
    path = _names(step)
    return bool(path) and (bool(cascade.trigger.date) or (path.startswith(TRIGGER) and not events))
