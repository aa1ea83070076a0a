"""What conditions can ask of what is kept about a person, beyond attributes and events.

in_list("staff")                      is on the static list
reachable("email")                    has a good address on the channel; "any": on one at least
consent("advertising", "email")       may be sent messages of the class on the channel, as far as consents go
cascade("sale").sent(30d)             a message of the cascade was sent within 30 days; without: ever
cascade("sale").responded             one of its runs ended so
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from kaskad.domain.condition import Kept
from kaskad.domain.consent import ConsentRow, may
from kaskad.domain.terms import Channel, MessageClass, Outcome

ANY = "any"
CHANNELS = {channel.value: channel for channel in Channel}
CLASSES = {each.value: each for each in MessageClass}
OUTCOMES = {outcome.value: outcome for outcome in Outcome}
CASCADE_WORDS = ("entered", "sent", "reacted", *OUTCOMES)
# The arguments of each function, and the words that each may be; () is any text.
ARGUMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "in_list": ((),),
    "reachable": ((*CHANNELS, ANY),),
    "consent": ((*CLASSES,), (*CHANNELS, ANY)),
    "cascade": ((),),
}


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
                return any(
                    may(self.consents, CHANNELS[channel], CLASSES[node.names[0]], "", now) is None
                    for channel in (tuple(CHANNELS) if node.names[1] == ANY else node.names[1:])
                )
        since = None if node.within_ms is None else now - node.within_ms
        return any(
            deed.word == node.word and deed.at <= now and (since is None or deed.at > since)
            for deed in self.deeds.get(node.names[0], ())
        )
