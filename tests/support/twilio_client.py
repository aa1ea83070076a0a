"""Twilio's own client, led to the sandbox."""

from typing import Any
from urllib.parse import urlsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from kaskad.sandbox.serve import Sandbox
from kaskad.sandbox.servers.twilio import Keys

KEYS = Keys()


class Detour(TwilioHttpClient):
    """Twilio's own HTTP client, led to the sandbox."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def request(self, method: str, url: str, *more: Any, **named: Any) -> Response:
        return super().request(method, f"{self._base}{urlsplit(url).path}", *more, **named)


def client_of(sandbox: Sandbox, token: str = KEYS.token, path: str = "twilio") -> Client:
    return Client(KEYS.sid, token, http_client=Detour(f"{sandbox.http_url}/{path}"))
