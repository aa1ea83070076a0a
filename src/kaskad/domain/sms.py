"""How a text travels as SMS: its encoding, and the parts it is cut into (and paid by).

The alphabet is GSM 03.38 (3GPP TS 23.038, 6.2.1); the sizes of parts are those of TS 23.040.
"""

from __future__ import annotations

import re
from enum import StrEnum
from unicodedata import is_normalized, normalize

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"  # an escape and the character: two septets each

_ESCAPE = 0x1B
_EXTENDED = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]",
             0x40: "|", 0x65: "€"}  # fmt: skip
_CHARS = (*BASIC[:_ESCAPE], "\xa0", *BASIC[_ESCAPE:])  # by their codes
_CODES = {char: bytes((code,)) for code, char in enumerate(_CHARS) if code != _ESCAPE} | {
    char: bytes((_ESCAPE, code)) for code, char in _EXTENDED.items()
}

_foreign = re.compile(f"[^{re.escape(BASIC + EXTENSION)}]").search
_extended = re.compile(f"[{re.escape(EXTENSION)}]").findall
_ASCII = "".join(char for char in BASIC if char.isascii()).encode()
_ASCII_EXTENSION = "".join(char for char in EXTENSION if char.isascii()).encode()


class Encoding(StrEnum):
    GSM7 = "gsm7"
    UCS2 = "ucs2"


# Units in a message of one part, and in each part of several (the rest holds the concatenation header).
SIZES = {Encoding.GSM7: (160, 153), Encoding.UCS2: (70, 67)}


def encoding(text: str) -> Encoding:
    """Return how `text` is sent: a single character outside GSM 03.38 makes all of it UCS-2."""
    return _measure(_composed(text))[0]


def units(text: str) -> int:
    """Return the length of `text` in septets (GSM-7) or in sixteen-bit units (UCS-2)."""
    return _measure(_composed(text))[1]


def parts(text: str) -> int:
    """Return how many parts `text` is sent and paid as; an empty text is one."""
    text = _composed(text)
    how, size = _measure(text)
    single, several = SIZES[how]
    if size <= single:
        return 1
    if size == len(text):  # no pair that a cut could fall into
        return -(-size // several)
    return len(_cut(text, how, several))


def split(text: str) -> list[str]:
    """Return the parts of `text`, composed (NFC); an escape or surrogate pair is never torn apart."""
    text = _composed(text)
    how, size = _measure(text)
    single, several = SIZES[how]
    return [text] if size <= single else _cut(text, how, several)


def octets(text: str) -> bytes:
    """Return GSM-7 text with each septet in an octet of its own; raises KeyError for other characters."""
    return b"".join([_CODES[char] for char in text])


def from_octets(data: bytes) -> str:
    """Return the text of septets that come one an octet; what is no septet becomes U+FFFD."""
    found, escaped = [], False
    for code in data:
        if escaped:
            found.append(_EXTENDED.get(code) or (_CHARS[code] if code < 128 else "\ufffd"))
        elif code != _ESCAPE:
            found.append(_CHARS[code] if code < 128 else "\ufffd")
        escaped = code == _ESCAPE and not escaped
    return "".join(found)


def _composed(text: str) -> str:
    return text if text.isascii() or is_normalized("NFC", text) else normalize("NFC", text)


def _measure(text: str) -> tuple[Encoding, int]:
    if text.isascii():  # plain Latin is most of what is sent, and bytes are ten times as fast as patterns
        other = text.encode().translate(None, _ASCII)
        if not other.translate(None, _ASCII_EXTENSION):
            return Encoding.GSM7, len(text) + len(other)
        return Encoding.UCS2, len(text)
    if _foreign(text):
        return Encoding.UCS2, len(text.encode("utf-16-le", "surrogatepass")) // 2
    return Encoding.GSM7, len(text) + len(_extended(text))


def _cut(text: str, how: Encoding, several: int) -> list[str]:
    cuts, start, room = [], 0, several
    for at, char in enumerate(text):
        width = 2 if (char in EXTENSION if how is Encoding.GSM7 else char > "\uffff") else 1
        if width > room:
            cuts.append(text[start:at])
            start, room = at, several
        room -= width
    cuts.append(text[start:])
    return cuts
