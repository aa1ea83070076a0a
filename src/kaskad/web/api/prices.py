"""Price lists of accounts over the API."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from kaskad.actions import prices
from kaskad.actions.price_file import amount_text
from kaskad.domain.money import DIGITS
from kaskad.domain.prices import PriceRow
from kaskad.domain.terms import MessageClass
from kaskad.web.api.accounts import Name
from kaskad.web.api.fields import PLAIN, Instant, Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.imports import FORM, Upload, uploaded
from kaskad.web.api.views import View, instant, when
from kaskad.web.api.when import moment
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"], route_class=IdempotentRoute)

CSV: dict[str, Any] = {
    "schema": {"type": "string"},
    "example": "country,prefix,operator,class,per,price\nKZ,,,,part,14.5\n,+7701,Kcell,advertising,part,19\n",
}
BODY = {"requestBody": {"required": True, "content": {"text/csv": CSV, "multipart/form-data": FORM}}}
ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class PriceRowView(View):
    """One row: `place` is a prefix (+7701), a country (KZ), a domain (@example.org), or * for everywhere."""

    place: str
    operator: str
    message_class: MessageClass | None
    category: str
    sender: str
    per: str
    price: str
    since: datetime | None
    until: datetime | None

    @classmethod
    def of(cls, row: PriceRow) -> PriceRowView:
        return cls(
            place=row.place,
            operator=row.operator,
            message_class=row.message_class,
            category=row.category,
            sender=row.sender,
            per=row.per,
            price=amount_text(row.micros),
            since=when(row.since),
            until=when(row.until),
        )


class PriceListView(View):
    """An account's price list; where no row fits, the account's own price counts."""

    currency: str
    zone: Annotated[str, Field(description="Of the days in the file.")]
    source: str
    imported_at: datetime
    size: int
    rows: list[PriceRowView]

    @classmethod
    def of(cls, listed: prices.Listed) -> PriceListView:
        kept = listed.kept
        return cls(
            currency=kept.currency,
            zone=listed.zone,
            source=kept.source,
            imported_at=instant(kept.imported_at),
            size=kept.size,
            rows=[PriceRowView.of(row) for row in listed.rows],
        )


class PriceAskedView(View):
    """What one message to an address costs then, on average; `row` null: by the account's own price."""

    at: datetime
    to: str
    price: str
    currency: str
    row: PriceRowView | None

    @classmethod
    def of(cls, asked: prices.Asked) -> PriceAskedView:
        price = Decimal(str(asked.minor)).scaleb(-DIGITS.get(asked.currency, 2))
        row = PriceRowView.of(asked.row) if asked.row else None
        told = f"{price.normalize():f}"
        return cls(at=instant(asked.at), to=asked.to, price=told, currency=asked.currency, row=row)


@router.get("/{name}/prices", dependencies=[may("accounts:read")])
def show_prices(office: InOffice, name: Name) -> PriceListView:
    """Show the account's price list with all its rows."""
    return PriceListView.of(prices.show(office, name))


@router.put("/{name}/prices", dependencies=[may("accounts:write")], openapi_extra=BODY)
def put_prices(
    office: InOffice,
    name: Name,
    file: Annotated[Upload, Depends(uploaded)],
    source: Annotated[Text | None, Query(description="What the file is called.")] = None,
) -> PriceListView:
    """Bring in a price list from a CSV file, in place of what the account had; or nothing of it."""
    called = source or "".join(sign for sign in file.name if sign.isprintable())[:200] or "prices.csv"
    return PriceListView.of(prices.bring(office, name, file.data, called))


@router.delete("/{name}/prices", status_code=204, dependencies=[may("accounts:write")])
def delete_prices(office: InOffice, name: Name) -> Response:
    """Take the price list away: the account's own price counts for all."""
    prices.clear(office, name)
    return Response(status_code=204)


@router.get("/{name}/prices/export", dependencies=[may("accounts:read")], responses=ANSWER)
def export_prices(office: InOffice, name: Name) -> Response:
    """Return the price list as a CSV file that can be brought in again."""
    return Response(prices.export(office, name), media_type="text/csv")


@router.get("/{name}/prices/for", dependencies=[may("accounts:read")])
def ask_price(
    office: InOffice,
    name: Name,
    to: Annotated[
        str, Query(max_length=320, pattern=PLAIN, description="An address; a number with + and country code.")
    ],
    message_class: Annotated[MessageClass, Query(alias="class")] = MessageClass.SERVICE,
    parts: Annotated[int, Query(ge=1, le=255, description="Of an SMS.")] = 1,
    category: Annotated[
        str,
        Query(max_length=40, pattern=PLAIN, description="The service's word: marketing, utility, service."),
    ] = "",
    at: Annotated[
        Instant | date | None, Query(description="Handed over then, or as that day begins; else now.")
    ] = None,
) -> PriceAskedView:
    """Say what one message to an address costs, and by which row."""
    then = moment(office, at)
    return PriceAskedView.of(prices.ask(office, name, to, message_class, parts, category=category, at=then))
