"""Providers' bills: `POST /bills`, how each compares with what was counted, and taking its amounts over."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from kaskad.actions import accounts, bills
from kaskad.actions.office import Office
from kaskad.domain.errors import NotFound
from kaskad.domain.ids import bill_text, contact_text, read_bill, run_text
from kaskad.store.bills import Bill
from kaskad.web.api.accounts import Name
from kaskad.web.api.fields import InPath, Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.imports import BYTES, FORM, XLSX, Upload, mapping_of, uploaded
from kaskad.web.api.views import LARGEST, Page, Slice, View, instant, when
from kaskad.web.auth import Caller, InOffice, may

router = APIRouter(prefix="/api/v1", tags=["money"], route_class=IdempotentRoute)

CSV: dict[str, Any] = {
    "schema": {"type": "string"},
    "example": "id,to,date,parts,amount\n9f1,+77010000001,2026-11-03 10:15:00,1,14.50\n",
}
CONTENT = {"text/csv": CSV, "multipart/form-data": FORM, XLSX: BYTES, "application/octet-stream": BYTES}
BODY = {"requestBody": {"required": True, "content": CONTENT}}
BillId = Annotated[InPath, Path(description="Such as bill_12.")]
Minor = Annotated[int, Field(description="Minor units of the bill's currency.")]


class GroupView(View):
    """How many messages of one place differ for one reason, and by how much in sum (more is above 0)."""

    place: Annotated[str, Field(description="Country and operator, as far as they are known.")]
    reason: Literal["price", "parts", "free", "several"]
    count: int
    minor: Minor


class DifferingView(View):
    """A message that is billed otherwise than we hold for it."""

    run: str
    step: int
    contact: str
    billed: Minor
    held: Minor
    reason: str


class UnknownView(View):
    """A line that is of no message of ours, or (`why`) could not be read. `micros`: millionths of a unit."""

    row: int
    micros: int
    why: str


class MissingView(View):
    """A message of ours, paid for as far as we know, that the bill does not name."""

    run: str
    step: int
    contact: str
    at: datetime
    held: Minor


class BillView(View):
    """A provider's bill beside what we have counted for the same messages; lists hold the first 200 of each.

    `matched` are messages, `lines`, `unknown` and `unread` lines of the file. `taken_at`: when its amounts
    became what the messages cost.
    """

    id: str
    account: str
    source: str
    state: Literal["running", "done", "failed", "interrupted"]
    currency: str
    size: int
    seen: int
    columns: dict[str, str]
    started_at: datetime
    ended_at: datetime | None
    taken_at: datetime | None
    taken_by: str
    problem: str
    since: datetime | None
    until: datetime | None
    lines: int
    total_micros: Annotated[int, Field(description="Of all lines, in millionths of a unit.")]
    matched: int
    billed: Minor
    held: Minor
    differing: int
    unknown: int
    unknown_micros: int
    unread: int
    unbilled: int
    unbilled_held: Minor
    taken: Annotated[int, Field(description="Messages that were corrected.")]
    untaken: Annotated[int, Field(description="Messages that a defect has kept from being corrected.")]
    shift_minutes: Annotated[
        int,
        Field(
            description="By so much most lines that fit no message are later than what went to the same "
            "numbers; 0: by nothing that most have."
        ),
    ]
    zone: Annotated[str, Field(description="Of which zone their times would then be, such as +03:00.")]
    groups: list[GroupView]
    differences: list[DifferingView]
    unknowns: list[UnknownView]
    missing: list[MissingView]

    @classmethod
    def of(cls, bill: Bill, names: dict[int, str]) -> BillView:
        told = bill.report
        plain = {
            name: getattr(told, name)
            for name in ("lines", "total_micros", "matched", "billed", "held", "differing", "unknown",
                         "unknown_micros", "unread", "unbilled", "unbilled_held", "taken",
                         "untaken", "shift_minutes", "zone")
        }  # fmt: skip
        return cls(
            id=bill_text(bill.id), account=names.get(bill.account_id, ""), source=bill.source,
            state=bill.state,  # type: ignore[arg-type]
            currency=bill.currency, size=bill.size, seen=bill.seen, columns=bill.columns,
            started_at=instant(bill.started_at), ended_at=when(bill.ended_at), taken_at=when(bill.taken_at),
            taken_by=bill.taken_by, problem=bill.problem, since=when(told.since), until=when(told.until),
            groups=[GroupView.model_validate(one, from_attributes=True) for one in told.groups],
            unknowns=[UnknownView.model_validate(one, from_attributes=True) for one in told.unknowns],
            differences=[
                DifferingView(run=run_text(one.contact_id, one.run_id), step=one.step,
                              contact=contact_text(one.contact_id), billed=one.billed, held=one.held,
                              reason=one.reason)
                for one in told.differences
            ],
            missing=[
                MissingView(run=run_text(one.contact_id, one.run_id), step=one.step,
                            contact=contact_text(one.contact_id), at=instant(one.at), held=one.held)
                for one in told.missing
            ],
            **plain,
        )  # fmt: skip


@router.post("/bills", dependencies=[may("accounts:write")], openapi_extra=BODY)
def bring_bill(
    office: InOffice,
    file: Annotated[Upload, Depends(uploaded)],
    account: Annotated[Text, Query(description="Whose bill it is: the account's name.")],
    mapping: Annotated[
        list[Text] | None,
        Query(alias="map", description="What a column is, as `Total=amount`; `skip` leaves it out."),
    ] = None,
    source: Annotated[Text | None, Query(description="What the file is called.")] = None,
    wait_s: Annotated[float, Query(ge=0, le=30, description="How long to wait for the end.")] = 10.0,
) -> BillView:
    """Hold a provider's bill (CSV, XLSX, JSON Lines) against what we have counted; nothing else changes.

    Columns are told by their headers: amount; id (the provider's) or reference (ours), or phone and at;
    parts, currency, operator. The same file again is the same bill.
    """
    called = source or "".join(sign for sign in file.name if sign.isprintable())[:200] or "bill.csv"
    found = bills.start(office, account, file.data, called, mapping_of(mapping or []), wait_s)
    return _view(office, found)


@router.get("/bills", dependencies=[may("accounts:read")])
def list_bills(
    office: InOffice,
    part: Annotated[Slice, Depends()],
    account: Annotated[Name | None, Query(description="Only bills of this account.")] = None,
) -> Page[BillView]:
    """List bills, the latest first."""
    found = bills.listing(office, account or "", part.after or LARGEST, part.limit + 1)
    names = _names(office)
    return part.page([BillView.of(one, names) for one in found], [one.id for one in found])


@router.get("/bills/{bill}", dependencies=[may("accounts:read")])
def show_bill(office: InOffice, bill: BillId) -> BillView:
    """Show a bill beside what we have counted."""
    return _view(office, bills.show(office, _number(bill)))


@router.post("/bills/{bill}/take")
def take_bill(office: InOffice, bill: BillId, caller: Annotated[Caller, may("accounts:write")]) -> BillView:
    """Let each message that differs cost what was billed for it; done again, it changes nothing."""
    return _view(office, bills.take(office, _number(bill), caller.name))


def _view(office: Office, bill: Bill) -> BillView:
    return BillView.of(bill, _names(office))


def _names(office: Office) -> dict[int, str]:
    return {one.account.id: one.account.name for one in accounts.listing(office)}


def _number(text: str) -> int:
    number = read_bill(text)
    if number is None:
        raise NotFound(f"There is no bill {text!r}: an id is like bill_12.")
    return number
