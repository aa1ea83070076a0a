"""Table `week_forecasts`: what was expected of the first week of a version people enter by themselves."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Transaction


class WeekRow(Struct, frozen=True):
    """A forecast as it is kept, as JSON. `until`: when the next version's was made; None: it runs still."""

    slug: str
    version_id: int
    cascade_id: int
    number: int
    at: int
    forecast: str
    until: int | None


def put(tx: Transaction, version_id: int, forecast: str, now: int) -> None:
    """Keep the forecast of a version; one that is kept already stays."""
    tx.run("put_week_forecast", version_id=version_id, forecast=forecast, now=now)


def made(tx: Transaction) -> set[int]:
    """Return the versions of which a forecast is kept."""
    return {row[0] for row in tx.all("week_forecast_made")}


def latest(tx: Transaction, limit: int, cascade_id: int = 0) -> list[WeekRow]:
    """Return the last forecasts, of one cascade or of all, the latest first."""
    return [WeekRow(*row) for row in tx.all("week_forecasts", limit=limit, cascade_id=cascade_id)]


def people_by_day(tx: Transaction, event: str, since: int, until: int) -> dict[int, int]:
    """Return to how many people an event has happened by day since 1970 UTC; none of other days."""
    return {row[0]: row[1] for row in tx.all("event_people_by_day", name=event, since=since, until=until)}


def lately(tx: Transaction, event: str, since: int, limit: int) -> tuple[int, ...]:
    """Return to whom an event has happened since that day, the last ones."""
    return tuple(row[0] for row in tx.all("lately_by_event", name=event, since=since, limit=limit))


def last_events(tx: Transaction, event: str, since: int, limit: int) -> list[tuple[int, int, str]]:
    """Return of the last ones to whom an event has happened since then: whom, when, and its properties."""
    return [(row[0], row[1], row[2]) for row in tx.all("last_events", name=event, since=since, limit=limit)]
