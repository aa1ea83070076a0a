"""Bills of providers: brought in, held against what was counted, taken over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response, UploadFile
from msgspec.structs import replace
from starlette.concurrency import run_in_threadpool

from kaskad.actions import accounts, bills
from kaskad.actions.bills import Column
from kaskad.actions.office import Office
from kaskad.domain.bill import SKIP, minor_of
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import bill_text, contact_text, read_bill
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, led, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("accounts:read")]
Writer = Annotated[Visitor, needs("accounts:write")]
Number = Annotated[str, Path(pattern=r"^bill_\d{1,18}$")]
Told = Annotated[list[str], Form()]
ROWS = 50
LAST = 2**62
STATES = {
    "running": (N_("under way"), "info"),
    "done": (N_("read in"), "good"),
    "failed": (N_("failed"), "bad"),
    "interrupted": (N_("interrupted"), "warn"),
}
REASONS = {
    "price": N_("another price"),
    "parts": N_("other parts than we count"),
    "several": N_("several lines of one message"),
    "free": N_("we hold nothing for it"),
}
MEANINGS = {
    "amount": N_("the amount"),
    "id": N_("the provider's id"),
    "reference": N_("our reference"),
    "phone": N_("the phone number"),
    "at": N_("the time"),
    "parts": N_("the number of parts"),
    "operator": N_("the operator"),
    "currency": N_("the currency"),
    SKIP: N_("not read"),
}
SHOWN = 50  # lines of a list; the API has 200 of each


@router.get("/bills")
def listing(office: InOffice, request: Request, seen: Reader, cursor: str = "") -> Response:
    """Show bills, the latest first, and take another."""
    return _listing(office, request, seen, cursor)


def _listing(
    office: Office, request: Request, seen: Visitor, cursor: str = "", *, problems: Sequence[str] = (),
    columns: Sequence[Column] = (), account: str = "",
) -> Response:  # fmt: skip
    before = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else LAST
    found = bills.listing(office, "", before, ROWS + 1)
    names = {one.account.id: one.account.name for one in accounts.listing(office)}
    priced = sorted(one.account.name for one in accounts.listing(office) if one.account.prices)
    return render(
        request, look_of(request, seen), "bills.html", 422 if problems else 200, seen=seen,
        rows=found[:ROWS], next=str(found[ROWS - 1].id) if len(found) > ROWS else None, names=names,
        priced=[(name, name) for name in priced], states=STATES, text_of=bill_text, problems=problems,
        columns=columns, meanings=MEANINGS, skip=SKIP, account=account,
    )  # fmt: skip


@router.post("/bills")
async def bring(
    office: InOffice, request: Request, seen: Writer, file: UploadFile, account: Annotated[str, Form()],
    choose: Annotated[str, Form()] = "", header: Told = [], meaning: Told = [],  # noqa: B006
) -> Response:  # fmt: skip
    """Read a bill and show it beside what we have counted; `choose`: first say what its columns are."""
    data = await file.read()
    called = "".join(sign for sign in file.filename or "" if sign.isprintable())[:200] or "bill.csv"
    asked = list(zip(header, meaning, strict=False))
    return await run_in_threadpool(_bring, office, request, seen, account[:200], data, called, asked, choose)


def _bring(
    office: Office, request: Request, seen: Visitor, account: str, data: bytes, called: str,
    asked: Sequence[tuple[str, str]], choose: str,
) -> Response:  # fmt: skip
    look, columns = look_of(request, seen), list[Column]()
    try:
        columns, told = bills.columns(data, called), [meaning for _, meaning in asked]
        if [header for header, _ in asked] != [each.header for each in columns]:
            told = []  # said of another file
        if choose and not told:
            return _listing(office, request, seen, columns=columns, account=account)
        if told:
            columns = [replace(each, meaning=what) for each, what in zip(columns, told, strict=True)]
        found = bills.start(office, account, data, called, told or {}, 2.0)
    except Invalid as error:
        problems = [look.told(problem) for problem in error.worded]
        return _listing(office, request, seen, problems=problems, columns=columns, account=account)
    note(office, seen, "POST /bills", account)
    return led(request, f"/bills/{bill_text(found.id)}", look._("The bill is read."))


@router.get("/bills/{bill}")
def show(office: InOffice, request: Request, seen: Reader, bill: Number) -> Response:
    """Show a bill beside what we have counted."""
    found = bills.show(office, read_bill(bill) or 0)
    names = {one.account.id: one.account.name for one in accounts.listing(office)}
    told, code = found.report, found.currency
    return render(
        request, look_of(request, seen), "bill.html", seen=seen, bill=found, told=told, name=bill,
        account=names.get(found.account_id, ""), states=STATES, reasons=REASONS,
        total=minor_of(told.total_micros, code), stray=minor_of(told.unknown_micros, code),
        minor=lambda micros: minor_of(micros, code), meanings=MEANINGS, contact_text=contact_text,
        shown=SHOWN,
    )  # fmt: skip


@router.post("/bills/{bill}/take")
def take(office: InOffice, request: Request, seen: Writer, bill: Number) -> Response:
    """Let the messages of a bill cost what was billed."""
    look = look_of(request, seen)
    before = bills.show(office, read_bill(bill) or 0).report.taken
    found = bills.take(office, read_bill(bill) or 0, seen.caller.name)
    note(office, seen, "POST /bills/{bill}/take", bill)
    count = found.report.taken - before
    told = look.words.ngettext("%(num)s message was corrected.", "%(num)s messages were corrected.", count)
    return go(f"/bills/{bill}", told % {"num": look.n(count)})
