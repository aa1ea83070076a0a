"""Calls by people: a message for the desk becomes a task, agents work it off, and the run follows.

Through the real engine on both databases, with a hand-moved clock.
"""

import pytest
from msgspec import json

from engine.test_outbox import subscribe, told
from kaskad.actions import reports
from kaskad.domain.policy import Window
from kaskad.domain.terms import Channel, Disposition, Kind, TaskState
from kaskad.engine import agents
from kaskad.engine.agents import No
from kaskad.engine.arrival import Arrival
from kaskad.engine.world import Options
from kaskad.store import cascades, contacts
from kaskad.store import tasks as task_store
from kaskad.store.tasks import Wanted
from support.marked import office_of
from support.one_count import rows
from support.play import NOON
from support.scenarios import limited
from support.stage import Stage

NUMBER = "+77000000011"
PRICE = {"minor": 40_000, "currency": "KZT"}
DESK = {"agents": "2", "call_minutes": "10", "sla_hours": "24", "tasks_a_day": "0", "hours": "00:00-24:00",
        "days": "every", "zone": "UTC"}  # fmt: skip
CASCADE = """
cascade: cart
title: Cart
class: service
topic: carts
trigger: {event: left, key: cart_id}
goal: {event: bought, within: 7d}
steps:
  - {id: sms, channel: sms, text: "{{ contact.name }}", wait: 2h}
  - {id: agent, channel: agent_call, script: "Call {{ contact.name }} about {{ trigger.cart_id }}", wait: 24h}
  - {id: letter, channel: email, subject: s, text: t, success: clicked, wait: 200h}
"""


def desk(db, text=CASCADE, policy=None, **settings):
    stage = Stage(db, policy=policy)
    stage.desk_id = stage.account(Channel.AGENT_CALL, "agent_call", provider="desk", prices=PRICE,
                                  settings={**DESK, **settings})  # fmt: skip
    stage.cascade(text)
    return stage


def person(stage, name="ann", number=NUMBER, cart=1, **more):
    found = stage.person(name, [Channel.EMAIL], addresses={Channel.SMS: number}, **more)
    stage.event(found, "left", cart_id=cart)
    return found


def tasks(stage, *states):
    with stage.db.write() as tx:
        found = task_store.after(tx, Wanted(states=(0, 4)), None, 100)
    return [task for task in found if not states or task.state in [state.code for state in states]]


def does(stage, what, *args, **more):
    """An agent does something; the engine then works."""
    answer = stage.engine.write(lambda tx: what(tx, *args, **more))
    stage.works()
    return answer.result()


def claim(stage, agent="eva", **more):
    return does(stage, agents.claim, stage.world, agent, stage.clock.now(), **more)


def dial(stage, task, agent="eva"):
    return does(stage, agents.dial, stage.world, task.key, agent, stage.clock.now())


def close(stage, task, disposition, agent="eva", **more):
    return does(stage, agents.close, stage.world, task.key, agent, disposition, stage.clock.now(), **more)


def called(stage, agent="eva"):
    """An agent takes the next task and dials; return it."""
    task = claim(stage, agent).task
    assert dial(stage, task, agent).no is None
    return task


def test_a_message_for_the_desk_is_a_task_in_the_transaction_that_hands_it_over(either):
    stage = desk(either)
    ann = person(stage)
    assert tasks(stage) == []
    stage.passes("2h")
    (task,) = tasks(stage)
    assert task.state == TaskState.OPEN.code and task.contact_id == ann and not task.urgent
    assert task.due_at == NOON + 26 * 3_600_000 and task.sla_ms == 24 * 3_600_000
    assert stage.states(ann) == {"sms": "sent", "agent": "sent"}
    assert stage.sent(ann) == ["sms"], "nothing was called outside"
    body = json.decode(stage.rows("body_of", contact_id=ann, run_id=task.run_id, step=1)[0][0])
    assert body["script"] == "Call ann about 1" and body["to"] == NUMBER
    stage.restart()
    stage.works()
    assert len(tasks(stage)) == 1


