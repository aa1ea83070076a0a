"""What a cascade is expected to reach, send and cost before it runs, and how sure that is, step by step.

Who gets what is asked of the audience (`crowds.py`); how many react is told by what happened in this cascade
and in others (`past.py`), and by the field's figures where that is little (`planning/forecast.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs, to_builtins

from kaskad.actions.audience import Audience
from kaskad.actions.budget_left import budgeted, budgets_of, short_of
from kaskad.actions.cascade_texts import source_of
from kaskad.actions.crowds import SAMPLE, TYPICAL, Asker, Sampled, audience_of, drawn, sampled
from kaskad.actions.finishing import Over, finishing
from kaskad.actions.office import Office
from kaskad.actions.past import Past, past
from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.terms import SkipReason
from kaskad.planning.budgets import COARSE, Budgets
from kaskad.planning.edges import By, edges
from kaskad.planning.forecast import (
    Forecast,
    People,
    Range,
    expected,
    forecast,
    lost,
    paid,
    range_of,
    reaching,
    without,
)
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.walk import Passed, Walked, Worlds, stages

Amounts = dict[str, int]  # currency -> minor units
_ENDS = {
    By.REACTION: "responded", By.SILENCE: "exhausted", By.OTHER: "left", By.PAUSE: "waiting",
}  # fmt: skip


class StepForecast(Struct, frozen=True):
    """One step, in people; `passed` tells of all who enter whom it would pass over, by reason; of those who
    come to it, for whose message there is no money (`over_budget`).

    `each` is what one message costs, in minor units: its mean, with all its tries; None where no account
    tells it. `rate` is the share of those written to who react, `seen` of how many people of its own that is
    known. `notes`: `no_prior` (nobody is counted as reacting), `no_account` (none could send the step: nobody
    would get it), `no_price`, `price_changes` (messages are counted at the price of when they go),
    `condition` (counted as if it held for everybody), `paused` (people wait at the step), `late` (they wait
    until it is too late for it), `passed_over` (it is paused, and passed over).
    """

    step: str
    arrived: int
    messages: int
    reacted: int
    ended: int
    branched: int
    left: int
    went_on: int
    rate: float
    seen: int
    cost: Amounts
    each: float | None
    currency: str
    parts: int  # of an SMS; 0: the step sends none
    passed: Mapping[str, int]
    notes: tuple[str, ...]
    ranges: Mapping[str, Range]  # of arrived, messages and reacted


class Edge(Struct, frozen=True):
    """People who go from one place to another; a place is `entered`, `step:ID` or `end:NAME`.

    `by` is what leads there: `entry`, `reaction`, `silence`, `other` (bought, said no or was stopped, without
    a reaction) or `pause`; the ends are `responded`, `exhausted` (every step tried), `left` and `waiting`.
    """

    source: str
    target: str
    by: By
    people: int
    between: Range


class Without(Struct, frozen=True):
    """What leaving a step out would change: the share of people that is reached, messages and costs."""

    step: str
    reach: Range
    mean_reach: float
    messages: int
    cost: Amounts


class Expected(Struct, frozen=True):
    """A whole cascade. `audience` "": people whom each step reaches. `basis` says what reactions rest on:
    `prior` (the field's figures), `others` (and one's own other cascades), `own` (this cascade's past).
    `coarse` names what was reckoned of far fewer groups of people than there are, as money may run out in
    many ways (`figures`, `without`): who gets a message of those that compete for it may be wrong by a tenth.
    `uncounted`: `budgets` there are, which are not counted for people who stand for others; `others`: money
    is short, and reckoned as if nobody else spent it, all were in one zone, and messages took no time;
    `dates`: steps are due by some that are not known, and count as if they came too late for nobody.
    """

    audience: str
    size: int
    sample: int
    held_out: int
    steps: tuple[StepForecast, ...]
    reached: int
    reach: float
    silent: int
    messages: int
    cost: Amounts
    each_entered: Mapping[str, float]
    each_reached: Mapping[str, float]
    converted: int | None  # people who reach the goal; None: nothing tells how many
    ranges: Mapping[str, Range]  # of entered, reached, silent, messages and converted
    cost_ranges: Mapping[str, Range]
    without: tuple[Without, ...]
    basis: str
    budget_left: Amounts = {}  # of the cascade, where all would cost more: who comes later goes without
    over: tuple[Over, ...] = ()  # when half, nine of ten and all of the runs are over; (): not looked at
    coarse: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()  # along which somebody may go; (): kept before they were told, or of trials


def expect(
    office: Office, slug: str, text: str = "", *, whom: Audience | None = None, sample: int = SAMPLE
) -> Expected:  # fmt: skip
    """Return what a cascade is expected to do: by `text`, else its draft, else what runs.

    Without `whom` it is for those of its broadcast or segment, else for typical people. What is wrong in the
    definition is left out. Raises NotFound, and Invalid for a text of which no step can be read.
    """
    cascade = drawn(slug, text or _source(office, slug))
    chosen = whom if whom is not None else audience_of(office, cascade)
    people = None if chosen is None else sampled(office, cascade, chosen, sample)
    return _timed(office, cascade, people, past(office, slug, cascade))


def of_typical(office: Office, slug: str, text: str = "") -> Expected:
    """Return the same for typical people, whomever the trigger names."""
    cascade = drawn(slug, text or _source(office, slug))
    return _timed(office, cascade, None, past(office, slug, cascade))


def as_told(found: Expected) -> dict[str, Any]:
    """Return a forecast as the API and `--json` tell it."""
    told: dict[str, Any] = to_builtins(found, str_keys=True)
    return told


def _timed(office: Office, cascade: Cascade, people: Sampled | None, known: Past) -> Expected:
    found = of_people(office, cascade, people, known)
    return structs.replace(found, over=finishing(office, cascade, people, known))


def of_people(
    office: Office, cascade: Cascade, people: Sampled | None, known: Past, *, what_if: bool = True,
    size: int = TYPICAL, is_whole: bool = True,
) -> Expected:  # fmt: skip
    """Return the forecast for an audience, None: for `size` typical people; `what_if` tells what each step is
    worth. Budgets limit it that are for just these people, so not where they stand for others."""
    making = _Making(office, cascade, people, known, size, others=not is_whole)
    is_whole = is_whole and people is not None
    found = making.made(what_if, budgets_of(office, cascade, making.asker, is_whole=is_whole))
    if not is_whole:
        limits = ("budgets",) if budgeted(office, cascade) else ()
        return structs.replace(found, uncounted=(*limits, *found.uncounted))
    left = short_of(office, cascade, whole(making.wanted))
    lacking = (*uncounted(left, found.steps), *found.uncounted)
    return structs.replace(found, budget_left=left, uncounted=lacking)


def uncounted(left: Amounts, steps: Sequence[StepForecast]) -> tuple[str, ...]:
    """Return what is not known of money where that is short: of a budget so much is left for these steps."""
    lacking = any(SkipReason.OVER_BUDGET.value in step.passed for step in steps)
    return ("others",) if left or lacking else ()


class Part(Struct, frozen=True):
    """A part of an audience, which goes through a version of its own."""

    cascade: Cascade
    people: Sampled
    known: Past


def of_parts(office: Office, parts: Sequence[Part]) -> list[tuple[Expected, Forecast]]:
    """Return the forecasts of the parts of an audience, with their draws, which may be added.

    Of what each budget leaves a part may spend as large a share as it would take of it, were it enough.
    """
    makings = [
        _Making(office, part.cascade, part.people, part.known, part.people.size, number)
        for number, part in enumerate(parts)
    ]
    takings = [making.paid() for making in makings]
    told = []
    for number, (part, making) in enumerate(zip(parts, makings, strict=True)):
        budgets = budgets_of(office, part.cascade, making.asker)
        found = making.made(False, None if budgets is None else budgets.shared(number, takings))
        told.append((found, making.told))
    return told


def whole(cost: Mapping[str, float]) -> Amounts:
    """Return what is expected to be paid, in whole minor units."""
    return {currency: round(each) for currency, each in cost.items()}


def _source(office: Office, slug: str) -> str:
    with office.read() as tx:
        return source_of(tx, slug)[0]


class _Making:
    """One forecast being made."""

    def __init__(
        self, office: Office, cascade: Cascade, people: Sampled | None, known: Past, size: int, part: int = 0,
        *, others: bool = False,
    ) -> None:  # fmt: skip
        self._cascade, self._known, self._sampled = cascade, known, people
        self.asker = Asker(office, cascade, size=0 if people is None else people.size)
        held = cascade.holdout if cascade.holdout is not None else self.asker.holdout
        others = others or bool(self.asker.events())
        if people is None:
            kinds, self._passed = self.asker.typical()
            self._size, entering = size, self.asker.entering(size)
            self._people = People(entering, kinds, held, typical=True, others=others)
        else:
            ids: Sequence[int] = people.ids
            size = people.size
            if not others and size == len(ids):  # all are known: who is held out is no chance
                ids, held = self.asker.treated(ids), 0
                size = len(ids)
            kinds, self._passed = self.asker.real(ids)
            self._size, entering = people.size, self.asker.entering(size, ids)
            self._people = People(entering, kinds, held, others=others)
        self._plan = Plan(
            stages(cascade, self.asker.waiting), [step.channels[0] for step in cascade.steps],
            [step.success for step in cascade.steps], cascade.first,
        )  # fmt: skip
        self._outlook = Outlook(self._plan, known.today, known.elsewhere, known.again)
        self._part, self._entered = part, self._people.size * self._people.stay
        wanted = expected(self._plan, self._people, self._outlook)
        self.wanted = {currency: float(each[0]) for currency, each in wanted.cost.items() if currency}

    def paid(self) -> dict[tuple[int, str], float]:
        """Return what would be paid without budgets, by account that has one and currency."""
        return paid(self._plan, self._people, self._outlook)

    def made(self, what_if: bool, budgets: Budgets | None) -> Expected:
        """Return the forecast, while there is money."""
        goal = [self._known.goal] if self._cascade.goal else []
        self._budgets = budgets
        self._base: tuple[Walked, Worlds] | None = None  # of `_without`: with all steps
        self._rough = False  # so is it reckoned there
        self.told = forecast(
            self._plan, self._people, self._outlook, goal, part=self._part, budgets=budgets
        )  # fmt: skip
        mean, draws = self.told.mean, self.told.draws
        reached, cost = float(mean.reached[0]), {c: float(each[0]) for c, each in mean.cost.items() if c}
        entered, converted = self._entered or 1.0, self.told.converted
        ranges = {
            "entered": self.told.entered, "reached": draws.reached, "silent": draws.silent,
            "messages": draws.messages,
        }  # fmt: skip
        if converted is not None:
            ranges["converted"] = self.told.conversions
        without = tuple(map(self._without, self._cascade.steps if what_if else ()))
        rough = {"figures": mean.coarse or draws.coarse, "without": self._rough}
        return Expected(
            audience="" if self._sampled is None else self._sampled.name, size=self._size,
            sample=0 if self._sampled is None else len(self._sampled.ids),
            held_out=self._size - round(self._entered),
            steps=tuple(map(self._step, self._cascade.steps, mean.steps, draws.steps, self._passed)),
            reached=round(reached), reach=round(reached / entered, 6), silent=_whole(mean.silent),
            messages=_whole(mean.messages), cost={c: round(each) for c, each in cost.items()},
            each_entered={c: round(each / entered, 4) for c, each in cost.items()},
            each_reached={c: round(each / reached, 4) for c, each in cost.items()} if reached else {},
            converted=None if converted is None else round(converted),
            ranges={name: range_of(each) for name, each in ranges.items()},
            cost_ranges={c: range_of(each) for c, each in draws.cost.items() if c},
            without=without, basis=self._basis(), edges=tuple(self._edges()),
            coarse=tuple(what for what, is_so in rough.items() if is_so),
            uncounted=("dates",) if self.asker.lacks_dates(contacts=self._sampled is not None) else (),
        )  # fmt: skip

    def _edges(self) -> Iterator[Edge]:
        """Yield where people go: how many are expected to, and how many of the same draws as of steps."""
        names = [f"step:{step.id}" for step in self._cascade.steps]
        plan = self._plan
        both = (edges(plan.stages, plan.first, told) for told in (self.told.mean, self.told.draws))
        for mean, worlds in zip(*both, strict=True):
            if worlds.people.any():
                source = "entered" if mean.source is None else names[mean.source]
                target = f"end:{_ENDS[mean.by]}" if mean.target is None else names[mean.target]
                yield Edge(source, target, mean.by, _whole(mean.people), range_of(worlds.people))

    def _basis(self) -> str:
        return "own" if self._known.learnt else "others" if self._known.elsewhere else "prior"

    def _step(
        self, step: Step, told: Passed, draws: Passed, passed: Mapping[str, float]
    ) -> StepForecast:  # fmt: skip
        sent, asker = float(told.sent[0]), self.asker
        cost = {currency: float(each[0]) for currency, each in told.cost.items() if currency}
        currency = next(iter(cost), "")
        known = self._outlook.knows(step.number, step.channels[0])
        notes = [
            *([] if known else ["no_prior"]),
            *(["no_account"] if not asker.carried(step) else [] if asker.priced(step) else ["no_price"]),
            *(["price_changes"] if asker.changes(step) else []),
            *(["condition"] if step.number in asker.unasked else []),
            *([asker.paused[step.number]] if step.number in asker.paused else []),
        ]
        return StepForecast(
            step=step.id, arrived=_whole(told.arrived), messages=_whole(told.sent),
            reacted=_whole(told.reacted), ended=_whole(told.ended), branched=_whole(told.branched),
            left=_whole(told.left), went_on=_whole(told.went_on), rate=self._rate(step, told),
            seen=round(self._known.own.step(step.number).of),
            cost={name: round(each) for name, each in cost.items()},
            each=cost[currency] / sent if currency and sent else asker.usual(step),
            currency=currency or asker.currency(step), parts=asker.parts(step),
            passed=self._passing(told, passed), notes=tuple(notes),
            ranges={
                "arrived": range_of(draws.arrived), "messages": range_of(draws.sent),
                "reacted": range_of(draws.reacted),
            },
        )  # fmt: skip

    def _passing(self, told: Passed, passed: Mapping[str, float]) -> dict[str, int]:
        """Return whom a step passes over: of all who enter, and of those who come to it for want of money."""
        lacked = _whole(told.lacked)
        found = {why: round(share * self._entered) for why, share in passed.items()}
        return {**found, **({SkipReason.OVER_BUDGET.value: lacked} if lacked else {})}

    def _rate(self, step: Step, told: Passed) -> float:
        """Return the share that reacts: of those who are written to, else of whoever would be."""
        sent = float(told.sent[0])
        if sent:
            return round(float(told.reacted[0]) / sent, 6)
        ask = self.asker.usual_ask(step)
        return round(float(self._outlook.means(step.number, ask, 0).reacts[0]), 6)

    def _without(self, step: Step) -> Without:
        """Return what is different where a step is left out."""
        plan, people, outlook = self._plan, self._people, self._outlook
        if self._base is None:
            mean, budgets = self.told.mean, self._budgets
            if budgets is not None:
                budgets = structs.replace(budgets, most=COARSE, is_quick=True)
                mean = expected(plan, people, outlook, budgets)
                budgets = structs.replace(budgets, most=mean.groups or COARSE)  # as many as may be followed
            self._budgets = budgets
            self._base = mean, reaching(plan, people, outlook, budgets=budgets)
        budgets = self._budgets
        before, whole = self._base
        self._rough |= before.coarse
        mean = expected(plan, without(people, step.number), outlook, budgets)
        fewer = lost(plan, people, outlook, step.number, budgets=budgets, whole=whole)
        fewer = fewer / (self._entered or 1.0)
        saved = {c: each - mean.cost.get(c, 0.0 * each) for c, each in before.cost.items() if c}
        return Without(
            step.id, range_of(0.0 - fewer),
            round(float(mean.reached[0] - before.reached[0]) / (self._entered or 1.0), 6),
            _whole(mean.messages - before.messages),
            {currency: -_whole(each) for currency, each in saved.items()},
        )  # fmt: skip


def _whole(world: Worlds) -> int:
    """Return a figure of one world, rounded."""
    return round(float(world[0]))
