"""Everybody who is known, with addresses, consents and lists, as a file that an import reads again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from typing import Any

import msgspec

from kaskad.actions.office import Office
from kaskad.domain.consent import ALL_CHANNELS, ANY
from kaskad.domain.terms import Channel, MessageClass
from kaskad.engine.sheets import csv_text
from kaskad.store import cards
from kaskad.store.cards import Card, KnownAddress, KnownConsent

_AT_ONCE = 500
_FIXED = ("id", "zone", "language", "country", "tracking")
Fields = dict[str, Any]


class Form(StrEnum):
    """How the file is written."""

    CSV = "csv"
    JSONL = "jsonl"


def export(office: Office, form: Form) -> Iterator[bytes]:
    """Yield the file piece by piece; people who are made meanwhile may be in it or not."""
    if form is Form.JSONL:
        for people in _people(office):
            yield b"".join(msgspec.json.encode(fields) + b"\n" for fields in people)
        return
    names: Counter[str] = Counter()
    for people in _people(office):
        names.update(chain.from_iterable(people))
    header = [*_FIXED, *sorted(names.keys() - {*_FIXED, "health", "consents", "lists"})]
    header += ["health", "consents", "lists"]
    yield csv_text([header]).encode("utf-8-sig")  # the mark, so that a spreadsheet reads it as UTF-8
    for people in _people(office):
        yield csv_text([[_cell(fields.get(name)) for name in header] for fields in people]).encode()


def _people(office: Office) -> Iterator[list[Fields]]:
    after = 0
    while True:
        with office.read() as tx:
            found = cards.page(tx, said="", country="", after=after, limit=_AT_ONCE)
            where = cards.addresses_among(tx, [card.id for card in found])
            people = [
                _fields(card, where[card.id], cards.consents(tx, card.id), cards.lists(tx, card.id))
                for card in found
            ]
        if not found:
            return
        yield people
        after = found[-1].id


def _fields(
    card: Card, addresses: list[KnownAddress], consents: list[KnownConsent], lists: list[str]
) -> Fields:
    """Return a person under the names of columns that an import knows; no attribute hides one of them."""
    known: Fields = {
        "id": card.external_id, "zone": card.zone, "language": card.language, "country": card.country,
        "tracking": card.tracking,
    }  # fmt: skip
    by_channel: dict[str, list[str]] = {}
    for address in addresses:
        name = "phone" if address.channel is Channel.SMS else address.channel.value
        by_channel.setdefault(name, []).append(address.value)
    known |= {name: "; ".join(values) for name, values in by_channel.items()}
    bad = {each.value: each.condition for each in addresses if each.health}
    known |= {"health": bad, "consents": [_consent(each) for each in consents], "lists": lists}
    told = {(f"contact.{name}" if name in known else name): value for name, value in card.attributes.items()}
    return {name: value for name, value in (told | known).items() if value not in (None, "", {}, [])}


def _consent(consent: KnownConsent) -> Fields:
    bits = consent.channels
    return {
        "granted": consent.granted,
        "purpose": None if consent.purpose == ANY else MessageClass.of(consent.purpose).value,
        "channels": [] if bits == ALL_CHANNELS else [each.value for each in Channel if bits & 1 << each.code],
        "topic": consent.topic,
        "at_ms": consent.at or None,
        "expires_at_ms": consent.expires_at,
        "proof": consent.proof,
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
