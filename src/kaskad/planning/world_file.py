"""The file of a simulation: which world it is played in, and what is expected of it, as YAML or JSON.

It is read like a definition: all that is wrong at once, each with its line, its column and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from kaskad.domain import hours
from kaskad.domain.cascade import Cascade, Money, Span
from kaskad.domain.condition_values import read_instant
from kaskad.domain.definition.form import Form, Report, text_of
from kaskad.domain.definition.problem import Problem, UnreadableError
from kaskad.domain.definition.source import Items, Scalar, read
from kaskad.domain.errors import Invalid
from kaskad.domain.policy import DAY, Window
from kaskad.domain.span import parse_span
from kaskad.domain.task import DAYS, DeskPlan
from kaskad.domain.terms import Channel, Outcome
from kaskad.domain.worded import worded
from kaskad.planning.expectations import Expectation
from kaskad.planning.simulated import SHARES
from kaskad.planning.world import Delay, Outage

T = TypeVar("T")

MOST_PEOPLE = 200_000
_WORLD = (
    "people", "seed", "start", "zone", "enter_over", "trigger", "rates", "buys", "seen", "reacts_in",
    "delivered_in", "answered_in", "fails", "unreported", "unanswered", "unanswered_arrive", "busy",
    "no_answer", "desk", "outages", "per_second", "prices",
)  # fmt: skip
_EXPECT = (
    "reach", "messages", "cost", "steps", "channels", "outcomes", "finished", "once_a_step", "in_windows",
    "hours", "touches",
)  # fmt: skip
_OF_STEP = ("messages", "failed", "reacted", "skipped", "uncalled", "cost", "latest")
_BOUNDS = ("at_least", "at_most")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%", re.ASCII)
_CHANNELS = {channel.value: channel for channel in Channel}
_FINISHED = {f"{share:.0%}": f"{share:.0%}" for share in SHARES} | {"all": "100%"}


class Wanted(Struct, frozen=True):
    """What a file asks for; None: what is usual. Steps are meant by number, shares are of 1."""

    people: int | None = None
    seed: int | None = None
    start: int | None = None
    zone: str = ""
    enter_over_ms: int = 0
    trigger: Mapping[str, object] = {}
    rates: Mapping[int, float] = {}
    buys: float | None = None
    seen: Mapping[Channel, float] = {}
    reacts: Mapping[Channel, Delay] = {}
    delivers: Mapping[Channel, Delay] = {}
    accepted_ms: int | None = None
    fails: Mapping[int, float] = {}
    unreported: Mapping[int, float] = {}
    unanswered: Mapping[int, float] = {}
    arrives: float = 1.0
    busy: Mapping[int, float] = {}
    no_answer: Mapping[int, float] = {}
    desk: DeskPlan | None = None
    outages: tuple[Outage, ...] = ()
    per_second: Mapping[Channel, float] = {}
    prices: Mapping[int, Money] = {}  # by step
    expected: tuple[Expectation, ...] = ()


class WorldFile(Struct, frozen=True):
    """What a text holds: the wishes, None where an error forbids it, and all problems in their order."""

    name: str
    wanted: Wanted | None
    problems: tuple[Problem, ...] = ()


def load(text: str, cascade: Cascade, *, name: str, desk: bool = False) -> WorldFile:
    """Return what the text holds; never raises, whatever the text. `desk`: accounts have one for calls."""
    report, wanted = Report(worded("the file")), Wanted()
    try:
        top = Form(read(text), "", ("world", "expect"), report)
        wanted = _Reader(cascade, report, desk).read(top)
    except UnreadableError as unreadable:
        report.add(unreadable.problem)
    return WorldFile(name, None if report.has_errors() else wanted, tuple(sorted(report.problems)))


def to_wanted(text: str, cascade: Cascade, *, name: str, desk: bool = False) -> Wanted:
    """Return what the text asks for; raises Invalid with every error. `desk`: accounts have one for calls."""
    found = load(text, cascade, name=name, desk=desk)
    if found.wanted is None:
        raise Invalid([problem.text(name) for problem in found.problems if problem.severity == "error"])
    return found.wanted


class _Reader:
    """Reads one file for one cascade."""

    def __init__(self, cascade: Cascade, report: Report, desk: bool) -> None:
        self._cascade, self._report, self._has_desk = cascade, report, desk
        self._numbers = {step.id: step.number for step in cascade.steps}
        self._found: list[Expectation] = []

    def read(self, top: Form) -> Wanted:
        """Return all that the file asks for."""
        world = top.form("world", _WORLD)
        expect = top.form("expect", _EXPECT)
        if expect is not None:
            self._expect(expect)
        self._found.sort(key=lambda one: (one.line, one.column))
        if world is None:
            return Wanted(expected=tuple(self._found))
        fails, unanswered = (self._by_step(world, key, self._share) for key in ("fails", "unanswered"))
        busy, no_answer = (self._by_step(world, key, self._of_calls) for key in ("busy", "no_answer"))
        self._at_most_all(world, fails, unanswered, busy, no_answer)
        if self._has_desk or world.has("desk"):
            self._not_of_a_desk(world, {"fails": fails, "unanswered": unanswered})
        arrives = self._share(world, "unanswered_arrive") if world.has("unanswered_arrive") else None
        return Wanted(
            people=world.integer("people", 1, MOST_PEOPLE, 0) or None,
            seed=world.integer("seed", 0, 2**31, 0) if world.has("seed") else None,
            start=self._start(world), zone=self._zone(world), enter_over_ms=_ms(world.span("enter_over")),
            trigger=self._trigger(world), rates=self._by_step(world, "rates", self._share),
            buys=self._share(world, "buys") if world.has("buys") else None,
            seen=self._by_channel(world, "seen", self._share),
            reacts=self._by_channel(world, "reacts_in", self._delay),
            delivers=self._by_channel(world, "delivered_in", self._delay),
            accepted_ms=_ms(world.span("answered_in")) if world.has("answered_in") else None,
            fails=fails, unanswered=unanswered, arrives=1.0 if arrives is None else arrives, busy=busy,
            no_answer=no_answer, desk=self._desk(world), outages=self._outages(world),
            unreported=self._by_step(world, "unreported", self._share),
            per_second=self._by_channel(world, "per_second", self._rate),
            prices=self._by_step(world, "prices", self._price), expected=tuple(self._found),
        )  # fmt: skip

    def _start(self, form: Form) -> int | None:
        text = form.text("start")
        at = read_instant(text) if text else None
        if text and (at is None or datetime.fromtimestamp(at / 1000).year < 2000):
            form.report.error(
                form.at("start"), worded("`%(text)s` is no instant", text=text[:40]),
                worded("write for example 2026-06-01T10:00+05:00"),
            )  # fmt: skip
        return None if at is None else int(at)

    def _zone(self, form: Form) -> str:
        text = form.text("zone")
        if text and not hours.is_zone(text):
            form.report.error(
                form.at("zone"), worded("`%(text)s` is no time zone", text=text[:40]),
                worded("names look like Asia/Almaty"),
            )  # fmt: skip
            return ""
        return text

    def _trigger(self, form: Form) -> dict[str, object]:
        """Return the properties of the event: plain values, and spans, which are instants after the entry."""
        inner = form.node("trigger")
        if inner is None:
            return {}
        names = [key.text for key, _ in getattr(inner, "pairs", ())]
        held = Form(inner, form.at("trigger"), names, self._report)
        found: dict[str, object] = {}
        for name in held.names():
            node = held.node(name)
            if not isinstance(node, Scalar):
                self._report.error(
                    held.at(name), worded("`%(name)s` must be a plain value", name=name),
                    worded("write a text, a number, or a time after the entry such as 3d"),
                )  # fmt: skip
            else:
                found[name] = _as_span(node)
        return found

    def _by_step(self, form: Form, key: str, one: Callable[[Form, str], T | None]) -> dict[int, T]:
        inner = form.form(key, self._numbers)
        if inner is None:
            return {}
        values = {self._numbers[name]: one(inner, name) for name in inner.names()}
        return {number: value for number, value in values.items() if value is not None}

    def _by_channel(self, form: Form, key: str, one: Callable[[Form, str], T | None]) -> dict[Channel, T]:
        inner = form.form(key, _CHANNELS)
        if inner is None:
            return {}
        values = {_CHANNELS[name]: one(inner, name) for name in inner.names()}
        return {channel: value for channel, value in values.items() if value is not None}

    def _share(self, form: Form, key: str) -> float | None:
        text = form.text(key)
        match = _PERCENT.fullmatch(text.strip())
        if match is not None and float(match[1]) <= 100:
            return float(match[1]) / 100
        if text:
            self._report.error(
                form.at(key), worded("`%(key)s` is a share from 0%% to 100%%", key=key),
                worded("write for example 10%%"),
            )  # fmt: skip
        return None

    def _of_calls(self, form: Form, key: str) -> float | None:
        """Return a share of the calls that a step makes."""
        if {Channel.ROBOT_CALL, Channel.AGENT_CALL} & set(self._cascade.steps[self._numbers[key]].channels):
            return self._share(form, key)
        self._report.error(
            form.at(key), worded("`%(key)s` makes no calls", key=key),
            worded("name a step with the channel robot_call or agent_call"),
        )  # fmt: skip
        return None

    def _desk(self, form: Form) -> DeskPlan | None:
        """Return what a call desk of own people can do, None: nothing is said of one."""
        inner = form.form("desk", ("agents", "call", "within", "tasks_a_day", "hours", "days", "zone"))
        if inner is None:
            return None
        usual = DeskPlan()
        text = inner.text("hours") or "00:00-24:00"
        try:
            spans = Window((text,)).spans()
        except ValueError as error:
            self._report.error(inner.at("hours"), str(error))
            return None
        if len(spans) != 1:
            self._report.error(
                inner.at("hours"), worded("`hours` of a desk are those of one day"),
                worded("write hours whose end is after the start, such as 10:00-19:00"),
            )  # fmt: skip
            return None
        days = inner.word("days", DAYS)
        return DeskPlan(
            inner.integer("agents", 1, 10_000, usual.agents), _ms(inner.span("call")) or usual.call_ms,
            _ms(inner.span("within")) or usual.sla_ms, inner.integer("tasks_a_day", 0, 1_000_000, 0),
            spans[0][0], spans[-1][1], usual.days if days is None else days,
            self._zone(inner) or form.text("zone") or usual.zone,
        )  # fmt: skip

    def _not_of_a_desk(self, world: Form, told: Mapping[str, Mapping[int, float]]) -> None:
        """Report what services do of steps that own people make: nothing refuses or loses their tasks."""
        for key, shares in told.items():
            for number in shares:
                if self._cascade.steps[number].channels == (Channel.AGENT_CALL,):
                    message = (
                        worded("`%(key)s` is not for calls of a desk", key=key) if world.has("desk")
                        else worded("`%(key)s` is not for calls of a desk, as the account's is", key=key)
                    )  # fmt: skip
                    self._report.error(world.at(key), message, worded("write `busy` or `no_answer`"))

    def _at_most_all(self, world: Form, *shares: Mapping[int, float]) -> None:
        """Report steps of whose messages more than all meet with something."""
        for name, number in self._numbers.items():
            if sum(each.get(number, 0.0) for each in shares) > 1.0 + 1e-9:
                self._report.error(
                    world.path,
                    worded("what may go wrong with `%(name)s` adds up to over 100%%", name=name),
                    worded("each message meets with one of fails, unanswered, busy and no_answer"),
                )  # fmt: skip

    def _rate(self, form: Form, key: str) -> float | None:
        node = form.node(key)
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e6:
            return float(value)
        self._report.error(
            form.at(key), worded("`%(key)s` is how many messages a second go, more than 0", key=key),
            worded("write for example 10"),
        )  # fmt: skip
        return None

    def _price(self, form: Form, key: str) -> Money | None:
        return form.money(key)

    def _delay(self, form: Form, key: str) -> Delay | None:
        """Return a delay: a span (always the same), or `{median: 20m, spread: 1, least: 1m}`."""
        node = form.node(key)
        if isinstance(node, Scalar):
            span = form.span(key)
            return None if span is None else Delay(_ms(span))
        inner = form.form(key, ("median", "spread", "least"))
        if inner is None:
            return None
        inner.require("median", worded("write `median: 20m`: half of the people are faster"))
        spread = inner.node("spread")
        value = spread.value if isinstance(spread, Scalar) else 1.0 if spread is None else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 5:
            self._report.error(
                inner.at("spread"), worded("`spread` is a number from 0 to 5"),
                worded("1 means that most are within a factor of 2.7"),
            )  # fmt: skip
            return None
        median = _ms(inner.span("median"))
        return Delay(median, float(value), _ms(inner.span("least"))) if median else None

    def _outages(self, form: Form) -> tuple[Outage, ...]:
        found = []
        for node, path in form.items("outages", 50):
            inner = Form(node, path, ("channel", "from", "for"), self._report)
            for key in ("channel", "for"):
                inner.require(key, worded("write `{channel: email, from: 2h, for: 3h}`"))
            channel, lasts = inner.word("channel", _CHANNELS), _ms(inner.span("for"))
            since = _ms(inner.span("from"))
            if channel is not None and lasts:
                found.append(Outage(channel, since, since + lasts))
        return tuple(found)

    # What is expected

    def _expect(self, form: Form) -> None:
        self._bound(form, "reach", "reach", unit="share")
        self._bound(form, "messages", "messages")
        self._bound(form, "cost", "cost", unit="money")
        self._bound(form, "touches", "touches")
        self._steps(form)
        for name, inner in self._each(form, "channels", _CHANNELS, ("messages",)):
            self._bound(inner, "messages", "channel", of=name)
        outcomes = form.form("outcomes", [outcome.value for outcome in Outcome])
        for name in outcomes.names() if outcomes is not None else ():
            self._bound(outcomes, name, "outcome", of=name, unit="share")  # type: ignore[arg-type]
        finished = form.form("finished", _FINISHED)
        for name in finished.names() if finished is not None else ():
            span = finished.span(name)  # type: ignore[union-attr]
            if finished is not None and span is not None:
                self._add(finished, name, "finished", of=_FINISHED[name], unit="time", at_most=_ms(span))
        for key, figure in (("once_a_step", "twice"), ("in_windows", "outside_windows")):
            if form.flag(key):
                self._add(form, key, figure, at_most=0)
        self._hours(form)

    def _steps(self, form: Form) -> None:
        for name, inner in self._each(form, "steps", self._numbers, _OF_STEP):
            self._bound(inner, "messages", "step_messages", of=name)
            self._bound(inner, "failed", "step_failed", of=name)
            self._bound(inner, "uncalled", "step_uncalled", of=name)
            self._bound(inner, "reacted", "step_reacted", of=name, unit="share")
            self._bound(inner, "skipped", "step_skipped", of=name, unit="share")
            self._bound(inner, "cost", "step_cost", of=name, unit="money")
            span = inner.span("latest")
            if span is not None:
                self._add(inner, "latest", "step_latest", of=name, unit="time", at_most=_ms(span))

    def _each(
        self, form: Form, key: str, names: Mapping[str, object], known: tuple[str, ...]
    ) -> list[tuple[str, Form]]:
        outer = form.form(key, names)
        if outer is None:
            return []
        found = ((name, outer.form(name, known)) for name in outer.names())
        return [(name, inner) for name, inner in found if inner is not None]

    def _hours(self, form: Form) -> None:
        node = form.node("hours")
        if node is None:
            return
        nodes = node.nodes if isinstance(node, Items) else [node]
        texts = tuple(text for each in nodes if (text := text_of(each, form.at("hours"), self._report)))
        try:
            Window(texts or ("00:00-24:00",))
        except ValueError as error:
            self._report.error(form.at("hours"), str(error))
            return
        self._add(form, "hours", "outside_hours", at_most=0, hours=texts)

    def _bound(self, form: Form, key: str, figure: str, *, of: str = "", unit: str = "count") -> None:
        """Add what a figure may be: `{at_least: …, at_most: …}`."""
        if not form.has(key):
            return
        inner = form.form(key, _BOUNDS)
        if inner is None:
            return
        if not inner.names():
            self._report.error(
                form.at(key), worded("`%(key)s` says neither `at_least` nor `at_most`", key=key),
                worded("write for example `{at_least: 80%%}`"),
            )  # fmt: skip
            return
        values = {name: self._value(inner, name, unit) for name in inner.names()}
        amounts = {name: value for name, value in values.items() if value is not None}
        if len({currency for _, currency in amounts.values()}) > 1:
            self._report.error(inner.path, worded("both amounts must be of one currency"))
            return
        if amounts:
            currency = next(iter(amounts.values()))[1]
            low, high = (amounts.get(name, (None, ""))[0] for name in _BOUNDS)
            self._add(form, key, figure, of=of, unit=unit, at_least=low, at_most=high, currency=currency)

    def _value(self, form: Form, key: str, unit: str) -> tuple[float, str] | None:
        if unit == "share":
            share = self._share(form, key)
            return None if share is None else (share, "")
        if unit == "money":
            money = form.money(key)
            return None if money is None else (money.minor, money.currency)
        count = form.integer(key, 0, 10**9, -1)
        return None if count < 0 else (count, "")

    def _add(
        self, form: Form, key: str, figure: str, *, of: str = "", unit: str = "count",
        at_least: float | None = None, at_most: float | None = None, currency: str = "",
        hours: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        node = form.node(key)
        line, column = (node.line, node.column) if node is not None else (1, 1)
        self._found.append(
            Expectation(form.at(key), line, column, figure, of, unit, at_least, at_most, currency, hours)
        )


def _ms(span: Span | None) -> int:
    return 0 if span is None else span.ms + (span.days + 30 * span.months) * DAY


def _as_span(node: Scalar) -> object:
    """Return the value of a property; a duration that stands without quotation marks is an instant."""
    if isinstance(node.value, str):
        try:
            return parse_span(node.text)
        except ValueError:
            return node.value
    return node.value
