"""HTTP as values: requests that we build or get, answers that we read, and what a status says by itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Struct, field

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason


class Request(Struct, frozen=True):
    """An HTTP request: one that we send, or a webhook that we got (header names in lower case there).

    `key` is what a webhook is signed with, where it only names that (`Provider.key_request`); `roots` a file
    with certificates (PEM) that are trusted for this request besides those of the system.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    key: bytes = b""
    roots: str = ""

    @classmethod
    def of_json(cls, url: str, value: Any, headers: Mapping[str, str] | None = None) -> Self:
        """Return a POST of `value` as JSON."""
        return cls("POST", url, {"Content-Type": "application/json", **(headers or {})}, encode(value))

    @classmethod
    def form(
        cls,
        method: str,
        url: str,
        fields: Mapping[str, str] | Sequence[tuple[str, str]],
        *,
        basic: tuple[str, str] | None = None,
    ) -> Self:
        """Return a request with form fields, and basic authentication where given.

        Pairs, where a name repeats.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic is not None:
            headers["Authorization"] = basic_auth(basic)
        return cls(method, url, headers, urlencode(fields).encode())

    @classmethod
    def multipart(
        cls, url: str, fields: Sequence[tuple[str, str]],
        files: Sequence[tuple[str, str, str, bytes]] = (), *, basic: tuple[str, str],
    ) -> Self:  # fmt: skip
        """Return a POST of form fields as parts (RFC 7578), with basic authentication.

        `files` are fields with the file's name, its media type and its content.
        """
        told = [(name.encode(), value.encode()) for name, value in fields]
        words = [part for pair in told for part in pair] + [content for *_, content in files]
        boundary = sha256(b"\0".join(words)).hexdigest()[:32].encode()
        pieces = [
            b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, name, value)
            for name, value in told
        ]
        named = b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
        pieces += [
            named % (boundary, field.encode(), _in_quotes(called))
            + b"Content-Type: %s\r\n\r\n%s\r\n" % (kind.encode(), content)
            for field, called, kind, content in files
        ]
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary.decode()}",
            "Authorization": basic_auth(basic),
        }
        return cls("POST", url, headers, b"".join(pieces) + b"--%s--\r\n" % boundary)

    def json(self) -> Any:
        """Return the body as JSON; raises ValueError where it is none."""
        return decode(self.body)

    def fields(self) -> dict[str, str]:
        """Return the fields of a form body; of repeated ones the last."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))

    def __repr__(self) -> str:
        """Return text without URL, headers and body: any of them may hold a secret."""
        return f"Request({self.method}, {len(self.body)} bytes)"


class Response(Struct, frozen=True, gc=False):
    """An HTTP answer; header names are looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body as JSON; raises SendError where it is none, unknown unless the status refuses."""
        try:
            return decode(self.body)
        except ValueError:
            raise status_error(self, "the answer is not JSON") from None


def basic_auth(pair: tuple[str, str]) -> str:
    """Return the value of the Authorization header for a user and a password (RFC 7617)."""
    return "Basic " + b64encode(":".join(pair).encode()).decode()


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def decode(data: bytes | str) -> Any:
    """Return a JSON value; raises ValueError for what is none, or is nested deeper than we can follow."""
    try:
        return _decode(data)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


STATUSES: Mapping[int, Reason] = {  # what an HTTP status says by itself, where a provider has no better word
    400: Reason.CONTENT,
    401: Reason.AUTH,
    402: Reason.AUTH,
    403: Reason.AUTH,
    404: Reason.AUTH,
    405: Reason.AUTH,
    407: Reason.AUTH,
    410: Reason.AUTH,
    413: Reason.CONTENT,
    415: Reason.AUTH,
    421: Reason.TRANSIENT,
    422: Reason.CONTENT,
    425: Reason.TRANSIENT,
    429: Reason.RATE_LIMITED,
}


def status_error(response: Response, detail: str = "", *, code: str = "") -> SendError:
    """Return the error that the status alone tells: only 4xx proves that nothing was accepted.

    408 does not: gateways answer it also where what stands behind them was late.

    Redirects are not followed: a 3xx is a wrong URL, so configuration.
    """
    status, wait = response.status, retry_after_ms(response)
    text = f"HTTP {status}" + (f": {detail}" if detail else "")
    if 300 <= status < 500 and status != 408:
        reason = STATUSES.get(status, Reason.AUTH if status < 400 else Reason.OTHER)
        return SendError(reason, text, code=code, retry_after_ms=wait)
    return SendError(Reason.AMBIGUOUS, text, code=code, retry_after_ms=wait, accepted=None)


def retry_after_ms(response: Response) -> int | None:
    """Return the wait of `Retry-After` (seconds, or a date against the answer's own `Date`); None: none."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text), 86_400) * 1000
    try:
        span = parsedate_to_datetime(text) - parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(0, min(int(span.total_seconds()), 86_400)) * 1000


def _in_quotes(name: str) -> bytes:
    """Return a file's name as browsers write it in forms (RFC 7578, 4.2)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").encode()
