"""Files of people: `POST /contacts/import`, and how far they have come."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from msgspec import Struct
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from kaskad.actions import imports
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.ids import import_text, read_import
from kaskad.store.imports import Import
from kaskad.web.api.fields import PLAIN, Country, Name, Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import View, instant, when
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
BODY = {"requestBody": {"required": True, "content": {"text/csv": CSV, "multipart/form-data": FORM}}}


class NoteView(View):
    """What could not be read; `rejected`: the whole row was left out."""

    row: int
    text: str
    rejected: bool


class ImportView(View):
    """An import: `rows` of about `size` were read; `notes` are the first thousand."""

    id: str
    source: str
    state: Literal["running", "done", "failed", "interrupted"]
    dry_run: bool
    size: int
    rows: int
    new: int
    changed: int
    rejected: int
    notes: list[NoteView]
    columns: dict[str, str]
    problem: str
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, found: Import) -> ImportView:
        return cls.model_validate({
            "id": import_text(found.id), "source": found.source, "state": found.state,
            "dry_run": found.dry_run, "size": found.size, "rows": found.seen, "new": found.made,
            "changed": found.changed, "rejected": found.rejected,
            "notes": [NoteView(row=note.row, text=note.text, rejected=note.rejected) for note in found.notes],
            "columns": found.columns, "problem": found.problem, "started_at": instant(found.started_at),
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
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > LIMIT:
            raise _too_large()
    return b"".join(parts)


def _too_large() -> HTTPException:
    return HTTPException(413, f"At most {LIMIT:,} bytes are taken.", {"Connection": "close"})


@router.post("/contacts/import", dependencies=[may("contacts:write")], openapi_extra=BODY)
def import_contacts(
    office: InOffice,
    file: Annotated[Upload, Depends(uploaded)],
    country: Annotated[
        Country | None, Query(description="Where numbers without country code are from.")
    ] = None,
    consent: Annotated[
        str,
        Query(
            max_length=500,
            pattern=PLAIN,
            description="Where everybody of whom no column says otherwise has agreed: kept as the proof.",
        ),
    ] = "",
    list_name: Annotated[Name | None, Query(alias="list", description="The list to add them to.")] = None,
    dry_run: Annotated[bool, Query(description="Only say what would happen.")] = False,
    source: Annotated[Text | None, Query(description="What the file is called in proofs.")] = None,
    wait_s: Annotated[float, Query(ge=0, le=30, description="How long to wait for the end.")] = 10.0,
) -> ImportView:
    """Bring in people from a CSV file, whose first line names the columns.

    The answer is the report where that takes no longer than `wait_s`, else how far it has come: ask
    `GET /imports/{id}` again.
    """
    name = source or _plain(file.name) or "import.csv"
    wishes = imports.Wishes(name, country or "", consent.strip(), list_name or "", dry_run)
    return ImportView.of(imports.start(office, file.data, wishes, wait_s))


@router.get("/imports/{id}", dependencies=[may("contacts:read")])
def show_import(office: InOffice, id: Annotated[str, Path(max_length=30, pattern=PLAIN)]) -> ImportView:
    """Show how an import stands; one whose server stopped meanwhile is `interrupted`."""
    number = read_import(id)
    if number is None:
        raise NotFound(f"There is no import {id!r}: an id is like imp_12.")
    return ImportView.of(imports.show(office, number))


def _plain(name: Any) -> str:
    """Return a file's name as it can be kept."""
    return "".join(each for each in str(name) if each.isprintable())[:200]
