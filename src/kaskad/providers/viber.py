"""Viber's Bot API: https://creators.viber.com/docs/bots-api, and its official libraries.

A bot writes to the ids that Viber gives it, never to numbers: messages to a number go through partners, each
with an API of its own. What we send with a message as `tracking_data` comes back with the next words of the
person, so a pressed button names its very message, and the first words in a new chat the link that led there.
"""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import splitext
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Button
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.keywords import is_stop
from kaskad.domain.terms import Channel, Kind, Reaction, Reason
from kaskad.providers.base import (
    NOTHING,
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
from kaskad.providers.signatures import check_hmac

BASE_URL = "https://chatapi.viber.com/pa"

STATUSES = {  # of an answer: https://creators.viber.com/docs/bots-api/errors; 0 is "taken"
    -1: Reason.AMBIGUOUS,  # "general error": nobody knows whether it was taken
    1: Reason.AUTH,  # the webhook's address
    2: Reason.AUTH,  # the token
    3: Reason.CONTENT,  # bad data
    4: Reason.CONTENT,  # missing data
    5: Reason.INVALID_ADDRESS,  # no such receiver
    6: Reason.WINDOW,  # the receiver has not subscribed
    7: Reason.AUTH,  # the bot is blocked
    8: Reason.AUTH,  # there is no such bot
    9: Reason.AUTH,  # the bot is suspended
    10: Reason.AUTH,  # no webhook is set
    11: Reason.INVALID_ADDRESS,  # a device or version of Viber without bots
    12: Reason.WINDOW,  # 100 messages in an hour to one person without an answer: others can go
    13: Reason.INVALID_ADDRESS,  # the person's version is too old
    14: Reason.CONTENT,  # not for this version
    15: Reason.AUTH,  # not allowed to the bot
    16: Reason.CONTENT,  # no inline messages there
    17: Reason.CONTENT,  # a bot that is none
    18: Reason.CONTENT,  # no inline messages there
    19: Reason.CONTENT,  # a bot that may not do that
    20: Reason.CONTENT,  # no broadcast of this
    21: Reason.INVALID_ADDRESS,  # no bots in the person's country
    22: Reason.CONTENT,  # no payments there
    23: Reason.AUTH,  # the month's free messages are used up
    24: Reason.AUTH,  # no money
}
EVENTS = {  # of a webhook: https://creators.viber.com/docs/bots-api/webhooks; None changes nothing for us
    "delivered": Kind.DELIVERED,
    "seen": Kind.READ,
    "failed": Kind.FAILED,  # it reached the phone, whose Viber cannot show it
    "message": Kind.REPLIED,
    "subscribed": Kind.UNBLOCKED,
    "unsubscribed": Kind.BLOCKED,
    "conversation_started": Kind.STARTED,
    "client_status": None,
    "webhook": None,  # sent once when the webhook is set
    "action": None,
}
REPORTS = frozenset({Kind.DELIVERED, Kind.READ, Kind.FAILED})
ASKED = ("delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started")
PICTURES = frozenset({"", ".jpg", ".jpeg", ".png", ".gif"})
MAX_TEXT = 7000
MAX_CAPTION = 512
MAX_TRACKING = 4000
MAX_NAME = 28
WELCOME = (  # English, Russian: what a person reads who has opened the chat and not written yet
    "Hello! To get our messages here, press the button.",
    "Здравствуйте! Чтобы получать наши сообщения здесь, нажмите кнопку.",
)
START = ("Start", "Начать")
_RUSSIAN = frozenset({"ru", "be", "kk", "ky"})


class Viber(Provider):
    """A chat with a bot of Viber; people must have written to it, best after an opt-in link."""

    name = "viber"
    title = "Viber"
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.VIBER})
    settings = (
        Setting("token", secret=True, help="Of the bot: More, Settings, Bots, Edit info, Your app key"),
        Setting("sender", help="The name that people see, up to 28 characters"),
        Setting("avatar", required=False, help="Address of its picture, up to 100 KB"),
        Setting("uri", required=False, help="The bot's own name in links; opt-in links need it"),
        Setting("welcome", required=False, help="What a person first reads; empty: words of ours"),
        Setting("base_url", required=False, default=BASE_URL),
    )  # fmt: skip
    connect = (
        "Since February 2024 Viber gives bots by contract only. The token is in Viber: More, Settings, Bots, "
        "Edit info, Your app key. `sender` is the name that people see, `uri` the bot's own name in links.",
        "Kaskad's `base_url` must be an https address with a trusted certificate: Viber is told "
        "`https://…/hooks/<account>` when the account is enabled, and calls it at once.",
        "A bot may write only to people who have written to it: make opt-in links, `POST "
        "/api/v1/contacts/{contact}/opt-in-links`. Who opens one is asked to press a button, and has then "
        "subscribed. Messages to telephone numbers are another product, sold by partners.",
    )
    judges = ("viberbot",)
    capabilities = Capabilities(
        receipts=frozenset({Kind.DELIVERED, Kind.READ, Kind.FAILED, Kind.CLICKED, Kind.REPLIED}),
        reactions=frozenset({Reaction.DELIVERED, Reaction.READ, Reaction.CLICKED, Reaction.REPLIED}),
        buttons=24,
        media=True,
        max_text=MAX_TEXT,
        concurrency=16,
        per_second=20.0,
        burst=20,
    )
    unverified = (
        "the shape of keyboards, and that one has up to 24 rows of buttons",
        "that a link viber://pa?chatURI=…&context=… opens the chat and brings its context",
        "that set_webhook wants its first call answered before it ends",
    )

    def check(self, account: Account) -> list[str]:
        if len(account["sender"]) > MAX_NAME:
            return [f"`sender` has {len(account['sender'])} characters, Viber shows {MAX_NAME}: shorten it."]
        return []

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        if outgoing.to.startswith("+"):
            raise SendError(
                Reason.WINDOW, "a bot of Viber writes to the ids that Viber gives it, not to numbers"
            )
        fields = {
            "receiver": outgoing.to,
            "min_api_version": 1,
            "sender": _sender(account),
            "tracking_data": _tracking(outgoing),
            **_message(outgoing),
        }
        if outgoing.buttons:
            rows = [_button(number, button) for number, button in enumerate(outgoing.buttons)]
            fields["keyboard"] = _keyboard(rows)
        return _call(account, "send_message", fields)

    def read_response(self, response: Response) -> Accepted:
        token = _answer(response).message_token
        return Accepted("" if token is None else str(token))

    def verify_webhook(self, hook: Request, account: Account, now: int) -> None:
        # https://creators.viber.com/docs/bots-api/webhooks: the token is the key
        check_hmac("sha256", account["token"], hook.body, [hook.headers.get("x-viber-content-signature", "")])

    def read_webhook(self, hook: Request, account: Account) -> list[Receipt | Inbound]:
        return [_told(hook.body)]

    def answer_webhook(self, hook: Request, account: Account) -> tuple[str, bytes]:
        """Whoever has opened the chat has not subscribed yet, and gets one message: as this answer."""
        event = _decode(hook.body)
        if event.event != "conversation_started" or event.subscribed:
            return NOTHING
        russian = _russian(event.user.language if event.user else "")
        welcome = {
            "sender": _sender(account),
            "tracking_data": encode(_Track(t=event.context or "")).decode(),
            "type": "text",
            "text": account["welcome"] or WELCOME[russian],
            "keyboard": _keyboard([_reply(START[russian], START[russian])]),
        }
        return "application/json", encode(welcome)

    def setup_requests(self, account: Account, webhook_url: str) -> list[Request]:
        if not webhook_url:  # an empty one would take away what is set
            return []
        fields = {"url": webhook_url, "event_types": ASKED, "send_name": True}
        return [_call(account, "set_webhook", fields)]

    def read_setup(self, response: Response) -> None:
        _answer(response)

    def opt_in_link(self, account: Account, token: str) -> str:
        uri = account["uri"]
        if not uri:
            raise Invalid([f"Account {account.name!r} does not say its bot: give `uri`, its name in links."])
        return f"viber://pa?chatURI={quote(uri, safe='')}&context={token}"


