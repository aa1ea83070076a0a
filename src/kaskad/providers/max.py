"""MAX's Bot API: https://dev.max.ru/docs-api, and the schema of its official client,
https://github.com/max-messenger/max-bot-api-client-go (`schema.yaml`).

There is neither a delivery nor a read report. A pressed button carries our reference in its payload and so is
a reaction to that very message; a link button is a tracked link of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from posixpath import splitext
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Button
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.keywords import is_stop
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers.base import (
    UNREADABLE,
    Accepted,
    Account,
    Capabilities,
    Inbound,
    Outgoing,
    Provider,
    Receipt,
    Request,
    Response,
    Setting,
    encode,
    status_error,
)
from kaskad.providers.signatures import check_secret, hmac_hex

BASE_URL = "https://platform-api2.max.ru"  # the hosts platform-api.max.ru and botapi.max.ru are older
POLL_S = 25  # how long GET /updates waits for something to tell; it takes up to 90
BUSY_MS = 1_000  # MAX names no wait: two messages a second into one dialogue
UNREADY_MS = 3_000

ERRORS = {  # `code` of an error: the official client's `error.go`, its test data, and the reference above
    "verify.token": Reason.AUTH,
    "chat.denied": Reason.WINDOW,  # the person has stopped the bot, or never started it
    "proto.payload": Reason.CONTENT,
    "attachment.not.ready": Reason.TRANSIENT,  # a file is still worked on: the same message goes later
}
CODES = {  # what a status says by itself, where its `code` is none of these
    400: Reason.CONTENT,
    401: Reason.AUTH,
    403: Reason.WINDOW,
    404: Reason.INVALID_ADDRESS,
    405: Reason.AUTH,
    429: Reason.RATE_LIMITED,
}
UPDATES = {  # https://dev.max.ru/docs-api/objects/Update: every kind; None changes nothing for us
    "message_callback": Kind.CLICKED,
    "message_created": Kind.REPLIED,
    "bot_started": Kind.STARTED,
    "bot_stopped": Kind.BLOCKED,
    "dialog_removed": Kind.BLOCKED,
    "dialog_muted": None,
    "dialog_unmuted": None,
    "dialog_cleared": None,
    "message_edited": None,
    "message_removed": None,
    "bot_added": None,
    "bot_removed": None,
    "user_added": None,
    "user_removed": None,
    "chat_title_changed": None,
    "message_chat_created": None,
}
ASKED = tuple(name for name, kind in UPDATES.items() if kind is not None)
IMAGES = frozenset({"", ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"})  # taken by address; files are not
MAX_TEXT = 4000
MAX_PAYLOAD = 1024

_OURS = re.compile(r"([A-Za-z0-9_-]{16,60}):(.*)", re.DOTALL)
_START = re.compile(r"\s*/start\s*", re.IGNORECASE)
_BOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{2,63}")


class Max(Provider):
    """A dialogue with a bot of MAX; people must have started it, best by an opt-in link."""

    name = "max"
    title = "MAX"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.MAX})
    settings = (
        Setting("token", secret=True, help="Of the bot: business.max.ru, Chat bots, Settings"),
        Setting("bot", required=False, help="The bot's name in max.ru/<name>; opt-in links need it"),
        Setting("mode", required=False, default="polling", choices=("polling", "webhook"),
                help="How answers come; webhook needs a public https address"),
        Setting("webhook_secret", secret=True, required=False,
                help="Sent with each webhook: 5–256 of A–Z a–z 0–9 _ -; empty: made from the token"),
        Setting("roots", required=False,
                help="File with the root certificate of the API's host (PEM), where the system has it not"),
        Setting("base_url", required=False, default=BASE_URL, help="Of the Bot API"),
    )  # fmt: skip
    connect = (
        "MAX gives bots to verified organisations and entrepreneurs of Russia: business.max.ru, Chat bots. "
        "The token stands in the bot's settings; `bot` is its name in max.ru/<name>.",
        "The API's certificate is of the Russian Ministry of Digital Development: name the file with its "
        "root (from gosuslugi.ru/crt, PEM) as `roots`, or put it into the system's store.",
        "Answers are polled, which needs no public address. With `mode: webhook` MAX calls "
        "`https://…/hooks/<account>`; a bot with a webhook cannot be polled, and Kaskad takes none away.",
        "A bot may write only to people who have started it: make opt-in links, `POST "
        "/api/v1/contacts/{contact}/opt-in-links`.",
    )
    judges = ("maxapi",)
    capabilities = Capabilities(
        receipts=frozenset({Kind.CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.CLICKED, Reaction.REPLIED}),
        buttons=100,
        media=True,
        max_text=MAX_TEXT,
        concurrency=16,
        per_second=30.0,
        burst=30,
    )
    unverified = (
        "that about 30 requests a second are taken in all",
        "the names of error codes besides verify.token and attachment.not.ready; the HTTP status "
        "decides where a name is another",
        "that a press may be answered with a notification alone",
        "where the root certificate is to be had",
    )

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        query = urlencode({"user_id": outgoing.to})
        return _call(account, "POST", f"/messages?{query}", _message(outgoing))

    def read_response(self, response: Response) -> Accepted:
        _check(response)
        try:
            return Accepted(_decode_sent(response.body).message.body.mid)
        except ValueError:  # it was taken all the same
            return Accepted()

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        # https://dev.max.ru/docs-api/methods/POST/subscriptions: the secret alone, the body is not signed
        check_secret(_secret(account), hook.headers.get("x-max-bot-api-secret", ""))

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [_told(hook.body)]

    def poll_request(self, account: Account, cursor: str) -> Request | None:
        if _mode(account) != "polling":
            return None
        fields = {"timeout": str(POLL_S), "limit": "100", "types": ",".join(ASKED)}
        if cursor:
            fields["marker"] = cursor
        return _call(account, "GET", f"/updates?{urlencode(fields, safe=',')}", None)

    def read_poll(self, response: Response, account: Account) -> tuple[list[Receipt | Inbound], str]:
        _check(response)
        try:
            page = msgspec.json.decode(response.body, type=_Page)
        except ValueError as error:
            raise status_error(response, "the answer is not a list of updates") from error
        told: list[Receipt | Inbound] = []
        for raw in page.updates:
            try:
                told.append(_told(bytes(raw)))
            except ValueError:  # one that we cannot read must not keep the others from us
                told.append(Receipt(kind=None, name=UNREADABLE, raw=bytes(raw)))
        return told, "" if page.marker is None else str(page.marker)

    def setup_requests(self, account: Account, webhook_url: str) -> list[Request]:
        if _mode(account) == "polling":
            return []
        fields = {"url": webhook_url, "update_types": ASKED, "secret": _secret(account)}
        return [_call(account, "POST", "/subscriptions", fields)]

    def read_setup(self, response: Response) -> None:
        _check(response)
        try:
            done = msgspec.json.decode(response.body, type=_Done)
        except ValueError as error:
            raise status_error(response, "the answer is not MAX's") from error
        if not done.success:
            raise SendError(Reason.AUTH, done.message or "MAX did not do it and does not say why")

    def follow_up(self, told: Sequence[Receipt | Inbound], account: Account) -> list[Request]:
        """The phone waits on a pressed button until POST /answers."""
        pressed = [_pressed(one.raw) for one in told if isinstance(one, Receipt)]
        return [
            _call(account, "POST", f"/answers?callback_id={quote(press.callback.callback_id, safe='')}",
                  {"notification": _label(press) or "✓"})
            for press in pressed
            if press is not None
        ]  # fmt: skip

    def opt_in_link(self, account: Account, token: str) -> str:
        # https://dev.max.ru/docs/chatbots/bots-coding/prepare: a payload of up to 128 characters
        bot = account["bot"].removeprefix("@")
        if not _BOT.fullmatch(bot):
            told = f"Account {account.name!r} does not say its bot: give `bot`, its name in max.ru/<name>."
            raise Invalid([told])
        return f"https://max.ru/{bot}?start={token}"


# What we send


def _call(account: Account, method: str, path: str, fields: Mapping[str, Any] | None) -> Request:
    token = account.required("token")
    base = account.base_url(BASE_URL)
    headers, roots = {"Authorization": token}, account["roots"]  # the token as it is, without "Bearer"
    if fields is None:
        return Request(method, base + path, headers, roots=roots)
    headers = {"Content-Type": "application/json", **headers}
    return Request(method, base + path, headers, encode(fields), roots=roots)


def _message(outgoing: Outgoing) -> dict[str, Any]:
    """Return the body of a message; raises SendError for what MAX would not take."""
    if len(outgoing.text) > MAX_TEXT:
        raise SendError(Reason.CONTENT, f"the text has {len(outgoing.text)} characters, MAX takes {MAX_TEXT}")
    attachments = [_image(url) for url in outgoing.media]
    if outgoing.buttons:
        rows = [[_button(outgoing.reference, n, button)] for n, button in enumerate(outgoing.buttons)]
        attachments.append({"type": "inline_keyboard", "payload": {"buttons": rows}})
    return {"text": outgoing.text or None, "attachments": attachments or None, "link": None}


def _image(url: str) -> dict[str, Any]:
    if splitext(urlsplit(url).path)[1].lower() not in IMAGES:
        raise SendError(
            Reason.CONTENT, "MAX takes only pictures by their address: put a link to the file into the text"
        )
    return {"type": "image", "payload": {"url": url}}


def _button(reference: str, number: int, button: Button) -> dict[str, str]:
    """Return a button: a link, or an answer that brings our reference back."""
    if button.url:
        return {"type": "link", "text": button.text, "url": button.url}
    payload = f"{reference}:{button.reply}"
    if len(payload) > MAX_PAYLOAD:
        payload = f"{reference}:#{number}"  # too long to come back: its place tells as much
    return {"type": "callback", "text": button.text, "payload": payload}


def _mode(account: Account) -> str:
    return "webhook" if account["mode"] == "webhook" else "polling"


def _secret(account: Account) -> str:
    """Return what webhooks must carry: the account's own secret, else one made from its token."""
    token = account["token"]
    return account["webhook_secret"] or (hmac_hex("sha256", token, b"kaskad webhook") if token else "")


