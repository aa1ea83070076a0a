"""What conditions can ask of what is kept about a person, beyond attributes and events.

in_list("staff")                      is on the static list
reachable("email")                    has a good address on the channel; "any": on one at least
consent("advertising", "email")       may be sent messages of the class on the channel, as far as consents go
consent("advertising", "any", "news") the same of a topic; without: of messages that have none
cascade("sale").sent(30d)             a message of the cascade was sent within 30 days; without: ever
cascade("sale").responded             one of its runs ended so
cascade("any").sent_before(90d)       a message of whichever cascade was sent, longer ago than that
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from kaskad.domain.condition import Kept
from kaskad.domain.consent import ConsentRow, may
from kaskad.domain.run import HUMAN
from kaskad.domain.terms import Channel, Kind, MessageClass, Outcome

ANY = "any"
SENT_BEFORE = "sent_before"
CHANNELS = {channel.value: channel for channel in Channel}
CLASSES = {each.value: each for each in MessageClass}
OUTCOMES = {outcome.value: outcome for outcome in Outcome}
# What a person did with one of its messages, as facts: machines are not people.
REACTIONS = {
    "reacted": HUMAN,
    "opened": Kind.OPENED.bit | Kind.READ.bit,
    "clicked": Kind.CLICKED.bit,
    "replied": Kind.REPLIED.bit,
}
CASCADE_WORDS = ("entered", "sent", SENT_BEFORE, *REACTIONS, *OUTCOMES)
# The arguments of each function, and the words that each may be; () is any text.
ARGUMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "in_list": ((),),
    "reachable": ((*CHANNELS, ANY),),
    "consent": ((*CLASSES,), (*CHANNELS, ANY)),
    "cascade": ((),),
}
OPTIONAL = {"consent": "topic"}  # one more argument, any text, that may be left out


class Deed(Struct, frozen=True):
    """Something that a cascade did with the person, or the person with it: one of CASCADE_WORDS, and when."""

    word: str
    at: int


class Known(Struct, frozen=True):
    """What is kept about one person."""

    lists: frozenset[str] = frozenset()
    reach: frozenset[str] = frozenset()  # channels with a good address
    consents: Sequence[ConsentRow] = ()
    deeds: Mapping[str, Sequence[Deed]] = {}  # by cascade

    def has(self, node: Kept, now: int) -> bool:
        """Tell whether what the node asks is so at `now`."""
        match node.function:
            case "in_list":
                return node.names[0] in self.lists
            case "reachable":
                return bool(self.reach) if node.names[0] == ANY else node.names[0] in self.reach
            case "consent":
                purpose, on, topic = (*node.names, "")[:3]
                return any(
                    may(self.consents, CHANNELS[channel], CLASSES[purpose], topic, now) is None
                    for channel in (tuple(CHANNELS) if on == ANY else (on,))
                )
        after, until, word = span(node, now)
        slug = node.names[0]
        return any(
            deed.word == word and (after is None or deed.at > after) and deed.at <= until
            for own, deeds in self.deeds.items()
            if slug in (own, ANY)
            for deed in deeds
        )


def span(node: Kept, now: int) -> tuple[int | None, int, str]:
    """Return after when, until when and what a cascade is asked about: `sent_before(90d)` is longer ago."""
    if node.word == SENT_BEFORE:
        return None, now - (node.within_ms or 0), "sent"
    return (None if node.within_ms is None else now - node.within_ms), now, node.word
