"""Whom a cascade is for, and what each of its steps is for these people: over what, for how much.

An audience is a list, a segment or everybody, of whom a sample is asked what the last look would answer
(addresses, consents, law, caps); else a thousand people whom each step reaches. Prices are those of accounts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct, structs
from phonenumbers import PhoneNumberFormat, PhoneNumberType, example_number_for_type, format_number

from kaskad.actions.audience import ALL, Audience, people_of
from kaskad.actions.frames import links_as_long
from kaskad.actions.last_events import last_events
from kaskad.actions.office import Office
from kaskad.actions.past import silences_ms
from kaskad.actions.rates import into
from kaskad.actions.step_holds import held_of
from kaskad.domain import entering, sms, timing
from kaskad.domain.cascade import Cascade, Step
from kaskad.domain.condition import All, Condition, Event, Name, Node, walk
from kaskad.domain.content import TextBook
from kaskad.domain.definition.sketch import Sketch, sketch
from kaskad.domain.errors import Invalid
from kaskad.domain.policy import DAY, HOUR, Policy
from kaskad.domain.run import Answers, Run
from kaskad.domain.span import approximate_ms
from kaskad.domain.terms import Channel, Phase, RunState, SkipReason
from kaskad.domain.version import Version, prepare
from kaskad.domain.ways import Way, address_of, standing, unheard, way
from kaskad.domain.worded import worded
from kaskad.engine.catalog import POLICY
from kaskad.engine.look import Desk, look
from kaskad.engine.pricing import Tariff, category_of
from kaskad.engine.wording import look_up
from kaskad.planning.budgets import MOST, Timing
from kaskad.planning.costs import Cost, goes_at, points_of_days, sending_times, told_in
from kaskad.planning.costs import entering as entering_at
from kaskad.planning.dates import Entry, by_date, has_dates, lacks_dates, usual_by_date, with_dates
from kaskad.planning.forecast import Kind
from kaskad.planning.held import gets_late
from kaskad.planning.walk import Ask
from kaskad.planning.world import typical
from kaskad.providers.base import Account
from kaskad.store import lists as list_store
from kaskad.store import segments as segment_store
from kaskad.store import settings

TYPICAL = 1_000
SAMPLE = 1_000
NAME = "0123456789"  # as long as what fills a text mostly is
PHONES = (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL, Channel.WHATSAPP, Channel.VIBER)
_LINK = re.compile(r"\{\{-?\s*link\b[^}]*\}\}")
_OUTPUT = re.compile(r"\{\{[^}]*\}\}")
_TAG = re.compile(r"\{%[^%]*%\}")
_PAUSED_WHY = {
    "passed_over": SkipReason.STEP_PAUSED, "paused": SkipReason.STEP_PAUSED, "late": SkipReason.TOO_LATE,
}  # fmt: skip
Where = tuple[tuple[str, ...], str]  # the zones and the country in which somebody may be
_OF_RUNS = ("trigger", "run", "steps")


class Sampled(Struct, frozen=True):
    """An audience and some of its contacts; `name` is told as launches tell it."""

    name: str
    size: int
    ids: tuple[int, ...]


def drawn(slug: str, text: str) -> Cascade:
    """Return the cascade of a text as far as it can be read; raises Invalid."""
    return sketched(slug, text).cascade


def sketched(slug: str, text: str) -> Sketch:
    """Return the same with what of it is not known; raises Invalid."""
    found = _sketch(text, slug)
    if found is None:
        raise Invalid([worded("Nothing can be forecast: the definition has no step that can be read.")])
    return found


_sketch = lru_cache(32)(sketch)  # a text is taken apart in 4 ms, and asked about again and again


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


class Asker:
    """Asks of one cascade what each step is for people."""

    def __init__(
        self, office: Office, cascade: Cascade, start: int | None = None, size: int = 0, to: str = ""
    ) -> None:  # fmt: skip
        """Ask for people of whom the first enter at `start` (None: now), so many that a pace may matter.

        Costs are told in the currency `to` ("": that of figures) at today's rates, as far as there are some.
        """
        self.told_in = into(office, to)
        self._office, self._cascade, self._world = office, cascade, office.engine.world
        kept = self._world.money.spending
        self._budgeted = {limit.account_id for limit in kept.limits} if kept else set()
        self._now = office.now()
        with office.read() as tx:
            self.policy = settings.get(tx, POLICY, Policy) or Policy()
            self._texts = TextBook(look_up(tx, cascade)[0])
        self.holdout = self.policy.holdout.of(cascade.message_class)
        self.unasked = {  # steps of whose conditions only a run could answer a part
            step.number for step in cascade.steps if step.condition and _of_runs(step.condition.tree)
        }
        self.paused = self._paused(prepare(0, 0, cascade, self.policy))
        self.waiting = {number for number, how in self.paused.items() if how == "paused"}
        self._parts: dict[int, float] = {}
        self._events: Mapping[int, Entry] | None = None
        self._costs: dict[tuple[int, int, int, bool, str], Cost | None] = {}
        pace = cascade.trigger.pace_per_hour
        self._start, self._enter_over_ms = (
            self._now if start is None else start,
            size * HOUR // pace if pace else 0,
        )
        self._when: dict[Where, list[tuple[int, ...]]] = {}
        self._home: Where = (self.policy.zone,), self.policy.country
        self._version, self._silences = prepare(0, 0, cascade, self.policy), silences_ms(cascade)
        delay = approximate_ms(cascade.trigger.delay)
        entered = [at + delay for at in entering_at(self._start, self._enter_over_ms)]
        self._silent: dict[tuple[int, ...], list[int]] = {(): entered}

    def _times(self, where: Where) -> list[tuple[int, ...]]:
        """Return when the messages of each step go to people there."""
        if where not in self._when:
            zones, country = where
            self._when[where] = sending_times(
                self._version, self._silences, self._start, self._enter_over_ms, country, zones
            )
        return self._when[where]

    def _paused(self, version: Version) -> dict[int, str]:
        """Return what becomes of people at paused steps: `passed_over`, `paused` (they wait) or `late` (until
        it is too late for the step)."""
        zones, country = (self.policy.zone,), self.policy.country
        return {
            number: "passed_over" if skip
            else "late" if gets_late(version, self._cascade.steps[number], zones, country, self._now)
            else "paused"
            for number, skip in held_of(self._office, self._cascade).items()
        }  # fmt: skip

    def typical(self) -> tuple[list[Kind], list[dict[str, float]]]:
        """Return people whom every step reaches on its first channel, as far as dates let it go, and by step
        the shares of them whom those keep it from."""
        asks = [None if step.number in self.paused else self.usual_ask(step) for step in self._cascade.steps]
        events, (_, dated) = self.events(), self._versions()
        if not events:
            return [Kind(TYPICAL, tuple(asks))], [{} for _ in asks]
        answers = typical(self._cascade, self.policy.zone, self.policy.country).answers
        late = [*usual_by_date(dated, self._silences, events.values(), answers)]
        slots = [entry.slot for entry in events.values()]
        kinds = Counter(
            (tuple([None if n in one else ask for n, ask in enumerate(asks)]), slot)
            for one, slot in zip(late, slots, strict=True)
        )
        passed = [Counter(one[n].value for one in late if n in one) for n in range(len(asks))]
        shares = [{why: count / len(late) for why, count in each.most_common()} for each in passed]
        return [Kind(count, *each) for each, count in kinds.items()], shares

    def entering(self, size: int, ids: Sequence[int] = ()) -> int:
        """Return how many of an audience of whom some are looked at may enter: the control group of all
        advertising may not."""
        control, may = self._version.control, len(self._outside(ids))
        if control is None:
            return size
        if size < len(ids):  # others stand for them
            return round(size * may / len(ids))
        return may + round((size - len(ids)) * (1 - control.share_at(self._start) / 10_000))

    def treated(self, ids: Sequence[int]) -> Sequence[int]:
        """Return those whom the cascade itself does not hold out: of contacts that lot has long been cast."""
        version, seeds = self._version, self._world.seeds
        held = version.held_share
        return [each for each in ids if each in seeds or entering.share(version, each, "holdout") >= held]

    def _outside(self, ids: Sequence[int]) -> Sequence[int]:
        """Return those who are not in the control group."""
        control = self._version.control
        return ids if control is None else [each for each in ids if not control.holds(each, self._start)]

    def real(self, ids: Sequence[int]) -> tuple[list[Kind], list[dict[str, float]]]:
        """Return the kinds of people among contacts who may enter, and by step the shares of them that it
        passes over, by reason."""
        ids = self._outside(ids)
        kinds: Counter[tuple[tuple[Ask | None, ...], int]] = Counter()
        passed = [Counter[str]() for _ in self._cascade.steps]
        with self._office.read() as tx:
            (version, dated), runs = self._versions(), self._runs(ids)
            seen = look(tx, [(version, run) for run in runs], self._now, self._world.accounts)
            desk = Desk(tx, self._world, self._now)
            desk.see(seen)
            known: dict[Hashable, tuple[Way | SkipReason, ...]] = {}
            alike: Counter[tuple[tuple[Way | SkipReason, ...], Where, tuple[str, ...], int]] = Counter()
            for run, entry in zip(runs, self._entries(ids), strict=True):
                answers = desk.answers(version, run, {})
                ways = self._ways(version, run, answers, known)
                if has_dates(dated):
                    attributes = desk.person(run.contact_id).attributes
                    ways = by_date(dated, self._silences, entry, run, answers, attributes, ways)
                where, numbers = (answers.zones, answers.country), self._numbers(ways, answers)
                alike[ways, where, numbers, entry.slot] += 1
        for (ways, where, numbers, slot), count in alike.items():
            asks: list[Ask | None] = []
            for step, one, to in zip(version.cascade.steps, ways, numbers, strict=True):
                found = self._asked(step, one, to, where)
                if step.number in self.paused and not isinstance(found, str):
                    found = _PAUSED_WHY[self.paused[step.number]].value
                if isinstance(found, str):
                    passed[step.number][found] += count
                asks.append(None if isinstance(found, str) else found)
            kinds[tuple(asks), slot] += count
        total = max(1, len(ids))
        shares = [{why: count / total for why, count in each.most_common()} for each in passed]
        return [Kind(count, *each) for each, count in kinds.items()], shares

    def lacks_dates(self, *, contacts: bool) -> bool:
        """Say whether steps are due by dates that are not known of these people: of `contacts` are theirs."""
        return lacks_dates(self._cascade, contacts=contacts, events=bool(self.events()))

    def usual(self, step: Step) -> float | None:
        """Return what a message of the step costs typical people, in minor units."""
        ask = self.usual_ask(step)
        return ask.price if ask.currency else None

    def currency(self, step: Step) -> str:
        """Return the currency of that."""
        return self.usual_ask(step).currency

    def priced(self, step: Step) -> bool:
        """Say whether an account tells what the step costs."""
        return bool(self.currency(step))

    def carried(self, step: Step) -> bool:
        """Say whether an account is set up that could send the step, on any of its channels."""
        there = (self._world.accounts.by_channel.get(channel.code, ()) for channel in step.channels)
        return any(step.account in ("", account.name) for accounts in there for account in accounts)

    def changes(self, step: Step) -> bool:
        """Say whether typical people's messages cost another price later on, while the step still goes."""
        cost = self.usual_cost(step)
        return cost is not None and cost.changes([self._now, *self._times(self._home)[step.number]])

    def timing(self) -> Timing:
        """Return when messages go to people at home, of whom as many enter at each of some instants."""
        delay = approximate_ms(self._cascade.trigger.delay)
        points = points_of_days(self._enter_over_ms, MOST)
        entered = [at + delay for at in entering_at(self._start, self._enter_over_ms, points)]
        by_day = max((step.number for step in self._cascade.steps if self._day_of(step.number)), default=-1)
        return Timing(entered, self._silences, self._goes_to, self._until, by_day)

    def _goes_to(self, step: int, at: int, entered: int) -> int:
        day = self._day_of(step)
        return self._goes_at(step, max(at, entered + (day - 1) * DAY) if day else at)

    def _day_of(self, step: int) -> int:
        """Return on which day after the entry a step goes; 0: on none."""
        told = self._cascade.steps[step].at
        return 0 if told is None or told.day is None else told.day

    def _until(self, step: int, due_at: int) -> int:
        """Return how long a step may wait that was due then: not at all where it has a date of its own."""
        own = self._cascade.steps[step].at is not None
        return due_at if own else timing.latest(self._version, due_at)

    def times_after(self, before: Sequence[int], step: int) -> list[int]:
        """Return when messages of a step go to people at home after silence at other steps, in this order."""
        return [self._goes_at(step, at) for at in self._silent_at(tuple(before))]

    def _silent_at(self, steps: tuple[int, ...]) -> list[int]:
        """Return when silence at these steps, one after the other, is over."""
        if steps not in self._silent:
            *before, last = steps
            self._silent[steps] = [
                self._goes_at(last, at) + self._silences[last] for at in self._silent_at(tuple(before))
            ]
        return self._silent[steps]

    def _goes_at(self, step: int, at: int) -> int:
        zones, country = self._home
        return goes_at(self._version, step, at, country, zones)

    def parts(self, step: Step) -> int:
        """Return how many parts the step's SMS has, rounded; 0: it sends none."""
        return round(self._mean_parts(step)) if Channel.SMS in step.channels else 0

    def usual_ask(self, step: Step) -> Ask:
        """Return what the step is for typical people, on its first channel."""
        return self._usual(step)[0]

    def usual_cost(self, step: Step) -> Cost | None:
        """Return what its messages cost them at which time; None: nothing tells it."""
        return self._usual(step)[1]

    def _usual(self, step: Step) -> tuple[Ask, Cost | None]:
        channel = step.channels[0]
        accounts = self._world.accounts.by_channel.get(channel.code, [])
        account = next((one for one in accounts if step.account in ("", one.name)), None)
        by_name = account is not None and self._world.accounts.capabilities[account.id].approved
        return self._asking(step, channel, account, self._usual_number(channel), by_name, self._home)

    def cost_of(self, step: Step, channel: Channel, answers: Answers) -> Cost | None:
        """Return what the step costs for a contact on one channel at which time; None: no account takes it or
        tells a price, or there is no address."""
        number = entering.account_of(step, channel.code, answers)
        account = self._world.accounts.get(number)
        address = answers.addresses.get(entering.ADDRESS_CHANNEL.get(channel.code, channel.code))
        if account is None or address is None:
            return None
        by_name = unheard(answers, number, self._now)
        return self._costing(step, channel, account, address.value, by_name)

    def _usual_number(self, channel: Channel) -> str:
        """Return a mobile number of the brand's country, for price lists to be asked about."""
        country = self.policy.country
        number = example_number_for_type(country, PhoneNumberType.MOBILE) if country else None
        return format_number(number, PhoneNumberFormat.E164) if number and channel in PHONES else ""

    def events(self) -> Mapping[int, Entry]:
        """Return by contact how the next may enter whom the event lets in, by the last ones; {}: nothing asks
        for their dates, or too few have come to tell them."""
        if self._events is None:
            self._events = last_events(self._office, self._cascade, self._now)
        return self._events

    def _entries(self, ids: Sequence[int]) -> list[Entry]:
        """Return when each of the people enters: by an event as it was, by another's where they had none, or
        one after the other where that takes time."""
        events, twice = self.events(), 2 * len(ids)
        if events:
            others = list(events.values())
            return [events.get(each) or others[place % len(others)] for place, each in enumerate(ids)]
        return [
            Entry(self._start + self._enter_over_ms * (2 * place + 1) // twice) for place in range(len(ids))
        ]

    def _versions(self) -> tuple[Version, Version]:
        """Return the version without what only a run can answer, and the same with the dates of which
        something is known."""
        steps = tuple(
            structs.replace(
                step, holdout=0, condition=None if step.condition is None else _of_contacts(step.condition)
            )
            for step in self._cascade.steps
        )
        whole = structs.replace(self._cascade, steps=steps, to="", exit_if=None)
        plain = structs.replace(whole, steps=tuple([structs.replace(step, at=None) for step in steps]))
        known = with_dates(whole, events=bool(self.events()))
        return prepare(0, 0, plain, self.policy), prepare(0, 0, known, self.policy)

    def _runs(self, ids: Sequence[int]) -> list[Run]:
        """Return a run of each contact, which begins now."""
        now = self._now
        return [
            Run(contact_id, 1, 0, 0, 0, RunState.PENDING.code, Phase.ENTER, -1, None, 0, now, now, now)
            for contact_id in ids
        ]

    def _ways(
        self,
        version: Version,
        run: Run,
        answers: Answers,
        known: dict[Hashable, tuple[Way | SkipReason, ...]],
    ) -> tuple[Way | SkipReason, ...]:
        """Return over what each step goes to one contact; of who stands as one before, that is `known`."""
        place = standing(version, run, answers, self._now)
        if place is not None and place in known:
            return known[place]
        found = tuple([way(version, run, step, answers, self._now) for step in version.cascade.steps])
        if place is not None:
            known[place] = found
        return found

    def _numbers(self, ways: Sequence[Way | SkipReason], answers: Answers) -> tuple[str, ...]:
        """Return by step where it goes to a contact, where the price hangs on that."""
        lists = self._world.money.price_lists
        return tuple([
            address_of(one, answers) if isinstance(one, Way) and one.account_id in lists else ""
            for one in ways
        ])  # fmt: skip

    def _asked(self, step: Step, found: Way | SkipReason, to: str, where: Where) -> Ask | str:
        """Return what a step is for contacts there whom it reaches that way, or why it is passed over."""
        if not isinstance(found, Way):
            return found.value
        account = self._world.accounts.get(found.account_id)
        return self._asking(step, found.channel, account, to, found.by_name, where)[0]

    def _asking(
        self, step: Step, channel: Channel, account: Account | None, to: str, by_name: bool, where: Where
    ) -> tuple[Ask, Cost | None]:  # fmt: skip
        """Return what the step is for who is reached there, and what its messages cost at which time."""
        cost = self._costing(step, channel, account, to, by_name)
        if cost is None or account is None:
            return Ask(channel), None
        times = self._times(where)[step.number] if len(cost.turns) > 1 else ()
        budgeted = account.id if account.id in self._budgeted else 0
        return Ask(channel, cost.mean(times), cost.currency, cost if times else None, budgeted), cost

    def _costing(
        self, step: Step, channel: Channel, account: Account | None, to: str, by_name: bool
    ) -> Cost | None:
        number = 0 if account is None else account.id
        by_number = to if number in self._world.money.price_lists else ""
        key = step.number, channel.code, number, by_name, by_number
        if key not in self._costs:
            self._costs[key] = None if account is None else self._cost(step, channel, account, to, by_name)
        return self._costs[key]

    def _cost(self, step: Step, channel: Channel, account: Account, to: str, by_name: bool) -> Cost | None:
        """Return what messages cost on average from now on; None: nothing tells it."""
        tariff = Tariff(account, self._world.money.price_lists.get(account.id))
        approved = step.content.approved if by_name else None
        category = category_of(self._world.accounts.approved.get(account.id, {}), approved)
        parts = self._mean_parts(step) if channel is Channel.SMS else 1.0
        low, share = int(parts), parts - int(parts)
        turns: list[tuple[int, float]] = []
        for at in (self._now, *tariff.turns(self._now)):
            each = [
                tariff.mean(to, self._cascade.message_class, category, max(1, many), at)
                for many in (low, low + 1)
            ]
            if each[0] is None or each[1] is None:
                return None
            minor = each[0] * (1 - share) + each[1] * share
            if not turns or turns[-1][1] != minor:
                turns.append((at, minor))
        return told_in(Cost(tariff.currency, tuple(turns)), self.told_in)

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


def _of_runs(tree: Node) -> bool:
    """Say whether only a run could answer this."""
    return any(
        isinstance(node, Event) or (isinstance(node, Name) and node.path[0] in _OF_RUNS)
        for node in walk(tree)
    )


def _of_contacts(condition: Condition) -> Condition | None:
    """Return what a condition asks besides, all of which must hold; None: only of runs."""
    asked = condition.tree.nodes if isinstance(condition.tree, All) else (condition.tree,)
    kept = tuple(node for node in asked if not _of_runs(node))
    return Condition(condition.text, All(kept)) if kept else None
