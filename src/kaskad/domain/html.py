"""A marketer's HTML with Liquid in it: its links made trackable, and the text part made from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from kaskad.domain.template.bounds import check_markup

TAIL = "kaskad_tail"  # the variable that brings the honeypot and the pixel

_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_MARK = re.compile("\ue000(\\d+)\ue001")
_ALONE = re.compile("^((?:\ue000\\d+\ue001)+)\n+", re.MULTILINE)
_MARKS = {ord(char): None for char in "\ue000\ue001"}
# Outlook draws its buttons with v:rect and v:roundrect, inside comments: those links count too.
_HREF = re.compile(
    r"""(<(?:a|area|v:rect|v:roundrect)\s(?:[^>]*?\s)?href\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""",
    re.IGNORECASE,
)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_ROW = re.compile(r"<(/?)(?:table|tbody|thead|tfoot|tr)\b[^>]*>", re.IGNORECASE)
_CELL = re.compile(r"</?t[dh]\b[^>]*>", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_OWN = re.compile(r"\blink\b|\bunsubscribe_url\b")


def track_hrefs(source: str) -> str:
    """Return `source` with a link block around each web address in an href, and the tail at its end."""
    check_markup(source, "html")
    held = _Held(source)
    text = held.replace_hrefs(lambda value: f"{{% link %}}{value}{{% endlink %}}")
    ends = list(_BODY_END.finditer(text))
    at = ends[-1].start() if ends else len(text)
    return held.give_back(f"{text[:at]}{{{{ {TAIL} }}}}{text[at:]}")


def text_of(source: str) -> str:
    """Return the text part for `source`, itself a template: addresses follow their words in brackets."""
    # Imported late: with lxml it takes half a second, and only letters without a text part need it.
    from inscriptis import get_text  # type: ignore[import-untyped]
    from inscriptis.css_profiles import CSS_PROFILES  # type: ignore[import-untyped]
    from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]

    check_markup(source, "html")
    held = _Held(source)
    text = held.replace_hrefs(lambda value: held.keep(f"{{% link %}}{unescape(value)}{{% endlink %}}"))
    # Mails use tables for layout, and Liquid between their rows would be thrown out of them.
    text = _CELL.sub(" ", _ROW.sub(r"<\1div>", text))
    plain: str = get_text(text, ParserConfig(css=CSS_PROFILES["strict"], display_links=True))
    plain = re.sub(r"\[([^\[\]]*)\]\((#[^()\s]*|[^()\s]+)\)", _link_in_text, plain)
    lines = (line.rstrip() for line in plain.strip("\n").split("\n"))
    return held.give_back(_ALONE.sub(held.join_tags, re.sub(r"\n{3,}", "\n\n", "\n".join(lines))))


def _link_in_text(found: re.Match[str]) -> str:
    words, address = found[1].strip(), found[2]
    if address.startswith("#"):
        return words
    if words == address or not words:
        return address
    return f"{words} ({address})"


class _Held:
    """HTML whose Liquid is held back behind marks that no HTML tool stumbles over."""

    def __init__(self, source: str) -> None:
        self._pieces: list[str] = []
        self.text = _LIQUID.sub(lambda found: self.keep(found[0]), source.translate(_MARKS))

    def keep(self, piece: str) -> str:
        self._pieces.append(piece)
        return f"\ue000{len(self._pieces) - 1}\ue001"

    def give_back(self, text: str) -> str:
        while _MARK.search(text):
            text = _MARK.sub(lambda found: self._pieces[int(found[1])], text)
        return text

    def join_tags(self, found: re.Match[str]) -> str:
        """Return a line that holds only marks, without its end if these are tags and so leave no text."""
        tags = all(self._pieces[int(number)].startswith("{%") for number in _MARK.findall(found[1]))
        return found[1] if tags else found[0]

    def replace_hrefs(self, change: Callable[[str], str]) -> str:
        """Return the HTML with `change` made to every href that leads, or may lead, to the web."""

        def replace(found: re.Match[str]) -> str:
            quote = found[2][0] if found[2][0] in "\"'" else ""
            value = found[2].strip(quote) if quote else found[2]
            if not self._leads_out(value):
                return found[0]
            quote = quote or '"'
            return f"{found[1]}{quote}{change(value.strip())}{quote}"

        return _HREF.sub(replace, self.text)

    def _leads_out(self, value: str) -> bool:
        whole = self.give_back(value)
        if _OWN.search(" ".join(_LIQUID.findall(whole))):
            return False
        return bool(_WEB.match(unescape(whole).strip())) or value.strip().startswith("\ue000")
