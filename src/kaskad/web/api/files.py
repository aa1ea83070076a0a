"""Files that go with mails or are linked to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Response

from kaskad.actions import files
from kaskad.store.files import Kept
from kaskad.web.api.cascades import READ, WRITE
from kaskad.web.api.fields import Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.imports import BYTES, FORM, Upload, uploaded
from kaskad.web.api.views import Page, View, instant
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1/files", tags=["templates"], route_class=IdempotentRoute)

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="The file's name here.")]
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": BYTES, "multipart/form-data": FORM},
    }
}
CONTENT: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": BYTES}}}


class FileView(View):
    """A file; `title` is what people see it called, `scanned` says that an antivirus has passed it."""

    name: str
    title: str
    kind: str
    size: int
    digest: Annotated[str, Query(description="SHA-256 of the content.")]
    saved_at: datetime
    saved_by: str
    scanned: bool

    @classmethod
    def of(cls, kept: Kept) -> FileView:
        return cls(
            name=kept.name,
            title=kept.title,
            kind=kept.kind,
            size=kept.size,
            digest=kept.digest,
            saved_at=instant(kept.saved_at),
            saved_by=kept.saved_by,
            scanned=kept.scanned,
        )


@router.get("", dependencies=[may(READ)])
def list_files(office: InOffice) -> Page[FileView]:
    """List all files by name."""
    return Page(items=[FileView.of(kept) for kept in files.listing(office)])


@router.get("/{name}", dependencies=[may(READ)])
def show_file(office: InOffice, name: Name) -> FileView:
    """Show a file without its content."""
    return FileView.of(files.find(office, name))


@router.get("/{name}/content", dependencies=[may(READ)], responses=CONTENT, response_class=Response)
def get_file(office: InOffice, name: Name) -> Response:
    """Return what stands in a file."""
    return answer(*files.content(office, name))


@router.put("/{name}", openapi_extra=BODY)
def put_file(
    office: InOffice,
    name: Name,
    caller: Annotated[Caller, may(WRITE)],
    file: Annotated[Upload, Depends(uploaded)],
    title: Annotated[
        Text | None, Query(description="What people see it called, with its end: a.pdf.")
    ] = None,
) -> FileView:
    """Save a file in place of the one of that name; messages have the new one from now on."""
    return FileView.of(files.put(office, name, title or file.name or name, file.data, caller.name))


@router.delete("/{name}", status_code=204, dependencies=[may(WRITE)])
def delete_file(office: InOffice, name: Name) -> Response:
    """Delete a file; steps that need it are skipped from now on."""
    files.drop(office, name)
    return Response(status_code=204)


def answer(kept: Kept, content: bytes) -> Response:
    """Return a file to be saved and not shown: nothing of it may run under our address."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(kept.title, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "sandbox",
        "X-Robots-Tag": "noindex",
    }
    return Response(content, 200, headers, "application/octet-stream")
