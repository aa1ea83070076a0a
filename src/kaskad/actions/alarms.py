"""What somebody should look at now: one list, the worst first."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kaskad.actions import accounts, cascades, stops
from kaskad.actions.office import Office
from kaskad.actions.readiness import missing_accounts
from kaskad.domain.errors import Conflict
from kaskad.store import cascades as store

MOST_STOPS = 100


class Alarm(Struct, frozen=True):
    """One thing to look at. `kind` is one of KINDS; `name` is the account, cascade or number it is about."""

    kind: str
    name: str = ""
    detail: str = ""


KINDS = ("engine", "account_held", "account_down", "account_trouble", "stranded", "stops", "no_address")


def alarms(office: Office) -> list[Alarm]:
    """Return what is wrong now, the worst first; an empty list where all is well."""
    found = [Alarm("engine", detail=office.engine.problem() or "")] if office.engine.problem() else []
    found += _of_accounts(office)
    found += _of_cascades(office)
    if waiting := stops.listing(office, after=0, limit=MOST_STOPS):
        found.append(Alarm("stops", str(len(waiting)), "more" if len(waiting) == MOST_STOPS else ""))
    if not office.base_url:
        found.append(Alarm("no_address"))
    return sorted(found, key=lambda alarm: KINDS.index(alarm.kind))


def _of_accounts(office: Office) -> Iterator[Alarm]:
    for each in accounts.listing(office):
        if not each.account.enabled:
            continue
        if each.doing.held is not None:
            yield Alarm("account_held", each.account.name, each.doing.held.why)
        elif each.doing.breaker == "open":
            yield Alarm("account_down", each.account.name, str(each.doing.queued))
        elif each.doing.trouble:
            yield Alarm("account_trouble", each.account.name, each.doing.trouble)


def _of_cascades(office: Office) -> Iterator[Alarm]:
    """Yield the running cascades with steps that no account in service carries: people are stranded."""
    usable = [each.account for each in accounts.listing(office) if each.account.enabled]
    with office.read() as tx:
        for row in store.all_cascades(tx):
            if row.state != store.ACTIVE:
                continue
            try:
                lacking = missing_accounts(cascades.definition_of(office, tx, row), usable)
            except Conflict:
                continue
            if lacking:
                yield Alarm("stranded", row.slug, lacking[0])
