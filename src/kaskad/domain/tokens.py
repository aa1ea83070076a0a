"""Signed texts that come back to us: references at providers, tracked links, pixels, unsubscribing.

A token is base64url(key id ‖ ids ‖ HMAC-SHA256 cut to 80 bits). Each purpose has a key of its own, so
that a token made for one is worth nothing for another. Keys rotate: the first signs, all are read.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from contextlib import suppress

MAC_BYTES = 10
HOUR_MS = 3_600_000
PIXEL = -1
HONEYPOT = -2
BEACON = -3  # a page of the shop was shown to whoever has clicked
FORM = -4  # … and they have sent a form there
MAX_LINK = 253  # link indexes are kept as one byte, the pixel and the honeypot below them
MAX_STEP = 255
HIDDEN = "\u2022"  # what is shown in place of a secret
SHORT = 11  # characters of a short link: 65 bits
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class BadToken(ValueError):
    """A token that is not ours, has been changed, belongs to another purpose, or has expired."""


class Signer:
    """Makes and reads tokens under `keys`, pairs of a key id (0 to 255) and a secret, newest first."""

    def __init__(self, keys: Sequence[tuple[int, bytes]]) -> None:
        if not keys:
            raise ValueError("a signer needs a key: add one to the settings")
        for key_id, secret in keys:
            if not 0 <= key_id <= 255:
                raise ValueError(f"key id {key_id} is not between 0 and 255")
            if len(secret) < 16:
                raise ValueError(f"the secret of key {key_id} has under 16 bytes")
        (
            self._reference,
            self._link,
            self._open,
            self._unsubscribe,
            self._session,
            self._page,
            self._confirm,
            self._file,
            self._short,
            self._code,
        ) = (
            {key_id: _Key(hmac.digest(secret, b"kaskad 1 " + purpose, "sha256")) for key_id, secret in keys}
            for purpose in (
                b"reference",
                b"link",
                b"open",
                b"unsubscribe",
                b"session",
                b"page",
                b"confirm",
                b"file",
                b"short",
                b"code",
            )
        )
        self._head = keys[0][0]
        self.keys = list(keys)  # for another process that is to read what this one signs

    def reference(self, contact_id: int, run_id: int, step: int, account_id: int) -> str:
        """Return what the provider of an account knows a message by; it never expires.

        It is worth nothing from another account: who holds the secret of one webhook can't speak for others.
        """
        return self.references(step, account_id)(contact_id, run_id)

    def references(self, step: int, account_id: int) -> Callable[[int, int], str]:
        """Return what makes references for (contact_id, run_id): of many messages of a step by one account.

        In one piece, without a call for `_ids`, `_Key.mac` and `_text` each: half of the time.
        """
        about, head = _account(account_id), self._head
        key = self._reference[head]
        begin, end = key.inner.copy, key.outer.copy

        def reference(contact_id: int, run_id: int) -> str:
            if contact_id < 0 or run_id < 0 or not 0 <= step <= MAX_STEP:
                raise _unfit(contact_id, run_id, step)
            contact, run = contact_id.bit_length() + 7 >> 3, run_id.bit_length() + 7 >> 3
            packed = (((head << 4 | contact) << 4 | run) << 8 * contact | contact_id) << 8 * run | run_id
            body = (packed << 8 | step).to_bytes(contact + run + 3, "big")
            inner, outer = begin(), end()
            inner.update(body + about)
            outer.update(inner.digest())
            mac = outer.digest()[:MAC_BYTES]
            return b2a_base64(body + mac, newline=False).translate(_TO_URL, b"=").decode("ascii")

        return reference

    def read_reference(self, text: str, account_id: int) -> tuple[int, int, int]:
        """Return (contact_id, run_id, step) as the account's provider may tell them; raises BadToken."""
        return _read_ids(self._open_up(self._reference, text, _account(account_id)), tail=0)

    def link(self, contact_id: int, run_id: int, step: int, index: int, expires_at: int) -> str:
        """Return the token of a message's link; it holds until the end of the hour of `expires_at`."""
        tail = (index + 2 << 24) + -(-expires_at // HOUR_MS)
        return self._sign(self._link, _ids(contact_id, run_id, step) + tail.to_bytes(4, "big"))

    def read_link(self, text: str, now: int) -> tuple[int, int, int, int]:
        """Return (contact_id, run_id, step, index); raises BadToken, also for an expired token."""
        body = self._open_up(self._link, text)
        if int.from_bytes(body[-3:], "big") * HOUR_MS < now:
            raise BadToken("the link has expired")
        return *_read_ids(body, tail=4), body[-4] - 2

    def short(self, contact_id: int, run_id: int, step: int, index: int, expires_at: int) -> str:
        """Return the code of a short link; what it stands for is a row of table `short_links`.

        It is made of what the long token says, so that a message that is written again has the same.
        """
        body = _ids(contact_id, run_id, step) + f"{index} {expires_at}".encode()
        rest, code = int.from_bytes(self._short[self._head].mac(body), "big"), ""
        for _ in range(SHORT):
            rest, digit = divmod(rest, 62)
            code += _BASE62[digit]
        return code

    def pixel(self, contact_id: int, run_id: int, step: int) -> str:
        """Return the token of a message's open pixel; it never expires."""
        return self._sign(self._open, _ids(contact_id, run_id, step))

    def read_pixel(self, text: str) -> tuple[int, int, int]:
        """Return (contact_id, run_id, step); raises BadToken."""
        return _read_ids(self._open_up(self._open, text), tail=0)

    def unsubscribe(self, contact_id: int, run_id: int, step: int) -> str:
        """Return the token of a message's unsubscribe link; by law and by us it never expires."""
        return self._sign(self._unsubscribe, _ids(contact_id, run_id, step))

    def read_unsubscribe(self, text: str) -> tuple[int, int, int]:
        """Return (contact_id, run_id, step); raises BadToken."""
        return _read_ids(self._open_up(self._unsubscribe, text), tail=0)

    def page(self, contact_id: int, run_id: int, step: int, expires_at: int) -> str:
        """Return the token by which a shop's page says that a click has come; it holds like a link's."""
        tail = (BEACON + 4 << 24) + -(-expires_at // HOUR_MS)
        return self._sign(self._page, _ids(contact_id, run_id, step) + tail.to_bytes(4, "big"))

    def read_page(self, text: str, now: int) -> tuple[int, int, int]:
        """Return (contact_id, run_id, step); raises BadToken, also for an expired token."""
        body = self._open_up(self._page, text)
        if int.from_bytes(body[-3:], "big") * HOUR_MS < now:
            raise BadToken("the page's token has expired")
        return _read_ids(body, tail=4)

    def confirm(self, sign_up_id: int, requested_at: int) -> str:
        """Return the token by which who was asked confirms a sign-up; the sign-up itself has an end.

        The instant is part of it: SQLite gives the number of a request that was forgotten to a later one.
        """
        return self._sign(self._confirm, _ids(sign_up_id, requested_at, 0))

    def read_confirm(self, text: str) -> tuple[int, int]:
        """Return (sign_up_id, requested_at); raises BadToken."""
        return _read_ids(self._open_up(self._confirm, text), tail=0)[:2]

    def code(self, sign_up_id: int, requested_at: int, digits: int) -> str:
        """Return the code by which who was asked by a phone confirms a sign-up; it is kept nowhere."""
        return _code(self._code[self._head], sign_up_id, requested_at, digits)

    def is_code(self, text: str, sign_up_id: int, requested_at: int, digits: int) -> bool:
        """Say whether it is the code of a sign-up."""
        codes = [_code(key, sign_up_id, requested_at, digits) for key in self._code.values()]
        return any(hmac.compare_digest(text.encode(), code.encode()) for code in codes)

    def has_made(self, text: str) -> bool:
        """Say whether it is a token that opens something to whoever holds it."""
        for keys in (self._link, self._open, self._unsubscribe, self._page, self._confirm, self._file):
            with suppress(BadToken):
                self._open_up(keys, text)
                return True
        return False

    def file(self, contact_id: int, run_id: int, step: int, file_id: int, expires_at: int) -> str:
        """Return the token of a file that a message links to; it holds until the end of the hour."""
        tail = (file_id << 24) + -(-expires_at // HOUR_MS)
        return self._sign(self._file, _ids(contact_id, run_id, step) + tail.to_bytes(7, "big"))

    def read_file(self, text: str, now: int) -> int:
        """Return the file's id; raises BadToken, also for an expired token."""
        body = self._open_up(self._file, text)
        _read_ids(body, tail=7)
        if int.from_bytes(body[-3:], "big") * HOUR_MS < now:
            raise BadToken("the link has expired")
        return int.from_bytes(body[-7:-3], "big")

    def session(self, told: bytes) -> str:
        """Return the token of a browser's session; whoever has it can read `told`, nobody change it."""
        return self._sign(self._session, told)

    def read_session(self, text: str) -> bytes:
        """Return what a session's token tells; raises BadToken."""
        return self._open_up(self._session, text)[1:]

    def _sign(self, keys: dict[int, _Key], ids: bytes, about: bytes = b"") -> str:
        """Return the token; `about` is signed with it, and must be known to read it."""
        body = _BYTE[self._head] + ids
        return _text(body + keys[self._head].mac(body + about))

    def _open_up(self, keys: dict[int, _Key], text: str, about: bytes = b"") -> bytes:
        try:
            raw = text.encode("ascii")
            data = a2b_base64(raw.translate(_FROM_URL) + b"=" * (-len(raw) % 4))
        except (UnicodeEncodeError, NotBase64):
            raise BadToken("not a token") from None
        # base64 has several spellings of the same bytes; only the one that we make counts
        if len(data) <= MAC_BYTES or _text(data) != text:
            raise BadToken("not a token")
        body = data[:-MAC_BYTES]
        key = keys.get(body[0])
        if key is None or not hmac.compare_digest(key.mac(body + about), data[-MAC_BYTES:]):
            raise BadToken("the signature is not ours")
        return body


_BYTE = [bytes((n,)) for n in range(256)]


class _Key:
    """HMAC-SHA256 (RFC 2104) with both pads hashed once: 1 µs a token, where `hmac.digest` takes 2.5."""

    def __init__(self, secret: bytes) -> None:
        block = secret.ljust(64, b"\0")
        self.inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self.outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def mac(self, body: bytes) -> bytes:
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return outer.digest()[:MAC_BYTES]


def _text(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


def _code(key: _Key, sign_up_id: int, requested_at: int, digits: int) -> str:
    number = int.from_bytes(key.mac(_ids(sign_up_id, requested_at, 0)), "big") % 10**digits
    return f"{number:0{digits}}"


def _account(account_id: int) -> bytes:
    return account_id.to_bytes(8, "big")


def _ids(contact_id: int, run_id: int, step: int) -> bytes:
    """Return the ids in as few bytes as they need: the sizes of the first two, then each, then the step."""
    if contact_id < 0 or run_id < 0 or not 0 <= step <= MAX_STEP:
        raise _unfit(contact_id, run_id, step)
    contact, run = (contact_id.bit_length() + 7) // 8, (run_id.bit_length() + 7) // 8
    packed = ((((contact << 4) | run) << (8 * contact) | contact_id) << (8 * run) | run_id) << 8 | step
    return packed.to_bytes(contact + run + 2, "big")


def _unfit(contact_id: int, run_id: int, step: int) -> ValueError:
    return ValueError(f"cannot sign contact {contact_id}, run {run_id}, step {step}")


def _read_ids(body: bytes, *, tail: int) -> tuple[int, int, int]:
    contact, run = body[1] >> 4, body[1] & 15
    if len(body) != contact + run + 3 + tail:
        raise BadToken("not a token of this purpose")
    middle = 2 + contact
    ids = int.from_bytes(body[2:middle], "big"), int.from_bytes(body[middle : middle + run], "big")
    return *ids, body[middle + run]
