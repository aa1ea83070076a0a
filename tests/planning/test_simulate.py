"""The simulation against the real engine: for the same acts of people the same runs, to the millisecond."""

import json
import os
from collections import Counter
from itertools import pairwise

import pytest
from msgspec.structs import replace

from kaskad.domain.caps import Touch
from kaskad.domain.decide import decide
from kaskad.domain.definition import to_cascade
from kaskad.domain.hours import add, hour_of_day
from kaskad.domain.policy import HOUR, ControlGroup, Policy
from kaskad.domain.rhythm import Rhythm
from kaskad.domain.span import parse_span
from kaskad.domain.terms import Channel, Kind, MessageClass, MessageState, Outcome, Reason, SkipReason
from kaskad.domain.version import prepare
from kaskad.planning import alike, simulate
from kaskad.planning.begun import Begun
from kaskad.planning.costs import fixed
from kaskad.planning.forecast import Kind as Same
from kaskad.planning.forecast import People, expected
from kaskad.planning.history import Cell, Happened
from kaskad.planning.outlook import Outlook, Plan
from kaskad.planning.scene import Scene, staged, table_of
from kaskad.planning.simulate import play
from kaskad.planning.simulated import counted
from kaskad.planning.walk import Ask, stages
from kaskad.planning.world import Outage, World, assumed_trigger, typical
from kaskad.store import step_holds
from support.databases import migrated
from support.play import NOON
from support.stage import Stage, accepted, refused

PLAIN = """
cascade: plain
class: service
trigger: {event: left, key: cart_id, delay: 1h}
goal: {event: bought, within: 7d}
exit_if: "trigger.total < 1000"
steps:
  - {id: letter, channel: email, subject: Hi, text: Hi,
     wait: [{unless: opened, for: 24h}, {unless: clicked, for: 4h, from: opened}]}
  - {id: chat, channel: telegram, text: Hi, wait: 6h, on_fail: retry}
  - {id: sms, channel: sms, text: Hi, wait: 2h}
  - {id: robot, channel: robot_call, say: Hi, wait: 2h}
"""
ANCHORED = """
cascade: anchored
class: service
trigger: {event: left, key: cart_id}
goal: {event: bought, within: 7d}
steps:
  - {id: letter, channel: email, subject: Hi, text: Hi, success: opened,
     at: {before: trigger.starts_at, by: 24h}}
  - {id: chat, channel: telegram, text: Hi, at: {before: trigger.starts_at, by: 14h}}
  - {id: sms, channel: sms, text: Hi, at: {before: trigger.starts_at, by: 30m, earliest_ok: 1h}}
"""
BRANCHED = """
cascade: branched
class: service
trigger: {event: left, key: cart_id}
goal: {event: bought, within: 7d}
steps:
  - {id: letter, channel: email, subject: Hi, text: Hi, wait: 3h}
  - {id: chat, channel: [telegram, sms], text: Hi, if: not steps.letter.failed, wait: 2h, holdout: 30%}
  - {id: offer, channel: sms, text: Hi, wait: 2h, only: branch}
branches: [{when: letter.clicked, go: offer, unless_goal_in: 2h}]
"""
RATES = {0: (0.3, 0.1), 1: (0.3, 0.1), 2: (0.4, 0.1), 3: (0.4, 0.0)}
PEOPLE = int(os.environ.get("KASKAD_TRIALS", "12"))
ZONES = ("Asia/Almaty", "Europe/Berlin", "Asia/Vladivostok", "America/New_York")


def version_of(text, policy=None):
    return prepare(1, 1, to_cascade(text, name="x.yaml"), policy or Policy())


def sorts_of(cascade):
    """Return people in four zones, some of whom lack addresses."""
    whole = typical(cascade, "UTC")
    has = whole.answers.addresses
    lacks = [(), (Channel.EMAIL,), (Channel.TELEGRAM, Channel.ROBOT_CALL), (Channel.SMS, Channel.EMAIL)]
    return [
        replace(whole, count=1 if without else 2, answers=replace(
            whole.answers, zones=(zone,),
            addresses={code: each for code, each in has.items() if Channel.of(code) not in without},
        ))
        for zone in ZONES for without in lacks
    ]  # fmt: skip


