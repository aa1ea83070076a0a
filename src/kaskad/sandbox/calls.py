"""One robot call, from its queue to its end: rings, is picked up or not, says its words, takes keys."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha1
from hmac import digest
from urllib.parse import urlencode, urljoin

from msgspec import Struct, field

from kaskad.sandbox import twiml
from kaskad.sandbox.line import HungUp, Line, Pickup, ring
from kaskad.sandbox.outbox import Outbox
from kaskad.sandbox.person import Call, Phone
from kaskad.sandbox.twiml import BadTwiml, Gather, Hangup, Pause, Redirect, Say, Verb, offered_keys
from kaskad.sandbox.wire import Answer, Outgoing
from kaskad.sandbox.world import World

CHANNEL = "robot_call"
QUEUE_MS = 500
DETECTION_MS = 3_500  # how long it takes to tell a machine from a person
DOCUMENTS = 10  # of one call; more is a loop
HUMAN, MACHINE, MACHINE_AT_BEEP = "human", "machine_start", "machine_end_beep"
PRICE_OF_A_MINUTE = 37.50  # in the currency of the account in the sandbox
LISTENED_S = 15  # who listens so long has been reached


class Order(Struct):
    """A call as it was asked for, and what it has come to."""

    sid: str
    to: str
    caller: str
    call: Call
    created_at: int
    document: str = ""
    url: str = ""
    method: str = "POST"
    status_url: str = ""
    status_method: str = "POST"
    events: tuple[str, ...] = ("completed",)
    ring_s: float = 60.0
    limit_s: float = 14_400.0
    detection: str = ""  # "", Enable or DetectMessageEnd
    detection_url: str = ""  # where an asynchronous detection is told; "" where it is synchronous
    detection_method: str = "POST"
    started_at: int = 0
    ended_at: int = 0
    price: str = ""
    error: str = ""
    sequence: int = 0
    asked: bool = False  # the person has made up their mind about a key
    machine: bool = False  # an answering machine has picked up
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


class Exchange:
    """Carries calls as the world's people take them; who is played by hand does it all.

    `report` sends a receipt, with what befalls it.
    """

    def __init__(
        self,
        world: World,
        outbox: Outbox,
        report: Callable[[Callable[[bool], Outgoing], int], None],
        sid: str,
        token: str,
    ) -> None:
        self.world = world
        self._outbox = outbox
        self._report = report
        self._account = sid
        self._token = token

    async def carry(self, order: Order, phone: Phone | None) -> None:
        """Bring one call to its end."""
        call = order.call
        await self.world.pace.wait(QUEUE_MS)
        self._tell(order, "initiated")
        ending = "failed"
        pickup = self.world.pick_up(phone)
        if order.cancelled.is_set():
            ending = "canceled"
        elif phone is not None and pickup.how != "missing":
            call.status = "ringing"
            call.at = self.world.pace.now()
            phone.calls.append(call)
            phone.trim()
            self._tell(order, "ringing")
            line = Line(self.world.pace, phone, call, order.limit_s * 1000)
            ending = await ring(phone, pickup, line, order.ring_s * 1000)
            if ending == "answered":
                await self._talk(order, phone, pickup, line)
                ending = "completed"
                self._settle(order, line)
        call.status = ending
        call.listening = False
        call.ended_at = order.ended_at = self.world.pace.now()
        self._tell(order, "completed")

    async def _talk(self, order: Order, phone: Phone, pickup: Pickup, line: Line) -> None:
        """Say what the call has to say, until its end."""
        call = order.call
        call.status = "in-progress"
        order.started_at = self.world.pace.now()
        order.machine = pickup.how == "machine" and not phone.by_hand
        self._tell(order, "answered")
        try:
            await self._detect(order, line)
            if not order.machine:
                self.world.arrived(phone, call)
            verbs = await self._first(order)
            documents = 1
            while verbs is not None:
                verbs = await self._run(order, phone, line, verbs)
                documents += 1
                if documents > DOCUMENTS:
                    raise BadTwiml("the call goes round in circles")
        except HungUp:
            pass
        except BadTwiml as error:
            order.error = str(error)
            call.heard.append("An application error has occurred. Goodbye.")  # what Twilio says then

    async def _detect(self, order: Order, line: Line) -> None:
        """Find out who answered, before the first word or beside it."""
        if not order.detection:
            return
        at_beep = order.detection == "DetectMessageEnd"
        verdict = (MACHINE_AT_BEEP if at_beep else MACHINE) if order.machine else HUMAN
        if not order.detection_url:
            await line.hear(DETECTION_MS)
            order.call.answered_by = verdict
            return

        async def tell() -> None:
            order.call.answered_by = verdict
            fields = {"CallSid": order.sid, "AccountSid": self._account, "AnsweredBy": verdict,
                      "MachineDetectionDuration": str(DETECTION_MS)}  # fmt: skip
            url, method = order.detection_url, order.detection_method
            self._report(lambda good: self._signed(method, url, fields, good), 2)

        self.world.later(DETECTION_MS, tell)

    def _settle(self, order: Order, line: Line) -> None:
        """Count the seconds, and the money for each minute begun."""
        call = order.call
        call.duration_s = max(1, round(line.talked_ms / 1000))
        order.price = f"-{-(-call.duration_s // 60) * PRICE_OF_A_MINUTE:.5f}"
        if call.duration_s >= LISTENED_S and not order.machine:
            self.world.reacted(call)

    async def _first(self, order: Order) -> list[Verb] | None:
        if order.url:  # where both are given, the words of the parameter are ignored
            return await self._fetch(order, order.url, order.method, {})
        return twiml.read(order.document)

    async def _fetch(self, order: Order, url: str, method: str, more: Mapping[str, str]) -> list[Verb] | None:
        request = self._signed(method, url, {**self._fields(order), **more}, True)
        answer: Answer = await self._outbox.call(request)
        if not answer.ok:
            raise BadTwiml(f"Attempt to retrieve content from {url} returned {answer.status or 'nothing'}")
        text = answer.body.decode("utf-8", "replace").strip()
        return twiml.read(text) if text else None

    async def _run(self, order: Order, phone: Phone, line: Line, verbs: Sequence[Verb]) -> list[Verb] | None:
        """Do what a document says; return the one that follows it, None at the end."""
        for verb in verbs:
            match verb:
                case Say() | Pause():
                    if isinstance(verb, Say):
                        order.call.heard.append(verb.text)
                    await line.hear(verb.seconds * 1000)
                case Hangup():
                    return None
                case Redirect(url, method):
                    return await self._fetch(order, urljoin(order.url, url) or order.url, method, {})
                case Gather():
                    keys = await self._gather(order, phone, line, verb)
                    if keys or verb.on_empty:
                        action = urljoin(order.url, verb.action) or order.url
                        if not action:
                            raise BadTwiml("<Gather> has no action, and the call no address of its own")
                        return await self._fetch(order, action, verb.method, {"Digits": keys})
        return None

    async def _gather(self, order: Order, phone: Phone, line: Line, gather: Gather) -> str:
        """Return the keys that were pressed."""
        call = order.call
        words = " ".join([*call.heard, *(said.text for said in gather.inside if isinstance(said, Say))])
        if not order.asked and not order.machine:
            order.asked = True
            line.intent = self.world.intent(phone, words)
        call.listening = True
        keys = ""
        for sound in (*gather.inside, Pause(gather.timeout_s)):
            if isinstance(sound, Say):
                call.heard.append(sound.text)
            keys = await line.key(sound.seconds * 1000)
            if keys:
                break
        while keys and not _complete(keys, gather):
            more = await line.key(gather.timeout_s * 1000)
            if not more:
                break
            keys += more
        call.listening = False
        keys = keys.rstrip(gather.finish) if gather.finish else keys
        call.keys += keys
        if keys:
            self._pressed(phone, call, words, keys)
        return keys

    def _pressed(self, phone: Phone, call: Call, words: str, keys: str) -> None:
        if keys == offered_keys(words)[1]:
            self.world.stopped(CHANNEL, phone)
        else:
            self.world.reacted(call)

    def _tell(self, order: Order, event: str) -> None:
        """Send a status callback, where the call asked for this one."""
        if not order.status_url or event not in order.events:
            return
        fields = self._fields(order) | {
            "Timestamp": format_datetime(datetime.fromtimestamp(self.world.pace.now() // 1000, UTC)),
            "CallbackSource": "call-progress-events", "SequenceNumber": str(order.sequence),
        }  # fmt: skip
        if event == "completed" and order.call.status == "completed":
            minutes = -(-order.call.duration_s // 60)
            fields |= {"CallDuration": str(order.call.duration_s), "Duration": str(minutes)}
        if event == "completed" and order.call.status == "failed":
            fields["SipResponseCode"] = "404"
        order.sequence += 1
        method, url = order.status_method, order.status_url
        self._report(lambda good: self._signed(method, url, fields, good), 5)

    def _fields(self, order: Order) -> dict[str, str]:
        told = {
            "CallSid": order.sid, "AccountSid": self._account, "From": order.caller, "To": order.to,
            "Caller": order.caller, "Called": order.to, "CallStatus": order.call.status,
            "ApiVersion": "2010-04-01", "Direction": "outbound-api",
        }  # fmt: skip
        if order.call.answered_by:
            told["AnsweredBy"] = order.call.answered_by
        return told

    def _signed(self, method: str, url: str, fields: Mapping[str, str], good: bool) -> Outgoing:
        return signed(method, url, fields, self._token if good else "another-token")


def signed(method: str, url: str, fields: Mapping[str, str], token: str) -> Outgoing:
    """Return a request of Twilio's. https://www.twilio.com/docs/usage/webhooks/webhooks-security"""
    if method == "GET":
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"
        told, body = url, b""
    else:
        told = url + "".join(name + value for name, value in sorted(fields.items()))
        body = urlencode(fields).encode()
    signature = b64encode(digest(token.encode(), told.encode(), sha1)).decode()
    headers = {"X-Twilio-Signature": signature, "User-Agent": "TwilioProxy/1.1"}
    if body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return Outgoing(method, url, headers, body)


def _complete(keys: str, gather: Gather) -> bool:
    return (0 < gather.digits <= len(keys)) or bool(gather.finish and keys.endswith(gather.finish))
