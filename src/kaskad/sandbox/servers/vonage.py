"""Vonage's SMS API: a text becomes as many messages as it has parts, each with a price and reports.

https://developer.vonage.com/en/api/sms
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hmac import digest
from uuid import UUID

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.domain.address import BadAddress, normalise_phone
from kaskad.domain.sms import Encoding, encoding, parts
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import json_post
from kaskad.sandbox.person import SMS, Phone, Sms
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers import sms as texts
from kaskad.sandbox.servers.sms import Fate
from kaskad.sandbox.wire import Outgoing

PRICE = "0.03330000"  # of a part
ERRORS = {
    "1": "Throughput Rate Exceeded - please wait [ 250 ] and retry",
    "2": "Missing {}",
    "3": "Invalid value for {}",
    "4": "Bad Credentials",
    "15": "Illegal Sender Address - rejected",
}
FATES = {  # status and err-code
    Fate.SENT: ("accepted", "0"),
    Fate.DELIVERED: ("delivered", "0"),
    Fate.EXPIRED: ("expired", "2"),
    Fate.UNKNOWN_NUMBER: ("failed", "9"),
}


class Trouble(Exception):
    """One of ERRORS."""

    def __init__(self, status: str, about: str = "") -> None:
        super().__init__(ERRORS[status].format(about))
        self.status = status


class Keys(Struct, frozen=True):
    """The one account. They protect nothing: all is on this machine."""

    key: str = "5a4db0x1"
    secret: str = "only4thesandbox0"
    signature_secret: str = "only-for-the-sandbox"
    sender: str = "Shop"


class Text(Struct, frozen=True):
    """One text as it was asked for."""

    to: str
    text: str
    sender: str
    reference: str
    callback: str
    ids: tuple[str, ...]
    valid_ms: float


class Vonage(Server):
    """`/sms/json`; reports and what people write are signed with HMAC-SHA256."""

    name = "vonage"
    channels = (SMS,)
    provider = "vonage"
    account = "vonage"
    price = "0.04 EUR per part"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._chance = self.world.chance("vonage")
        self._next = 1

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "api_key": keys.key, "api_secret": keys.secret, "sender": keys.sender,
            "signature_secret": keys.signature_secret,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/sms/json", self.send, methods=["POST"])]

    async def send(self, request: Request) -> Response:
        """Take one text for one number."""
        async with request.form() as form:
            given = {name: value for name, value in form.items() if isinstance(value, str)}
        given = {**_of_header(request), **given}

        async def take() -> Response:
            text = self._taken(given)
            self.world.spawn(self._carry(text))
            told = [
                {
                    "to": text.to.lstrip("+"), "message-id": id, "status": "0",
                    "remaining-balance": "3.14159265", "message-price": PRICE, "network": "12345",
                    "client-ref": text.reference,
                }
                for id in text.ids
            ]  # fmt: skip
            return JSONResponse({"message-count": str(len(told)), "messages": told})

        try:
            return await self.befall(take, _refuse)
        except Trouble as trouble:
            told = [{"status": trouble.status, "error-text": str(trouble)}]
            return JSONResponse({"message-count": "1", "messages": told})

    def _taken(self, given: Mapping[str, str]) -> Text:
        if (given.get("api_key"), given.get("api_secret")) != (self._keys.key, self._keys.secret):
            raise Trouble("4")
        for name in ("to", "from", "text"):
            if not given.get(name):
                raise Trouble("2", name)
        number = given["to"]
        try:
            to = normalise_phone(f"+{number}") if number.isdecimal() else ""
        except BadAddress:
            to = ""
        if not to:
            raise Trouble("3", "to")
        if given.get("type") != "unicode" and encoding(given["text"]) is Encoding.UCS2:
            raise Trouble("3", "text")  # it would arrive as question marks
        ttl, reference = given.get("ttl", "259200000"), given.get("client-ref", "")
        if not ttl.isdecimal() or not 20_000 <= int(ttl) <= 604_800_000:
            raise Trouble("3", "ttl")
        if len(reference) > 40:
            raise Trouble("3", "client-ref")
        if given["from"] != self._keys.sender:
            raise Trouble("15")
        ids = tuple(self._id() for _ in range(parts(given["text"])))
        return Text(to, given["text"], given["from"], reference, given.get("callback", ""), ids, float(ttl))

    def _id(self) -> str:
        self._next += 1
        return f"0A{self._next:014X}"

    async def _carry(self, text: Text) -> None:
        """Bring a text to its phone, or not, and report each of its messages."""

        def told(fate: Fate) -> None:
            status, code = FATES[fate]
            for id in text.ids:
                report = {
                    "msisdn": text.to.lstrip("+"), "to": text.sender, "network-code": "12345",
                    "messageId": id, "price": PRICE, "status": status, "scts": self._date("%y%m%d%H%M"),
                    "err-code": code, "client-ref": text.reference,
                }  # fmt: skip
                self._call(text.callback or self.hook, report)

        await texts.carry(self, text.to, text.text, text.sender, text.ids[0], told, text.valid_ms)

    def on_sms(self, phone: Phone, sms: Sms, about: Sms | None) -> None:
        """Call the number's inbound webhook."""
        plain = encoding(sms.text) is Encoding.GSM7
        told = {
            "msisdn": phone.person.phone.lstrip("+"), "to": sms.other, "messageId": self._id(),
            "text": sms.text, "type": "text" if plain else "unicode",
            "keyword": sms.text.partition(" ")[0].upper(),
        }  # fmt: skip
        self._call(self.hook, told)

    def _call(self, url: str, told: Mapping[str, str]) -> None:
        if not url:
            return
        full = {
            **told, "api-key": self._keys.key, "message-timestamp": self._date("%Y-%m-%d %H:%M:%S"),
            "timestamp": str(self.world.pace.now() // 1000),
            "nonce": str(UUID(int=self._chance.getrandbits(128))),
        }  # fmt: skip

        def build(good: bool) -> Outgoing:
            secret = self._keys.signature_secret if good else "another-secret"
            clean = {name: value.replace("&", "_").replace("=", "_") for name, value in full.items()}
            signed = "".join(f"&{name}={clean[name]}" for name in sorted(clean))
            sig = digest(secret.encode(), signed.encode(), "sha256").hex().upper()
            return json_post(url, {**full, "sig": sig})

        self.report(build)

    def _date(self, form: str) -> str:
        return datetime.fromtimestamp(self.world.pace.now() / 1000, UTC).strftime(form)


def _of_header(request: Request) -> dict[str, str]:
    """Return key and secret where they come as basic authentication, as Vonage's own library sends them."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        key, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return {}
    return {"api_key": key, "api_secret": secret} if scheme.lower() == "basic" else {}


def _refuse(fault: Fault) -> Response:
    if fault.kind == "throttle":
        raise Trouble("1")
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    raise Trouble("3", "to")
