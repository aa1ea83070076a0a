"""Settings: what has happened as files, for a spreadsheet, a warehouse or a BI tool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import StreamingResponse

from kaskad.actions import export
from kaskad.actions.export import Data, Wanted, What
from kaskad.actions.export import Form as FileForm
from kaskad.actions.export_rows import LATEST, OLDEST
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.web.api.exports import KINDS
from kaskad.web.auth import InOffice
from kaskad.web.pages.filters import Filters
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("cascades:read")]
Text = Annotated[str, Form()]
PATH = "/settings/exports"
PEOPLE = "contacts:read"
SETS = {
    What.MESSAGES.value: (N_("Messages and skipped steps"), N_("what became of each, and what it cost")),
    Data.RUNS.value: (N_("Runs"), N_("how each passage through a cascade went, and what its goal was worth")),
    Data.FACTS.value: (N_("Receipts and reactions"), N_("what was reported of messages, what people did")),
    Data.GOALS.value: (N_("Goals"), N_("each goal with its worth, and what of it came back")),
    Data.COSTS.value: (N_("Costs"), N_("by day, step, channel and account")),
    Data.DECISIONS.value: (N_("Decisions"), N_("why each message was sent or not")),
    Data.CONTACTS.value: (N_("Contacts"), N_("language, country and zone; no address and no name")),
}
NAMED = {  # whoever may not see people does not see these
    What.EVENTS.value: (N_("Events"), N_("what CRM and site told of people")),
    What.CONSENTS.value: (N_("Consents"), N_("each consent and withdrawal, with its proof")),
}
FORMS = {
    FileForm.CSV: N_("CSV, for spreadsheets"),
    FileForm.XLSX: N_("XLSX, a workbook"),
    FileForm.PARQUET: N_("Parquet, for warehouses"),
    FileForm.JSONL: N_("JSON Lines, for programs"),
}


@router.get(PATH)
def show(request: Request, seen: Reader) -> Response:
    """Show what can be taken out."""
    fresh = {
        "what": What.MESSAGES.value,
        "form": FileForm.CSV.value,
        "since": "",
        "until": "",
        "identified": "",
    }
    return _page(request, seen, fresh)


@router.post(PATH)
def take_out(
    office: InOffice, request: Request, seen: Reader, what: Text = "", form: Text = "", since: Text = "",
    until: Text = "", identified: Text = "",
) -> Response:  # fmt: skip
    """Return a set of rows of some days as a file; days are the reader's, the last one included."""
    look = look_of(request, seen)
    given = {"what": what, "form": form, "since": since, "until": until, "identified": identified}
    if what not in _sets(seen) or form not in {each.value for each in FORMS}:
        return _page(request, seen, given, look._("Choose what is taken out, and how it is written."))
    asked = Filters(since=since, until=until)
    if problems := asked.problems(look):
        return _page(request, seen, given, " ".join(problems.values()))
    days = asked.among(look)
    wanted = Wanted(
        since=OLDEST if days.since is None else days.since, until=LATEST if days.until is None else days.until
    )
    try:
        content = _file(office, what, FileForm(form), wanted, bool(identified) and seen.may(PEOPLE))
    except (Conflict, Invalid) as error:  # Parquet has a writer that is not installed everywhere
        return _page(request, seen, given, look.refusal(error))
    note(office, seen, _route(what), what)
    name = "-".join(filter(None, (what, since, until)))
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return StreamingResponse(content, media_type=KINDS[FileForm(form)], headers=headers)


def _file(office: Office, what: str, form: FileForm, wanted: Wanted, identified: bool) -> Iterator[bytes]:
    if what in {each.value for each in Data}:
        return export.export_data(office, Data(what), form, wanted, identified)
    return export.export(office, What(what), form, wanted)


def _route(what: str) -> str:
    """Return by which route of the API it stands in the audit."""
    if what == What.MESSAGES:
        return "GET /exports/messages"
    return "GET /exports/data/{what}" if what in {each.value for each in Data} else "GET /exports/{what}"


def _sets(seen: Visitor) -> dict[str, tuple[str, str]]:
    return SETS | NAMED if seen.may(PEOPLE) else SETS


def _page(request: Request, seen: Visitor, given: dict[str, str], problem: str = "") -> Response:
    return render(
        request, look_of(request, seen), "exports.html", 422 if problem else 200, seen=seen, given=given,
        problem=problem, sets=_sets(seen), forms=[(each.value, words) for each, words in FORMS.items()],
        may_name=seen.may(PEOPLE),
    )  # fmt: skip
