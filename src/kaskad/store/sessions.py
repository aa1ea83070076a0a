"""Tables `sessions` and `sign_in_failures`: which browsers are signed in, and who tried in vain."""

from __future__ import annotations

from msgspec import Struct

from kaskad.store.db import Transaction
from kaskad.store.users import digest


class Session(Struct, frozen=True):
    """A browser that is signed in: as a user, with a key, or (neither) by a link of the command line."""

    id: int
    user_id: int | None
    key_id: int | None
    name: str
    seen_at: int
    email: str = ""
    full_name: str = ""
    role: str = ""
    language: str = ""
    theme: str = ""


class Place(Struct, frozen=True):
    """A session as its user sees it."""

    id: int
    address: str
    agent: str
    created_at: int
    seen_at: int


def add(
    tx: Transaction, token: str, *, user_id: int | None, key_id: int | None, name: str, address: str,
    agent: str, now: int, until: int,
) -> None:  # fmt: skip
    """Let the holder of `token` be signed in."""
    tx.run(
        "add_session", hash=digest(token), user=user_id, key=key_id, name=name, address=address, agent=agent,
        now=now, until=until,
    )  # fmt: skip


def find(tx: Transaction, token: str, now: int, idle: int) -> Session | None:
    """Return what a token opens; None where it has ended, or was last seen before `idle`."""
    row = tx.one("session", hash=digest(token), now=now, idle=idle)
    if row is None:
        return None
    return Session(*row[:5], *(value or "" for value in row[5:]))


def of_user(tx: Transaction, user_id: int, now: int, idle: int) -> list[Place]:
    """Return where a user is signed in, the last seen first."""
    return [Place(*row) for row in tx.all("sessions_of", user=user_id, now=now, idle=idle)]


def see(tx: Transaction, session_id: int, now: int) -> None:
    """Note that a session is used."""
    tx.run("see_session", id=session_id, now=now)


def end(tx: Transaction, session_id: int) -> None:
    """End a session."""
    tx.run("end_session", id=session_id)


def end_of(tx: Transaction, session_id: int, user_id: int) -> bool:
    """End a session of this user; return False where it is none of theirs."""
    return bool(tx.run("end_session_of", id=session_id, user=user_id))


def end_all(tx: Transaction, user_id: int, but: int = 0) -> None:
    """End all sessions of a user but one."""
    tx.run("end_sessions_of", user=user_id, but=but)


def end_old(tx: Transaction, now: int, idle: int) -> None:
    """Forget sessions that have ended by themselves."""
    tx.run("end_old_sessions", now=now, idle=idle)


def failures(tx: Transaction, subject: str, since: int) -> tuple[int, int]:
    """Return how often a subject failed since then, and when first (0: never)."""
    row = tx.one("sign_in_failures", subject=subject, since=since)
    return (0, 0) if row is None else (row[0], row[1] or 0)


def fail(tx: Transaction, subjects: list[str], now: int, forget_before: int) -> None:
    """Note a failure of each subject."""
    tx.run("drop_old_sign_in_failures", before=forget_before)
    for subject in subjects:
        tx.run("add_sign_in_failure", subject=subject, at=now)


def forgive(tx: Transaction, subject: str, at: int = -1) -> None:
    """Forget a subject's failures, or those of one instant."""
    tx.run("forgive_sign_in_failures", subject=subject, at=at)