def test_agreeing_ends_the_run_at_the_call(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    task = claim(stage).task
    assert task.agent == "eva" and task.state == TaskState.CLAIMED.code
    answer = dial(stage, task)
    assert answer.number == NUMBER and answer.task.dials == 1
    done = close(stage, task, Disposition.REACHED_AGREED).task
    assert done.state == TaskState.DONE.code and done.disposition == Disposition.REACHED_AGREED.code
    assert stage.outcome(ann) == "responded" and stage.run(ann).outcome_step == 1
    mask = stage.passages(ann)[1].mask
    assert mask & Kind.ANSWERED.bit and mask & Kind.REPLIED.bit
    assert close(stage, task, Disposition.REACHED_AGREED).no is None, "said again, it is the same"
    assert close(stage, task, Disposition.WRONG_NUMBER).no is No.OVER


def test_a_refusal_is_no_success_where_an_answer_is_wanted_and_the_run_goes_on_at_once(either):
    stage = desk(either, CASCADE.replace("wait: 24h}", "success: replied, wait: 24h}"))
    ann = person(stage)
    stage.passes("3h")
    close(stage, called(stage), Disposition.REACHED_REFUSED)
    assert stage.outcome(ann) is None and stage.states(ann)["letter"] == "sent"


def test_nobody_picks_up_three_times_then_the_step_has_failed(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    for wait in ("2h", "PT25H", None):
        close(stage, called(stage), Disposition.NO_ANSWER)
        if wait is not None:
            assert claim(stage).task is None, "not at once"
            assert stage.outcome(ann) is None and "letter" not in stage.states(ann)
            stage.passes(wait)
    assert stage.states(ann)["agent"] == "failed" and stage.states(ann)["letter"] == "sent"
    (task,) = tasks(stage)
    assert task.state == TaskState.DONE.code and (task.dials, task.misses) == (3, 3)


def test_a_call_that_nobody_took_has_not_arrived(either):
    stage = desk(either)
    ann, bob = person(stage), person(stage, "bob", "+77000000012", cart=2)
    stage.passes("2h")
    first = called(stage)
    close(stage, first, Disposition.NO_ANSWER)
    close(stage, called(stage), Disposition.REACHED_REFUSED)
    stage.passes("24h")
    assert sorted(stage.states(one)["agent"] for one in (ann, bob)) == ["read", "sent"]
    calls = next(one for one in reports.report(office_of(stage), "cart").report.lines if one.id == "agent")
    assert (calls.sent, calls.arrived, calls.silent, calls.seen) == (2, 1, 0, 1)
    assert rows(either, "SELECT count(*) FROM arrivals WHERE channel = 10 AND arrived = 1")[0][0] == 1


def test_a_call_back_keeps_the_step_alive_until_then(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    back_at = stage.clock.now() + 3 * 86_400_000
    task = called(stage)
    assert close(stage, task, Disposition.CALLBACK_AT, call_back_at=stage.clock.now()).no is No.TIME
    close(stage, task, Disposition.CALLBACK_AT, call_back_at=back_at)
    stage.passes("PT71H")
    assert claim(stage).task is None and stage.states(ann)["agent"] == "sent"
    assert "letter" not in stage.states(ann), "the clock of the step waits for the promised call"
    stage.passes("1h")
    again = called(stage, "max")
    assert again.call_back_at == back_at
    close(stage, again, Disposition.REACHED_AGREED, "max")
    assert stage.outcome(ann) == "responded"


def test_a_call_back_that_nobody_makes_expires(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    close(stage, called(stage), Disposition.CALLBACK_AT, call_back_at=stage.clock.now() + 86_400_000)
    stage.passes("PT49H")
    assert tasks(stage)[0].state == TaskState.EXPIRED.code and stage.states(ann)["letter"] == "sent"


def test_a_wrong_number_is_wrong_for_sms_too(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    close(stage, called(stage), Disposition.WRONG_NUMBER)
    assert stage.states(ann) == {"sms": "sent", "agent": "failed", "letter": "sent"}
    health = {row[2]: row[3] for row in stage.rows_among("look_addresses", [ann])}
    assert health[NUMBER] == 1


def test_do_not_call_is_a_refusal_with_proof_and_the_run_goes_on_by_mail(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    close(stage, called(stage), Disposition.DO_NOT_CALL)
    assert stage.outcome(ann) is None and stage.states(ann)["letter"] == "sent"
    refused = [row for row in stage.rows_among("look_consents", [ann]) if not row[1]]
    assert refused and refused[0][3] & 1 << Channel.AGENT_CALL.code and refused[0][7]


def test_silence_expires_the_task_gives_its_price_back_and_moves_on(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    assert reserved(stage) == 40_000
    stage.passes("24h")
    (task,) = tasks(stage)
    assert task.state == TaskState.EXPIRED.code
    assert stage.states(ann) == {"sms": "sent", "agent": "cancelled", "letter": "sent"}
    assert reserved(stage) == 0, "nobody was called"


def test_the_desk_may_be_quicker_than_the_step(either):
    stage = desk(either, sla_hours="4")
    ann = person(stage)
    stage.passes("6h")
    assert tasks(stage)[0].state == TaskState.EXPIRED.code and stage.states(ann)["letter"] == "sent"


@pytest.mark.parametrize("what", ["goal", "reply", "cancel", "erased"])
def test_what_ends_the_run_withdraws_the_task_in_the_same_transaction(either, what):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    task = claim(stage).task
    if what == "goal":
        stage.event(ann, "bought")
    elif what == "reply":
        stage.receipt(ann, Kind.REPLIED, step=0)
    else:
        mark(stage, ann, Kind.CANCELLED if what == "cancel" else Kind.ERASED)
    (now,) = tasks(stage)
    assert now.state == TaskState.WITHDRAWN.code and now.ended and reserved(stage) == 0
    assert stage.states(ann)["agent"] == "cancelled"
    assert dial(stage, task).no is No.OVER and claim(stage).task is None


def mark(stage, contact_id, kind):
    run = stage.run(contact_id)
    stage.deliver(arrivals=[Arrival(contact_id, run.id, -1, kind.value, "x", stage.clock.now())])


def reserved(stage):
    return money(stage)[0]


def money(stage):
    """What the cascade has reserved, and what it was charged."""
    with stage.db.write() as tx:
        row = cascades.by_slug(tx, "cart")
    return row.reserved, row.charged


def test_a_restart_withdraws_the_task_of_the_run_before(either):
    stage = desk(either, CASCADE.replace("topic: carts", "topic: carts\nreentry: restart"))
    ann = person(stage)
    stage.passes("2h")
    assert len(tasks(stage, TaskState.OPEN)) == 1 and money(stage) == (PRICE["minor"], 0)
    stage.event(ann, "left", cart_id=2)
    (task,) = tasks(stage)
    assert (task.state, task.ended) == (TaskState.WITHDRAWN.code, "superseded")
    assert stage.rows("live_tasks", account_id=stage.desk_id) == [(0,)], "or the desk would be full of them"
    assert money(stage) == (0, 0)


def test_a_call_that_was_dialled_is_paid_though_the_goal_comes_meanwhile_and_its_end_counts(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    task = called(stage)
    stage.event(ann, "bought")
    assert tasks(stage)[0].state == TaskState.WITHDRAWN.code and reserved(stage) == 40_000
    assert money(stage)[1] == 40_000, "charged when it was dialled"
    assert close(stage, task, Disposition.REACHED_AGREED).no is None
    assert tasks(stage)[0].state == TaskState.DONE.code and stage.outcome(ann) == "converted"
    assert stage.passages(ann)[1].mask & Kind.ANSWERED.bit


def test_a_stop_elsewhere_withdraws_the_task_of_a_run_that_goes_on(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    sms = json.encode({"scope": "channel", "channel": Channel.SMS.code}).decode()
    stage.deliver(arrivals=[Arrival(ann, 0, -1, Kind.UNSUBSCRIBED.value, "crm 1", stage.clock.now(), sms)])
    assert tasks(stage)[0].state == TaskState.OPEN.code, "a stop by SMS closes SMS and robot calls only"
    told = json.encode({"scope": "channel", "channel": Channel.ROBOT_CALL.code}).decode()
    stage.deliver(arrivals=[Arrival(ann, 0, -1, Kind.UNSUBSCRIBED.value, "crm", stage.clock.now(), told)])
    assert tasks(stage)[0].state == TaskState.WITHDRAWN.code and stage.outcome(ann) is None
    assert stage.states(ann)["agent"] == "rejected" and stage.states(ann)["letter"] == "sent"


def test_a_stop_beside_what_the_agent_says_keeps_both(either):
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    task, now = called(stage), stage.clock.now()
    ended = stage.engine.write(
        lambda tx: agents.close(tx, stage.world, task.key, "eva", Disposition.NO_ANSWER, now)
    )
    told = json.encode({"scope": "channel", "channel": Channel.ROBOT_CALL.code}).decode()
    stage.deliver(arrivals=[Arrival(ann, 0, -1, Kind.UNSUBSCRIBED.value, "crm", now, told)])
    assert ended.result().no is None and tasks(stage)[0].state == TaskState.WITHDRAWN.code
    (mask,) = rows(either, f"SELECT mask FROM messages WHERE contact_id = {ann} AND step = 1")[0]
    assert mask & Kind.NO_ANSWER.bit and mask & Kind.REJECTED.bit
    assert stage.states(ann)["agent"] == "rejected" and stage.states(ann)["letter"] == "sent"


@pytest.mark.parametrize("moves", [True, False])
def test_a_stop_beside_what_another_message_cost_withdraws_the_task_too(either, moves):
    """Both are told in one webhook, or wait in the inbox together."""
    stage = desk(either)
    ann = person(stage)
    stage.passes("2h")
    bob = person(stage, "bob", "+77000000012")
    now, anns, bobs = stage.clock.now(), stage.run(ann), stage.run(bob)
    told = [
        Arrival(bob, bobs.id, 0, Kind.DELIVERED.value, "d", now, '{"cost": 7}'),
        Arrival(ann, anns.id, 0, Kind.COMPLAINED.value, "c", now),
    ]
    intake = (
        stage if moves else Stage(either, options=Options(base_url="https://go.example.org", moves=False))
    )
    assert not intake.deliver(arrivals=told).result(0)
    stage.works()
    (task,) = tasks(stage)
    assert task.state == TaskState.WITHDRAWN.code and stage.passages(bob)[0].held == 7


def test_the_last_look_before_dialling(either):
    policy = limited(windows=calls_from_ten_to_twenty())
    stage = desk(either, policy=policy)
    ann = person(stage)
    stage.passes("2h")
    task = claim(stage).task
    stage.passes("PT5H59M")  # 19:59
    assert tasks(stage)[0].state == TaskState.CLAIMED.code
    task = claim(stage, key=task.key).task
    stage.passes("2m")
    later = dial(stage, task)
    assert later.no is No.LATER and later.number == "" and later.at == NOON + 22 * 3_600_000
    stage.passes("14h")
    with stage.db.write() as tx:
        contacts.mark_invalid(tx, [(ann, Channel.SMS, NUMBER)], stage.clock.now())
    refused = claim(stage)
    assert refused.task is None
    assert tasks(stage)[0].state == TaskState.WITHDRAWN.code and stage.states(ann)["letter"] == "sent"


def calls_from_ten_to_twenty():
    return (Window(("10:00-20:00",), channels=(Channel.AGENT_CALL,)),)


def test_no_more_tasks_are_open_than_the_desk_can_do_the_rest_waits_in_the_queue(either):
    stage = desk(either, agents="1", call_minutes="30", sla_hours="2")  # four calls
    people = [person(stage, f"p{n}", f"+7700000{n:04}", n) for n in range(7)]
    stage.passes("2h")
    assert len(tasks(stage, TaskState.OPEN)) == 4
    states = [stage.states(one).get("agent") for one in people]
    assert states.count("sent") == 4 and states.count("queued") == 3
    close(stage, called(stage), Disposition.REACHED_AGREED)
    stage.works()
    assert len(tasks(stage, TaskState.OPEN)) == 4, "one done, another opened"


def test_a_day_has_its_number_of_tasks_and_the_desk_its_hours(either):
    stage = desk(either, tasks_a_day="2", hours="10:00-18:00")
    for n in range(3):
        person(stage, f"p{n}", f"+7700000{n:04}", n)
    stage.passes("2h")
    assert len(tasks(stage)) == 2
    stage.passes("PT19H59M")  # past midnight, but nobody works yet
    assert len(tasks(stage)) == 2
    stage.passes("1m")
    assert len(tasks(stage)) == 3, "next morning"


def test_a_step_that_is_due_while_the_desk_is_closed_waits_for_it_and_is_not_late(either):
    stage = desk(either, hours="09:00-11:00", days="mon-fri")  # it is Monday, 14:00 when the step is due
    ann = person(stage)
    stage.passes("2h")
    assert tasks(stage) == [] and "agent" not in stage.states(ann)
    stage.passes("PT18H59M")
    assert tasks(stage) == []
    stage.passes("1m")
    (task,) = tasks(stage)
    assert task.opened_at == NOON + 21 * 3_600_000


def test_days_on_which_nobody_works_do_not_count_and_a_step_without_a_wait_leaves_it_to_the_desk(either):
    stage = desk(either, CASCADE.replace(", wait: 24h}", "}", 1), days="mon-fri", sla_hours="48")
    stage.passes("P3D")  # Thursday
    ann = person(stage)
    stage.passes("2h")
    assert tasks(stage)[0].due_at == NOON + (3 + 4) * 86_400_000 + 2 * 3_600_000, "Monday"
    stage.passes("PT95H")
    assert stage.states(ann)["agent"] == "sent"
    stage.passes("1h")
    assert tasks(stage)[0].state == TaskState.EXPIRED.code and stage.states(ann)["letter"] == "sent"


def test_who_asked_for_a_person_by_a_key_comes_first_and_the_task_says_why(either):
    text = CASCADE.replace(
        '- {id: sms, channel: sms, text: "{{ contact.name }}", wait: 2h}',
        '- {id: robot, channel: robot_call, say: "x", keys: {1: confirm, 2: agent}, wait: 2h}',
    )
    stage = desk(either, text)
    person(stage, "ann", "+77000000011")
    person(stage, "bob", "+77000000012", 2)
    stage.passes("2h")
    assert [task.urgent for task in tasks(stage)] == [0, 0]
    dan = person(stage, "dan", "+77000000013", 3)
    stage.receipt(dan, Kind.KEYPRESS, step=0, value='{"key": "2"}')
    task = claim(stage).task
    assert task.contact_id == dan and task.urgent and task.why == "asked for a person at step robot"


def test_two_agents_never_get_one_task_and_a_lease_ends(either):
    stage = desk(either)
    person(stage)
    stage.passes("2h")
    task = claim(stage).task
    assert claim(stage, "max").task is None
    assert dial(stage, task, "max").no is No.TAKEN
    assert claim(stage, "max", key=task.key).no is No.TAKEN
    stage.passes("16m")
    assert claim(stage, "max").task.key == task.key, "eva has not dialled within the lease"
    assert dial(stage, task).no is No.TAKEN
    assert does(stage, agents.release, task.key, "max", stage.clock.now()).no is None
    assert called(stage, "eva").key == task.key
    assert does(stage, agents.release, task.key, "eva", stage.clock.now()).no is No.DIALLED
    stage.passes("40m")
    assert claim(stage, "max").task is None, "who was dialled is not called by another on top"


def test_a_paused_cascade_gives_no_tasks(either):
    stage = desk(either)
    person(stage)
    stage.passes("2h")
    task = claim(stage).task
    stage.pause(1)
    assert claim(stage, "max").task is None and dial(stage, task).no is No.LATER


def test_subscribers_are_told_of_tasks(either):
    stage = desk(either)
    subscribe(stage)
    person(stage)
    bob = person(stage, "bob", "+77000000012", 2)
    stage.passes("2h")
    close(stage, called(stage), Disposition.REACHED_AGREED)
    stage.event(bob, "bought")
    bodies = [body for body in told(stage) if str(body["type"]).startswith("task.")]
    kinds = [body["type"] for body in bodies]
    assert kinds == ["task.opened", "task.opened", "task.closed", "task.withdrawn"]
    assert bodies[2]["data"]["disposition"] == "reached_agreed" and bodies[2]["data"]["agent"] == "eva"
    assert (bodies[3]["data"]["state"], bodies[3]["data"]["why"]) == ("withdrawn", "converted")
    assert bodies[0]["data"]["step"] == "agent" and bodies[0]["data"]["channel"] == "agent_call"


def test_of_those_that_wait_for_the_desk_who_asked_for_a_person_is_first(either):
    text = CASCADE.replace(
        '- {id: sms, channel: sms, text: "{{ contact.name }}", wait: 2h}',
        '- {id: robot, channel: robot_call, say: "x", keys: {1: confirm, 2: agent}, wait: 2h}',
    )
    stage = desk(either, text, agents="1", call_minutes="60", sla_hours="1")  # one at a time
    people = [person(stage, f"p{n}", f"+7700000{n:04}", n) for n in range(3)]
    stage.passes("PT119M")
    dan = person(stage, "dan", "+77000000014", 4)
    stage.passes("1m")
    (task,) = tasks(stage, TaskState.OPEN)
    stage.receipt(dan, Kind.KEYPRESS, step=0, value='{"key": "2"}')
    assert stage.states(dan)["agent"] == "queued", "the desk can do no more"
    assert called(stage).key == task.key
    close(stage, task, Disposition.REACHED_AGREED)
    (task,) = tasks(stage, TaskState.OPEN)
    assert task.contact_id == dan and task.urgent and len(people) == 3


def test_one_claim_looks_at_no_more_tasks_than_the_tick_can_wait_for(either):
    stage = desk(either, agents="9", policy=limited(windows=calls_from_ten_to_twenty()))
    for n in range(25):
        person(stage, f"p{n}", f"+7700000{n:04}", n)
    stage.passes("PT8H30M")  # half past eight: nobody may be called
    assert claim(stage).no is No.AGAIN and claim(stage) == agents.Answer()
    stage.passes("14h")
    assert claim(stage).task is not None