# What we send


def _call(account: Account, method: str, fields: Mapping[str, Any]) -> Request:
    token = account.required("token")
    base = account.base_url(BASE_URL)
    return Request.of_json(f"{base}/{method}", fields, {"X-Viber-Auth-Token": token})


def _sender(account: Account) -> dict[str, str]:
    avatar = account["avatar"]
    return {"name": account["sender"][:MAX_NAME], **({"avatar": avatar} if avatar else {})}


def _message(outgoing: Outgoing) -> dict[str, Any]:
    """Return what is said; raises SendError for what Viber would not take."""
    text, media = outgoing.text, outgoing.media
    limit = MAX_CAPTION if media else MAX_TEXT
    if len(text) > limit:
        what = "the text beside a picture" if media else "the text"
        raise SendError(Reason.CONTENT, f"{what} has {len(text)} characters, Viber takes {limit}")
    if not media:
        return {"type": "text", "text": text}
    if len(media) > 1 or splitext(urlsplit(media[0]).path)[1].lower() not in PICTURES:
        raise SendError(
            Reason.CONTENT, "Viber takes one picture by its address: put links to the rest into the text"
        )
    return {"type": "picture", "text": text, "media": media[0]}


def _tracking(outgoing: Outgoing) -> str:
    """Return what comes back with the person's next words: the message, and what its buttons answer."""
    if not outgoing.reference:
        return "{}"  # an answer of ours: what was tracked before is over
    replies = {_body(number, b): b.text for number, b in enumerate(outgoing.buttons) if not b.url}
    told = encode(_Track(outgoing.reference, replies)).decode()
    if len(told) > MAX_TRACKING:
        raise SendError(
            Reason.CONTENT,
            "the answers of the buttons are too long for Viber: shorten their `reply` and text",
        )
    return told


