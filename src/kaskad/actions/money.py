"""What cascades cost: by day, account and step, how amounts changed, and what of it was wasted.

All sums are of the same messages. Amounts of several currencies are added up in that of figures, each at
the rate of the day on which its message was handed over; one without a rate stands apart. Sums are exact
inside and rounded where they are told, each by itself; of one currency they agree to the minor unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from kaskad.actions.cascade_texts import cascade_of, definition_of
from kaskad.actions.office import Office
from kaskad.analytics.exchange import daily, day_of
from kaskad.analytics.reach import Amounts
from kaskad.analytics.scope import ENDS_FIRST
from kaskad.analytics.services import currencies
from kaskad.analytics.spent import Span, whole_hours
from kaskad.analytics.spent import Sum as Counted
from kaskad.analytics.spent import spent as counted
from kaskad.analytics.waste import Counter, Wasted
from kaskad.domain.cascade import Money
from kaskad.domain.errors import Invalid
from kaskad.domain.ledger import Change
from kaskad.domain.policy import Policy
from kaskad.domain.rates import EXACT, Daily, converted, half_even
from kaskad.domain.rates import whole as round_off
from kaskad.domain.spent import UNDER_WAY, WHOLE, change_of
from kaskad.domain.terms import Channel
from kaskad.engine.catalog import POLICY
from kaskad.engine.purse import Purse
from kaskad.engine.spending import EPOCH, spent
from kaskad.store import cascades as store
from kaskad.store import settings
from kaskad.store.db import Transaction

HOUR_MS = 3_600_000
DAYS = 30  # that are looked back on where nothing is asked


class Sum(Struct):
    """Messages of one day, account, step or cascade that have left us: their prices and costs; `own` has the
    costs in the currencies that were paid."""

    name: str
    messages: int = 0
    price: Amounts = field(default_factory=dict)
    cost: Amounts = field(default_factory=dict)
    own: Amounts = field(default_factory=dict)


class Changed(Struct, frozen=True):
    """How often amounts changed for one reason after they were reserved, and by how much together."""

    account: str
    reason: str
    count: int
    minor: int
    currency: str


class Spent(Struct, frozen=True):
    """What a cascade holds of its budget since it began; messages under way are counted."""

    held: int | None  # None: no rate brings all of it into the budget's currency, and nothing is sent
    total: Money


class Budget(Struct, frozen=True):
    """What is spent of a budget of an account ("": of all together) in its period now, in its currency.

    `apart`: accounts that it cannot count, as no rate brings what they are paid in into its currency. One of
    all leaves them out; an account's own lets nothing be spent until there is a rate.
    """

    account: str
    period: str
    minor: int
    spent: int
    currency: str
    ends_at: int
    apart: tuple[str, ...] = ()


class Told(Struct, frozen=True):
    """What was spent from `since` until before `until`, whole hours. `under_way`: reserved, not charged yet.

    `cascades` is of the whole installation; `steps`, `wasted` and `budget` are of one cascade. `uncounted`:
    of so many runs, or more, what has changed of late is not in it yet. `rates`: what one unit of each
    currency that was converted counted as, on average.
    """

    since: int
    until: int
    zone: str
    whole: Sum
    under_way: Amounts
    days: Sequence[Sum]
    accounts: Sequence[Sum]
    cascades: Sequence[Sum]
    steps: Sequence[Sum]
    changes: Sequence[Changed]
    wasted: Sequence[Wasted]
    gap_ms: int
    budget: Spent | None
    uncounted: int = 0
    rates: Mapping[str, Decimal] = {}
    told_in: str = ""


def money(office: Office, slug: str = "", since: int | None = None, until: int | None = None) -> Told:
    """Return what a cascade has cost, or ("") all of them; of the last 30 days where nothing is said.

    Raises NotFound, Conflict for a cascade that was never activated, and Invalid for no time at all.
    """
    now = office.now()
    until = now + 1 if until is None else until
    since = until - DAYS * 24 * HOUR_MS if since is None else since
    if since >= until:
        raise Invalid([ENDS_FIRST], ["/until"])
    with office.read() as tx:
        policy = settings.get(tx, POLICY, Policy) or Policy()
        row = store.by_slug(tx, slug) if slug else None
        cascade = definition_of(office, tx, row) if row else None
        rows, known = tx.all("accounts"), currencies(tx)
        names = {each[0]: str(each[1]) for each in rows}
        sms = {each[0] for each in rows if each[3] == Channel.SMS.code}
        span = whole_hours(Span(row.id if row else 0, since, until), now)
        zone = ZoneInfo(policy.zone)
        told = counted(tx, span, zone)
        rates = daily(tx, known.values())
        paid = (
            (known.get(one.account_id, ""), day_number(one), one.cost)
            for one in told.sums
            if one.kind == WHOLE
        )
        told_in = rates.over(paid, day_of(now, zone))
        wasted: list[Wasted] = []
        gap_ms = policy.run_gap_ms.of(cascade.message_class) if cascade else 0
        if cascade is not None:
            counter = Counter(tx, span, lambda number: cascade_of(office, tx, number), known, sms)
            wasted = counter.count(told.sums, gap_ms)
            for one in wasted:
                one.amounts = told_in.told(one.amounts)
        sums = _Sums(tx, office, span, names, known, rates)
        sums.add(told.sums)
    budget = None
    if row is not None and cascade is not None and cascade.budget.total is not None:
        with office.read() as tx:
            purse, currency = Purse(office.engine.world, now), cascade.budget.total.currency
            held = purse.held(tx, row.id, row.reserved, currency)
        budget = Spent(None if held is None else half_even(held), cascade.budget.total)
    return Told(
        span.since, span.until, policy.zone, sums.whole, sums.under_way, sums.ordered("days"),
        sums.ordered("accounts"), sums.ordered("cascades"), list(sums.of["steps"].values()) if slug else [],
        sums.changed(), wasted, gap_ms, budget, told.uncounted,
        {name: value for name, value in told_in.values.items() if name in sums.whole.own}, rates.to,
    )  # fmt: skip


def day_number(one: Counted) -> int:
    """Return the day of a sum in days since 1970."""
    return one.day.toordinal() - EPOCH


def budgets(office: Office) -> list[Budget]:
    """Return the budgets of accounts and of the whole installation, as they stand now."""
    world, now = office.engine.world, office.now()
    spending = world.money.spending
    if spending is None:
        return []
    day = spending.day_of(now)
    with office.read() as tx:
        told = spent(tx, spending, dict(world.accounts), day)
    return [
        Budget(
            world.accounts[one.account_id].name if one.account_id in world.accounts else "", one.period,
            one.minor, half_even(minor), one.currency, spending.ends_at(one.period, day),
            tuple(sorted(
                each.name for each in world.accounts.values()
                if each.price is not None and one.account_id in (0, each.id)
                and world.money.rates.find(each.price.currency, one.currency, day - EPOCH) is None
            )),
        )
        for one, minor in told.items()
    ]  # fmt: skip


_Exact = tuple[Sum, tuple[dict[str, Decimal], dict[str, Decimal]]]


def _more(amounts: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    amounts[currency] = EXACT.add(amounts.get(currency, Decimal(0)), amount)


class _Sums:
    """Adds the same messages up by day, account, cascade and step."""

    def __init__(
        self, tx: Transaction, office: Office, span: Span, names: Mapping[int, str],
        known: Mapping[int, str], rates: Daily,
    ) -> None:  # fmt: skip
        self._rates, self._exact = rates, dict[int, _Exact]()
        self._tx, self._office, self._span, self._names, self._known = tx, office, span, names, known
        self.whole = Sum("")
        self.under_way: Amounts = {}
        self._under_way: dict[str, Decimal] = {}
        self.of: dict[str, dict[str, Sum]] = {"days": {}, "accounts": {}, "cascades": {}, "steps": {}}
        self._changes: dict[tuple[int, int], list[int]] = {}

    def add(self, told: Sequence[Counted]) -> None:
        """Add what was counted, in order."""
        slugs = {row.id: row.slug for row in store.all_cascades(self._tx)}
        step_of = self._steps()
        for one in told:
            currency = self._known.get(one.account_id, "")
            change = change_of(one.kind)
            if change is not None:
                total = self._changes.setdefault((one.account_id, change), [0, 0])
                total[0] += one.messages
                total[1] += one.cost
            elif one.kind == UNDER_WAY and currency:
                _more(self._under_way, *self._in_one(currency, one, one.cost))
            elif one.kind == WHOLE:
                places = {
                    "days": one.day.isoformat(), "accounts": self._names.get(one.account_id, ""),
                    "cascades": slugs.get(one.cascade_id, ""), "steps": step_of(one.version_id, one.step),
                }  # fmt: skip
                each = [self._named(kind, name) for kind, name in places.items()]
                paid = [self._in_one(currency, one, minor) for minor in (one.price, one.cost)]
                for sums in (self.whole, *each):
                    sums.messages += one.messages
                    if currency:
                        self._pay(sums, currency, one.cost, paid)
        self.under_way = round_off(self._under_way)
        for sums, exact in self._exact.values():
            sums.price, sums.cost = round_off(exact[0]), round_off(exact[1])

    def _named(self, kind: str, name: str) -> Sum:
        """Return the sum of one kind that has this name."""
        found = self.of[kind].get(name)
        if found is None:
            found = self.of[kind][name] = Sum(name)
        return found

    def _pay(self, sums: Sum, currency: str, own: int, paid: Sequence[tuple[str, Decimal]]) -> None:
        """Add price and cost of messages of a day to a sum, not rounded yet; `own` is the cost as paid."""
        sums.own[currency] = sums.own.get(currency, 0) + own
        _, exact = self._exact.setdefault(id(sums), (sums, ({}, {})))
        for amounts, told in zip(exact, paid, strict=True):
            _more(amounts, *told)

    def _in_one(self, currency: str, one: Counted, minor: int) -> tuple[str, Decimal]:
        """Return an amount of a day in the currency of figures; where no rate tells it in its own."""
        value = self._rates.value(currency, day_number(one))
        if value is None:
            return currency, Decimal(minor)
        return self._rates.to, converted(minor, currency, self._rates.to, value)

    def changed(self) -> list[Changed]:
        """Return how amounts changed, by account and reason."""
        return [
            Changed(
                self._names.get(account, ""), Change(kind).name.lower(), count, minor,
                self._known.get(account, ""),
            )
            for (account, kind), (count, minor) in sorted(self._changes.items()) if minor
        ]  # fmt: skip

    def _steps(self) -> Callable[[int, int], str]:
        """Return what tells the id of a version's step; of all cascades together they say nothing."""
        found: dict[int, Sequence[str]] = {}

        def step_of(version: int, step: int) -> str:
            if not self._span.cascade_id:
                return ""
            if version not in found:
                cascade = cascade_of(self._office, self._tx, version)
                found[version] = [each.id for each in cascade.steps]
            return found[version][step]

        return step_of

    def ordered(self, kind: str) -> list[Sum]:
        """Return the sums of one kind by name; days are then in order."""
        return [one for _, one in sorted(self.of[kind].items())]
