"""What VK's Callback API tells of a community's messages:
https://dev.vk.com/api/community-events/json-schema."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from kaskad.domain.keywords import is_stop
from kaskad.domain.terms import Channel, Kind
from kaskad.providers.base import Inbound, Receipt

EVENTS = {  # https://dev.vk.com/api/community-events/json-schema; None, and all others, change nothing for us
    "confirmation": None,
    "message_new": Kind.REPLIED,
    "message_event": Kind.CLICKED,  # an answer button
    "message_read": Kind.READ,
    "message_reaction_event": Kind.READ,  # who puts a smile to a message has seen it
    "message_allow": Kind.UNBLOCKED,
    "message_deny": Kind.BLOCKED,
    "message_reply": None,  # our own words, or an operator's
    "message_edit": None,
    "message_typing_state": None,
}
# dev.vk.com/api/api-requests
LANGUAGES = {0: "ru", 1: "uk", 2: "be", 3: "en", 4: "es", 5: "fi", 6: "de", 7: "it"}
EARLIER = 20  # messages before the one that was read, among which ours may be
GROUP_CHATS = 2_000_000_000  # ids from here on are chats of several people

_DIGITS = re.compile(r"\s*\d{4}\s*")  # an answer to our question who it is, not a beginning
_START = re.compile(r"\s*/?(start|начать)\s*", re.IGNORECASE)


class Ours(Struct):
    """The payload of a button of ours."""

    r: str
    k: str


class Envelope(Struct):
    """https://dev.vk.com/api/callback/getting-started"""

    type: str = ""
    group_id: int = 0
    event_id: str = ""
    secret: str | None = None
    object: msgspec.Raw = msgspec.Raw(b"{}")


class _ReplyTo(Struct):
    conversation_message_id: int = 0


class _Message(Struct):
    from_id: int
    peer_id: int
    date: int = 0
    text: str = ""
    payload: str | None = None
    ref: str = ""
    conversation_message_id: int = 0
    reply_message: _ReplyTo | None = None


class _Client(Struct):
    lang_id: int | None = None


class _New(Struct):
    message: _Message
    client_info: _Client | None = None


class Press(Struct):
    """Of message_event."""

    user_id: int
    peer_id: int
    event_id: str
    payload: msgspec.Raw = msgspec.Raw(b"null")
    conversation_message_id: int = 0


class _Read(Struct):
    """Of message_read and of message_reaction_event, which names the same with other words."""

    peer_id: int
    from_id: int = 0
    conversation_message_id: int = 0
    reacted_id: int = 0
    cmid: int = 0


class _Permission(Struct):
    user_id: int
    key: str = ""


envelope_of = msgspec.json.Decoder(Envelope).decode
_decode_new = msgspec.json.Decoder(_New).decode
_decode_read = msgspec.json.Decoder(_Read).decode
_decode_press = msgspec.json.Decoder(Press).decode
_decode_permission = msgspec.json.Decoder(_Permission).decode


def happened(raw: bytes) -> list[Receipt | Inbound]:
    """Return what an event says; one that changes nothing for us is kept as a receipt without a kind."""
    event = envelope_of(raw)
    match EVENTS.get(event.type):
        case Kind.REPLIED:
            return _said(event, raw) or [_nothing(event, raw)]
        case Kind.CLICKED:
            return [_press(event, raw)]
        case Kind.READ:
            return [_read(event, raw)]
        case Kind.UNBLOCKED | Kind.BLOCKED as kind:
            return [_permission(event, kind, raw)]
    return [_nothing(event, raw)]


def _nothing(event: Envelope, raw: bytes) -> Receipt:
    return Receipt(kind=None, event=event.event_id, name=event.type, raw=raw)


def _read(event: Envelope, raw: bytes) -> Receipt:
    """A person has read a message of the community, and with it those before."""
    read = _decode_read(event.object)
    cmid, who = read.conversation_message_id or read.cmid, read.from_id or read.reacted_id
    if who < 1 or cmid < 1 or read.peer_id >= GROUP_CHATS:  # a minus: the community itself
        return _nothing(event, raw)
    before = range(cmid - 1, max(0, cmid - 1 - EARLIER), -1)
    return Receipt(
        kind=Kind.READ, name=event.type, provider_id=provider_id(read.peer_id, cmid),
        earlier=tuple(provider_id(read.peer_id, number) for number in before), raw=raw,
    )  # fmt: skip


