"""A contact as it is shown: tables `contacts`, `addresses`, `consents`, `lists` and `events`, read only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from kaskad.domain.mailbox import MailState
from kaskad.domain.terms import Channel
from kaskad.store.contacts import fold
from kaskad.store.db import Row, Transaction

HEALTH = ("good", "invalid", "suppressed")
LAST = "\U0010ffff"  # comes after every text that begins with what stands before it


class Card(Struct, frozen=True):
    """What is known of a person without addresses and consents."""

    id: int
    external_id: str | None
    zone: str | None
    language: str | None
    country: str | None
    tracking: bool
    attributes: dict[str, Any]
    created_at: int
    zone_source: int | None = None
    zone_at: int | None = None


class KnownAddress(Struct, frozen=True):
    """An address with its health (0 good, 1 invalid, 2 suppressed); `why` is a state of its mail domain."""

    channel: Channel
    value: str
    health: int
    shared: bool
    preferred: int
    changed_at: int | None
    why: int | None = None
    main: bool = False
    confirmed_at: int | None = None

    @property
    def condition(self) -> str:
        """Return its health as a word: one whose domain takes no mail is undeliverable, not invalid."""
        return "undeliverable" if self.health == 1 and self.why else HEALTH[self.health]

    @property
    def reason(self) -> str:
        """Return why it is undeliverable; "" where it is not."""
        return MailState(self.why).words if self.health == 1 and self.why else ""


class KnownConsent(Struct, frozen=True):
    """A grant or withdrawal with its proof."""

    granted: bool
    purpose: int
    channels: int
    topic: str
    at: int
    expires_at: int | None
    proof: dict[str, Any] | None
    brand: str = ""


class KnownEvent(Struct, frozen=True):
    """What CRM or site told."""

    id: str
    name: str
    at: int
    properties: dict[str, Any]


class KnownRequest(Struct, frozen=True):
    """A request to a link (by its number) or pixel (-1; the honeypot is -2) of a message."""

    at: int
    run_id: int
    step: int
    link: int
    method: str
    ip: str
    agent: str
    actor: str


class KnownOptIn(Struct, frozen=True):
    """A link by which the contact may bring us a chat."""

    created_at: int
    expires_at: int
    used_at: int | None
    account_id: int
    topic: str
    consent: str
    address: str | None


NEAR = 4_096  # contacts that are looked through first: where many are meant, a page of them is there
CROWD = 20_000  # addresses that begin so: to gather whose they are takes longer than to look on
MANY = 20_000  # of a country, looked through before all who are meant are found wherever they are

_object = msgspec.json.Decoder(dict[str, Any]).decode


def card(tx: Transaction, contact_id: int) -> Card | None:
    """Return the contact, or None where there is none or it was erased."""
    row = tx.one("card", id=contact_id)
    return None if row is None else _card(row)


def page(tx: Transaction, *, said: str, country: str, after: int, limit: int) -> list[Card]:
    """Return contacts after one of them, in the order of their ids.

    `said` is how a name, an e-mail address, a phone number or the external id begins; "" is everybody.
    """
    found: dict[str, Any] = {"country": country, "after": after, "limit": limit}
    folded = fold(said)
    if not folded:
        return [_card(row) for row in tx.all("cards_after", **found)]
    phone = _phone(said)
    found |= {
        "said": said.strip(), "said_end": said.strip() + LAST, "folded": folded, "folded_end": folded + LAST,
        "phone": phone, "phone_end": phone and phone + LAST,
    }  # fmt: skip
    return [_card(row) for row in _meant(tx, found)]


def _meant(tx: Transaction, found: dict[str, Any]) -> list[Row]:
    """Return a page of who is meant: of who is near; else all are found, unless they are a crowd.

    A crowd is looked for further on, in ranges that grow: the first of it may have come late.
    """
    after, limit = found["after"], found["limit"]
    span = max(NEAR, 16 * limit)
    rows = tx.all("search_cards_near", until=after + span, **found)
    last = (tx.one("last_contact") or (None,))[0] or 0
    if len(rows) == limit or after + span >= last:
        return rows
    if found["country"] or not _crowd(tx, found):
        return _far(tx, found)
    while len(rows) < limit and after + span < last:
        after, span = after + span, 4 * span
        rest = found | {"after": after, "limit": limit - len(rows)}
        rows += tx.all("search_cards_near", until=after + span, **rest)
    return rows


def _crowd(tx: Transaction, found: dict[str, Any]) -> bool:
    """Return whether so many addresses begin so that to gather whose they are takes long."""
    ends = (found["folded"], found["folded_end"]), (found["phone"], found["phone_end"])
    return any(
        tx.one("addresses_so", said=said, said_end=end, many=CROWD) is not None for said, end in ends if said
    )


def _far(tx: Transaction, found: dict[str, Any]) -> list[Row]:
    """Return who is meant where a page of them is not near: mostly so few that to find all takes little.

    Where a country is asked for all others may be meant: first those who are there are looked through.
    """
    if found["country"]:
        own = {name: found[name] for name in ("country", "after")}
        ids = [row[0] for row in tx.all("of_country", limit=MANY, **own)]
        asked = {name: value for name, value in found.items() if name not in {*own, "limit"}}
        rows: list[Row] = []
        for n in range(0, len(ids), NEAR):
            more = found["limit"] - len(rows)
            rows += tx.among("search_cards_among", ids[n : n + NEAR], limit=more, **asked)
            if len(rows) == found["limit"]:
                return rows
        if len(ids) < MANY:
            return rows
    return tx.all("search_cards", **found)


def members(tx: Transaction, list_id: int, *, after: int, limit: int) -> list[Card]:
    """Return contacts of a list after one of them, in the order of their ids."""
    return [_card(row) for row in tx.all("cards_of_list", list_id=list_id, after=after, limit=limit)]


def addresses(tx: Transaction, contact_id: int) -> list[KnownAddress]:
    """Return where the contact can be reached."""
    return [
        KnownAddress(Channel.of(row[0]), row[1], row[2], bool(row[3]), *row[4:])
        for row in tx.all("card_addresses", contact_id=contact_id)
    ]


def addresses_among(tx: Transaction, contact_ids: Sequence[int]) -> dict[int, list[KnownAddress]]:
    """Return where each of the contacts can be reached."""
    found: dict[int, list[KnownAddress]] = {contact_id: [] for contact_id in contact_ids}
    for row in tx.among("cards_addresses", sorted(found)):
        found[row[0]].append(KnownAddress(Channel.of(row[1]), row[2], row[3], bool(row[4]), *row[5:]))
    return found


def consents(tx: Transaction, contact_id: int) -> list[KnownConsent]:
    """Return every grant and withdrawal, in the order in which they were told."""
    return [
        KnownConsent(
            bool(row[0]),
            row[1],
            row[2],
            row[3],
            row[4],
            row[5],
            _object(row[6]) if row[6] else None,
            row[7],
        )
        for row in tx.all("card_consents", contact_id=contact_id)
    ]


def lists(tx: Transaction, contact_id: int) -> list[str]:
    """Return the names of the lists that the contact is in."""
    return [row[0] for row in tx.all("card_lists", contact_id=contact_id)]


def events(tx: Transaction, contact_id: int, *, until: int, limit: int) -> list[KnownEvent]:
    """Return events that happened at `until` or before, the newest first."""
    rows = tx.all("card_events", contact_id=contact_id, until=until, limit=limit)
    return [KnownEvent(row[0], row[1], row[2], _object(row[3])) for row in rows]


def requests(tx: Transaction, contact_id: int) -> list[KnownRequest]:
    """Return every request to a link or pixel of the contact's messages, the oldest first."""
    return [KnownRequest(*row) for row in tx.all("card_hits", contact_id=contact_id)]


