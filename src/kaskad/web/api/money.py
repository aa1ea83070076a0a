"""What cascades cost, how that changed, and what of it need not have been paid."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import money
from kaskad.analytics.waste import KINDS
from kaskad.web.api.cascades import Slug
from kaskad.web.api.counted import COUNTING, Counted
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.rates import number
from kaskad.web.api.views import View, instant
from kaskad.web.api.when import Since30, Until, period
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["money"], route_class=IdempotentRoute)

Minor = Annotated[dict[str, int], Field(description="Minor units by currency.")]


class SumView(View):
    """Messages that have left us: how many, their prices before and their costs after."""

    name: str
    messages: int
    price: Minor
    cost: Minor
    own: Annotated[dict[str, int], Field(description="The costs in the currencies that were paid.")]


class ChangedView(View):
    """How often amounts changed for one reason after they were reserved, and by how much together."""

    account: str
    reason: Annotated[str, Field(description="answer, receipt, bill, released, free, attempt or restored.")]
    count: int
    minor: int
    currency: str


class WastedView(View):
    """Messages of one step that need not have been paid; one may be of several kinds: don't add them."""

    kind: str
    step: str
    count: int
    amounts: Minor
    of: Annotated[int | None, Field(description="Of so many texts that were measured, for kinds of parts.")]
    says: Annotated[str, Field(description="What is counted.")]
    advice: Annotated[str, Field(description="What can be done about it.")]


class BudgetView(View):
    """What a cascade holds of its total budget since it began, messages under way included."""

    held: Annotated[int | None, Field(description="Null: no rate brings all of it into this currency.")]
    total: int
    currency: str


class LimitView(View):
    """A budget of an account ("": of all together) in its day or month now, in its currency."""

    account: str
    period: str
    minor: int
    spent: Annotated[int, Field(description="Messages under way included.")]
    currency: str
    ends_at: datetime
    apart: Annotated[
        list[str], Field(description="Accounts that no rate brings into its currency: not counted.")
    ]


class BudgetsView(View):
    """The budgets of the policy as they stand now."""

    items: list[LimitView]


class MoneyView(View):
    """What was spent in a time, in whole hours. All sums (by day, account, step …) are of the same messages,
    in the currency of figures as far as rates of their days tell; what has none stands apart in its own.

    `under_way` is reserved and not charged yet. `steps`, `wasted` and `budget` are of one cascade.
    """

    since: datetime
    until: datetime
    zone: Annotated[str, Field(description="Of the days.")]
    messages: int
    price: Minor
    cost: Minor
    own: Annotated[dict[str, int], Field(description="The costs in the currencies that were paid.")]
    told_in: Annotated[str, Field(description="The currency of figures; what has no rate stands apart.")]
    rates: Annotated[
        dict[str, str],
        Field(description="What one unit of each currency that was converted counted as, on average."),
    ]
    under_way: Minor
    days: list[SumView]
    accounts: list[SumView]
    cascades: list[SumView]
    steps: list[SumView]
    changes: list[ChangedView]
    wasted: list[WastedView]
    budget: BudgetView | None
    uncounted: Annotated[
        int, Field(description="Of so many runs, or more, what has changed of late is not in it yet.")
    ]

    @classmethod
    def of(cls, told: money.Told) -> MoneyView:
        budget = told.budget
        return cls(
            since=instant(told.since), until=instant(told.until), zone=told.zone,
            messages=told.whole.messages, price=told.whole.price, cost=told.whole.cost,
            own=told.whole.own, told_in=told.told_in,
            rates={name: number(value) for name, value in told.rates.items()},
            under_way=told.under_way,
            days=[SumView.model_validate(one, from_attributes=True) for one in told.days],
            accounts=[SumView.model_validate(one, from_attributes=True) for one in told.accounts],
            cascades=[SumView.model_validate(one, from_attributes=True) for one in told.cascades],
            steps=[SumView.model_validate(one, from_attributes=True) for one in told.steps],
            changes=[ChangedView.model_validate(one, from_attributes=True) for one in told.changes],
            wasted=[
                WastedView(kind=one.kind, step=one.step, count=one.count, amounts=one.amounts, of=one.of,
                           says=KINDS[one.kind][0], advice=KINDS[one.kind][1])
                for one in told.wasted
            ],
            budget=None if budget is None else BudgetView(
                held=budget.held, total=budget.total.minor, currency=budget.total.currency
            ),
            uncounted=told.uncounted,
        )  # fmt: skip


@router.get("/money", dependencies=[may("cascades:read")], responses=COUNTING)
def show_money(office: InOffice, counted: Counted, since: Since30 = None, until: Until = None) -> MoneyView:
    """Show what all cascades have cost, by day, account and cascade."""
    first, last = period(office, since, until)
    return MoneyView.of(counted.soon(lambda: money.money(office, "", first, last)))


@router.get("/money/budgets", dependencies=[may("cascades:read")])
def show_budgets(office: InOffice) -> BudgetsView:
    """Show what is spent of the budgets of accounts and of the whole installation (of the policy)."""
    items = [
        LimitView(account=one.account, period=one.period, minor=one.minor, spent=one.spent,
                  currency=one.currency, ends_at=instant(one.ends_at), apart=list(one.apart))
        for one in money.budgets(office)
    ]  # fmt: skip
    return BudgetsView(items=items)


@router.get("/cascades/{slug}/money", dependencies=[may("cascades:read")], responses=COUNTING)
def show_cascade_money(
    office: InOffice, slug: Slug, counted: Counted, since: Since30 = None, until: Until = None
) -> MoneyView:
    """Show what a cascade has cost, by day, account and step, and what of it need not have been paid."""
    first, last = period(office, since, until)
    return MoneyView.of(counted.soon(lambda: money.money(office, slug, first, last)))
