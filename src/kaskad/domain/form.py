"""Sign-up forms: what somebody agrees to by one, in which words, and what is kept as the proof of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from kaskad.domain.consent import Purpose
from kaskad.domain.policy import Wording
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
REQUESTED, CONFIRMED = "sign_up_requested", "signed_up"  # events of the contact
TOPIC = "sign-up"  # of the message that asks to confirm
PHONES = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL, Channel.WHATSAPP)
CODE_DIGITS = 6
_LANGUAGE = re.compile(r"[a-z]{2}")
_FIELD = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_TAKEN = frozenset({"email", "phone", "name", "language", "source", "code"})


class Form(Struct, frozen=True, kw_only=True):
    """One form. `texts` are the exact words beside the box, one a language; the first serves all others."""

    name: str
    texts: tuple[Wording, ...]
    channels: tuple[Channel, ...] = (Channel.EMAIL,)
    purposes: tuple[Purpose, ...] = (Purpose.ADVERTISING,)
    topics: tuple[str, ...] = ()  # (): every topic
    brand: str = ""
    controller: str = ""  # who answers for the data, with its number (BIN, INN)
    country: str = ""  # whose law it is given under, ISO 3166-1 alpha-2
    valid_days: int = 0  # how long the consent holds; 0: until it is withdrawn
    redirect: str = ""  # where the person goes after sending it; "": a page of ours
    origins: tuple[str, ...] = ()  # pages that may post it; (): any
    honeypot: str = "website"  # a field that people don't see: what fills it is no person

    def text(self, language: str) -> Wording:
        """Return the words that are shown in that language."""
        wanted = language[:2].lower()
        return next((one for one in self.texts if one.language == wanted), self.texts[0])

    def reached_by(self, channel: Channel) -> tuple[Channel, ...]:
        """Return the form's channels that an address of that channel proves."""
        kin = PHONES if channel in PHONES else (channel,)
        return tuple(each for each in self.channels if each in kin)

    @property
    def takes_email(self) -> bool:
        return Channel.EMAIL in self.channels

    @property
    def takes_phone(self) -> bool:
        return any(each in PHONES for each in self.channels)


def version_of(text: str) -> str:
    """Return what tells one wording from another: the beginning of its SHA-256."""
    return sha256(text.encode()).hexdigest()[:16]


def proof_of(form: Form, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept to show a consent; `evidence` is what the request told of itself."""
    told: dict[str, Any] = {
        "form": form.name, "basis": "consent", "controller": form.controller, "brand": form.brand,
        "jurisdiction": form.country, **evidence,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value not in ("", None)}


def problems_of(form: Form) -> list[tuple[str, str]]:
    """Return all that is wrong with a form: what, and where (JSON pointer)."""
    found: list[tuple[str, str]] = []
    if not SLUG.fullmatch(form.name):
        found.append(
            (worded("A form is called by small Latin letters, digits, - and _, at most 64."), "/name")
        )
    languages = [one.language for one in form.texts]
    if not form.texts:
        found.append((worded("Write the words that people agree to, at least in one language."), "/texts"))
    if len(set(languages)) < len(languages):
        found.append((worded("There are two texts in one language."), "/texts"))
    for number, one in enumerate(form.texts):
        if not _LANGUAGE.fullmatch(one.language):
            found.append(
                (worded("A language is two small letters, such as ru."), f"/texts/{number}/language")
            )
        if len(one.text.strip()) < 10:
            found.append((worded("This is too short to say what is agreed to."), f"/texts/{number}/text"))
    if not form.takes_email and not form.takes_phone:
        found.append((worded("People sign up by e-mail or phone: name email, sms, or a call."), "/channels"))
    elif any(each not in (Channel.EMAIL, *PHONES) for each in form.channels):
        found.append(
            (worded("Chats are joined by an opt-in link; a form takes email and phones."), "/channels")
        )
    if not form.purposes:
        found.append((worded("Say what the consent is for, such as advertising."), "/purposes"))
    for number, topic in enumerate(form.topics):
        if not SLUG.fullmatch(topic):
            wrong = worded(
                "%(topic)r is no topic: as in cascades, small Latin letters, digits, - and _, at most 64.",
                topic=topic,
            )
            found.append((wrong, f"/topics/{number}"))
    for number, origin in enumerate(form.origins):
        if not _is_origin(origin):
            wrong = worded("%(origin)r is no origin: write such as https://shop.example.org.", origin=origin)
            found.append((wrong, f"/origins/{number}"))
    if form.redirect and urlsplit(form.redirect).scheme not in ("http", "https"):
        found.append((worded("People are sent on to an address that begins with https://."), "/redirect"))
    if not _FIELD.fullmatch(form.honeypot) or form.honeypot in _TAKEN:
        found.append((worded("The hidden field needs a name that no other field has."), "/honeypot"))
    return found


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return (
        parts.scheme in ("http", "https")
        and bool(parts.netloc)
        and text == f"{parts.scheme}://{parts.netloc}"
    )
