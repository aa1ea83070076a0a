"""The world that a cascade is simulated in: who is there, how people and services behave, what goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from types import MappingProxyType

from msgspec import Struct

from kaskad.domain.caps import Touch
from kaskad.domain.cascade import Cascade, Span
from kaskad.domain.consent import ANY, ConsentRow
from kaskad.domain.policy import HOUR, MINUTE, SECOND
from kaskad.domain.run import Address, Answers
from kaskad.domain.task import DeskPlan
from kaskad.domain.terms import Channel
from kaskad.planning.budgets import Limit
from kaskad.planning.costs import Cost, fixed

Rates = Callable[[int, Channel, int], tuple[float, float]]
Prices = Mapping[tuple[int, int], Cost]  # (step, channel code)

FREE = fixed(0.0, "")  # nothing tells a price
_NORMAL = NormalDist()
_MESSENGERS = (Channel.TELEGRAM, Channel.WHATSAPP, Channel.VIBER, Channel.VK, Channel.MAX,
               Channel.FACEBOOK_MESSENGER, Channel.INSTAGRAM)  # fmt: skip


class Delay(Struct, frozen=True):
    """Log-normal: half are faster than `median_ms`; `spread` is the deviation of the logarithm."""

    median_ms: int
    spread: float = 0.0
    least_ms: int = 0

    def within(self, chance: float, limit_ms: int) -> int:
        """Return one delay of those shorter than the limit: `chance` of 0 to 1 says which."""
        if not self.spread:
            return max(1, min(self.median_ms, limit_ms - 1))
        below = _NORMAL.cdf(math.log(limit_ms / self.median_ms) / self.spread) if limit_ms > 0 else 0.0
        share = chance * below
        if share < 1e-9 or self.least_ms >= limit_ms:  # nearly nobody is so quick: any time is as likely
            return 1 + int(chance * max(0, limit_ms - 2))
        drawn = self.median_ms * math.exp(self.spread * _NORMAL.inv_cdf(min(share, 1 - 1e-12)))
        return max(1, min(limit_ms - 1, max(self.least_ms, int(drawn))))


# How fast people react: figures of the sandbox's profile, which are illustrative and not measured.
REACTS: Mapping[Channel, Delay] = MappingProxyType(
    {
        Channel.EMAIL: Delay(41 * MINUTE, 1.0, 83 * SECOND),
        **dict.fromkeys(_MESSENGERS, Delay(20 * MINUTE, 1.0, 75 * SECOND)),
        Channel.VIBER: Delay(30 * MINUTE, 1.0, 75 * SECOND),
        Channel.VK: Delay(40 * MINUTE, 1.0, 75 * SECOND),
        Channel.PUSH: Delay(10 * MINUTE, 1.2, 20 * SECOND),
        Channel.SMS: Delay(15 * MINUTE, 1.0, 75 * SECOND),
        Channel.ROBOT_CALL: Delay(20 * SECOND, 0.5, 5 * SECOND),
        Channel.AGENT_CALL: Delay(HOUR, 1.0, MINUTE),
    }
)
DELIVERS: Mapping[Channel, Delay] = MappingProxyType(dict.fromkeys(Channel, Delay(6 * SECOND, 0.5, SECOND)))
# Of those who do nothing more, how many are told to have opened or read: the same profile's.
SEEN: Mapping[Channel, float] = MappingProxyType({
    Channel.EMAIL: 0.25,
    **dict.fromkeys((Channel.WHATSAPP, Channel.VIBER, Channel.VK, Channel.FACEBOOK_MESSENGER,
                     Channel.INSTAGRAM), 0.30),
})  # fmt: skip
DECIDES = Delay(15 * MINUTE, 1.0, 20 * SECOND)  # from a reaction to the goal


class Assumed(Span, frozen=True):
    """An instant after the entry that nobody has told: at the next hour at which the steps by it may go."""


class Outage(Struct, frozen=True):
    """A channel's service takes nothing from then to then, counted from the start."""

    channel: Channel
    since_ms: int
    until_ms: int


