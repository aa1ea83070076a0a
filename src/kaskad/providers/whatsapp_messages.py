"""The messages that WhatsApp takes: text, files, buttons, approved texts.

https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

from __future__ import annotations

import re
from posixpath import basename
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct, field

from kaskad.domain.cascade import Approved, Button
from kaskad.domain.errors import SendError
from kaskad.domain.terms import Reason
from kaskad.providers import meta
from kaskad.providers.base import Accepted, Outgoing, Response

BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")  # of a person who hides the phone number
MAX_TEXT = 4096
MAX_CAPTION = 1024  # also the body of a message with buttons
MAX_BUTTONS = 3
MAX_LABEL = 20
MAX_ID = 256  # of a reply button
MAX_PAYLOAD = 128  # of a template's button


def content(outgoing: Outgoing) -> tuple[str, dict[str, Any]]:
    """Return the type of a message and what it holds; raises SendError for what WhatsApp would not take."""
    if outgoing.approved is not None:
        return "template", _template(outgoing, outgoing.approved)
    text, media = outgoing.text, outgoing.media
    if len(media) > 1:
        raise SendError(Reason.CONTENT, f"{len(media)} files, WhatsApp takes one a message")
    limit = MAX_CAPTION if media or outgoing.buttons else MAX_TEXT
    if len(text) > limit:
        what = "the text beside a file or buttons" if limit == MAX_CAPTION else "the text"
        raise SendError(Reason.CONTENT, f"{what} has {len(text)} characters, WhatsApp takes {limit}")
    if outgoing.buttons:
        return "interactive", _interactive(outgoing)
    if media:
        kind = meta.medium(media[0])
        return kind, _medium(media[0], kind, text)
    return "text", {"body": text, "preview_url": False}


def _medium(address: str, kind: str, caption: str = "") -> dict[str, str]:
    told = {"link": address}
    if kind == "document" and (name := unquote(basename(urlsplit(address).path))):
        told["filename"] = name
    if caption:
        if kind == "audio":
            raise SendError(Reason.CONTENT, "WhatsApp shows no text beside a sound: send one of them")
        told["caption"] = caption
    return told


def _interactive(outgoing: Outgoing) -> dict[str, Any]:
    """Return a message with up to three answers, or with one link.

    https://developers.facebook.com/docs/whatsapp/cloud-api/messages/interactive-reply-buttons-messages
    """
    buttons = outgoing.buttons
    long = next((button.text for button in buttons if len(button.text) > MAX_LABEL), None)
    if long is not None:
        raise SendError(Reason.CONTENT, f"WhatsApp's buttons have up to {MAX_LABEL} characters, not {long!r}")
    told: dict[str, Any] = {"body": {"text": outgoing.text}}
    if outgoing.media:
        kind = meta.medium(outgoing.media[0])
        if kind == "audio":
            raise SendError(Reason.CONTENT, "WhatsApp shows no buttons below a sound: send one of them")
        told["header"] = {"type": kind, kind: _medium(outgoing.media[0], kind)}
    links = [button for button in buttons if button.url]
    if links and len(buttons) > 1:
        raise SendError(
            Reason.CONTENT, "WhatsApp takes one button with a link, or up to three that answer, not both"
        )
    if links:
        parameters = {"display_text": links[0].text, "url": links[0].url}
        return {"type": "cta_url", **told, "action": {"name": "cta_url", "parameters": parameters}}
    if len(buttons) > MAX_BUTTONS:
        raise SendError(Reason.CONTENT, f"{len(buttons)} buttons, WhatsApp takes {MAX_BUTTONS}")
    replies = [
        {"type": "reply", "reply": {"id": _id(outgoing, n, MAX_ID), "title": button.text}}
        for n, button in enumerate(buttons)
    ]
    return {"type": "button", **told, "action": {"buttons": replies}}


def _id(outgoing: Outgoing, number: int, limit: int) -> str:
    return meta.payload(outgoing.reference, number, outgoing.buttons[number].reply, limit)


def _template(outgoing: Outgoing, approved: Approved) -> dict[str, Any]:
    """Return an approved text with what fills its places.

    https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates
    """
    parts: list[dict[str, Any]] = []
    if approved.header:
        parts.append({"type": "header", "parameters": [_head(approved.header)]})
    if approved.parameters:
        names = approved.names or ("",) * len(approved.parameters)
        if len(names) != len(approved.parameters):
            told = f"{approved.name} has {len(names)} places and is given {len(approved.parameters)} texts"
            raise SendError(Reason.CONTENT, told)
        parts.append({"type": "body", "parameters": list(map(_text, approved.parameters, names))})
    for number in range(max(len(approved.buttons), len(outgoing.buttons))):
        parts += _template_button(outgoing, approved, number)
    told_parts = {"components": parts} if parts else {}
    language = {"policy": "deterministic", "code": approved.language}
    return {"name": approved.name, "language": language, **told_parts}


def _template_button(outgoing: Outgoing, approved: Approved, number: int) -> list[dict[str, Any]]:
    """Return what fills the button at a place: the end of its address, or what it answers; [] for nothing."""
    end = approved.buttons[number] if number < len(approved.buttons) else ""
    button = outgoing.buttons[number] if number < len(outgoing.buttons) else Button(text="")
    if end:
        kind, filling = "url", {"type": "text", "text": end}
    elif button.reply:
        kind, filling = "quick_reply", {"type": "payload", "payload": _id(outgoing, number, MAX_PAYLOAD)}
    else:
        return []
    return [{"type": "button", "sub_type": kind, "index": str(number), "parameters": [filling]}]


def _text(text: str, name: str) -> dict[str, str]:
    # "Param text cannot have new-line/tab characters or more than 4 consecutive spaces" (132018)
    told = {"type": "text", "text": " ".join(text.split())}
    return {**told, "parameter_name": name} if name else told


def _head(told: str) -> dict[str, Any]:
    if not told.startswith(("http://", "https://")):
        return _text(told, "")
    kind = meta.medium(told)
    return {"type": kind, kind: _medium(told, kind)}


# What is answered


class _SentMessage(Struct):
    id: str
    message_status: str = ""


class _Taken(Struct):
    messages: list[_SentMessage] = field(default_factory=list)


_decode_taken = msgspec.json.Decoder(_Taken).decode


def taken(response: Response) -> Accepted:
    """Return what a 2xx answer says; raises SendError where it names no message, or has taken none."""
    try:
        message = _decode_taken(response.body).messages[0]
    except (ValueError, IndexError):
        raise SendError(Reason.AMBIGUOUS, "the answer names no message", accepted=None) from None
    if message.message_status == "paused":
        raise SendError(Reason.CONTENT, "WhatsApp has paused the template", code="paused")
    return Accepted(message.id, kind=None)
