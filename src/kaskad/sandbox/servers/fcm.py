"""Firebase Cloud Messaging, HTTP v1, with the token endpoint of Google's service accounts.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import PUSH
from kaskad.sandbox.server import Place, Site
from kaskad.sandbox.servers.pushing import PushService, Reported, from_base64url

PROJECT = "sandbox-only"
CLIENT = "push@sandbox-only.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
TOKEN_S = 3600
LARGEST = 4096  # bytes of notification and data
# The primes of a key that protects nothing: all is on this machine.
P = int(
    "f75250c9994cb736dcc3d9d61f817810974b8956647c9539e5aaea4fa75faeaf"
    "3d298f243712da31f5975d50a3352b146f9937e4eaaf5158fa9023f0b464427f",
    16,
)
Q = int(
    "ee2b7e7cf8d6083298342d081e3c1119a3e4eaf15fc6b95b344093c0372215f2"
    "78288a7fa6680dc4db91c89f53848a7145593e3d64cef9ed37413bc62649f02d",
    16,
)


def _private_key() -> rsa.RSAPrivateKey:
    public, d = 65_537, pow(65_537, -1, (P - 1) * (Q - 1))
    numbers = rsa.RSAPrivateNumbers(
        P, Q, d, rsa.rsa_crt_dmp1(d, P), rsa.rsa_crt_dmq1(d, Q), rsa.rsa_crt_iqmp(P, Q),
        rsa.RSAPublicNumbers(public, P * Q),
    )  # fmt: skip
    return numbers.private_key()


class Keys(Struct, frozen=True):
    """The one client."""

    project: str = PROJECT
    client: str = CLIENT

    def service_account(self, url: str) -> str:
        """Return the file of the service account, whose tokens are given at `url`."""
        pem = _private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        told = {
            "type": "service_account", "project_id": self.project, "private_key_id": "sandbox",
            "private_key": pem.decode(), "client_email": self.client, "token_uri": f"{url}/token",
        }  # fmt: skip
        return msgspec.json.encode(told).decode()


# What is known of a message: other fields are refused, as there


class _Notification(Struct, forbid_unknown_fields=True):
    title: str = ""
    body: str = ""
    image: str = ""


class _AndroidNotification(Struct, forbid_unknown_fields=True):
    tag: str = ""
    channelId: str = ""  # noqa: N815


class _Android(Struct, forbid_unknown_fields=True):
    priority: Literal["NORMAL", "HIGH"] = "NORMAL"
    ttl: str = "2419200s"
    notification: _AndroidNotification = field(default_factory=_AndroidNotification)


class _Apns(Struct, forbid_unknown_fields=True):
    headers: dict[str, str] = {}
    payload: dict[str, dict[str, str | int]] = {}


class _WebOptions(Struct, forbid_unknown_fields=True):
    link: str = ""


class _Web(Struct, forbid_unknown_fields=True):
    headers: dict[str, str] = {}
    fcmOptions: _WebOptions = field(default_factory=_WebOptions)  # noqa: N815


class _Message(Struct, forbid_unknown_fields=True):
    token: str
    notification: _Notification = field(default_factory=_Notification)
    data: dict[str, str] = {}
    android: _Android = field(default_factory=_Android)
    apns: _Apns = field(default_factory=_Apns)
    webpush: _Web = field(default_factory=_Web)


class _Asked(Struct, forbid_unknown_fields=True):
    message: _Message
    validate_only: bool = field(default=False, name="validateOnly")


class _Claims(Struct):
    iss: str
    scope: str
    aud: str
    iat: int
    exp: int


class Fcm(PushService):
    """`/token` and `/v1/projects/{project}/messages:send`."""

    name = "fcm"
    provider = "fcm"
    account = "app"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._public = _private_key().public_key()
        self._tokens: set[str] = set()

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        url = cls.url(place)
        return {
            "base_url": url, "service_account": place.keys(Keys).service_account(url), "title": "Sandbox",
            "reports": "on",
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/token", self.token, methods=["POST"]),
            Route("/v1/projects/{project}/messages:send", self.send, methods=["POST"]),
        ]

    async def token(self, request: Request) -> Response:
        """Give an access token for an assertion that the service account has signed."""
        async with request.form() as form:
            grant, assertion = form.get("grant_type"), form.get("assertion")
        if grant != GRANT:
            return _no_token("unsupported_grant_type", f"Invalid grant_type: {grant}")
        if not isinstance(assertion, str) or not self._signed(assertion):
            return _no_token("invalid_grant", "Invalid JWT Signature.")
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self._tokens.add(token)
        return JSONResponse({"access_token": token, "expires_in": TOKEN_S, "token_type": "Bearer"})

    def _signed(self, assertion: str) -> bool:
        signed, _, signature = assertion.rpartition(".")
        try:
            self._public.verify(from_base64url(signature), signed.encode(), PKCS1v15(), SHA256())
            claims = msgspec.json.decode(from_base64url(signed.partition(".")[2]), type=_Claims)
        except (ValueError, InvalidSignature):
            return False
        mine = (self._keys.client, SCOPE, f"{self.url(self.place)}/token")
        # Clocks that run faster differ, so of the times only the length of the life is looked at.
        return (claims.iss, claims.scope, claims.aud) == mine and 0 < claims.exp - claims.iat <= TOKEN_S

    async def send(self, request: Request) -> Response:
        """Take a message for one app."""
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.path_params["project"] != self._keys.project:
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        body = await request.body()

        async def take() -> Response:
            return self._take(body)

        return await self.befall(take, _refuse)

    def _take(self, body: bytes) -> Response:
        try:
            message = msgspec.json.decode(body, type=_Asked).message
        except (ValueError, RecursionError) as error:
            return _error(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}")
        if problem := _problem(message):
            return _error(400, "INVALID_ARGUMENT", problem, "INVALID_ARGUMENT")
        phone = self.world.find(PUSH, message.token)
        if phone is None or PUSH in phone.stopped:
            return _error(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")
        told = msgspec.convert(message.data, Reported)
        ref = self.show(
            phone, message.notification.title, message.notification.body, told,
            link=message.data.get("url", ""), picture=message.notification.image,
        )  # fmt: skip
        return JSONResponse({"name": f"projects/{self._keys.project}/messages/0:{ref}"})


def _problem(message: _Message) -> str:
    """Return what FCM would not take, "" where nothing is wrong."""
    size = len(msgspec.json.encode(message.notification)) + len(msgspec.json.encode(message.data))
    seconds = message.android.ttl.removesuffix("s")
    if "://" in message.token or len(message.token) < 8:
        return "The registration token is not a valid FCM registration token"
    if size > LARGEST:
        return "Android message is too big"
    if not seconds.isdigit() or int(seconds) > 2_419_200:
        return f"Invalid TTL: {message.android.ttl}"
    wrong = [name for name in message.data if name in ("from", "message_type") or name[:6] == "google"]
    if wrong:
        return f"Invalid data payload key: {wrong[0]}"
    link = message.webpush.fcmOptions.link
    if link and not link.startswith("https://"):
        return "WebpushFcmOptions.link must be a HTTPS URL"
    return ""


def _refuse(fault: Fault) -> Response:
    match fault.kind:
        case "throttle":
            wait = {"Retry-After": str(max(1, round(fault.seconds)))}
            words = "Quota exceeded for quota metric 'Send requests'."
            return _error(429, "RESOURCE_EXHAUSTED", words, "QUOTA_EXCEEDED", wait)
        case "error":
            return _error(500, "INTERNAL", "Internal error encountered.", "INTERNAL")
    return _error(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")


def _error(
    status: int, name: str, words: str, code: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """Return Google's error, with FCM's own code where it is one of FCM's."""
    error: dict[str, object] = {"code": status, "message": words, "status": name}
    if code:
        kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
        error["details"] = [{"@type": kind, "errorCode": code}]
    return JSONResponse({"error": error}, status, headers)


def _no_token(error: str, words: str) -> Response:
    return JSONResponse({"error": error, "error_description": words}, 400)