class Sort(Struct, frozen=True):
    """People of whom decisions ask the same: what the last look would answer at the start, and prices."""

    count: int
    answers: Answers
    prices: Prices = {}
    contact: Mapping[str, object] = {}  # what conditions and anchors ask of the contact
    standing: Mapping[str, object] = {}
    number: int = 0  # among the sorts of a simulation


class Cast(Struct, frozen=True):
    """Contacts who are played as themselves, in the order in which they enter; whoever is played besides is
    like one of them."""

    ids: Sequence[int]
    sorts: Sequence[int]  # of each: its place among the sorts
    touches: Mapping[int, tuple[Touch, ...]] = {}  # by id: what left us for them before, of other runs


class World(Struct, frozen=True, kw_only=True):
    """Everything that is not the cascade's doing. Steps are meant by number, shares are of 1."""

    start: int
    people: int = 10_000
    size: int = 0  # of the audience that these people stand for: limits and paces are its own; 0: as many
    seed: int = 1
    holdout: int = 0  # of 10 000
    enter_over_ms: int = 0
    accepted_ms: int = SECOND  # until a service answers
    delivers: Mapping[Channel, Delay] = DELIVERS
    reacts: Mapping[Channel, Delay] = REACTS
    seen: Mapping[Channel, float] = SEEN
    buys: float = 0.0  # of those who react, who then reach the goal
    fails: Mapping[int, float] = {}  # of the messages of a step, which the service refuses at once
    unreported: Mapping[int, float] = {}  # of which no delivery is ever told
    unanswered: Mapping[int, float] = {}  # of which the service's answer is lost
    arrives: float = 1.0  # of those, which have reached the person
    repeats: frozenset[int] = frozenset()  # channels whose services may be asked again under the same key
    busy: Mapping[int, float] = {}  # of the calls of a step, at which the line is busy
    no_answer: Mapping[int, float] = {}  # of the calls of a step, which nobody takes
    outages: tuple[Outage, ...] = ()
    per_second: Mapping[Channel, float] = {}
    desk: DeskPlan | None = None  # of own people who call; None: any number of calls, as of other services
    trigger: Mapping[str, object] = {}  # properties of the event; a `Span` is an instant after the entry
    spent: float = 0.0  # of the cascade's budget, before, in its minor units
    limits: tuple[Limit, ...] = ()  # of accounts, and of all together
    traced: int = 0  # of how many people every moment is kept
    # So many stay silent to each message at least, that more come to late steps than would; each then stands
    # for more or fewer than one, for services and budgets too. Figures of everybody are not such a play's.
    least_silent: float = 0.0

    @property
    def scale(self) -> float:
        """Return for how many of the audience one of the people stands."""
        return max(1.0, self.size / max(1, self.people))


def typical(cascade: Cascade, zone: str, country: str = "", prices: Prices | None = None) -> Sort:
    """Return people who have every address and have allowed everything, in one zone."""
    channels = [channel for step in cascade.steps for channel in step.channels]
    phone = [Channel.SMS] if {Channel.ROBOT_CALL, Channel.AGENT_CALL} & set(channels) else []
    answers = Answers(
        zones=(zone,), country=country,
        addresses={channel.code: Address(channel.value) for channel in [*channels, *phone]},
        preferred=(), consents=(ConsentRow(True, ANY, 0, "", 0, proven=True),), touches=(),
        accounts={channel.code: channel.code for channel in channels},
        named={step.account: step.channels[0].code for step in cascade.steps if step.account},
    )  # fmt: skip
    return Sort(1, answers, prices or {})


def assumed_trigger(cascade: Cascade) -> dict[str, object]:
    """Return an instant for each date that steps count from, late enough after the entry for all of them."""
    spans: dict[str, Span] = {}
    for step in cascade.steps:
        if step.at is not None and step.at.path.startswith("trigger."):
            name = step.at.path.removeprefix("trigger.")
            by = step.at.by if step.at.before else Span()
            known = spans.get(name, Span())
            spans[name] = max(known, Span(by.ms, by.days + 31 * by.months + 1), key=_length)
    return {name: Assumed(span.ms, span.days, span.months) for name, span in spans.items()}


def _length(span: Span) -> int:
    return span.ms + (span.days + 31 * span.months) * 24 * HOUR
