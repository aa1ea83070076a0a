"""Exchange rates by day, and the currency that figures are told in."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from kaskad.actions import rates
from kaskad.actions.rates import Needed, Pair, Shown
from kaskad.domain.rates import EXACT, Rate
from kaskad.web.api.fields import PLAIN, Text
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.imports import FORM, Upload, uploaded
from kaskad.web.api.views import Told, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/rates", tags=["money"], route_class=IdempotentRoute)

CSV: dict[str, Any] = {
    "schema": {"type": "string"},
    "example": "date,from,to,rate\n2026-11-25,USD,KZT,512.35\n2026-11-25,RUB,KZT,6.41\n",
}
BODY = {"requestBody": {"required": True, "content": {"text/csv": CSV, "multipart/form-data": FORM}}}
ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
EPOCH = date(1970, 1, 1)

Code = Annotated[str, Path(pattern=r"^[A-Za-z]{3}$", description="ISO 4217, such as USD.")]
Asked = Annotated[str, Query(pattern=r"^([A-Za-z]{3})?$", description="ISO 4217, such as USD.")]
Number = Annotated[str, Field(description="A decimal: one unit of `base` is worth so many of `quote`.")]


class RateView(View):
    """From `day` on, until the next one: one unit of `base` is worth `rate` units of `quote`."""

    day: date
    base: str
    quote: str
    rate: Number

    @classmethod
    def of(cls, one: Rate) -> RateView:
        return cls(day=day_at(one.day), base=one.base, quote=one.quote, rate=number(one.value))


class RatesView(View):
    items: list[RateView]


class PairView(View):
    """How many rates of two currencies there are, of which days, and the last one."""

    base: str
    quote: str
    count: int
    since: date
    until: date
    rate: Number

    @classmethod
    def of(cls, one: Pair) -> PairView:
        return cls(
            base=one.base, quote=one.quote, count=one.count, since=day_at(one.first), until=day_at(one.last),
            rate=number(one.value),
        )  # fmt: skip


class NeededView(View):
    """A currency that something is paid in. `rate` null: nothing tells it, so its sums stand apart."""

    currency: str
    accounts: Annotated[list[str], Field(description="Whose prices are in it.")]
    rate: Annotated[str | None, Field(description="What one unit is worth today in the currency of figures.")]
    day: Annotated[date | None, Field(description="Of which day that rate is.")]
    old: Annotated[bool, Field(description="It is more than a week old.")]

    @classmethod
    def of(cls, one: Needed) -> NeededView:
        found = one.found
        return cls(
            currency=one.currency, accounts=list(one.used_by), old=one.old,
            rate=number(found.value) if found else None, day=day_at(found.day) if found else None,
        )  # fmt: skip


class RatesShown(View):
    """`reporting` is the currency that figures are told in ("": none is known)."""

    reporting: str
    own: Annotated[str, Field(description="What was said; empty: the brand's currency.")]
    today: Annotated[date, Field(description="By the installation's clock, as rates are looked up.")]
    pairs: list[PairView]
    needed: list[NeededView]

    @classmethod
    def of(cls, told: Shown) -> RatesShown:
        return cls(
            reporting=told.reporting, own=told.own, today=day_at(told.today),
            pairs=[PairView.of(one) for one in told.pairs],
            needed=[NeededView.of(one) for one in told.needed],
        )  # fmt: skip


class BroughtView(View):
    count: int


class RateTold(Told):
    rate: Annotated[str, Field(max_length=60, pattern=PLAIN, description="Such as 512.35.")]


class ReportingTold(Told):
    currency: Annotated[
        str, Field(max_length=10, pattern=PLAIN, description="ISO 4217; empty: the brand's currency.")
    ]


class ReportingView(View):
    currency: str


class AskedView(View):
    """What an amount comes to, rounded to whole minor units (half to even), and by which rate."""

    minor: int
    currency: str
    day: date
    rate: str
    rate_of: Annotated[date, Field(description="The day of that rate, or of the older of two.")]


def day_at(day: int) -> date:
    """Return a day that is told in days since 1970."""
    return EPOCH + timedelta(days=day)


def number(value: Decimal) -> str:
    """Return a decimal as text, without zeros at its end."""
    return f"{value.normalize(EXACT):f}"


@router.get("", dependencies=[may("settings:read")])
def show_rates(office: InOffice) -> RatesShown:
    """Show which rates there are, which are needed, and what figures are told in."""
    return RatesShown.of(rates.show(office))


@router.post("", dependencies=[may("settings:write")], openapi_extra=BODY)
def bring_rates(
    office: InOffice,
    file: Annotated[Upload, Depends(uploaded)],
    to: Annotated[
        Asked, Query(description="What they are told in where no column says so; else that of figures.")
    ] = "",
    source: Annotated[Text | None, Query(description="What the file is called.")] = None,
) -> BroughtView:
    """Bring in rates from a file, each in place of what was told for its day; or nothing of it.

    Columns: `date`, `from`, `to`, `rate`, and `amount` where a rate is of more than one unit.
    """
    called = source or "".join(sign for sign in file.name if sign.isprintable())[:200] or "rates.csv"
    return BroughtView(count=rates.bring(office, file.data, called, to))


@router.get("/days", dependencies=[may("settings:read")])
def list_rates(
    office: InOffice,
    base: Asked = "",
    quote: Asked = "",
    since: Annotated[date | None, Query(description="From that day on.")] = None,
    until: Annotated[date | None, Query(description="Until that day, which counts too.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> RatesView:
    """Show rates of these currencies, whichever way they were told, the latest first."""
    first, last = (day.isoformat() if day else "" for day in (since, until))
    return RatesView(
        items=[RateView.of(one) for one in rates.listing(office, base, quote, first, last, limit)]
    )


@router.get("/export", dependencies=[may("settings:read")], responses=ANSWER)
def export_rates(office: InOffice) -> Response:
    """Return all rates as a CSV file that can be brought in again."""
    return Response(rates.export(office), media_type="text/csv")


@router.get("/convert", dependencies=[may("settings:read")])
def convert(
    office: InOffice,
    amount: Annotated[str, Query(max_length=60, pattern=PLAIN, description="Such as 12.50 USD.")],
    to: Annotated[str, Query(pattern=r"^[A-Za-z]{3}$", description="ISO 4217, such as KZT.")],
    day: Annotated[date | None, Query(description="Else today.")] = None,
) -> AskedView:
    """Say what an amount comes to in another currency on a day, and by which rate."""
    asked = rates.ask(office, amount, to, day.isoformat() if day else "")
    return AskedView(
        minor=asked.minor, currency=asked.currency, day=day_at(asked.day), rate=number(asked.found.value),
        rate_of=day_at(asked.found.day),
    )  # fmt: skip


@router.put("/reporting", dependencies=[may("settings:write")])
def put_reporting(office: InOffice, told: ReportingTold) -> ReportingView:
    """Say which currency figures are told in."""
    return ReportingView(currency=rates.tell_in(office, told.currency))


@router.put("/days/{base}/{quote}/{day}", dependencies=[may("settings:write")])
def put_rate(office: InOffice, base: Code, quote: Code, day: date, told: RateTold) -> RateView:
    """Keep one rate, in place of what was told for that day."""
    return RateView.of(rates.put(office, day.isoformat(), base, quote, told.rate))


@router.delete("/days/{base}/{quote}", status_code=204, dependencies=[may("settings:write")])
def delete_rates(
    office: InOffice,
    base: Code,
    quote: Code,
    since: Annotated[date | None, Query(description="From that day on; else all.")] = None,
    until: Annotated[date | None, Query(description="Until that day, which goes too.")] = None,
) -> Response:
    """Forget rates of two currencies, as they were told."""
    first, last = (day.isoformat() if day else "" for day in (since, until))
    rates.remove(office, base, quote, first, last)
    return Response(status_code=204)
