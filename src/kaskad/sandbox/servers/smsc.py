"""SMSC.ru: sending, status and balance over HTTP, and its calls to the client's handler.

https://smsc.ru/api/http/. Answers in the forms fmt=0, 1 and 3. What its public documentation leaves open (the
handler's fields and signature) is as public clients have it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import md5, sha1

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from kaskad.domain.address import BadAddress, normalise_phone
from kaskad.domain.sms import parts
from kaskad.sandbox.faults import Fault
from kaskad.sandbox.outbox import form
from kaskad.sandbox.person import SMS, Phone, Sms
from kaskad.sandbox.server import Place, Server, Site
from kaskad.sandbox.servers.sms import Fate, carry
from kaskad.sandbox.wire import Outgoing

PRICE = 1500  # of a part, in hundredths of the account's money
BALANCE = 100_000_000
KEPT = 100_000  # messages whose status can be asked for
SAME_MS = 60_000  # an identical request within this time is refused
BOTH = ["GET", "POST"]
ERRORS = {
    1: "parameters error",
    2: "authorise error",
    3: "no money",
    4: "ip blocked",
    5: "date format error",
    6: "message is denied",
    7: "phone format error",
    8: "message can not be delivered",
    9: "duplicate request, wait a minute",
}
SENDER = "SMSC.RU"  # who has no name of its own
QUEUED = -1
FATES = {  # status and err
    Fate.SENT: (0, 0),
    Fate.DELIVERED: (1, 0),
    Fate.EXPIRED: (3, 6),
    Fate.UNKNOWN_NUMBER: (25, 1),
}


class Trouble(Exception):
    """One of ERRORS."""

    def __init__(self, code: int, words: str = "") -> None:
        super().__init__(words or ERRORS[code])
        self.code = code


class Record(Struct):
    """One message to one number."""

    id: str
    phone: str
    text: str
    sender: str
    sent_at: int
    cost: int
    status: int = QUEUED
    err: int = 0
    status_at: int = 0


class Keys(Struct, frozen=True):
    """The one client. They protect nothing: all is on this machine."""

    login: str = "sandbox"
    password: str = "only-for-the-sandbox"
    key: str = "sandbox-only-key"
    secret: str = "only-for-the-sandbox"


class Smsc(Server):
    """`/sys/send.php`, `status.php`, `balance.php`; statuses go to Kaskad's hook by POST."""

    name = "smsc"
    channels = (SMS,)
    provider = "smsc_ru"
    account = "sms"
    price = "15 KZT per part"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._keys = site.place.keys(Keys)
        self._records: dict[tuple[str, str], Record] = {}
        self._balance = BALANCE
        self._next_id = 1001
        self._recent: dict[tuple[str, ...], int] = {}

    @classmethod
    def settings(cls, place: Place) -> dict[str, object]:
        keys = place.keys(Keys)
        return {
            "base_url": cls.url(place), "login": keys.login, "password": keys.password,
            "callback_secret": keys.secret,
        }  # fmt: skip

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/sys/send.php", self.send, methods=BOTH),
            Route("/sys/status.php", self.status, methods=BOTH),
            Route("/sys/balance.php", self.balance, methods=BOTH),
            Route("/rest/send/", self.send, methods=["POST"]),
            Route("/rest/status/", self.status, methods=["POST"]),
        ]

    async def send(self, request: Request) -> Response:
        """Take one text for one number or several."""
        given = await _fields(request)

        async def take() -> Response:
            return self._take(given)

        try:
            self._authorise(given)
            return await self.befall(take, _refuse)
        except Trouble as trouble:
            return _trouble(trouble, given)

    async def status(self, request: Request) -> Response:
        """Answer what became of a message."""
        given = await _fields(request)
        try:
            self._authorise(given)
            if not given.get("id") or not given.get("phone"):
                raise Trouble(1)
        except Trouble as trouble:
            return _trouble(trouble, given)
        record = self._records.get((given["id"], _number(given["phone"])))
        if record is None:
            told: dict[str, object] = {"status": -3, "id": given["id"]}
        else:
            told = {
                "status": record.status, "last_date": _date(record.status_at or record.sent_at),
                "last_timestamp": (record.status_at or record.sent_at) // 1000, "err": record.err,
            }  # fmt: skip
            if given.get("all"):
                told |= {
                    "send_date": _date(record.sent_at), "phone": record.phone.lstrip("+"),
                    "cost": _money(record.cost), "sender_id": record.sender, "message": record.text,
                }  # fmt: skip
        if given.get("fmt") == "3":
            return JSONResponse(told)
        line = ",".join(str(told.get(name, 0)) for name in ("status", "last_timestamp", "err"))
        return PlainTextResponse(line)

    async def balance(self, request: Request) -> Response:
        """Answer what is left of the client's money."""
        given = await _fields(request)
        try:
            self._authorise(given)
        except Trouble as trouble:
            return _trouble(trouble, given)
        left = _money(self._balance)
        if given.get("fmt") == "3":
            return JSONResponse({"balance": left, "currency": "KZT"})
        return PlainTextResponse(left)

    def _authorise(self, given: Mapping[str, str]) -> None:
        keys = self._keys
        if "apikey" in given:
            good = given["apikey"] == keys.key
        else:
            password = keys.password
            hashed = md5(password.encode(), usedforsecurity=False).hexdigest()
            good = given.get("login") == keys.login and given.get("psw") in (password, hashed)
        if not good:
            raise Trouble(2)

    def _take(self, given: Mapping[str, str]) -> Response:
        text = given.get("mes", "")
        asked = [number for number in re.split(r"[,;\s]+", given.get("phones", "")) if number]
        if (
            not text
            or not asked
            or len(text) > 1000
            or not re.fullmatch(r"[\w.-]{0,40}", given.get("id", ""))
        ):
            raise Trouble(1)
        numbers = [number for number in map(_number, asked) if number]
        if not numbers:
            raise Trouble(7)
        count = parts(text)
        cost = PRICE * count * len(numbers)
        if given.get("cost") == "1":
            return self._answer(given, {"cost": _money(cost), "cnt": count * len(numbers)})
        self._refuse_repeated(given)
        if cost > self._balance:
            raise Trouble(3)
        id = given.get("id") or str(self._next_id)
        self._next_id += 1
        self._balance -= cost
        for number in numbers:
            record = Record(id, number, text, given.get("sender", SENDER), self.world.pace.now(), cost)
            self._records[id, number] = record
            while len(self._records) > KEPT:
                del self._records[next(iter(self._records))]
            self.world.spawn(self._carry(record))
        return self._answer(given, {"id": int(id) if id.isdigit() else id, "cnt": count * len(numbers),
                                    "cost": _money(cost), "balance": _money(self._balance)})  # fmt: skip

    def _refuse_repeated(self, given: Mapping[str, str]) -> None:
        now = self.world.pace.now()
        if len(self._recent) > 10_000:
            self._recent = {key: at for key, at in self._recent.items() if now - at < SAME_MS}
        key = tuple(given.get(name, "") for name in ("phones", "mes", "sender", "id"))
        if now - self._recent.get(key, -SAME_MS) < SAME_MS:
            raise Trouble(9)
        self._recent[key] = now

    @staticmethod
    def _answer(given: Mapping[str, str], told: dict[str, object]) -> Response:
        how = given.get("fmt", "0")
        wanted = {"0": (), "1": (), "2": ("cost",), "3": ("cost", "balance")}.get(given.get("cost", "0"), ())
        if "id" in told:
            told = {name: value for name, value in told.items() if name in ("id", "cnt", *wanted)}
        if how == "3":
            return JSONResponse(told)
        if how == "1":
            return PlainTextResponse(",".join(str(value) for value in told.values()))
        if "id" not in told:
            return PlainTextResponse(f"{told['cost']} ({told['cnt']} SMS)")
        return PlainTextResponse(f"OK - {told['cnt']} SMS, ID - {told['id']}")

    async def _carry(self, record: Record) -> None:
        """Bring a message to its phone, or not, and report what became of it."""

        def told(fate: Fate) -> None:
            record.status, record.err = FATES[fate]
            record.status_at = self.world.pace.now()
            if self.hook and fate is not Fate.SENT:  # the handler is told of what is final
                self._report_status(record)

        await carry(self, record.phone, record.text, record.sender, record.id, told)

    def _report_status(self, record: Record) -> None:
        number = record.phone.lstrip("+")
        told = {
            "id": record.id, "phone": number, "status": str(record.status), "time": _date(record.status_at),
            "ts": str(record.status_at // 1000), "err": str(record.err), "cost": _money(record.cost),
            "type": "0",
        }  # fmt: skip
        self._call_handler(told, f"{record.id}:{number}:{record.status}")

    def on_sms(self, phone: Phone, sms: Sms, about: Sms | None) -> None:
        """Hand a text from a person to the client's handler."""
        if not self.hook:
            return
        record = next(
            (one for one in reversed(self._records.values()) if one.phone == phone.person.phone), None
        )
        number, to, sent = phone.person.phone.lstrip("+"), sms.other or SENDER, _date(sms.at)
        self._next_id += 1
        told = {
            "id": str(self._next_id - 1), "phone": number, "mes": sms.text, "to": to,
            "sms_id": record.id if record else "", "smsc": "sandbox", "sent": sent, "time": sent,
        }  # fmt: skip
        self._call_handler(told, f"{number}:{sms.text}:{to}")

    def _call_handler(self, told: Mapping[str, str], signed: str) -> None:
        def build(good: bool) -> Outgoing:
            secret = self._keys.secret if good else "another-secret"
            data = f"{signed}:{secret}".encode()
            signatures = {
                "md5": md5(data, usedforsecurity=False).hexdigest(),
                "sha1": sha1(data, usedforsecurity=False).hexdigest(),
            }
            return form(self.hook, {**told, **signatures})

        self.report(build)


def _refuse(fault: Fault) -> Response:
    if fault.kind == "throttle":
        raise Trouble(9, "too many concurrent requests")
    if fault.kind == "error":
        return PlainTextResponse("Internal Server Error", 500)
    raise Trouble(6)


def _trouble(trouble: Trouble, given: Mapping[str, str]) -> Response:
    how = given.get("fmt", "0")
    if how == "3":
        told: dict[str, object] = {"error": str(trouble), "error_code": trouble.code}
        return JSONResponse({**told, **({"id": given["id"]} if given.get("id") else {})})
    if how == "1":
        return PlainTextResponse(f"{given.get('id', '0')},-{trouble.code}")
    return PlainTextResponse(f"ERROR = {trouble.code} ({trouble})")


async def _fields(request: Request) -> dict[str, str]:
    """Return the parameters of a request, wherever it carries them."""
    given = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        async with request.form() as told:
            given |= {name: value for name, value in told.items() if isinstance(value, str)}
    elif kind == "application/json":
        try:
            said = await request.json()
        except ValueError:
            return given
        given |= {str(name): str(value) for name, value in said.items()} if isinstance(said, dict) else {}
    return given


def _number(text: str) -> str:
    """Return a number in E.164, "" where it is none."""
    try:
        return normalise_phone(text if text.startswith("+") else f"+{text}")
    except BadAddress:
        return ""


def _money(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}"


def _date(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%d.%m.%Y %H:%M:%S")