def _body(number: int, button: Button) -> str:
    """Return what a pressed answer button says: its word; one that is too long, its place."""
    body = button.reply or button.text
    return body if len(body) <= 200 else f"#{number}"


def _button(number: int, button: Button) -> dict[str, Any]:
    if button.url:
        return {**_reply(button.text, button.url), "ActionType": "open-url"}
    return _reply(button.text, _body(number, button))


def _reply(text: str, body: str) -> dict[str, Any]:
    return {"Columns": 6, "Rows": 1, "ActionType": "reply", "ActionBody": body, "Text": text}


def _keyboard(buttons: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Type": "keyboard", "DefaultHeight": False, "Buttons": buttons}


def _russian(language: str) -> bool:
    return language.partition("-")[0].lower() in _RUSSIAN


# What we read


class _Track(Struct, omit_defaults=True):
    """Our `tracking_data`; `t` is the token of a link, "" for a chat that was opened without one."""

    r: str = ""
    b: dict[str, str] = field(default_factory=dict)
    t: str | None = None


class _User(Struct):
    id: str
    language: str = ""


class _Message(Struct):
    type: str = ""
    text: str = ""
    tracking_data: str = ""


class _Event(Struct):
    """https://creators.viber.com/docs/bots-api/webhooks: of all events what we look at."""

    event: str
    timestamp: int = 0
    message_token: int | str | None = None
    user_id: str = ""
    user: _User | None = None
    sender: _User | None = None
    message: _Message | None = None
    desc: str = ""
    context: str | None = None
    subscribed: bool = False


class _Answer(Struct):
    status: int
    status_message: str = ""
    message_token: int | str | None = None  # above 2^53: a number that not every language can hold


_decode = msgspec.json.Decoder(_Event).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


def _answer(response: Response) -> _Answer:
    """Return what Viber says, which is always "200"; raises SendError for an error."""
    if not response.ok:
        raise status_error(response)
    try:
        answer = _decode_answer(response.body)
    except ValueError:
        raise status_error(response, "the answer is not Viber's") from None
    if answer.status == 0:
        return answer
    reason = STATUSES.get(answer.status, Reason.OTHER)
    raise SendError(
        reason,
        answer.status_message or f"status {answer.status}",
        code=str(answer.status),
        accepted=None if reason is Reason.AMBIGUOUS else False,
    )


def _told(raw: bytes) -> Receipt | Inbound:
    """Return what an event says; one that changes nothing for us is kept as a receipt without a kind."""
    event = _decode(raw)
    kind = EVENTS.get(event.event)
    who = event.user.id if event.user else event.user_id
    token = "" if event.message_token is None else str(event.message_token)
    if kind in REPORTS and token:
        failed = kind is Kind.FAILED
        return Receipt(
            kind=kind, name=event.event, provider_id=token, at=_instant(event),
            reason=Reason.CONTENT if failed else None, detail=event.desc if failed else "", raw=raw,
        )  # fmt: skip
    if kind is Kind.REPLIED and event.sender is not None and event.message is not None:
        return _said(event, event.sender, event.message, token, raw)
    opens = kind is Kind.STARTED and event.subscribed  # else its first words, with the welcome's token, do
    if (opens or kind in (Kind.BLOCKED, Kind.UNBLOCKED)) and kind is not None and who:
        return Inbound(
            channel=Channel.VIBER, address=who, kind=kind,
            event=token or f"{event.event} {event.timestamp}", at=_instant(event),
            text=(event.context or "") if opens else "",
            language=event.user.language if event.user else "", raw=raw,
        )  # fmt: skip
    return Receipt(kind=None, event=token, name=event.event, raw=raw)


def _said(event: _Event, sender: _User, message: _Message, token: str, raw: bytes) -> Receipt | Inbound:
    """Words of a person: the first in a new chat, a pressed button, or an answer."""
    track = _track(message.tracking_data)
    stop = is_stop(message.text)
    label = track.b.get(message.text)
    if track.r and label is not None:
        return Receipt(
            kind=Kind.REPLIED if stop else Kind.CLICKED, event=token, name="message", reference=track.r,
            at=_instant(event), text=message.text if stop else label, key=message.text, raw=raw,
        )  # fmt: skip
    starts = track.t is not None and not stop
    return Inbound(
        channel=Channel.VIBER,
        address=sender.id,
        kind=Kind.STARTED if starts else Kind.REPLIED,
        event=token,
        at=_instant(event),
        text=(track.t or "") if starts else message.text,
        language=sender.language,
        raw=raw,
    )


def _track(text: str) -> _Track:
    try:
        return msgspec.json.decode(text, type=_Track)
    except ValueError:
        return _Track()


def _instant(event: _Event) -> int | None:
    return event.timestamp if 0 < event.timestamp < 1 << 48 else None
