"""What older releases left open for good is closed by the upgrade, and by a start."""

import pytest

from engine.test_tasks import CASCADE as CALLS
from engine.test_tasks import PRICE, desk, money, person, tasks
from kaskad.domain.terms import Kind, MessageState, Outcome, TaskState
from kaskad.store import courses
from kaskad.store.migrate import migrations, words_for
from support.plain import LETTER_AND_SMS
from support.stage import Stage

FAILED = Kind.FAILED.bit


def upgrade(stage):
    """Apply the repair to a database as the release before left it; done again, it changes nothing."""
    text = next(each.text for each in migrations() if each.name == "left_open")
    for _ in range(2):
        with stage.db.write() as tx:
            tx.script(words_for(text, tx.dialect, 0))


@pytest.mark.parametrize(
    ("mask", "sent", "ended", "state", "mask_then"),
    [
        (0, False, True, "cancelled", 0),
        (Kind.SENT.bit, True, True, "failed", Kind.SENT.bit | FAILED),
        (Kind.IN_DOUBT.bit, False, True, "created", Kind.IN_DOUBT.bit),
        (0, False, False, "cancelled", 0),
        (Kind.SENT.bit | FAILED, True, False, "created", Kind.SENT.bit | FAILED),
    ],
)
def test_a_message_that_stood_as_waiting_for_good_is_over(either, mask, sent, ended, state, mask_then):
    stage = Stage(either)
    stage.cascade(LETTER_AND_SMS)
    ann, bob = stage.person("ann"), stage.person("bob")
    for who in (ann, bob):
        stage.event(who, "joined")
    stage.passes("1d")
    if ended:
        stage.deliver(events=[stage.told(ann, "bought")])
    run_id = stage.run(ann).id
    with stage.db.write() as tx:
        tx.script(f"UPDATE messages SET state = 0, mask = {mask}, sent_at = {'sent_at' if sent else 'NULL'} "
                  f"WHERE step = 0 AND contact_id = {ann}")  # fmt: skip
        courses.due(tx, {(ann, run_id)})
    stage.works()
    upgrade(stage)
    with stage.db.read() as tx:
        kept = tx.one("mask_of", contact_id=ann, run_id=run_id, step=0)
    assert (MessageState.of(kept[1]).value, kept[0]) == (state, mask_then)
    assert stage.states(bob) == {"letter": "sent", "sms": "sent"}
    stage.works()  # which sees whether all is counted


def test_a_start_closes_the_calls_of_runs_that_ended_without_them(either):
    stage = desk(either, CALLS)
    ann = person(stage)
    stage.passes("2h")
    assert len(tasks(stage, TaskState.OPEN)) == 1 and money(stage) == (PRICE["minor"], 0)
    with stage.db.write() as tx:
        tx.script(
            f"UPDATE runs SET state = 3, outcome = {Outcome.SUPERSEDED.code}, wake_at = NULL, "
            f"guard_at = NULL, finished_at = {stage.clock.now()}, seq = seq + 1 WHERE contact_id = {ann}"
        )
    stage.restart()
    stage.engine.start()
    stage.engine.stop()
    (task,) = tasks(stage)
    assert (task.state, task.ended) == (TaskState.WITHDRAWN.code, "superseded") and money(stage) == (0, 0)
