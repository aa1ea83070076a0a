"""Goals of a period, shared out among messages by rules: no proof of cause."""

from __future__ import annotations

from msgspec import Struct, field

from kaskad.actions import asked
from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.office import Office
from kaskad.analytics.attribution import DAY_MS, RULES, share_out
from kaskad.analytics.scope import ENDS_FIRST
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel
from kaskad.store import cascades as store
from kaskad.store.db import Transaction

DAYS = 30
WITHIN = 7


class Line(Struct):
    """A step on a channel: how many goals it stood before, and its share of them by each rule."""

    cascade: str
    step: str
    channel: str
    touches: int = 0
    goals: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RULES, 0.0))


class Attribution(Struct):
    """All steps that stood before a goal, those of most goals (linear) first."""

    since: int
    until: int
    within_days: int
    goals: int
    without: int  # no message had arrived before them
    more: bool  # only the last ones were looked at
    lines: list[Line]


def attribute(
    office: Office, *, since: int | None = None, until: int | None = None, within_days: int = WITHIN
) -> Attribution:
    """Return the goals of a period (the last 30 days) by messages that arrived up to so many days before.

    Where there are many people, columns are kept made from then on. Raises Invalid for a period that
    ends before it begins.
    """
    end = office.now() if until is None else until
    begin = end - DAYS * DAY_MS if since is None else since
    if begin >= end:
        raise Invalid([ENDS_FIRST], ["/until"])
    with office.read() as tx:
        asked.note_of_many(office, tx)
        told = share_out(tx, begin, end, within_days * DAY_MS)
        slugs = {row.id: row.slug for row in store.all_cascades(tx)}
        found: dict[tuple[str, str, int], Line] = {}
        for place, count in told.touches.items():
            slug = slugs.get(place.cascade_id, "")
            key = (slug, _step(office, tx, place.version_id, place.step), place.channel)
            line = found.setdefault(key, Line(slug, key[1], Channel.of(place.channel).value))
            line.touches += count
            for name, got in told.credits[place].items():
                line.goals[name] += got
    lines = sorted(found.values(), key=lambda line: (-line.goals["linear"], line.cascade, line.step))
    return Attribution(begin, end, within_days, told.goals, told.without, told.more, lines)


def _step(office: Office, tx: Transaction, version_id: int, number: int) -> str:
    steps = cascade_of(office, tx, version_id).steps
    return steps[number].id if number < len(steps) else str(number)
