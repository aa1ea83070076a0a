"""Many who are due while an account has few slots wait where they are, in order, and nobody is lost."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future

import pytest
from msgspec.structs import replace

from kaskad.domain.errors import Conflict
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine.receive import Delivery
from kaskad.engine.world import Options
from support.stage import Stage, accepted, refused

LIMITS = {"limits": {"concurrency": 3, "per_second": 1e6, "burst": 1000}}
OPTIONS = Options(base_url="https://go.example.org", wait_unwritten_from=2)
CASCADE = """
cascade: {0}
title: Many
class: {0}
trigger: {{event: {0}}}
goal: {{event: bought}}
steps:
  - {{id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}}
  - {{id: text, channel: sms, text: Hello, wait: 1d}}
"""


def answer(stage: Stage, first: int, last: int) -> None:
    """Let the provider take those of the parcels, and the engine go on."""
    stage.engine.take_results([accepted(one, stage.clock.now()) for one in stage.parcels[first:last]])
    stage.works()


def entered_at_once(stage: Stage, count: int) -> list[int]:
    people = [stage.person(f"p{n}") for n in range(count)]
    stage.deliver(events=[stage.told(person, "service") for person in people])
    return people


def stage_of(db, **options) -> Stage:
    stage = Stage(db, options=replace(OPTIONS, **options), account_each=LIMITS)
    for each in ("service", "transactional"):
        stage.cascade(CASCADE.format(each))
    stage.answer = lambda parcel: None
    return stage


def test_who_waits_has_no_row_and_is_sent_in_turn(either):
    stage = stage_of(either)
    people = entered_at_once(stage, 10)
    assert len(stage.parcels) == 3
    assert [stage.states(person) for person in people].count({}) == 7
    assert stage.engine.next_at is None or stage.engine.next_at > stage.clock.now(), "nothing to do but wait"
    for done in (3, 6, 9):
        stage.clock.at += 1
        answer(stage, done - 3, done)
    assert sorted(one.contact_id for one in stage.parcels) == people
    answer(stage, 9, 10)
    assert stage.world.traffic.lines.accounts() == set()
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("3d")
    assert {tuple(stage.sent(person)) for person in people} == {("letter", "text")}
    assert {stage.outcome(person) for person in people} == {"exhausted"}


@pytest.mark.parametrize("undone", [False, True])
def test_who_was_due_first_goes_first(either, undone):
    stage = stage_of(either)
    taken = entered_at_once(stage, 3)  # all slots
    groups = []
    for number in range(4):
        group = [stage.person(f"g{number}{n}") for n in range(3)]
        for some in [group] if number == 0 else [[person] for person in group]:  # many first, then one by one
            stage.clock.at += 10
            stage.deliver(events=[stage.told(person, "service") for person in some])
        groups.append(group)
    broken: list[Conflict] = []

    class Once:
        def run(self, *_):
            if broken:
                raise broken.pop()

    stage.engine._housekeeping = Once()  # a tick that is undone has served nobody
    answer(stage, 0, 3)
    if undone:
        broken.append(Conflict("another process was quicker"))
    for number in range(1, 4):
        answer(stage, 3 * number, 3 * number + 3)
    order = [one.contact_id for one in stage.parcels]
    assert not broken and sorted(order[:3]) == taken
    assert [sorted(order[3 * n : 3 * n + 3]) for n in range(1, 5)] == groups


def test_a_better_lane_goes_before_those_who_wait(either):
    stage = stage_of(either)
    entered_at_once(stage, 12)
    stage.clock.at += 5
    hasty = [stage.person(f"h{n}") for n in range(8)]
    stage.deliver(events=[stage.told(person, "transactional") for person in hasty])
    for number in range(3):
        answer(stage, 3 * number, 3 * number + 3)
    assert {one.contact_id for one in stage.parcels[3:11]} == set(hasty)


def test_who_reaches_the_goal_while_waiting_is_not_sent(either):
    stage = stage_of(either)
    people = entered_at_once(stage, 10)
    waiting = [person for person in people if not stage.states(person)]
    stage.clock.at += 5
    stage.event(waiting[0], "bought")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    answer(stage, 0, 3)
    assert stage.sent(waiting[0]) == [] and stage.outcome(waiting[0]) == "converted"
    assert Counter(one.contact_id for one in stage.parcels) == Counter(set(people) - {waiting[0]})


def test_a_process_that_begins_anew_finds_all_who_wait(either):
    stage = stage_of(either)
    people = entered_at_once(stage, 10)
    stage.restart()
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.works()
    assert sorted(one.contact_id for one in stage.parcels) == people


def test_who_waits_for_long_is_queued_and_keeps_its_patience(either):
    stage = stage_of(either, wait_unwritten_ms=10_000)
    people = entered_at_once(stage, 10)
    stage.passes("9s")
    assert [stage.states(person) for person in people].count({}) == 7
    stage.passes("4s")
    states = Counter(stage.states(person)["letter"] for person in people)
    assert states == {"submitted": 3, "queued": 7}
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    answer(stage, 0, 3)
    assert sorted(one.contact_id for one in stage.parcels) == people


def test_those_for_other_accounts_do_not_wait_behind_them(either):
    stage = stage_of(either, due_limit=6)
    people = entered_at_once(stage, 30)
    other = stage.cascade(
        CASCADE.format("emergency").replace("channel: email, subject: Hello", "channel: viber")
    )
    assert other
    stage.clock.at += 5
    ann = stage.person("ann")
    stage.event(ann, "emergency")
    assert stage.sent(ann) == ["letter"]
    assert [stage.states(person) for person in people].count({}) == 27


def test_an_account_that_goes_out_of_service_lets_its_line_go(either):
    stage = stage_of(either)
    people = entered_at_once(stage, 10)
    stage.clock.at += 5
    stage.engine.take_results([refused(stage.parcels[0], stage.clock.now(), Reason.AUTH)])
    stage.works()
    assert stage.world.traffic.lines.accounts() == set()
    assert all(stage.states(person).get("letter") in ("queued", "submitted") for person in people)


def test_timers_behind_those_of_a_line_are_found_by_the_next_round(either):
    stage = stage_of(either, wait_unwritten_ms=60_000)
    people = entered_at_once(stage, 10)
    began = stage.clock.now()
    other = CASCADE.format("emergency").replace("channel: email, subject: Hello", "channel: viber")
    stage.cascade(other.replace("1d", "30s"))
    ann = stage.person("ann")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now()) if parcel.contact_id == ann else None
    stage.event(ann, "emergency")
    stage.clock.at += 100
    answer(stage, 0, 1)  # the positions are at the present now, and among those who wait
    last = max(person for person in people if not stage.states(person))
    with either.write() as tx:
        tx.script(f"UPDATE runs SET wake_at = {began + 50} WHERE contact_id = {ann}")
        tx.script(f"UPDATE runs SET wake_at = {began - 5} WHERE contact_id = {last}")
    stage.clock.at += 31_000
    stage.works()
    assert stage.sent(ann) == ["letter", "text"] and stage.world.traffic.lines.accounts()
    answer(stage, 1, 2)
    assert stage.parcels[-1].contact_id == last


def test_a_receipt_about_one_who_waits_changes_nothing_of_its_turn(either):
    stage = stage_of(either)
    people = entered_at_once(stage, 8)
    waiting = next(person for person in people if not stage.states(person))
    stage.receipt(people[0], Kind.DELIVERED)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    answer(stage, 0, 3)
    assert waiting in [one.contact_id for one in stage.parcels]


@pytest.mark.parametrize("tokens", [1, 4])
def test_slow_tokens_are_waited_for(db, tokens):
    limits = {"limits": {"concurrency": 100, "per_second": 1, "burst": tokens}}
    stage = Stage(db, options=OPTIONS, account_each=limits)
    stage.cascade(CASCADE.format("service"))
    people = entered_at_once(stage, 12)
    assert len(stage.parcels) == tokens
    assert stage.clock.now() < (stage.engine.next_at or 0) <= stage.clock.now() + 1_000
    stage.passes("30s")
    assert sorted(one.contact_id for one in stage.parcels) == people


def test_who_is_sent_by_an_account_that_the_step_names_waits_for_no_other(either):
    stage = stage_of(either)
    spare = stage.account(Channel.EMAIL, "spare", priority=9)
    named = CASCADE.format("emergency").replace("channel: email", "channel: email, account: spare")
    stage.cascade(named)
    entered_at_once(stage, 10)
    stage.clock.at += 5
    people = [stage.person(f"s{n}") for n in range(6)]
    stage.deliver(events=[stage.told(person, "emergency") for person in people])
    assert [one.contact_id for one in stage.parcels if one.account_id == spare] == people


def test_who_is_sent_by_an_account_that_takes_the_address_waits_for_no_other(db):
    stage = stage_of(db)
    first = next(one for one in stage.world.accounts.values() if one.channel is Channel.EMAIL)
    # There may be another for some of the addresses.
    stage.world.accounts.picky = {Channel.EMAIL.code: [first]}
    people = entered_at_once(stage, 10)
    assert stage.world.traffic.lines.accounts() == set()
    assert Counter(stage.states(person)["letter"] for person in people) == {"submitted": 3, "queued": 7}


def test_accounts_that_begin_to_share_a_channel_let_its_line_go(db):
    stage = stage_of(db)
    people = entered_at_once(stage, 10)
    stage.account(Channel.EMAIL, "spare")
    stage.works()
    assert stage.world.traffic.lines.accounts() == set()
    assert {} not in [stage.states(person) for person in people]


def test_those_who_stand_in_line_leave_a_part_of_each_tick_to_others(either):
    stage = stage_of(either, due_limit=8)
    people = entered_at_once(stage, 30)
    stage.account(Channel.EMAIL, "email")  # with slots for all of them
    stage.cascade(CASCADE.format("emergency").replace("channel: email, subject: Hello", "channel: viber"))
    others = [stage.person(f"o{n}") for n in range(2)]
    stage.clock.at += 5
    stage.engine.deliver(Delivery(Future(), events=[stage.told(one, "emergency") for one in others]))
    assert stage.engine._work(), "more of them have slots"
    assert Counter(one.contact_id in others for one in stage.parcels[3:]) == {False: 6, True: 2}
    stage.works()
    assert sorted(one.contact_id for one in stage.parcels) == [*people, *others]
