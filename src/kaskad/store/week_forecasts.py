"""Table `week_forecasts`: what was expected of the first week of a version people enter by themselves."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Transaction


class WeekRow(Struct, frozen=True):
    """A forecast as it is kept, as JSON: the first of its version, or the one made `again`. `until`: when the
    next one was made, of this version or of another; None: there is none."""

    slug: str
    version_id: int
    cascade_id: int
    number: int
    again: bool
    at: int
    forecast: str
    until: int | None


def put(tx: Transaction, version_id: int, forecast: str, now: int, *, again: bool = False) -> None:
    """Keep the forecast of a version, or the one made again; one that is kept already stays."""
    tx.run("put_week_forecast", version_id=version_id, forecast=forecast, now=now, again=int(again))


def made(tx: Transaction) -> dict[int, bool]:
    """Return the versions of which a forecast is kept, and whether it was made again."""
    return {row[0]: bool(row[1]) for row in tx.all("week_forecasts_made")}


def first(tx: Transaction, version_id: int) -> tuple[int, str] | None:
    """Return when the first forecast of a version was made, and what it says."""
    row = tx.one("first_week_forecast", version_id=version_id)
    return (row[0], row[1]) if row else None


def latest(tx: Transaction, limit: int, cascade_id: int = 0) -> list[WeekRow]:
    """Return the last forecasts, of one cascade or of all, the latest first."""
    rows = tx.all("week_forecasts", limit=limit, cascade_id=cascade_id)
    return [
        WeekRow(slug, version_id, own, number, bool(again), at, forecast, until)
        for slug, version_id, own, number, again, at, forecast, until in rows
    ]


def people_by_day(tx: Transaction, event: str, since: int, until: int) -> dict[int, int]:
    """Return to how many people an event has happened by day since 1970 UTC; none of other days."""
    return {row[0]: row[1] for row in tx.all("event_people_by_day", name=event, since=since, until=until)}


def lately(tx: Transaction, event: str, since: int, limit: int) -> tuple[int, ...]:
    """Return to whom an event has happened since that day, the last ones."""
    return tuple(row[0] for row in tx.all("lately_by_event", name=event, since=since, limit=limit))


def last_events(tx: Transaction, event: str, since: int, limit: int) -> list[tuple[int, int, str]]:
    """Return of the last ones to whom an event has happened since then: whom, when, and its properties."""
    return [(row[0], row[1], row[2]) for row in tx.all("last_events", name=event, since=since, limit=limit)]
