"""What happens to parcels on an event loop: a few workers an account, one result for each parcel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import cast

from kaskad.domain.errors import KaskadError, SendError
from kaskad.domain.terms import Reason
from kaskad.engine.heard import Batches, Heard, Kept, Trouble
from kaskad.engine.parcel import Parcel, Result, storable
from kaskad.engine.transport.base import Listening, Transport
from kaskad.engine.transport.requests import Requests
from kaskad.providers import provider
from kaskad.providers.base import Accepted, Account, Provider, limits_of

_LISTENING = ("ari", "smpp")  # ways on which services tell by themselves


class Carrier:
    """Carries parcels to the providers; used from its event loop only."""

    def __init__(
        self,
        accounts: Mapping[int, Account],
        clock: Callable[[], int],
        on_results: Callable[[list[Result]], None],
        *,
        timeout_s: float = 30.0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._requests = Requests(timeout_s)
        self._timeout_s = timeout_s
        self._listening: dict[str, Listening] = {}  # those of `_transports` that hear
        self._transports: dict[str, Transport] = {"http": self._requests}  # by `Provider.transport`
        self._accounts = accounts
        self._clock = clock
        self._on_results = on_results
        self._ears: Batches | None = None
        self._waiting: dict[int, deque[Parcel]] = {}
        self._working: dict[int, int] = {}  # workers by account
        self._workers: set[asyncio.Task[None]] = set()
        self._ended: list[Result] = []

    def take(self, parcels: list[Parcel]) -> None:
        """Start with what the accounts' concurrency allows; the rest waits its turn."""
        for parcel in parcels:
            self._waiting.setdefault(parcel.account_id, deque()).append(parcel)
        for account_id in {parcel.account_id for parcel in parcels}:
            self._start_workers(account_id)

    def listen(self, tell: Callable[[Heard | Trouble], None]) -> None:
        """Keep the connections on which services tell by themselves, and hand on what they tell."""
        self._ears = Batches(tell)
        self.follow()

    def follow(self) -> None:
        """Keep connections for the accounts as they are now; nothing where nobody listens."""
        if self._ears is None:
            return
        theirs: dict[str, dict[int, Account]] = {name: {} for name in self._listening}
        for key, account in self._accounts.items():
            if account.enabled and (way := _way(account)) in _LISTENING:
                theirs.setdefault(way, {})[key] = account
        for way, accounts in theirs.items():
            self._transport(way)
            self._listening[way].follow(accounts, self._ears)

    def kept(self, kept: Kept) -> None:
        """Let what was heard be answered, as it is durable now, or be told again."""
        if self._ears is not None:
            self._ears.kept(kept)

    async def stop(self, timeout_s: float) -> None:
        """Let what is under way end for `timeout_s`; what waits ends as not sent, the rest as unknown."""
        unsent = SendError(Reason.TRANSIENT, "we stopped before it was sent")
        for waiting in self._waiting.values():
            while waiting:
                self._report(_failed(waiting.popleft(), self._clock(), unsent))
        if self._workers:
            await asyncio.wait(self._workers, timeout=timeout_s)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for transport in self._transports.values():
            await transport.close()
        self._deliver()

    def _start_workers(self, account_id: int) -> None:
        waiting, working = self._waiting[account_id], self._working.get(account_id, 0)
        more = min(len(waiting), self._concurrency(account_id) - working)
        for _ in range(more):
            worker = self._loop.create_task(self._work(account_id, waiting))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        self._working[account_id] = working + max(0, more)

    def _concurrency(self, account_id: int) -> int:
        account = self._accounts.get(account_id)
        try:
            return limits_of(account, provider(account.provider).capabilities).concurrency if account else 1
        except KaskadError:
            return 1

    async def _work(self, account_id: int, waiting: deque[Parcel]) -> None:
        try:
            together = self._together(account_id)
            while waiting:
                if together == 1:
                    self._report(await self._carry(waiting.popleft()))
                else:
                    await self._carry_many([waiting.popleft() for _ in range(min(together, len(waiting)))])
        finally:
            self._working[account_id] -= 1

    async def _carry(self, parcel: Parcel) -> Result:
        try:
            account, carrying = self._account(parcel)
            way = carrying.transport
            transport = self._transports.get(way) or self._transport(way)
            accepted = await transport.send(carrying, parcel.outgoing, account)
        except SendError as error:
            return _failed(parcel, self._clock(), error)
        except asyncio.CancelledError:
            lost = SendError(Reason.AMBIGUOUS, "we stopped before the answer", accepted=None)
            self._report(_failed(parcel, self._clock(), lost))
            raise
        except Exception as failure:
            return _failed(parcel, self._clock(), _defect(failure))
        return _taken(parcel, self._clock(), accepted)

    async def _carry_many(self, parcels: list[Parcel]) -> None:
        """Send parcels of one account by one request, and report what became of each."""
        fates: list[Accepted | SendError]
        try:
            account, carrying = self._account(parcels[0])
            fates = await self._requests.send_many(carrying, [one.outgoing for one in parcels], account)
        except SendError as error:
            fates = [error] * len(parcels)
        except asyncio.CancelledError:
            lost = SendError(Reason.AMBIGUOUS, "we stopped before the answer", accepted=None)
            for parcel in parcels:
                self._report(_failed(parcel, self._clock(), lost))
            raise
        except Exception as failure:
            fates = [_defect(failure)] * len(parcels)
        for parcel, fate in zip(parcels, fates, strict=True):
            if isinstance(fate, SendError):
                self._report(_failed(parcel, self._clock(), fate))
            else:
                self._report(_taken(parcel, self._clock(), fate))

    def _transport(self, way: str) -> Transport:
        """Return the way's transport, made when it is first needed."""
        known = self._transports.get(way)
        if known is None:
            try:
                known = self._transports[way] = _made(way, self._timeout_s)
            except ImportError as error:  # files have changed under a program that runs
                raise SendError(Reason.TRANSIENT, f"the way {way!r} cannot be read: {error}") from error
            if way in _LISTENING:
                self._listening[way] = cast(Listening, known)
        return known

    def _account(self, parcel: Parcel) -> tuple[Account, Provider]:
        account = self._accounts.get(parcel.account_id)
        if account is None:
            raise SendError(Reason.AUTH, f"there is no account {parcel.account_id}")
        try:
            return account, provider(account.provider)
        except KaskadError as error:
            raise SendError(Reason.AUTH, str(error)) from error

    def _together(self, account_id: int) -> int:
        """Return how many messages of an account one request may carry."""
        account = self._accounts.get(account_id)
        try:
            return provider(account.provider).capabilities.batch if account else 1
        except KaskadError:
            return 1

    def _report(self, result: Result) -> None:
        """Keep a result until the loop has run what is ready now, so that results go in batches."""
        if not self._ended:
            self._loop.call_soon(self._deliver)
        self._ended.append(result)

    def _deliver(self) -> None:
        ended, self._ended = self._ended, []
        if ended:
            self._on_results(ended)


