"""The texts that WhatsApp has approved for the sandbox's business, and how one is filled.

https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-management
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from kaskad.sandbox.person import Button
from kaskad.sandbox.servers.graph import Refused

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_NAME = re.compile(r"[a-z0-9_]{1,512}")
NOT_SENT = {"PAUSED": (132015, "Template is paused"), "DISABLED": (132016, "Template is disabled")}


class Text(Struct):
    """One text in one language."""

    id: str
    name: str
    language: str
    category: str
    status: str
    components: list[dict[str, Any]]
    parameter_format: str = "POSITIONAL"

    def part(self, kind: str) -> dict[str, Any]:
        """Return a component, {} where it has none."""
        return next((each for each in self.components if each["type"] == kind), {})

    def listed(self) -> dict[str, Any]:
        """Return it as the list shows it."""
        return {
            "id": self.id, "name": self.name, "language": self.language, "category": self.category,
            "status": self.status, "parameter_format": self.parameter_format, "components": self.components,
        }  # fmt: skip


class Filled(Struct, frozen=True):
    """What a person sees of an approved text."""

    text: str
    buttons: tuple[tuple[Button, ...], ...]
    media: tuple[tuple[str, str], ...]


def _body(text: str, *more: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "BODY", "text": text}, *more]


def _answers(*words: str) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": word} for word in words]}


def first_texts(home: str) -> list[Text]:
    """Return the texts that the business has from the start; a link's fixed beginning is Kaskad's address."""
    link = {"type": "URL", "text": "Open", "url": f"{home}/l/{{{{1}}}}", "example": [f"{home}/l/x"]}
    opened = {"type": "BUTTONS", "buttons": [link]}
    told = [
        ("hello_world", "en_US", "UTILITY", "APPROVED", _body("Hello World")),
        ("order_ready", "ru", "UTILITY", "APPROVED", _body("{{1}}, ваш заказ на {{2}} готов.", opened)),
        ("order_ready", "en_US", "UTILITY", "APPROVED",
         _body("{{1}}, your order of {{2}} is ready.", opened)),
        ("cart_reminder", "ru", "MARKETING", "APPROVED",
         _body("{{1}}, в корзине осталось: {{2}}. Оформить?", _answers("Оформить", "Не надо"))),
        ("cart_reminder", "en_US", "MARKETING", "APPROVED",
         _body("{{1}}, still in your cart: {{2}}. Shall we send it?", _answers("Send it", "No"))),
        ("autumn_sale", "ru", "MARKETING", "PAUSED", _body("{{1}}, скидки до конца недели.")),
        ("new_year", "ru", "MARKETING", "PENDING", _body("{{1}}, с наступающим!")),
        ("too_loud", "ru", "MARKETING", "REJECTED", _body("КУПИ СЕЙЧАС!!!")),
    ]  # fmt: skip
    found = [Text(str(900 + n), *row) for n, row in enumerate(told)]
    named = _body("{{name}}, see you on {{day}}.")
    return [*found, Text("990", "visit", "en_US", "UTILITY", "APPROVED", named, "NAMED")]


def made(told: Mapping[str, Any], number: int) -> Text:
    """Return a new text, which waits for approval; raises Refused."""
    name, language, category = (str(told.get(key, "")) for key in ("name", "language", "category"))
    components = told.get("components")
    if not _NAME.fullmatch(name) or not language or category.upper() not in (
        "MARKETING", "UTILITY", "AUTHENTICATION",
    ) or not isinstance(components, list) or not components:  # fmt: skip
        raise Refused(400, 100, "Invalid parameter", "name, language, category and components are wanted")
    parts = [{**part, "type": str(part.get("type", "")).upper()} for part in components]
    form = str(told.get("parameter_format", "POSITIONAL")).upper()
    return Text(str(1_000 + number), name, language, category.upper(), "PENDING", parts, form)


def wanted(texts: Sequence[Text], told: Mapping[str, Any]) -> Text:
    """Return the text that a message names; raises Refused where it may not be sent."""
    name, language = str(told.get("name", "")), str((told.get("language") or {}).get("code", ""))
    found = next((text for text in texts if (text.name, text.language) == (name, language)), None)
    if found is not None and found.status in NOT_SENT:
        raise Refused(400, *NOT_SENT[found.status])
    if found is None or found.status != "APPROVED":
        words = "Template name does not exist in the translation"
        raise Refused(404, 132001, words, f"template name ({name}) does not exist in {language}")
    return found


def fill(text: Text, told: Mapping[str, Any]) -> Filled:
    """Return what the person sees; raises Refused where the places are filled wrongly."""
    given = [_plain(part) for part in told.get("components") or []]
    named = text.parameter_format == "NAMED"
    shown = []
    for kind in ("HEADER", "BODY"):
        source = str(text.part(kind).get("text", ""))
        shown.append(_filled(source, list(_parameters(given, kind)), kind.lower(), named=named))
    shown.append(str(text.part("FOOTER").get("text", "")))
    return Filled("\n".join(filter(None, shown)), tuple(_buttons(text, given)), tuple(_media(given)))


def spelled(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template with the words of its parts as the description spells them: the service takes any."""
    parts = [_plain(part) for part in told.get("components") or [] if isinstance(part, dict)]
    return {**told, "components": parts}


def _plain(part: Mapping[str, Any]) -> dict[str, Any]:
    words = {name: str(part[name]).lower() for name in ("type", "sub_type", "index") if name in part}
    return {**part, **words}


def _parameters(given: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    for part in given:
        if part["type"] == kind.lower():
            yield from part.get("parameters") or []


def _filled(source: str, parameters: Sequence[Mapping[str, Any]], where: str, *, named: bool) -> str:
    places = list(dict.fromkeys(_PLACE.findall(source)))
    texts = [each for each in parameters if each.get("type") == "text"]
    if len(texts) != len(places):
        raise Refused(
            400, 132000, "Number of parameters does not match the expected number of params",
            f"{where}: number of localizable_params ({len(texts)}) does not match the expected number of "
            f"params ({len(places)})",
        )  # fmt: skip
    for each in texts:
        value = str(each.get("text", ""))
        if re.search(r"[\n\t]| {5}", value) or not value:
            words = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"
            raise Refused(400, 132018, "There was an issue with the parameters in your template", words)
    if named:
        values = {str(each.get("parameter_name", "")): str(each["text"]) for each in texts}
        if values.keys() != set(places):
            raise Refused(400, 132012, "Parameter format does not match format in the created template")
    else:
        values = {str(n): str(each["text"]) for n, each in enumerate(texts, 1)}
    return _PLACE.sub(lambda place: values.get(place[1], ""), source)


def _buttons(text: Text, given: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Button, ...]]:
    filled = {each.get("index", ""): each for each in given if each["type"] == "button"}
    for number, button in enumerate(text.part("BUTTONS").get("buttons", [])):
        words = str(button["text"])
        told: Mapping[str, Any] = (filled.get(str(number), {}).get("parameters") or [{}])[0]
        if button["type"] == "URL":
            end = str(told.get("text", ""))
            if "{{" in button["url"] and not end:
                raise Refused(400, 131008, "Required parameter is missing", f"button {number} wants its end")
            yield (Button(words, _PLACE.sub(end, str(button["url"]))),)
        else:
            yield (Button(words, data=str(told.get("payload") or words)),)


def _media(given: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for each in _parameters(given, "HEADER"):
        kind = str(each.get("type", ""))
        if kind in ("image", "video", "document"):
            yield kind, str(each[kind].get("link") or each[kind].get("id"))
