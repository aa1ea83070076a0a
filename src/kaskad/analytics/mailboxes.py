"""How mail fares with those who keep the mailboxes, by day and domain: what arrived, bounced, was spam.

Of the day that a mail was handed over, by UTC, as complaints by account are; within seven days after it. Seed
contacts are in nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from kaskad.domain.figures import FAILED, WINDOW_MS, arrived
from kaskad.domain.guarded import DEAD
from kaskad.domain.mailboxes import service_of
from kaskad.domain.terms import Kind, MessageState
from kaskad.store import courses, run_blocks
from kaskad.store.db import Row, Transaction
from kaskad.store.segment_blocks import BLOCK, generations

DAY_MS = 86_400_000
MOST = 20_000  # runs that are due, and people who were changed since, each: above that columns do not help
_LOOSE = BLOCK // 8  # of a block: where more were changed, all its mails are read as they stand


def _bits(codes: Iterable[int]) -> int:
    return sum(1 << code for code in codes)


_ASKED = {
    "window": WINDOW_MS, "complained": Kind.COMPLAINED.bit, "complaint": Kind.COMPLAINED.value,
    "failed": _bits(FAILED), "bounced": MessageState.BOUNCED.code, "dead": _bits(DEAD),
}  # fmt: skip


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
    """Return how mail has fared since the first instant of a day by UTC."""
    days: dict[tuple[int, str], Mails] = defaultdict(Mails)
    domains: dict[str, Mails] = defaultdict(Mails)

    def add(day: int, domain: str | None, mails: Mails) -> None:
        if domain is not None:
            days[day, service_of(domain)].add(mails)
            domains[domain].add(mails)

    for day, domain, *mails in _mails(tx, since):
        add(day, domain, Mails(*mails))
    people = sorted({row[0] for row in tx.all("left_lately", since=since)})
    for day, domain, count in tx.among("mails_left_by", people, since=since, window=WINDOW_MS):
        add(day, domain, Mails(opt_outs=count))
    return Counted(days, domains)


def _mails(tx: Transaction, since: int) -> Iterator[Row]:
    """Yield mails by day and domain, several times each: what is made by column, all else as it stands."""
    where = _sources(tx)
    for block in where.rest:
        span = {"first": block * BLOCK, "last": block * BLOCK + BLOCK - 1}
        yield from tx.all("mails_by_domain", since=since, **span, **_ASKED)
    if where.made:
        from kaskad.store import mail_columns  # numpy, where there is something to count with it

        tells = {account_id: told & Kind.DELIVERED.bit for account_id, told, _ in tx.all("services")}

        def counts(fate: mail_columns.Fate) -> mail_columns.Sums:
            account_id, state, reason, mask, spam = fate
            bounced = state in FAILED and (state == MessageState.BOUNCED.code or reason in DEAD)
            return 1, int(arrived(state, mask, tells.get(account_id, 0))), int(bounced), spam

        yield from tx.among("mails_by_domain_of", where.loose, since=since, **_ASKED)
        for day, domain, told in mail_columns.summed(tx, where.made, where.loose, since // DAY_MS, counts):
            yield day, domain, *told


class _Sources(Struct, frozen=True):
    """Where mails are read: blocks that are made, without those `loose`, whose are read as they stand; and
    blocks of which all are."""

    made: list[int]
    loose: list[int]
    rest: list[int]


def _sources(tx: Transaction) -> _Sources:
    """Return where mails are read; who was changed since a block was made, or is due to be, is loose."""
    last = (tx.one("last_messaged_contact") or (None,))[0]
    blocks = range(0 if last is None else int(last) // BLOCK + 1)
    made = _made(tx)
    changed = _changed(tx) if made else []
    if changed is None:
        return _Sources([], [], list(blocks))
    often = Counter(contact_id // BLOCK for contact_id in changed)
    made = {block for block in made if often[block] <= _LOOSE}
    loose = [contact_id for contact_id in changed if contact_id // BLOCK in made]
    return _Sources(sorted(made), loose, [block for block in blocks if block not in made])


def _made(tx: Transaction) -> set[int]:
    """Return the blocks that are made, with mails and with whose mailbox is whose."""
    mails = set(run_blocks.generations(tx))
    return mails & generations(tx).keys()


def _changed(tx: Transaction) -> list[int] | None:
    """Return who was changed since blocks were made, or is due to be, in order; None: too many."""
    for count in ("count_touched_runs", "count_touched"):
        if tx.all(count, most=MOST + 1)[0][0] > MOST:
            return None
    due = courses.waiting(tx, MOST)
    if len(due) > MOST:
        return None
    touched = [row[0] for name in ("touched_runs", "segment_touched") for row in tx.all(name)]
    return sorted({*touched, *(contact_id for contact_id, _ in due)})
