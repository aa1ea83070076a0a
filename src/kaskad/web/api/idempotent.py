"""`Idempotency-Key`: the same request sent twice is carried out once and answered twice; and the audit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, GivenUp, Invalid, KaskadError, StoreError, Uncertain
from kaskad.engine.besides import MARK
from kaskad.log import get_logger
from kaskad.store.db import Row, Transaction
from kaskad.web.api import noted
from kaskad.web.auth import asking
from kaskad.web.slashes import read_names

KEPT_MS = 24 * 3_600_000
LONGEST = 200
_UNANSWERED = 0  # in place of a status: something was carried out
_LOST_MS = 60_000  # an answer that has not come by then never will: the process has ended

log = get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route whose POST may carry an `Idempotency-Key`; answers are repeated for a day.

    What was carried out is noted in the audit, where it changes something or is about one person.
    """

    def get_route_handler(self) -> Handler:
        """Return the handler with the look-up around it."""
        carried_out = super().get_route_handler()

        async def inner(request: Request) -> Response:
            if not noted.is_noted(self, request.method):
                return await carried_out(request)
            contact = await noted.person(request) if request.method == "DELETE" else ""  # gone afterwards
            response = await carried_out(request)
            await noted.note(request, response, self, contact)
            return response

        async def handler(request: Request) -> Response:
            read_names(request.scope)
            name = request.headers.get("idempotency-key")
            if name is None or request.method != "POST":
                return await inner(request)
            if not 0 < len(name) <= LONGEST:
                raise Invalid([f"Idempotency-Key must have 1 to {LONGEST} characters."])
            caller = (await run_in_threadpool(asking, request)).name
            body = await request.body()
            told = sha256(f"{request.url.path}?{request.url.query}\0".encode() + body).digest()
            once = _Once(request.app.state.office, caller, name, told)
            kept = await run_in_threadpool(once.begin)
            if kept is not None:
                return kept
            token = MARK.set(once.mark)
            try:
                response = await inner(request)
            except BaseException as error:
                MARK.reset(token)
                await run_in_threadpool(once.fail, error)
                raise
            MARK.reset(token)
            await run_in_threadpool(once.end, response)
            return response

        return handler


class _Once:
    """One key of one caller."""

    def __init__(self, office: Office, caller: str, name: str, told: bytes) -> None:
        self._office, self._told = office, told
        self._key = {"caller": caller, "name": name}
        self._now = office.now()

    def begin(self) -> Response | None:
        """Return the answer that was given before, or None where this is the first time."""
        now = self._now

        def take(tx: Any) -> Row | None:
            tx.run("drop_old_idempotent", before=now - KEPT_MS)
            if tx.run("begin_idempotent", **self._key, request=self._told, now=now):
                return None
            row: Row = tx.one("idempotent", **self._key)
            if row[2] is None and row[1] < now - _LOST_MS:
                tx.run("drop_idempotent", **self._key)
                tx.run("begin_idempotent", **self._key, request=self._told, now=now)
                return None
            return row

        row = self._office.write(take)
        if row is None:
            return None
        request, begun_at, status, body = row
        if bytes(request) != self._told:
            raise Invalid(["This Idempotency-Key was used for another request: make a new one."])
        if status is None or (status == _UNANSWERED and begun_at >= now - _LOST_MS):
            raise Conflict("The first request with this Idempotency-Key is still under way.")
        if status == _UNANSWERED:
            raise Conflict(
                "The first request with this Idempotency-Key was carried out, perhaps in part, and never "
                "answered: look what became of it, and make a new key for what is left to do."
            )
        told = self._office.vault.decrypt(bytes(body), str).encode()
        return Response(told, status, {"Idempotent-Replayed": "true"}, "application/json")

    def mark(self, tx: Transaction) -> None:
        """Note in a transaction that it carries the request out; raises GivenUp where nobody waits for it."""
        if not tx.run("mark_idempotent", **self._key, now=self._now):
            raise GivenUp("The request was given up before it was carried out: nothing was stored.")

    def fail(self, error: BaseException) -> None:
        """Let the key be used again, unless something was carried out that was never answered.

        Of what the database was lost at nobody knows that yet: the mark tells, when the key comes again.
        """
        if isinstance(error, Uncertain):
            return
        if isinstance(error, KaskadError) and not isinstance(error, StoreError):
            self.forget()  # this is the answer
            return
        self._office.write(lambda tx: tx.run("drop_unmarked", **self._key))

    def end(self, response: Response) -> None:
        """Keep the answer of a request that was carried out; forget one that was not."""
        if not 200 <= response.status_code < 300:
            self.forget()
            return
        # Encrypted: the answer to a new key or webhook holds a secret that is kept nowhere else.
        status, body = response.status_code, self._office.vault.encrypt(bytes(response.body).decode())
        try:
            self._office.write(lambda tx: tx.run("end_idempotent", **self._key, status=status, body=body))
        except StoreError as error:  # it was done all the same, so that is what is answered
            log.error("an answer is not kept for its Idempotency-Key", why=str(error))

    def forget(self) -> None:
        """Let the same key be used again."""
        self._office.write(lambda tx: tx.run("drop_idempotent", **self._key))