def rates(step, channel, before):
    return RATES[step]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (PLAIN, {"fails": {0: 0.2, 1: 0.4}, "buys": 0.3}),
        (PLAIN, {"unanswered": {0: 0.3, 2: 0.4}, "arrives": 0.6, "no_answer": {3: 0.5}, "busy": {3: 0.3},
                 "buys": 0.5}),
        (ANCHORED, {"fails": {0: 0.2}}),
        (BRANCHED, {"fails": {0: 0.3}}),
        (PLAIN.replace("service", "transactional"), {"held": {0: True, 1: False, 3: False}, "buys": 0.5}),
    ],
)  # fmt: skip
def test_for_the_same_acts_the_real_engine_leaves_the_same_runs(tmp_path, text, changes):
    changes = dict(changes)
    version = replace(version_of(text), held=changes.pop("held", {}))
    world = World(
        start=NOON + 3 * HOUR, people=PEOPLE, seed=5, accepted_ms=0, enter_over_ms=5 * HOUR, traced=PEOPLE,
        trigger={"starts_at": parse_span("2d"), "total": 5_000}, **changes,
    )  # fmt: skip
    played = play(version, world, sorts_of(version.cascade), rates)
    stage = Stage(migrated(tmp_path / "kaskad.db"), policy=Policy(), at=world.start)
    stage.cascade(text)
    with stage.db.write() as tx:
        for step, skip in version.held.items():
            assert step_holds.put(tx, (1, step), world.start, skip=skip)
    stage.engine._load()
    told = [_told(life) for life in played.lives]
    refusals = {
        (n + 1, step): list(fates) for n, (_, each) in enumerate(told) for step, fates in each.items()
    }

    def answer(parcel):
        met = refusals[parcel.contact_id, parcel.step].pop(0)
        if met == "failed":
            return refused(parcel, stage.clock.now(), Reason.OTHER)
        return None if met == "unanswered" else accepted(parcel, stage.clock.now())

    stage.answer = answer
    for life in played.lives:
        has = [Channel.of(code) for code in life.sort.answers.addresses]
        own = [channel for channel in has if channel is not Channel.ROBOT_CALL]
        assert stage.person(f"p{life.number}", own, zone=life.sort.answers.zones[0]) == life.number + 1
    for at, number, step, kind in sorted(act for acts, _ in told for act in acts):
        stage.passes(f"{at - stage.clock.at}ms") if at > stage.clock.at else None
        if kind == "entered":
            stage.event(number + 1, "left", cart_id=number, starts_at=at + 48 * HOUR, total=5_000)
        elif kind == "goal":
            stage.event(number + 1, "bought")
        elif kind.startswith("missed"):
            value = json.dumps({"reason": kind.partition(" ")[2].replace(" ", "_")})
            stage.receipt(number + 1, Kind.FAILED, step=step, value=value)
        else:
            stage.receipt(number + 1, Kind[kind.upper()], step=step)
    stage.passes("30d")
    for life in played.lives:
        found = _as_engine(life, version)
        tries = Counter(parcel.step for parcel in stage.parcels if parcel.contact_id == life.number + 1)
        states = {  # after three days without a receipt the engine's housekeeping calls it unknown
            step: "sent" if state == "unknown" else state
            for step, state in stage.states(life.number + 1).items()
        }
        assert found == (stage.outcome(life.number + 1), states, sorted(stage.at(life.number + 1))), life.log
        passages = life.passages.items()
        assert tries == {step: passage.attempt for step, passage in passages if passage.attempt}
    if "unanswered" in changes:
        assert max(passage.attempt for life in played.lives for passage in life.passages.values()) > 1
        assert any(moment.what == "unanswered" for life in played.lives for moment in life.log)
    ends = {life.run.outcome for life in played.lives}
    assert len(ends) > 2, "nothing that tells them apart happened"
    assert (None in ends) == (False in version.held.values())


def _told(life):
    """Return what happened to a person, as (at, who, step, what), and of each step which attempts failed."""
    acts, fates = [], {}
    for moment in life.log:
        if moment.what in (
            "entered",
            "goal",
            "opened",
            "clicked",
            "read",
            "answered",
            "delivered",
            "replied",
        ):
            acts.append((moment.at, life.number, -1 if moment.step is None else moment.step, moment.what))
        elif moment.what == "sent":
            fates.setdefault(moment.step, []).append("taken")
        elif moment.what in ("failed", "unanswered"):
            fates[moment.step][-1] = moment.what
        elif moment.what == "missed":
            acts.append((moment.at, life.number, moment.step, f"missed {moment.why}"))
    return acts, fates


