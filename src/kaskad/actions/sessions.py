"""Browsers that are signed in: begun by a password, a key or a link; ended by hand, by time, by changes."""

from __future__ import annotations

import secrets
from hashlib import sha256

from msgspec import Struct

from kaskad.actions import users
from kaskad.actions.office import Office
from kaskad.domain.errors import KaskadError
from kaskad.domain.worded import worded
from kaskad.engine.clock import wall_ms
from kaskad.store import keys as key_store
from kaskad.store import sessions as session_store
from kaskad.store import users as user_store
from kaskad.store.db import Transaction
from kaskad.store.sessions import Place, Session

LIFE_MS = 30 * 24 * 3_600_000
IDLE_MS = 3 * 24 * 3_600_000
SEEN_MS = 300_000  # how exactly it is known when a session was used last
WINDOW_MS = 15 * 60_000
PER_ACCOUNT = 8  # wrong passwords within the window; then nobody is let in, right or not
PER_ADDRESS = 40


class Who(Struct, frozen=True):
    """A browser, for the list of sessions and for counting who tries."""

    address: str
    agent: str = ""


class TooOften(KaskadError):
    """Too many wrong passwords: `wait_s` seconds are to be waited."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(worded("Too many attempts: wait %(max)s minutes.", max=max(1, wait_s // 60)))
        self.wait_s = wait_s


def begin(
    office: Office, who: Who, *, user_id: int | None = None, key_id: int | None = None, name: str
) -> str:
    """Sign a browser in; return the token that it shows from now on."""
    token, now = secrets.token_urlsafe(32), wall_ms()

    def change(tx: Transaction) -> None:
        session_store.end_old(tx, now, now - IDLE_MS)
        session_store.add(
            tx, token, user_id=user_id, key_id=key_id, name=name, address=who.address[:64],
            agent=who.agent[:300], now=now, until=now + LIFE_MS,
        )  # fmt: skip

    office.write(change)
    return token


def find(office: Office, token: str) -> Session | None:
    """Return what a browser's token opens; None where the session, its user or its key has ended."""
    if not token or len(token) > 100:
        return None
    now = wall_ms()
    with office.read() as tx:
        session = session_store.find(tx, token, now, now - IDLE_MS)
        if session is None or (session.key_id and key_store.by_id(tx, session.key_id) is None):
            return None
    if now - session.seen_at > SEEN_MS:
        office.write(lambda tx: session_store.see(tx, session.id, now))
    return session


def end(office: Office, session_id: int) -> None:
    """Sign a browser out."""
    office.write(lambda tx: session_store.end(tx, session_id))


def end_one(office: Office, user_id: int, session_id: int) -> bool:
    """Sign one of a user's browsers out; return False where it is none of theirs."""
    return office.write(lambda tx: session_store.end_of(tx, session_id, user_id))


def listing(office: Office, user_id: int) -> list[Place]:
    """Return where a user is signed in."""
    now = wall_ms()
    with office.read() as tx:
        return session_store.of_user(tx, user_id, now, now - IDLE_MS)


def sign_in(office: Office, email: str, password: str, who: Who) -> tuple[int, bool] | None:
    """Return the user's id and whether a code is asked for next; None where that is nobody's password.

    Raises TooOften.
    """
    account = email.strip().lower()
    attempt = Attempt.of(office, account, who)
    with office.read() as tx:
        user = user_store.by_email(tx, account)
        kept = None if user is None else user_store.secrets_of(tx, user.id)
    if not users.is_password(kept.password if kept else None, password) or user is None:
        return None
    if not user.has_totp:
        attempt.succeeded(office)
    return user.id, user.has_totp


def second_factor(office: Office, user_id: int, code: str, who: Who) -> bool:
    """Use a code of the app or a recovery code up; return whether it was right. Raises TooOften, NotFound."""
    with office.read() as tx:
        user = user_store.by_id(tx, user_id)
        kept = user_store.secrets_of(tx, user_id)
    attempt = Attempt.of(office, user.email, who)
    secret = office.vault.decrypt((kept.totp or "").encode(), str) if kept.totp else ""
    if not users.use_code(office, user_id, secret, code):
        return False
    attempt.succeeded(office)
    return True


class Attempt(Struct, frozen=True):
    """One try to sign in: it counts as a failure from its beginning, so that tries at once count too."""

    account: str
    address: str
    at: int

    @classmethod
    def of(cls, office: Office, account: str, who: Who) -> Attempt:
        """Count a try; raises TooOften where there were too many before."""
        now = wall_ms()
        made = cls(_subject("account", account), _subject("address", who.address), now)

        def change(tx: Transaction) -> int:
            for subject, most in ((made.account, PER_ACCOUNT), (made.address, PER_ADDRESS)):
                failed, first = session_store.failures(tx, subject, now - WINDOW_MS)
                if failed >= most:
                    return (first + WINDOW_MS - now) // 1000 + 1
            session_store.fail(tx, [made.account, made.address], now, now - WINDOW_MS)
            return 0

        if wait_s := office.write(change):
            raise TooOften(wait_s)
        return made

    def succeeded(self, office: Office) -> None:
        """Forget the account's failures, and this try of the address."""

        def change(tx: Transaction) -> None:
            session_store.forgive(tx, self.account)
            session_store.forgive(tx, self.address, self.at)

        office.write(change)


def _subject(kind: str, name: str) -> str:
    """Return a name that tells nobody what was typed: it may have been a password in the wrong field."""
    return sha256(f"{kind}\0{name}".encode()).hexdigest()[:32]
