"""Contacts: made, changed, shown, found; what they allow and refuse, and what happened to them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, Field

from kaskad.actions import contacts, single
from kaskad.actions.contacts import Told as ToldContact
from kaskad.actions.contacts import ToldAddress, ToldConsent
from kaskad.actions.finding import Wanted, find
from kaskad.actions.timeline import timeline
from kaskad.domain.consent import Purpose
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel, MessageClass, Suppressed
from kaskad.web.api.contact_views import (
    ConsentView,
    ContactView,
    EntryView,
    EventView,
    HourView,
    WholeContact,
    ZonesView,
    card_fields,
)
from kaskad.web.api.fields import PLAIN, Country, Instant, Json, Language, Name, Text, WhoInPath, Words, in_ms
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Newest, Page, Slice, Told, View
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/contacts", tags=["contacts"], route_class=IdempotentRoute)

AT_ONCE = 1_000
READ, WRITE = may("contacts:read"), may("contacts:write")


ZoneSource = Annotated[
    Literal["told", "delivery_address", "site"],
    Field(description="How the zone is known: a better source is not overwritten by a worse one."),
]


class AddressIn(Told):
    """Where the contact can be reached, as people write it; it is normalised and checked."""

    channel: Channel
    value: Annotated[str, Field(min_length=1, max_length=2_000, pattern=PLAIN)]
    preferred: Annotated[int, Field(ge=0, le=1_000)] | None = None


class Proof(Told):
    """How it is shown that the person agreed or refused."""

    source: Text
    text: Words | None = None
    language: Language | None = None
    ip: Text | None = None
    url: Words | None = None
    by: Text | None = None


class ConsentIn(Told):
    """A grant or a withdrawal; what is left out is not narrowed.

    A withdrawal is of one of `topic`, `channels`, or `purpose: advertising`; without any of them it is of
    everything but transactional messages, and with `expires_at` a rest that ends by itself. Purposes
    `tracking`, `recording` and `data` are granted and withdrawn by themselves. With `brand` it is about that
    brand alone.
    """

    granted: bool
    channels: Annotated[list[Channel], Field(max_length=len(Channel))] = Field(default_factory=list)
    purpose: Purpose | None = None
    topic: Annotated[str, Field(max_length=100, pattern=PLAIN)] = ""
    brand: Annotated[str, Field(max_length=100, pattern=PLAIN)] = ""
    at: Instant | None = Field(None, description="When the person acted; now where it is left out.")
    expires_at: Instant | None = None
    proof: Proof | None = None

    def told(self) -> ToldConsent:
        proof = None if self.proof is None else self.proof.model_dump(exclude_none=True)
        return ToldConsent(self.granted, tuple(self.channels), self.purpose, self.topic, self.brand,
                           in_ms(self.at), in_ms(self.expires_at), proof)  # fmt: skip


class ContactIn(Told):
    """What is told of a contact: what is left out stays, attributes are merged, null removes one."""

    external_id: Text | None = None
    email: Annotated[Text, Field(description="Short for an address.")] | None = None
    phone: Annotated[Text, Field(description="Short for an address of sms.")] | None = None
    addresses: Annotated[list[AddressIn], Field(max_length=50)] = Field(default_factory=list)
    external_ids: Annotated[list[Text], Field(max_length=20)] = Field(
        default_factory=list, description="More of them, of other systems."
    )
    zone: Annotated[Text, Field(description="IANA name, such as Asia/Almaty.")] | None = None
    zone_source: ZoneSource = "told"
    language: Language | None = None
    country: Country | None = None
    tracking: bool | None = Field(None, description="Whether messages may carry an open pixel.")
    attributes: Annotated[dict[Text, Json], Field(max_length=200)] = Field(default_factory=dict)
    consents: Annotated[list[ConsentIn], Field(max_length=50)] = Field(default_factory=list)

    def told(self) -> ToldContact:
        short = ((Channel.EMAIL, self.email, "/email"), (Channel.SMS, self.phone, "/phone"))
        return ToldContact(
            external_id=self.external_id,
            external_ids=tuple(self.external_ids),
            zone=self.zone,
            zone_source=self.zone_source,
            language=self.language,
            country=self.country,
            tracking=self.tracking,
            attributes=self.attributes,
            addresses=[
                *(ToldAddress(channel, text, at) for channel, text, at in short if text is not None),
                *told_addresses(self.addresses),
            ],
            consents=[consent.told() for consent in self.consents],
        )


class BatchIn(Told):
    contacts: Annotated[list[ContactIn], Field(min_length=1, max_length=AT_ONCE)]


def _given(reason: Suppressed) -> Suppressed:
    if reason is Suppressed.ERASED:
        raise ValueError("only an erasure gives this reason")
    return reason


Why = Annotated[Suppressed, AfterValidator(_given)]


class SuppressIn(Told):
    """Addresses that are never written to again, all of the contact's where none are named."""

    reason: Why = Suppressed.MANUAL
    addresses: Annotated[list[AddressIn], Field(max_length=50)] = Field(default_factory=list)


