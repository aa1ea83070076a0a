"""The call desk of a simulation: agents, hours, calls that are missed, wait or expire."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec.structs import replace

from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import DAY, HOUR, MINUTE, Policy
from kaskad.domain.task import DeskPlan
from kaskad.domain.terms import Outcome
from kaskad.domain.version import prepare
from kaskad.planning.simulate import play
from kaskad.planning.simulated import counted
from kaskad.planning.world import World, typical
from kaskad.web.pages.simulate import MOMENTS
from support.play import NOON

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
ZONE = "Asia/Almaty"  # five hours ahead of UTC
PLAN = DeskPlan(2, 10 * MINUTE, DAY, opens=10 * 60, closes=19 * 60, days=5, zone=ZONE)


def played(text=TEXT, people=200, **world):
    version = prepare(1, 1, to_cascade(text, name="called"), Policy())
    whole = World(start=NOON, people=people, traced=people, **world)
    rates = {0: (0.2, 0.05), 1: (0.7, 0.05), 2: (0.3, 0.0)}
    return play(version, whole, [typical(version.cascade, ZONE)], lambda step, *_: rates[step])


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
        for life in found.lives for moment in life.log if moment.what == "sent" and moment.step == 1
    )  # fmt: skip
    assert max(opened.values()) == few.per_day and len(opened) > 4  # the rest waits for the next day
    called = sum(bool(calls_of(life)) for life in found.lives)
    assert told[1].uncalled == told[1].messages - called > 10
    assert told[2].arrived >= told[1].uncalled and counted(found).under_way == 0
    # Who buys meanwhile needs no call any more: that is none that was not made in time.
    bought = played(
        TEXT.replace("wait: 1h}", "wait: 1m, success: none}").replace("script: Hi", "script: Hi, wait: 3d"),
        desk=replace(few, per_day=0, sla_ms=9 * DAY),
        buys=1.0,
    )
    opened = [life for life in bought.lives if any((m.what, m.step) == ("sent", 1) for m in life.log)]
    waited = [life for life in opened if not calls_of(life)]
    expired = [life for life in waited if 2 in life.passages]
    assert counted(bought).steps[1].uncalled == len(expired) < len(waited)
    # One stands for ten of the audience: the desk has a tenth of its people for them.
    scaled = played(people=100, size=1_000, desk=DeskPlan(20, 10 * MINUTE, DAY))
    calls = sorted(at for life in scaled.lives for at in calls_of(life))
    assert max(sum(at <= other < at + 10 * MINUTE for other in calls) for at in calls) == 2
