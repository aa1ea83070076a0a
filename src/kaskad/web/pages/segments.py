"""Segments: listed with what they ask, built as rows or as text, counted while one builds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Request, Response
from msgspec import Struct
from msgspec.structs import replace

from kaskad.actions import offered, segments
from kaskad.actions.office import Office
from kaskad.actions.questions import Asked
from kaskad.actions.segments import Use
from kaskad.domain.attributes import Attribute
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.ids import contact_text
from kaskad.domain.segment import READY, read
from kaskad.domain.segment_form import Rule, Written, form_of, written
from kaskad.domain.segment_yaml import as_yaml, condition_of
from kaskad.store.segments import KnownSegment
from kaskad.web.api.fields import NAMED
from kaskad.web.auth import InOffice
from kaskad.web.pages.contacts import title_of
from kaskad.web.pages.editor import Form as Fields
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.remembered import Remembered
from kaskad.web.pages.segment_rows import Choices, changed, match_of, rows_of
from kaskad.web.pages.segment_words import Phrases
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("contacts:read")]
Writer = Annotated[Visitor, needs("contacts:write")]
Name = Annotated[str, Path(min_length=1, max_length=100, pattern=NAMED)]
ROWS = 50
PEOPLE = 10  # shown of those who meet a condition
AT_ONCE_S, PATIENT_S = 0.08, 5.0  # that an answer is waited for: with a script that asks again, and without
WHY = {
    "missing": N_("Fill this in; until then it is not asked."),
    "no number": N_("A number is expected."),
    "no date": N_("A day is expected, such as 2026-01-31."),
}
ABOUT = {
    "inactive-90": N_("silent for 90 days: ask them once whether to go on"),
    "inactive-180": N_("silent for 180 days: the sunset policy ends their advertising"),
    "unreachable": N_("no working address on any channel"),
    "no-advertising": N_("agreed to advertising nowhere"),
    "champions": N_("buy lately, often and for much"),
    "loyal": N_("buy often"),
    "new-customers": N_("have bought lately, for the first time"),
    "big-spenders": N_("the fifth that spends most"),
    "at-risk": N_("bought often, but not lately"),
    "lost": N_("bought little, and long ago"),
}


class Row(Struct, frozen=True):
    """A segment of the list; `rule` is what it asks."""

    name: str
    rule: Rule
    uses: list[Use]


class Sheet(Struct, frozen=True):
    """A question as it is being built. `old` is the name of the segment, "" for a new one."""

    old: str
    name: str
    rule: Rule
    text: str
    was: str = ""  # the text that the segment had when the page was opened
    unfinished: Mapping[str, str] = {}
    problem: str = ""  # of the text
    problems: Mapping[str, str] = {}  # of other fields
    focus: str = ""
    yaml: str = ""  # as it was written, where it cannot be read


@router.get("/segments")
def listing(office: InOffice, request: Request, seen: Reader, cursor: str = "") -> Response:
    """Show the segments, what they ask, and those that are there without being made."""
    look = look_of(request, seen)
    found = segments.listing(office, after=cursor[:100], limit=ROWS + 1)
    made, used = found[:ROWS], segments.all_uses(office)
    ready = [] if cursor else [each for each in segments.ready(office) if not each.id]
    choices = Choices(look, offered.show(office))
    return render(
        request, look, "segments.html", seen=seen, rows_made=_rows(choices, made, used),
        ready=_rows(choices, ready, used), next=found[ROWS - 1].name if len(found) > ROWS else "",
        say=Phrases(look, choices).say, about={name: look._(text) for name, text in ABOUT.items()},
    )  # fmt: skip


@router.get("/segments/size")
def size(office: InOffice, request: Request, seen: Reader, name: str = "") -> Response:
    """Show how many are in a segment, as counted lately."""
    count = _counts(request).get(name, lambda: segments.count(office, name))
    return render(
        request,
        look_of(request, seen),
        "segment_size.html",
        seen=seen,
        kind="segment",
        count=count,
        name=name,
    )


@router.get("/segments/new")
def new(
    office: InOffice, request: Request, seen: Reader, basis: str = "", text: str = "", name: str = ""
) -> Response:
    """Show the builder, with what another segment asks or with a text."""
    told = segments.show(office, basis).condition.text if basis else text
    sheet = Sheet("", name[:100], Rule("all"), "")
    choices = Choices(look_of(request, seen), offered.show(office))
    return _page(office, request, seen, _of_text(sheet, told, choices) if told else sheet, choices)


@router.get("/segments/of/{name}")
def show(office: InOffice, request: Request, seen: Reader, name: Name, count: str = "") -> Response:
    """Show a segment in the builder, who is in it, and what uses it."""
    text = segments.show(office, name).condition.text
    choices = Choices(look_of(request, seen), offered.show(office))
    sheet = _of_text(Sheet(name, name, Rule("all"), "", text), text, choices)
    asked = _ask(office, text, PATIENT_S) if count else None
    return _page(office, request, seen, sheet, choices, asked=asked)


@router.post("/segments/draw")
def draw(office: InOffice, request: Request, seen: Reader, form: Fields) -> Response:
    """Show the question after one change of its rows or its text; nothing is kept."""
    choices = Choices(look_of(request, seen), offered.show(office))
    sheet = _sheet({key: str(value) for key, value in form.items()}, choices)
    asked = _ask(office, sheet.text, PATIENT_S) if form.get("do") == "count" and sheet.text else None
    return _page(office, request, seen, sheet, choices, asked=asked)


@router.post("/segments/save")
def save(office: InOffice, request: Request, seen: Writer, form: Fields) -> Response:
    """Keep a question under its name."""
    look = look_of(request, seen)
    choices = Choices(look, offered.show(office))
    sheet = _sheet({key: str(value) for key, value in form.items()}, choices)
    problems = _refusals(office, look, sheet)
    if not problems and not sheet.problem and not sheet.unfinished:
        try:
            (segments.put if sheet.old else segments.create)(office, sheet.name, sheet.text)
        except Conflict as conflict:
            problems = {"name": look.refusal(conflict)}
        except Invalid as invalid:
            problems = {"text": look.refusal(invalid)}
    if problems or sheet.problem or sheet.unfinished:
        return _page(office, request, seen, replace(sheet, problems=problems), choices, 422)
    note(office, seen, "PUT /segments/{name}", sheet.name)
    _counts(request).forget(sheet.name)
    return go(_at(sheet.name), look._("The segment %(name)s is saved.", name=sheet.name))


@router.post("/segments/of/{name}/remove")
def remove(office: InOffice, request: Request, seen: Writer, name: Name) -> Response:
    """Forget a segment that nothing uses."""
    segments.delete(office, name)
    note(office, seen, "DELETE /segments/{name}", name)
    return go("/segments", look_of(request, seen)._("The segment %(name)s is removed.", name=name))


@router.post("/segments/ask")
def ask(
    office: InOffice, request: Request, seen: Reader, text: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Begin to count who meets a condition, and show how far that is."""
    return _answer(office, request, seen, _ask(office, text, AT_ONCE_S), name)


