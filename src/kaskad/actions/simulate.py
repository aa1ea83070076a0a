"""A cascade simulated before it runs: the real people, prices and rates, on a clock of its own.

Whom it meets is asked of the audience as the last look would answer (`crowds.py`), how people react is what a
forecast believes (`past.py`); the rest is played (`planning/simulate.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct, structs, to_builtins

from kaskad.actions.apart import play_apart
from kaskad.actions.audience import Audience
from kaskad.actions.budget_left import limits_of_all, spent_of
from kaskad.actions.cascade_texts import source_of
from kaskad.actions.casting import Casting
from kaskad.actions.crowds import Asker, Sampled, audience_of, sampled
from kaskad.actions.office import Office
from kaskad.actions.past import Past, past
from kaskad.actions.step_holds import held_of
from kaskad.domain.cascade import Cascade
from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import SECOND, Policy
from kaskad.domain.task import DeskPlan
from kaskad.domain.terms import Channel
from kaskad.domain.version import held_share
from kaskad.planning.costs import fixed
from kaskad.planning.expectations import Checked, Expectation, check
from kaskad.planning.history import Happened
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.scene import Scene, Staged, askable, table_of, undated
from kaskad.planning.simulate import Tell
from kaskad.planning.simulated import Simulated
from kaskad.planning.walk import stages
from kaskad.planning.world import (
    DELIVERS,
    FREE,
    REACTS,
    SEEN,
    Prices,
    Sort,
    World,
    assumed_trigger,
    typical,
)
from kaskad.planning.world_file import Wanted, to_wanted
from kaskad.providers import provider
from kaskad.providers.base import limits_of

PEOPLE = 10_000
LOOKED = 100_000  # contacts of an audience who are played as themselves; the others are taken to be like them
ALONE_START = 1_780_308_000_000  # Monday, 1 June 2026, 10:00 UTC: of simulations that know no other


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked for; None and "": what the file says, else what is usual."""

    text: str = ""  # a definition; "": the draft, else what runs
    file: str = ""  # of a world and expectations
    file_name: str = "expectations"
    whom: Audience | None = None
    typical: bool = False
    people: int | None = None
    seed: int | None = None
    start: int | None = None
    traced: int = 0


