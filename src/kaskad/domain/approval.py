"""Which texts of a cascade people would be sent, each known by what it says: the words that are approved."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec
from msgspec import Struct

from kaskad.domain.cascade import Cascade, Content, Step
from kaskad.domain.content import Wording
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded

_NOTHING = Content()


class Piece(Struct, frozen=True):
    """One text: what a step says itself, or a template in one language with its parts in it.

    `id` names exactly these words: others have another one.
    """

    id: str
    place: str  # where the definition uses it, "" outside of one
    step: str  # "" of a template
    variant: str
    template: str  # "" of what a step says itself
    channel: str  # of a template
    language: str
    content: Content

    @property
    def title(self) -> str:
        """Return how people call it."""
        if self.template:
            return worded(
                "template %(template)s (%(channel)s, %(language)s)",
                template=self.template,
                channel=self.channel,
                language=self.language,
            )
        if self.variant:
            return worded("step %(step)s, variant %(variant)s", step=self.step, variant=self.variant)
        return worded("step %(step)s", step=self.step)


def pieces_of(cascade: Cascade, wordings: Iterable[Wording]) -> list[Piece]:
    """Return every text that a cascade would send, in the order of its steps, each once."""
    known = tuple(wordings)
    found: dict[str, Piece] = {}
    for step in cascade.steps:
        place = f"steps[{step.number}]"
        told = [("", place, step.content)]
        told += [
            (one.id, f"{place}.variants[{number}]", one.content) for number, one in enumerate(step.variants)
        ]
        for variant, where, content in told:
            if _says_something(content):
                piece = _of_step(cascade.id, step, variant, where, content)
                found.setdefault(piece.id, piece)
            for one in known:
                if one.name == content.template and Channel.of(one.channel) in step.channels:
                    piece = of_wording(one, f"{where}.template")
                    found.setdefault(piece.id, piece)
    return list(found.values())


def of_wording(one: Wording, place: str = "") -> Piece:
    """Return the text that a template is in one language."""
    channel = Channel.of(one.channel).value
    name = _id("template", one.name, channel, one.language, content=one.content)
    return Piece(name, place, "", "", one.name, channel, one.language, one.content)


def _of_step(cascade: str, step: Step, variant: str, place: str, content: Content) -> Piece:
    name = _id("step", cascade, step.id, variant, content=content)
    return Piece(name, place, step.id, variant, "", "", "", content)


def _says_something(content: Content) -> bool:
    return msgspec.structs.replace(content, template="") != _NOTHING


def _id(*names: str, content: Content) -> str:
    told = msgspec.json.encode([*names, content], order="deterministic")
    return sha256(told).hexdigest()[:20]
