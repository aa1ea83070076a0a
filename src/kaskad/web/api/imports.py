"""Files of people: `POST /contacts/import`, and how far they have come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from msgspec import Struct
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from kaskad.actions import imports
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import import_text, read_import
from kaskad.domain.terms import Channel
from kaskad.engine.people import Reading, Typos
from kaskad.engine.sheets import csv_text
from kaskad.store.imports import Import
from kaskad.web.api.fields import PLAIN, Country, Instant, Name, Text, in_ms
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import LARGEST, Page, Slice, View, instant, when
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["contacts"], route_class=IdempotentRoute)

LIMIT = 200_000_000
CSV = {"schema": {"type": "string"}, "example": "id,name,email,phone\n1,Anna,anna@example.org,+77010000001\n"}
FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    }
}
JSONL = {
    "schema": {"type": "string"},
    "example": '{"id": "1", "name": "Anna", "email": "anna@example.org"}\n',
}
BYTES = {"schema": {"type": "string", "format": "binary"}}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": CSV,
            "multipart/form-data": FORM,
            "application/jsonl": JSONL,
            XLSX: BYTES,
            "application/octet-stream": BYTES,
        },
    }
}
REJECTED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


NumbersOn = Annotated[
    list[Literal["whatsapp", "viber"]] | None,
    Query(description="Channels on which the telephone numbers are addresses too."),
]


class NoteView(View):
    """What was odd in a row; `rejected`: the whole row was left out."""

    row: int
    text: str
    rejected: bool
    kind: Literal["rejected", "unread", "asked", "duplicate", "suppressed", "flagged", "fixed"]


class CountsView(View):
    """How many rows: `clean` were taken as they stood, the others have notes of these kinds.

    `fixed` were taken in another spelling, `unread` without a value that makes no sense, `asked` without an
    address that looks mistyped, `duplicate` are of somebody in an earlier row, `suppressed` have an address
    on the stop-list, `flagged` deserve a look (role and disposable mailboxes, formulas), `rejected` were
    left out.
    """

    clean: int = 0
    fixed: int = 0
    unread: int = 0
    asked: int = 0
    duplicate: int = 0
    suppressed: int = 0
    flagged: int = 0
    rejected: int = 0


class ImportView(View):
    """An import: `rows` of `size` were read; `notes` are the first thousand of each kind that needs you.

    `columns` says what each was taken for, `guessed` which of them by their cells, `shape` how the file was
    read. While it runs, `rows_per_s` is its pace and `seconds_left` what is left at that pace. One that is
    `interrupted` goes on where it was when the same file is sent again with the same parameters.
    """

    id: str
    source: str
    state: Literal["running", "done", "failed", "interrupted", "cancelled"]
    dry_run: bool
    size: int
    rows: int
    new: int
    changed: int
    rejected: int
    notes: list[NoteView]
    counts: CountsView
    columns: dict[str, str]
    guessed: list[str]
    shape: str
    problem: str
    rows_per_s: int | None
    seconds_left: int | None
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, found: Import) -> ImportView:
        pace = imports.pace(found)
        return cls.model_validate({
            "id": import_text(found.id), "source": found.source, "state": found.state,
            "dry_run": found.dry_run, "size": found.size, "rows": found.seen, "new": found.made,
            "changed": found.changed, "rejected": found.rejected,
            "notes": [
                {"row": note.row, "text": note.text, "rejected": note.rejected, "kind": note.kind}
                for note in sorted(found.notes, key=lambda note: note.row)
            ],
            "counts": found.counts, "columns": found.columns, "guessed": found.guessed, "shape": found.shape,
            "problem": found.problem, "rows_per_s": pace and pace.rows_per_s,
            "seconds_left": pace and pace.seconds_left, "started_at": instant(found.started_at),
            "ended_at": when(found.ended_at),
        })  # fmt: skip


class Upload(Struct, frozen=True):
    """A file that came with a request."""

    data: bytes
    name: str


async def uploaded(request: Request) -> Upload:
    """Return the file of the request: its body, or the field `file` of a form; raises Invalid."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > LIMIT:
        raise _too_large()
    if kind != "multipart/form-data":
        return Upload(await _whole(request), "")
    if not declared:
        raise HTTPException(411, "Send the form with its Content-Length.")
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid(["The form has no file: send it as the field `file`."])
        return Upload(await file.read(), file.filename or "")


async def _whole(request: Request) -> bytes:
    body = BytesIO()  # grows in its place: of parts that are joined at the end there is all twice
    async for part in request.stream():
        body.write(part)
        if body.tell() > LIMIT:
            raise _too_large()
    return body.getvalue()


def _too_large() -> HTTPException:
    return HTTPException(413, f"At most {LIMIT:,} bytes are taken.", {"Connection": "close"})