class Simulation(Struct, frozen=True):
    """A simulation with all that one must know to judge it. `audience` "": typical people.

    `notes` are words with the step they are about, "" all: `no_prior`, `no_price`, `condition` (counted as if
    it held), `date_assumed`, `copied` (fewer contacts were looked at than people played), `paused` (people
    wait at the step), `passed_over` (it is paused, and they pass it over).
    """

    audience: str
    looked: int
    kinds: int
    basis: str
    told: Simulated
    checks: tuple[Checked, ...]
    notes: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Say whether all that was expected holds."""
        return all(one.holds for one in self.checks)


class Prepared(Struct, frozen=True):
    """A scene ready to be played, and what is to be told with what comes of it."""

    scene: Scene
    audience: str
    looked: int
    basis: str
    wanted: Wanted
    notes: tuple[tuple[str, str], ...]

    def told(self, staged: Staged) -> Simulation:
        """Return the simulation."""
        unpriced = {step for step, note in self.notes if note == "no_price"}
        # Of what nobody got nobody was asked for the price: it is not known whether an account tells it.
        unsent = {(step.step, "no_price") for step in staged.told.steps if not step.messages}
        return Simulation(
            self.audience, self.looked, len(self.scene.sorts), self.basis, staged.told,
            tuple(check(staged.told, self.wanted.expected, unpriced)),
            tuple([each for each in self.notes if each not in unsent]), round(staged.seconds, 3),
        )  # fmt: skip


def simulate(office: Office, slug: str, asked: Asked, tell: Tell | None = None) -> Simulation:
    """Return a simulation, played in a process of its own. Raises NotFound, Invalid with all that is wrong in
    definition and file, and what `play_apart` raises."""
    ready = prepared(office, slug, asked)
    return ready.told(play_apart(ready.scene, tell))


def prepared(office: Office, slug: str, asked: Asked) -> Prepared:
    """Return what is to be played. Raises NotFound and Invalid."""
    with office.read() as tx:
        text = asked.text or source_of(tx, slug)[0]
    cascade = to_cascade(text, name=slug)
    wanted = Wanted()
    if asked.file:
        wanted = to_wanted(asked.file, cascade, name=asked.file_name, desk=_desk(office) is not None)
    known = past(office, slug, cascade)
    whom = asked.whom or (None if asked.typical else audience_of(office, cascade))
    most = _first(asked.people, wanted.people, LOOKED)
    people = None if whom is None else sampled(office, cascade, whom, min(most, LOOKED))
    return of_people(office, cascade, asked, wanted, people, known)


def of_people(
    office: Office, cascade: Cascade, asked: Asked, wanted: Wanted, people: Sampled | None, known: Past
) -> Prepared:  # fmt: skip
    """Return what is to be played for an audience, None: for typical people."""
    trigger = {**assumed_trigger(cascade), **wanted.trigger}
    able = askable(cascade, trigger, real=people is not None)
    start = _first(asked.start, wanted.start, office.now())
    asker = Asker(office, able.cascade, start, to=cascade.budget.currency)  # that the budget is in
    if people is None:
        zone = wanted.zone or asker.policy.zone
        sorts = [typical(able.cascade, zone, asker.policy.country, _prices(asker, able.cascade, wanted))]
        cast = None
    else:
        told = _told_prices(able.cascade, wanted)
        sorts, cast = Casting(office, asker, able.cascade, told, start).cast(people.ids)
    size = PEOPLE if people is None else people.size
    count = _first(asked.people, wanted.people, min(size, LOOKED))
    holdout = asker.holdout if cascade.holdout is None else cascade.holdout
    world = world_of(
        wanted, start=start, people=count, size=count if people is None else size,
        seed=_first(asked.seed, wanted.seed, 1), holdout=holdout, traced=asked.traced, trigger=trigger,
        per_second={**_limits(office, cascade), **wanted.per_second}, buys=_buys(known.own),
        repeats=_repeats(office), desk=_desk(office),
    )  # fmt: skip
    if people is not None:
        limits = tuple(limits_of_all(office, asker.told_in.to))
        world = structs.replace(world, spent=spent_of(office, cascade), limits=limits)
    outlook = outlook_of(able.cascade, known)
    held = held_of(office, cascade)
    notes = (
        *((cascade.steps[number].id, "passed_over" if skip else "paused") for number, skip in held.items()),
        *_notes(able.cascade, able.unasked, outlook, wanted, sorts),
        *([("", "copied")] if people is not None and count > len(people.ids) else []),
    )
    table = table_of(able.cascade, outlook, wanted.rates)
    scene = Scene(able.cascade, asker.policy, world, sorts, table, cast, held)
    basis = "own" if known.learnt else "others" if known.elsewhere else "prior"
    return Prepared(
        scene, "" if people is None else people.name, 0 if people is None else len(people.ids), basis, wanted,
        notes,
    )  # fmt: skip


def alone(cascade: Cascade, asked: Asked) -> Prepared:
    """Return what is to be played where there is no installation: typical people, figures of the field."""
    wanted = to_wanted(asked.file, cascade, name=asked.file_name) if asked.file else Wanted()
    policy = Policy()
    trigger = {**assumed_trigger(cascade), **wanted.trigger}
    able = askable(cascade, trigger, real=False)
    sort = typical(able.cascade, wanted.zone or policy.zone, prices=_told_prices(able.cascade, wanted))
    count = _first(asked.people, wanted.people, PEOPLE)
    world = world_of(
        wanted, start=_first(asked.start, wanted.start, ALONE_START), people=count, size=count,
        seed=_first(asked.seed, wanted.seed, 1), holdout=held_share(cascade, policy), traced=asked.traced,
        trigger=trigger, per_second=wanted.per_second, buys=0.0,
    )  # fmt: skip
    outlook = outlook_of(able.cascade, Past(Happened({}), {}, Happened({})))
    scene = Scene(able.cascade, policy, world, [sort], table_of(able.cascade, outlook, wanted.rates))
    return Prepared(
        scene, "", 0, "prior", wanted, _notes(able.cascade, able.unasked, outlook, wanted, [sort])
    )


def outlook_of(cascade: Cascade, known: Past) -> Outlook:
    """Return what is believed of a cascade's rates."""
    plan = Plan(
        stages(cascade), [step.channels[0] for step in cascade.steps],
        [step.success for step in cascade.steps], cascade.first,
    )  # fmt: skip
    return Outlook(plan, known.today, known.elsewhere, known.again)


def world_of(
    wanted: Wanted, *, start: int, people: int, size: int, seed: int, holdout: int, traced: int,
    trigger: Mapping[str, object], per_second: Mapping[Channel, float], buys: float,
    repeats: Collection[int] = (), desk: DeskPlan | None = None,
) -> World:  # fmt: skip
    """Return the world that a file wants, and what is usual elsewhere."""
    return World(
        start=start, people=people, size=size, seed=seed, holdout=holdout, enter_over_ms=wanted.enter_over_ms,
        accepted_ms=SECOND if wanted.accepted_ms is None else wanted.accepted_ms,
        delivers={**DELIVERS, **wanted.delivers}, reacts={**REACTS, **wanted.reacts},
        seen={**SEEN, **wanted.seen}, buys=buys if wanted.buys is None else wanted.buys, fails=wanted.fails,
        unanswered=wanted.unanswered, arrives=wanted.arrives, repeats=frozenset(repeats), busy=wanted.busy,
        no_answer=wanted.no_answer, desk=wanted.desk or desk, unreported=wanted.unreported,
        outages=wanted.outages, per_second=per_second, trigger=trigger, traced=traced,
    )  # fmt: skip


