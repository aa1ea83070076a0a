"""Does an advertising message tell how to get no more of them? Asked of its words, before anybody gets it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from kaskad.domain.cascade import Cascade, Content
from kaskad.domain.content import PREFERENCES, UNSUBSCRIBE, Wording, over
from kaskad.domain.keywords import names_stop
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded

_LINKS = (UNSUBSCRIBE, PREFERENCES)
_TOLD_ELSEWHERE = (Channel.PUSH, Channel.ROBOT_CALL, Channel.AGENT_CALL)  # the device, a key, the agent
_LETTER = (
    worded("the advertising letter shows no way to leave; readers then press `spam`"),
    worded('write `<a href="{{ unsubscribe_url }}">Unsubscribe</a>` at its end'),
)
_LETTER_TEXT = (
    worded("its text part shows no way to leave"),
    worded("write `{{ unsubscribe_url }}` at its end"),
)
_SMS = (
    worded("the advertising SMS does not tell how to leave"),
    worded("end it with `{{ unsubscribe_url }}`, or with `STOP` where people can answer the sender"),
)
_CHAT = (
    worded("the advertising message does not tell how to leave"),
    worded("add a button `{text: Unsubscribe, reply: stop}`, the word `stop`, or `{{ unsubscribe_url }}`"),
)


class Unsaid(Struct, frozen=True, order=True):
    """Where a way to leave is missing: the field of the content, what is wrong, and what to do."""

    field: str
    message: str
    remedy: str


def unsaid(content: Content, channel: Channel) -> Iterator[Unsaid]:
    """Yield what an advertising message on a channel does not tell; its template stands in `content`.

    Of a text that a service has approved nobody but the service knows the words.
    """
    if channel in _TOLD_ELSEWHERE:
        return
    if channel is Channel.EMAIL:
        whole = next((field for field in ("html", "mjml") if getattr(content, field)), "")
        if whole and not _shows(getattr(content, whole)):
            yield Unsaid(whole, *_LETTER)
        if content.text and not _shows(content.text):
            yield Unsaid("text", _LETTER_TEXT[0] if whole else _LETTER[0], _LETTER_TEXT[1])
        return
    told = (
        content.text,
        *(one for button in content.buttons for one in (button.text, button.url, button.reply)),
    )
    if content.text and not any(_shows(one) or names_stop(one) for one in told):
        yield Unsaid("text", *(_SMS if channel is Channel.SMS else _CHAT))


def _shows(text: str) -> bool:
    return any(link in text for link in _LINKS)


def unsaid_by(cascade: Cascade, wordings: Iterable[Wording]) -> Iterator[tuple[str, str, str]]:
    """Yield what the templates of an advertising cascade do not tell: path, message and remedy of each."""
    if cascade.message_class is not MessageClass.ADVERTISING:
        return
    known = tuple(wordings)
    for step in cascade.steps:
        place = f"steps[{step.number}]"
        told = [(f"{place}.variants[{number}]", one.content)
                for number, one in enumerate(step.variants)] or [(place, step.content)]  # fmt: skip
        for path, content in told:
            for one in known:
                if one.name != content.template or Channel.of(one.channel) not in step.channels:
                    continue
                whole = over(one.content, structs.replace(content, template=""))
                for lack in unsaid(whole, Channel.of(one.channel)):
                    message = worded(
                        "%(name)s (%(language)s), %(field)s: %(message)s",
                        name=one.name,
                        language=one.language,
                        field=lack.field,
                        message=lack.message,
                    )
                    yield f"{path}.template", message, lack.remedy