@router.get("/segments/asked/{question}")
def asked(office: InOffice, request: Request, seen: Reader, question: str, name: str = "") -> Response:
    """Show how far a count is, or its answer."""
    return _answer(office, request, seen, office.questions.show(question), name)


@router.post("/segments/asked/{question}/stop")
def stop(office: InOffice, request: Request, seen: Reader, question: str) -> Response:
    """Give a count up."""
    return _answer(office, request, seen, office.questions.give_up(question), "")


def _at(name: str) -> str:
    return f"/segments/of/{quote(name, safe='')}"


def _counts(request: Request) -> Remembered[int]:
    state = request.app.state
    if not hasattr(state, "segment_counts"):
        state.segment_counts = Remembered[int]()
    kept: Remembered[int] = state.segment_counts
    return kept


def _ask(office: Office, text: str, wait_s: float) -> Asked:
    return segments.ask(office, "", text, seeds=False, limit=PEOPLE, wait_s=wait_s)


def _declared(choices: Choices) -> dict[str, Attribute]:
    return {name: each for name, each in choices.offered.attributes.items() if each is not None}


def _rows(choices: Choices, found: list[KnownSegment], used: Mapping[str, list[Use]]) -> list[Row]:
    declared = _declared(choices)
    return [Row(each.name, form_of(each.condition.tree, declared), used.get(each.name, [])) for each in found]


