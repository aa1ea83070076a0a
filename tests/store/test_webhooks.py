"""Deliveries are begun by one process at a time, counted, given up, told again and forgotten."""

import pytest

from kaskad.domain.errors import NotFound
from kaskad.store import webhooks
from kaskad.store.db import Database
from kaskad.store.vault import Vault
from kaskad.store.webhooks import DELIVERED, GIVEN_UP, WAITING, Secret

VAULT = Vault(["k" * 32])


def add(db: Database, *types: str) -> int:
    with db.write() as tx:
        return webhooks.add(tx, VAULT, "https://example.org/", "", types, [Secret("whsec_x")], True, 1)


def put(db: Database, *rows: tuple[int, str]) -> None:
    with db.write() as tx:
        tx.many("put_deliveries", [(number, message, "run.entered", "{}", 10) for number, message in rows])


def end(db: Database, number: int, attempts: int, state: int, next_at: int | None = None) -> int:
    with db.write() as tx:
        return tx.run("end_delivery", id=number, attempts=attempts, state=state, next_at=next_at,
                      ended_at=None if next_at else 20, answer="HTTP 500")  # fmt: skip


def test_a_webhook_is_kept_with_its_secrets_encrypted(db: Database) -> None:
    number = add(db, "run.entered", "run.finished")
    with db.write() as tx:
        (kept,) = webhooks.all_webhooks(tx, VAULT)
        assert (kept.id, kept.secrets) == (number, (Secret("whsec_x"),))
        assert kept.types == webhooks.subscribed(tx) == {"run.entered", "run.finished"}
        assert b"whsec_x" not in str(tx.all("webhooks")).encode() and "whsec_x" not in repr(kept)
        webhooks.change(tx, number, "https://example.org/2", "new", ["run.entered"], False)
        assert webhooks.subscribed(tx) == frozenset()
        webhooks.delete(tx, number)
        for missing in (
            lambda: webhooks.delete(tx, number),
            lambda: webhooks.change(tx, number, "", "", [], True),
            lambda: webhooks.put_secrets(tx, VAULT, number, []),
        ):
            with pytest.raises(NotFound):
                missing()


def test_an_attempt_is_begun_once_and_again_after_its_lease(db: Database) -> None:
    one, other = add(db, "run.entered"), add(db, "run.entered")
    put(db, (one, "a"), (one, "b"), (other, "a"))
    put(db, (one, "a"))  # the same event again
    with db.write() as tx:
        assert tx.one("due_delivery", webhook_id=one, now=10) is not None
        assert [begun.message_id for begun in webhooks.claim(tx, one, 10, 1, 50)] == ["a"]
        assert [begun.message_id for begun in webhooks.claim(tx, one, 10, 9, 50)] == ["b"]
        assert webhooks.claim(tx, one, 59, 9, 50) == []
        assert {begun.number for begun in webhooks.claim(tx, one, 60, 9, 50)} == {2}
        assert len(webhooks.claim(tx, other, 10, 9, 50)) == 1


def test_what_was_given_up_is_told_again_and_a_late_end_of_an_old_attempt_says_nothing(db: Database) -> None:
    number = add(db, "run.entered")
    put(db, (number, "a"), (number, "b"))
    with db.write() as tx:
        first, second = sorted(begun.id for begun in webhooks.claim(tx, number, 10, 9, 50))
    assert end(db, first, 1, GIVEN_UP) == 1
    assert end(db, second, 2, DELIVERED) == 0
    assert end(db, second, 1, DELIVERED) == 1
    with db.write() as tx:
        ended = webhooks.listing(tx, number, 0, 9, GIVEN_UP)
        assert [(one.id, one.answer, one.next_at) for one in ended] == [(first, "HTTP 500", None)]
        assert {row[:3] for row in tx.all("count_deliveries")} == {(number, 1, 1), (number, 2, 1)}
        one = {"webhook_id": number, "message_id": "b", "since": 0, "now": 30}
        part = {"after": 0, "last": second, "limit": 9}
        given_up, waiting = (tx, number, GIVEN_UP), (tx, number, WAITING)
        assert webhooks.to_replay(*given_up, 11, 90, **part) == []
        assert webhooks.to_replay(*given_up, 0, 90, **part) == [first]
        assert webhooks.to_replay(*waiting, 0, 90, **part) == []
        assert webhooks.replay(tx, [first, second], 30, 90) == 1, "the other one was taken"
        assert tx.run("replay_delivery", **one, later=90) == 1
        assert tx.run("replay_delivery", **one, later=90) == 0
        answers = {each.id: each.answer for each in webhooks.listing(tx, number, 0, 9)}
        assert answers == {first: "HTTP 500", second: ""}, (
            "what was taken is no sign of a receiver that fails"
        )
        assert webhooks.replay(tx, [first, second], 30, 90) == 0, "they are due already"
        assert len(webhooks.claim(tx, number, 30, 9, 50)) == 2
        assert webhooks.to_replay(*waiting, 0, 90, **part) == [], "they may be under way"
        assert webhooks.replay(tx, [first, second], 30, 90) == 0, "begun after they were looked for"
        assert webhooks.to_replay(*waiting, 0, 79, **part) == [first, second]
        assert webhooks.to_replay(*waiting, 0, 79, **{**part, "after": first}) == [second]
        assert webhooks.to_replay(*waiting, 0, 79, **{**part, "last": first}) == [first]
        assert tx.run("replay_delivery", **one, later=79) == 1
        assert webhooks.replay(tx, [first, second], 30, 79) == 1, "the other one"
        assert [one.number for one in webhooks.claim(tx, number, 30, 9, 50)] == [1, 1], "none is used up"


