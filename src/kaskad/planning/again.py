"""How often a message is made again, and paid again: calls that reach nobody, failures that are tried again.

Of the first try, the second and so on it is asked how often another paid one followed, as this installation
has seen it at the step and at others of its channel. Where it has seen none, one try is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from kaskad.domain.course import Leg
from kaskad.domain.figures import LEFT, WAITING
from kaskad.domain.ledger import Change
from kaskad.planning.rates import Belief, Seen, family

Made = tuple[int, int]  # a step, and the code of a channel
Tries = Counter[int]  # messages by how many tries were paid before the last one


class Again(Struct, frozen=True):
    """What was seen of messages that may be made again, and `most` how often they are: of what is not there,
    once."""

    most: Mapping[Made, int] = {}
    own: Mapping[Made, Tries] = {}
    elsewhere: Mapping[int, Sequence[Tries]] = {}  # by channel, a step each

    def believed(self, made: Made) -> tuple[Belief, ...]:
        """Return at which rate each try is followed by another, as far as any try so late was seen."""
        found: list[Belief] = []
        others = [*self.elsewhere.get(made[1], ())]
        others += [each for one, each in self.own.items() if one != made and one[1] == made[1]]
        for number in range(1, self.most.get(made, 1)):
            own, alike = _seen(self.own.get(made, Tries()), number), [_seen(each, number) for each in others]
            if not own.of and not any(seen.of for seen in alike):
                break
            found.append(family(None, 0.5).knowing(alike).believed(own))
        return tuple(found)


ONCE = Again()


def tried(legs: Mapping[Leg, int]) -> dict[Made, Tries]:
    """Return how often the messages of each step were paid again. Those under way may be made again yet."""
    found: dict[Made, Tries] = {}
    for leg, messages in legs.items():
        before = sum(count for kind, count, _ in leg.changes if kind == Change.ATTEMPT)
        paid = before + (leg.state in LEFT)
        if paid and leg.state not in WAITING:
            found.setdefault((leg.step, leg.channel), Tries())[paid - 1] += messages
    return found


def _seen(told: Tries, number: int) -> Seen:
    """Return of how many messages the try of this number was made, and of how many another followed."""
    of = sum(messages for before, messages in told.items() if before >= number - 1)
    return Seen(max(0, of), max(0, of - told[number - 1]))
