"""What has happened in a cascade and in all others, as a forecast learns from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.office import Office
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import WEEK, Tally, tally, weekly
from kaskad.analytics.scope import People, Scope
from kaskad.domain.cascade import Cascade, Span
from kaskad.domain.clocks import most_tries
from kaskad.domain.errors import NotFound
from kaskad.domain.policy import Policy
from kaskad.domain.version import prepare
from kaskad.engine.catalog import POLICY
from kaskad.planning.again import ONCE, Again, Made, Tries
from kaskad.planning.ageing import aged, moves
from kaskad.planning.history import WAITING, Cell, Happened, asks_messages, happened
from kaskad.planning.outlook import Event
from kaskad.planning.rates import Seen
from kaskad.planning.same_steps import named_as
from kaskad.planning.walk import stages
from kaskad.store import cascades as store
from kaskad.store import settings
from kaskad.store.courses import HOUR_MS
from kaskad.store.db import Transaction

VERSIONS = 10  # the last ones of the cascade, which tell most of the next
CASCADES = 100  # others, those that were changed last
_DAY_MS = 24 * HOUR_MS
SLACK_MS = 3 * _DAY_MS  # beyond a cascade's own times: nights, holidays, slow accounts


class Past(Struct, frozen=True):
    """What a cascade's own steps have shown, by the numbers they have in it now, and what those of others.

    `today` is the same as it counts now, as what is older counts less; `goal`, so too, of how many the end is
    known, and how many had reached the goal.
    """

    own: Happened
    elsewhere: Mapping[Event, Sequence[Seen]]
    today: Happened
    goal: Seen = Seen(0, 0)
    again: Again = ONCE  # how often messages are made again, whenever that was

    @property
    def learnt(self) -> bool:
        """Say whether anything has happened at the steps of the cascade itself."""
        return any(cell.of for cell in self.today.cells.values())


def past(office: Office, slug: str, cascade: Cascade) -> Past:
    """Return what has happened in a cascade of that name, seen from `cascade`, and in others."""
    with office.read() as tx:
        own, elsewhere, changed = Happened({}), dict[Event, list[Seen]](), Changed(tx, office.now())
        policy, tries_elsewhere = settings.get(tx, POLICY, Policy) or Policy(), dict[int, list[Tries]]()
        for row in sorted(store.all_cascades(tx), key=lambda row: -row.changed_at)[: CASCADES + 1]:
            if row.slug == slug or row.version_id is None:
                continue
            theirs = cascade_of(office, tx, row.version_id)
            told = _happened(office, tx, theirs, row.id, row.version_id, changed)
            for (_, channel), tries in _again(told, theirs, policy).items():
                tries_elsewhere.setdefault(channel, []).append(tries)
            for step in theirs.steps:
                cell = told.step(step.number)
                if cell.of:
                    seen = elsewhere.setdefault((step.channels[0], step.success), [])
                    seen.append(Seen(cell.of, cell.reacted))
        weeks, own_tries = dict[int, Happened](), dict[Made, Tries]()
        for version_id, cascade_id in versions_of(tx, slug):
            before = cascade_of(office, tx, version_id)
            scope, told = _ripe(office, tx, before, cascade_id, version_id, changed)
            _add(own, cascade, before, told)
            _add_tries(own_tries, cascade, before, _again(told, before, policy))
            legs = asks_messages(stages(before))
            for week, found in weekly(tx, cascade_id, scope, changed, legs=legs).items():
                _add(weeks.setdefault(week, Happened({})), cascade, before, _told(before, found))
        again = Again(_most(cascade, policy), own_tries, tries_elsewhere)
        return Past(own, elsewhere, *_as_of(weeks, office.now() // HOUR_MS // WEEK), again=again)


def _again(told: Happened, cascade: Cascade, policy: Policy) -> dict[Made, Tries]:
    """Return how often messages were made again that may be."""
    most = _most(cascade, policy)
    return {made: tries for made, tries in told.tries.items() if made in most}


def _most(cascade: Cascade, policy: Policy) -> dict[Made, int]:
    """Return how often messages are made at most, of steps and channels where that is more than once."""
    version = prepare(0, 0, cascade, policy)
    found = {made: most_tries(version, *made) for made in version.rules}
    return {made: most for made, most in found.items() if most > 1}


def _as_of(weeks: Mapping[int, Happened], now: int) -> tuple[Happened, Seen]:
    """Return what has happened, week by week, as it counts in week `now`: at steps, and of goals, which may
    drift each by itself, but hardly stay even where steps do not."""
    goals = {
        week: {"": Cell(told.converted, silent=told.over - told.converted, waiting=told.under_way)}
        for week, told in weeks.items()
    }
    steps = aged({week: told.cells for week, told in weeks.items()}, now)
    known = aged(goals, now, moves(steps.others_even)).cells.get("", Cell())
    return Happened(steps.cells, shocks=steps.shocks), Seen(known.of, known.reacted)


def versions_of(tx: Transaction, slug: str) -> list[tuple[int, int]]:
    """Return the last versions of a cascade, and its id with each."""
    try:
        row = store.by_slug(tx, slug)
    except NotFound:
        return []
    return [(one.id, row.id) for one in store.versions_of(tx, row.id)[-VERSIONS:]]


def happened_to_parts(
    office: Office, slug: str, cascade: Cascade, whole: Happened, groups: Sequence[Sequence[int]]
) -> list[Happened]:  # fmt: skip
    """Return what has happened to groups of contacts, none in two of them, and last to everybody else."""
    found, parts = [Happened({}) for _ in groups], [People(each) for each in groups]
    with office.read() as tx:
        changed = Changed(tx, office.now())
        for version_id, cascade_id in versions_of(tx, slug):
            before = cascade_of(office, tx, version_id)
            scope, _ = _ripe(office, tx, before, cascade_id, version_id, changed)
            for own, people in zip(found, parts, strict=True):
                told = tally(tx, cascade_id, structs.replace(scope, people=people), changed)
                _add(own, cascade, before, _told(before, told))
    rest = Happened(dict(whole.cells))
    for own in found:
        for place, cell in own.cells.items():
            rest.cells[place] = rest.cells.get(place, Cell()).less(cell)
    return [*found, rest]


def together(
    cascade: Cascade, whole: Past, inside: Sequence[Happened], others: Sequence[Happened]
) -> Past:  # fmt: skip
    """Return the past of some parts of the people; that of others stands with what other cascades tell."""
    own = Happened({})
    for part in inside:
        for place, cell in part.cells.items():
            own.cells.setdefault(place, Cell()).add(cell)
    found = {event: list(seen) for event, seen in whole.elsewhere.items()}
    for step in cascade.steps:
        cells = [other.step(step.number) for other in others]
        seen = [Seen(cell.of, cell.reacted) for cell in cells if cell.of]
        found.setdefault((step.channels[0], step.success), []).extend(seen)
    return Past(own, found, own, again=whole.again)


def _happened(
    office: Office, tx: Transaction, cascade: Cascade, cascade_id: int, version_id: int, changed: Changed
) -> Happened:  # fmt: skip
    """Return a version's past."""
    return _ripe(office, tx, cascade, cascade_id, version_id, changed)[1]


