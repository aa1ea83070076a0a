"""What is said between Kaskad and a CRM: something has changed there, something has happened here.

Most CRMs tell only that a deal has changed, and have to be asked for the rest, several times over. Such a
conversation is a generator here: it yields requests and is sent the answers, so that it calls nothing itself.
`engine/clerk.py` holds it, again and again until it succeeds.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct, field

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason

if TYPE_CHECKING:
    from kaskad.providers.base import Request, Response

T = TypeVar("T")
JOURNALED = frozenset(  # what of our outgoing events the journal of a CRM is to hold
    {"message.sent", "message.failed", "message.reacted", "run.finished", "contact.opted_out"}
)
PROPERTY = "crm"  # of an event: what it is about in the CRM; entries about its runs are written there


class Changed(Struct, frozen=True, kw_only=True):
    """A CRM says that something has changed, or asks for something; under one `key` it counts once."""

    key: str
    name: str  # the CRM's word for it
    fields: Mapping[str, str] = field(default_factory=dict)
    at: int | None = None


class Customer(Struct, frozen=True, kw_only=True):
    """A person as a CRM knows them; "" is not known."""

    external_id: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""


class Happened(Struct, frozen=True, kw_only=True):
    """An event of a customer that a CRM tells: it may begin runs, or be their goal."""

    key: str  # told twice, it counts once
    name: str
    customer: Customer
    at: int
    properties: Mapping[str, Any] = field(default_factory=dict)


class PeoplePage(Struct, frozen=True):
    """Some of the people a CRM knows, under names of columns as an import reads them.

    `next` is the cursor of the page after it, "" after the last.
    """

    rows: list[dict[str, str]]
    next: str = ""


class Keep(Struct, frozen=True):
    """Secrets of the account that have changed (an OAuth token): kept before the conversation goes on."""

    secrets: Mapping[str, str]


class Entry(Struct, frozen=True, kw_only=True):
    """What happened to a customer, for the CRM's own journal.

    `about` is `PROPERTY` of the event that began the run, {} where another began it.
    """

    kind: str  # a type of outgoing events: message.sent
    text: str  # for who reads the CRM
    customer: Customer
    about: Mapping[str, str] = field(default_factory=dict)
    outcome: str = ""  # of a run that has ended


Conversation = Generator["Request | Keep", "Response", T]


def event_key(crm: str, changed: Changed, properties: Mapping[str, Any]) -> str:
    """Return the id of the event: another where the entity is another, though told under the same key.

    CRMs tell the instant of a change in whole seconds, and two may fall into one.
    """
    seen = msgspec.json.encode(properties, order="sorted")
    return f"{crm} {changed.key} {blake2b(seen, digest_size=8).hexdigest()}"


def php_form(body: bytes) -> dict[str, Any]:
    """Return a form whose names nest by brackets (`a[b][0]=c`), as PHP reads it; all values are texts.

    A name that is a value and a branch at once is a branch.
    """
    found: dict[str, Any] = {}
    for name, value in parse_qsl(
        body.decode(errors="replace"), keep_blank_values=True, max_num_fields=100_000
    ):
        head, *rest = name.split("[")
        path = [head, *(part.rstrip("]") for part in rest)]
        place = found
        for part in path[:-1]:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        if not isinstance(place.get(path[-1]), dict):
            place[path[-1]] = value
    return found


def branch(value: object, *path: str) -> dict[str, Any]:
    """Return the dictionary at a place of a nested one; {} where there is none."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str:
    """Return a text or a whole number as text; "" for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def cell_of(value: object) -> str:
    """Return a value as a cell of a table has it: yes or no, and of a list all values with semicolons."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(text for one in value if not isinstance(one, list) and (text := cell_of(one)))
    return repr(value) if isinstance(value, float) else text_of(value)


def all_values(values: object, name: str = "VALUE") -> str:
    """Return the values of a list of {`name`: …}, with semicolons between them."""
    return cell_of(
        [one.get(name) for one in values if isinstance(one, dict)] if isinstance(values, list) else []
    )


def people_of(told: object) -> list[dict[str, Any]]:
    """Return the people of a page; raises SendError where it is no list: that is not their end."""
    if not isinstance(told, list):
        raise SendError(Reason.AMBIGUOUS, "the answer has no list of people", accepted=None)
    return [one for one in told if isinstance(one, dict)]


def first_value(values: object, name: str = "VALUE") -> str:
    """Return the first value of a list of {`name`: …}, as CRMs list phones and mails; "": it has none."""
    found: Iterable[object] = values if isinstance(values, list) else ()
    return next((text for one in found if isinstance(one, dict) and (text := text_of(one.get(name)))), "")
