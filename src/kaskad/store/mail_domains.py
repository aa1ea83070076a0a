"""Table `mail_domains`: which domains of our addresses take mail, and the addresses of those that do not.

Such an address has health 1 like one that does not exist, and says why in `why`; when its domain takes mail
again, it is good again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from kaskad.domain.mailbox import MailState, is_reserved
from kaskad.domain.terms import Channel
from kaskad.store.db import Row, Transaction

UNDELIVERABLE = 1  # health of an address, with `why`


class Due(Struct, frozen=True):
    """A domain that is to be looked up; `tries` times DNS has not answered since it last did."""

    domain: str
    state: int | None
    since: int | None
    tries: int


class MailDomain(Struct, frozen=True):
    """What is known of a domain. `state` None: DNS has not answered yet."""

    domain: str
    state: MailState | None
    since: int | None
    checked_at: int | None
    next_at: int
    tries: int


class Counts(Struct, frozen=True):
    """How many domains there are, and of these were looked up, take no mail, and could not be looked up."""

    known: int
    checked: int
    dead: int
    unanswered: int


def note(tx: Transaction, mails: Sequence[str]) -> None:
    """Take note of the domains of new mail addresses to be looked up; mark those of dead ones."""
    if not mails:
        return
    domains = {value.rpartition("@")[2] for value in mails}
    known: dict[str, int | None] = dict(tx.many("known_mail_domains", [(name,) for name in sorted(domains)]))
    if fresh := [(name,) for name in sorted(domains - known.keys()) if not is_reserved(name)]:
        tx.changed_many("put_mail_domains", fresh)
    if dead := {name: state for name, state in known.items() if state}:
        found = {value: dead[name] for value in mails if (name := value.rpartition("@")[2]) in dead}
        rows = [(value, Channel.EMAIL.code, state) for value, state in sorted(found.items())]
        tx.changed_many("blame_addresses", rows)


def first_due(tx: Transaction) -> int | None:
    """Return when the first is due; None where there is none."""
    row = tx.one("first_mail_domain")
    return None if row is None else row[0]


def claim(tx: Transaction, now: int, *, again_at: int, limit: int) -> list[Due]:
    """Return domains that are due, and hide them from other processes until `again_at`."""
    return [Due(*row) for row in tx.all("claim_mail_domains", now=now, again_at=again_at, limit=limit)]


def settle(tx: Transaction, one: Due, state: MailState, now: int, next_at: int) -> None:
    """Keep what DNS has answered."""
    since = one.since if one.state == state else now
    changed = int((one.state or MailState.TAKES) != state)
    tx.run(
        "settle_mail_domain", domain=one.domain, state=state, since=since, now=now, next_at=next_at,
        changed=changed,
    )  # fmt: skip


def put_off(tx: Transaction, one: Due, next_at: int) -> None:
    """Keep that DNS has not answered."""
    tx.run("put_off_mail_domain", domain=one.domain, next_at=next_at)


def hasten(tx: Transaction, domain: str) -> bool:
    """Have a domain looked up at once; return whether it is known."""
    return tx.run("hasten_mail_domain", domain=domain) > 0


def unmarked(tx: Transaction) -> list[tuple[str, int]]:
    """Return domains with their states, whose addresses do not show these yet."""
    return [(row[0], row[1]) for row in tx.all("unmarked_mail_domains")]


def unmarked_addresses(tx: Transaction, after: int, until: int) -> list[tuple[int, str, int]]:
    """Return addresses of contacts `after` < id <= `until` that are to be marked: contact, value, state."""
    rows = tx.all("unmarked_addresses", after=after, until=until, channel=Channel.EMAIL.code)
    return [(row[0], row[1], row[2]) for row in rows]


def mark(tx: Transaction, found: Sequence[tuple[int, str, int]], now: int) -> None:
    """Let addresses show the state of their domain: undeliverable, or good again."""
    rows = [
        (contact_id, Channel.EMAIL.code, value, UNDELIVERABLE if state else 0, state or None, now)
        for contact_id, value, state in found
    ]
    tx.changed_many("mark_addresses", rows)


def marked(tx: Transaction, domains: Iterable[tuple[str, int]]) -> None:
    """Keep that all addresses of domains show their states."""
    for domain, state in domains:
        tx.run("marked_mail_domain", domain=domain, state=state)


def page(tx: Transaction, *, after: str, limit: int, pending: bool, dead: bool) -> list[MailDomain]:
    """Return domains after one of them, by name."""
    rows = tx.all("mail_domains", after=after, limit=limit, pending=int(pending), dead=int(dead))
    return [_domain(row) for row in rows]


def find(tx: Transaction, domain: str) -> MailDomain | None:
    """Return what is known of a domain, or None."""
    row = tx.one("mail_domain", domain=domain)
    return None if row is None else _domain(row)


def counts(tx: Transaction) -> Counts:
    """Return how many domains there are."""
    return Counts(*(tx.one("count_mail_domains") or (0, 0, 0, 0)))


def _domain(row: Row) -> MailDomain:
    return MailDomain(row[0], None if row[1] is None else MailState(row[1]), *row[2:])
