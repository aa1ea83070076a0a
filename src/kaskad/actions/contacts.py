"""Contacts: made, changed, shown, found; what they allow and refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, structs

from kaskad.actions import attributes, rhythms
from kaskad.actions.office import Office
from kaskad.actions.refusals import Refusal, refuse
from kaskad.domain.address import BadAddress, country_of, normalise
from kaskad.domain.attributes import Declared
from kaskad.domain.consent import ALL_CHANNELS, ANY, Purpose
from kaskad.domain.control import drawn
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.hours import ZONE_SOURCES, Zones, is_zone, zones_known
from kaskad.domain.ids import contact_text, read_contact
from kaskad.domain.rhythm import Favourite
from kaskad.domain.terms import Channel, Suppressed
from kaskad.domain.worded import worded
from kaskad.store import cards, merges, suppressions
from kaskad.store import contacts as contact_store
from kaskad.store.cards import Card, KnownAddress, KnownConsent, KnownEvent
from kaskad.store.contacts import Address, Consent, Contact
from kaskad.store.db import Transaction

T = TypeVar("T")

PIECE = 200  # contacts written between two ticks: under 20 ms
_SLACK_MS = 60_000  # so far may the clocks of those who tell us be ahead


class ToldAddress(Struct, frozen=True):
    """An address as it was written."""

    channel: Channel
    value: str
    pointer: str  # where it stands in what was told
    preferred: int | None = None


class ToldConsent(Struct, frozen=True):
    """A grant or a withdrawal as it was told; `at` None: now."""

    granted: bool
    channels: tuple[Channel, ...] = ()
    purpose: Purpose | None = None
    topic: str = ""
    brand: str = ""
    at: int | None = None
    expires_at: int | None = None
    proof: Mapping[str, str] | None = None


class Told(Struct, frozen=True, kw_only=True):
    """A contact as it was told; None leaves what is known."""

    external_id: str | None = None
    external_ids: Sequence[str] = ()
    zone: str | None = None
    zone_source: str = "told"
    language: str | None = None
    country: str | None = None
    tracking: bool | None = None
    attributes: Mapping[str, Any] = {}
    addresses: Sequence[ToldAddress] = ()
    consents: Sequence[ToldConsent] = ()


class Saved(Struct, frozen=True):
    """A contact that was made or changed."""

    id: int
    created: bool


class Whole(Struct, frozen=True):
    """Everything that is known of one person."""

    card: Card
    addresses: list[KnownAddress]
    consents: list[KnownConsent]
    lists: list[str]
    external_ids: list[str]
    zones: Zones
    control_group: bool = False  # of all advertising, now
    hour: Favourite | None = None  # at which reactions are likeliest; None: nothing is known


class Page(Struct, frozen=True):
    """Contacts with their addresses."""

    cards: list[Card]
    addresses: dict[int, list[KnownAddress]]


def put(office: Office, told: Told, who: str = "", *, by: str = "") -> Saved:
    """Make or change one contact.

    `who` is its id (`con_…`, which must exist) or its external id; "" finds it by what is told. Raises
    Invalid with every problem, NotFound, Conflict for an external id that is another contact's.
    """
    contact_id = read_contact(who)
    if who and contact_id is None:
        if told.external_id not in (None, who):
            raise Invalid([worded("This is another external id than that of the address.")], ["/external_id"])
        told = _with_external_id(told, who)
    problems: list[tuple[str, str]] = []
    declared = _declared(office)
    ready = _ready(told, office.now(), problems, declared, named=contact_id is not None)
    _raise(problems)

    def change(tx: Transaction) -> contact_store.Saved:
        contact = ready.contact if contact_id is None else _known(tx, find(tx, who), ready.contact)
        key = suppressions.hash_key(tx, office.vault)
        saved = contact_store.save(tx, key, [contact], office.now(), f"api {by}" if by else "")
        _refuse_foreign(tx, contact, saved.ids[0])
        return saved

    saved = office.write(change)
    refuse(office, [(saved.ids[0], refusal) for refusal in ready.refusals])
    return Saved(saved.ids[0], saved.ids[0] in saved.new)


def put_many(office: Office, told: Sequence[Told], *, by: str = "") -> list[Saved | Invalid]:
    """Make or change many contacts; return what came of each; a wrong one stops no other."""
    now, declared = office.now(), _declared(office)
    answers: list[Saved | Invalid | None] = []
    good: list[tuple[int, _Ready]] = []
    for index, one in enumerate(told):
        problems: list[tuple[str, str]] = []
        ready = _ready(one, now, problems, declared, pointer=f"/contacts/{index}")
        if problems:
            answers.append(_invalid(problems))
        else:
            answers.append(None)
            good.append((index, ready))
    refusals: list[tuple[int, Refusal]] = []
    for piece in pieces(good, PIECE):

        def change(tx: Transaction, piece: Sequence[tuple[int, _Ready]] = piece) -> contact_store.Saved:
            key = suppressions.hash_key(tx, office.vault)
            people = [ready.contact for _, ready in piece]
            return contact_store.save(tx, key, people, office.now(), f"api {by}" if by else "")

        saved = office.write(change)
        for (index, ready), contact_id in zip(piece, saved.ids, strict=True):
            answers[index] = Saved(contact_id, contact_id in saved.new)
            refusals += [(contact_id, refusal) for refusal in ready.refusals]
    refuse(office, refusals)
    return [answer for answer in answers if answer is not None]


def show(office: Office, who: str) -> Whole:
    """Return what is known of a contact; raises NotFound."""
    with office.read() as tx:
        card = cards.card(tx, find(tx, who))
        if card is None:
            raise _nobody(who)
        addresses, consents = cards.addresses(tx, card.id), cards.consents(tx, card.id)
        phone = next((a.value for a in addresses if a.channel is Channel.SMS and not a.health), "")
        zones = zones_known(card.zone, card.zone_source, phone, office.engine.world.policy.zone)
        names = [row[0] for row in tx.all("external_ids_of", contact_id=card.id)]
        policy = office.engine.world.policy
        group = drawn(policy.control, policy.zone)
        held = group is not None and group.holds(card.id, office.now())
        hour = rhythms.of_contact(office, tx, card.id, zones.zones, card.country or "")
        return Whole(card, addresses, consents, cards.lists(tx, card.id), names, zones, held, hour)


def search(office: Office, said: str, country: str, *, after: int, limit: int) -> Page:
    """Return contacts whose name, external id, e-mail or phone begins as `said`; "" is everybody."""
    with office.read() as tx:
        found = cards.page(tx, said=said, country=country.upper(), after=after, limit=limit)
        return with_addresses(tx, found)


def with_addresses(tx: Transaction, found: list[Card]) -> Page:
    """Return the contacts with where they are reached."""
    return Page(found, cards.addresses_among(tx, [card.id for card in found]))


def events(office: Office, who: str, *, until: int, limit: int) -> list[KnownEvent]:
    """Return what CRM and site told of a contact at `until` or before, newest first; raises NotFound."""
    with office.read() as tx:
        return cards.events(tx, find(tx, who), until=until, limit=limit)


def consent(office: Office, who: str, told: ToldConsent) -> None:
    """Keep a grant, or a withdrawal: that one has ended the runs which it concerns when this returns.

    Raises Invalid, NotFound.
    """
    now = office.now()
    problems: list[tuple[str, str]] = []
    ready = _consent(told, now, "", problems)
    _raise(problems)
    if isinstance(ready, Refusal):
        with office.read() as tx:
            contact_id = find(tx, who)
        refuse(office, [(contact_id, ready)])
    elif ready is not None:
        given = ready
        office.write(lambda tx: contact_store.add_consents(tx, [(find(tx, who), given)]))


def suppress(office: Office, who: str, addresses: Sequence[ToldAddress], reason: Suppressed) -> int:
    """Never write again to these addresses, or to all of the contact's where none are named; return how
    many addresses, of all people, are marked by it. Raises Invalid, NotFound.
    """
    problems: list[tuple[str, str]] = []
    named = [(a.channel, a.value) for a in _addresses(addresses, None, problems)]
    _raise(problems)

    def change(tx: Transaction) -> int:
        contact_id = find(tx, who)
        own = named or [(a.channel, a.value) for a in cards.addresses(tx, contact_id)]
        suppressions.fence(tx, own)
        key = suppressions.hash_key(tx, office.vault)
        return suppressions.suppress(tx, key, own, reason.value, office.now())

    return office.write(change)


def find(tx: Transaction, who: str) -> int:
    """Return whose id (`con_…`), external id, e-mail address or number with + this is; raises NotFound."""
    contact_id = read_contact(who)
    if contact_id is not None:
        row = tx.one("contact_by_id", id=contact_id)
        row = row or tx.one("contact_by_id", id=merges.kept(tx, contact_id))
    else:
        row = tx.one("contact_by_external_id", external_id=who)
        if row is None and "@" in who:
            row = tx.one("contact_by_address", channel=Channel.EMAIL.code, value=who.lower())
        elif row is None and who.startswith("+"):
            row = tx.one("contact_by_address", channel=Channel.SMS.code, value=who)
    if row is None:
        raise _nobody(who)
    return int(row[0])


def find_one(tx: Transaction, who: str) -> int:
    """Return the one contact that is meant; raises NotFound, Conflict where several have the address."""
    contact_id = find(tx, who)
    if read_contact(who) is not None or tx.one("contact_by_external_id", external_id=who) is not None:
        return contact_id
    holders = {
        row[2]
        for channel in (Channel.EMAIL, Channel.SMS)
        for row in tx.many("contacts_by_address", [(channel.code, who.lower())])
    }
    if len(holders) > 1:
        named = ", ".join(contact_text(each) for each in sorted(holders))
        raise Conflict(
            worded(
                "%(n)s people have this address: name the one you mean by its id (%(named)s).",
                n=len(holders),
                named=named,
            )
        )
    return contact_id


def find_many(tx: Transaction, who: Sequence[str], pointer: str) -> list[int]:
    """Return the contacts of these ids and external ids; raises Invalid that tells all who are unknown."""
    problems: list[tuple[str, str]] = []
    found = []
    for index, one in enumerate(who):
        try:
            found.append(find(tx, one))
        except NotFound as error:
            problems.append((str(error), f"{pointer}/{index}"))
    _raise(problems)
    return found


def pieces(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in pieces that can be written between two ticks."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


class _Ready(Struct, frozen=True):
    contact: Contact
    refusals: list[Refusal]


def _declared(office: Office) -> Declared:
    with office.read() as tx:
        return attributes.declared(tx)


def _ready(
    told: Told, now: int, problems: list[tuple[str, str]], declared: Declared, *, pointer: str = "",
    named: bool = False,
) -> _Ready:  # fmt: skip
    """Return what the store takes; `named`: who is meant is known without what is told."""
    if told.external_id is not None and read_contact(told.external_id) is not None:
        problems.append(
            (
                worded("This looks like an id of ours: call it otherwise."),
                f"{pointer}/external_id",
            )
        )
    if told.external_id is None and not told.external_ids and not told.addresses and not named:
        problems.append((worded("Name the contact: external_id, email, phone, or another address."), pointer))
    for name in (told.zone or "").split():
        if not is_zone(name):
            wrong = worded("%(name)r is no time zone that is known: write such as Asia/Almaty.", name=name)
            problems.append((wrong, f"{pointer}/zone"))
    fitted, unfit = attributes.fitted(declared, told.attributes)
    problems += [(f"{why}.", f"{pointer}/attributes/{escape(name)}") for name, why in unfit.items()]
    addresses = _addresses(told.addresses, told.country, problems, pointer)
    phone = next((a.value for a in addresses if a.channel is Channel.SMS), "")
    ready = [
        _consent(one, now, f"{pointer}/consents/{index}", problems) for index, one in enumerate(told.consents)
    ]
    contact = Contact(
        external_id=told.external_id,
        external_ids=tuple(told.external_ids),
        zone_source=ZONE_SOURCES.index(told.zone_source) + 1,
        zone=" ".join((told.zone or "").split()) or None,
        language=told.language.lower()[:2] if told.language else None,
        country=told.country.upper() if told.country else country_of(phone) if phone else None,
        tracking=told.tracking,
        attributes=fitted,
        addresses=addresses,
        consents=[one for one in ready if isinstance(one, Consent)],
    )
    return _Ready(contact, [one for one in ready if isinstance(one, Refusal)])


def _addresses(
    told: Sequence[ToldAddress], country: str | None, problems: list[tuple[str, str]], pointer: str = ""
) -> list[Address]:
    found = []
    for one in told:
        try:
            value = normalise(one.channel, one.value, country.upper() if country else None)
        except BadAddress as error:
            problems.append((f"{error}.", f"{pointer}{one.pointer}"))
        else:
            found.append(Address(one.channel, value, one.preferred))
    return found


def _consent(
    told: ToldConsent, now: int, pointer: str, problems: list[tuple[str, str]]
) -> Consent | Refusal | None:
    """Return what the store or the engine takes; None where there are problems."""
    before = len(problems)
    at = now if told.at is None else told.at
    if at > now + _SLACK_MS:
        problems.append((worded("This has not happened yet."), f"{pointer}/at"))
    if at < 0:
        problems.append((worded("This was before 1970."), f"{pointer}/at"))
    by_itself = told.purpose is not None and not told.purpose.is_class
    if by_itself and (told.channels or told.topic):
        why = worded("Consent to %(purpose)s is not narrowed by channels or topic.", purpose=told.purpose)
        problems.append((why, pointer))
    whole = told.purpose is None and not (told.topic or told.channels or told.brand)
    if not told.granted and (by_itself or (whole and told.expires_at is not None)):
        return _set_aside(told, min(at, now), before, pointer, problems)
    if not told.granted:
        return _refusal(told, min(at, now), before, pointer, problems)
    if not told.proof:
        problems.append(
            (worded("A consent needs its proof: where and how it was given."), f"{pointer}/proof")
        )
    if told.expires_at is not None and told.expires_at <= at:
        problems.append((worded("This is before it was given."), f"{pointer}/expires_at"))
    if len(problems) > before:
        return None
    return Consent(
        granted=True,
        at=min(at, now),
        purpose=ANY if told.purpose is None else told.purpose.code,
        channels=sum({1 << channel.code for channel in told.channels}),
        topic=told.topic,
        expires_at=told.expires_at,
        proof=contact_store.proof_text({"act": "api", **(told.proof or {})}),
        brand=told.brand,
    )


def _refusal(
    told: ToldConsent, at: int, before: int, pointer: str, problems: list[tuple[str, str]]
) -> Refusal | None:
    """Return a withdrawal that ends runs."""
    if told.expires_at is not None:
        problems.append((worded("Only a rest from everything ends by itself."), f"{pointer}/expires_at"))
    if bool(told.topic) + bool(told.channels) + (told.purpose is not None) > 1:
        problems.append((worded("A withdrawal is of one: topic, channels, or purpose."), pointer))
    if told.purpose not in (None, Purpose.ADVERTISING):
        problems.append((worded("Only advertising can be refused by itself."), f"{pointer}/purpose"))
    if len(problems) > before:
        return None
    of_class = told.purpose is not None
    return Refusal(told.topic, told.channels, of_class, at, dict(told.proof or {}), told.brand)


def _set_aside(
    told: ToldConsent, at: int, before: int, pointer: str, problems: list[tuple[str, str]]
) -> Consent | None:
    """Return a withdrawal that ends no run: a pause, or one of what no message is sent by."""
    if told.expires_at is not None and (told.purpose is not None or told.expires_at < at):
        why = worded("Only a rest from everything ends by itself, and not before it begins.")
        problems.append((why, f"{pointer}/expires_at"))
    if len(problems) > before:
        return None
    return Consent(
        granted=False, at=at, purpose=ANY if told.purpose is None else told.purpose.code,
        channels=ALL_CHANNELS, expires_at=told.expires_at, brand=told.brand,
        proof=contact_store.proof_text({"act": "api", **(told.proof or {})}),
    )  # fmt: skip


def _known(tx: Transaction, contact_id: int, contact: Contact) -> Contact:
    """Return the contact told, as a change of a known one; raises NotFound, Conflict."""
    card = cards.card(tx, contact_id)
    if card is None:
        raise _nobody(contact_text(contact_id))
    if contact.external_id is not None:
        row = tx.one("contact_by_external_id", external_id=contact.external_id)
        if row is not None and row[0] != contact_id:
            raise Conflict(
                worded(
                    "%(external_id)r is the external id of %(contact)s.",
                    external_id=contact.external_id,
                    contact=contact_text(row[0]),
                )
            )
        if row is None and card.external_id not in (None, contact.external_id):
            raise Conflict(
                worded(
                    "The external id of %(contact)s is %(external_id)r: it stays.",
                    contact=contact_text(contact_id),
                    external_id=card.external_id,
                )
            )
    return contact_store.as_known(contact, contact_id)


def _refuse_foreign(tx: Transaction, contact: Contact, contact_id: int) -> None:
    """Raise Conflict where an external id that was told is another contact's."""
    for name in contact.external_ids:
        row = tx.one("contact_by_external_id", external_id=name)
        if row is not None and row[0] != contact_id:
            raise Conflict(
                worded(
                    "%(name)r is the external id of %(contact)s, and the rest is told of "
                    "%(contact2)s: if they are one person, merge them (kaskad contact merge).",
                    name=name,
                    contact=contact_text(row[0]),
                    contact2=contact_text(contact_id),
                )
            )


def _with_external_id(told: Told, external_id: str) -> Told:
    return structs.replace(told, external_id=external_id)


def _nobody(who: str) -> NotFound:
    return NotFound(
        worded("There is no contact %(who)r: give its id (con_…), external id, e-mail or +phone.", who=who)
    )


def escape(name: str) -> str:
    """Return a key as a JSON pointer has it."""
    return name.replace("~", "~0").replace("/", "~1")


def _invalid(problems: Sequence[tuple[str, str]]) -> Invalid:
    return Invalid([text for text, _ in problems], [pointer for _, pointer in problems])


def _raise(problems: Sequence[tuple[str, str]]) -> None:
    if problems:
        raise _invalid(problems)