def _as_engine(life, version):
    """Return a life as the stage tells of a run: outcome, state of each step, when messages went."""
    states = {}
    for number, passage in life.passages.items():
        state = MessageState.of(passage.state)
        skipped = state is MessageState.SKIPPED
        states[version.cascade.steps[number].id] = (
            SkipReason.of(passage.reason).value if skipped else state.value.replace("unknown", "sent")
        )
    sent = sorted(moment.at for moment in life.log if moment.what == "sent")
    outcome = life.run.outcome
    return None if outcome is None else Outcome.of(outcome).value, states, sent


SHARED = (
    (PLAIN.replace("service", "advertising"), {"outages": (Outage(Channel.TELEGRAM, 26 * HOUR, 40 * HOUR),)}),
    (PLAIN.replace("channel: telegram", "channel: [telegram, viber, sms]"), {"per_second": {}}),
    (PLAIN.replace("service", "advertising").replace("text: Hi, wait: 2h", """wait: 20m,
        variants: [{id: a, weight: 1, text: a}, {id: b, weight: 1, text: b}]"""), {"size": 4_000}),
    (PLAIN.replace("wait: 6h,", "holdout: 40%, wait: 6h,"), {"people": 60}),
    (PLAIN.replace("delay: 1h", "delay: 3d"), {"enter_over_ms": 0, "seen": {}}),
    (PLAIN.replace("delay: 1h", "delay: 1m"), {"enter_over_ms": 0, "people": 60}),
    (PLAIN.replace("service", "advertising"), {"people": 60, "policy": Policy(control=ControlGroup(2_000))}),
    (BRANCHED, {"people": 60}), (ANCHORED, {"people": 60, "trigger": {"starts_at": parse_span("2d")}}),
)  # fmt: skip


