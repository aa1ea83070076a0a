"""`/push/{account}`: people allow notifications, on our page or a shop's, and take that back.

The script and the worker are for pages of any origin: a subscription belongs to the origin that asked for it,
and no cookie of ours takes part. Who a person is is told by the token of an opt-in link (`engine/opt_in.py`),
and which browser by the subscription itself, whose secret nobody else has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kaskad.domain.errors import StoreError
from kaskad.domain.subscription import BadSubscription, Subscription, read_subscription
from kaskad.domain.terms import Channel, Kind
from kaskad.log import get_logger
from kaskad.providers.base import Account, Inbound, encode
from kaskad.providers.webpush import WebPush, is_service
from kaskad.web.body import read_body
from kaskad.web.intake import Durable, Intake
from kaskad.web.page import language_of, page
from kaskad.web.push_page import push_page

log = get_logger(__name__)

LIMIT = 16_384
AGENT_LIMIT = 500
_LINE = re.compile(r"\n\s*(?://[^\n]*)?")  # what a browser needs not: indentation and comments
OPEN = {"Access-Control-Allow-Origin": "*"}
ASKED = {
    **OPEN,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "86400",
}
SCRIPT = {
    **OPEN,
    "Cache-Control": "max-age=300",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


class _Told(Struct):
    """What a browser posts: itself, who it is for, or what it was before."""

    subscription: msgspec.Raw
    token: str = ""
    digits: str = ""
    old: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Told).decode


class Push:
    """The pages, scripts and posts of accounts of provider `webpush`."""

    def __init__(self, intake: Intake, durable: Durable, base_url: str) -> None:
        self._intake = intake
        self._durable = durable
        self._base_url = base_url.rstrip("/")
        self._sources = {name: _source(f"push-{name}.js") for name in ("worker", "subscribe", "page")}

    async def ask(self, request: Request) -> Response:
        """Show the page that asks for permission; looking changes nothing."""
        account = self._account(request)
        if account is None:
            return page(request, "missing", status=404)
        language = language_of(request.headers.get("accept-language", ""))
        return push_page(language, account.name, account["title"])

    async def script(self, request: Request) -> Response:
        """Return `worker.js`, `subscribe.js` or `page.js`, the first two with the account's key in them."""
        account, name = self._account(request), request.path_params["name"]
        if account is None or name not in self._sources:
            return Response(status_code=404)
        source = self._sources[name]
        if name != "page":
            told = {"key": account["public_key"], "url": f"{self._base_url}/push/{account.name}"}
            source = f'"use strict";({source.strip()})({encode(told).decode()});\n'
        return Response(source, 200, SCRIPT, "text/javascript")

    async def allowed(self, request: Request) -> Response:
        """Tell a browser that any page may post."""
        return Response(status_code=204, headers=ASKED)

    async def subscribe(self, request: Request) -> Response:
        """Bind a browser to the contact of its link, or put its new subscription in place of the old one."""
        found = await self._told(request)
        if isinstance(found, Response):
            return found
        account, told, new = found
        if told.old:
            return await self._renew(told, new)
        event = f"subscription {sha256(str(new).encode()).hexdigest()[:16]}"
        kind, text = (Kind.REPLIED, told.digits) if told.digits else (Kind.STARTED, told.token)
        if not text:
            return _state("unknown", 404)
        inbound = Inbound(channel=Channel.PUSH, address=str(new), kind=kind, event=event, text=text)
        try:
            said = await self._durable.wait(self._intake.chat(account, inbound, _evidence(request)))
        except StoreError as error:
            return _trouble(error)
        return _state(said or "unknown")

    async def end(self, request: Request) -> Response:
        """Take a browser's permission as withdrawn: the person has said so on the page."""
        found = await self._told(request)
        if isinstance(found, Response):
            return found
        account, _, subscription = found
        address = str(subscription)
        event = f"switched off {sha256(address.encode()).hexdigest()[:16]}"
        acts = [
            Inbound(channel=Channel.PUSH, address=address, kind=kind, event=event)
            for kind in (Kind.UNSUBSCRIBED, Kind.BLOCKED)
        ]
        try:
            await self._durable.wait(self._intake.receipts(account, acts, {}, b"", None))
        except StoreError as error:
            return _trouble(error)
        return _state("off")

    async def _renew(self, told: _Told, new: Subscription) -> Response:
        try:
            old = read_subscription(bytes(told.old).decode())
            known = await self._durable.wait(self._intake.renewal(old, new))
        except (BadSubscription, UnicodeDecodeError):
            return _state("unknown", 422)
        except StoreError as error:
            return _trouble(error)
        return _state("done") if known else _state("unknown", 404)

    def _account(self, request: Request) -> Account | None:
        found = self._intake.account(request.path_params["account"])
        return found[0] if found is not None and isinstance(found[1], WebPush) else None

    async def _told(self, request: Request) -> tuple[Account, _Told, Subscription] | Response:
        account = self._account(request)
        if account is None:
            return _state("unknown", 404)
        body = await read_body(request.scope, request.receive, LIMIT)
        try:
            told = _decode(body)
            subscription = read_subscription(bytes(told.subscription).decode())
        except (ValueError, RecursionError):
            return _state("trouble", 422)
        if not is_service(subscription, account):
            log.warning("unknown push service", account=account.name, service=subscription.origin)
            return _state("unsupported", 422)
        return account, told, subscription


def _source(name: str) -> str:
    text = files("kaskad.web").joinpath(f"static/{name}").read_text("utf-8")
    return _LINE.sub("\n", f"\n{text}").lstrip()


def _state(state: str, status: int = 200) -> JSONResponse:
    return JSONResponse({"state": state}, status, {**OPEN, "Cache-Control": "no-store"})


def _trouble(error: StoreError) -> JSONResponse:
    log.error("subscription not stored", error=type(error).__name__, detail=str(error))
    return _state("trouble", 503)


def _evidence(request: Request) -> Mapping[str, str]:
    """Return what shows, with the consent, where and how it was given."""
    told = {
        "page": request.headers.get("origin", "")[:200],
        "agent": request.headers.get("user-agent", "")[:AGENT_LIMIT],
        "ip": request.client.host if request.client else "",
    }
    return {name: value.replace("\0", "") for name, value in told.items() if value}
