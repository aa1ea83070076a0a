"""Everybody who is known, as a file: `GET /exports/people`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from kaskad.actions import export
from kaskad.actions.export import Form
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["contacts"], route_class=IdempotentRoute)

FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
        }
    }
}


@router.get(
    "/exports/people",
    dependencies=[may("contacts:read")],
    responses=FILE,
    response_class=StreamingResponse,
)
def export_people(
    office: InOffice,
    form: Annotated[Form, Query(alias="format", description="csv, or jsonl (JSON Lines).")] = Form.CSV,
) -> StreamingResponse:
    """Return everybody with addresses, attributes, consents with their proof, and lists.

    Columns are named as an import knows them. Cells that a spreadsheet would carry out stand behind an
    apostrophe.
    """
    kind = "text/csv" if form is Form.CSV else "text/plain"
    return StreamingResponse(export.export(office, form), media_type=f"{kind}; charset=utf-8")