def _made(way: str, timeout_s: float) -> Transport:
    """Return a new transport; libraries are read here only: most installations need few of them."""
    match way:
        case "smtp":
            from kaskad.engine.transport.smtp import Mailer

            return Mailer()
        case "smpp":
            from kaskad.engine.transport.smpp import ShortMessages

            return ShortMessages(timeout_s)
        case "ari":
            from kaskad.engine.transport.ari import Calls

            return Calls(timeout_s)
        case "apprise":
            from kaskad.engine.transport.apprise import Notifier

            return Notifier(timeout_s)
    raise ValueError(f"there is no transport {way!r}")


def _way(account: Account) -> str:
    """Return the transport of an account; "" where its provider is none of ours."""
    try:
        return provider(account.provider).transport
    except KaskadError:
        return ""


def _defect(failure: Exception) -> SendError:
    """Return a defect of ours as what it means; its text may hold an address, so only its name is kept."""
    detail = f"a defect in Kaskad ({type(failure).__name__})"
    return SendError(Reason.AMBIGUOUS, detail, accepted=None)


def _taken(parcel: Parcel, at: int, accepted: Accepted) -> Result:
    return Result(
        parcel.contact_id,
        parcel.run_id,
        parcel.step,
        parcel.attempt,
        parcel.account_id,
        at,
        provider_id=storable(accepted.provider_id),
        kind=accepted.kind,
        cost=accepted.cost,
        parts=tuple([storable(part) for part in accepted.parts]) if accepted.parts else (),
    )


def _failed(parcel: Parcel, at: int, error: SendError) -> Result:
    return Result(
        parcel.contact_id,
        parcel.run_id,
        parcel.step,
        parcel.attempt,
        parcel.account_id,
        at,
        reason=error.reason,
        detail=storable(error.detail),
        code=storable(error.code),
        retry_after_ms=error.retry_after_ms,
        accepted=error.accepted,
        of_person=error.of_person,
    )
