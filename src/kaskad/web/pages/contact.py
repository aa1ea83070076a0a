"""The card of one contact: who it is, how it is reached, what it agreed to, and everything that happened."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from msgspec import Struct, structs

from kaskad.actions import (
    addresses,
    attributes,
    cascades,
    contacts,
    may,
    merging,
    messages,
    runs,
    sandbox,
    segments,
    single,
)
from kaskad.actions.contacts import Whole
from kaskad.actions.may import Answer
from kaskad.actions.office import Office
from kaskad.actions.runs import Filter, RunView
from kaskad.actions.timeline import Entry, timeline
from kaskad.domain.attributes import Attribute
from kaskad.domain.consent import ALL_CHANNELS, purpose_of
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.ids import contact_text, read_run
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.engine.clock import wall_ms
from kaskad.store.cards import KnownConsent
from kaskad.web.auth import InOffice
from kaskad.web.pages import live
from kaskad.web.pages.changes import shown
from kaskad.web.pages.contacts import segment_names, stop_options, title_of
from kaskad.web.pages.figures import figures_of
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, render
from kaskad.web.pages.touches import PURPOSES, STATES, days_of, known, said, touch
from kaskad.web.pages.words import WORDS

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
LATEST = 2**53
ENTRIES = 60
CHANGES = 12
SHOWN: dict[str, frozenset[str]] = {
    "": frozenset(),
    "touches": frozenset({"message", "receipt", "reaction"}),
    "reactions": frozenset({"reaction"}),
    "decisions": frozenset({"decision", "run"}),
    "consents": frozenset({"consent"}),
    "events": frozenset({"event"}),
}
FILTERS = {
    "": N_("Everything"),
    "touches": N_("Touches"),
    "reactions": N_("Reactions"),
    "decisions": N_("Decisions"),
    "consents": N_("Consents"),
    "events": N_("Events"),
}
ZONES = {
    "told": N_("told by the person or a system"),
    "delivery_address": N_("by the delivery address"),
    "site": N_("by the visitor's browser"),
    "phone": N_("by the phone number"),
    "brand": N_("as the brand's"),
}
NOTES = {
    "agreed": N_("agreed"),
    "refused": N_("refused"),
    "refused for a while": N_("refused for a while"),
    "no consent is known": N_("no consent is known"),
    "an emergency message asks for no consent": N_("an emergency message asks for no consent"),
    "agreed, but without a proof: that is none for advertising": N_(
        "agreed, but without a proof: that is none for advertising"
    ),
    "already in": N_("This person is in the cascade already."),
    "once ever": N_("This person was in the cascade before, and it lets everybody in once."),
    "cooldown": N_("This person was in the cascade lately; its rest is not over."),
    "same key": N_("This person is in the cascade for the same occasion already."),
    "trigger condition": N_("The condition of the trigger does not let this person in."),
    "would be held out as the control group: nothing is sent": N_(
        "This person would be in the control group: nothing is sent."
    ),
}
PARTS = {
    "to": N_("To"),
    "subject": N_("Subject"),
    "text": N_("Text"),
    "title": N_("Title"),
    "preheader": N_("Preheader"),
}


class Agreed(Struct, frozen=True):
    """A line of the consents."""

    granted: bool
    text: str
    at: int
    expires_at: int | None
    proof: list[tuple[str, str]]


class Trait(Struct, frozen=True):
    """An attribute: as it is shown, and as it is typed."""

    name: str
    label: str
    value: str
    kind: str
    choices: tuple[str, ...] = ()


@router.get("/contacts/{contact}")
def card(
    office: InOffice, request: Request, seen: Reader, contact: str, show: str = "", cursor: str = "",
    cascade: str = "",
) -> Response:  # fmt: skip
    """Show one contact with everything that happened, or its answer to "may it be sent this cascade"."""
    return card_page(office, request, seen, contact, show=show, cursor=cursor, cascade=cascade)


@router.get("/messages/{run}/{step}")
def message(office: InOffice, request: Request, seen: Reader, run: str, step: str) -> Response:
    """Show one message: what was written, where it went, what was heard of it."""
    look, key = look_of(request, seen), read_run(run)
    if key is None:
        raise NotFound(worded("There is no run %(run)r.", run=run))
    whole = messages.find(office, merging.run_now(office, key), step)
    who = contact_text(whole.message.contact_id)
    note(office, seen, "GET /messages/{run}/{step}", f"{who} {run} {step}")
    person = contacts.show(office, who)
    return render(
        request, look, "message.html", seen=seen, whole=whole, message=whole.message, contact=who,
        title=title_of(person.card, person.addresses), state=said(STATES, whole.message.state, look),
        parts=_words_of(whole.body or {}, look),
        facts=[touch(Entry(fact.at, "receipt", "", run, None, None, None, fact.value, fact.kind), look)
               for fact in whole.facts],
    )  # fmt: skip


def _words_of(body: Mapping[str, Any], look: Look) -> list[tuple[str, str]]:
    """Return the texts of a message with what they are, in the order of reading."""
    names = [*(name for name in PARTS if name in body), *(name for name in body if name not in PARTS)]
    return [
        (said(PARTS, name, look), body[name]) for name in names
        if isinstance(body[name], str) and body[name] and name != "html"
    ]  # fmt: skip


def card_page(
    office: Office, request: Request, seen: Visitor, contact: str, *, show: str = "", cursor: str = "",
    cascade: str = "", problems: Mapping[str, str] | None = None, open_now: str = "",
) -> Response:  # fmt: skip
    """Return the card; with `problems` beside their fields, in the dialog `open_now`."""
    look = look_of(request, seen)
    whole = contacts.show(office, contact)
    who = contact_text(whole.card.id)
    shows = live.shown(office, request, look, "contact", who)
    if request.method == "GET" and not request.headers.get("hx-request"):
        note(office, seen, "GET /contacts/{contact}", who)
    until = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 16 else LATEST
    found, following = _timeline(office, who, SHOWN.get(show, SHOWN[""]), until)
    answer, refused = _may(office, look, who, cascade) if cascade else (None, "")
    with office.read() as tx:
        declared = attributes.declared(tx)
    return render(
        request, look, "contact.html", 422 if problems else 200, seen=seen, who=who, whole=whole, shows=shows,
        title=title_of(whole.card, whole.addresses), traits=_traits(whole, declared, look),
        ranked=addresses.listing(office, who), choices=lambda trait: [(each, each) for each in trait.choices],
        channel_options=[(each.value, look.word("channel", each.value)) for each in Channel],
        purpose_options=[(name, look._(PURPOSES[name])) for name in ("advertising", "service", "tracking",
                                                                    "recording", "data")],
        own_channels=sorted({each.channel.value for each in whole.addresses}),
        consents=[_agreed(each, look) for each in reversed(whole.consents)],
        segments=segments.of_contact(office, who, segment_names(office)),
        zone_source=look._(ZONES[whole.zones.source]), live=_live(office, who),
        days=days_of([touch(_titled(office, request, each), look) for each in found], look),
        next=following, show=show,
        filters=[(name, look._(text)) for name, text in FILTERS.items()],
        cascades=_asked_about(office, seen), cascade=cascade, answer=answer, refused=refused,
        twins=[(contact_text(each.id), title_of(each, []), same) for each, same in merging.like(office, who)],
        why=lambda words: _why(words, look), problems=problems or {}, open_now=open_now, now=wall_ms(),
        topics=_topics(whole), stops=stop_options(look), key=secrets.token_hex(8),
        writable=[(each.value, look.word("channel", each.value)) for each in single.channels_of(whole)],
        kinds=[(each.value, look.word("class", each.value)) for each in single.CLASSES],
        changes=[shown(each, look) for each in merging.history(office, who, before=None, limit=CHANGES)],
        phone=bool(sandbox.show(office).url),
    )  # fmt: skip


def _timeline(office: Office, who: str, kinds: frozenset[str], until: int) -> tuple[list[Entry], str]:
    """Return entries of these kinds (none: of all) and the cursor after them: whole instants only."""
    limit = ENTRIES if not kinds else 4 * ENTRIES
    found = timeline(office, who, until=until, limit=limit + 1)
    following = ""
    if len(found) > limit:
        last = found[-1].at
        whole = [each for each in found if each.at > last] or found
        found, following = whole, str(last if whole is not found else last - 1)
    return [each for each in found if not kinds or each.what in kinds], following


def _titled(office: Office, request: Request, entry: Entry) -> Entry:
    """Return an entry with its cascade's title in place of the slug."""
    if entry.cascade is None:
        return entry
    return structs.replace(entry, cascade=figures_of(request).title(office, entry.cascade))


