"""Templates: listed with their states, written beside what a person would get, checked against many."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request, Response
from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import HTMLResponse

from kaskad.actions import approvals, files, template_drafts, template_list, templates
from kaskad.actions.approving import State
from kaskad.actions.office import Office
from kaskad.actions.template_check import Findings
from kaskad.actions.template_drafts import Draft, Seen
from kaskad.domain.cascade import Content
from kaskad.domain.errors import Invalid, NotFound, Unavailable
from kaskad.domain.ids import contact_text
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.web.auth import InOffice
from kaskad.web.pages import template_extras
from kaskad.web.pages.editor import Form as Fields
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.letters import letters_of
from kaskad.web.pages.look import Look
from kaskad.web.pages.preview import LETTER_POLICY
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, go, render
from kaskad.web.pages.template_extras import Extras
from kaskad.web.pages.template_form import (
    FORMATS,
    content_of,
    fields_of,
    form_of,
    kept_of,
    lacking,
    places,
)

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("cascades:read")]
Writer = Annotated[Visitor, needs("cascades:write")]
NAMED = r"^[a-z0-9][a-z0-9_-]{0,63}$"
Name = Annotated[str, Path(pattern=NAMED)]
ROWS = 50
CHECKED = 1_000  # contacts that a text is held against
STARTER = """<mjml>
  <mj-body>
    <mj-section>
      <mj-column>
        <mj-text></mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""
NO_JSON = N_('The properties of the event are JSON, such as {"count": 2}.')
PLACES = ["part", *(each.value for each in Channel)]


class Sheet(Struct, frozen=True):
    """A text that is being written, on a channel and in a language; `there`: it is saved."""

    name: str
    channel: str
    language: str
    content: Content
    fallback: bool = False
    there: bool = True
    saved_at: int = 0
    form: str = ""  # of a letter
    kept: Mapping[str, str] = {}  # the letter in the formats that are not chosen
    who: str = ""
    trigger: str = ""
    problems: Mapping[str, str] = {}
    extras: Extras = Extras()  # files, appointment, pictures

    @property
    def draft(self) -> Draft:
        """Return it as what is looked at and checked."""
        return Draft(self.name, self.channel, self.language, self.content)

    @property
    def at(self) -> str:
        """Return the address of this text."""
        return f"/templates/of/{self.name}?{urlencode({'channel': self.channel, 'language': self.language})}"


@router.get("/templates")
def listing(office: InOffice, request: Request, seen: Reader, kind: str = "", cursor: str = "") -> Response:
    """Show the templates, or the parts that they are made of."""
    look = look_of(request, seen)
    left = template_list.page(office, parts=kind == "part", after=cursor, limit=ROWS + 1)
    return render(
        request, look, "templates.html", seen=seen, rows=left[:ROWS], kind=kind,
        next=left[ROWS - 1].name if len(left) > ROWS else "", may_write=seen.may("cascades:write"),
        place_pairs=_places(look),
    )  # fmt: skip


@router.get("/templates/open")
def begin(
    office: InOffice, request: Request, seen: Writer, name: str = "", channel: str = "", language: str = ""
) -> Response:  # fmt: skip
    """Lead to the sheet of a new text, or say what is wrong with its name."""
    look, wanted = look_of(request, seen), name.strip().lower()
    if not re.match(NAMED, wanted):
        said = look._(
            "A name has small Latin letters, digits, - and _, at most 64; for example cart-reminder."
        )
        return go("/templates", said, "bad")
    asked = {"channel": channel if channel in PLACES else "email", "language": language.strip().lower()[:2]}
    return go(f"/templates/of/{wanted}?{urlencode(asked)}")


@router.get("/templates/letter/{key}")
def letter(request: Request, seen: Reader, key: str) -> Response:
    """Return the HTML of a letter that was just looked at, for a frame of ours."""
    html = letters_of(request).get(key)
    if html is None:
        raise NotFound(worded("This letter is no longer kept: look at it again."))
    return HTMLResponse(html, 200, {**HEADERS, "Content-Security-Policy": LETTER_POLICY})


