"""Bills of providers: brought in, held against what was counted, taken over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from kaskad.actions import accounts, bills
from kaskad.actions.office import Office
from kaskad.domain.bill import minor_of
from kaskad.domain.errors import Invalid
from kaskad.domain.ids import bill_text, read_bill
from kaskad.web.auth import InOffice
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("accounts:read")]
Writer = Annotated[Visitor, needs("accounts:write")]
Number = Annotated[str, Path(pattern=r"^bill_\d{1,18}$")]
ROWS = 50
LAST = 2**62
STATES = {
    "running": (N_("under way"), "info"),
    "done": (N_("read"), "good"),
    "failed": (N_("failed"), "bad"),
    "interrupted": (N_("interrupted"), "warn"),
}
REASONS = {
    "price": N_("another price"),
    "parts": N_("other parts than we count"),
    "several": N_("several lines of one message"),
    "free": N_("we hold nothing for it"),
}


@router.get("/bills")
def listing(office: InOffice, request: Request, seen: Reader, cursor: str = "") -> Response:
    """Show bills, the latest first, and take another."""
    return _listing(office, request, seen, cursor, [])


def _listing(
    office: Office, request: Request, seen: Visitor, cursor: str, problems: list[str]
) -> Response:  # fmt: skip
    before = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else LAST
    found = bills.listing(office, "", before, ROWS + 1)
    names = {one.account.id: one.account.name for one in accounts.listing(office)}
    priced = sorted(one.account.name for one in accounts.listing(office) if one.account.prices)
    return render(
        request, look_of(request, seen), "bills.html", 422 if problems else 200, seen=seen,
        rows=found[:ROWS], next=str(found[ROWS - 1].id) if len(found) > ROWS else None, names=names,
        priced=[(name, name) for name in priced], states=STATES, text_of=bill_text, problems=problems,
    )  # fmt: skip


@router.post("/bills")
async def bring(
    office: InOffice, request: Request, seen: Writer, file: UploadFile, account: Annotated[str, Form()]
) -> Response:
    """Read a bill, and show what it says beside what we have counted."""
    data = await file.read()
    called = "".join(sign for sign in file.filename or "" if sign.isprintable())[:200] or "bill.csv"
    return await run_in_threadpool(_bring, office, request, seen, account[:200], data, called)


def _bring(
    office: Office, request: Request, seen: Visitor, account: str, data: bytes, called: str
) -> Response:  # fmt: skip
    look = look_of(request, seen)
    try:
        found = bills.start(office, account, data, called, {}, 2.0)
    except Invalid as error:
        return _listing(office, request, seen, "", [look.told(problem) for problem in error.worded])
    note(office, seen, "POST /bills", account)
    return go(f"/bills/{bill_text(found.id)}", look._("The bill is read."))


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
        minor=lambda micros: minor_of(micros, code),
    )  # fmt: skip


@router.post("/bills/{bill}/take")
def take(office: InOffice, request: Request, seen: Writer, bill: Number) -> Response:
    """Let the messages of a bill cost what was billed."""
    look = look_of(request, seen)
    before = bills.show(office, read_bill(bill) or 0).report.taken
    found = bills.take(office, read_bill(bill) or 0, seen.name)
    note(office, seen, "POST /bills/{bill}/take", bill)
    count = found.report.taken - before
    told = look.words.ngettext("%(num)s message was corrected.", "%(num)s messages were corrected.", count)
    return go(f"/bills/{bill}", told % {"num": look.n(count)})
