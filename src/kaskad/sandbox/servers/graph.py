"""What Meta's services share: the Graph API's way to refuse, its tokens, and its signed webhooks.

https://developers.facebook.com/docs/graph-api/guides/error-handling
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kaskad.sandbox.server import Server, Site
from kaskad.sandbox.wire import Outgoing

DAY_MS = 86_400_000
DELIVERED_MS = 1_000


class Refused(Exception):
    """The Graph API's answer to what it does not do."""

    def __init__(self, status: int, code: int, message: str, details: str = "", subcode: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details, self.subcode = details, subcode

    def response(self) -> JSONResponse:
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {self.message}", "type": "OAuthException", "code": self.code,
            "fbtrace_id": "sandbox",
        }  # fmt: skip
        if self.subcode:
            error["error_subcode"] = self.subcode
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        return JSONResponse({"error": error}, self.status)


class Graph(Server):
    """A server with one access token and one app secret."""

    access_token = ""
    app_secret = ""
    webhook_object = ""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.addresses: list[str] = []  # that have answered the challenge

    def authorise(self, request: Request, number: str, *ours: str) -> None:
        """Raise Refused unless the token is right, and the number one of `ours`."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = given or request.query_params.get("access_token", "")
        if not hmac.compare_digest(given.encode(), self.access_token.encode()):
            raise Refused(401, 190, "Invalid OAuth access token.")
        if number not in ours:
            words = f"Unsupported request. Object with ID '{number}' does not exist or cannot be loaded"
            raise Refused(400, 100, words, subcode=33)

    @staticmethod
    async def told(request: Request) -> dict[str, Any]:
        """Return the JSON of a request; raises Refused where it is none."""
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(400, 100, "The request's body is not a JSON object")
        return body

    async def try_address(self, told: Mapping[str, Any]) -> None:
        """Raise Refused unless the address answers Meta's challenge.

        https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests
        """
        url, challenge = str(told.get("override_callback_uri", "")), str(secrets.randbelow(1 << 31))
        token = str(told.get("verify_token", ""))
        asked = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
        answer = await self.outbox.call(Outgoing("GET", f"{url}?{urlencode(asked)}"))
        if answer.body.decode(errors="replace") != challenge:
            raise Refused(400, 2200, f"Callback verification failed: HTTP Status Code = {answer.status}")
        self.addresses.append(url)

    def tell_kaskad(self, entry: Mapping[str, Any]) -> None:
        """Send a webhook of one entry, signed with the app's secret."""
        if self.hook:
            body = json.dumps({"object": self.webhook_object, "entry": [entry]}).encode()
            self.report(lambda good: self._hook(body, good))

    def _hook(self, body: bytes, good: bool) -> Outgoing:
        secret = self.app_secret if good else "another"
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
        return Outgoing("POST", self.hook, headers, body)


async def refusing(work: Any) -> Response:
    """Return what `work` answers, or its refusal."""
    try:
        answer: Response = await work
    except Refused as refused:
        return refused.response()
    return answer
