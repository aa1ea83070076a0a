"""What CRM and site tell us of a contact: triggers, goals and plain events."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class ContactRef(Struct, frozen=True):
    """Which contact is meant; where several are given, the first that is known counts, in this order."""

    id: int | None = None
    external_id: str = ""
    email: str = ""
    phone: str = ""


class EventIn(Struct, frozen=True):
    """One event as its sender names it; `id` makes it count once for its contact."""

    id: str
    name: str
    contact: ContactRef
    at: int
    properties: dict[str, Any] = field(default_factory=dict)
    zone: str = ""  # in which the person was, as the site or app knows it