class SavedView(View):
    """A contact that was made or changed."""

    id: str
    created: bool


class ProblemView(View):
    detail: str
    pointer: str


class ItemView(View):
    """What came of one contact of a batch: its id, or its problems."""

    index: int
    id: str | None = None
    created: bool = False
    problems: list[ProblemView] = Field(default_factory=list)


class BatchView(View):
    accepted: int
    refused: int
    items: list[ItemView]


class MarkedView(View):
    """How many addresses, of all people, are marked by it."""

    addresses: int


def told_addresses(addresses: list[AddressIn]) -> list[ToldAddress]:
    """Return addresses as actions take them."""
    return [
        ToldAddress(each.channel, each.value, f"/addresses/{index}/value", each.preferred)
        for index, each in enumerate(addresses)
    ]


MADE: dict[int | str, dict[str, Any]] = {201: {"description": "It is new.", "model": SavedView}}


class SingleIn(Told):
    """A message that somebody has written to one contact."""

    channel: Channel
    text: Annotated[str, Field(max_length=single.LONGEST)]
    subject: Annotated[str, Field(max_length=single.LONGEST_SUBJECT, description="Of a letter.")] = ""
    message_class: Annotated[MessageClass, Field(alias="class")] = MessageClass.SERVICE
    key: Annotated[str, Field(max_length=60, pattern=PLAIN, description="The same key sends once.")] = ""


class SingleView(View):
    """The cascade that carries the message."""

    cascade: str


@router.get("", dependencies=[READ])
def list_contacts(
    office: InOffice,
    part: Annotated[Slice, Depends()],
    q: Annotated[
        str,
        Query(max_length=200, pattern=PLAIN, description="How a name, e-mail, phone or external id begins."),
    ] = "",
    country: Country | None = None,
    segment: Annotated[Name | None, Query(description="Who is in this segment now.")] = None,
    list_name: Annotated[Name | None, Query(alias="list", description="Who is on this list.")] = None,
    reachable: Annotated[Channel | None, Query(description="Who has a good address there.")] = None,
    agreed: Annotated[Channel | None, Query(description="Whom consents let advertise to there.")] = None,
    refused: Annotated[Channel | None, Query(description="Whom they do not.")] = None,
) -> Page[ContactView]:
    """List contacts, or find them; a page may hold fewer than `limit` although `next` is not null."""
    wanted = Wanted(q, segment or "", list_name or "", reachable or "", agreed or "", refused or "",
                    (country or "").upper())  # fmt: skip
    found = find(office, wanted, after=part.after, limit=part.limit)
    views = [ContactView.of(card, found.page.addresses[card.id]) for card in found.page.cards]
    return Page(items=views, next=None if found.next is None else str(found.next))


@router.post("", responses=MADE)
def save_contact(
    office: InOffice, told: ContactIn, response: Response, caller: Annotated[Caller, WRITE]
) -> SavedView:  # fmt: skip
    """Make a contact, or change the one that is known by its external id, e-mail, phone or other address."""
    return _saved(contacts.put(office, told.told(), by=caller.name), response)


