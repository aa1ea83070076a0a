"""Who calls, and what they may do: bearer keys with scopes."""

from __future__ import annotations

import hmac
import time
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from msgspec import Struct

from kaskad.actions import sessions
from kaskad.actions.keys import ALL
from kaskad.actions.office import Office
from kaskad.actions.roles import scopes_of
from kaskad.domain.errors import KaskadError
from kaskad.engine.clock import wall_ms
from kaskad.store import keys as key_store
from kaskad.store.sessions import Session

REMEMBER_S = 2.0  # so long may a key that another process has revoked still work
REMEMBERED = 10_000
USED_MS = 300_000  # how exactly it is known when a key was used last
SESSION_COOKIE = "kaskad_session"
TOKEN_HEADER = "x-csrf-token"


class Caller(Struct, frozen=True):
    """Who called."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or ALL in self.scopes


class Unknown(KaskadError):
    """No key was given, or one that opens nothing."""


class Forbidden(KaskadError):
    """The key does not open this."""


class Keys:
    """Tells who holds a key. What the database said is remembered for a moment.

    Without an office only the key of the settings opens anything.
    """

    def __init__(self, office: Office | None, own_key: str) -> None:
        self._office = office
        self._own = {"settings": own_key, "local": office.local_key if office else ""}
        self._known: dict[bytes, tuple[float, Caller | None]] = {}

    def caller(self, authorization: str) -> Caller:
        """Return who sends this `Authorization` header; raises Unknown."""
        scheme, _, given = authorization.partition(" ")
        key = given.strip()
        found = self._find(key) if scheme.lower() == "bearer" and key else None
        if found is None:
            raise Unknown(
                "This key opens nothing: it is mistyped, or was revoked; `kaskad key list` shows which do."
                if key
                else "Send a key as a bearer token: `kaskad key create` makes one."
            )
        return found

    def check(self, authorization: str, scope: str) -> Caller:
        """Return who calls, if they may do this; raises Unknown, Forbidden."""
        caller = self.caller(authorization)
        if not caller.may(scope):
            raise Forbidden(f"This key does not open this: it needs the scope {scope}.")
        return caller

    def forget(self) -> None:
        """Ask the database again: keys were changed here."""
        self._known.clear()

    def _find(self, key: str) -> Caller | None:
        for name, own in self._own.items():
            if own and hmac.compare_digest(key.encode(), own.encode()):
                return Caller(name, frozenset({ALL}))
        if self._office is None:
            return None
        digest, now = key_store.digest(key), time.monotonic()
        until, caller = self._known.get(digest, (0.0, None))
        if now >= until:
            with self._office.read() as tx:
                kept = key_store.find(tx, key)
            caller = None if kept is None else Caller(kept.name, kept.scopes)
            if kept is not None and wall_ms() - (kept.used_at or 0) > USED_MS:
                self._office.engine.write(partial(key_store.use, key_id=kept.id, now=wall_ms()))  # by and by
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[digest] = (now + REMEMBER_S, caller)
        return caller


_bearer = HTTPBearer(auto_error=False, description="A key of `kaskad key create`.")


def office_of(request: Request) -> Office:
    """Return the installation that the request came to."""
    office: Office = request.app.state.office
    return office


def may(scope: str) -> Any:
    """Return the dependency of a route that needs `scope`; raises Unknown, Forbidden."""

    def check(request: Request, _: Annotated[object, Depends(_bearer)]) -> Caller:
        caller = asking(request)
        if not caller.may(scope):
            raise Forbidden(f"This needs the scope {scope}, which {caller.name} does not have.")
        request.state.caller = caller  # for the audit
        return caller

    return Depends(check)


def asking(request: Request) -> Caller:
    """Return who asks the API: by a bearer key, or our page by its session. Raises Unknown, Forbidden."""
    keys: Keys = request.app.state.keys
    authorization = request.headers.get("authorization", "")
    token = request.cookies.get(SESSION_COOKIE, "")
    if authorization or not token:
        return keys.caller(authorization)
    if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), csrf_of(token).encode()):
        raise Forbidden(
            "A session opens the API to pages of its own only: send X-CSRF-Token, or a bearer key."
        )
    office = office_of(request)
    session = sessions.find(office, token)
    caller = None if session is None else caller_in(office, session)
    if caller is None:
        raise Unknown("This session has ended: sign in again.")
    return caller


def caller_in(office: Office, session: Session) -> Caller | None:
    """Return who is signed in by this session and what they may do; None where its key has ended."""
    if session.user_id is not None:
        return Caller(session.email, scopes_of(session.role))
    if session.key_id is None:  # who starts the server may do everything
        return Caller(session.name, frozenset({ALL}))
    with office.read() as tx:
        key = key_store.by_id(tx, session.key_id)
    return None if key is None else Caller(key.name, key.scopes)


def csrf_of(token: str) -> str:
    """Return what a session's forms hold: who can read a page can send them, another site cannot."""
    return sha256(f"csrf {token}".encode()).hexdigest()[:32]


def caller_of(request: Request) -> Caller | None:
    """Return whom `may` has let in with this request, or None where it was not asked."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return caller


InOffice = Annotated[Office, Depends(office_of)]
