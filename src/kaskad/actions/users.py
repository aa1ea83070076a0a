"""People who sign in: invited, given a role, shown out; their passwords and second factor."""

from __future__ import annotations

import secrets
from functools import cache
from threading import Semaphore

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.actions.roles import ROLES
from kaskad.domain.address import BadAddress, normalise_email
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.worded import worded
from kaskad.engine.clock import wall_ms
from kaskad.store import sessions as session_store
from kaskad.store import users as user_store
from kaskad.store.db import Transaction
from kaskad.store.users import User

LINK_LIFE_MS = 7 * 24 * 3_600_000
SHORTEST = 10
LONGEST = 200
CODES = 8
HALF_MINUTE_S = 30
COMMON = frozenset({"password", "qwertyuiop", "1234567890", "0123456789", "йцукенгшщз", "administrator"})


class Invited(Struct, frozen=True):
    """A user, and the address where they choose a password: it works once, within a week."""

    user: User
    link: str


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's figures for Argon2id


def listing(office: Office) -> list[User]:
    """Return everybody who may sign in or is invited."""
    with office.read() as tx:
        return user_store.all_users(tx)


def anybody(office: Office) -> bool:
    """Say whether somebody may sign in or is invited."""
    with office.read() as tx:
        return user_store.anybody(tx)


def find(office: Office, email: str) -> User:
    """Return a user by email; raises NotFound."""
    with office.read() as tx:
        return _named(tx, email)


def by_id(office: Office, user_id: int) -> User:
    """Return a user; raises NotFound."""
    with office.read() as tx:
        return user_store.by_id(tx, user_id)


def add(office: Office, email: str, name: str, role: str) -> Invited:
    """Invite somebody; raises Invalid, Conflict."""
    address = _checked(email, role)
    token, now = secrets.token_urlsafe(24), wall_ms()

    def change(tx: Transaction) -> User:
        if user_store.by_email(tx, address) is not None:
            raise Conflict(worded("%(address)s is among the people already.", address=address))
        user_id = user_store.add(tx, address, _name(name, address), role, now)
        user_store.add_link(tx, user_id, token, now, now + LINK_LIFE_MS)
        return user_store.by_id(tx, user_id)

    return Invited(office.write(change), _link(office, token))


def found(office: Office, email: str, name: str, password: str) -> User:
    """Make the first owner, who may sign in at once; raises Invalid, and Conflict where there are people."""
    address = _checked(email, "owner", check_password(password))
    kept, now = _hasher().hash(password), wall_ms()

    def change(tx: Transaction) -> User:
        if user_store.anybody(tx):
            raise Conflict(worded("There is an owner already: ask them for an invitation."))
        user_id = user_store.add(tx, address, _name(name, address), "owner", now)
        user_store.set_password(tx, user_id, kept)
        return user_store.by_id(tx, user_id)

    return office.write(change)


def set_role(office: Office, email: str, role: str) -> User:
    """Change what somebody may do, from their next request on; raises NotFound, Invalid, Conflict."""
    if role not in ROLES:
        raise Invalid(
            [worded("There is no role %(role)r: choose from %(known)s.", role=role, known=", ".join(ROLES))],
            ["/role"],
        )

    def change(tx: Transaction) -> User:
        user = _named(tx, email)
        if role != "owner":
            _keep_an_owner(tx, user)
        user_store.set_role(tx, user.id, role)
        return user_store.by_id(tx, user.id)

    return office.write(change)


def remove(office: Office, email: str) -> None:
    """Show somebody out: sessions end at once. Raises NotFound, Conflict for the last owner."""

    def change(tx: Transaction) -> None:
        user = _named(tx, email)
        _keep_an_owner(tx, user)
        user_store.remove(tx, user.id)

    office.write(change)


def reset(office: Office, email: str) -> Invited:
    """Return a link to choose a new password; the old one, the second factor and all sessions end at once."""
    token, now = secrets.token_urlsafe(24), wall_ms()

    def change(tx: Transaction) -> User:
        user = _named(tx, email)
        user_store.set_totp(tx, user.id, None, 0, ())
        user_store.set_password(tx, user.id, None)
        session_store.end_all(tx, user.id)
        user_store.add_link(tx, user.id, token, now, now + LINK_LIFE_MS)
        return user_store.by_id(tx, user.id)

    return Invited(office.write(change), _link(office, token))


def invited(office: Office, token: str) -> User | None:
    """Return whose link this is; None where it is none, was used, or has expired."""
    with office.read() as tx:
        return user_store.of_link(tx, token, wall_ms())


def accept(office: Office, token: str, password: str, name: str = "") -> User:
    """Use a link up and choose the password; raises NotFound for a link that opens nothing, Invalid."""
    if problems := check_password(password):
        raise Invalid(problems, ["/password"] * len(problems))
    kept, now = _hasher().hash(password), wall_ms()

    def change(tx: Transaction) -> User:
        user = user_store.of_link(tx, token, now)
        if user is None:
            raise NotFound(worded("This link has been used or has expired: ask for a new one."))
        user_store.drop_links(tx, user.id, now)
        user_store.set_password(tx, user.id, kept)
        if name.strip():
            user_store.set_name(tx, user.id, _name(name, user.email))
        return user_store.by_id(tx, user.id)

    return office.write(change)


