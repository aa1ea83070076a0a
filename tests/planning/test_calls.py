"""The call desk of a simulation: agents, hours, calls that are missed, wait or expire."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace

from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import DAY, HOUR, MINUTE, Policy
from kaskad.domain.task import DeskPlan
from kaskad.domain.terms import Channel, Disposition, Kind, MessageState, Outcome
from kaskad.domain.version import prepare
from kaskad.engine import agents
from kaskad.planning.costs import fixed
from kaskad.planning.simulate import play
from kaskad.planning.simulated import counted
from kaskad.planning.world import World, typical
from kaskad.web.pages.simulate import MOMENTS
from support.databases import migrated
from support.play import NOON
from support.stage import Stage

TEXT = """
cascade: called
class: service
trigger: {event: left}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hi, text: Hi, wait: 1h}
  - {id: agent, channel: agent_call, script: Hi}
  - {id: sms, channel: sms, text: Hi, wait: 2h}
"""
PRICE = {"minor": 40_000, "currency": "KZT"}
PAID = "SELECT sum(coalesce(cost, CASE WHEN state IN (6, 11, 12) THEN 0 ELSE price END)) FROM messages"
ZONE = "Asia/Almaty"  # five hours ahead of UTC
PLAN = DeskPlan(2, 10 * MINUTE, DAY, opens=10 * 60, closes=19 * 60, days=5, zone=ZONE)


def played(text=TEXT, people=200, **world):
    version = prepare(1, 1, to_cascade(text, name="called"), Policy())
    whole = World(start=NOON, people=people, traced=people, **world)
    rates = {0: (0.2, 0.05), 1: (0.7, 0.05), 2: (0.3, 0.0)}
    sort = typical(version.cascade, ZONE, prices={(1, Channel.AGENT_CALL.code): fixed(40_000, "KZT")})
    return play(version, whole, [sort], lambda step, *_: rates[step])


def calls_of(life):
    return [moment.at for moment in life.log if moment.what == "called"]


def test_agents_make_one_call_each_at_a_time_in_their_hours_and_try_again_whom_they_miss():
    found = played(desk=PLAN, no_answer={1: 0.4}, buys=0.3)
    calls = sorted(at for life in found.lives for at in calls_of(life))
    for at in calls:
        there = datetime.fromtimestamp(at / 1000, UTC) + timedelta(hours=5)
        assert there.weekday() < 5 and 10 <= there.hour < 19, there
        assert sum(at <= other < at + PLAN.call_ms for other in calls) <= PLAN.agents
    assert max(sum(at <= other < at + PLAN.call_ms for other in calls) for at in calls) == PLAN.agents
    tries = Counter(len(calls_of(life)) for life in found.lives)
    assert max(tries) == 3 and tries[1] and tries[2]
    for life in found.lives:
        first = calls_of(life)
        assert all(after - before >= 2 * HOUR for before, after in pairwise(first))
        # Three misses have failed: the run goes on at once, as it does from whoever does not answer.
        missed = [moment for moment in life.log if moment.why == "no_answer"]
        assert not missed or (len(first) == 3 and "sms" in {moment.why for moment in life.log})
    whats = {moment.what for life in found.lives for moment in life.log}
    assert whats >= {"called", "missed"} and whats <= {*MOMENTS, *(outcome.value for outcome in Outcome)}
    told = counted(found)
    assert told.under_way == 0 and told.steps[1].failed and told.steps[1].reacted > told.steps[1].failed
    # The same people, a large desk: all are called at once, as many react or more.
    large = played(desk=DeskPlan(agents=1_000), no_answer={1: 0.4}, buys=0.3)
    assert len({calls_of(life)[0] - life.run.entered_at for life in large.lives if calls_of(life)}) == 1
    assert counted(large).finished["90%"] < told.finished["90%"]


@pytest.mark.parametrize(
    ("plan", "changes"),
    [
        (PLAN, {"no_answer": {1: 0.3}, "busy": {1: 0.2}, "buys": 0.3}),
        (replace(PLAN, agents=1, call_ms=25 * MINUTE, sla_ms=6 * HOUR), {"no_answer": {1: 0.6}, "buys": 1.0}),
    ],
)
def test_for_the_same_calls_the_real_desk_leaves_the_same_runs(tmp_path, plan, changes):
    """The engine is told what people do and how calls end, and at which instants agents ask for work: it
    gives them the same people, and its runs end as those that were played, to the millisecond."""
    found = played(people=24, desk=plan, accepted_ms=0, enter_over_ms=6 * HOUR, seed=3, **changes)
    stage = Stage(migrated(tmp_path / "kaskad.db"), policy=Policy(), at=NOON)
    stage.account(Channel.AGENT_CALL, "agent_call", provider="desk", prices=PRICE, settings={
        "agents": str(plan.agents), "call_minutes": str(plan.call_ms // MINUTE), "tasks_a_day": "0",
        "sla_hours": str(plan.sla_ms // HOUR), "hours": "10:00-19:00", "days": "mon-fri", "zone": plan.zone,
    })  # fmt: skip
    stage.cascade(TEXT)
    for life in found.lives:
        own = [Channel.EMAIL, Channel.SMS]
        assert stage.person(f"p{life.number}", own, zone=ZONE) == life.number + 1
    desk = _RealDesk(stage)
    for at, acts in sorted(_acts(found).items()):
        stage.passes(f"{at - stage.clock.at}ms") if at > stage.clock.at else None
        desk.does([act for act in acts if act[0] != "called"])
        desk.calls({number for what, number, _ in acts if what == "called"})
    stage.passes("10d")
    for life in found.lives:
        run, passages = stage.run(life.number + 1), stage.passages(life.number + 1)
        assert (run.outcome, run.outcome_step) == (life.run.outcome, life.run.outcome_step), life.log
        assert _stands(passages) == _stands(life.passages), life.log
    with stage.db.write() as tx:
        spent = tx._connection.execute(PAID).fetchall()[0][0]
    assert counted(found).cost == {"KZT": spent} and spent == 40_000 * len(desk.dials)
    assert max(desk.dials.values()) == 3 and len(set(desk.ends)) > 1, "nothing that tells them apart happened"


def _stands(passages):
    """Return by step how a message stands and when it went; unheard of for days, the engine doubts it."""
    sent, unknown = MessageState.SENT.code, MessageState.UNKNOWN.code
    return {
        step: (sent if each.state == unknown else each.state, each.submitted_at)
        for step, each in passages.items()
    }


def _acts(found):
    """Return by instant what people did and how calls began and ended: what, who and at which step."""
    acts = {}
    for life in found.lives:
        talking = False
        for moment in life.log:
            what = "missed" if moment.why == "no_answer" else moment.what
            ends = talking and moment.step == 1 and what in ("missed", "answered", "replied")
            if ends or what in ("entered", "called", "goal", "opened", "clicked", "delivered"):
                kind = f"ends {what}" if ends else what
                acts.setdefault(moment.at, []).append((kind, life.number + 1, moment.step))
            talking = (talking and not ends) or what == "called"
    return acts


class _RealDesk:
    """The engine's desk, told at each instant what happens; `ends` are how its calls ended."""

    def __init__(self, stage):
        self.stage, self.talking, self.dials, self.ends = stage, {}, Counter(), []

    def does(self, acts):
        """Tell of what people do, then how calls end."""
        for what, number, step in sorted(acts, key=lambda act: act[0].startswith("ends")):
            if what == "entered":
                self.stage.event(number, "left", cart_id=number)
            elif what == "goal":
                self.stage.event(number, "bought")
            elif not what.startswith("ends"):
                self.stage.receipt(number, Kind[what.upper()], step=step)
            else:
                self._end(number, what.partition(" ")[2])

    def _end(self, number, what):
        missed, agreed = Disposition.NO_ANSWER, Disposition.REACHED_AGREED
        said = missed if what == "missed" else agreed if what == "replied" else Disposition.REACHED_REFUSED
        task = self.talking.pop(number)
        answer = self._asks(agents.close, task.key, task.agent, said)
        assert answer.no is None, answer
        self.ends.append(said)

    def calls(self, wanted):
        """Let as many agents ask for work: they must be given these people, and no others."""
        given = set()
        for number in wanted:
            task = self._asks(agents.claim, f"a{number}").task
            assert task is not None, (wanted, given)
            given.add(task.contact_id)
            self.talking[task.contact_id] = task
        assert given == wanted
        for number in given:
            task = self.talking[number]
            self.talking[number] = self._asks(agents.dial, task.key, task.agent).task
            self.dials[number] += 1

    def _asks(self, what, *args):
        stage = self.stage
        answer = stage.engine.write(lambda tx: what(tx, stage.world, *args, stage.clock.now()))
        stage.works()
        return answer.result()


