"""Secrets at rest: what accounts know is kept encrypted, under a key that is not in the database.

The key is the setting `secret_key`, or where none is given a file that only its owner can read.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kaskad.domain.errors import Invalid, StoreError, Unavailable

T = TypeVar("T")
SHORTEST = 32
OTHERS_MAY = 0o077


class Vault:
    """Encrypts under the first key and reads what any of the keys wrote, so that keys can be changed."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or any(len(key) < SHORTEST for key in keys):
            raise Invalid([f"A secret key must have at least {SHORTEST} characters."])
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in keys])

    def __repr__(self) -> str:
        return "Vault()"

    def encrypt(self, values: object) -> bytes:
        """Return the token of anything that JSON can hold."""
        return self._fernet.encrypt(msgspec.json.encode(values))

    def decrypt(self, token: bytes, kind: type[T]) -> T:
        """Return what the token holds; raises StoreError when it was written under another key."""
        try:
            return msgspec.json.decode(self._fernet.decrypt(token), type=kind)
        except InvalidToken:
            raise StoreError(
                "The secrets in this database were encrypted under another key: set secret_key to that key, "
                "or to the new and the old one, separated by a comma."
            ) from None

    def rotate(self, token: bytes) -> bytes:
        """Return the same secret under the first key."""
        try:
            return self._fernet.rotate(token)
        except InvalidToken:
            raise StoreError("A secret was encrypted under a key that is not among those given.") from None


def open_vault(secret_key: str, file: Path) -> Vault:
    """Return the vault of the keys in `secret_key`, or of those in `file`, which is made at first use.

    Several keys are separated by commas or lines, the current one first.
    Raises Unavailable for a file that others can read.
    """
    return Vault((secret_key or _from_file(file)).replace(",", " ").split())


def key_file(database: str, config: Path | None = None) -> Path:
    """Return where the key is kept: beside an SQLite file, or in the folder of settings for PostgreSQL."""
    if database.startswith(("postgresql:", "postgres:")):
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return (config or Path(home) / "kaskad") / "secret.key"
    return Path(f"{database.removeprefix('sqlite:')}.key")


def keyed_hash(key: bytes, kind: str, value: str) -> bytes:
    """Return 16 bytes that only the holder of `key` can compute: a stop-list without addresses."""
    return blake2b(f"{kind}\0{value}".encode(), key=key, digest_size=16).digest()


def _from_file(file: Path) -> str:
    try:
        if not file.exists():
            _create(file)
        if file.stat().st_mode & OTHERS_MAY:
            raise Unavailable(f"Others can read {file}: `chmod 600 {file}`, then change the key.")
        return file.read_text("ascii")
    except OSError as error:
        raise Unavailable(
            f"The key file {file} cannot be used ({error.strerror}): set secret_key instead."
        ) from None


def _create(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secrets.token_urlsafe(SHORTEST) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        os.link(draft, file)  # unlike a rename this never replaces the key of a program that was faster
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _derived(key: str) -> bytes:
    whole = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"kaskad vault").derive(key.encode())
    return base64.urlsafe_b64encode(whole)
