"""Complaints, bounces and opt-outs of mail, by who keeps the mailboxes and day, and by domain."""

from __future__ import annotations

from msgspec import Struct

from kaskad.actions import asked
from kaskad.actions.office import Office
from kaskad.analytics.mailboxes import Mails, counted
from kaskad.domain.mailboxes import SERVICES, SILENT

DAY_MS = 86_400_000
DAYS = 30
DOMAINS = 30  # those with most mails


class Service(Struct, frozen=True):
    """Who keeps mailboxes; the mails of each day, the earliest first, and of all. `tells`: of complaints."""

    name: str
    tells: bool
    days: list[Mails]
    whole: Mails


class Told(Struct, frozen=True):
    """How mail has fared of late: days by their first instant (UTC), services, and the largest domains."""

    as_of: int
    days: list[int]
    services: list[Service]
    domains: list[tuple[str, Mails]]
    more: int  # domains that are not shown


def told(office: Office, days: int = DAYS) -> Told:
    """Return how mail has fared with each who keeps mailboxes, today and on the days before.

    Where there are many people, columns are kept made from then on.
    """
    now = office.now()
    first = now // DAY_MS - days + 1
    with office.read() as tx:
        asked.note_of_many(office, tx)
        found = counted(tx, first * DAY_MS)
    numbers = range(first, first + days)
    services = [
        _service(name, [found.days.get((day, name), Mails()) for day in numbers]) for name in SERVICES
    ]
    domains = sorted(found.domains.items(), key=lambda each: (-each[1].sent, each[0]))
    return Told(
        now, [day * DAY_MS for day in numbers], [one for one in services if one.whole.sent],
        domains[:DOMAINS], max(0, len(domains) - DOMAINS),
    )  # fmt: skip


def _service(name: str, days: list[Mails]) -> Service:
    whole = Mails()
    for one in days:
        whole.add(one)
    return Service(name, name not in SILENT, days, whole)
