"""What Messenger and Instagram share: messages of the Send API, and the events of their webhooks.

https://developers.facebook.com/documentation/business-messaging/messenger-platform/send-messages
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Button
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.providers import meta
from kaskad.providers.base import Accepted, Inbound, Outgoing, Receipt, Response, Told, UpTo

MAX_TEMPLATE_TEXT = 640  # of a text with buttons that stay
MAX_BUTTONS = 3  # that stay
MAX_QUICK_REPLIES = 13  # gone with the next message
MAX_LABEL = 20
MAX_PAYLOAD = 1000
START = "/start"  # what the button "Get started" brings

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
_ATTACHMENTS = {"image": "image", "video": "video", "audio": "audio", "document": "file"}


# What we send


def message(outgoing: Outgoing, title: str) -> dict[str, Any]:
    """Return the `message` of a request; raises SendError for what the service would not take."""
    text, media, buttons = outgoing.text, outgoing.media, outgoing.buttons
    if media and (text or buttons or len(media) > 1):
        told = f"{title} takes a text or one file in a message, not both: send the file's address as a link"
        raise SendError(Reason.CONTENT, told)
    if media:
        kind = _ATTACHMENTS[meta.medium(media[0])]
        return {"attachment": {"type": kind, "payload": {"url": media[0]}}}
    if not buttons:
        return {"text": text}
    long = next((button.text for button in buttons if len(button.text) > MAX_LABEL), None)
    if long is not None:
        raise SendError(Reason.CONTENT, f"{title}'s buttons have up to {MAX_LABEL} characters, not {long!r}")
    payloads = [
        meta.payload(outgoing.reference, number, button.reply, MAX_PAYLOAD)
        for number, button in enumerate(buttons)
    ]
    if len(buttons) <= MAX_BUTTONS and len(text) <= MAX_TEMPLATE_TEXT:
        shown = [_button(*pair) for pair in zip(buttons, payloads, strict=True)]
        payload = {"template_type": "button", "text": text, "buttons": shown}
        return {"attachment": {"type": "template", "payload": payload}}
    if any(button.url for button in buttons) or len(buttons) > MAX_QUICK_REPLIES:
        told = (
            f"{title} takes {MAX_BUTTONS} buttons below {MAX_TEMPLATE_TEXT} characters where one of them is "
            f"a link, else {MAX_QUICK_REPLIES}"
        )
        raise SendError(Reason.CONTENT, told)
    replies = [
        {"content_type": "text", "title": button.text, "payload": payload}
        for button, payload in zip(buttons, payloads, strict=True)
    ]
    return {"text": text, "quick_replies": replies}


def _button(button: Button, payload: str) -> dict[str, str]:
    if button.url:
        return {"type": "web_url", "url": button.url, "title": button.text}
    return {"type": "postback", "title": button.text, "payload": payload}


class _Sent(Struct):
    message_id: str = ""


_decode_sent = msgspec.json.Decoder(_Sent).decode


def taken(response: Response) -> Accepted:
    """Return what a 2xx answer says; raises SendError where it names no message."""
    try:
        sent = _decode_sent(response.body)
    except ValueError:
        sent = _Sent()
    if not sent.message_id:
        raise SendError(Reason.AMBIGUOUS, "the answer names no message", accepted=None)
    return Accepted(sent.message_id)


# What we read


class _Id(Struct):
    id: str = ""


class _Referral(Struct):
    ref: str = ""


class _Quick(Struct):
    payload: str = ""


class _Answered(Struct):
    mid: str = ""


class _Message(Struct):
    mid: str = ""
    text: str = ""
    is_echo: bool = False
    is_deleted: bool = False
    quick_reply: _Quick | None = None
    reply_to: _Answered | None = None
    referral: _Referral | None = None


class _Postback(Struct):
    mid: str = ""
    title: str = ""
    payload: str = ""
    referral: _Referral | None = None


class _Delivery(Struct):
    mids: list[str] = field(default_factory=list)
    watermark: int = 0


class _Read(Struct):
    watermark: int = 0
    mid: str = ""


class _Reaction(Struct):
    mid: str = ""
    action: str = ""


class _Event(Struct):
    """https://developers.facebook.com/docs/messenger-platform/reference/webhook-events"""

    sender: _Id = field(default_factory=_Id)
    recipient: _Id = field(default_factory=_Id)
    timestamp: int = 0
    message: _Message | None = None
    postback: _Postback | None = None
    delivery: _Delivery | None = None
    read: _Read | None = None
    reaction: _Reaction | None = None
    referral: _Referral | None = None


class _Entry(Struct):
    messaging: list[msgspec.Raw] = field(default_factory=list)
    changes: list[msgspec.Raw] = field(default_factory=list)
    standby: list[msgspec.Raw] = field(default_factory=list)  # another application holds the conversation


class _Webhook(Struct):
    object: str
    entry: list[_Entry]