# What we read


class _Key(Struct):
    text: str = ""
    payload: str = ""


class _Keys(Struct):
    buttons: list[list[_Key]] = field(default_factory=list)


class _Attachment(Struct):
    type: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Body(Struct):
    mid: str
    text: str | None = None
    attachments: list[_Attachment] | None = None


class _User(Struct):
    user_id: int


class _Recipient(Struct):
    chat_type: str = ""


class _Link(Struct):
    type: str
    message: _Body | None = None


class _Message(Struct):
    recipient: _Recipient
    body: _Body | None = None
    timestamp: int = 0
    sender: _User | None = None
    link: _Link | None = None


class _Callback(Struct):
    callback_id: str
    timestamp: int = 0
    payload: str | None = None


class _Update(Struct):
    """https://dev.max.ru/docs-api/objects/Update: of all kinds what we look at."""

    update_type: str
    timestamp: int = 0
    callback: _Callback | None = None
    message: _Message | None = None
    user: _User | None = None
    payload: str | None = None
    user_locale: str | None = None


class _Press(Struct):
    callback: _Callback
    message: _Message | None = None


class _Page(Struct):
    updates: list[msgspec.Raw]
    marker: int | None = None


class _Done(Struct):
    success: bool
    message: str | None = None


class _Error(Struct):
    code: str = ""
    message: str = ""