def _of_text(sheet: Sheet, text: str, choices: Choices) -> Sheet:
    """Return the sheet of a text; where it cannot be read the rows stay as they are."""
    try:
        rule = form_of(read(text).tree, _declared(choices)) if text.strip() else Rule("all")
    except Invalid as invalid:
        return replace(sheet, text=text, problem=choices.look.refusal(invalid))
    return replace(sheet, text=text, rule=rule)


def _sheet(told: Mapping[str, str], choices: Choices) -> Sheet:
    """Return what a form says: its text where that was written, else its rows after what was done."""
    old = told.get("old", "")
    rule = rows_of(told) or Rule("all")
    text = told.get("text", "").replace("\r\n", "\n").strip()
    sheet = Sheet(old, old or told.get("name", "").strip(), rule, text, told.get("was", ""))
    do = told.get("do", "")
    if do == "yaml":
        try:
            text = condition_of(told.get("yaml", ""))
        except Invalid as invalid:
            wrong = {"yaml": choices.look.refusal(invalid)}
            return replace(_of_text(sheet, text, choices), problems=wrong, yaml=told.get("yaml", ""))
        return _of_text(sheet, text, choices)
    if (not do and told.get("from") == "text") or do == "text":
        return _of_text(sheet, text, choices)
    if do:
        rule, focus = changed(rule, do)
        sheet = replace(sheet, focus=focus)
    made: Written = written(rule, _declared(choices))
    return replace(sheet, rule=rule, text=made.text, unfinished=made.unfinished)


def _refusals(office: Office, look: Look, sheet: Sheet) -> dict[str, str]:
    """Return why a question cannot be kept, by field."""
    found = {}
    if not sheet.old and not (re.match(NAMED, sheet.name) and len(sheet.name) <= 100):
        found["name"] = look._("Give it a name of at most 100 characters, without a slash.")
    if not sheet.text and not sheet.unfinished:
        found["text"] = look._("Say whom you mean: add a row, or write a condition.")
    if sheet.old and sheet.was:
        try:
            now = segments.show(office, sheet.old).condition.text
        except NotFound:
            now = sheet.was
        if now not in (sheet.was, sheet.text):
            found["text"] = look._(
                "Somebody else has changed this segment meanwhile; it now asks: %(text)s", text=now
            )
    return found


def _page(
    office: Office, request: Request, seen: Visitor, sheet: Sheet, choices: Choices, code: int = 200, *,
    asked: Asked | None = None,
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    why = {path: look._(WHY.get(code, code)) for path, code in sheet.unfinished.items()}
    phrases = Phrases(look, choices)
    try:  # of rows only what is finished is asked
        says = form_of(read(sheet.text).tree, _declared(choices)) if sheet.text else Rule("all")
    except Invalid:
        says = Rule("all")
    try:
        as_text = sheet.yaml or (as_yaml(read(sheet.text).tree) if sheet.text else "")
    except Invalid:
        as_text = ""
    return render(
        request, look, "segment.html", code, yaml=as_text, seen=seen, sheet=sheet, choices=choices, why=why,
        says=says,
        quiet={path for path, code in sheet.unfinished.items() if code == "missing"}, say=phrases.say,
        match_of=match_of, uses=segments.uses(office, sheet.old) if sheet.old else [],
        is_ready=sheet.old in READY and not segments.show(office, sheet.old).id,
        may_write=seen.may("contacts:write"), strict=code == 422,
        **_told(office, asked, sheet.old),
    )  # fmt: skip


def _told(office: Office, asked: Asked | None, name: str) -> dict[str, Any]:
    """Return what the part with the answer shows."""
    people: list[tuple[str, str]] = []
    if asked is not None and asked.answer is not None:
        page = segments.people(office, asked)
        people = [(contact_text(card.id), title_of(card, page.addresses[card.id])) for card in page.cards]
    return {"asked": asked, "people": people, "asked_name": name}


def _answer(office: Office, request: Request, seen: Visitor, asked: Asked, name: str) -> Response:
    return render(
        request, look_of(request, seen), "segment_answer.html", seen=seen, **_told(office, asked, name)
    )
