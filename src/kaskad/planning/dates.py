"""Steps that are due by a date, as somebody comes to them who stays silent: to whom do they still go?

The date of an event or of a contact is a person's own, and whoever comes late passes the step over. When
somebody comes to a step follows from the entry, what the steps before it wait, and the hours in which
messages go; what is then decided, `entering` says. Who reacts has mostly left before later steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from kaskad.domain import entering
from kaskad.domain.caps import Touch
from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.entering import When
from kaskad.domain.paths import instant_at
from kaskad.domain.policy import DAY
from kaskad.domain.run import Answers, Run, Send
from kaskad.domain.terms import Channel, SkipReason
from kaskad.domain.version import Version
from kaskad.domain.ways import Way
from kaskad.planning.costs import goes_at

CONTACT, TRIGGER = "contact.", "trigger."
_LOOKS = 20  # at one step: whoever waits for that many hours of caps and windows in turn gets nothing

Ways = tuple[Way | SkipReason, ...]


class Entry(Struct, frozen=True):
    """When somebody enters, and the properties of the event that lets them: of one like it in the past."""

    at: int
    properties: Mapping[str, object] = {}


def dated(cascade: Cascade, *, events: bool) -> Cascade:
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
    found = {step.number: instant_at(_names(step), entry.properties, attributes) for step in version.anchored}
    return {number: at for number, at in found.items() if at is not None}


def ways_by_date(
    version: Version, silences: Sequence[int], run: Run, answers: Answers, found: Ways
) -> Ways:  # fmt: skip
    """Return over what each step goes to somebody, `found` of steps without dates: those with one as they
    are met. `answers` have the dates, and what left us before as it then stands."""
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