@router.get("/templates/of/{name}")
def show(
    office: InOffice, request: Request, seen: Reader, name: Name, channel: str = "", language: str = "",
    who: str = "",
) -> Response:  # fmt: skip
    """Show one text of a template to write at, and what a person would get."""
    sheet = replace(_opened(office, name, channel, language), who=who)
    return _page(office, request, seen, sheet)


@router.post("/templates/of/{name}/draw")
def draw(office: InOffice, request: Request, seen: Reader, name: Name, form: Fields) -> Response:
    """Show a text as it is being written; nothing is kept. `do=check` holds it against many."""
    sheet = _told(office, name, {key: str(value) for key, value in form.items()})
    found = _checked(office, seen, look_of(request, seen), sheet) if form.get("do") == "check" else None
    return _page(office, request, seen, sheet, found=found, looked=True)


@router.post("/templates/of/{name}/save")
def save(office: InOffice, request: Request, seen: Writer, name: Name, form: Fields) -> Response:
    """Save a text; cascades use it when they are activated next."""
    look, told = look_of(request, seen), {key: str(value) for key, value in form.items()}
    sheet = _told(office, name, told)
    before = _opened(office, name, sheet.channel, sheet.language)
    if str(before.saved_at) != told.get("saved_at", str(before.saved_at)) and before.content != sheet.content:
        wrong = look._(
            "Somebody else has saved this text meanwhile. Copy yours, open the page anew, and join them."
        )
        return _page(office, request, seen, replace(sheet, problems={"": wrong}), 409)
    if sheet.problems:
        return _page(office, request, seen, sheet, 422)
    try:
        templates.put(
            office, name, sheet.channel, sheet.language, sheet.content, fallback=sheet.fallback,
            by=seen.caller.name,
        )  # fmt: skip
    except Invalid as invalid:
        sheet = replace(sheet, problems=places(look, invalid, sheet.content))
        return _page(office, request, seen, sheet, 422)
    note(office, seen, "PUT /templates/{name}", f"{name} {sheet.channel} {sheet.language}".strip())
    who = f"&{urlencode({'who': sheet.who})}" if sheet.who else ""
    return go(sheet.at + who, look._("Saved. Cascades use it when they are activated next."))


@router.post("/templates/of/{name}/remove")
def remove(office: InOffice, request: Request, seen: Writer, name: Name, form: Fields) -> Response:
    """Delete one text of a template."""
    channel, language = str(form.get("channel", "")), str(form.get("language", ""))
    templates.drop(office, name, channel if channel in PLACES else "", language)
    note(office, seen, "DELETE /templates/{name}", f"{name} {channel} {language}".strip())
    return go("/templates", look_of(request, seen)._("The text is deleted."))


def _places(look: Look) -> list[tuple[str, str]]:
    """Return where texts can stand, for a field."""
    return [(each, look._("part") if each == "part" else look.word("channel", each)) for each in PLACES]


def _opened(office: Office, name: str, channel: str, language: str) -> Sheet:
    """Return a saved text; where that language is not there yet the one that serves all, to translate."""
    try:
        known = templates.of_name(office, name)
    except NotFound:
        known = []
    if channel not in PLACES:
        channel = known[0].channel if known else "email"
    own = [each for each in known if each.channel == channel]
    found = next((each for each in own if each.language == language), None)
    if found is None and not language and own:
        found = next((each for each in own if each.fallback), own[0])
    if found is not None:
        return Sheet(
            name, channel, found.language, found.content, found.fallback, True, found.saved_at,
            form_of(found.content), extras=template_extras.shown(found.content),
        )  # fmt: skip
    model = next((each for each in own if each.fallback), own[0] if own else None)
    content = model.content if model else Content(mjml=STARTER if channel == "email" else "")
    form = form_of(content)
    return Sheet(
        name, channel, language or ("" if channel == "part" else "ru"), content, there=False, form=form,
        extras=template_extras.shown(content),
    )  # fmt: skip


def _told(office: Office, name: str, told: Mapping[str, str]) -> Sheet:
    """Return what a form says."""
    sheet = _opened(office, name, told.get("channel", ""), told.get("language", ""))
    form = told.get("format", "")
    content, extras = template_extras.read(told, content_of(told, sheet.content, sheet.channel))
    return replace(
        sheet, content=content, extras=extras, fallback=told.get("fallback") == "yes",
        form=form if form in FORMATS else "", kept=kept_of(told), who=told.get("who", "").strip(),
        trigger=told.get("trigger", "").strip(), problems=extras.problems,
    )  # fmt: skip