@router.post("/contacts/import", dependencies=[may("contacts:write")], openapi_extra=BODY)
def import_contacts(
    office: InOffice,
    file: Annotated[Upload, Depends(uploaded)],
    country: Annotated[
        Country | None, Query(description="Where numbers without country code are from; else the brand's.")
    ] = None,
    numbers_on: NumbersOn = None,
    consent: Annotated[
        str,
        Query(
            max_length=500,
            pattern=PLAIN,
            description="Where everybody of whom no column says otherwise has agreed: kept as the proof.",
        ),
    ] = "",
    list_name: Annotated[Name | None, Query(alias="list", description="The list to add them to.")] = None,
    mapping: Annotated[
        list[Text] | None,
        Query(alias="map", description="What a column is, as `Тел.=phone`; `skip` leaves it out."),
    ] = None,
    typos: Annotated[
        Typos, Query(description="Addresses with domains such as gmial.com: ask (leave out), keep, fix.")
    ] = Typos.ASK,
    consent_text: Annotated[
        str, Query(max_length=2_000, pattern=PLAIN, description="What they agreed to, word for word.")
    ] = "",
    consent_at: Annotated[Instant | None, Query(description="When they agreed.")] = None,
    dry_run: Annotated[bool, Query(description="Only say what would happen.")] = False,
    source: Annotated[Text | None, Query(description="What the file is called in proofs.")] = None,
    wait_s: Annotated[float, Query(ge=0, le=30, description="How long to wait for the end.")] = 10.0,
) -> ImportView:
    """Bring in people from CSV, JSON Lines or a workbook, whose first line or fields name the columns.

    The answer is the report where that takes no longer than `wait_s`, else how far it has come: ask
    `GET /imports/{id}` again. The same file with the same parameters goes on with an import that was
    interrupted or has failed, and is the import that is under way.
    """
    name = source or _plain(file.name) or "import.csv"
    reading = Reading(
        country.upper() if country else None,
        mapping_of(mapping or []),
        typos,
        numbers_on=channels_of(numbers_on),
    )
    wishes = imports.Wishes(
        name, reading, consent.strip(), consent_text.strip(), in_ms(consent_at) or 0, list_name or "", dry_run
    )
    return ImportView.of(imports.start(office, file.data, wishes, wait_s))


@router.get("/imports", dependencies=[may("contacts:read")])
def list_imports(office: InOffice, part: Annotated[Slice, Depends()]) -> Page[ImportView]:
    """List imports, the latest first, without their notes."""
    found = imports.page(office, part.after or LARGEST, part.limit + 1)
    return part.page([ImportView.of(each) for each in found], [each.id for each in found])


@router.post("/imports/{id}/cancel", dependencies=[may("contacts:write")])
def cancel_import(office: InOffice, id: Annotated[str, Path(max_length=30, pattern=PLAIN)]) -> ImportView:
    """End an import before its end; whom it has brought in stays."""
    return ImportView.of(imports.cancel(office, _number(id)))


@router.get("/imports/{id}", dependencies=[may("contacts:read")])
def show_import(office: InOffice, id: Annotated[str, Path(max_length=30, pattern=PLAIN)]) -> ImportView:
    """Show how an import stands; one whose server stopped meanwhile is `interrupted`."""
    return ImportView.of(imports.show(office, _number(id)))


@router.get("/imports/{id}/rejected", dependencies=[may("contacts:write")], responses=REJECTED)
def rejected_rows(office: InOffice, id: Annotated[str, Path(max_length=30, pattern=PLAIN)]) -> Response:
    """Return the rows that were left out as CSV, with number and reason, to be mended and sent again.

    They are kept for a week, the first 100 000 of an import. Cells that a spreadsheet would carry out as a
    formula stand behind an apostrophe.
    """
    header, rejects = imports.rejects(office, _number(id))
    rows = ([*each.cells, str(each.row), each.reason] for each in rejects)
    wide = max([len(header), *(len(each.cells) for each in rejects)])
    padded = ([*row[:-2], *[""] * (wide + 2 - len(row)), *row[-2:]] for row in rows)
    top = [*header, *[""] * (wide - len(header)), "row", "reason"]
    return Response(csv_text([top, *padded]), media_type="text/csv")


def _number(id: str) -> int:
    number = read_import(id)
    if number is None:
        raise NotFound(f"There is no import {id!r}: an id is like imp_12.")
    return number


def channels_of(names: Sequence[str] | None) -> tuple[Channel, ...]:
    """Return the channels of these names, each once."""
    known = {each.value: each for each in Channel}
    return tuple(dict.fromkeys(known[name] for name in names or ()))


def mapping_of(pairs: Sequence[str]) -> dict[str, str]:
    """Return what columns are asked to be; raises Invalid."""
    parts = [pair.rpartition("=") for pair in pairs]
    problems = [
        f"map: {pair!r} must be COLUMN=MEANING, such as Тел.=phone"
        for pair, (name, _, meaning) in zip(pairs, parts, strict=True)
        if not name or not meaning
    ]
    if problems:
        raise Invalid(problems)
    return {name.strip(): meaning.strip() for name, _, meaning in parts}


def _plain(name: Any) -> str:
    """Return a file's name as it can be kept."""
    return "".join(each for each in str(name) if each.isprintable())[:200]
