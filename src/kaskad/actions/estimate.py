"""What a cascade is expected to reach, send and cost before it runs: a plain estimate, step by step.

Whom it is for is a list, a segment or everybody, of whom a sample is asked what the last look would answer
(addresses, consents, law, caps); else a thousand people whom each step reaches. Prices are those of the
accounts, how many react is told by priors (`domain/estimate.py`). A forecast gives the same answer, better.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import Struct, structs
from phonenumbers import PhoneNumberFormat, PhoneNumberType, example_number_for_type, format_number

from kaskad.actions.audience import ALL, people_of
from kaskad.actions.cascades import source_of
from kaskad.actions.frames import links_as_long
from kaskad.actions.launches import Audience
from kaskad.actions.office import Office
from kaskad.domain import entering, sms
from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.condition import Event, Name, walk
from kaskad.domain.content import TextBook
from kaskad.domain.definition.sketch import sketch
from kaskad.domain.entering import When
from kaskad.domain.errors import Invalid, SendError
from kaskad.domain.estimate import Ask, Crowd, Expected, Passed, expected, reacts, stages
from kaskad.domain.money import price_of
from kaskad.domain.policy import Policy
from kaskad.domain.run import Answers, Run, Send
from kaskad.domain.terms import Channel, Phase, RunState, SkipReason
from kaskad.domain.version import Version, prepare
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.engine.handover import listed_price
from kaskad.engine.look import Desk, look
from kaskad.engine.wording import look_up
from kaskad.providers.base import Account
from kaskad.store import lists as list_store
from kaskad.store import segments as segment_store
from kaskad.store import settings

Amounts = dict[str, int]  # currency -> minor units

TYPICAL = 1_000
SAMPLE = 1_000
NAME = "0123456789"  # as long as what fills a text mostly is
PHONES = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL, Channel.WHATSAPP, Channel.VIBER)
_LINK = re.compile(r"\{\{-?\s*link\b[^}]*\}\}")
_OUTPUT = re.compile(r"\{\{[^}]*\}\}")
_TAG = re.compile(r"\{%[^%]*%\}")
_OF_RUNS = ("trigger", "run", "steps")


class Sampled(Struct, frozen=True):
    """An audience and some of its contacts; `name` is told as launches tell it."""

    name: str
    size: int
    ids: tuple[int, ...]


class StepEstimate(Struct, frozen=True):
    """One step, in people; `passed` tells of all who enter whom it would pass over, by reason.

    `each` is what one message costs, in minor units: its mean, None where no account tells it. `notes`:
    `no_prior` (nobody is counted as reacting), `no_price`, `condition` (counted as if it held for everybody).
    """

    step: str
    arrived: int
    messages: int
    reacted: int
    ended: int
    branched: int
    went_on: int
    react_rate: float
    cost: Amounts
    each: float | None
    currency: str
    parts: int  # of an SMS; 0: the step sends none
    passed: Mapping[str, int]
    notes: tuple[str, ...]


class Estimate(Struct, frozen=True):
    """A whole cascade. `audience` "": people whom each step reaches. `basis` says what reactions rest on."""

    audience: str
    size: int
    sample: int
    held_out: int
    steps: tuple[StepEstimate, ...]
    reached: int
    reach: float
    silent: int
    messages: int
    cost: Amounts
    each_entered: Mapping[str, float]
    each_reached: Mapping[str, float]
    basis: str = "prior"


def estimate(
    office: Office, slug: str, text: str = "", *, whom: Audience | None = None, sample: int = SAMPLE
) -> Estimate:  # fmt: skip
    """Return what a cascade is expected to do: by `text`, else its draft, else what runs.

    Without `whom` it is for those of its broadcast or segment, else for typical people. What is wrong in the
    definition is left out. Raises NotFound, and Invalid for a text of which no step can be read.
    """
    cascade = drawn(slug, text or _source(office, slug))
    chosen = whom if whom is not None else audience_of(office, cascade)
    return of_people(office, cascade, None if chosen is None else sampled(office, cascade, chosen, sample))


def of_typical(office: Office, slug: str, text: str = "") -> Estimate:
    """Return the same for typical people, whomever the trigger names."""
    return of_people(office, drawn(slug, text or _source(office, slug)), None)


def drawn(slug: str, text: str) -> Cascade:
    """Return the cascade of a text as far as it can be read; raises Invalid."""
    cascade = sketch(text, slug)
    if cascade is None:
        raise Invalid([worded("Nothing can be estimated: the definition has no step that can be read.")])
    return cascade


def audience_of(office: Office, cascade: Cascade) -> Audience | None:
    """Return whom the trigger names; None: nobody, or what is not there."""
    trigger = cascade.trigger
    if trigger.broadcast == ALL:
        return Audience(everybody=True)
    named = trigger.broadcast or trigger.segment
    with office.read() as tx:
        if named and segment_store.find(tx, named) is not None:
            return Audience(segment=named)
        if trigger.broadcast and list_store.find(tx, named) is not None:
            return Audience(list=named)
    return None


def sampled(office: Office, cascade: Cascade, whom: Audience, wanted: int = SAMPLE) -> Sampled:
    """Return an audience with some of its contacts, from all over it; raises NotFound."""
    with office.read() as tx:
        people = people_of(tx, office, cascade, whom.list, whom.segment, whom.everybody)
        ids = [contact_id for some in people.sample(wanted) for contact_id in some]
        return Sampled(people.name, people.size, tuple(ids))


def of_people(office: Office, cascade: Cascade, people: Sampled | None) -> Estimate:
    """Return the estimate for an audience, None: for typical people."""
    counter = _Counter(office, cascade)
    crowds, passed = counter.typical() if people is None else counter.real(people.ids)
    told = expected(stages(cascade), crowds, cascade.first)
    size = TYPICAL if people is None else people.size
    held = cascade.holdout if cascade.holdout is not None else counter.holdout
    entering_size = size * (1 - held / 10_000)
    steps = tuple(
        _step(counter, step, one, entering_size, why)
        for step, one, why in zip(cascade.steps, told.steps, passed, strict=True)
    )
    name, looked_at = ("", 0) if people is None else (people.name, len(people.ids))
    return _whole(name, size, looked_at, entering_size, steps, told)


def _whole(
    name: str, size: int, sample: int, entered: float, steps: tuple[StepEstimate, ...], told: Expected
) -> Estimate:  # fmt: skip
    priced = {currency: each for currency, each in told.cost.items() if currency}
    return Estimate(
        name, size, sample, size - round(entered), steps, reached=round(told.reached * entered),
        reach=round(told.reached, 6), silent=round(told.silent * entered),
        messages=round(told.messages * entered),
        cost={currency: round(each * entered) for currency, each in priced.items()},
        each_entered={currency: round(each, 4) for currency, each in priced.items()},
        each_reached={c: round(each / told.reached, 4) for c, each in priced.items()} if told.reached else {},
    )  # fmt: skip


def _step(
    counter: _Counter, step: Step, told: Passed, entered: float, passed: Mapping[str, float]
) -> StepEstimate:  # fmt: skip
    cost = {currency: each for currency, each in told.cost.items() if currency}
    currency = next(iter(cost), "")
    rate = counter.rate(step)
    notes = [
        *(["no_prior"] if rate is None else []),
        *(["no_price"] if not counter.priced(step) else []),
        *(["condition"] if step.number in counter.unasked else []),
    ]
    each = cost[currency] / told.sent if currency and told.sent else counter.usual(step)
    return StepEstimate(
        step.id, round(told.arrived * entered), round(told.sent * entered), round(told.reacted * entered),
        round(told.ended * entered), round(told.branched * entered), round(told.went_on * entered),
        rate or 0.0, {name: round(each * entered) for name, each in cost.items()}, each,
        currency or counter.currency(step), counter.parts(step),
        {why: round(share * entered) for why, share in passed.items()}, tuple(notes),
    )  # fmt: skip


def _source(office: Office, slug: str) -> str:
    with office.read() as tx:
        return source_of(tx, slug)[0]


class _Counter:
    """Asks of one cascade what each step is for people."""

    def __init__(self, office: Office, cascade: Cascade) -> None:
        self._office, self._cascade, self._world = office, cascade, office.engine.world
        self._now = office.now()
        with office.read() as tx:
            self._policy = settings.get(tx, POLICY, Policy) or Policy()
            self._texts = TextBook(look_up(tx, cascade)[0])
        self.holdout = self._policy.holdout.of(cascade.message_class)
        self.unasked = {step.number for step in cascade.steps if _of_runs(step)}
        self._parts: dict[int, float] = {}
        self._asks: dict[tuple[int, int, str], Ask] = {}

    def typical(self) -> tuple[list[Crowd], list[dict[str, float]]]:
        """Return people whom every step reaches on its first channel."""
        asks = tuple(self._usual_ask(step) for step in self._cascade.steps)
        return [Crowd(1.0, asks)], [{} for _ in asks]

    def real(self, ids: Sequence[int]) -> tuple[list[Crowd], list[dict[str, float]]]:
        """Return the kinds of people among contacts, and by step the shares it passes over, by reason."""
        kinds: Counter[tuple[Ask | None, ...]] = Counter()
        passed = [Counter[str]() for _ in self._cascade.steps]
        with self._office.read() as tx:
            version, runs = self._ready(ids)
            seen = look(tx, [(version, run) for run in runs], self._now, self._world.window_channels,
                        self._world.picky)  # fmt: skip
            desk = Desk(tx, self._world, self._now)
            desk.see(seen)
            for run in runs:
                asks: list[Ask | None] = []
                answers = desk.answers(version, run, {})
                for step in version.cascade.steps:
                    found = self._asked(version, run, step, answers)
                    if isinstance(found, str):
                        passed[step.number][found] += 1
                    asks.append(None if isinstance(found, str) else found)
                kinds[tuple(asks)] += 1
        total = max(1, len(ids))
        crowds = [Crowd(count / total, asks) for asks, count in kinds.items()]
        return crowds, [{why: count / total for why, count in each.most_common()} for each in passed]

    def rate(self, step: Step) -> float | None:
        """Return the share that reacts on the step's first channel."""
        return reacts(step.channels[0], step.success)

    def usual(self, step: Step) -> float | None:
        """Return what a message of the step costs typical people, in minor units."""
        ask = self._usual_ask(step)
        return ask.price if ask.currency else None

    def currency(self, step: Step) -> str:
        """Return the currency of that."""
        return self._usual_ask(step).currency

    def priced(self, step: Step) -> bool:
        """Say whether an account tells what the step costs."""
        return bool(self.currency(step))

    def parts(self, step: Step) -> int:
        """Return how many parts the step's SMS has, rounded; 0: it sends none."""
        return round(self._mean_parts(step)) if Channel.SMS in step.channels else 0

    def _usual_ask(self, step: Step) -> Ask:
        channel = step.channels[0]
        accounts = self._world.by_channel.get(channel.code, [])
        account = next((one for one in accounts if step.account in ("", one.name)), None)
        return self._ask(step, channel, account, self._usual_number(channel))

    def _usual_number(self, channel: Channel) -> str:
        """Return a mobile number of the brand's country, for price lists to be asked about."""
        country = self._policy.country
        number = example_number_for_type(country, PhoneNumberType.MOBILE) if country else None
        return format_number(number, PhoneNumberFormat.E164) if number and channel in PHONES else ""

    def _ready(self, ids: Sequence[int]) -> tuple[Version, list[Run]]:
        """Return the version without what only a run can answer, and a run of each contact."""
        steps = tuple(
            structs.replace(
                step, at=None, holdout=0,
                condition=None if step.number in self.unasked else step.condition,
            )
            for step in self._cascade.steps
        )  # fmt: skip
        cascade = structs.replace(self._cascade, steps=steps, to="", exit_if=None)
        version = prepare(0, 0, cascade, self._policy)
        now = self._now
        return version, [
            Run(contact_id, 1, 0, 0, 0, RunState.PENDING.code, Phase.ENTER, -1, None, 0, now, now, now)
            for contact_id in ids
        ]

    def _asked(self, version: Version, run: Run, step: Step, answers: Answers) -> Ask | str:
        """Return what a step is for one contact, or why it is passed over."""
        found = entering.asked(version, run, step, answers, self._now)
        if isinstance(found, Send):
            account = self._world.accounts[found.account_id]
            return self._ask(step, Channel.of(found.channel), account, found.to)
        if not isinstance(found, When):
            return found[2].value
        if found.at is None:
            return (found.why if isinstance(found.why, SkipReason) else SkipReason.TOO_LATE).value
        for channel in step.channels:  # it waits for its hour; that of its channels which nothing refuses
            refused, address = entering.refused_on(version, step, channel, answers, self._now)
            if refused is None and address is not None:
                number = (
                    answers.named.get(step.account, 0)
                    if step.account
                    else answers.accounts.get(channel.code, 0)
                )
                return self._ask(step, channel, self._world.accounts.get(number), address.value)
        return SkipReason.NO_ADDRESS.value

    def _ask(self, step: Step, channel: Channel, account: Account | None, to: str) -> Ask:
        listed = account is not None and account.id in self._world.price_lists
        key = (step.number, channel.code, to if listed else "")
        if key not in self._asks:
            price = self._price(step, channel, account, to)
            self._asks[key] = Ask(channel, reacts(channel, step.success) or 0.0, *price)
        return self._asks[key]

    def _price(self, step: Step, channel: Channel, account: Account | None, to: str) -> tuple[float, str]:
        """Return what a message costs on average, in minor units, and in what; (0, ""): nothing tells it."""
        if account is None:
            return 0.0, ""
        parts = self._mean_parts(step) if channel is Channel.SMS else 1.0
        low, share = int(parts), parts - int(parts)
        prices = self._world.price_lists.get(account.id)
        if prices is not None:
            with suppress(SendError):
                each = [
                    listed_price(prices, account, to, self._cascade.message_class, max(1, many), self._now)[0]
                    for many in (low, low + 1)
                ]
                return each[0] * (1 - share) + each[1] * share, prices.currency
        if account.price is None:
            return 0.0, ""
        one = price_of(account.price, 1)
        return one.minor * (parts if account.price.per == "part" else 1), one.currency

    def _mean_parts(self, step: Step) -> float:
        """Return how many parts the step's SMS has, of its variants by their weights."""
        if step.number not in self._parts:
            told = [(one.weight, one.content.text, one.content.template) for one in step.variants]
            told = told or [(1, step.content.text, step.content.template)]
            total = sum(weight for weight, _, _ in told) or 1
            self._parts[step.number] = (
                sum(weight * self._parts_of(text, template) for weight, text, template in told) / total
            )
        return self._parts[step.number]

    def _parts_of(self, text: str, template: str) -> int:
        if template:
            languages = self._texts.languages(template, Channel.SMS.code)
            found = self._texts.find(template, Channel.SMS.code, languages[0]) if languages else None
            text = found.content.text if found else text
        maker = links_as_long(Channel.SMS, self._office.base_url, self._world.link_url(self._cascade.brand))
        text = _LINK.sub("x" * len(maker.url(0)), text)
        return sms.parts(_TAG.sub("", _OUTPUT.sub(NAME, text)))


def _of_runs(step: Step) -> bool:
    """Say whether only a run could answer the step's condition."""
    if step.condition is None:
        return False
    return any(
        isinstance(node, Event) or (isinstance(node, Name) and node.path[0] in _OF_RUNS)
        for node in walk(step.condition.tree)
    )
