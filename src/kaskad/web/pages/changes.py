"""The history of changes of a contact, in the reader's words."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kaskad.store.changes import KnownChange
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look

WHAT = {
    "changed": N_("Changed"),
    "merged": N_("Merged with another"),
    "address added": N_("An address was added"),
    "address removed": N_("An address was removed"),
    "address made primary": N_("An address was put first"),
    "address marked invalid": N_("An address was said not to work"),
    "address marked valid": N_("An address was said to work"),
}
FIELDS = {
    "zone": N_("Time zone"),
    "language": N_("Language"),
    "country": N_("Country"),
    "tracking": N_("Tracking"),
    "name": N_("Name"),
    "channel": N_("Channel"),
    "address": N_("Address"),
    "contact": N_("Contact"),
}
LONGEST = 80


class Shown(Struct, frozen=True):
    """A change as it is shown: what, by whom, and pairs of a field and what became of it."""

    at: int
    what: str
    by: str
    details: tuple[tuple[str, str], ...]


def shown(change: KnownChange, look: Look) -> Shown:
    """Return a change in the reader's language."""
    what = look._(WHAT[change.what]) if change.what in WHAT else change.what
    pairs = [
        (look._(FIELDS[name]) if name in FIELDS else name, _value(name, value, look))
        for name, value in change.detail.items() if value not in (None, [], {}, "")
    ]  # fmt: skip
    by = change.who.removeprefix("api ")
    return Shown(change.at, what, by, tuple(pairs[:8]))


def _value(name: str, value: Any, look: Look) -> str:
    if name == "channel":
        return look.word("channel", str(value))
    if isinstance(value, list) and len(value) == 2 and not name.startswith("new "):
        return " → ".join("—" if each in (None, "") else str(each)[:LONGEST] for each in value)
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value))[:LONGEST]