@pytest.mark.parametrize("limit", [1, 2, 9])
def test_deliveries_are_paged_whatever_became_of_them_and_cleared_some_at_a_time(
    db: Database, limit: int
) -> None:
    one, other = add(db, "run.entered"), add(db, "run.entered")
    put(db, *((number, f"m{n}") for n in range(6) for number in (one, other)))
    with db.write() as tx:
        begun = {each.message_id: each.id for each in webhooks.claim(tx, one, 10, 9, 50)}
    ids = [begun[f"m{n}"] for n in range(6)]
    for place, state in ((0, GIVEN_UP), (2, DELIVERED), (3, DELIVERED), (5, GIVEN_UP)):
        end(db, ids[place], 1, state)
    wanted = {-1: ids, WAITING: [ids[1], ids[4]], DELIVERED: ids[2:4], GIVEN_UP: [ids[0], ids[5]]}
    with db.write() as tx:
        for state, own in wanted.items():
            upwards, downwards, first, last = list[int](), list[int](), 0, 2**62
            while some := [each.id for each in webhooks.listing(tx, one, first, limit, state)]:
                upwards, first = upwards + some, some[-1]
            while some := [each.id for each in webhooks.latest(tx, one, last, limit, state)]:
                downwards, last = downwards + some, some[-1]
            assert upwards == own == downwards[::-1]
        counts = {row[:2]: row[2:] for row in tx.all("count_deliveries")}
        assert counts == {(one, 0): (2, 10), (one, 1): (2, None), (one, 2): (2, None), (other, 0): (6, 10)}
        cleared = [webhooks.clear(tx, one, limit) for _ in range(7)]
        assert sum(cleared) == 6 and max(cleared) == min(limit, 6)
        assert webhooks.listing(tx, one, 0, 9) == [] and len(webhooks.listing(tx, other, 0, 9)) == 6


def test_what_ended_long_ago_is_forgotten(db: Database) -> None:
    number = add(db, "run.entered")
    put(db, (number, "a"), (number, "b"))
    with db.write() as tx:
        first = min(begun.id for begun in webhooks.claim(tx, number, 10, 9, 50))
    end(db, first, 1, DELIVERED)
    with db.write() as tx:
        assert tx.run("drop_old_deliveries", before=20, limit=9) == 0
        assert tx.run("drop_old_deliveries", before=21, limit=9) == 1
        assert [one.message_id for one in webhooks.listing(tx, number, 0, 9)] == ["b"]


def test_the_outbox_is_read_with_what_is_known(db: Database) -> None:
    with db.write() as tx:
        tx.many(
            "put_outbox",
            [(5, 1, 0, -1, "contact.opted_out", "x", "{}"), (6, 1, 2, 0, "message.sent", "", "{}")],
        )
        rows = tx.all("outbox", limit=1)
        assert [row[1:8] for row in rows] == [(5, 1, 0, -1, "contact.opted_out", "x", "{}")]
        tx.among("clear_outbox", [rows[0][0]])
        assert [row[1] for row in tx.all("outbox", limit=9)] == [6]