def change_password(office: Office, user_id: int, old: str, new: str, session_id: int) -> None:
    """Change one's password; all other sessions end. Raises Invalid."""
    problems = check_password(new)
    pointers = ["/new"] * len(problems)
    with office.read() as tx:
        kept = user_store.secrets_of(tx, user_id).password
    if not is_password(kept, old):
        problems, pointers = [worded("This is not your password now."), *problems], ["/old", *pointers]
    if problems:
        raise Invalid(problems, pointers)
    made = _hasher().hash(new)

    def change(tx: Transaction) -> None:
        user_store.set_password(tx, user_id, made)
        session_store.end_all(tx, user_id, but=session_id)

    office.write(change)


def set_name(office: Office, user_id: int, name: str) -> None:
    """Change how a user is called; "" is the address's first part."""
    user = by_id(office, user_id)
    office.write(lambda tx: user_store.set_name(tx, user_id, _name(name, user.email)))


def set_manner(office: Office, user_id: int, language: str, theme: str) -> None:
    """Keep how a user wants pages."""
    office.write(lambda tx: user_store.set_manner(tx, user_id, language, theme))


def is_password(kept: str | None, given: str) -> bool:
    """Compare a password with a hash; takes as long where there is no hash."""
    try:
        with _turns():
            return _hasher().verify(kept or _nobodys(), given[:LONGEST]) and kept is not None
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _turns() -> Semaphore:
    """Return what lets two passwords be looked at at once: each takes 19 MiB and 20 ms of a core."""
    return Semaphore(2)


@cache
def _nobodys() -> str:
    return _hasher().hash(secrets.token_urlsafe(24))


def check_password(password: str) -> list[str]:
    """Return what is wrong with a new password."""
    if len(password) < SHORTEST:
        return [
            worded(
                "A password has at least %(shortest)s characters: several words are easy to keep in mind.",
                shortest=SHORTEST,
            )
        ]
    if len(password) > LONGEST:
        return [worded("A password has at most %(longest)s characters.", longest=LONGEST)]
    if password.lower() in COMMON or len(set(password)) < 4:
        return [worded("This password is guessed first: choose another.")]
    return []


def begin_totp() -> str:
    """Return a new secret for an app of codes; it is asked for once `set_totp` has seen a code of it."""
    return pyotp.random_base32()


def totp_address(secret: str, email: str) -> str:
    """Return the address by which an app of codes takes a secret."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="Kaskad")


def set_totp(office: Office, user_id: int, secret: str, code: str) -> tuple[str, ...]:
    """Ask for codes from now on, once one is shown to be right; return the recovery codes. Raises Invalid."""
    at = _half_minute(secret, code)
    if at is None:
        raise Invalid([worded("This code is not right: see that the clock of your phone is.")], ["/code"])
    codes = tuple(secrets.token_hex(5) for _ in range(CODES))
    kept = office.vault.encrypt(secret).decode()
    digests = tuple(user_store.digest(each).hex() for each in codes)
    office.write(lambda tx: user_store.set_totp(tx, user_id, kept, at, digests))
    return codes


def end_totp(office: Office, user_id: int, password: str) -> None:
    """Ask for no codes any more; raises Invalid for a wrong password."""
    with office.read() as tx:
        kept = user_store.secrets_of(tx, user_id).password
    if not is_password(kept, password):
        raise Invalid([worded("This is not your password.")], ["/password"])
    office.write(lambda tx: user_store.set_totp(tx, user_id, None, 0, ()))


def use_code(office: Office, user_id: int, secret: str, code: str) -> bool:
    """Use up a code of the app, or a recovery code; return whether it was right."""
    given = "".join(code.split()).lower()
    if (at := _half_minute(secret, given)) is not None:
        return office.write(lambda tx: user_store.use_totp(tx, user_id, at))
    return bool(given) and office.write(lambda tx: user_store.use_code(tx, user_id, given))


def _half_minute(secret: str, code: str) -> int | None:
    """Return of which half minute this is the code, one before or after now included; None: of none."""
    now = wall_ms() // 1000 // HALF_MINUTE_S
    totp = pyotp.TOTP(secret)
    return next(
        (at for at in (now, now - 1, now + 1) if totp.verify(code, for_time=at * HALF_MINUTE_S)), None
    )


def _checked(email: str, role: str, others: list[str] | None = None) -> str:
    """Return the address as it is kept; raises Invalid with every problem."""
    problems, pointers = list(others or ()), ["/password"] * len(others or ())
    try:
        address = normalise_email(email)
    except BadAddress as error:
        address = ""
        problems.append(str(error))
        pointers.append("/email")
    if role not in ROLES:
        problems.append(
            worded("There is no role %(role)r: choose from %(known)s.", role=role, known=", ".join(ROLES))
        )
        pointers.append("/role")
    if problems:
        raise Invalid(problems, pointers)
    return address


def _name(name: str, email: str) -> str:
    return " ".join(name.split())[:100] or email.partition("@")[0]


def _named(tx: Transaction, email: str) -> User:
    user = user_store.by_email(tx, email.strip().lower())
    if user is None:
        raise NotFound(
            worded("Nobody here has the address %(email)s: `kaskad user list` shows the people.", email=email)
        )
    return user


def _keep_an_owner(tx: Transaction, user: User) -> None:
    if user.role == "owner" and user.active and not user_store.other_owners(tx, user.id):
        raise Conflict(
            worded("%(email)s is the last owner: make somebody else an owner first.", email=user.email)
        )


def _link(office: Office, token: str) -> str:
    return f"{office.base_url.rstrip('/')}/invitation?token={token}"
