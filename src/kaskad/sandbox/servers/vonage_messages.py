"""Vonage's Messages API: SMS by an application, statuses with their price, signed by a token.

https://developer.vonage.com/en/messages/overview
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.domain.address import BadAddress, normalise_phone
from kaskad.domain.sms import parts
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import SMS, Phone, Sms
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers import sms as texts
from kaskad.sandbox.servers import tokens
from kaskad.sandbox.servers.sms import Fate
from kaskad.sandbox.wire import Outgoing

PRICE_OF_A_PART = 0.0333
MAX_TTL_S = 604_800
FATES: Mapping[Fate, tuple[str, int]] = {  # status and `error.title`
    Fate.SENT: ("submitted", 0),
    Fate.DELIVERED: ("delivered", 0),
    Fate.EXPIRED: ("undeliverable", 1260),
    Fate.UNKNOWN_NUMBER: ("rejected", 1300),
}


class Refused(Exception):
    """An error as the API writes it (RFC 7807)."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status

    def response(self) -> JSONResponse:
        kind = f"https://developer.vonage.com/api-errors#{self.status}"
        return JSONResponse({"type": kind, "title": str(self), "detail": str(self)}, self.status)


class Keys(Struct, frozen=True):
    """The one application. They protect nothing: all is on this machine."""

    application_id: str = "00000000-0000-4000-8000-000000000003"
    signature_secret: str = "only-for-the-sandbox-and-32-bytes-long"
    sender: str = "Shop"


class VonageMessages(Server):
    """`/v1/messages`."""

    name = "vonage_messages"
    channels = (SMS,)
    provider = "vonage_messages"
    account = "vonage-messages"
    price = "0.04 EUR per part"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._chance = self.world.chance("vonage messages")

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "application_id": keys.application_id, "private_key": tokens.pem(),
            "sender": keys.sender, "signature_secret": keys.signature_secret,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/v1/messages", self.send, methods=["POST"])]

    async def send(self, request: Request) -> Response:
        """Take one text for one number."""
        try:
            self._authorise(request)
            try:
                given = msgspec.json.decode(await request.body(), type=dict[str, Any])
            except ValueError:
                raise Refused(422, "The request body is not an object") from None

            async def take() -> Response:
                number, identity = self._number(given), str(UUID(int=self._chance.getrandbits(128)))
                self.world.spawn(self._carry(given, number, identity))
                return JSONResponse({"message_uuid": identity}, 202)

            return await self.befall(take, _refuse)
        except Refused as refused:
            return refused.response()

    def _authorise(self, request: Request) -> None:
        """Raise Refused unless the token is the application's."""
        try:
            _, told = tokens.read_rs256(request.headers.get("authorization", "").removeprefix("Bearer "))
            good = told["application_id"] == self._keys.application_id and bool(told["jti"])
            good = good and 0 < told["exp"] - told["iat"] <= 86_400
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            raise Refused(401, "You did not provide correct credentials.")

    def _number(self, given: Mapping[str, Any]) -> str:
        """Return the number that is written to; raises Refused."""
        text, ttl, to = given.get("text"), given.get("ttl", MAX_TTL_S), given.get("to")
        kind = (given.get("channel"), given.get("message_type"), given.get("from"))
        if (
            kind != ("sms", "text", self._keys.sender)
            or not isinstance(text, str)
            or not 0 < len(text) <= 3200
        ):
            raise Refused(422, "Your request parameters didn't validate.")
        if not isinstance(ttl, int) or not 20 <= ttl <= MAX_TTL_S or len(given.get("client_ref", "")) > 100:
            raise Refused(422, "Your request parameters didn't validate.")
        try:
            return (
                normalise_phone(f"+{to}") if isinstance(to, str) and to.isdecimal() else normalise_phone("")
            )
        except BadAddress:
            raise Refused(422, "Your request parameters didn't validate.") from None

    async def _carry(self, given: Mapping[str, Any], number: str, identity: str) -> None:
        """Bring a text to its phone, or not, and tell what becomes of it."""
        count = parts(given["text"])

        def told(fate: Fate) -> None:
            status, title = FATES[fate]
            report: dict[str, Any] = {
                "message_uuid": identity, "to": given["to"], "from": given["from"], "timestamp": self._date(),
                "status": status, "channel": "sms", "client_ref": given.get("client_ref", ""),
                "usage": {"currency": "EUR", "price": f"{PRICE_OF_A_PART * count:.4f}"},
                "sms": {"count_total": str(count)},
            }  # fmt: skip
            if title:
                about = f"https://developer.vonage.com/api-errors/messages#{title}"
                report["error"] = {"type": about, "title": title, "detail": "…"}
            self._call(given.get("webhook_url") or self.hook, report)

        valid_ms = 1000.0 * given.get("ttl", MAX_TTL_S)
        await texts.carry(self, number, given["text"], given["from"], identity, told, valid_ms)

    def on_sms(self, phone: Phone, sms: Sms, about: Sms | None) -> None:
        """Call the application's inbound webhook."""
        told = {
            "message_uuid": str(UUID(int=self._chance.getrandbits(128))), "to": sms.other,
            "from": phone.person.phone.lstrip("+"), "timestamp": self._date(), "channel": "sms",
            "message_type": "text", "text": sms.text, "sms": {"num_messages": str(parts(sms.text))},
        }  # fmt: skip
        self._call(self.hook, told)

    def _call(self, url: str, told: Mapping[str, Any]) -> None:
        if not url:
            return
        body = msgspec.json.encode(told)

        def build(good: bool) -> Outgoing:
            claims = {
                "iat": self.world.pace.now() // 1000, "jti": "1", "iss": "Vonage",
                "payload_hash": sha256(body).hexdigest(), "application_id": self._keys.application_id,
            }  # fmt: skip
            signed = ".".join(
                _part(msgspec.json.encode(one)) for one in ({"alg": "HS256", "typ": "JWT"}, claims)
            )
            secret = self._keys.signature_secret if good else "another-secret"
            token = f"{signed}.{_part(digest(secret.encode(), signed.encode(), 'sha256'))}"
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            return Outgoing("POST", url, headers, body)

        self.report(build)

    def _date(self) -> str:
        return datetime.fromtimestamp(self.world.pace.now() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _refuse(fault: Fault) -> Response:
    if fault.kind == "throttle":
        raise Refused(429, "Rate Limit Hit")
    if fault.kind == "error":
        raise Refused(500, "Internal Server Error")
    raise Refused(422, "Your request parameters didn't validate.")
