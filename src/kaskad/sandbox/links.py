"""What can be followed in a message: its links and pictures, as a person and as a machine find them."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

from kaskad.sandbox.person import Link

_WEB = re.compile(r"https?://[^\s<>\"']+")
_TRAILING = ".,;:!?)]»"
_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
_DROPPED = frozenset({"script", "style", "iframe", "object", "embed", "form", "base", "link", "meta"})


def in_text(text: str) -> tuple[Link, ...]:
    """Return the links of a plain text, each once, in order."""
    found = (match.rstrip(_TRAILING) for match in _WEB.findall(text))
    return tuple(Link(url, url) for url in dict.fromkeys(found))


def in_html(html: str) -> tuple[tuple[Link, ...], tuple[str, ...]]:
    """Return the links of an HTML text, and the addresses of its pictures."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return tuple(reader.links), tuple(dict.fromkeys(reader.pictures))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.pictures: list[str] = []
        self._href = ""
        self._hidden = False
        self._shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "a" and told.get("href", "").startswith(("http://", "https://")):
            self._close_link()
            self._href = told["href"]
            self._hidden = told.get("aria-hidden") == "true"
        elif tag == "img" and told.get("src", "").startswith(("http://", "https://")):
            self.pictures.append(told["src"])
            if self._href and told.get("width") != "1":
                self._shown.append(told.get("alt") or "▣")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._close_link()

    def handle_data(self, data: str) -> None:
        if self._href:
            self._shown.append(data)

    def close(self) -> None:
        super().close()
        self._close_link()

    def _close_link(self) -> None:
        if self._href:
            shown = "" if self._hidden else " ".join("".join(self._shown).split())
            self.links.append(Link(self._href, shown))
        self._href, self._shown, self._hidden = "", [], False


def for_frame(html: str, target: dict[str, str]) -> str:
    """Return HTML for a frame without scripts: `target` is where each link leads instead, by its address.

    Tracking pixels are taken out: only the simulated mail program loads them, when the mail is opened.
    """
    painter = _Painter(target)
    painter.feed(html)
    painter.close()
    return "".join(painter.pieces)


class _Painter(HTMLParser):
    def __init__(self, target: dict[str, str]) -> None:
        super().__init__(convert_charrefs=False)
        self._target = target
        self._inside: list[str] = []  # dropped elements that are open
        self.pieces: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED and tag != "style":
            if tag not in _VOID:
                self._inside.append(tag)
            return
        told = {name: value or "" for name, value in attrs if not name.startswith("on")}
        if self._inside or (tag == "img" and told.get("width") == "1"):
            return
        if tag == "a" and "href" in told:
            told["href"] = self._target.get(told["href"], "#")
            told["target"] = "_top"
        written = "".join(f' {name}="{escape(value)}"' for name, value in told.items())
        self.pieces.append(f"<{tag}{written}>")

    def handle_endtag(self, tag: str) -> None:
        if self._inside:
            if tag == self._inside[-1]:
                self._inside.pop()
        elif tag not in _DROPPED or tag == "style":
            self.pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.pieces.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")
