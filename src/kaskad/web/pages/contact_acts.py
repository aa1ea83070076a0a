"""What can be done with one contact from its card."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Path, Request, Response

from kaskad.actions import (
    addresses,
    attributes,
    contacts,
    erasure,
    launches,
    lists,
    merging,
    person_file,
    runs,
    single,
)
from kaskad.actions.audience import Audience
from kaskad.actions.contacts import Told, ToldAddress, ToldConsent
from kaskad.domain.consent import Purpose
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import read_contact, read_run
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded
from kaskad.web.auth import InOffice
from kaskad.web.pages.contact import card_page
from kaskad.web.pages.contacts import stop_reason
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, go

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
Writer = Annotated[Visitor, needs("contacts:write")]
Runner = Annotated[Visitor, needs("cascades:write")]
Text = Annotated[str, Form()]
Who = Annotated[str, Path(pattern=r"^con_\d{1,18}$")]
_ATTRIBUTE = "a:"  # before the names of fields that are attributes


async def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of the form that was sent."""
    return {name: str(value) for name, value in (await request.form()).items()}


@router.post("/contacts/{contact}/traits")
def change_traits(
    office: InOffice, request: Request, seen: Writer, contact: Who,
    fields: Annotated[dict[str, str], Depends(fields_of)],
) -> Response:  # fmt: skip
    """Change attributes, language, country and zone; an attribute that is left empty is removed."""
    known = contacts.show(office, contact).card
    with office.read() as tx:
        declared = attributes.declared(tx)
    typed = {name.removeprefix(_ATTRIBUTE): text.strip() for name, text in fields.items()
             if name.startswith(_ATTRIBUTE)}  # fmt: skip
    if fields.get("new_name", "").strip():
        typed[fields["new_name"].strip()] = fields.get("new_value", "").strip()
    changed = {
        name: _typed(text, known.attributes.get(name), name in declared) for name, text in typed.items()
        if text or name in known.attributes
    }  # fmt: skip
    told = Told(
        attributes={name: value for name, value in changed.items() if value != known.attributes.get(name)},
        language=fields.get("language", "").strip() or None,
        country=fields.get("country", "").strip() or None,
        zone=fields.get("zone", "").strip() or None,
    )  # fmt: skip
    try:
        contacts.put(office, told, contact, by=seen.caller.name)
    except Invalid as error:
        refused = look_of(request, seen).refusals(error)
        problems = {field.replace("attributes/", _ATTRIBUTE): why for field, why in refused.items()}
        return card_page(office, request, seen, contact, problems=problems, open_now="edit")
    note(office, seen, "PUT /contacts/{contact}", contact)
    return go(f"/contacts/{contact}", look_of(request, seen)._("The contact is changed."))


