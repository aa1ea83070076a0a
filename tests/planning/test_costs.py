"""Prices that change while runs go on: when each step goes, and what its messages then cost."""

from datetime import UTC, datetime

from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import HOUR, Policy
from kaskad.domain.terms import Channel
from kaskad.domain.version import prepare
from kaskad.planning.costs import POINTS, Cost, fixed, sending_times
from kaskad.planning.simulate import play
from kaskad.planning.simulated import counted
from kaskad.planning.world import World, typical
from support.play import NOON

TEXT = """
cascade: dear
class: CLASS
trigger: {event: left, delay: 1h}
steps:
  - {id: letter, channel: email, subject: Hi, text: Hi, wait: 6h}
  - {id: sms, channel: sms, text: Hi, wait: 2h}
"""
PRICE = Cost("KZT", ((0, 100.0), (NOON + 10 * HOUR, 300.0)))


def version(policy, message_class="transactional"):
    return prepare(1, 1, to_cascade(TEXT.replace("CLASS", message_class), name="dear"), policy)


def test_a_message_costs_what_holds_as_it_goes():
    edge = PRICE.turns[1][0]
    assert [PRICE.at(at) for at in (-1, edge - 1, edge, edge + HOUR)] == [100, 100, 300, 300]
    assert PRICE.mean([edge - 1, edge]) == 200 and PRICE.changes([edge - 1, edge])
    assert fixed(5, "KZT").at(edge) == 5 and not fixed(5, "KZT").changes([0, edge])


def test_a_step_goes_after_what_those_before_it_wait_in_the_hours_when_it_may():
    waits = [6 * HOUR, 2 * HOUR]
    assert sending_times(version(Policy.unlimited()), waits, NOON, 0) == [
        (NOON + HOUR,), (NOON + 7 * HOUR,)
    ]  # fmt: skip
    (_, (late,)) = sending_times(version(Policy(), "service"), waits, NOON + 8 * HOUR, 0)
    morning = datetime.fromtimestamp(late / 1000, UTC)  # its hours let it wait for one
    assert morning.hour in range(8, 12) and NOON + 15 * HOUR < late < NOON + 30 * HOUR
    (_, (there,)) = sending_times(
        version(Policy(), "service"), waits, NOON + 3 * HOUR, 0, zones=("America/New_York",)
    )
    assert there == NOON + 10 * HOUR  # where it is afternoon still
    letters, texts = sending_times(version(Policy.unlimited()), waits, NOON, 48 * HOUR)
    assert len(letters) == POINTS and letters[0] == NOON + 2 * HOUR and letters[-1] == NOON + 48 * HOUR
    assert PRICE.mean(texts) == (100 * 1 + 300 * 23) / 24  # the first goes 8 hours after noon


def test_a_simulation_pays_what_holds_at_the_time_on_its_clock():
    made = version(Policy.unlimited())
    sort = typical(made.cascade, "UTC", prices={(1, Channel.SMS.code): PRICE})
    paid = {}
    for start in (NOON, NOON + 4 * HOUR):
        told = counted(play(made, World(start=start, people=20), [sort], lambda *_: (0.0, 0.0)))
        paid[start] = told.steps[1].cost["KZT"] / told.steps[1].messages
    assert paid == {NOON: 100, NOON + 4 * HOUR: 300}
