"""Whatever agents do in whatever order: no task is with two of them, and every one ends."""

import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.test_tasks import desk, money, person, tasks
from kaskad.domain.task import LEASE_MS
from kaskad.domain.terms import Disposition, TaskState
from kaskad.engine import agents
from kaskad.engine.agents import No
from support.databases import migrated

PRICE = 40_000
EVENTS = st.one_of(
    st.tuples(st.just("claim"), st.sampled_from(["eva", "max"]), st.none()),
    st.tuples(st.just("dial"), st.sampled_from(["eva", "max"]), st.integers(0, 2)),
    st.tuples(st.just("close"), st.sampled_from(["eva", "max"]), st.sampled_from(list(Disposition))),
    st.tuples(st.just("release"), st.sampled_from(["eva", "max"]), st.integers(0, 2)),
    st.tuples(st.just("buys"), st.just(""), st.integers(0, 2)),
    st.tuples(st.just("passes"), st.just(""), st.sampled_from(["1m", "20m", "3h", "PT26H"])),
)


@settings(max_examples=30)
@given(st.lists(EVENTS, max_size=25))
def test_whatever_agents_do_every_task_ends_and_none_is_with_two(events):
    with tempfile.TemporaryDirectory() as folder:
        db = migrated(Path(folder) / "kaskad.db")
        try:
            _play(desk(db), events)
        finally:
            db.close()


def _play(stage, events):
    people = [person(stage, f"p{n}", f"+7700000{n:04}", n) for n in range(3)]
    stage.passes("2h")
    held = {}  # task -> agent, and since when, as the agents know it
    for what, agent, more in events:
        now = stage.clock.now()
        if what == "passes":
            stage.passes(more)
        elif what == "buys":
            stage.event(people[more], "bought", id=f"b{more}")
        elif what == "claim":
            task = act(stage, agents.claim, stage.world, agent, now).task
            if task is not None:
                before = held.get(task.key)
                assert before is None or now - before[1] >= LEASE_MS, "another has it, within the lease"
                held[task.key] = (agent, now)
        else:
            for task in tasks(stage):
                _does(stage, what, agent, more, task, held)
        for task in tasks(stage):
            if task.state != TaskState.CLAIMED.code:
                held.pop(task.key, None)
            else:
                assert held[task.key][0] == task.agent
    stage.passes("P70D")
    assert {task.state for task in tasks(stage)} <= {2, 3, 4}, "every task ends"
    assert all(stage.outcome(one) for one in people), "and so does every run"
    called = sum(1 for task in tasks(stage) if task.dials)
    assert money(stage) == (PRICE * called, PRICE * called), "who was called is paid, nobody else"
    assert all(task.misses <= 3 for task in tasks(stage))


def _does(stage, what, agent, more, task, held):
    now = stage.clock.now()
    mine = held.get(task.key, ("", 0))[0] == agent and task.live
    if what == "dial":
        answer = act(stage, agents.dial, stage.world, task.key, agent, now)
        assert bool(answer.number) == (mine and answer.no is None), "only who has it is told the number"
    elif what == "release":
        act(stage, agents.release, task.key, agent, now)
    else:
        back = now + 7_200_000 if more is Disposition.CALLBACK_AT else 0
        answer = act(stage, agents.close, stage.world, task.key, agent, more, now, call_back_at=back)
        assert answer.no is not None or task.agent == agent
        assert task.dials or answer.no in (No.OPEN, No.TAKEN, No.OVER, No.UNDIALLED, None)


def act(stage, what, *args, **more):
    answer = stage.engine.write(lambda tx: what(tx, *args, **more))
    stage.works()
    return answer.result()


def test_agents_who_ask_at_the_same_moment_get_different_tasks(either):
    stage = desk(either, agents="5")
    for n in range(24):
        person(stage, f"p{n}", f"+7700000{n:04}", n)
    stage.passes("2h")
    assert len(tasks(stage, TaskState.OPEN)) == 24

    def work(agent):
        found = []
        for _ in range(12):
            with either.write() as tx:
                task = agents.claim(tx, stage.world, agent, stage.clock.now()).task
            if task is not None:
                found.append(task.key)
        return found

    with ThreadPoolExecutor(6) as pool:
        given_out = Counter(key for keys in pool.map(work, "abcdef") for key in keys)
    assert len(given_out) == 24 and set(given_out.values()) == {1}
