"""The fields of a template's text: which a channel has, what a form told, where a problem belongs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from kaskad.domain.cascade import Button, Content
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look

BUTTONS = 3  # rows for buttons, and one more than there are
TEXTS = [each.value for each in Channel if each not in (Channel.ROBOT_CALL, Channel.AGENT_CALL)]
FORMATS = {"mjml": N_("MJML"), "html": N_("HTML"), "": N_("plain text only")}
LETTERS = ("mjml", "html")
KINDS = ("subject", "mjml", "html", "text", "say", "script")


class Field(Struct, frozen=True):
    """One field of the form: `rows` of it, `code` where it is a program more than words."""

    name: str
    label: str
    rows: int = 1
    code: bool = False
    hint: str = ""


SUBJECT = Field("subject", N_("Subject"))
TITLE = Field("subject", N_("Title"))
TEXT = Field("text", N_("Text"), 6)
FIELDS: Mapping[str, tuple[Field, ...]] = {
    "push": (TITLE, TEXT),
    "robot_call": (Field("say", N_("What the robot says"), 6),),
    "agent_call": (Field("script", N_("What the agent reads"), 10),),
    "part": (Field("text", N_("What stands in other texts"), 16, True),),
}


def fields_of(channel: str, form: str) -> tuple[Field, ...]:
    """Return the fields of a channel; of a letter those of the format."""
    if channel != "email":
        return FIELDS.get(channel, (TEXT,))
    hint = N_("Empty: it is made from the letter.") if form else ""
    text = Field("text", N_("Text part") if form else N_("Text"), 4 if form else 12, False, hint)
    letter = {
        "mjml": Field("mjml", N_("Letter in MJML"), 18, True),
        "html": Field("html", N_("Letter in HTML"), 18, True),
    }
    return (SUBJECT, letter[form], text) if form else (SUBJECT, text)


def form_of(content: Content) -> str:
    """Return in which format a letter is written."""
    return "mjml" if content.mjml else "html" if content.html else ""


def content_of(told: Mapping[str, str], before: Content, channel: str) -> Content:
    """Return what a form says; what it has no field for stays as it was. Raises Invalid."""
    values = {name: _clean(told[name]) for name in KINDS if name in told}
    if channel == "email":
        chosen = told.get("format", "")
        values |= {name: "" for name in LETTERS if name != chosen}
        if chosen in LETTERS and not values.get(chosen):
            values[chosen] = _clean(told.get(f"kept-{chosen}", ""))
    for name, text in values.items():
        if len(text) > 200_000:
            raise Invalid([worded("%(name)s has over 200 000 characters: shorten it.", name=name)])
    buttons = tuple(
        Button(text, told.get(f"button-url-{at}", "").strip(), told.get(f"button-reply-{at}", "").strip())
        for at in range(10) if (text := told.get(f"button-{at}", "").strip())
    )  # fmt: skip
    if "button-0" in told:
        values["buttons"] = buttons  # type: ignore[assignment]
    return msgspec.structs.replace(before, **values)


def kept_of(told: Mapping[str, str]) -> dict[str, str]:
    """Return the letter in the formats that are not chosen, so that one may go back to them."""
    chosen = told.get("format", "")
    kept = {name: told.get(name) or told.get(f"kept-{name}", "") for name in LETTERS if name != chosen}
    return {name: _clean(text) for name, text in kept.items() if text}


def places(look: Look, error: Invalid, content: Content) -> dict[str, str]:
    """Return problems by the field they belong to; "" is the whole."""
    found: dict[str, list[str]] = {}
    for problem, said in zip(error.problems, error.worded, strict=True):
        named = re.search(r"\.(attach|calendar|subject|mjml|html|text|say|script)\b", problem)
        place = named[1] if named else ""
        if place == "html" and content.mjml:
            place = "mjml"
        found.setdefault(place, []).append(look.told(said))
    return {place: " ".join(told) for place, told in found.items()}


def lacking(variables: Sequence[str], content: Content) -> dict[str, list[str]]:
    """Return by field which of the variables stand in it."""
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        source = getattr(content, kind)
        own = [name for name in variables if source and re.search(rf"\b{re.escape(name)}\b", source)]
        if own:
            found[kind] = own
    return found


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\0", "")
