"""Carry messages as HTTP requests, with the access token of the account where its service wants one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from kaskad.domain.cascade import Money
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.engine.transport.base import built
from kaskad.engine.transport.http import Http
from kaskad.engine.transport.tokens import Tokens
from kaskad.providers.base import Accepted, Account, Outgoing, Provider, Request, Response


class Requests:
    """The way of all providers that do not name another."""

    def __init__(self, timeout_s: float) -> None:
        self._http = Http()
        self._tokens = Tokens(self._http)
        self._timeout_s = timeout_s

    async def send(self, carrying: Provider, outgoing: Outgoing, account: Account) -> Accepted:
        """Return what the service answered to the message's request."""
        request = built(carrying.build_request, outgoing, account)
        if carrying.needs_token(account):
            response = await self._authorized(carrying, request, account, outgoing.at)
        else:
            response = await self._http.post(request, self._timeout_s)
        return _priced(carrying.read_response(response), account)

    async def send_many(
        self, carrying: Provider, outgoing: Sequence[Outgoing], account: Account
    ) -> list[Accepted | SendError]:
        """Return what became of each message of one request; raises SendError where all share a fate.

        One that cannot be built keeps none of the others back.
        """
        fates: list[Accepted | SendError] = []
        requests: dict[int, Request] = {}  # by place
        for place, message in enumerate(outgoing):
            try:
                requests[place] = built(carrying.build_request, message, account)
            except SendError as error:
                fates.append(error)
            else:
                fates.append(_UNTOLD)
        if not requests:
            return fates
        batch = carrying.build_batch(list(requests.values()), account)
        if carrying.needs_token(account):
            response = await self._authorized(carrying, batch, account, outgoing[0].at)
        else:
            response = await self._http.post(batch, self._timeout_s)
        told = carrying.read_batch(response, len(requests))
        for place, fate in zip(requests, told, strict=True):
            fates[place] = _priced(fate, account) if isinstance(fate, Accepted) else fate
        return fates

    async def close(self) -> None:
        self._http.close()

    async def _authorized(self, carrying: Provider, request: Request, account: Account, now: int) -> Response:
        """Return the answer to a request with an access token; a refused one is asked for anew, once."""
        token = await self._token(carrying, account, now)
        response = await self._http.post(carrying.authorize(request, token), self._timeout_s)
        if response.status != 401:  # which proves that nothing was taken
            return response
        self._tokens.forget(account, token)
        token = await self._token(carrying, account, now)
        return await self._http.post(carrying.authorize(request, token), self._timeout_s)

    async def _token(self, carrying: Provider, account: Account, now: int) -> str:
        try:
            return await self._tokens.of(account, carrying, now)
        except asyncio.CancelledError:  # nothing has left yet, so this ends as not sent and not as unknown
            raise SendError(Reason.TRANSIENT, "we stopped before it was sent") from None


_UNTOLD = SendError(Reason.AMBIGUOUS, "the answer does not tell of it", accepted=None)


def _priced(accepted: Accepted, account: Account) -> Accepted:
    """Return what was taken with its cost in the currency of the account, where the service names none."""
    cost = accepted.cost
    if cost is None or cost.currency:
        return accepted
    priced = Money(cost.minor, account.price.currency) if account.price else None
    return msgspec.structs.replace(accepted, cost=priced)