def met(cascade):
    """Return people in four zones of whom some were written to, and some have consents that end meanwhile."""
    found = []
    for number, sort in enumerate(sorts_of(cascade)):
        answers = sort.answers
        (consent,) = answers.consents
        rows = (consent, replace(consent, at=1, expires_at=NOON + 20 * HOUR, channels=2, granted=False))
        touches = tuple(
            Touch(NOON - ago * HOUR // 4, -1, 1, MessageClass.ADVERTISING.code)
            for ago in range(3, 3 + number % 4)
        )
        found.append(replace(sort, answers=replace(
            answers, touches=touches, consents=rows if number % 3 else (consent,),
            country="RU" if number % 2 else "",
        )))  # fmt: skip
        found.append(replace(found[-1], answers=replace(found[-1].answers, touches=())))
    return found


@pytest.mark.parametrize(("text", "changes"), SHARED)
def test_decisions_shared_by_those_who_stand_alike_are_those_of_each(text, changes):
    """With and without sharing, for each life to the moment; caps, gaps and hours stand in some's way."""
    changes = dict(changes)
    version = version_of(text, changes.pop("policy", None))
    usual = {
        "people": 250, "enter_over_ms": 30 * HOUR, "trigger": {"total": 5_000}, "fails": {1: 0.1},
        "per_second": {Channel.SMS: 0.01},
    }  # fmt: skip
    world = replace(World(start=NOON, seed=3), **usual | changes)
    world = replace(world, traced=world.people)
    lives, decisions = [], []
    for plain in (True, False):
        made = Counter()
        with pytest.MonkeyPatch.context() as patch:
            if not plain:
                patch.setattr(alike, "is_plain", lambda version, world, sorts: False)
            patch.setattr(
                simulate, "decide", lambda *told, made=made: (made.update(["all"]), decide(*told))[1]
            )
            lives.append(play(version, world, met(version.cascade), rates).lives)
        decisions.append(made["all"])
    for one, other in zip(*lives, strict=True):
        assert (one.log, one.passages, one.run) == (other.log, other.passages, other.run)
    whole = alike.is_plain(version, world, met(version.cascade))
    assert decisions[0] < decisions[1] * 0.9 if whole else decisions[0] == decisions[1], decisions
    assert {moment.what for life in lives[0] for moment in life.log} > {"entered", "waits"}


def test_on_average_it_comes_to_what_the_forecast_expects():
    """Reactions, messages and what leaves are those of the forecast's one world, give or take chance."""
    cascade = to_cascade(PLAIN, name="x.yaml")
    people = 2_000
    seen = {(0, 0): Cell(reacted=250, left=50, silent=700), (1, 1): Cell(reacted=500, left=20, silent=480)}
    plan = Plan(stages(cascade), [step.channels[0] for step in cascade.steps], [None] * 4)
    outlook = Outlook(plan, Happened(seen), {})
    asks = tuple(Ask(step.channels[0], 100.0, "KZT") for step in cascade.steps)
    mean = expected(plan, People(people, [Same(people, asks)]), outlook)
    sort = typical(cascade, "Asia/Almaty", prices={
        (step.number, step.channels[0].code): fixed(100.0, "KZT") for step in cascade.steps
    })  # fmt: skip
    table = table_of(cascade, outlook, {})
    world = World(start=NOON, people=people, seed=2, trigger={"total": 5_000})
    told = staged(Scene(cascade, Policy(), world, [sort], table)).told
    for step, reckoned in zip(told.steps, mean.steps, strict=True):
        for found, wanted in ((step.messages, reckoned.sent[0]), (step.reacted, reckoned.reacted[0])):
            assert abs(found - wanted) < 4 * (people / 4) ** 0.5, (step.step, found, wanted)
    assert told.cost["KZT"] == told.messages * 100
    left = sum(float(step.left[0]) for step in mean.steps)
    assert abs(told.outcomes["converted"] - left) < 4 * left**0.5


def test_a_step_goes_at_the_hour_at_which_the_person_reacts_most():
    text = PLAIN.replace("{id: chat,", "{id: chat, send_at: best_hour,").replace("delay: 1h", "delay: 20h")
    version = version_of(text)
    found = {}
    for hour in (11, 17):
        shares = tuple(0.5 if place % 24 == hour else 0.001 for place in range(168))
        sort = typical(version.cascade, "Asia/Almaty")
        sort = replace(sort, answers=replace(sort.answers, rhythm=Rhythm(shares, "person")))
        world = World(start=NOON, people=40, traced=40, trigger={"total": 5_000})
        lives = play(version, world, [sort], rates).lives
        sent = [one.at for life in lives for one in life.log if (one.what, one.step) == ("sent", 1)]
        found[hour] = {hour_of_day(at, "Asia/Almaty") // HOUR for at in sent}
    assert found == {11: {11}, 17: {17}}


@pytest.mark.parametrize("by", ["24h", "14h", "12h30m"])
@pytest.mark.parametrize("zone", ZONES)
def test_a_date_that_is_assumed_lies_at_an_hour_of_the_persons_own(zone, by):
    version = version_of(ANCHORED.replace("by: 14h", f"by: {by}"))  # 12h30m: no hour is open for all three
    answers = typical(version.cascade, zone).answers
    begun = Begun(version, assumed_trigger(version.cascade))
    for entered_at in range(NOON, NOON + 24 * HOUR, 7 * HOUR // 4):
        at = begun.told(entered_at, answers)["starts_at"]
        first = add(entered_at, parse_span("2d"), "UTC")
        assert first <= at < first + 24 * HOUR
        assert 9.5 <= hour_of_day(at, zone) / HOUR < 21.5  # the SMS cannot go much earlier than due
    told = Begun(version, {"starts_at": parse_span("2d"), "total": 5}).told(NOON + 1, answers)
    assert told == {"starts_at": NOON + 1 + 48 * HOUR, "total": 5}


def test_a_trigger_is_waited_for_by_the_brands_clock_as_the_engine_does(tmp_path):
    policy = replace(Policy.unlimited(), zone="Europe/Berlin")
    version = version_of(PLAIN.replace("delay: 1h", "delay: 1d"), policy)
    before_the_change = 1_792_836_000_000  # 24 Oct 2026 12:00 in Berlin
    stage = Stage(migrated(tmp_path / "kaskad.db"), policy=policy, at=before_the_change)
    stage.cascade(PLAIN.replace("delay: 1h", "delay: 1d"))
    person = stage.person("p", [Channel.EMAIL])
    stage.event(person, "left", cart_id=1, total=5_000)
    assert stage.run(person).due_at == before_the_change + 25 * HOUR
    world = World(start=before_the_change, people=1, traced=1, trigger={"total": 5_000})
    (life,) = play(version, world, [typical(version.cascade, "UTC")], rates).lives
    assert next(one.at for one in life.log if one.what == "sent") == before_the_change + 25 * HOUR


def test_a_run_may_end_before_the_answer_to_its_message_is_lost():
    text = PLAIN.replace("{id: letter,", "{id: letter, success: none,")
    wait = "wait: [{unless: opened, for: 24h}, {unless: clicked, for: 4h, from: opened}]"
    version = version_of(text.replace(wait, "wait: 10m"))
    for arrives in (0.0, 1.0):
        world = World(
            start=NOON, people=300, traced=300, trigger={"total": 5_000}, buys=0.9, accepted_ms=HOUR,
            unanswered={1: 0.9}, arrives=arrives,
        )  # fmt: skip
        lives = play(version, world, [typical(version.cascade, "Asia/Almaty")], lambda *_: (0.8, 0.0)).lives
        whats = [[moment.what for moment in life.log] for life in lives]
        late = [each[each.index("unanswered") :] for each in whats if "unanswered" in each]
        late = [each for each in late if not {"converted", "responded", "exhausted"} & set(each)]
        assert all(one.at <= other.at for life in lives for one, other in pairwise(life.log))
        assert late and any("clicked" in each for each in late) == bool(arrives), late


def test_only_calls_are_busy_or_not_taken_where_a_step_has_other_channels_too():
    version = version_of(PLAIN.replace("channel: telegram,", "channel: [telegram, robot_call], say: Hi,"))
    whole = typical(version.cascade, "Asia/Almaty")
    lacks = {code: each for code, each in whole.answers.addresses.items() if code != Channel.TELEGRAM.code}
    sorts = [whole, replace(whole, answers=replace(whole.answers, addresses=lacks))]
    world = World(
        start=NOON, people=100, traced=100, trigger={"total": 5_000}, busy={1: 0.3}, no_answer={1: 0.3}
    )
    missed = Counter()
    for life in play(version, world, sorts, rates).lives:
        sent = {one.why for one in life.log if (one.what, one.step) == ("sent", 1)}
        missed.update(
            (why, one.why) for one in life.log if (one.what, one.step) == ("missed", 1) for why in sent
        )
    assert {channel for channel, _ in missed} == {"robot_call"} and len(missed) == 2, missed


def test_urgent_messages_at_night_are_not_told_as_outside_of_the_windows_that_they_need_not_keep():
    for text in (PLAIN.replace("class: service", "class: service\nurgent: true"), PLAIN):
        version = version_of(text.replace("exit_if", "# exit_if"))
        world = World(start=NOON + 8 * HOUR, people=10, accepted_ms=1, trigger={"total": 5_000})
        told = counted(play(version, world, [typical(version.cascade, "Asia/Almaty")], rates))
        assert told.outside == 0 and told.messages >= 10


def test_budgets_outages_limits_and_those_held_out_are_kept():
    cascade = to_cascade(PLAIN.replace("steps:", "budget: {total: 100 KZT}\nsteps:"), name="x.yaml")
    version = prepare(1, 1, cascade, Policy())
    sort = typical(cascade, "Asia/Almaty", prices={(2, Channel.SMS.code): fixed(1_000.0, "KZT")})
    world = World(
        start=NOON, people=600, size=6_000, holdout=2_000, trigger={"total": 5_000},
        per_second={Channel.EMAIL: 0.1}, outages=(Outage(Channel.TELEGRAM, 0, 400 * HOUR),),
    )  # fmt: skip
    told = counted(play(version, world, [sort], rates))
    letter, chat, sms, _ = told.steps
    assert 80 < told.held_out < 160 and told.people + told.held_out == 600
    # One stands for ten: 0.1 letters a second are 100 s for each of the people, after a delay of an hour.
    assert letter.messages == told.people and letter.last_at > 0.9 * told.people * 100_000
    assert set(chat.skipped) == {"provider_disabled"} and not chat.messages
    assert sms.messages == 1 and sms.skipped == {"over_budget": sms.arrived - 1}
    assert told.under_way == 0 and told.outside == 0 and told.finished["100%"] >= told.finished["50%"]
    nobody = counted(play(version, World(start=NOON, people=10), [], rates))
    assert (nobody.people, nobody.reach, nobody.finished["50%"]) == (0, 0.0, None)
