"""Messages that a service is to be asked about: claimed by one process at a time, given back when it dies."""

from kaskad.store import look_ups
from kaskad.store.db import Database


def test_what_one_process_has_claimed_is_hidden_from_others_for_a_while(db: Database) -> None:
    with db.write() as tx:
        tx.many("put_look_ups", [(1, f"SM{n}", 1, 1, 0, 5, 10 + n) for n in range(3)])
    assert look_ups.first_due(db) == 10
    with db.write() as tx:
        first = look_ups.claim(tx, 12, again_at=100, limit=2)
    with db.write() as tx:
        second = look_ups.claim(tx, 12, again_at=100, limit=2)
    assert [one.provider_id for one in sorted(first, key=lambda one: one.provider_id)] == ["SM0", "SM1"]
    assert [one.provider_id for one in second] == ["SM2"]
    with db.write() as tx:
        assert len(look_ups.claim(tx, 100, again_at=200, limit=9)) == 3  # whoever had them has died


def test_what_is_put_off_or_dropped_is_not_due(db: Database) -> None:
    with db.write() as tx:
        tx.many("put_look_ups", [(1, "SM1", 1, 1, 0, 5, 10), (2, "SM1", 1, 1, 0, 5, 10)])
        tx.many("put_look_ups", [(1, "SM1", 9, 9, 0, 5, 1)])  # the same message, told again
        one, other = sorted(look_ups.claim(tx, 10, again_at=50, limit=9), key=lambda found: found.account_id)
        look_ups.put_off(tx, one, 3, 70)
        look_ups.drop(tx, other)
    assert look_ups.first_due(db) == 70
    with db.write() as tx:
        (again,) = look_ups.claim(tx, 70, again_at=90, limit=9)
    assert (again.contact_id, again.tries) == (1, 3)
