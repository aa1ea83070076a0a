"""Twilio's messaging API: send a text, look at it, be told what became of it and what people write.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.domain import keywords
from kaskad.domain.sms import parts
from kaskad.sandbox import spec
from kaskad.sandbox.calls import signed
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.person import SMS, Phone, Sms
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers import sms as texts
from kaskad.sandbox.servers.sms import Fate
from kaskad.sandbox.servers.twilio import (
    Fields,
    Keys,
    Refused,
    authorise,
    date_of,
    fields_of,
    is_url,
    number_of,
    one,
)

KEPT = 100_000  # messages that can be asked for
PRICE_OF_A_PART = 0.0079
FATES = {  # MessageStatus and ErrorCode
    Fate.SENT: ("sent", 0),
    Fate.DELIVERED: ("delivered", 0),
    Fate.EXPIRED: ("undelivered", 30003),
    Fate.UNKNOWN_NUMBER: ("undelivered", 30005),
}


class Record(Struct):
    """One message as it can be asked for."""

    sid: str
    to: str
    text: str
    sender: str
    status_url: str
    created_at: int
    status: str = "queued"
    error: int = 0
    updated_at: int = 0
    price: str = ""  # "" until it is billed


class TwilioSms(Server):
    """`/2010-04-01/Accounts/{sid}/Messages…`; who has said STOP gets no more (error 21610)."""

    name = "twilio_sms"
    channels = (SMS,)
    provider = "twilio"
    account = "twilio-sms"
    price = "0.01 USD per part"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._records: dict[str, Record] = {}
        self._stopped: set[str] = set()
        self._sids = random.Random(f"twilio sms:{self.world.seed}")

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "account_sid": keys.sid, "auth_token": keys.token,
            "sender": keys.number,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        messages = "/2010-04-01/Accounts/{account}/Messages"
        return [
            Route(f"{messages}.json", self.create, methods=["POST"]),
            Route(messages + "/{sid}.json", self.fetch, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        """Queue a message."""
        try:
            authorise(request, self._keys)
            given = await fields_of(request)

            async def take() -> Response:
                record = self._taken(given)
                self._records[record.sid] = record
                while len(self._records) > KEPT:
                    del self._records[next(iter(self._records))]
                valid_s = float(one(given, "ValidityPeriod") or 14_400)
                self.world.spawn(self._carry(record, valid_s * 1000))
                return JSONResponse(self._shown(record), 201)

            return await self.befall(take, _refuse)
        except Refused as refusal:
            return refusal.response()

    async def fetch(self, request: Request) -> Response:
        """Show a message."""
        try:
            authorise(request, self._keys)
            record = self._records.get(request.path_params["sid"])
            if record is None:
                raise Refused(404, 20404, f"The requested resource {request.url.path} was not found")
            return JSONResponse(self._shown(record))
        except Refused as refusal:
            return refusal.response()

    def _taken(self, given: Fields) -> Record:
        """Return the message that is asked for; raises Refused."""
        if not one(given, "To"):
            raise Refused(400, 21604, "A 'To' phone number is required.")
        name, problem = spec.twilio_problem("CreateMessage", given)
        if problem:
            raise Refused(400, 20001, f"{name} {problem}")
        to, text, status_url = number_of(one(given, "To")), one(given, "Body"), one(given, "StatusCallback")
        if not text:
            raise Refused(400, 21602, "Message body is required.")
        if len(text) > 1600:
            raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if not one(given, "MessagingServiceSid") and one(given, "From") != self._keys.number:
            raise Refused(400, 21606, "The 'From' phone number is not a valid message-capable phone number")
        if status_url and not is_url(status_url):
            raise Refused(400, 21609, "The StatusCallback URL is not valid")
        if to in self._stopped:
            raise Refused(400, 21610, "Attempt to send to unsubscribed recipient")
        sender = one(given, "From") or self._keys.number
        sid = f"SM{self._sids.getrandbits(128):032x}"
        return Record(sid, to, text, sender, status_url, self.world.pace.now())

    async def _carry(self, record: Record, valid_ms: float) -> None:
        """Bring a message to its phone, or not, and tell what becomes of it."""

        def told(fate: Fate) -> None:
            record.status, record.error = FATES[fate]
            record.updated_at = self.world.pace.now()
            if fate is Fate.DELIVERED:
                record.price = f"-{PRICE_OF_A_PART * parts(record.text):.5f}"
            self._tell(record)

        await texts.carry(self, record.to, record.text, record.sender, record.sid, told, valid_ms)

    def _tell(self, record: Record) -> None:
        if not record.status_url:
            return
        fields = {
            "MessageSid": record.sid, "SmsSid": record.sid, "MessageStatus": record.status,
            "SmsStatus": record.status, "To": record.to, "From": record.sender, "ApiVersion": "2010-04-01",
            "AccountSid": self._keys.sid,
        }  # fmt: skip
        if record.error:
            fields["ErrorCode"] = str(record.error)
        url = record.status_url
        self.report(lambda good: signed("POST", url, fields, self._token(good)))

    def on_sms(self, phone: Phone, sms: Sms, about: Sms | None) -> None:
        """Call the number's webhook, which stands in the settings of the service."""
        number = phone.person.phone
        fields = {
            "MessageSid": f"SM{self._sids.getrandbits(128):032x}", "SmsStatus": "received", "Body": sms.text,
            "From": number, "To": sms.other, "NumMedia": "0", "NumSegments": "1",
            "AccountSid": self._keys.sid, "ApiVersion": "2010-04-01",
        }  # fmt: skip
        if keywords.is_stop(sms.text):
            fields["OptOutType"] = "STOP"
            self._stopped.add(number)
        elif keywords.is_start(sms.text):
            fields["OptOutType"] = "START"
            self._stopped.discard(number)
        url = self.hook
        if url:
            self.report(lambda good: signed("POST", url, fields, self._token(good)))

    def _token(self, good: bool) -> str:
        return self._keys.token if good else "another-token"

    def _shown(self, record: Record) -> dict[str, object]:
        """Return a message as the API shows it: every field of its description."""
        uri = f"/2010-04-01/Accounts/{self._keys.sid}/Messages/{record.sid}"
        told: dict[str, object] = dict.fromkeys(spec.twilio_fields("Message"))
        return told | {
            "sid": record.sid, "account_sid": self._keys.sid, "api_version": "2010-04-01", "to": record.to,
            "from": record.sender, "body": record.text, "status": record.status,
            "direction": "outbound-api", "num_segments": str(parts(record.text)), "num_media": "0",
            "date_created": date_of(record.created_at),
            "date_updated": date_of(record.updated_at or record.created_at),
            "error_code": record.error or None, "price": record.price or None,
            "price_unit": "USD" if record.price else None, "uri": f"{uri}.json",
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }  # fmt: skip


def _refuse(fault: Fault) -> Response:
    if fault.kind == "throttle":
        raise Refused(429, 20429, "Too Many Requests")
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    raise Refused(400, 21408, "Permission to send an SMS has not been enabled for the region")
