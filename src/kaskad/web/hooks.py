"""Providers' webhooks: verified on the raw bytes, kept raw, read, and answered once durable."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from kaskad.domain.errors import BadSignature
from kaskad.log import get_logger
from kaskad.providers import base
from kaskad.providers.base import Account, Inbound, Provider, Receipt
from kaskad.web.body import read_body
from kaskad.web.intake import Durable, Intake
from kaskad.web.problems import problem

log = get_logger(__name__)

LIMIT = 5_000_000


class Hooks:
    """`POST /hooks/{account}`."""

    def __init__(self, intake: Intake, durable: Durable, clock: Callable[[], int], base_url: str) -> None:
        self._intake = intake
        self._durable = durable
        self._clock = clock
        self._base_url = base_url.rstrip("/")

    async def receive(self, request: Request) -> Response:
        """Answer 200 after the commit that keeps the webhook, whether or not it could be read."""
        name = request.path_params["account"]
        found = self._intake.account(name)
        if found is None:
            return problem(404, "There is no such account.")
        account, provider = found
        body = await read_body(request, LIMIT)
        hook = base.Request(request.method, self._url(request), headers_of(request), body)
        try:
            provider.verify_webhook(hook, account, self._clock())
        except BadSignature as error:
            log.warning("webhook refused", account=name, why=str(error))
            return problem(401, "The webhook's signature is not that of this account.")
        except (ValueError, LookupError, TypeError) as error:  # a signature that cannot even be read
            log.warning("webhook refused", account=name, why=type(error).__name__)
            return problem(401, "The webhook's signature cannot be read.")
        receipts, trouble = read_hook(provider, hook, account)
        await self._durable.wait(self._intake.receipts(account, receipts, hook.headers, body, trouble))
        return Response()

    def _url(self, request: Request) -> str:
        """Return the public URL that the provider called: some sign it."""
        query: bytes = request.scope["query_string"]
        path: str = request.scope["raw_path"].decode("latin-1")
        return self._base_url + path + ("?" + query.decode("latin-1") if query else "")


def headers_of(request: Request) -> Mapping[str, str]:
    """Return the headers by their names in lower case; of a repeated one the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}


def read_hook(
    provider: Provider, hook: base.Request, account: Account
) -> tuple[list[Receipt | Inbound], str | None]:
    """Return what a webhook says, or why it cannot be read.

    Whatever the provider's file raises, the webhook is kept: it is read again once the file is mended.
    """
    try:
        return provider.read_webhook(hook, account), None
    except Exception as error:
        log.warning("webhook unreadable", account=account.name, error=type(error).__name__)
        return [], f"{type(error).__name__}: {error}"