def _ripe(
    office: Office, tx: Transaction, cascade: Cascade, cascade_id: int, version_id: int, changed: Changed
) -> tuple[Scope, Happened]:  # fmt: skip
    """Return of which runs of a version the past is, and that: all, or where many are under way of those who
    had the time."""
    scope = Scope(version_id=version_id)
    told = _told(cascade, tally(tx, cascade_id, scope, changed))
    if told.under_way > WAITING * (told.over + told.under_way):
        until = (office.now() - _length_ms(cascade) - SLACK_MS) // HOUR_MS * HOUR_MS
        scope = Scope(version_id=version_id, until=max(0, until))
        told = _told(cascade, tally(tx, cascade_id, scope, changed))
    return scope, told


def _told(cascade: Cascade, found: Tally) -> Happened:
    return happened(stages(cascade), found.shapes, found.legs)


def _length_ms(cascade: Cascade) -> int:
    """Return how long the silence of all steps takes, one after another."""
    return sum(silences_ms(cascade))


def silences_ms(cascade: Cascade) -> list[int]:
    """Return of each step how long its silence takes, on the slowest of its channels."""
    version = prepare(0, 0, cascade, Policy())
    return [
        max(
            rule.silence_ms or max((_ms(clock.span) for clock in rule.clocks), default=0)
            for (number, _), rule in version.rules.items()
            if number == step.number
        )
        for step in cascade.steps
    ]


def _ms(span: Span) -> int:
    """Return about how long a span is."""
    return span.ms + (span.days + 31 * span.months) * _DAY_MS


def _add(own: Happened, cascade: Cascade, before: Cascade, told: Happened) -> None:
    """Add what happened in a version at those of its steps that are still there."""
    numbers = named_as(cascade, before)
    for (step, others), cell in told.cells.items():
        for number in numbers.get(step, ()):
            own.cells.setdefault((number, others), Cell()).add(cell)
    if cascade.goal is not None and before.goal is not None and before.goal.event == cascade.goal.event:
        own.over += told.over
        own.converted += told.converted
        own.under_way += told.under_way


def _add_tries(
    own: dict[Made, Tries], cascade: Cascade, before: Cascade, told: Mapping[Made, Tries]
) -> None:  # fmt: skip
    """Add how often messages were made in a version at those of its steps that are still there."""
    numbers = named_as(cascade, before)
    for (step, channel), tries in told.items():
        for number in numbers.get(step, ()):
            own.setdefault((number, channel), Tries()).update(tries)
