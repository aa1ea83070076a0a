"""AWS Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

from msgspec import Struct

from kaskad.providers.base import Request

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(Struct, frozen=True):
    """A key pair of AWS, with its token where it is a temporary one."""

    key_id: str
    secret: str
    token: str = ""


def signed(request: Request, by: Credentials, region: str, service: str, at: int) -> Request:
    """Return a request without query, signed at the instant `at` (milliseconds since 1970)."""
    stamp = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    url = urlsplit(request.url)
    added = {"X-Amz-Date": stamp, **({"X-Amz-Security-Token": by.token} if by.token else {})}
    headers = {**request.headers, **added}
    names, canonical = _canonical({**headers, "Host": url.netloc})
    asked = "\n".join(
        [
            request.method,
            quote(url.path or "/", safe="/-_.~"),
            "",  # the query
            canonical,
            names,
            sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    told = "\n".join([ALGORITHM, stamp, scope, sha256(asked.encode()).hexdigest()])
    signature = hmac.digest(_key(by.secret, stamp[:8], region, service), told.encode(), "sha256").hex()
    proof = f"{ALGORITHM} Credential={by.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return Request(request.method, request.url, {**headers, "Authorization": proof}, request.body)


def _canonical(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the names of the headers, and the headers, as they are signed."""
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    return ";".join(name for name, _ in lines), "".join(f"{name}:{value}\n" for name, value in lines)


def _key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