class KnownSignUp(Struct, frozen=True):
    """A request by a form that has not been forgotten yet, with what showed who asked."""

    requested_at: int
    confirmed_at: int | None
    form: str
    address: str
    evidence: dict[str, Any]


def sign_ups(tx: Transaction, contact_id: int) -> list[KnownSignUp]:
    """Return what was asked for by forms with an address of the contact."""
    return [
        KnownSignUp(row[0], row[1], row[2], row[3], _object(row[5]))
        for row in tx.all("card_sign_ups", contact_id=contact_id)
    ]


def opt_ins(tx: Transaction, contact_id: int) -> list[KnownOptIn]:
    """Return the opt-in links that the contact was given and that are still remembered."""
    return [KnownOptIn(*row) for row in tx.all("card_opt_ins", contact_id=contact_id)]


def dialogues(tx: Transaction, contact_id: int) -> list[tuple[int, int]]:
    """Return when the contact last wrote to which account: account, instant."""
    return [(row[0], row[1]) for row in tx.all("card_dialogues", contact_id=contact_id)]


def among(tx: Transaction, contact_ids: Sequence[int]) -> list[Card]:
    """Return the contacts of these ids, in their order."""
    return sorted((_card(row) for row in tx.among("cards_among", contact_ids)), key=lambda card: card.id)


def _phone(said: str) -> str:
    """Return how the number begins in E.164, where the text looks like one; else ""."""
    digits = "".join(character for character in said if character.isdigit())
    dialled = not set(said) - set("0123456789+-() \u00a0")
    return f"+{digits}" if digits and dialled else ""


def _card(row: Row) -> Card:
    return Card(row[0], row[1], row[2], row[3], row[4], bool(row[5]), _object(row[6]), row[7],
                row[8], row[9])  # fmt: skip