def _typed(text: str, known: Any, declared: bool) -> Any:
    """Return what was typed as what the attribute was before: a number stays one; None where it is empty."""
    if not text:
        return None
    if declared:
        return text
    if isinstance(known, bool):
        return text.lower() in ("yes", "true", "1", "да")
    if isinstance(known, int | float):
        try:
            return json.loads(text.replace(",", ".").replace("\u00a0", "").replace(" ", ""))
        except ValueError:
            return text
    if isinstance(known, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


@router.post("/contacts/{contact}/address")
def change_address(
    office: InOffice, request: Request, seen: Writer, contact: Who, channel: Text = "", value: Text = "",
    do: Text = "add",
) -> Response:  # fmt: skip
    """Add an address, make it primary, say that it is dead or works after all, or take it away."""
    look, by = look_of(request, seen), seen.caller.name
    known = next((each for each in Channel if each.value == channel), None)
    if known is None:
        raise NotFound(worded("There is no channel %(channel)r.", channel=channel))
    try:
        if do == "add":
            addresses.add(office, contact, known, value.strip(), by)
        elif do == "remove":
            addresses.remove(office, contact, known, value, by)
        else:
            addresses.mark(office, contact, known, value, _deed(do), by)
    except Invalid as error:
        problems = {"value": look.refusal(error), "given": value, "channel": channel}
        return card_page(office, request, seen, contact, problems=problems, open_now="add-address")
    note(office, seen, f"POST /contacts/{{contact}}/addresses {do}", contact)
    said = {
        "add": look._("The address is added."), "primary": look._("This address is used first now."),
        "invalid": look._("The address is marked: nothing goes there."),
        "valid": look._("The address is good again."), "remove": look._("The address is removed."),
    }  # fmt: skip
    return go(f"/contacts/{contact}", said[do])


@router.post("/contacts/{contact}/consent")
def agree(
    office: InOffice, request: Request, seen: Writer, contact: Who, purpose: Text = "advertising",
    channel: Text = "", source: Text = "", words: Text = "",
) -> Response:  # fmt: skip
    """Keep a consent with its proof."""
    look = look_of(request, seen)
    if not source.strip():
        problems = {"source": look._("Say where and how it was given: this is the proof.")}
        return card_page(office, request, seen, contact, problems=problems, open_now="agree")
    proof = {"source": source.strip(), "by": seen.caller.name}
    told = ToldConsent(
        True, _channels(channel), Purpose(purpose) if purpose else None,
        proof=proof | ({"text": words.strip()} if words.strip() else {}),
    )  # fmt: skip
    try:
        contacts.consent(office, contact, told)
    except Invalid as error:
        problems = {"source": look.refusal(error)}
        return card_page(office, request, seen, contact, problems=problems, open_now="agree")
    note(office, seen, "POST /contacts/{contact}/consents", contact)
    return go(f"/contacts/{contact}", look._("The consent is kept."))


@router.post("/contacts/{contact}/unsubscribe")
def unsubscribe(
    office: InOffice, request: Request, seen: Writer, contact: Who, scope: Text = "all", reason: Text = ""
) -> Response:  # fmt: skip
    """Keep a refusal: of everything, of advertising, of a channel or of a topic; its runs end."""
    look = look_of(request, seen)
    kind, _, name = scope.partition(":")
    proof = {"source": reason.strip() or "card", "by": seen.caller.name}
    told = ToldConsent(
        False, _channels(name) if kind == "channel" else (),
        Purpose.ADVERTISING if kind == "advertising" else None, name if kind == "topic" else "", proof=proof,
    )  # fmt: skip
    contacts.consent(office, contact, told)
    note(office, seen, "POST /contacts/{contact}/consents", contact)
    return go(f"/contacts/{contact}", look._("The refusal is kept; runs that it concerns have ended."))


@router.post("/contacts/{contact}/suppress")
def suppress(
    office: InOffice, request: Request, seen: Writer, contact: Who, reason: Text = "", channel: Text = "",
    value: Text = "",
) -> Response:  # fmt: skip
    """Put an address, or all of them, on the stop list."""
    named = [ToldAddress(each, value, "/value") for each in _channels(channel)]
    contacts.suppress(office, contact, named, stop_reason(reason))
    note(office, seen, "POST /contacts/{contact}/suppress", contact)
    return go(f"/contacts/{contact}", look_of(request, seen)._("Nothing goes there any more."))


@router.post("/contacts/{contact}/enter")
def enter(
    office: InOffice, request: Request, seen: Runner, contact: Who, cascade: Text = ""
) -> Response:  # fmt: skip
    """Let the contact enter a cascade."""
    look = look_of(request, seen)
    if not cascade:
        return go(f"/contacts/{contact}", look._("Choose a cascade."), "bad")
    name = f"{contact} {cascade}"
    lists.put_all(office, name, [read_contact(contact) or 0])
    launches.begin(office, cascade, Audience(list=name))
    note(office, seen, "POST /cascades/{slug}/launch", f"{cascade} {contact}")
    return go(f"/contacts/{contact}", look._("The contact enters now, if the rules let it."))


@router.post("/contacts/{contact}/message")
def send_message(
    office: InOffice, request: Request, seen: Runner, contact: Who, channel: Text = "", subject: Text = "",
    text: Text = "", kind: Text = "service", key: Text = "",
) -> Response:  # fmt: skip
    """Let one message go to the contact."""
    chosen = next((each for each in Channel if each.value == channel), None)
    wanted = next((each for each in single.CLASSES if each.value == kind), MessageClass.SERVICE)
    try:
        if chosen is None:
            raise Invalid([look_of(request, seen)._("Choose a channel.")], ["/channel"])
        single.send(
            office, contact, chosen, text, subject=subject, message_class=wanted, by=seen.caller.name, key=key
        )
    except Invalid as error:
        problems = {
            "text": look_of(request, seen).refusal(error), "said": text, "subject": subject,
            "channel": channel, "kind": kind,
        }  # fmt: skip
        return card_page(office, request, seen, contact, problems=problems, open_now="send")
    note(office, seen, "POST /contacts/{contact}/messages", contact)
    said = look_of(request, seen)._(
        "It goes out if consent, law and hours let it: below stands what came of it."
    )
    return go(f"/contacts/{contact}", said)


@router.post("/contacts/{contact}/runs/{run}/cancel")
def cancel(office: InOffice, request: Request, seen: Runner, contact: Who, run: str) -> Response:
    """End a run of the contact."""
    key = read_run(run)
    if key is None:
        raise NotFound(worded("There is no run %(run)r.", run=run))
    runs.cancel(office, merging.run_now(office, key), seen.caller.name)
    note(office, seen, "POST /runs/{run}/cancel", f"{contact} {run}")
    return go(
        f"/contacts/{contact}", look_of(request, seen)._("The run has ended: nothing more is sent by it.")
    )


@router.post("/contacts/{contact}/merge")
def merge(
    office: InOffice, request: Request, seen: Writer, contact: Who, other: Text = ""
) -> Response:  # fmt: skip
    """Make another contact a part of this one."""
    look = look_of(request, seen)
    if not other.strip():
        return go(f"/contacts/{contact}", look._("Say who is the same person."), "bad")
    done = merging.merge(office, contact, other.strip(), seen.caller.name)
    note(office, seen, "POST /contacts/{contact}/merge", f"{contact} con_{done.merged}")
    return go(f"/contacts/{contact}", look._("They are one contact now."))


@router.post("/contacts/{contact}/erase")
def erase(office: InOffice, request: Request, seen: Writer, contact: Who, sure: Text = "") -> Response:
    """Delete who the contact was, for good."""
    look = look_of(request, seen)
    if sure != "yes":
        return go(f"/contacts/{contact}", look._("Say that you are sure: this cannot be undone."), "bad")
    erasure.erase(office, contact, seen.caller.name)
    note(office, seen, "DELETE /contacts/{contact}", contact)
    return go("/contacts", look._("The person is erased. What is kept is an act without a name."))


@router.post("/contacts/{contact}/export")
def export(
    office: InOffice, seen: Reader, contact: Who, form: Annotated[Literal["json", "zip"], Form()] = "zip"
) -> Response:  # fmt: skip
    """Return everything that is known of the contact as a file."""
    found = person_file.gather(office, contact)
    note(office, seen, "GET /contacts/{contact}/export", contact)
    body, kind = (found.json(), "application/json") if form == "json" else (found.zip(), "application/zip")
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{found.contact}.{form}"'}
    return Response(body, media_type=kind, headers=headers)


def _deed(do: str) -> addresses.Deed:
    if do not in ("primary", "invalid", "valid"):
        raise NotFound(worded("Nothing is called %(do)r.", do=do))
    deed: addresses.Deed = do  # type: ignore[assignment]
    return deed


def _channels(name: str) -> tuple[Channel, ...]:
    return tuple(each for each in Channel if each.value == name)