def _live(office: Office, who: str) -> list[RunView]:
    """Return the runs that are under way, the one that does something next first."""
    found = runs.listing(office, Filter(contact=who), limit=200).runs
    return sorted((each for each in found if each.outcome is None), key=lambda each: each.wake_at or LATEST)


def _may(office: Office, look: Look, who: str, slug: str) -> tuple[Answer | None, str]:
    try:
        return may.may(office, who, slug), ""
    except (Conflict, NotFound) as error:
        return None, look.refusal(error)


def _asked_about(office: Office, seen: Visitor) -> list[tuple[str, str]]:
    if not seen.may("cascades:read"):
        return []
    return [
        (each.slug, each.title)
        for each in cascades.listing(office, counted=False)
        if each.state in ("active", "paused")
    ]


def _why(words: str, look: Look) -> str:
    """Return a reason of `may` in the reader's words where it is one of the glossary's."""
    if words in NOTES:
        return look._(NOTES[words])
    reason, colon, detail = words.partition(": ")
    if reason.replace(" ", "_") not in WORDS["skip"]:
        return look.told(words)
    return known("skip", reason.replace(" ", "_"), look) + colon + look.told(detail)


def _topics(whole: Whole) -> list[str]:
    return sorted({each.topic for each in whole.consents if each.topic})


def _traits(whole: Whole, declared: Mapping[str, Attribute], look: Look) -> list[Trait]:
    """Return attributes: those that are declared first, then what else is known."""
    told = whole.card.attributes
    names = [*declared, *(name for name in told if name not in declared)]
    return [_trait(name, told.get(name), declared.get(name), look) for name in names]


def _trait(name: str, value: Any, declared: Attribute | None, look: Look) -> Trait:
    label = (declared.labels.get(look.language) if declared else None) or {
        "name": look._("Name"), "first_name": look._("First name"), "last_name": look._("Last name"),
    }.get(name, name)  # fmt: skip
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if isinstance(value, bool):
        text = "yes" if value else "no"
    kind = declared.type.value if declared else "free"
    return Trait(name, label, text, kind, declared.choices if declared else ())


def _agreed(consent: KnownConsent, look: Look) -> Agreed:
    bits = consent.channels
    chosen = [] if bits == ALL_CHANNELS else [each.value for each in Channel if bits & 1 << each.code]
    what = said(PURPOSES, purpose_of(consent.purpose) or "", look)
    parts = [what, ", ".join(look.word("channel", each) for each in chosen), consent.topic, consent.brand]
    proof = [(key, str(value)) for key, value in (consent.proof or {}).items() if value]
    text = " · ".join(part for part in parts if part)
    return Agreed(consent.granted, text[:1].upper() + text[1:], consent.at, consent.expires_at, proof)
