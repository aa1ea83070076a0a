"""Providers' webhooks: verified on the raw bytes, kept raw, read, and answered once durable."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from kaskad.domain.errors import BadSignature, NotFound
from kaskad.engine.transport.keys import Keys
from kaskad.log import get_logger
from kaskad.providers import base
from kaskad.providers.base import Account, Provider, Told
from kaskad.web.answers import LIMIT, answer_of
from kaskad.web.body import read_body
from kaskad.web.intake import Durable, Intake
from kaskad.web.portions import AHEAD, LONG, portions

log = get_logger(__name__)

T = TypeVar("T")

TAKEN: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
END: Message = {"type": "http.response.body", "body": b""}


class Hooks:
    """`/hooks/{account}`; a POST is spoken in plain ASGI, a third cheaper than request and response."""

    def __init__(self, intake: Intake, durable: Durable, clock: Callable[[], int], base_url: str) -> None:
        self._intake = intake
        self._durable = durable
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self._keys = Keys()
        self._long = asyncio.Lock()
        self._counting = threading.Lock()
        self.taken: Counter[str] = Counter()  # webhooks by account, since the start
        self.refused: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 after the commit that keeps the webhook, whether or not it could be read."""
        found = self._intake.account(scope["path_params"]["account"])
        if found is None:
            raise NotFound("There is no such account.")
        account, provider = found
        body = await read_body(scope, receive, LIMIT)
        hook = base.Request("POST", self._url(scope), headers_of(scope), body)
        try:
            wanted = key_wanted(provider, hook, account)
            if wanted is not None:
                hook = structs.replace(hook, key=await self._keys.get(wanted))
            verify(provider, hook, account, self._clock())
        except BadSignature:
            self.refused[account.name] += 1
            raise
        if len(body) >= LONG:
            await self._keep_long(provider, hook, account)
        else:
            receipts, trouble = read_hook(provider, hook, account)
            await self._durable.wait(self._intake.receipts(account, receipts, hook.headers, body, trouble))
        self.count([account.name])
        content_type, words = answer_of(provider, hook, account)
        if words:
            await send(_start(content_type, words))
            await send({"type": "http.response.body", "body": words})
            return
        await send(TAKEN)
        await send(END)

    async def _keep_long(self, carrying: Provider, hook: base.Request, account: Account) -> None:
        """Keep what a webhook says in portions, after the long ones that came before it."""
        async with self._long:
            kept: deque[Future[None]] = deque()
            for each in portions(hook, lambda part: read_hook(carrying, part, account)):
                kept.append(self._intake.receipts(account, each.told, hook.headers, each.body, each.problem))
                await asyncio.sleep(0)  # others come between two portions
                if len(kept) == AHEAD:
                    await self._durable.wait(kept.popleft())
            for one in kept:
                await self._durable.wait(one)

    def count(self, accounts: Iterable[str]) -> None:
        """Count webhooks that were taken, by the names of their accounts; from any thread."""
        with self._counting:
            self.taken.update(accounts)

    async def look(self, request: Request) -> Response:
        """Answer a GET of the address, which some services try before they call it."""
        found = self._intake.account(request.path_params["account"])
        if found is None:
            raise NotFound("There is no such account.")
        account, provider = found
        hook = base.Request("GET", self._url(request.scope), headers_of(request.scope))
        kind, words = _believing(lambda: provider.answer_look(hook, account), account)
        return Response(words, media_type=kind or None)

    def _url(self, scope: Scope) -> str:
        """Return the public URL that the provider called: some sign it."""
        query = scope["query_string"]
        path = self._base_url + scope["raw_path"].decode("latin-1")
        return f"{path}?{query.decode('latin-1')}" if query else path


def _start(content_type: str, words: bytes) -> Message:
    headers = [
        (b"content-type", content_type.encode("latin-1")),
        (b"content-length", str(len(words)).encode()),
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Return the headers by their names in lower case; of a repeated one the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def key_wanted(provider: Provider, hook: base.Request, account: Account) -> base.Request | None:
    """Return the request for the key that a webhook names; raises BadSignature as `verify` does."""
    return _believing(lambda: provider.key_request(hook, account), account)


def verify(provider: Provider, hook: base.Request, account: Account, now: int) -> None:
    """Raise BadSignature unless the account's service sent the webhook, also where it can't be told."""
    _believing(lambda: provider.verify_webhook(hook, account, now), account)


def _believing(look: Callable[[], T], account: Account) -> T:
    try:
        return look()
    except BadSignature as error:
        log.warning("webhook refused", account=account.name, why=str(error))
        raise BadSignature("The webhook's signature is not that of this account.") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        log.warning("webhook refused", account=account.name, why=type(error).__name__)
        raise BadSignature("The webhook's signature cannot be read.") from error


def read_hook(provider: Provider, hook: base.Request, account: Account) -> tuple[Sequence[Told], str | None]:
    """Return what a webhook says, or why it cannot be read.

    Whatever the provider's file raises, the webhook is kept: it is read again once the file is mended.
    """
    try:
        return provider.read_webhook(hook, account), None
    except Exception as error:
        log.warning("webhook unreadable", account=account.name, error=type(error).__name__)
        return [], f"{type(error).__name__}: {error}"
