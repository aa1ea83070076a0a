"""A push service (RFC 8030) and the browser of each person: it decrypts (RFC 8291) and shows what comes.

Browsers subscribe on Kaskad's own page: a person who follows a personal link there allows notifications, as
`push-subscribe.js` does it. `POST /webpush/subscribe?person=ID` gives a subscription without any page.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import json_post
from kaskad.sandbox.person import PUSH, Phone
from kaskad.sandbox.server import Place, Site
from kaskad.sandbox.servers.pushing import PushService, Reported, from_base64url, to_base64url

LARGEST = 4096
LONGEST_S = 24 * 3600  # of a VAPID signature's life
URGENCIES = ("very-low", "low", "normal", "high")


class Keys(Struct, frozen=True):
    """Of the sender. It protects nothing: all is on this machine."""

    private_key: str = "c2FuZGJveC1vbmx5LWMyRnVaR0p2ZUMxdmJteQAAAAE"


class _Claims(Struct):
    aud: str
    exp: int
    sub: str = ""


class _Payload(Struct):
    """What our worker reads, as far as the tray shows it."""

    tag: str
    title: str = ""
    body: str = ""
    url: str = ""
    image: str = ""
    status_url: str = ""
    reference: str = ""
    ack: str = ""


class Refused(Exception):
    """What the service does not take: an HTTP status, and why."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Browser:
    """One person's browser: its keys come from the seed, and it has allowed one sender, or nobody yet."""

    def __init__(self, seed: int, phone: Phone, endpoint: str) -> None:
        drawn = hmac.digest(f"{seed} {phone.person.key}".encode(), b"sandbox browser", "sha256")
        self.phone = phone
        self.endpoint = endpoint
        self.private: EllipticCurvePrivateKey = derive_private_key(
            int.from_bytes(drawn, "big") >> 1 | 1, SECP256R1()
        )
        self.auth = hmac.digest(drawn, b"auth", "sha256")[:16]
        self.sender = ""  # the key that it was subscribed under; "": any
        self.allowed = True

    @property
    def subscription(self) -> dict[str, object]:
        """Return what its PushSubscription says."""
        keys = {"p256dh": to_base64url(self.point), "auth": to_base64url(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    @property
    def point(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def read(self, body: bytes) -> bytes:
        """Return the plain text of a message (RFC 8188, 2 and RFC 8291, 3); raises ValueError."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20] if len(body) > 20 else 0
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        if length != 65 or size < 18 or len(sealed) > size:
            raise ValueError("the header is not that of aes128gcm")
        shared = self.private.exchange(ECDH(), EllipticCurvePublicKey.from_encoded_point(SECP256R1(), theirs))
        info = b"WebPush: info\0" + self.point + theirs
        secret = HKDF(SHA256(), 32, self.auth, info).derive(shared)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
        try:
            padded = AESGCM(key).decrypt(nonce, sealed, None)
        except InvalidTag:
            raise ValueError("it is not encrypted for this browser") from None
        text = padded.rstrip(b"\0")
        if not text.endswith(b"\x02"):
            raise ValueError("the padding is wrong")
        return text[:-1]


class WebPush(PushService):
    """`/b/{browser}`, where Kaskad posts, and the browsers themselves."""

    name = "webpush"
    provider = "webpush"
    account = "web"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._browsers: dict[int, Browser] = {}

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        return {
            "contact": "mailto:shop@example.org", "services": place.http_url, "title": "Sandbox",
            "private_key": place.keys(Keys).private_key,
        }  # fmt: skip

    @classmethod
    def accounts(cls, place: Place) -> list[dict[str, object]]:
        return [told | {"priority": 10} for told in super().accounts(place)]  # where apps are spoken to, too

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/b/{browser:int}", self.post, methods=["POST"]),
            Route("/subscribe", self.subscribe, methods=["POST"]),
        ]

    def browser(self, phone: Phone) -> Browser:
        """Return a person's browser."""
        found = self._browsers.get(phone.id)
        if found is None:
            endpoint = f"{self.url(self.place)}/b/{phone.id}"
            found = self._browsers[phone.id] = Browser(self.world.seed, phone, endpoint)
        return found

    async def subscribe(self, request: Request) -> Response:
        """Answer with the subscription of a person's browser, by the id of their phone or that of the CSV."""
        who = request.query_params.get("person", "")
        for phone in self.world.phones.values():
            if who in (str(phone.id), phone.person.key):
                browser = self.browser(phone)
                browser.allowed = True
                return JSONResponse(browser.subscription)
        return JSONResponse({"error": f"nobody here is {who!r}"}, 404)

    async def post(self, request: Request) -> Response:
        """Take a message for one browser."""
        phone = self.world.phones.get(request.path_params["browser"])
        body = await request.body()

        async def take() -> Response:
            try:
                ref = self._take(phone, request, body)
            except Refused as refusal:
                return PlainTextResponse(f"{refusal}\n", refusal.status)
            headers = {"Location": f"{self.url(self.place)}/m/{ref}", "TTL": request.headers["ttl"]}
            return Response(status_code=201, headers=headers)

        return await self.befall(take, _refuse)

    def _take(self, phone: Phone | None, request: Request, body: bytes) -> str:
        if phone is None:
            raise Refused(404, "there is no such subscription")
        browser = self.browser(phone)
        if not browser.allowed or PUSH in phone.stopped:
            raise Refused(410, "push subscription has unsubscribed or expired.")
        self._believe(browser, request.headers.get("authorization", ""))
        if not request.headers.get("ttl", "").isdigit():
            raise Refused(400, "TTL is missing or wrong")
        if request.headers.get("urgency", "normal") not in URGENCIES:
            raise Refused(400, "Urgency is wrong")
        if len(request.headers.get("topic", "")) > 32:
            raise Refused(400, "Topic is too long")
        if request.headers.get("content-encoding") != "aes128gcm":
            raise Refused(415, "Content-Encoding is not aes128gcm")
        if len(body) > LARGEST:
            raise Refused(413, "the message is too large")
        # A real service cannot look inside. Here the browser is at hand, so what it could not read is told.
        try:
            told = msgspec.json.decode(browser.read(body), type=_Payload)
        except ValueError as error:
            raise Refused(400, str(error)) from None
        report = Reported(told.status_url, told.reference, told.ack)
        return self.show(phone, told.title, told.body, report, link=told.url, picture=told.image)

    def _believe(self, browser: Browser, header: str) -> None:
        """Raise Refused unless the sender is the one that the browser has allowed (RFC 8292, 4.2)."""
        scheme, _, rest = header.partition(" ")
        fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        signed, _, signature = fields.get("t", "").rpartition(".")
        try:
            raw = from_base64url(signature)
            pair = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
            key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), from_base64url(fields.get("k", "")))
            key.verify(encode_dss_signature(*pair), signed.encode(), ECDSA(SHA256()))
            claims = msgspec.json.decode(from_base64url(signed.partition(".")[2]), type=_Claims)
        except (ValueError, InvalidSignature):
            raise Refused(401, "the VAPID signature is wrong") from None
        # Clocks that run faster differ, so whether it has expired is not asked.
        if scheme != "vapid" or claims.aud != self.place.http_url or not claims.sub:
            raise Refused(401, "the VAPID claims are wrong")
        if browser.sender and browser.sender != fields["k"]:
            raise Refused(403, "the VAPID key is not that of the subscription")
        browser.sender = fields["k"]

    # The page that asks for permission, as a person's browser runs it

    def start_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        if not self.outbox.home or not url.startswith(f"{self.outbox.home}/push/"):
            return None
        token = parse_qs(parts.fragment).get("kaskad", [""])[-1]
        return f"{parts.path} {token}" if token else None

    def on_start(self, phone: Phone, payload: str) -> str:
        path, _, token = payload.partition(" ")
        browser = self.browser(phone)
        browser.allowed, browser.sender = True, ""
        told: dict[str, object] = {"token": token, "subscription": browser.subscription}
        self.world.spawn(self._subscribe(phone, f"{self.outbox.home}{path}/subscriptions", told))
        return ""

    async def _subscribe(self, phone: Phone, url: str, told: dict[str, object]) -> None:
        answer = await self.outbox.call(json_post(url, told))
        if not answer.ok or b'"digits"' not in answer.body:
            return
        digits = phone.person.phone[-4:]
        await self.outbox.call(json_post(url, {**told, "digits": digits}))


def _refuse(fault: Fault) -> Response:
    match fault.kind:
        case "throttle":
            wait = {"Retry-After": str(max(1, round(fault.seconds)))}
            return PlainTextResponse("too many requests\n", 429, wait)
        case "error":
            return PlainTextResponse("internal error\n", 500)
    return PlainTextResponse("push subscription has unsubscribed or expired.\n", 410)
