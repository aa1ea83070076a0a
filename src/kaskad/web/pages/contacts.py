"""Contacts: found, listed, and what can be done with several of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from msgspec import Struct
from starlette.responses import StreamingResponse

from kaskad.actions import cascades, contacts, export, launches, lists, segments
from kaskad.actions.audience import Audience
from kaskad.actions.contacts import Told, ToldAddress
from kaskad.actions.export import Form as FileForm
from kaskad.actions.export_rows import Wanted as Rows
from kaskad.actions.export_rows import What
from kaskad.actions.finding import Wanted, find
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import contact_text, read_contact
from kaskad.domain.terms import Channel, Suppressed
from kaskad.domain.worded import worded
from kaskad.store.cards import Card, KnownAddress
from kaskad.web.api.exports import KINDS
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
Writer = Annotated[Visitor, needs("contacts:write")]
Launcher = Annotated[Visitor, needs("cascades:write")]
Text = Annotated[str, Form()]
Chosen = Annotated[list[str], Form()]
ROWS = 50
NAMES = 200  # of segments and lists that are offered
STOPS = {
    "manual": N_("by hand"),
    "opt_out": N_("asked not to be written to"),
    "complaint": N_("complained"),
    "legal": N_("for a legal reason"),
}  # by which people put somebody on the stop list
_CHANNELS = [each.value for each in Channel]


class Row(Struct, frozen=True):
    """A contact of the list; `others` are its good or spoilt addresses beside the first mail and phone."""

    id: str
    title: str
    card: Card
    email: KnownAddress | None
    phone: KnownAddress | None
    others: list[KnownAddress]


@router.get("/contacts")
def listing(
    office: InOffice, request: Request, seen: Reader, q: str = "", segment: str = "",
    within: Annotated[str, Query(alias="list")] = "", reachable: str = "", agreed: str = "",
    refused: str = "", cursor: str = "",
) -> Response:  # fmt: skip
    """Show contacts by what they are called, are in, are reached by and have agreed to."""
    said = q.strip()
    if read_contact(said) is not None:
        return go(f"/contacts/{said}")
    return _page(
        office, request, seen,
        Wanted(said, segment, within, _known(reachable), _known(agreed), _known(refused)), cursor,
    )  # fmt: skip


@router.post("/contacts")
def make(
    office: InOffice, request: Request, seen: Writer, name: Text = "", email: Text = "", phone: Text = "",
    external_id: Text = "",
) -> Response:  # fmt: skip
    """Make a contact and show it, or show one that is known by what was told."""
    short = ((Channel.EMAIL, email, "/email"), (Channel.SMS, phone, "/phone"))
    told = Told(
        external_id=external_id.strip() or None, attributes={"name": name.strip()} if name.strip() else {},
        addresses=[ToldAddress(channel, text.strip(), at) for channel, text, at in short if text.strip()],
    )  # fmt: skip
    try:
        saved = contacts.put(office, told, by=seen.caller.name)
    except Invalid as error:
        refused = look_of(request, seen).refusals(error)
        problems = {field or "email": why for field, why in refused.items()}
        given = {"name": name, "email": email, "phone": phone, "external_id": external_id}
        return _page(office, request, seen, Wanted(), "", given=given, problems=problems)
    note(office, seen, "POST /contacts", contact_text(saved.id))
    look = look_of(request, seen)
    said = look._("The contact is made.") if saved.created else look._("Somebody known has these addresses.")
    return go(f"/contacts/{contact_text(saved.id)}", said)


@router.post("/contacts/list")
def put_on_list(
    office: InOffice, request: Request, seen: Writer, who: Chosen = [],  # noqa: B006
    name: Text = "", made: Text = "",
) -> Response:  # fmt: skip
    """Put the chosen contacts on a list; `made` is the name of a new one."""
    look, wanted, ids = look_of(request, seen), made.strip() or name, _ids(who)
    if not wanted:
        return go(_back(request), look._("Choose a list, or name a new one."), "bad")
    added = lists.put_all(office, wanted, ids)
    note(office, seen, "POST /lists/{name}/contacts", f"{wanted} {len(ids)}")
    told = look.words.ngettext(
        "%(num)s contact is on the list %(name)s now.",
        "%(num)s contacts are on the list %(name)s now.",
        added,
    )
    return go(_back(request), told % {"num": look.n(added), "name": wanted})


@router.post("/contacts/unlist")
def take_off_list(
    office: InOffice, request: Request, seen: Writer, who: Chosen = [], off: Text = ""  # noqa: B006
) -> Response:  # fmt: skip
    """Take the chosen contacts off a list."""
    look = look_of(request, seen)
    taken = lists.remove(office, off, who)
    note(office, seen, "DELETE /lists/{name}/contacts", f"{off} {len(who)}")
    told = look.words.ngettext(
        "%(num)s contact is taken off the list.", "%(num)s contacts are taken off the list.", taken
    )
    return go(_back(request), told % {"num": look.n(taken)})


@router.post("/contacts/launch")
def launch(
    office: InOffice, request: Request, seen: Launcher, who: Chosen = [], cascade: Text = "",  # noqa: B006
    segment: Text = "", within: Annotated[str, Form(alias="list")] = "",
) -> Response:  # fmt: skip
    """Let the chosen contacts, or a whole segment or list, enter a cascade; its report shows how far."""
    look = look_of(request, seen)
    if not cascade:
        return go(_back(request), look._("Choose a cascade."), "bad")
    audience = Audience(list=within, segment=segment)
    if who:
        name = f"{look._('chosen')} {datetime.fromtimestamp(office.now() / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        lists.put_all(office, name, _ids(who))
        audience = Audience(list=name)
    begun = launches.begin(office, cascade, audience)
    note(office, seen, "POST /cascades/{slug}/launch", f"{cascade} {audience}")
    told = look.words.ngettext("%(num)s contact enters now.", "%(num)s contacts enter now.", begun.size)
    return go(f"/cascades/{cascade}", told % {"num": look.n(begun.size)})


@router.post("/contacts/suppress")
def suppress(
    office: InOffice, request: Request, seen: Writer, who: Chosen = [], reason: Text = ""  # noqa: B006
) -> Response:  # fmt: skip
    """Put all addresses of the chosen contacts on the stop list."""
    look = look_of(request, seen)
    for each in who:
        contacts.suppress(office, each, [], stop_reason(reason))
        note(office, seen, "POST /contacts/{contact}/suppress", each)
    told = look.words.ngettext(
        "%(num)s contact is never written to again.", "%(num)s contacts are never written to again.", len(who)
    )
    return go(_back(request), told % {"num": look.n(len(who))})


@router.post("/contacts/export")
def take_out(
    office: InOffice, seen: Reader, who: Chosen = [], segment: Text = "",  # noqa: B006
    within: Annotated[str, Form(alias="list")] = "", form: Annotated[FileForm, Form()] = FileForm.CSV,
) -> Response:  # fmt: skip
    """Return the chosen contacts, those of a segment or list, or all as a file."""
    wanted = Rows(segment, within, contacts=_ids(who))
    content = export.export(office, What.PEOPLE, form, wanted)
    note(office, seen, "GET /exports/{what}", f"people {segment or within or len(who) or ''}".strip())
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="people.{form}"'}
    return StreamingResponse(content, media_type=KINDS[form], headers=headers)


def stop_reason(name: str) -> Suppressed:
    """Return why somebody goes on the stop list, as the form says it."""
    return Suppressed(name) if name in STOPS else Suppressed.MANUAL


def stop_options(look: Look) -> list[tuple[str, str]]:
    """Return why somebody may go on the stop list, for a field."""
    return [(name, look._(text)) for name, text in STOPS.items()]


def title_of(card: Card, addresses: Sequence[KnownAddress]) -> str:
    """Return how a contact is called on pages: by name, else by what they are reached by."""
    told = card.attributes
    name = told.get("name") or " ".join(
        str(told[key]) for key in ("first_name", "last_name") if told.get(key)
    )
    first = next((each.value for each in addresses if each.channel in (Channel.EMAIL, Channel.SMS)), "")
    return str(name) if name else first or card.external_id or contact_text(card.id)


def row_of(card: Card, addresses: Sequence[KnownAddress]) -> Row:
    """Return a contact as a row of a list."""
    best = sorted(addresses, key=lambda each: (each.health, not each.main))
    email = next((each for each in best if each.channel is Channel.EMAIL), None)
    phone = next((each for each in best if each.channel is Channel.SMS), None)
    others = {each.channel: each for each in reversed(best) if each is not email and each is not phone}
    more = [each for each in others.values() if each.channel not in (Channel.EMAIL, Channel.SMS)]
    return Row(contact_text(card.id), title_of(card, addresses), card, email, phone, more[::-1])


def _page(
    office: Office, request: Request, seen: Visitor, wanted: Wanted, cursor: str, *,
    given: dict[str, str] | None = None, problems: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    after = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else 0
    found = find(office, wanted, after=after, limit=ROWS)
    rows = [row_of(card, found.page.addresses[card.id]) for card in found.page.cards]
    return render(
        request, look, "contacts.html", 422 if problems else 200, seen=seen, rows=rows, wanted=wanted,
        next="" if found.next is None else str(found.next), channels=_channel_choices(look),
        segments=_pairs(segment_names(office)), lists=_pairs(lists.names(office, limit=NAMES)),
        cascades=_open_to_launch(office) if seen.may("cascades:write") else [],
        stops=stop_options(look), given=given or {}, problems=problems or {}, full=len(rows) == ROWS,
    )  # fmt: skip


def _channel_choices(look: Look) -> list[tuple[str, str]]:
    return [(each, look.word("channel", each)) for each in _CHANNELS]


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(each, each) for each in names]


def segment_names(office: Office) -> list[str]:
    """Return the segments that are offered: those that were made, then the ready ones."""
    made = [each.name for each in segments.listing(office, after="", limit=NAMES)]
    return made + [each.name for each in segments.ready(office) if each.name not in made]


def _open_to_launch(office: Office) -> list[tuple[str, str]]:
    """Return the cascades that people can be let into by hand."""
    return [
        (each.slug, each.title)
        for each in cascades.listing(office, counted=False)
        if each.state in ("active", "paused")
    ]


def _known(channel: str) -> str:
    return channel if channel in _CHANNELS else ""


def _ids(who: Sequence[str]) -> list[int]:
    """Return the numbers of the contacts that a form names; raises NotFound."""
    found = [read_contact(each) for each in who]
    if None in found:
        raise NotFound(worded("There is no such contact."))
    return [each for each in found if each is not None]


def _back(request: Request) -> str:
    """Return the list as it was when the form was sent; only of this site, and only contacts."""
    path = request.headers.get("referer", "").partition("://")[2].partition("/")[2]
    return f"/{path}" if path.startswith("contacts") and "\\" not in path else "/contacts"
