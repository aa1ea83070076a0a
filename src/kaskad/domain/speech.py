"""What a robot says: its marks of SSML, kept for a service that takes them, and about how long it takes.

SSML is https://www.w3.org/TR/speech-synthesis11/. Of the services only those whose documentation tells so get
its marks; to all others a pause is a comma, and the rest of the marks is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from kaskad.domain.cascade import Cascade
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded

if TYPE_CHECKING:  # it asks here whether a text is marked
    from kaskad.domain.content import Wording

COMFORTABLE_S = 30  # people hang up after that
_A_SECOND = 14.0  # characters of text; synthesised voices take 13 to 16 in Russian, Kazakh and English
_A_DIGIT = 6  # characters in the words of a figure, about
_TAGS = frozenset({
    "speak", "break", "emphasis", "prosody", "say-as", "sub", "phoneme", "p", "s", "lang", "voice", "w",
    "mark",
})  # fmt: skip
_TAG = re.compile(r"</?([a-zA-Z][\w-]*)\b[^<>]*>")
_BREAK = re.compile(r"<break\b[^<>]*>")
_PAUSE = re.compile(r"""<break\b[^<>]*\btime\s*=\s*["'](\d+(?:\.\d+)?)(ms|s)["']""")
_ALIAS = re.compile(r"""<sub\b[^<>]*\balias\s*=\s*["']([^"']*)["'][^<>]*>.*?</sub\s*>""", re.DOTALL)


def is_marked(say: str) -> bool:
    """Return whether a text holds marks of SSML."""
    return any(found[1] in _TAGS for found in _TAG.finditer(say))


def plain(say: str) -> str:
    """Return a text without its marks, for a service that would read them aloud."""
    if not is_marked(say):
        return say
    text = _TAG.sub("", _BREAK.sub(", ", _ALIAS.sub(r"\1", say)))
    text = re.sub(r"\s+([,.!?])", r"\1", " ".join(unescape(text).split()))
    return re.sub(r"([,.!?]),+", r"\1", text).strip(" ,")


def marked(say: str, language: str) -> str:
    """Return a text with marks as a whole document of SSML; one without any as it is."""
    if not is_marked(say) or say.lstrip().startswith("<speak"):
        return say
    return f'<speak xml:lang="{language[:2] or "ru"}">{say}</speak>'


def wrong_marks(say: str) -> str:
    """Return what is wrong with the marks of a text without its Liquid; "" where nothing is."""
    unknown = next((found[1] for found in _TAG.finditer(say) if found[1] not in _TAGS), "")
    if unknown:
        return worded("SSML has no <%(unknown)s>", unknown=unknown[:20])
    if not is_marked(say):
        return ""
    try:
        ElementTree.fromstring(say if say.lstrip().startswith("<speak") else f"<speak>{say}</speak>")
    except ElementTree.ParseError as error:
        return worded("its SSML cannot be read: %(msg)s", msg=error.msg)
    return ""


def seconds(say: str) -> int:
    """Return about how long a voice takes for a text, in seconds."""
    pauses = sum(
        float(count) / (1000 if unit == "ms" else 1) for count, unit in _PAUSE.findall(say)
    )  # fmt: skip
    text = plain(say)
    letters = len(text) + sum(letter.isdigit() for letter in text) * (_A_DIGIT - 1)
    stops = sum(text.count(sign) for sign in ".!?") * 0.5 + text.count(",") * 0.2
    return round(letters / _A_SECOND + stops + pauses)


def too_long(say: str) -> str:
    """Return in words that a text takes too long, "" where it does not."""
    spoken = seconds(say)
    if spoken <= COMFORTABLE_S:
        return ""
    return worded(
        "it takes about %(spoken)s s to say: after %(comfortable_s)s people hang up",
        spoken=spoken,
        comfortable_s=COMFORTABLE_S,
    )


def spoken_by(
    cascade: Cascade, wordings: Iterable[Wording], longest: Callable[[str], str]
) -> Iterator[tuple[str, str, str]]:
    """Yield which templates of calls take too long: path, message and remedy of each.

    `longest` tells about the longest text that a template can become.
    """
    known = [one for one in wordings if one.channel == Channel.ROBOT_CALL.code]
    for step in cascade.steps if known else ():
        place = f"steps[{step.number}]"
        told = [(f"{place}.variants[{number}]", one.content) for number, one in enumerate(step.variants)]
        for path, content in told or [(place, step.content)]:
            for one in known:
                if one.name == content.template and (words := too_long(longest(one.content.say))):
                    yield (
                        f"{path}.template",
                        worded(
                            "%(name)s (%(language)s): %(words)s",
                            name=one.name,
                            language=one.language,
                            words=words,
                        ),
                        worded("say one thing"),
                    )
