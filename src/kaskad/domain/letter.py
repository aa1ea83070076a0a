"""What is wrong with a letter's HTML before anybody gets it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# Mail programs take these out, or take the whole letter for dangerous.
_NEVER = re.compile(
    r"<(script|form|iframe|object|embed|input|textarea|select)\b|\son[a-z]+\s*=", re.IGNORECASE
)
_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALT = re.compile(r"\salt\s*=", re.IGNORECASE)
_HTML = re.compile(r"<html\b[^>]*>", re.IGNORECASE)
_LANGUAGE = re.compile(r"\s(?:xml:)?lang\s*=", re.IGNORECASE)
_REMOTE = re.compile(r"""javascript:""", re.IGNORECASE)


class Fault(Struct, frozen=True):
    """Something in a letter that harms it; `grave`: it cannot be sent so."""

    message: str
    remedy: str
    grave: bool = False


def faults(html: str) -> Iterator[Fault]:
    """Yield what is wrong with a letter's HTML, as it is written or as its MJML became."""
    plain = _COMMENT.sub("", _LIQUID.sub("x", html))
    if found := _NEVER.search(plain):
        what = f"<{found[1].lower()}>" if found[1] else f"`{found[0].strip().rstrip('=').strip()}`"
        yield Fault(
            f"mail programs take {what} out, or the whole letter for dangerous", "link to a page", True
        )
    if _REMOTE.search(plain):
        yield Fault("a link runs a script (javascript:)", "link to a page", True)
    without = sum(1 for image in _IMAGE.findall(plain) if not _ALT.search(image))
    if without:
        count = "one picture has" if without == 1 else f"{without} pictures have"
        yield Fault(
            f"{count} no `alt`: many read a letter without pictures",
            'write alt="what it shows", alt="" for mere decoration',
        )
    if (root := _HTML.search(plain)) and not _LANGUAGE.search(root[0]):
        yield Fault("<html> names no language: screen readers guess how to speak", 'write <html lang="ru">')