def _press(event: Envelope, raw: bytes) -> Receipt:
    press = _decode_press(event.object)
    ours = _ours(press.payload)
    if ours is None:
        return _nothing(event, raw)
    return _clicked(event, ours, "", provider_id(press.peer_id, press.conversation_message_id), raw)


def _clicked(event: Envelope, ours: Ours, label: str, provider_id: str, raw: bytes) -> Receipt:
    """A button is an answer: a click, or a reply where it answers with a word that means stop."""
    stop = is_stop(ours.k)
    return Receipt(
        kind=Kind.REPLIED if stop else Kind.CLICKED, event=event.event_id, name=event.type, reference=ours.r,
        provider_id=provider_id, text=ours.k if stop else label, key=ours.k, raw=raw,
    )  # fmt: skip


def _said(event: Envelope, raw: bytes) -> list[Receipt | Inbound]:
    """Return what words say: a pressed button (in programs without answers), a beginning, an answer."""
    new = _decode_new(event.object)
    message, client = new.message, new.client_info
    if message.from_id < 1 or message.peer_id != message.from_id:  # the community's own, or a group's
        return []
    ours = _ours(msgspec.Raw((message.payload or "null").encode()))
    if ours is not None:
        return [_clicked(event, ours, message.text, "", raw)]
    answers = message.reply_message.conversation_message_id if message.reply_message else 0
    words = Inbound(
        channel=Channel.VK, address=str(message.from_id), kind=Kind.REPLIED, event=event.event_id,
        at=message.date * 1000 if 0 < message.date < 1 << 38 else None, text=message.text,
        provider_id=provider_id(message.peer_id, answers),
        language=LANGUAGES.get(client.lang_id if client and client.lang_id is not None else 0, ""), raw=raw,
    )  # fmt: skip
    begins = _START.fullmatch(message.text) is not None or _is_start(message.payload)
    if is_stop(message.text) or _DIGITS.fullmatch(message.text) or not (begins or message.ref):
        return [words]
    started = msgspec.structs.replace(words, kind=Kind.STARTED, text=message.ref, provider_id="")
    return [started] if begins else [started, words]


def _permission(event: Envelope, kind: Kind, raw: bytes) -> Inbound:
    """A person has allowed or forbidden messages; `key` is what a site's button has given along."""
    permission = _decode_permission(event.object)
    by_link = kind is Kind.UNBLOCKED and permission.key != ""
    return Inbound(
        channel=Channel.VK, address=str(permission.user_id), kind=Kind.STARTED if by_link else kind,
        event=event.event_id, text=permission.key if by_link else "", language="ru", raw=raw,
    )  # fmt: skip


def _ours(payload: msgspec.Raw) -> Ours | None:
    """Return what a button of ours says; its payload comes as an object, or as text with JSON in it."""
    try:
        text = bytes(payload)
        if text.startswith(b'"'):
            text = msgspec.json.decode(text, type=str).encode()
        return msgspec.json.decode(text, type=Ours)
    except ValueError:
        return None


class _Command(Struct):
    command: str


def _is_start(payload: str | None) -> bool:
    """Say whether the words are those of the button that VK shows in a new chat."""
    try:
        return msgspec.json.decode(payload or "", type=_Command).command == "start"
    except ValueError:
        return False


def pressed(raw: bytes) -> Press | None:
    """Return the press that an event tells of, to be answered; None for any other event."""
    try:
        event = envelope_of(raw)
        return _decode_press(event.object) if event.type == "message_event" else None
    except ValueError:
        return None


def provider_id(peer_id: int, number: int) -> str:
    """Return what names a message: its number within a chat; "" where VK has told none."""
    return f"{peer_id}:{number}" if number > 0 else ""