def _first(*values: int | None) -> int:
    """Return the first that was told."""
    return next(value for value in values if value is not None)


def _buys(own: Happened) -> float:
    """Return the share of those who react who then reached the goal, by what has happened."""
    left = sum(cell.left for cell in own.cells.values())
    return max(0.0, min(1.0, (own.converted - left) / own.reached)) if own.reached else 0.0


def _limits(office: Office, cascade: Cascade) -> dict[Channel, float]:
    """Return how many messages a second the accounts of each channel take together."""
    found: dict[Channel, float] = {}
    for channel in {channel for step in cascade.steps for channel in step.channels}:
        for account in office.engine.world.accounts.by_channel.get(channel.code, ()):
            service = provider(account.provider)
            if account.enabled and not service.own:
                found[channel] = found.get(channel, 0.0) + limits_of(account, service.capabilities).per_second
    return found


def _repeats(office: Office) -> set[int]:
    """Return the channels all of whose accounts may be asked again under the same key."""
    world = office.engine.world
    return {
        channel
        for channel, accounts in world.accounts.by_channel.items()
        if accounts and all(account.id in world.accounts.retriable for account in accounts)
    }


def _desk(office: Office) -> DeskPlan | None:
    """Return what the own desks can do, all together as the first of them; None: others call too."""
    world = office.engine.world
    accounts = world.accounts.by_channel.get(Channel.AGENT_CALL.code, [])
    plans = [world.accounts.desks[account.id] for account in accounts if account.id in world.accounts.desks]
    if not plans or len(plans) < len(accounts):
        return None
    return structs.replace(
        plans[0], agents=sum(plan.agents for plan in plans),
        per_day=sum(plan.per_day for plan in plans) if all(plan.per_day for plan in plans) else 0,
    )  # fmt: skip


def _notes(
    cascade: Cascade, unasked: Sequence[str], outlook: Outlook, wanted: Wanted, sorts: Sequence[Sort]
) -> tuple[tuple[str, str], ...]:  # fmt: skip
    found = [(name, "condition") for name in unasked]
    for step in cascade.steps:
        channels = [channel.code for channel in step.channels]
        if step.number not in wanted.rates and not outlook.knows(step.number, step.channels[0]):
            found.append((step.id, "no_prior"))
        if not any(
            sort.prices.get((step.number, code), FREE).currency for sort in sorts for code in channels
        ):
            found.append((step.id, "no_price"))
        if undated(step) and step.at is not None and step.at.path.split(".")[1] not in wanted.trigger:
            found.append((step.id, "date_assumed"))
    return tuple(found)


def _told_prices(cascade: Cascade, wanted: Wanted) -> Prices:
    return {
        (step.number, channel.code): fixed(told.minor, told.currency)
        for step in cascade.steps
        for channel in step.channels
        if (told := wanted.prices.get(step.number)) is not None
    }


def _prices(asker: Asker, cascade: Cascade, wanted: Wanted) -> Prices:
    """Return what messages cost typical people."""
    usual = {}
    for step in cascade.steps:
        cost = asker.usual_cost(step)
        if cost is not None:
            usual[step.number, step.channels[0].code] = cost
    return {**usual, **_told_prices(cascade, wanted)}


def as_told(found: Simulation) -> dict[str, object]:
    """Return a simulation as the API and `--json` tell it; times are seconds after the start."""
    told = to_builtins(found.told, str_keys=True)
    told["start"] = datetime.fromtimestamp(found.told.start / SECOND, UTC).isoformat()
    told["finished"] = {share: _s(at) for share, at in found.told.finished.items()}
    for step in told["steps"]:
        step["first_s"], step["last_s"] = _s(step.pop("first_at")), _s(step.pop("last_at"))
    told["traces"] = [[{**one, "at": _s(one["at"])} for one in trace] for trace in told["traces"]]
    by_hour = [0] * 24
    for minute, count in found.told.by_clock.items():
        by_hour[minute // 60] += count
    del told["by_clock"]
    return {
        "audience": found.audience, "looked": found.looked, "kinds": found.kinds, "basis": found.basis,
        **told, "by_hour_of_day": by_hour, "checks": [_check(one) for one in found.checks],
        "holds": found.holds, "notes": [{"step": step, "note": note} for step, note in found.notes],
        "seconds": found.seconds,
    }  # fmt: skip


def _check(one: Checked) -> dict[str, object]:
    expected = one.expected
    return {
        "path": expected.path, "line": expected.line, "column": expected.column, "unit": expected.unit,
        "at_least": _told(expected, expected.at_least), "at_most": _told(expected, expected.at_most),
        "currency": expected.currency, "got": _told(expected, one.got), "holds": one.holds,
    }  # fmt: skip


def _told(expected: Expectation, value: float | None) -> float | None:
    """Return a figure as it is told: times in seconds."""
    return value / SECOND if value is not None and expected.unit == "time" else value


def _s(ms: int | None) -> float | None:
    return None if ms is None else ms / SECOND
