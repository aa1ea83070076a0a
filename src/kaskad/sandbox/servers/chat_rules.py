"""What Telegram refuses in a message, in its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import urlsplit

from starlette.responses import JSONResponse

from kaskad.sandbox.person import Button
from kaskad.sandbox.spec import Upload, Value

MEDIA = {  # method -> the field that names the file
    "sendphoto": "photo", "senddocument": "document", "sendvideo": "video", "sendaudio": "audio",
    "sendvoice": "voice", "sendanimation": "animation",
}  # fmt: skip
MB = 1024 * 1024
_TAGS = frozenset({
    "b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a", "tg-emoji", "code",
    "pre", "blockquote",
})  # fmt: skip
_tag = re.compile(r"<(/?)([a-zA-Z][\w-]*)((?:\s[^<>]*)?)>")
_RESERVED = "_*[]()~`>#+-=|{}.!"
_KINDS = ("url", "callback_data", "web_app", "login_url", "switch_inline_query", "copy_text", "pay",
          "switch_inline_query_current_chat", "switch_inline_query_chosen_chat", "callback_game")  # fmt: skip


class Refused(Exception):
    """The service's answer to what it does not do."""

    def __init__(self, code: int, description: str, parameters: Mapping[str, int] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def response(self) -> JSONResponse:
        told: dict[str, object] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            told["parameters"] = self.parameters
        return JSONResponse(told, self.code)


def plain_text(text: str, parse_mode: str) -> str:
    """Return what is shown of a text; raises Refused for markup that cannot be parsed."""
    mode = parse_mode.lower()
    if not mode:
        return text
    if mode == "html":
        return _from_html(text)
    if mode in ("markdown", "markdownv2"):
        return _from_markdown(text, strict=mode == "markdownv2")
    raise Refused(400, "Bad Request: unsupported parse_mode")


def _from_html(text: str) -> str:
    open_tags: list[str] = []
    pieces = []
    at = 0
    for match in _tag.finditer(text):
        pieces.append(_no_bracket(text, at, match.start()))
        at = match.end()
        closing, name = match[1], match[2].lower()
        where = len(text[: match.start()].encode())
        if name not in _TAGS:
            raise _unparsed(f'Unsupported start tag "{name}" at byte offset {where}')
        if not closing:
            open_tags.append(name)
        elif not open_tags or open_tags.pop() != name:
            raise _unparsed(f"Unexpected end tag at byte offset {where}")
    pieces.append(_no_bracket(text, at, len(text)))
    if open_tags:
        where = len(text.encode())
        raise _unparsed(
            f'Can\'t find end tag corresponding to start tag "{open_tags[-1]}"; byte offset {where}'
        )
    return unescape("".join(pieces))


def _no_bracket(text: str, start: int, end: int) -> str:
    found = text.find("<", start, end)
    if found >= 0:
        raise _unparsed(f'Unsupported start tag "" at byte offset {len(text[:found].encode())}')
    return text[start:end]


def _from_markdown(text: str, *, strict: bool) -> str:
    """Return the text without its marks; lone marks are told from pairs by their count alone."""
    for mark in ("`", "*", "_", "~", "||") if strict else ("`", "*", "_"):
        if len(re.findall(rf"(?<!\\){re.escape(mark)}", text)) % 2:
            raise _unparsed("Can't find end of the entity starting at byte offset 0")
    if strict:
        links = re.sub(r"\[((?:\\.|[^\]\\])*)\]\((?:\\.|[^)\\])*\)", r"\1", text)
        for match in re.finditer(r"(?<!\\)[#+\-={}.!()\[\]]", links):
            raise _unparsed(f"Character '{match[0]}' is reserved and must be escaped with the preceding '\\'")
        text = links
    else:
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"(?<!\\)[*_~`|]", "", text)
    return re.sub(rf"\\([{re.escape(_RESERVED)}\\])", r"\1", text)


def _unparsed(why: str) -> Refused:
    return Refused(400, f"Bad Request: can't parse entities: {why}")


def caption_of(given: Mapping[str, Value]) -> str:
    """Return a file's caption; raises Refused."""
    caption = plain_text(str(given.get("caption", "")), str(given.get("parse_mode", "")))
    if length(caption) > 1024:
        raise Refused(400, "Bad Request: message caption is too long")
    return caption


def length(text: str) -> int:
    """Return a text's length as the service counts: in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def album_of(told: Value) -> list[tuple[tuple[str, str], str]]:
    """Return the files of an album, each with its caption; raises Refused."""
    items = [item for item in told if isinstance(item, dict)] if isinstance(told, list) else []
    if not 2 <= len(items) <= 10:
        raise Refused(400, "Bad Request: group send failed: an album has 2 to 10 files")
    found = []
    for item in items:
        kind = str(item.get("type", ""))
        if kind not in ("photo", "video", "audio", "document"):
            raise Refused(400, f'Bad Request: can\'t parse InputMedia: Field "type" must not be {kind!r}')
        found.append((media_of(f"send{kind}", {kind: item.get("media")}), caption_of(item)))
    return found


def media_of(method: str, given: Mapping[str, Value]) -> tuple[str, str]:
    """Return a file's kind and its address or name; raises Refused."""
    kind = MEDIA[method]
    file = given.get(kind)
    if not file:
        raise Refused(400, f"Bad Request: there is no {kind} in the request")
    if isinstance(file, Upload):
        if not file.size:
            raise Refused(400, "Bad Request: file must be non-empty")
        if file.size > (10 if kind == "photo" else 50) * MB:
            raise Refused(413, "Request Entity Too Large")
        return kind, file.name
    text = str(file)
    if not text.startswith(("http://", "https://")) and not text.startswith("sandbox-"):
        raise Refused(400, "Bad Request: wrong file identifier/HTTP URL specified")
    return kind, text


def buttons_of(markup: Value) -> tuple[tuple[Button, ...], ...]:
    """Return an inline keyboard; other keyboards show no buttons here. Raises Refused."""
    if not isinstance(markup, dict) or "inline_keyboard" not in markup:
        return ()
    rows = markup["inline_keyboard"]
    found = []
    for row in rows if isinstance(rows, list) else []:
        buttons = row if isinstance(row, list) else []
        found.append(tuple(_button(button) for button in buttons if isinstance(button, dict)))
    return tuple(row for row in found if row)


def _button(told: Mapping[str, Value]) -> Button:
    kinds = [kind for kind in _KINDS if kind in told]
    text, url, data = (str(told.get(name, "")) for name in ("text", "url", "callback_data"))
    if not text.strip():
        raise Refused(400, "Bad Request: text buttons must be non-empty")
    if len(kinds) != 1:
        raise Refused(400, "Bad Request: text buttons are unallowed in the inline keyboard")
    if "callback_data" in told and not 1 <= len(data.encode()) <= 64:
        raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
    if "url" in told and (problem := _bad_url(url)):
        raise Refused(400, f"Bad Request: inline keyboard button URL '{url}' is invalid: {problem}")
    return Button(text, url, data)


def _bad_url(url: str) -> str:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host = parts.hostname or ""
    except ValueError:
        return "Wrong HTTP URL"
    if parts.scheme in ("tg", "ton", "tonsite"):
        return ""
    if parts.scheme not in ("http", "https"):
        return "Unsupported URL protocol"
    return "" if "." in host or ":" in host else "Wrong HTTP URL"