class _SentBody(Struct):
    mid: str


class _SentMessage(Struct):
    body: _SentBody


class _Sent(Struct):
    message: _SentMessage


_decode_sent = msgspec.json.Decoder(_Sent).decode
_decode_error = msgspec.json.Decoder(_Error).decode
_decode_update = msgspec.json.Decoder(_Update).decode


def _check(response: Response) -> None:
    """Raise SendError for an error, and where nobody can know whether it was one."""
    if response.ok:
        return
    try:
        error = _decode_error(response.body)
    except ValueError:
        error = _Error()
    general = status_error(response, error.message, code=error.code)
    if general.accepted is None or not error.code:  # 5xx; or a page of somebody else's, so a wrong address
        raise general
    reason = ERRORS.get(error.code, CODES.get(response.status, Reason.OTHER))
    wait_ms = general.retry_after_ms
    if wait_ms is None and reason in (Reason.RATE_LIMITED, Reason.TRANSIENT):
        wait_ms = BUSY_MS if reason is Reason.RATE_LIMITED else UNREADY_MS
    raise SendError(reason, error.message or error.code, code=error.code, retry_after_ms=wait_ms)


def _told(raw: bytes) -> Receipt | Inbound:
    """Return what an update says; one that changes nothing for us is kept as a receipt without a kind."""
    update = _decode_update(raw)
    match UPDATES.get(update.update_type):
        case Kind.CLICKED if update.callback is not None:
            return _press(update.callback, update.message, raw)
        case Kind.REPLIED if update.message is not None and update.message.recipient.chat_type == "dialog":
            if update.message.sender is not None and update.message.body is not None:
                return _said(update, update.message, update.message.sender, update.message.body, raw)
        case Kind.STARTED | Kind.BLOCKED as kind if update.user is not None:
            return Inbound(
                channel=Channel.MAX, address=str(update.user.user_id), kind=kind,
                event=f"{update.update_type} {update.timestamp}", at=_instant(update.timestamp),
                text=(update.payload or "") if kind is Kind.STARTED else "",
                language=update.user_locale or "", raw=raw,
            )  # fmt: skip
    return Receipt(kind=None, name=update.update_type, raw=raw)


