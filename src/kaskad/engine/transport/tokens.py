"""Access tokens of services that give them for a while: asked for once, kept, renewed before they end."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.engine.transport.http import Http
from kaskad.providers.base import Account, Provider

TIMEOUT_S = 10.0  # twice this, and twice a message's time-out, stay below the submit guard
EARLY_S = 300.0  # a token that ends sooner than this, or than a tenth of its life, is renewed


class _Kept(Struct, frozen=True):
    account: Account  # as it was: other credentials need another token
    token: str
    until: float  # by the loop's clock


class Tokens:
    """The tokens of all accounts; used from one event loop only."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._kept: dict[int, _Kept] = {}
        self._asking: dict[int, tuple[Account, asyncio.Task[str]]] = {}

    async def of(self, account: Account, carrying: Provider, now: int) -> str:
        """Return a token that holds, asked for at most once however many messages wait for it.

        Raises SendError, `accepted` False: without a token no message has left.
        """
        kept = self._kept.get(account.id)
        if kept is not None and kept.until > self._http.loop.time() and kept.account == account:
            return kept.token
        asking = self._asking.get(account.id)
        if asking is None or asking[0] != account:
            task = self._http.loop.create_task(self._ask(account, carrying, now))
            asking = self._asking[account.id] = (account, task)
            task.add_done_callback(lambda task: self._asked(account.id, task))
        return await asyncio.shield(asking[1])  # one that stops waiting takes it from nobody else

    def forget(self, account: Account, token: str) -> None:
        """Drop a token that the service has refused; another one that came meanwhile stays."""
        kept = self._kept.get(account.id)
        if kept is not None and kept.token == token:
            del self._kept[account.id]

    async def _ask(self, account: Account, carrying: Provider, now: int) -> str:
        try:
            answer = await self._http.post(carrying.auth_request(account, now), TIMEOUT_S)
            token, life_ms = carrying.read_auth(answer)
        except SendError as error:
            raise _unsent(error) from error
        except Exception as failure:  # a defect of ours: still nothing has been sent
            told = f"no access token: a defect in Kaskad ({type(failure).__name__})"
            raise SendError(Reason.OTHER, told) from failure
        life_s = life_ms / 1000
        until = self._http.loop.time() + life_s - min(EARLY_S, life_s / 10)
        self._kept[account.id] = _Kept(account, token, until)
        return token

    def _asked(self, account_id: int, task: asyncio.Task[str]) -> None:
        if self._asking.get(account_id, (None, None))[1] is task:
            del self._asking[account_id]
        if not task.cancelled():
            task.exception()  # looked at: whoever waited has it too


def _unsent(error: SendError) -> SendError:
    """Return why there is no token: whatever became of that request, the message has not been sent."""
    reason = Reason.TRANSIENT if error.accepted is None else error.reason
    return SendError(
        reason, f"no access token: {error.detail}", code=error.code, retry_after_ms=error.retry_after_ms
    )
