"""Domains of mail addresses: `GET /mail-domains`, and one looked up at once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from kaskad.actions import mail_domains
from kaskad.actions.mail_domains import Wanted
from kaskad.store.mail_domains import MailDomain
from kaskad.web.api.fields import PLAIN, InPath
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, View, instant, when
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1/mail-domains", tags=["contacts"], route_class=IdempotentRoute)

READ, WRITE = may("contacts:read"), may("contacts:write")
_STATES: tuple[Literal["takes_mail", "no_domain", "refuses", "no_server"], ...] = (
    "takes_mail", "no_domain", "refuses", "no_server",
)  # fmt: skip


class MailDomainView(View):
    """A domain; `state` null: DNS has not answered yet, `tries` times. `refuses` is a null MX (RFC 7505)."""

    domain: str
    state: Literal["takes_mail", "no_domain", "refuses", "no_server"] | None
    since: datetime | None
    checked_at: datetime | None
    next_at: datetime
    tries: int

    @classmethod
    def of(cls, found: MailDomain) -> MailDomainView:
        return cls(domain=found.domain, state=None if found.state is None else _STATES[found.state],
                   since=when(found.since), checked_at=when(found.checked_at), next_at=instant(found.next_at),
                   tries=found.tries)  # fmt: skip


class CountsView(View):
    """How many domains are known; of these DNS has answered about `checked`, `dead` take no mail, and of
    `unanswered` it was asked in vain so far."""

    known: int
    checked: int
    dead: int
    unanswered: int


@router.get("", dependencies=[READ])
def list_mail_domains(
    office: InOffice,
    state: Annotated[Wanted, Query(description="dead: those that take no mail.")] = Wanted.ALL,
    limit: Annotated[int, Query(ge=1, le=1000, description="Items in a page.")] = 100,
    cursor: Annotated[
        str, Query(max_length=255, pattern=PLAIN, description="`next` of the page before.")
    ] = "",
) -> Page[MailDomainView]:
    """List the domains of mail addresses, and whether they take mail as DNS says."""
    found = mail_domains.listing(office, state, after=cursor, limit=limit + 1)
    more = found[limit - 1].domain if len(found) > limit else None
    return Page(items=[MailDomainView.of(each) for each in found[:limit]], next=more)


@router.get("/counts", dependencies=[READ])
def count_mail_domains(office: InOffice) -> CountsView:
    """Tell how many domains were looked up, and what was found."""
    found = mail_domains.counts(office)
    return CountsView(known=found.known, checked=found.checked, dead=found.dead, unanswered=found.unanswered)


@router.post("/{domain}/check", dependencies=[WRITE])
def check_mail_domain(office: InOffice, domain: InPath) -> MailDomainView:
    """Have a domain looked up at once; ask again in a few seconds."""
    return MailDomainView.of(mail_domains.check(office, domain))
