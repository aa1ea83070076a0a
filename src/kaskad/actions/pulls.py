"""People from a CRM: fetched page by page, then brought in as a file of JSON Lines would be.

Each call fetches for as long as it may take, and the next goes on where it was; so does the one after a
crash. What was fetched serves for an hour: a dry run and the import after it see the same people.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic

import msgspec
from msgspec import Struct

from kaskad.actions import imports
from kaskad.actions.imports import Wishes
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid, NotFound, SendError
from kaskad.domain.terms import Reason
from kaskad.domain.worded import worded
from kaskad.engine.clock import wall_ms
from kaskad.engine.parcel import storable
from kaskad.engine.transport.http import Http
from kaskad.log import get_logger
from kaskad.providers import PROVIDERS, provider
from kaskad.providers.base import Account, limits_of
from kaskad.providers.crm import Keep, PeoplePage
from kaskad.store import pulls
from kaskad.store.imports import Import
from kaskad.store.pulls import Pull

log = get_logger(__name__)

SERVES_MS = 3_600_000  # what was fetched whole
AGAIN = frozenset({Reason.RATE_LIMITED, Reason.TRANSIENT, Reason.AMBIGUOUS})  # asking twice changes nothing
TRIES = 4  # where a CRM is busy, or does not answer
ANSWER_S = 12.0  # four tries are told of before the command line stops waiting
WAIT_MS = 2_000  # between them, where it does not say
PATIENCE_MS = 20_000  # who wants more is asked again by whoever gives the command again


class Pulled(Struct, frozen=True):
    """How many people were fetched so far; once all are, `found` is the import of them."""

    people: int
    found: Import | None


def go_on(office: Office, name: str, wishes: Wishes, wait_s: float) -> Pulled:
    """Fetch people from an account of a CRM for about `wait_s`; return how far it has come.

    Raises NotFound and Invalid for the account, Conflict where the CRM refuses or does not answer, and what
    an import raises.
    """
    until_s = monotonic() + wait_s
    account = _account(office, name)
    pull = _begun(office, account)
    if not pull.whole:
        pull = asyncio.run(_fetch(office, account, pull, until_s))
    if not pull.whole:
        return Pulled(pull.people, None)
    with office.read() as tx:
        data = pulls.lines(tx, office.vault, account.id)
    if not data:
        office.write(partial(pulls.drop, account_id=account.id))
        raise Invalid([worded("%(name)s: the CRM shows no contacts. May its key read them?", name=name)])
    at_end = None if wishes.dry_run else partial(pulls.drop, account_id=account.id)
    found = imports.start(office, data, wishes, max(until_s - monotonic(), 0), at_end)
    return Pulled(pull.people, found)


def _account(office: Office, name: str) -> Account:
    account = next((each for each in office.engine.world.accounts.values() if each.name == name), None)
    if account is None:
        raise NotFound(worded("There is no account %(name)r: `kaskad account list` shows them.", name=name))
    if not provider(account.provider).tells_people:
        able = ", ".join(each.title or each.name for each in PROVIDERS.values() if each.tells_people)
        raise Invalid(
            [
                worded(
                    "%(name)s is an account of %(provider)s: people are fetched from %(able)s.",
                    name=name,
                    provider=account.provider,
                    able=able,
                )
            ]
        )
    return account


def _begun(office: Office, account: Account) -> Pull:
    now = wall_ms()
    with office.read() as tx:
        pull = pulls.find(tx, account.id)
    if pull is None or (pull.whole and now - pull.changed_at > SERVES_MS):
        return office.write(lambda tx: pulls.begin(tx, account.id, now))
    return pull


async def _fetch(office: Office, account: Account, pull: Pull, until_s: float) -> Pull:
    """Fetch one page, and more while there is time; return how far it has come."""
    http = Http()
    try:
        while True:
            page = await _page(http, account, pull.place)
            told = b"".join(msgspec.json.encode(row) + b"\n" for row in page.rows).decode()
            keep = partial(
                pulls.keep, vault=office.vault, account_id=account.id, before=pull, lines=storable(told),
                people=len(page.rows), place=page.next, now=wall_ms(),
            )  # fmt: skip
            if not office.write(keep):
                raise Conflict(
                    worded(
                        "People are being fetched from %(name)s by somebody else: wait for that.",
                        name=account.name,
                    )
                )
            pull = Pull(wall_ms(), page.next, pull.pages + 1, pull.people + len(page.rows), not page.next)
            if pull.whole or monotonic() > until_s:
                return pull
    finally:
        http.close()


async def _page(http: Http, account: Account, cursor: str) -> PeoplePage:
    """Return the page at a cursor, as fast as the CRM lets us; raises Conflict."""
    carrying = provider(account.provider)
    pause_s = 1 / limits_of(account, carrying.capabilities).per_second
    for tries in range(1, TRIES + 1):
        speaking = carrying.people(cursor, account)
        try:
            said = next(speaking)
            while True:
                await asyncio.sleep(pause_s)
                if isinstance(said, Keep):
                    raise TypeError("a list of people changes no secrets")
                said = speaking.send(await http.post(said, ANSWER_S))
        except StopIteration as ended:
            page: PeoplePage = ended.value
            return page
        except SendError as error:
            wait_ms = error.retry_after_ms or WAIT_MS
            if error.reason not in AGAIN or tries == TRIES or wait_ms > PATIENCE_MS:
                why = worded(
                    "%(name)s does not give its people: %(detail)s.", name=account.name, detail=error.detail
                )
                raise Conflict(
                    worded("%(why)s Ask again when it does: it goes on from there.", why=why)
                ) from None
            log.info("CRM is busy", account=account.name, why=error.detail)
            await asyncio.sleep(wait_ms / 1000)
    raise AssertionError("the last try returns or raises")
