"""Contacts as the API shows them: their addresses, consents, zones and hours, and what happened to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from kaskad.actions import contacts
from kaskad.actions.timeline import Entry, What
from kaskad.domain.consent import ALL_CHANNELS, Purpose, purpose_of
from kaskad.domain.hours import Zones
from kaskad.domain.ids import contact_text
from kaskad.domain.rhythm import Favourite
from kaskad.domain.terms import Channel
from kaskad.store.cards import Card, KnownAddress, KnownConsent, KnownEvent
from kaskad.web.api.views import Page, Slice, View, instant, when

Health = Literal["good", "invalid", "suppressed", "undeliverable"]


class AddressView(View):
    """An address; one is `undeliverable` whose domain takes no mail now, and `why` says how that is known."""

    channel: Channel
    value: str
    health: Health
    why: str
    shared: bool
    preferred: int
    primary: bool
    changed_at: datetime | None
    confirmed_at: datetime | None

    @classmethod
    def of(cls, address: KnownAddress) -> AddressView:
        return cls.model_validate({
            "channel": address.channel, "value": address.value, "health": address.condition,
            "why": address.reason, "shared": address.shared, "preferred": address.preferred,
            "primary": address.main, "changed_at": when(address.changed_at),
            "confirmed_at": when(address.confirmed_at),
        })  # fmt: skip


class ConsentView(View):
    """A grant or a withdrawal; `at` null: a day that is not known."""

    granted: bool
    channels: list[Channel]
    purpose: Purpose | None
    topic: str
    brand: str
    at: datetime | None
    expires_at: datetime | None
    proof: dict[str, Any] | None

    @classmethod
    def of(cls, consent: KnownConsent) -> ConsentView:
        bits = consent.channels
        channels = [] if bits == ALL_CHANNELS else [each for each in Channel if bits & 1 << each.code]
        return cls(granted=consent.granted, channels=channels, purpose=purpose_of(consent.purpose),
                   topic=consent.topic, brand=consent.brand,
                   at=when(consent.at or None), expires_at=when(consent.expires_at),
                   proof=consent.proof)  # fmt: skip


class ContactView(View):
    """A contact with its addresses."""

    id: str
    external_id: str | None
    zone: str | None
    language: str | None
    country: str | None
    tracking: bool
    attributes: dict[str, Any]
    created_at: datetime
    addresses: list[AddressView]

    @classmethod
    def of(cls, card: Card, addresses: list[KnownAddress]) -> ContactView:
        return cls(**card_fields(card, addresses))


class ZonesView(View):
    """In which zones the contact may be, the likeliest first, and how that is known.

    A message waits for an hour at which the windows of all of them are open.
    """

    zones: list[str]
    source: Literal["told", "delivery_address", "site", "phone", "brand"]
    confidence: Literal["certain", "likely", "possible", "guess"]
    told_at: datetime | None = None

    @classmethod
    def of(cls, known: Zones, told_at: int | None = None) -> ZonesView:
        return cls(zones=list(known.zones), source=known.source, confidence=known.confidence,
                   told_at=when(told_at))  # fmt: skip


class SendingHour(View):
    """The hour of the day, by the contact's clock, at which steps on a channel mostly go."""

    channel: str
    hour: int


class HourView(View):
    """The hour of the day, by the contact's clock, at which reactions are likeliest; by whose reactions."""

    hour: int
    whose: Annotated[str, Field(description="person, country or everyone: of whom enough is known.")]
    reactions: Annotated[int, Field(description="How often the contact has reacted.")]
    counted_at: Annotated[datetime, Field(description="As of when: counted daily while a step asks for it.")]
    sends: Annotated[
        list[SendingHour],
        Field(description="When steps that wait for it mostly go, inside the sending hours."),
    ]

    @classmethod
    def of(cls, hour: Favourite) -> HourView:
        sends = [SendingHour(channel=channel.value, hour=at) for channel, at in hour.sends]
        return cls(hour=hour.hour, whose=hour.whose, reactions=hour.reactions,
                   counted_at=instant(hour.counted_at), sends=sends)  # fmt: skip


class WholeContact(ContactView):
    """Everything that is known of a contact."""

    external_ids: list[str]
    zones: ZonesView
    consents: list[ConsentView]
    lists: list[str]
    control_group: Annotated[bool, Field(description="Gets no advertising, by lot: `control` of the policy.")]
    best_hour: Annotated[
        HourView | None, Field(description="For steps with `send_at: best_hour`; null: nothing is known yet.")
    ]


class EventView(View):
    """What CRM or site told of a contact."""

    id: str
    name: str
    at: datetime
    properties: dict[str, Any]

    @classmethod
    def of(cls, event: KnownEvent) -> EventView:
        return cls(id=event.id, name=event.name, at=instant(event.at), properties=event.properties)


class EntryView(View):
    """One thing that happened: `text` says it, the rest names where it belongs."""

    at: datetime
    kind: What
    text: str
    run: str | None
    cascade: str | None
    step: str | None
    channel: str | None
    details: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> EntryView:
        return cls(at=instant(entry.at), kind=entry.what, text=entry.text, run=entry.run,
                   cascade=entry.cascade, step=entry.step, channel=entry.channel,
                   details=dict(entry.details))  # fmt: skip


def card_fields(card: Card, addresses: list[KnownAddress]) -> dict[str, Any]:
    """Return the fields of a contact's view."""
    return {
        "id": contact_text(card.id),
        "external_id": card.external_id,
        "zone": card.zone,
        "language": card.language,
        "country": card.country,
        "tracking": card.tracking,
        "attributes": card.attributes,
        "created_at": instant(card.created_at),
        "addresses": [AddressView.of(address) for address in addresses],
    }


def card_page(found: contacts.Page, part: Slice) -> Page[ContactView]:
    """Return contacts as a page."""
    views = [ContactView.of(card, found.addresses[card.id]) for card in found.cards]
    return part.page(views, [card.id for card in found.cards])
