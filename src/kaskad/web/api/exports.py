"""What is known, as files: `GET /exports/people` and the like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from kaskad.actions import export
from kaskad.actions.export import Data, Form, Wanted, What
from kaskad.actions.export_rows import LATEST, OLDEST
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import read_contact
from kaskad.web.api.fields import Name
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.when import Since, Until, period
from kaskad.web.auth import Forbidden, InOffice, asking, may

router = APIRouter(prefix="/api/v1/exports", tags=["contacts"], route_class=IdempotentRoute)

PARQUET = "application/vnd.apache.parquet"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KINDS = {Form.CSV: "text/csv; charset=utf-8", Form.JSONL: "text/plain; charset=utf-8", Form.XLSX: XLSX,
         Form.PARQUET: PARQUET}  # fmt: skip
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
            XLSX: {"schema": {"type": "string", "format": "binary"}},
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
Format = Annotated[
    Form, Query(alias="format", description="csv, jsonl (JSON Lines), xlsx (a workbook) or parquet.")
]


class Asked:
    """Of whom, and of what time."""

    def __init__(
        self,
        office: InOffice,
        segment: Annotated[Name | None, Query(description="Of who is in this segment now.")] = None,
        list_name: Annotated[Name | None, Query(alias="list", description="Of who is on this list.")] = None,
        after: Annotated[
            str | None, Query(max_length=30, description="Go on after this contact (con_…).")
        ] = None,
        since: Since = None,
        until: Until = None,
    ) -> None:
        begun = 0 if after is None else read_contact(after)
        if begun is None:
            raise Invalid([f"after: {after!r} is no contact: their ids begin with con_."])
        first, end = period(office, since, until)
        self.wanted = Wanted(
            segment or "", list_name or "", begun, OLDEST if first is None else first,
            LATEST if end is None else end,
        )  # fmt: skip


@router.get(
    "/messages", dependencies=[may("cascades:read")], responses=FILE, response_class=StreamingResponse
)
def export_messages(
    office: InOffice, asked: Annotated[Asked, Depends()], form: Format = Form.CSV
) -> StreamingResponse:
    """Return messages and skipped steps, with what became of each and what it cost, in whole units of money.

    `since` and `until` ask by when a message was submitted, for a skip by when its run began.
    """
    return _file(office, What.MESSAGES, form, asked.wanted)


@router.get(
    "/data/{what}", dependencies=[may("cascades:read")], responses=FILE, response_class=StreamingResponse
)
def export_rows(
    office: InOffice, request: Request, what: Data, asked: Annotated[Asked, Depends()],
    form: Format = Form.CSV,
    identified: Annotated[bool, Query(description="With `external_id`; needs contacts:read.")] = False,
) -> StreamingResponse:  # fmt: skip
    """Return a set of rows for a warehouse: nobody who could be named is in it, unless `identified`.

    `since` and `until` ask by when a contact was made, a run entered, or something happened; costs are by
    whole days (UTC).
    """
    if identified and not asking(request).may("contacts:read"):
        raise Forbidden("The key does not open contacts:read, which `identified` needs.")
    content = export.export_data(office, what, form, asked.wanted, identified)
    return _told(content, what.value, form)


@router.get("/{what}", dependencies=[may("contacts:read")], responses=FILE, response_class=StreamingResponse)
def export_known(
    office: InOffice,
    what: Literal["people", "events", "consents", "suppressions"],
    asked: Annotated[Asked, Depends()],
    form: Format = Form.CSV,
) -> StreamingResponse:
    """Return what is known: people with addresses, attributes, consents and lists; events; consents with
    their proof; suppressions, with the address where somebody still has it, else as a hash.

    Columns of people are named as an import knows them. Rows come in the order of contacts. In CSV, cells
    that a spreadsheet would carry out stand behind an apostrophe.
    """
    return _file(office, What(what), form, asked.wanted)


def _file(office: InOffice, what: What, form: Form, wanted: Wanted) -> StreamingResponse:
    return _told(export.export(office, what, form, wanted), what.value, form)


def _told(content: Iterator[bytes], name: str, form: Form) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"', "Cache-Control": "no-store"}
    return StreamingResponse(content, media_type=KINDS[form], headers=headers)