def _page(
    office: Office, request: Request, seen: Visitor, sheet: Sheet, code: int = 200, *,
    found: Findings | str | None = None, looked: bool = False,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    if not sheet.who and seen.may("contacts:read"):
        sheet = replace(sheet, who=template_drafts.somebody(office, sheet.channel))
    # The first look of a day starts a process, which takes a second: the page itself does not wait for it.
    shown, wrong = _looked(office, seen, look, sheet) if looked else (None, {})
    told_wrong = {place: look._(text) for place, text in sheet.extras.problems.items()}
    sheet = replace(sheet, problems={**wrong, **sheet.problems, **told_wrong})
    try:
        entry = template_list.show(office, sheet.name, part=sheet.channel == "part")
    except NotFound:
        entry = None
    findings = found if isinstance(found, Findings) else None
    lacks = {each.variable: each for each in findings.lacks} if findings else {}
    html = files.with_pictures(office, shown.preview.words.html) if shown else ""
    return render(
        request, look, "template.html", code, seen=seen, sheet=sheet, shown=shown, entry=entry,
        fields=fields_of(sheet.channel, sheet.form),
        formats=[(name, look._(text)) for name, text in FORMATS.items()],
        letter=letters_of(request).keep(html) if html else "", is_dark="prefers-color-scheme" in html,
        found=findings, not_found=found if isinstance(found, str) else "", lacks=lacks,
        lacking=lacking(list(lacks), sheet.content), id_of=contact_text, place_pairs=_places(look),
        saved_files=files.listing(office) if sheet.channel == "email" else [],
        may_write=seen.may("cascades:write"), may_look=seen.may("contacts:read"),
        approval=_approval(office, sheet), may_approve=seen.may("texts:approve"), me=seen.caller.name,
    )  # fmt: skip


def _approval(office: Office, sheet: Sheet) -> State | None:
    """Return how the saved text stands, where texts must be approved before they are activated."""
    if not approvals.is_asked(office) or not sheet.there:
        return None
    try:
        known = approvals.of_template(office, sheet.name).states
    except (NotFound, Invalid):  # it is a part, or one of its parts has gone
        return None
    return next(
        (one for one in known if (one.piece.channel, one.piece.language) == (sheet.channel, sheet.language)),
        None,
    )


def _looked(office: Office, seen: Visitor, look: Look, sheet: Sheet) -> tuple[Seen | None, dict[str, str]]:
    """Return a text as a person would get it, or by field why it cannot be shown."""
    empty = not any(
        (sheet.content.text, sheet.content.mjml, sheet.content.html, sheet.content.say, sheet.content.script)
    )
    if not seen.may("contacts:read") or empty:
        return None, {}
    if not sheet.who:
        return None, {"who": look._("There is no contact to look as: bring some in first.")}
    try:
        return template_drafts.look(office, sheet.draft, sheet.who, _trigger(look, sheet)), {}
    except Invalid as invalid:
        return None, places(look, invalid, sheet.content)
    except NotFound as missing:
        return None, {"who": look.refusal(missing)}
    except Unavailable as busy:
        return None, {"": look.refusal(busy)}


def _checked(office: Office, seen: Visitor, look: Look, sheet: Sheet) -> Findings | str:
    """Return what a text would be for many contacts, or why that cannot be said."""
    if not seen.may("contacts:read"):
        return ""
    try:
        trigger = _trigger(None, sheet)
        return template_drafts.check(office, sheet.draft, contacts=CHECKED, listed="", trigger=trigger)
    except (Invalid, NotFound, Unavailable) as wrong:
        return look.refusal(wrong)


def _trigger(look: Look | None, sheet: Sheet) -> dict[str, Any]:
    """Return the properties of the event that a form told as JSON; raises Invalid."""
    if not sheet.trigger:
        return {}
    try:
        told = json.loads(sheet.trigger)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Invalid([look._(NO_JSON) if look else NO_JSON])
    return told
