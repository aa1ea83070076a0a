"""People are made once, their addresses keep their health, and what they allowed is kept word for word."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaskad.analytics import control
from kaskad.domain.errors import Conflict
from kaskad.domain.terms import Channel
from kaskad.store.contacts import Address, Consent, Contact, mark_invalid, upsert
from kaskad.store.db import Database, Transaction
from kaskad.store.segment_blocks import BLOCK
from kaskad.store.suppressions import suppress

KEY = b"k" * 32
NOW = 1_700_000_000_000
MAIL = Address(Channel.EMAIL, "anna@example.org")
PHONE = Address(Channel.SMS, "+77010000001")
CALL = Address(Channel.ROBOT_CALL, "+77010000001")


def health(tx: Transaction, *ids: int) -> dict[tuple[int, int], tuple[int, int]]:
    rows = tx.among("look_addresses", ids)
    return {(contact_id, channel): (bad, shared) for contact_id, channel, _, bad, shared, *_ in rows}


def test_a_contact_is_made_once_and_changed_afterwards(db: Database) -> None:
    with db.write() as tx:
        (first,) = upsert(
            tx, KEY, [Contact(addresses=[MAIL], zone="Asia/Almaty", attributes={"vip": True})], NOW
        )
        (again,) = upsert(
            tx, KEY, [Contact(addresses=[MAIL], language="kk", attributes={"name": "Анна"})], NOW
        )
        assert first == again
        ((_, zone, language, _, tracking, attributes),) = tx.among("look_contacts", [first])
        assert (zone, language, tracking) == ("Asia/Almaty", "kk", 1)
        assert attributes == '{"vip":true,"name":"Анна"}'


def test_an_attribute_of_none_is_removed(db: Database) -> None:
    with db.write() as tx:
        upsert(tx, KEY, [Contact(external_id="a", attributes={"vip": True, "city": "Алматы"})], NOW)
        ids = upsert(tx, KEY, [Contact(external_id="a", attributes={"vip": None}, tracking=False)], NOW)
        ((*_, tracking, attributes),) = tx.among("look_contacts", ids)
        assert (tracking, attributes) == (0, '{"city":"Алматы"}')


def test_a_contact_known_by_address_takes_the_external_id_that_comes_with_it(db: Database) -> None:
    with db.write() as tx:
        (first,) = upsert(tx, KEY, [Contact(addresses=[MAIL])], NOW)
        assert upsert(tx, KEY, [Contact(external_id="crm-1", addresses=[MAIL, PHONE])], NOW) == [first]
        assert upsert(tx, KEY, [Contact(external_id="crm-1")], NOW) == [first]
        assert tx.one("contact_by_external_id", external_id="crm-1") == (first,)
        assert tx.one("contact_by_external_id", external_id="crm-2") is None


def test_of_two_in_one_batch_at_a_known_address_the_first_is_who_was_known(db: Database) -> None:
    with db.write() as tx:
        (known,) = upsert(tx, KEY, [Contact(addresses=[MAIL])], NOW)
        told = [Contact(external_id=name, addresses=[MAIL]) for name in ("crm-1", "crm-2")]
        first, second = upsert(tx, KEY, told, NOW)
        assert first == known != second
        assert health(tx, first, second) == {(first, 1): (0, 1), (second, 1): (0, 1)}


def test_an_external_id_belongs_to_one_contact_whatever_part_of_the_table_it_is_in(db: Database) -> None:
    with pytest.raises(Conflict), db.write() as tx:
        tx.changed_many("put_external_ids", [("crm-1", 1), ("crm-1", 2)])


def test_two_external_ids_at_one_address_are_two_people_who_share_it(db: Database) -> None:
    with db.write() as tx:
        one = upsert(tx, KEY, [Contact(external_id="a", addresses=[MAIL, PHONE])], NOW)[0]
        assert health(tx, one) == {(one, 1): (0, 0), (one, 8): (0, 0)}
        two = upsert(tx, KEY, [Contact(external_id="b", addresses=[MAIL])], NOW)[0]
        assert health(tx, one, two) == {(one, 1): (0, 1), (one, 8): (0, 0), (two, 1): (0, 1)}


def test_people_who_share_an_address_may_come_in_one_batch(db: Database) -> None:
    with db.write() as tx:
        one, two, three = upsert(
            tx,
            KEY,
            [
                Contact(external_id="a", addresses=[MAIL]),
                Contact(external_id="b", addresses=[MAIL]),
                Contact(addresses=[MAIL, PHONE], language="ru"),
            ],
            NOW,
        )
        assert one != two
        assert three == one, "without an external id the first who has the address is meant"
        assert health(tx, one, two) == {(one, 1): (0, 1), (one, 8): (0, 0), (two, 1): (0, 1)}


def test_a_suppressed_address_stays_so_whoever_comes_with_it(db: Database) -> None:
    with db.write() as tx:
        one = upsert(tx, KEY, [Contact(external_id="a", addresses=[MAIL, PHONE, CALL])], NOW)[0]
        assert suppress(tx, KEY, [PHONE.key, MAIL.key], "opt_out", NOW) == 3
        assert suppress(tx, KEY, [PHONE.key], "opt_out", NOW) == 0
        assert {bad for bad, _ in health(tx, one).values()} == {2}
        two = upsert(tx, KEY, [Contact(external_id="b", addresses=[CALL, Address(Channel.VK, "1")])], NOW)[0]
        assert health(tx, two) == {(two, 9): (2, 1), (two, 5): (0, 0)}


def test_a_second_import_does_not_heal_an_address(db: Database) -> None:
    with db.write() as tx:
        (one,) = upsert(tx, KEY, [Contact(addresses=[MAIL])], NOW)
        assert mark_invalid(tx, [(one, *MAIL.key)], NOW) == 1
        upsert(tx, KEY, [Contact(addresses=[MAIL])], NOW)
        assert health(tx, one) == {(one, 1): (1, 0)}
        suppress(tx, KEY, [MAIL.key], "hard_bounce", NOW)
        assert mark_invalid(tx, [(one, *MAIL.key)], NOW) == 0
        assert health(tx, one) == {(one, 1): (2, 0)}


def test_the_contacts_own_preference_comes_first(db: Database) -> None:
    with db.write() as tx:
        (one,) = upsert(tx, KEY, [Contact(addresses=[MAIL, PHONE])], NOW)
        upsert(tx, KEY, [Contact(addresses=[Address(*MAIL.key, preferred=2)])], NOW)
        assert [row[1] for row in tx.among("look_addresses", [one])] == [8, 1]


def test_consents_are_appended_and_an_import_may_be_repeated(db: Database) -> None:
    grant = Consent(granted=True, at=5, channels=1 << 1, proof='{"act":"box"}')
    stop = Consent(granted=False, at=9)
    with db.write() as tx:
        (one,) = upsert(tx, KEY, [Contact(addresses=[MAIL], consents=[grant, stop, grant])], NOW)
        upsert(tx, KEY, [Contact(addresses=[MAIL], consents=[grant])], NOW)
        upsert(tx, KEY, [Contact(addresses=[MAIL], consents=[Consent(granted=True, at=7)])], NOW)
        rows = sorted(tx.among("look_consents", [one]), key=lambda row: int(row[5]))
    assert [(row[1], row[5], row[7]) for row in rows] == [(1, 5, 1), (1, 7, 0), (0, 9, 0)]


addresses = st.builds(
    Address, st.sampled_from([Channel.EMAIL, Channel.SMS]), st.sampled_from(["x", "y", 'q"\\%'])
)
people = st.lists(
    st.builds(
        Contact,
        external_id=st.sampled_from([None, "a", "b"]),
        addresses=st.lists(addresses, min_size=1, max_size=2),
    ),
    max_size=6,
)


@pytest.mark.parametrize("kind", ["sqlite"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(people, st.integers(0, 6))
def test_it_does_not_matter_how_people_are_cut_into_batches(
    db: Database, some: list[Contact], cut: int
) -> None:
    seen = []
    for batches in ([some], [some[:cut], some[cut:]]):
        with db.write() as tx:
            tx.script("DELETE FROM addresses; DELETE FROM external_ids; DELETE FROM contacts;")
            ids = [contact_id for batch in batches for contact_id in upsert(tx, KEY, batch, NOW)]
            groups = [ids.index(contact_id) for contact_id in ids]
            kept = health(tx, *set(ids))
            seen.append((groups, {(ids.index(i), channel): mark for (i, channel), mark in kept.items()}))
            values = tx.among("look_addresses", sorted(set(ids)))
            for contact_id, channel, value, _, shared, *_ in values:
                others = {row[0] for row in values if row[1:3] == (channel, value)} - {contact_id}
                assert shared == bool(others)
    assert seen[0] == seen[1]


def test_everybody_is_known_by_then_but_for_numbers_of_nobody_seeds_and_the_erased(db: Database) -> None:
    there = {*range(1, 11), *range(BLOCK + 1, 2 * BLOCK + 1), *range(2 * BLOCK + 7, 3 * BLOCK + 1)}
    with db.write() as tx:
        tx.script(
            "INSERT INTO contacts (id, created_at) WITH RECURSIVE numbers (id) AS (SELECT 1 UNION ALL"
            f" SELECT id + 1 FROM numbers WHERE id < {3 * BLOCK}) SELECT id, id % 5 FROM numbers"
            f" WHERE id NOT BETWEEN 11 AND {BLOCK} AND id NOT BETWEEN {2 * BLOCK + 1} AND {2 * BLOCK + 6};"
            "UPDATE contacts SET erased_at = 1 WHERE id IN (2, 9); UPDATE contacts SET seed = 1 WHERE id = 4"
        )
    there -= {2, 4, 9}
    with db.read() as tx:
        told = control.everybody(tx, [4, 1, 3])
    for until in (1, 3, 4):
        assert set(told.known(until).nonzero()[0].tolist()) == {each for each in there if each % 5 < until}
