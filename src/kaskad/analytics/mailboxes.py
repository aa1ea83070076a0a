"""How mail fares with those who keep the mailboxes, by day and domain: what arrived, bounced, was spam.

Of the day that a mail was handed over, by UTC, as complaints by account are; within seven days after it. Seed
contacts are in nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from kaskad.domain.figures import FAILED, LEFT, WINDOW_MS
from kaskad.domain.guarded import DEAD
from kaskad.domain.mailboxes import service_of
from kaskad.domain.terms import Kind, MessageState
from kaskad.store.db import Transaction

PIECE = 20_000  # contacts


def _bits(codes: Iterable[int]) -> int:
    return sum(1 << code for code in codes)


_ENDED, _FAILED, _DEAD = _bits({*LEFT, MessageState.REJECTED.code}), _bits(FAILED), _bits(DEAD)


class Mails(Struct):
    """So many mails that have left or were refused; of them arrived, bounced, called spam, and left by."""

    sent: int = 0
    arrived: int = 0
    bounced: int = 0
    complaints: int = 0
    opt_outs: int = 0

    def add(self, mails: Mails) -> None:
        """Count others with these."""
        self.sent += mails.sent
        self.arrived += mails.arrived
        self.bounced += mails.bounced
        self.complaints += mails.complaints
        self.opt_outs += mails.opt_outs


class Counted(Struct, frozen=True):
    """Mails by day and service, and by domain of all the days."""

    days: Mapping[tuple[int, str], Mails]
    domains: Mapping[str, Mails]


def counted(tx: Transaction, since: int) -> Counted:
    """Return how mail has fared since an instant."""
    days: dict[tuple[int, str], Mails] = defaultdict(Mails)
    domains: dict[str, Mails] = defaultdict(Mails)

    def add(day: int, domain: str | None, mails: Mails) -> None:
        if domain is not None:
            days[day, service_of(domain)].add(mails)
            domains[domain].add(mails)

    last = tx.one("last_messaged_contact")
    for after in range(0, (last[0] or 0) if last else 0, PIECE):
        rows = tx.all(
            "mails_by_domain", after=after, until=after + PIECE, since=since, window=WINDOW_MS,
            complained=Kind.COMPLAINED.bit, complaint=Kind.COMPLAINED.value, ended=_ENDED, failed=_FAILED,
            bounced=MessageState.BOUNCED.code, dead=_DEAD,
        )  # fmt: skip
        for day, domain, *mails in rows:
            add(day, domain, Mails(*mails))
    people = sorted({row[0] for row in tx.all("left_lately", since=since)})
    for day, domain, count in tx.among("mails_left_by", people, since=since, window=WINDOW_MS):
        add(day, domain, Mails(opt_outs=count))
    return Counted(days, domains)
