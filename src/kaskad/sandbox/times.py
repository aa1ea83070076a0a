"""Instants in the words of the services."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(at: int) -> datetime:
    """Return milliseconds since 1970 as an aware UTC datetime."""
    return datetime.fromtimestamp(at / 1000, UTC)


def iso(at: int) -> str:
    """Return an instant as 2026-01-01T10:00:00.000Z."""
    return instant(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(at: int) -> str:
    """Return an instant as 2026-01-01 10:00:00, in UTC."""
    return instant(at).strftime("%Y-%m-%d %H:%M:%S")
