"""What is taken out for warehouses: contacts, runs, facts, decisions, goals, costs; without identity.

With `identified` rows say besides by which id of yours the contact is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from kaskad.actions.cascade_texts import cascade_of
from kaskad.actions.names import Names
from kaskad.actions.office import Office
from kaskad.analytics.courses import left_between
from kaskad.domain.figures import LEFT
from kaskad.domain.ids import contact_text, run_text
from kaskad.domain.money import DIGITS
from kaskad.domain.terms import Channel, Kind, Outcome, RunState
from kaskad.store import settings
from kaskad.store.courses import HOUR_MS
from kaskad.store.db import Transaction

_DAY = 24  # hours
_ITS_HOUR = 10  # of a day, at which it is that day almost everywhere
Fields = dict[str, object]
# A day, a cascade, the number of a version, a step, a channel, an account, the version.
_Place = tuple[date, str, int, int, int, int, int]


class Data(StrEnum):
    """A set of rows; `costs` are by day."""

    CONTACTS = "contacts"
    RUNS = "runs"
    FACTS = "facts"
    DECISIONS = "decisions"
    GOALS = "goals"
    COSTS = "costs"


COLUMNS: dict[Data, tuple[str, ...]] = {
    Data.CONTACTS: ("contact", "created_at", "language", "country", "zone", "tracking", "seed", "erased"),
    Data.RUNS: ("contact", "run", "cascade", "version", "state", "outcome", "outcome_step", "late", "holdout",
                "entered_at", "finished_at", "value", "returned", "currency"),
    Data.FACTS: ("contact", "run", "cascade", "version", "step", "kind", "at"),
    Data.DECISIONS: ("contact", "run", "cascade", "version", "seq", "at", "why"),
    Data.GOALS: ("contact", "run", "cascade", "version", "at", "value", "returned", "currency"),
    Data.COSTS: ("day", "cascade", "version", "step", "channel", "account", "currency", "messages", "price",
                 "cost"),
}  # fmt: skip
WHO = "external_id"


def header(what: Data, identified: bool) -> tuple[str, ...]:
    """Return the columns of a set."""
    columns = COLUMNS[what]
    return (columns[0], WHO, *columns[1:]) if identified and what is not Data.COSTS else columns


def rows(
    office: Office, what: Data, ids: Iterator[list[int]], since: int, until: int, identified: bool
) -> Iterator[list[Fields]]:
    """Yield rows of these contacts that are of a period: by creation, entry or when it happened."""
    if what is Data.COSTS:
        with office.read() as tx:
            costs = _costs(office, tx, since, until)
        yield costs  # whoever takes them may do so slowly, and in another thread
        return
    read: Callable[[Office, Transaction, Sequence[int], int, int], list[Fields]] = {
        Data.CONTACTS: _contacts, Data.RUNS: _runs, Data.FACTS: _facts, Data.DECISIONS: _decisions,
        Data.GOALS: _goals,
    }[what]  # fmt: skip
    for some in ids:
        with office.read() as tx:
            found = read(office, tx, some, since, until)
            if identified:
                named = {contact_text(row[0]): row[1] for row in tx.among("external_ids_among", some)}
                found = [{**row, WHO: named.get(str(row["contact"]))} for row in found]
        yield found


def _contacts(office: Office, tx: Transaction, ids: Sequence[int], since: int, until: int) -> list[Fields]:
    return [
        {"contact": contact_text(row[0]), "created_at": instant(row[1]), "language": row[2],
         "country": row[3], "zone": row[4], "tracking": bool(row[5]), "seed": bool(row[6]),
         "erased": row[7] is not None}
        for row in tx.among("export_contacts", ids, since=since, until=until)
    ]  # fmt: skip


def _runs(office: Office, tx: Transaction, ids: Sequence[int], since: int, until: int) -> list[Fields]:
    names, worth = Names(office, tx), _Worth(office, tx)
    return [
        {**_of(names, row[0], row[1], row[2]), "state": RunState.of(row[3]).value,
         "outcome": None if row[4] is None else Outcome.of(row[4]).value,
         "outcome_step": names.step(row[2], row[5]), "late": bool(row[6]), "holdout": bool(row[7]),
         "entered_at": instant(row[8]), "finished_at": instant(row[9]), **worth.of(row[2], row[10], row[11])}
        for row in tx.among("export_runs", ids, since=since, until=until)
    ]  # fmt: skip


def _facts(office: Office, tx: Transaction, ids: Sequence[int], since: int, until: int) -> list[Fields]:
    names = Names(office, tx)
    return [
        {**_of(names, row[0], row[1], row[2]), "step": names.step(row[2], row[3]) if row[3] >= 0 else None,
         "kind": Kind(row[4]).name.lower(), "at": instant(row[5])}
        for row in tx.among("export_all_facts", ids, since=since, until=until)
    ]  # fmt: skip


def _decisions(office: Office, tx: Transaction, ids: Sequence[int], since: int, until: int) -> list[Fields]:
    names = Names(office, tx)
    return [
        {**_of(names, row[0], row[1], row[2]), "seq": row[3], "at": instant(row[4]),
         "why": msgspec.json.decode(row[5])}
        for row in tx.among("export_decisions", ids, since=since, until=until)
    ]  # fmt: skip


def _goals(office: Office, tx: Transaction, ids: Sequence[int], since: int, until: int) -> list[Fields]:
    names, worth = Names(office, tx), _Worth(office, tx)
    return [
        {**_of(names, row[0], row[1], row[2]), "at": instant(row[3]), **worth.of(row[2], row[4], row[5])}
        for row in tx.among("export_goals", ids, since=since, until=until, kind=Kind.GOAL.value)
    ]  # fmt: skip


def _costs(office: Office, tx: Transaction, since: int, until: int) -> list[Fields]:
    """Return what whole days cost, by the installation's clock; consecutive periods hold each once.

    Where clocks are up to ten hours behind it or thirteen ahead, a day asked for is that day of its own.
    """
    names, zone = Names(office, tx), settings.zone(tx)
    sums: dict[_Place, list[int]] = {}
    days: dict[int, date] = {}
    around = (since // HOUR_MS - _DAY, until // HOUR_MS + _DAY)
    for (hour, version_id, leg), messages in left_between(tx, *around, by=1).items():
        if leg.account_id is None or leg.account_id not in names.accounts:
            continue
        if leg.state not in LEFT and not leg.cost:
            continue
        if hour not in days:
            days[hour] = datetime.fromtimestamp(hour * HOUR_MS // 1000, zone).date()
        place = (days[hour], names.cascade(version_id), names.number(version_id), leg.step, leg.channel,
                 leg.account_id, version_id)  # fmt: skip
        total = sums.setdefault(place, [0, 0, 0])
        for at, more in enumerate((1, leg.price or 0, leg.cost or 0)):
            total[at] += messages * more
    within = {day for day in set(days.values()) if since <= _within(day, zone) < until}
    return [_cost(names, *each) for each in sorted(sums.items()) if each[0][0] in within and any(each[1])]


def _cost(names: Names, place: _Place, total: Sequence[int]) -> Fields:
    day, cascade, version, step, channel, account_id, version_id = place
    currency = names.currencies[account_id]
    scale = 10 ** DIGITS.get(currency, 2)
    return {
        "day": day, "cascade": cascade, "version": version, "step": names.step(version_id, step),
        "channel": Channel.of(channel).value, "account": names.accounts[account_id],
        "currency": currency or None, "messages": total[0],
        "price": Decimal(total[1]) / scale, "cost": Decimal(total[2]) / scale,
    }  # fmt: skip


def _within(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, _ITS_HOUR, tzinfo=zone).timestamp() * 1000)


def _of(names: Names, contact_id: int, run_id: int, version_id: int) -> Fields:
    return {"contact": contact_text(contact_id), "run": run_text(contact_id, run_id),
            "cascade": names.cascade(version_id), "version": names.number(version_id)}  # fmt: skip


class _Worth:
    """What goals were worth, and what of it came back, in whole units of the cascade's currency, else of the
    brand's."""

    def __init__(self, office: Office, tx: Transaction) -> None:
        self._office, self._tx = office, tx
        self._brand = settings.currency(tx)
        self._known: dict[int, str] = {}

    def of(self, version_id: int, minor: int | None, returned: int) -> Mapping[str, object]:
        """Return value, what came back of it, and currency; None: of no worth that is known."""
        if minor is None:
            return {"value": None, "returned": None, "currency": None}
        if version_id not in self._known:
            own = cascade_of(self._office, self._tx, version_id).budget.currency
            self._known[version_id] = own or self._brand
        currency = self._known[version_id]
        scale = 10 ** DIGITS.get(currency, 2)
        return {"value": Decimal(minor) / scale, "returned": Decimal(returned) / scale,
                "currency": currency or None}  # fmt: skip


def instant(at: int | None) -> datetime | None:
    """Return an instant as people's programs take it."""
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)
