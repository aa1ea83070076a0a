"""Cascades to begin with: the examples of the documentation, in both languages."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from msgspec import Struct

import kaskad
from kaskad.domain.definition import load
from kaskad.domain.definition.edit import put
from kaskad.domain.errors import NotFound
from kaskad.domain.worded import worded

ORDER = ("abandoned-cart", "abandoned-cart-emails", "another-subject", "appointment-reminder", "webinar",
         "webinar-series", "reactivation", "promo", "birthday", "product-end")  # fmt: skip

_IN_CURRENCY = re.compile(r"(?<=\d )KZT\b")  # the examples' amounts are illustrative


class Preset(Struct, frozen=True):
    """A cascade to begin with; `about` is the comment that it begins with."""

    name: str
    title: str
    about: str
    channels: tuple[tuple[str, ...], ...]
    source: str


@cache
def listing(language: str) -> tuple[Preset, ...]:
    """Return what one can begin with, in a language that there is, else in English."""
    folder = _folder()
    found = []
    for name in ORDER:
        files = [folder / f"{name}.{language}.yaml", folder / f"{name}.yaml"]
        path = next((each for each in files if each.is_file()), None)
        if path is not None:
            found.append(_preset(name, path.read_text("utf-8")))
    return tuple(found)


def made(name: str, language: str, slug: str, title: str, currency: str = "") -> str:
    """Return a preset's text under another name, its budget in another currency; raises NotFound."""
    found = next((each for each in listing(language) if each.name == name), None)
    if found is None:
        raise NotFound(worded("There is no preset %(name)r.", name=name))
    source = found.source if not currency else _IN_CURRENCY.sub(currency, found.source)
    text = put(source, "cascade", slug)
    return put(text, "title", title) if title else text


def _preset(name: str, text: str) -> Preset:
    cascade = load(text, name=name).cascade
    lines = re.match(r"(?:#.*\n)*", text)
    about = " ".join(line.lstrip("# ") for line in (lines[0] if lines else "").splitlines())
    steps = cascade.steps if cascade else ()
    channels = tuple(tuple(channel.value for channel in step.channels) for step in steps)
    return Preset(name, cascade.title if cascade else name, about, channels, text)


def _folder() -> Path:
    """Return where the examples are: in the package, or beside the sources."""
    package = Path(kaskad.__file__).parent
    return found if (found := package / "examples").is_dir() else package.parents[1] / "examples"
