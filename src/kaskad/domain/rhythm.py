"""At which hours of the week somebody reacts, and which of the next hours is the best by that.

Counted are clicks and replies of people by their own clock, younger ones for more: half as much after 90
days. Half of each counts for that hour of all days, since a week of one person has few. What a person shows
is mixed with what people of the country show, and that with what all do; who has reacted less than five
times shows nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from kaskad.domain.hours import hour_of_day, hour_of_week
from kaskad.domain.policy import HOUR
from kaskad.domain.terms import Channel

WEEK = 168  # hours, the first is Monday's after midnight
HALF_LIFE_MS = 90 * 24 * HOUR
LEAST = 5  # reactions before anything is said of a person …
LEAST_OF_MANY = 50  # … and of people together
OWN_WEIGHT = 10.0  # reactions that the country's hours are worth beside a person's own
WIDER_WEIGHT = 50.0  # and all people's beside a country's
WITHIN_MS = 24 * HOUR  # how long a step waits for its best hour at most


class Curves(Struct, frozen=True):
    """How often people have reacted by the hour of the week: all of them, and by country."""

    everyone: tuple[float, ...] = ()
    countries: dict[str, tuple[float, ...]] = {}
    at: int = 0


class Rhythm(Struct, frozen=True):
    """How likely each hour of the week is for a reaction, and whose hours these are."""

    shares: tuple[float, ...]
    whose: str  # person | country | everyone


class Favourite(Struct, frozen=True):
    """The hour of the day at which most reactions come, and whose hours these are: 20 is from eight on."""

    hour: int
    whose: str  # person | country | everyone
    reactions: int  # of the person, whoever's hours these are
    counted_at: int = 0
    sends: tuple[tuple[Channel, int], ...] = ()  # the hours at which steps that wait for it mostly go


def favourite(
    rhythm: Rhythm | None, reactions: int, counted_at: int = 0, sends: tuple[tuple[Channel, int], ...] = ()
) -> Favourite | None:
    """Return the best hour of all days together; None: too little is known."""
    if rhythm is None:
        return None
    days = [sum(rhythm.shares[hour::24]) for hour in range(24)]
    return Favourite(days.index(max(days)), rhythm.whose, reactions, counted_at, sends)


def sending_hour(rhythm: Rhythm, now: int, zone: str, opens: Callable[[int], bool]) -> int | None:
    """Return the hour of the day at which steps that come due in the next week mostly go; None: at none.

    `opens` as for `best_hour`: reactions may come at hours at which nothing is sent.
    """
    began = now - hour_of_day(now, zone) % HOUR
    chosen = [best_hour(rhythm, began + day * 24 * HOUR, zone, opens) for day in range(7)]
    found = Counter(hour_of_day(at, zone) // HOUR for at in chosen if at is not None)
    return found.most_common(1)[0][0] if found else None


def rhythm_of(curves: Curves, own: Mapping[int, float], reactions: int, country: str) -> Rhythm | None:
    """Return what is believed of a person; None: too little is known of anybody."""
    total = sum(curves.everyone)
    if total < LEAST_OF_MANY:
        return None
    shares, whose = [one / total for one in _of_days(curves.everyone)], "everyone"
    theirs = curves.countries.get(country, ())
    if sum(theirs) >= LEAST_OF_MANY:
        shares, whose = _mixed(theirs, shares, WIDER_WEIGHT), "country"
    if reactions >= LEAST:
        shares, whose = _mixed([own.get(hour, 0.0) for hour in range(WEEK)], shares, OWN_WEIGHT), "person"
    return Rhythm(tuple(shares), whose)


def best_hour(
    rhythm: Rhythm, at: int, zone: str, opens: Callable[[int], bool], spread: int = 0
) -> int | None:
    """Return when in the next day to send: at once where this hour is the best that is open.

    `opens` says whether an instant is allowed; None: none of these hours is. In a later hour it is `spread`
    ms after its beginning, as far as that is still allowed.
    """
    best = -1.0
    chosen: int | None = None
    began = at - hour_of_day(at, zone) % HOUR  # of this hour by the clock of the zone
    for start in [at, *range(began + HOUR, at + WITHIN_MS, HOUR)]:
        if not opens(start):
            continue
        share = rhythm.shares[hour_of_week(start, zone)]
        if share > best:
            best, chosen = share, start
    if chosen is None or chosen == at:
        return chosen
    later = chosen + min(spread, HOUR - 1)
    return later if later <= at + WITHIN_MS and opens(later) else chosen


def counted(reactions: Sequence[tuple[int, str]], now: int) -> dict[int, float]:
    """Return how much reactions (instant, zone) are worth now by the hour of the week."""
    found: dict[int, float] = {}
    for at, zone in reactions:
        hour = hour_of_week(at, zone)
        found[hour] = found.get(hour, 0.0) + 0.5 ** ((now - at) / HALF_LIFE_MS)
    return found


def _mixed(counts: Sequence[float], wider: Sequence[float], weight: float) -> list[float]:
    total = sum(counts) + weight
    return [(count + weight * share) / total for count, share in zip(_of_days(counts), wider, strict=True)]


def _of_days(counts: Sequence[float]) -> list[float]:
    """Return the counts with half of each shared out to the same hour of all days."""
    return [count / 2 + sum(counts[hour % 24 :: 24]) / 14 for hour, count in enumerate(counts)]