_decode = msgspec.json.Decoder(_Webhook).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def read(body: bytes, what: str, ours: str, channel: Channel) -> list[Told]:
    """Return all that a webhook says of `ours`, a page or account; raises ValueError where it is no such."""
    hook = _decode(body)
    if hook.object != what:
        raise ValueError(f"it is about {hook.object}, not {what}")
    reader: Callable[[bytes], list[Told]] = _Reader(ours, channel).read
    told: list[Told] = []
    for entry in hook.entry:
        told += meta.read_each(entry.messaging, reader)
        told += [Receipt(kind=None, name="other", raw=bytes(raw)) for raw in (*entry.changes, *entry.standby)]
    return told


class _Reader:
    """Reads the events of one page or account."""

    def __init__(self, ours: str, channel: Channel) -> None:
        self._ours, self._channel = ours, channel

    def read(self, raw: bytes) -> list[Told]:
        """Return what an event says; one that changes nothing for us is kept as a receipt without a kind."""
        event = _decode_event(raw)
        at, said = meta.instant(event.timestamp), event.message
        if said is not None and said.is_echo:
            return [Receipt(kind=None, event=said.mid, name="echo", provider_id=said.mid, at=at, raw=raw)]
        if event.recipient.id != self._ours or not event.sender.id:
            return [Receipt(kind=None, name="of another page", raw=raw)]
        if event.delivery is not None:
            return self._delivered(event, event.delivery, raw)
        if event.read is not None:
            return self._seen(event, event.read, at, raw)
        if event.reaction is not None:
            kind = Kind.READ if event.reaction.action == "react" else None
            return [Receipt(kind=kind, event=f"reaction {event.timestamp}", name="reaction",
                            provider_id=event.reaction.mid, at=at, raw=raw)]  # fmt: skip
        if said is not None and not said.is_deleted:
            return [self._wrote(event, said, at, raw)]
        if event.postback is not None:
            return [self._pressed(event, event.postback, at, raw)]
        if event.referral is not None and _TOKEN.fullmatch(event.referral.ref):
            return [
                self._inbound(event, Kind.STARTED, event.referral.ref, f"referral {event.timestamp}", raw)
            ]
        return [Receipt(kind=None, name="message deleted" if said is not None else "other", raw=raw)]

    def _delivered(self, event: _Event, told: _Delivery, raw: bytes) -> list[Told]:
        """Return that messages were delivered: those that are named, else all until the watermark."""
        at = meta.instant(told.watermark)
        if told.mids:
            return [
                Receipt(kind=Kind.DELIVERED, name="delivery", provider_id=mid, at=at, raw=raw)
                for mid in told.mids
            ]
        return [self._until(event, Kind.DELIVERED, told.watermark, raw)]

    def _seen(self, event: _Event, told: _Read, at: int | None, raw: bytes) -> list[Told]:
        if told.mid:
            return [Receipt(kind=Kind.READ, name="seen", provider_id=told.mid, at=at, raw=raw)]
        return [self._until(event, Kind.READ, told.watermark, raw)]

    def _until(self, event: _Event, kind: Kind, watermark: int, raw: bytes) -> UpTo:
        until = meta.instant(watermark)
        if until is None:
            raise ValueError("the report names neither a message nor an instant")
        return UpTo(channel=self._channel, address=event.sender.id, kind=kind, until=until, raw=raw)

    def _wrote(self, event: _Event, said: _Message, at: int | None, raw: bytes) -> Told:
        if said.quick_reply is not None:
            press = meta.pressed(
                said.quick_reply.payload, said.text, event=said.mid, name="quick_reply",
                provider_id=said.reply_to.mid if said.reply_to else "", at=at, raw=raw,
            )  # fmt: skip
            if press is not None:
                return press
        if said.referral is not None and _TOKEN.fullmatch(said.referral.ref):
            return self._inbound(event, Kind.STARTED, said.referral.ref, said.mid, raw)
        answers = said.reply_to.mid if said.reply_to else ""
        return self._inbound(event, Kind.REPLIED, said.text, said.mid, raw, answers)

    def _pressed(self, event: _Event, told: _Postback, at: int | None, raw: bytes) -> Told:
        """Return the press of a button of ours, a start by "Get started", or what another button says."""
        number = told.mid or f"postback {event.timestamp}"
        if told.referral is not None and _TOKEN.fullmatch(told.referral.ref):
            return self._inbound(event, Kind.STARTED, told.referral.ref, number, raw)
        if told.payload == START:
            return self._inbound(event, Kind.STARTED, "", number, raw)
        press = meta.pressed(
            told.payload, told.title, event=number, name="postback", provider_id="", at=at, raw=raw
        )
        return press or self._inbound(event, Kind.REPLIED, told.title, number, raw)

    def _inbound(
        self, event: _Event, kind: Kind, text: str, number: str, raw: bytes, answers: str = ""
    ) -> Inbound:
        return Inbound(
            channel=self._channel, address=event.sender.id, kind=kind, event=number,
            at=meta.instant(event.timestamp), text=text, provider_id=answers, raw=raw,
        )  # fmt: skip
