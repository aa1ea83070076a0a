"""TwiML read into what a call does, one after the other. https://www.twilio.com/docs/voice/twiml"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from msgspec import Struct

LIMIT = 4000  # characters, of the parameter `Twiml`
_PER_SECOND = 14.0  # characters that a voice says in a second

_INVITES = re.compile(r"нажмите|нажать|press|басыңыз", re.IGNORECASE)
_KEY = re.compile(r"(?<!\d)\d(?!\d)")
_REFUSAL = re.compile(r"отказ|отпис|стоп|не звон|больше не|никогда|never|stop|opt.?out|unsubscribe", re.I)


class BadTwiml(ValueError):
    """The document cannot be run (Twilio's error 12100 or 12200)."""


class Say(Struct, frozen=True):
    text: str
    seconds: float


class Pause(Struct, frozen=True):
    seconds: float


class Gather(Struct, frozen=True):
    """Plays what is in it, and waits for keys meanwhile and `timeout_s` longer."""

    inside: tuple[Say | Pause, ...]
    action: str
    method: str
    timeout_s: float
    digits: int  # 0: as many as come until the finishing key
    finish: str
    on_empty: bool


class Redirect(Struct, frozen=True):
    url: str
    method: str


class Hangup(Struct, frozen=True):
    pass


Verb = Say | Pause | Gather | Redirect | Hangup


def read(document: str) -> list[Verb]:
    """Return what to do; raises BadTwiml. Verbs that the sandbox cannot run are refused, not passed over."""
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise BadTwiml(f"Document parse failure: {error}") from None
    if root.tag != "Response":
        raise BadTwiml(f"Document parse failure: the root is <{root.tag}>, not <Response>")
    return [_verb(element) for element in root]


def _verb(element: ElementTree.Element) -> Verb:
    match element.tag:
        case "Say" | "Play" | "Pause":
            return _sound(element)
        case "Gather":
            return _gather(element)
        case "Redirect":
            return Redirect((element.text or "").strip(), element.get("method", "POST").upper())
        case "Hangup" | "Reject":
            return Hangup()
    raise BadTwiml(f"Schema validation warning: <{element.tag}> is not known to the sandbox")


def _sound(element: ElementTree.Element) -> Say | Pause:
    if element.tag == "Pause":
        return Pause(_seconds(element, "length", 1))
    times = max(1, int(_seconds(element, "loop", 1)))
    if element.tag == "Play":
        return Say(f"♪ {(element.text or '').strip()}", 5.0 * times)
    text = " ".join("".join(element.itertext()).split())
    if not text:
        raise BadTwiml("Schema validation warning: <Say> has no text")
    return Say(text, seconds_of(text) * times)


def _gather(element: ElementTree.Element) -> Gather:
    inside = []
    for child in element:
        if child.tag not in ("Say", "Play", "Pause"):
            raise BadTwiml(f"Schema validation warning: <{child.tag}> cannot stand in <Gather>")
        inside.append(_sound(child))
    return Gather(
        inside=tuple(inside),
        action=element.get("action", ""),
        method=element.get("method", "POST").upper(),
        timeout_s=_seconds(element, "timeout", 5),
        digits=int(_seconds(element, "numDigits", 0)),
        finish=element.get("finishOnKey", "#"),
        on_empty=element.get("actionOnEmptyResult", "false").lower() == "true",
    )


def _seconds(element: ElementTree.Element, name: str, default: float) -> float:
    text = element.get(name, "")
    try:
        return max(0.0, float(text)) if text else default
    except ValueError:
        raise BadTwiml(
            f"Schema validation warning: {name}={text!r} in <{element.tag}> is no number"
        ) from None


def seconds_of(text: str) -> float:
    """Return how long a voice needs for a text."""
    return len(text) / _PER_SECOND


def offered_keys(words: str) -> tuple[str, str]:
    """Return the key that a call's words offer first, and the one that refuses; "" where there is none."""
    invitation = _INVITES.search(words)
    if invitation is None:
        return "", ""
    places = list(_KEY.finditer(words, invitation.end()))
    if not places:
        return "", ""  # the keys are told in words
    ends = [*(match.start() for match in places[1:]), len(words)]
    offered = {match[0]: words[match.end() : end] for match, end in zip(places, ends, strict=True)}
    refusing = next((key for key, what in offered.items() if _REFUSAL.search(what)), "")
    return next((key for key in offered if key != refusing), ""), refusing
