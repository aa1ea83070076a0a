"""Addresses of people: normalised, checked without asking the network, and hashed for the stop-list."""

from __future__ import annotations

import re

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat

from kaskad.domain.numbering import is_hopeless, plain_number
from kaskad.domain.subscription import BadSubscription, is_subscription, read_subscription
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded

_PHONES = frozenset({Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL, Channel.WHATSAPP})
_CHATS = frozenset({Channel.TELEGRAM, Channel.VK, Channel.MAX, Channel.FACEBOOK_MESSENGER, Channel.INSTAGRAM})

_chat_id = re.compile(r"[1-9]\d{0,18}").fullmatch
_hidden_phone = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}").fullmatch  # who hides the number behind a name
_viber_id = re.compile(r"[A-Za-z0-9+/]{16,64}={0,2}").fullmatch
_token = re.compile(r"[\x21-\x7e]{8,2000}").fullmatch

# Most mail addresses are plain; these pass email-validator for certain, at a tenth of its time.
_plain_mail = re.compile(
    r"(?=.{6,254}\Z)(?=[^@]{1,64}@)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,24})"
).fullmatch
_ODD_ENDINGS = frozenset(name.rsplit(".", 1)[-1] for name in SPECIAL_USE_DOMAIN_NAMES)


class BadAddress(ValueError):
    """An address that nothing can be sent to; the text says why and what to write instead."""


def normalise(channel: Channel, text: str, country: str | None = None) -> str:
    """Return `text` as the address of `channel` is kept; raises BadAddress.

    `country` (ISO 3166-1 alpha-2) is where a number without its international prefix was written.
    """
    if channel is Channel.EMAIL:
        return normalise_email(text)
    if channel in _PHONES:
        if channel is Channel.WHATSAPP and _hidden_phone(text.strip()):
            return text.strip()
        return normalise_phone(text, country)
    text = text.strip()
    if channel is Channel.TELEGRAM and text.startswith("+"):
        return normalise_phone(text)  # of the Telegram Gateway, which sends codes to numbers
    if channel in _CHATS:
        if not _chat_id(text):
            raise BadAddress(
                worded(
                    "%(short)s is no %(channel)s id: it is a number that the service gives",
                    short=_short(text),
                    channel=channel,
                )
            )
        return text
    if channel is Channel.VIBER:
        # Business messages go to a number, a bot's to the id that Viber gave it.
        return text if _viber_id(text) and not text.isdigit() else normalise_phone(text, country)
    if channel is Channel.PUSH and (text.startswith("{") or is_subscription(text)):
        try:
            return str(read_subscription(text))
        except BadSubscription as problem:
            raise BadAddress(
                worded(
                    "%(short)s is no browser's push subscription: %(problem)s",
                    short=_short(text),
                    problem=problem,
                )
            ) from None
    if not _token(text):
        raise BadAddress(
            worded(
                "%(short)s is no %(channel)s token: it has 8 to 2000 visible characters",
                short=_short(text),
                channel=channel,
            )
        )
    return text


def normalise_email(text: str) -> str:
    """Return the address in lower case, its domain in ASCII; raises BadAddress. Nothing is looked up."""
    text = text.strip().lower()
    plain = _plain_mail(text)
    if plain and "--" not in text and plain[1] not in _ODD_ENDINGS:
        return text
    try:
        checked = validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError as problem:
        raise BadAddress(
            worded(
                "%(short)s is no e-mail address: %(problem)s",
                short=_short(text),
                problem=str(problem).rstrip("."),
            )
        ) from None
    return f"{checked.local_part}@{checked.ascii_domain}".lower()


def normalise_domain(text: str) -> str:
    """Return a mail domain as addresses have it, from `example.org`, `@example.org`; raises BadAddress."""
    name = text.strip().removeprefix("@")
    try:
        return normalise_email(f"any@{name}").rpartition("@")[2]
    except BadAddress:
        raise BadAddress(
            worded("%(short)s is no mail domain: write it as example.org", short=_short(text))
        ) from None


def covering(domain: str) -> list[str]:
    """Return what covers a mail domain on the stop-list: itself, and `*.` before it and what it is below."""
    labels = domain.split(".")
    parents = [".".join(labels[place:]) for place in range(max(len(labels) - 1, 1))]
    return [domain, *(f"*.{each}" for each in parents)]


def normalise_phone(text: str, country: str | None = None) -> str:
    """Return the number in E.164; raises BadAddress. A valid number need not be reachable."""
    text = written = text.strip()
    bare = text.isdigit() and not text.startswith("0")
    if country is None and bare:
        text = f"+{text}"
    if plain := plain_number(text, country):
        return plain[0]
    if is_hopeless(text, country):
        raise _bad_phone(written, country)
    try:
        number = phonenumbers.parse(text, country)
    except NumberParseException:
        raise _bad_phone(written, country) from None
    if not phonenumbers.is_valid_number(number):
        raise _bad_phone(written, country)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _bad_phone(text: str, country: str | None) -> BadAddress:
    if country and not text.startswith("+"):
        return BadAddress(
            worded(
                "%(short)s is no telephone number in %(country)s: write it with + and the country code",
                short=_short(text),
                country=country,
            )
        )
    return BadAddress(
        worded("%(short)s is no telephone number: write it with + and the country code", short=_short(text))
    )


def country_of(phone: str) -> str | None:
    """Return the country (ISO 3166-1 alpha-2) of a number in E.164; +7 is Russia or Kazakhstan."""
    if plain := plain_number(phone, None):
        return plain[1]
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(phone))
    except NumberParseException:
        return None
    return region if region and len(region) == 2 and region.isalpha() else None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
