"""The sample of messages that waits are learnt from: whose, in which order, and when people reacted."""

import numpy as np

from kaskad.domain.terms import Kind
from kaskad.store import reactions
from kaskad.store.reactions import NEVER

OPENED, CLICKED, DELIVERED = Kind.OPENED, Kind.CLICKED, Kind.DELIVERED


def _run(tx, contact_id, messages, *, cascade=1, holdout=0, seed=0, finished="NULL"):
    """Write a run with messages: step, state, sent at, facts by kind."""
    over = finished != "NULL"
    tx.script(
        f"INSERT INTO contacts (id, created_at, seed) VALUES ({contact_id}, 0, {seed});"
        "INSERT INTO runs (contact_id, id, seq, cascade_id, version_id, slot, wake_at, due_at, entered_at, "
        "phase, step, finished_at, outcome, state, holdout) VALUES "
        f"({contact_id}, 1, 1, {cascade}, 1, 0, {'NULL' if over else 9}, 0, 0, 0, 0, {finished}, "
        f"{1 if over else 'NULL'}, {3 if over else 1}, {holdout})"
    )  # fmt: skip
    for step, state, sent_at, facts in messages:
        mask = sum({kind.bit for kind, _ in facts})
        tx.script(
            "INSERT INTO messages (contact_id, run_id, step, channel, state, sent_at, submitted_at, mask) "
            f"VALUES ({contact_id}, 1, {step}, 1, {state}, {sent_at}, 1, {mask})"
        )
        for number, (kind, at) in enumerate(facts):
            tx.script(
                "INSERT INTO facts (contact_id, run_id, step, kind, at, event) "
                f"VALUES ({contact_id}, 1, {step}, {kind.value}, {at}, '{number}')"
            )


def test_messages_that_left_are_told_in_their_order_with_the_first_fact_that_counts(db):
    with db.write() as tx:
        _run(tx, 100, [(1, 3, 20, []), (0, 4, 30, [(CLICKED, 45), (CLICKED, 41), (OPENED, 35)])])
        _run(tx, 3, [(0, 4, "NULL", [(OPENED, 8)]), (1, 6, 50, [])], finished=99)  # 6: passed over
        _run(tx, 60, [(0, 4, 10, [(DELIVERED, 11)])])
        for contact_id, how in ((4, {"cascade": 2}), (5, {"holdout": 1}), (6, {"seed": 1})):
            _run(tx, contact_id, [(0, 4, 10, [(CLICKED, 11)])], **how)
    with db.read() as tx:
        wanted = np.array([CLICKED.bit, DELIVERED.bit | CLICKED.bit, CLICKED.bit, CLICKED.bit])
        told, at = reactions.sample(tx, 1, lambda _: wanted)
        keys = np.array([told.contact_id, told.step, told.sent_at, told.finished_at]).T.tolist()
        assert keys == [[3, 0, 1, 99], [60, 0, 10, 0], [100, 1, 20, 0], [100, 0, 30, 0]]
        assert at.tolist() == [NEVER, 11, NEVER, 41]
        assert reactions.sample(tx, 1, lambda _: np.full(4, OPENED.bit))[1].tolist() == [8, NEVER, NEVER, 35]
        assert not reactions.sample(tx, 7, lambda told: told.mask)[0].contact_id.size


def test_of_many_contacts_the_first_messages_of_each_stretch_are_told(db):
    with db.write() as tx:
        tx.script(
            "INSERT INTO contacts (id, created_at) SELECT n * 1000, 0 FROM "
            "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000) "
            "SELECT n FROM c) c;"
            "INSERT INTO runs (contact_id, id, seq, cascade_id, version_id, slot, wake_at, due_at, "
            "entered_at, phase, step, state) SELECT id, 1, 1, 1, 1, 0, 9, 0, 0, 0, 0, 1 FROM contacts;"
            + "".join(
                "INSERT INTO messages (contact_id, run_id, step, channel, state, sent_at, submitted_at) "
                f"SELECT id, 1, {step}, 1, 3, {step}, {step} FROM contacts WHERE id <= 20000;"
                for step in range(30)
            )
        )  # fmt: skip
    with db.read() as tx:
        told, _ = reactions.sample(tx, 1, lambda told: told.mask)
    assert len(told.step) == 400 and told.contact_id.max() == 14_000, "of 600 in the first of 50 stretches"
    assert told.step.tolist() == [*list(range(30)) * 13, *range(10)]
