"""What is wrong with a letter's HTML before anybody gets it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from kaskad.domain.worded import worded

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
            worded("mail programs take %(what)s out, or the whole letter for dangerous", what=what),
            worded("link to a page"),
            True,
        )
    if _REMOTE.search(plain):
        yield Fault(worded("a link runs a script (javascript:)"), worded("link to a page"), True)
    without = sum(1 for image in _IMAGE.findall(plain) if not _ALT.search(image))
    if without:
        told = (
            worded("one picture has no `alt`: many read a letter without pictures")
            if without == 1
            else worded("%(n)s pictures have no `alt`: many read a letter without pictures", n=without)
        )
        yield Fault(
            told,
            worded('write alt="what it shows", alt="" for mere decoration'),
        )
    if (root := _HTML.search(plain)) and not _LANGUAGE.search(root[0]):
        yield Fault(
            worded("<html> names no language: screen readers guess how to speak"),
            worded('write <html lang="ru">'),
        )
