"""Templates made ready to be frozen: with their parts in them, HTML made of their MJML, styles in place."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from kaskad.domain.cascade import Button, Cascade, Content
from kaskad.domain.content import TextBook, Wording, compile_content
from kaskad.domain.errors import Invalid
from kaskad.domain.mjml import html_of, inlined
from kaskad.domain.template import BadTemplate
from kaskad.domain.template.parts import Parts, assemble
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.store import templates as store
from kaskad.store.db import Transaction
from kaskad.store.templates import PART, Kept

Finding = tuple[str, str, str]  # path, message, remedy

_WORDS = ("subject", "html", "mjml", "text", "say", "script")


def parts_of(kept: Sequence[Kept], language: str) -> Parts:
    """Return what finds a part in a language, else the part for all languages."""
    known = {(one.name, one.language): one.content.text for one in kept if one.channel == PART}
    return lambda name: known.get((name, language), known.get((name, "")))


def ready(content: Content, parts: Parts, name: str) -> Content:
    """Return the content as it is frozen; raises BadTemplate."""
    told = {
        kind: assemble(source, parts, f"{name}.{kind}")
        for kind in _WORDS
        if (source := getattr(content, kind))
    }
    if told.get("mjml") and not told.get("html"):
        told["html"] = html_of(told["mjml"], f"{name}.mjml")
    if told.get("html"):
        told["html"] = inlined(told["html"], f"{name}.html")
    told["mjml"] = ""
    buttons = tuple(
        Button(assemble(one.text, parts, name), assemble(one.url, parts, name), one.reply)
        for one in content.buttons
    )
    return structs.replace(content, **told, buttons=buttons)


def wording(kept: Kept, parts: Parts) -> Wording:
    """Return a text as a version freezes it; raises BadTemplate where it cannot be sent."""
    title = f"{kept.name} ({Channel.of(kept.channel)}, {kept.language})"
    content = ready(kept.content, parts, title)
    compile_content(content, Channel.of(kept.channel), name=title)
    return Wording(kept.name, kept.channel, kept.language, kept.fallback, content)


def gather(tx: Transaction, cascade: Cascade) -> list[Wording]:
    """Return the texts that a cascade uses, as they are now; raises Invalid."""
    found, problems = look_up(tx, cascade)
    if problems:
        raise Invalid(
            [
                worded("%(path)s: %(message)s: %(remedy)s.", path=path, message=message, remedy=remedy)
                for path, message, remedy in problems
            ]
        )
    return found


def look_up(tx: Transaction, cascade: Cascade) -> tuple[list[Wording], list[Finding]]:
    """Return the texts that a cascade uses, and what is wrong with them, each at its place."""
    wanted = _wanted(cascade)
    if not wanted:
        return [], []
    kept = store.all_texts(tx)
    found: dict[tuple[str, int, str], Wording] = {}
    problems: list[Finding] = []
    for path, name, channel, content in wanted:
        own = [one for one in kept if one.name == name and one.channel == channel.code]
        if not own:
            remedy = worded(
                "save one: `kaskad template put FILE` with `name: %(name)s` and `channel: %(channel)s`",
                name=name,
                channel=channel.value,
            )
            told = worded("there is no template %(name)r for %(channel)s", name=name, channel=channel)
            problems.append((path, told, remedy))
            continue
        try:
            made = [wording(one, parts_of(kept, one.language)) for one in own]
            for one in made:
                compile_content(content, channel, name=name, texts=TextBook(made), language=one.language)
            found.update({(one.name, one.channel, one.language): one for one in made})
        except BadTemplate as bad:
            told = worded(
                "%(name)s, line %(line)s: %(problem)s", name=bad.name, line=bad.line, problem=bad.problem
            )
            problems.append((path, told, bad.remedy))
    return sorted(found.values(), key=lambda one: (one.name, one.channel, one.language)), problems


def _wanted(cascade: Cascade) -> list[tuple[str, str, Channel, Content]]:
    wanted = []
    for step in cascade.steps:
        place = f"steps[{step.number}]"
        told = [(f"{place}.template", step.content)]
        if step.variants:
            told = [
                (f"{place}.variants[{index}].template", one.content)
                for index, one in enumerate(step.variants)
            ]
        wanted += [
            (path, content.template, channel, content)
            for path, content in told
            if content.template
            for channel in step.channels
        ]
    return wanted
