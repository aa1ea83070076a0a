"""Which domains of our mail addresses take mail, as DNS says."""

from __future__ import annotations

from enum import StrEnum

from kaskad.actions.office import Office
from kaskad.domain.errors import NotFound
from kaskad.domain.worded import worded
from kaskad.store import mail_domains
from kaskad.store.mail_domains import Counts, MailDomain


class Wanted(StrEnum):
    """Which domains are asked for."""

    ALL = "all"
    PENDING = "pending"  # DNS has not answered yet
    DEAD = "dead"  # they take no mail


def listing(office: Office, wanted: Wanted, *, after: str, limit: int) -> list[MailDomain]:
    """Return domains by name, those after one of them."""
    with office.read() as tx:
        return mail_domains.page(
            tx, after=after, limit=limit, pending=wanted is Wanted.PENDING, dead=wanted is Wanted.DEAD
        )


def counts(office: Office) -> Counts:
    """Return how many domains there are."""
    with office.read() as tx:
        return mail_domains.counts(tx)


def check(office: Office, domain: str) -> MailDomain:
    """Have a domain looked up at once, by the server; return what is known so far. Raises NotFound."""
    name = domain.strip().lower()
    office.write(lambda tx: mail_domains.hasten(tx, name))
    with office.read() as tx:
        found = mail_domains.find(tx, name)
    if found is None:
        raise NotFound(
            worded(
                "No address is at %(domain)r, or it is for examples only and never looked up.", domain=domain
            )
        )
    return found