def _press(callback: _Callback, message: _Message | None, raw: bytes) -> Receipt:
    """A button is an answer: a click, or a reply where it answers with a word that means stop."""
    event = f"callback {callback.callback_id}"
    ours = _OURS.fullmatch(callback.payload or "")
    if ours is None:
        return Receipt(kind=None, event=event, name="message_callback", raw=raw)
    stop = is_stop(ours[2])
    return Receipt(
        kind=Kind.REPLIED if stop else Kind.CLICKED,
        event=event,
        name="message_callback",
        reference=ours[1],
        provider_id=message.body.mid if message is not None and message.body is not None else "",
        at=_instant(callback.timestamp),
        text=ours[2] if stop else _label(_Press(callback, message)),
        key=ours[2],
        raw=raw,
    )


def _label(press: _Press) -> str:
    """Return what stands on the pressed button."""
    body = press.message.body if press.message is not None else None
    boards = [one for one in (body.attachments if body else None) or () if one.type == "inline_keyboard"]
    keys: Iterable[_Key] = (key for board in boards for row in _keys(board).buttons for key in row)
    return next((key.text for key in keys if key.payload == press.callback.payload), "")


def _keys(board: _Attachment) -> _Keys:
    try:
        return msgspec.json.decode(board.payload, type=_Keys)
    except ValueError:
        return _Keys()


def _said(update: _Update, message: _Message, sender: _User, body: _Body, raw: bytes) -> Inbound:
    start = _START.fullmatch(body.text or "")
    answers = message.link.message if message.link is not None and message.link.type == "reply" else None
    return Inbound(
        channel=Channel.MAX,
        address=str(sender.user_id),
        kind=Kind.STARTED if start else Kind.REPLIED,
        event=body.mid,
        at=_instant(message.timestamp),
        text="" if start else body.text or "",
        provider_id=answers.mid if answers is not None and not start else "",
        language=update.user_locale or "",
        raw=raw,
    )


def _pressed(raw: bytes) -> _Press | None:
    try:
        update = _decode_update(raw)
    except ValueError:
        return None
    return _Press(update.callback, update.message) if update.callback is not None else None


def _instant(at: int) -> int | None:
    return at if 0 < at < 1 << 48 else None
