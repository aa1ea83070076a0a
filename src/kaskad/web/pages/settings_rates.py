"""Settings: exchange rates by day, and the currency that figures are told in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from starlette.concurrency import run_in_threadpool

from kaskad.actions import rates
from kaskad.actions.office import Office
from kaskad.actions.rate_file import text_of_day
from kaskad.domain.errors import Invalid
from kaskad.domain.money import DIGITS
from kaskad.web.auth import InOffice
from kaskad.web.pages.session import PageRoute, look_of, needs, note
from kaskad.web.pages.shell import HEADERS, Visitor, go, render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, needs("settings:read")]
Writer = Annotated[Visitor, needs("settings:write")]
Text = Annotated[str, Form(max_length=60)]
PATH = "/settings/rates"
ROWS = 30
DAY_MS = 86_400_000


@router.get(PATH)
def show(office: InOffice, request: Request, seen: Reader) -> Response:
    """Show which rates there are, which are needed, and what figures are told in."""
    return _page(office, request, seen)


@router.get(PATH + "/rates.csv")
def export(office: InOffice, seen: Reader) -> Response:
    """Return all rates as a file."""
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="rates.csv"'}
    return Response(rates.export(office), media_type="text/csv", headers=headers)


@router.post(PATH + "/reporting")
def tell_in(office: InOffice, request: Request, seen: Writer, currency: Text = "") -> Response:
    """Say which currency figures are told in."""
    try:
        told = rates.tell_in(office, currency)
    except Invalid as error:
        return _page(office, request, seen, wrong=[look_of(request, seen).refusal(error)])
    note(office, seen, "PUT /rates/reporting", told)
    return go(PATH, look_of(request, seen)._("Saved."))


@router.post(PATH + "/file")
async def bring(
    office: InOffice, request: Request, seen: Writer, file: UploadFile, to: Text = ""
) -> Response:
    """Take rates from a file, or nothing of it."""
    data = await file.read()
    called = "".join(sign for sign in file.filename or "" if sign.isprintable())[:200] or "rates.csv"
    return await run_in_threadpool(_bring, office, request, seen, data, called, to)


def _bring(office: Office, request: Request, seen: Visitor, data: bytes, called: str, to: str) -> Response:
    look = look_of(request, seen)
    try:
        count = rates.bring(office, data, called, to)
    except Invalid as error:
        return _page(office, request, seen, wrong=[look.told(problem) for problem in error.worded])
    note(office, seen, "POST /rates", called)
    told = look.words.ngettext(
        "%(num)s rate is kept. Figures of its day use it.",
        "%(num)s rates are kept. Figures of their days use them.",
        count,
    )
    return go(PATH, told % {"num": look.n(count)})


@router.post(PATH)
def put(
    office: InOffice, request: Request, seen: Writer, day: Text = "", base: Text = "", quote: Text = "",
    rate: Text = "",
) -> Response:  # fmt: skip
    """Keep one rate."""
    given = {"day": day, "base": base, "quote": quote, "rate": rate}
    try:
        kept = rates.put(office, day, base, quote, rate)
    except Invalid as error:
        return _page(office, request, seen, given=given, problem=look_of(request, seen).refusal(error))
    note(office, seen, "PUT /rates/days/{base}/{quote}/{day}", f"{kept.base} {kept.quote}")
    return go(PATH, look_of(request, seen)._("Saved."))


@router.post(PATH + "/remove")
def remove(
    office: InOffice, request: Request, seen: Writer, base: Text = "", quote: Text = "", day: Text = ""
) -> Response:
    """Forget one rate."""
    rates.remove(office, base, quote, day, day)
    note(office, seen, "DELETE /rates/days/{base}/{quote}", f"{base} {quote}")
    return go(PATH, look_of(request, seen)._("The rate is gone."))


def _page(
    office: Office, request: Request, seen: Visitor, *, wrong: Sequence[str] = (), problem: str = "",
    given: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    told, look = rates.show(office), look_of(request, seen)
    empty = {"day": text_of_day(told.today), "base": "", "quote": told.reporting, "rate": ""}
    return render(
        request, look, "rates.html", 422 if wrong or problem else 200, seen=seen, told=told,
        rows=rates.listing(office, limit=ROWS), count=sum(pair.count for pair in told.pairs), wrong=wrong,
        problem=problem, given=given or empty, currencies=sorted(DIGITS), text_of_day=text_of_day,
        writes=seen.may("settings:write"), brand=office.engine.world.money.currency, day_ms=DAY_MS,
    )  # fmt: skip
