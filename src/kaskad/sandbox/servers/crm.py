"""What the CRMs of the sandbox have in common: a deal a person, a journal, tasks, and webhooks as forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct, field

from kaskad.providers.base import decode
from kaskad.providers.crm import branch
from kaskad.sandbox.person import Phone
from kaskad.sandbox.wire import Outgoing
from kaskad.sandbox.world import World

KEPT = 10_000  # entries and tasks; the oldest are forgotten


class Deal(Struct):
    """A deal, or lead, of one person: the fields that its CRM shows."""

    number: int
    phone: Phone
    fields: dict[str, Any]


class Ledger(Struct):
    """What a CRM holds; people are its contacts by the number of their phone."""

    deals: dict[int, Deal] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)  # of the journal
    tasks: list[dict[str, Any]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)  # on messages that the CRM gave to be sent

    def add(self, phone: Phone, fields: Mapping[str, Any]) -> Deal:
        """Return a new deal of a person."""
        deal = Deal(len(self.deals) + 1, phone, dict(fields))
        self.deals[deal.number] = deal
        return deal

    def keep(self, pile: list[dict[str, Any]], told: Mapping[str, Any]) -> int:
        """Keep an entry, task or report; return its number."""
        pile.append(dict(told))
        del pile[:-KEPT]
        return len(pile)

    def shown(self) -> dict[str, Any]:
        """Return everything that was written here, as JSON."""
        return {"entries": self.entries, "tasks": self.tasks, "reports": self.reports}


def json_of(body: bytes) -> object:
    """Return the value of a JSON body; None for what is none, or is nested too deeply."""
    try:
        return decode(body)
    except ValueError:
        return None


def object_of(body: bytes) -> dict[str, Any]:
    """Return a JSON object, {} where the body is none."""
    return branch(json_of(body))


def person_of(world: World, key: str) -> Phone | None:
    """Return the phone of the person with a key, or the number of their phone."""
    for phone in world.phones.values():
        if key in (phone.person.key, str(phone.id)):
            return phone
    return None


def nested_form(url: str, value: Mapping[str, Any]) -> Outgoing:
    """Return a POST of nested values as PHP's forms have them: `a[b][0]=c`."""
    return Outgoing(
        "POST", url, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(_flat(value)).encode()
    )


def _flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, inner in value.items():
        name = f"{prefix}[{key}]" if prefix else key
        pairs += _flat(inner, name) if isinstance(inner, Mapping) else [(name, str(inner))]
    return pairs
