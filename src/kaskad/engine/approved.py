"""Texts that services approve: asked for, followed as webhooks tell of them, filled for one message.

Services that want them take a free text only for some time after the person's own last message; who has
written when is noted here too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from kaskad.domain.cascade import Approved
from kaskad.domain.terms import Kind, TemplateState
from kaskad.engine import texts
from kaskad.engine.arrival import Arrival, Unmatched
from kaskad.engine.process import new_loop
from kaskad.engine.receive import InboundIn
from kaskad.engine.texts import Text
from kaskad.engine.transport.http import Http
from kaskad.engine.transport.tokens import Tokens
from kaskad.engine.world import World
from kaskad.log import get_logger
from kaskad.providers import provider
from kaskad.providers.approval import ServiceTemplate, TemplateNews
from kaskad.providers.base import Account, Request, Response
from kaskad.store import approved as store
from kaskad.store.db import Transaction

log = get_logger(__name__)

MAX_PAGES = 100
TIMEOUT_S = 15.0
_ACTS = frozenset(  # of a person, in the chat
    {Kind.REPLIED.value, Kind.CLICKED.value, Kind.KEYPRESS.value, Kind.STARTED.value}
)
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def takes_approved(account: Account) -> bool:
    """Say whether the account's service sends texts that it has approved."""
    return provider(account.provider).capabilities.approved


def lists_texts(account: Account) -> bool:
    """Say whether the account's service lists the texts that it approves."""
    return provider(account.provider).templates_request(account, "") is not None


async def fetch(account: Account, ask: Callable[[Request], Awaitable[Response]]) -> list[ServiceTemplate]:
    """Return all texts that the account's service lists; raises SendError."""
    carrying, found, cursor = provider(account.provider), list[ServiceTemplate](), ""
    for _ in range(MAX_PAGES):
        request = carrying.templates_request(account, cursor)
        if request is None:
            return found
        page, cursor = carrying.read_templates(await ask(request))
        found += page
        if not cursor:
            break
    return found


def asked(account: Account, now: int) -> list[ServiceTemplate]:
    """Return all texts that the account's service lists, asking it from this thread; raises SendError."""
    carrying = provider(account.provider)

    async def whole() -> list[ServiceTemplate]:
        http = Http()
        try:
            token = await Tokens(http).of(account, carrying, now) if carrying.needs_token(account) else ""

            async def ask(request: Request) -> Response:
                return await http.post(carrying.authorize(request, token) if token else request, TIMEOUT_S)

            return await fetch(account, ask)
        finally:
            http.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(whole())


def keep(tx: Transaction, world: World, account: Account, listed: Sequence[ServiceTemplate]) -> None:
    """Keep what the service lists for the account, and for those that share its texts."""
    texts.keep(tx, sharers(world, account), listed, world.clock.now())
    world.accounts.approved = texts.load(tx)


class News:
    """What a webhook tells of approved texts, applied within the tick; it may be called again."""

    def __init__(self, world: World, account: Account, news: Sequence[TemplateNews]) -> None:
        self._world, self._account, self._news = world, account, news

    def __call__(self, tx: Transaction) -> list[Arrival]:
        world, numbers = self._world, sharers(self._world, self._account)
        for one in self._news:
            known = texts.change(tx, numbers, one, world.clock.now())
            if one.state not in (None, TemplateState.APPROVED):
                log.warning("approved text no longer is", account=self._account.name, text=one.name,
                            language=one.language, state=one.state, why=one.detail)  # fmt: skip
            if not known:  # a new text: the next look at the list brings the rest of it
                log.info("news of a text that is not listed here", account=self._account.name, text=one.name)
        world.accounts.approved = texts.load(tx)
        return []


class Heard:
    """Who has written to an account, noted within the tick's transaction; it may be called again."""

    def __init__(
        self, account: Account, arrivals: Sequence[Arrival], unmatched: Sequence[Unmatched],
        inbound: Sequence[InboundIn],
    ) -> None:  # fmt: skip
        self._account = account
        self._arrivals = [one for one in arrivals if one.kind in _ACTS]
        self._unmatched = [one for one in unmatched if one.kind in _ACTS]
        self._inbound = [one for one in inbound if one.kind in _ACTS]

    def __bool__(self) -> bool:
        return bool(self._arrivals or self._unmatched or self._inbound)

    def __call__(self, tx: Transaction) -> list[Arrival]:
        number, found = self._account.id, [(one.contact_id, one.at) for one in self._arrivals]
        for one in self._unmatched:
            row = tx.one("by_provider_id", account_id=number, provider_id=one.provider_id)
            found += [(row[0], one.at)] if row else []
        for told in self._inbound:
            rows = tx.all("contacts_at_address", channel=told.channel.code, value=told.address)
            found += [(row[0], told.at) for row in rows]
        for contact_id, at in found:
            store.heard(tx, contact_id, number, at)
        return []


def sharers(world: World, account: Account) -> list[int]:
    """Return the accounts that have the same texts: their services would be asked for the same list."""
    asked = _asked(account)
    same = [each.id for each in world.accounts.values() if asked is not None and _asked(each) == asked]
    return same if account.id in same else [account.id, *same]


def _asked(account: Account) -> str | None:
    request = provider(account.provider).templates_request(account, "")
    return None if request is None else request.url


def filled(approved: Approved, known: Text | None) -> tuple[Approved, str]:
    """Return the text as the service wants it filled, and in words what the person then reads.

    Of a button whose address begins as the approved text fixes it, only the changing end is sent.
    """
    if known is None:
        return approved, ""
    template, buttons = known.template, list(approved.buttons)
    for place, button in enumerate(template.buttons[: len(buttons)]):
        fixed = button.url.partition("{{")[0]
        buttons[place] = buttons[place].removeprefix(fixed) if fixed != button.url else buttons[place]
    names = template.parameters if template.named else ()
    values = dict(zip(template.parameters, approved.parameters, strict=False))
    said = _PLACE.sub(lambda place: values.get(place[1], place[0]), template.body)
    return replace(approved, names=names, buttons=tuple(buttons)), said