@router.post("/batch")
def save_contacts(office: InOffice, told: BatchIn, caller: Annotated[Caller, WRITE]) -> BatchView:
    """Make or change up to 1 000 contacts; the answer tells of each; a wrong one stops no other."""
    answers = contacts.put_many(office, [each.told() for each in told.contacts], by=caller.name)
    refused = [answer for answer in answers if isinstance(answer, Invalid)]
    if len(refused) == len(answers):
        texts = [text for answer in refused for text in answer.problems]
        raise Invalid(texts, [pointer for answer in refused for pointer in answer.pointers])
    return BatchView(
        accepted=len(answers) - len(refused),
        refused=len(refused),
        items=[_item(index, answer) for index, answer in enumerate(answers)],
    )


@router.get("/{contact}", dependencies=[READ])
def show_contact(office: InOffice, contact: WhoInPath) -> WholeContact:
    """Show a contact, by its id (`con_…`), external id, e-mail address, or phone number with +."""
    whole = contacts.show(office, contact)
    return WholeContact(
        **card_fields(whole.card, whole.addresses),
        external_ids=whole.external_ids,
        zones=ZonesView.of(whole.zones, whole.card.zone_at),
        consents=[ConsentView.of(consent) for consent in whole.consents],
        lists=whole.lists,
        control_group=whole.control_group,
        best_hour=HourView.of(whole.hour) if whole.hour else None,
    )


@router.put("/{contact}", responses=MADE)
def put_contact(
    office: InOffice, contact: WhoInPath, told: ContactIn, response: Response,
    caller: Annotated[Caller, WRITE],
) -> SavedView:  # fmt: skip
    """Make or change the contact of that external id, or change the one of that id (`con_…`)."""
    return _saved(contacts.put(office, told.told(), contact, by=caller.name), response)


@router.post("/{contact}/consents", status_code=204, dependencies=[WRITE])
def add_consent(office: InOffice, contact: WhoInPath, told: ConsentIn) -> Response:
    """Keep a consent or its withdrawal; a withdrawal has ended the runs that it concerns by the answer."""
    contacts.consent(office, contact, told.told())
    return Response(status_code=204)


@router.post("/{contact}/suppress", dependencies=[WRITE])
def suppress_contact(office: InOffice, contact: WhoInPath, told: SuppressIn) -> MarkedView:
    """Never write to addresses again, whoever has them."""
    named = told_addresses(told.addresses)
    return MarkedView(addresses=contacts.suppress(office, contact, named, told.reason))


@router.post("/{contact}/messages", status_code=202)
def send_message(
    office: InOffice, contact: WhoInPath, told: SingleIn, caller: Annotated[Caller, may("cascades:write")]
) -> SingleView:
    """Let one message go to a contact, written by hand; the last look decides whether it is sent.

    It is an ordinary run of the cascade that the answer names: report and timeline tell what came of it.
    """
    return SingleView(
        cascade=single.send(
            office, contact, told.channel, told.text, subject=told.subject,
            message_class=told.message_class, by=caller.name, key=told.key,
        )
    )  # fmt: skip


@router.get("/{contact}/events", dependencies=[READ])
def list_events(office: InOffice, contact: WhoInPath, part: Annotated[Newest, Depends()]) -> Page[EventView]:
    """List what CRM and site told of a contact, newest first."""
    found = contacts.events(office, contact, until=part.until, limit=part.reach)
    return part.page([EventView.of(event) for event in found], [event.at for event in found])


@router.get("/{contact}/timeline", dependencies=[READ])
def show_timeline(
    office: InOffice, contact: WhoInPath, part: Annotated[Newest, Depends()]
) -> Page[EntryView]:
    """List everything that happened to a contact, newest first: messages, receipts, reactions, decisions in
    words, runs, consents, events."""
    found = timeline(office, contact, until=part.until, limit=part.reach)
    return part.page([EntryView.of(entry) for entry in found], [entry.at for entry in found])


def _saved(saved: contacts.Saved, response: Response) -> SavedView:
    if saved.created:
        response.status_code = 201
    return SavedView(id=contact_text(saved.id), created=saved.created)


def _item(index: int, answer: contacts.Saved | Invalid) -> ItemView:
    if isinstance(answer, Invalid):
        pairs = zip(answer.problems, answer.pointers, strict=True)
        return ItemView(index=index, problems=[ProblemView(detail=d, pointer=p) for d, p in pairs])
    return ItemView(index=index, id=contact_text(answer.id), created=answer.created)