def test_busy_lines_are_called_again_and_one_who_stands_for_many_is_called_for_as_long():
    busy = played(desk=DeskPlan(agents=1_000), busy={1: 1.0})
    whats = Counter(moment.what for life in busy.lives for moment in life.log if moment.step == 1)
    assert whats["called"] == 3 * whats["failed"] > 0 and not counted(busy).steps[1].reacted
    plan, day = DeskPlan(agents=10, sla_ms=5 * DAY), 30 * DAY
    for size in (100, 10_000, 200_000):
        told = counted(played(people=100, size=size, desk=plan, enter_over_ms=day)).steps[1]
        assert told.reacted > 40, (size, told)


def test_what_a_full_desk_does_not_do_in_time_expires_and_the_run_goes_on():
    few = DeskPlan(1, 30 * MINUTE, 8 * HOUR, per_day=12, opens=10 * 60, closes=19 * 60, days=5, zone=ZONE)
    found = played(TEXT.replace("script: Hi", "script: Hi, wait: 3h"), 100, desk=few)
    told = counted(found).steps
    opened = Counter(
        (moment.at + 5 * HOUR) // DAY
        for life in found.lives for moment in life.log if moment.what == "task" and moment.step == 1
    )  # fmt: skip
    assert max(opened.values()) == few.per_day and len(opened) > 4  # the rest waits for the next day
    called = sum(bool(calls_of(life)) for life in found.lives)
    assert told[1].messages == called and told[1].uncalled > 10, "who was not called was not written to"
    sent = Counter(moment.step for life in found.lives for moment in life.log if moment.what == "sent")
    assert dict(sent) == {number: step.messages for number, step in enumerate(told)}
    assert sum(found.by_clock.values()) == counted(found).messages
    assert told[2].arrived >= told[1].uncalled and counted(found).under_way == 0
    # Who buys meanwhile needs no call any more: that is none that was not made in time.
    bought = played(
        TEXT.replace("wait: 1h}", "wait: 1m, success: none}").replace("script: Hi", "script: Hi, wait: 3d"),
        desk=replace(few, per_day=0, sla_ms=9 * DAY),
        buys=1.0,
    )
    opened = [life for life in bought.lives if any((m.what, m.step) == ("task", 1) for m in life.log)]
    waited = [life for life in opened if not calls_of(life)]
    expired = [life for life in waited if 2 in life.passages]
    assert counted(bought).steps[1].uncalled == len(expired) < len(waited)
    # One stands for ten of the audience: the desk has a tenth of its people for them.
    scaled = played(people=100, size=1_000, desk=DeskPlan(20, 10 * MINUTE, DAY))
    calls = sorted(at for life in scaled.lives for at in calls_of(life))
    assert max(sum(at <= other < at + 10 * MINUTE for other in calls) for at in calls) == 2
