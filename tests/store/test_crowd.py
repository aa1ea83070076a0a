"""A crowd that is written at once leaves what the same people leave who are written one after the other."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kaskad.domain.terms import Channel
from kaskad.store import book, contacts, crowd
from kaskad.store.contacts import Consent
from kaskad.store.crowd import Told
from kaskad.store.db import Database, Transaction
from kaskad.store.suppressions import suppress

KEY = b"k" * 32
NOW = 1_700_000_000_000
MAIL, SMS, CALL, VK = Channel.EMAIL.code, Channel.SMS.code, Channel.ROBOT_CALL.code, Channel.VK.code
EVERYTHING = """
SELECT c.id, c.external_id, e.contact_id, c.zone, c.language, c.country, c.tracking, c.attributes, c.folded,
       c.created_at
  FROM contacts c LEFT JOIN external_ids e ON e.external_id = c.external_id"""
ADDRESSES = "SELECT contact_id, channel, value, health, shared, preferred FROM addresses"
CONSENTS = """
SELECT k.contact_id, k.id, k.granted, k.purpose, k.channels, k.topic, k.at, k.expires_at, k.brand, p.detail
  FROM consents k LEFT JOIN proofs p ON p.id = k.proof_id"""

keys = st.tuples(st.sampled_from([MAIL, SMS, CALL, VK]), st.sampled_from("abcdefgh"))
consents = st.builds(
    Consent, granted=st.booleans(), at=st.integers(0, 2), purpose=st.sampled_from([2, 9]),
    brand=st.sampled_from(["", "shop"]),
    proof=st.sampled_from([None, '{"row":1}', '{"row":2}']),
)  # fmt: skip
people = st.builds(
    Told, st.none() | st.sampled_from([f"id{n}" for n in range(6)]), st.sampled_from([None, "Asia/Almaty"]),
    st.sampled_from([None, "kk"]), st.sampled_from([None, "KZ"]), st.sampled_from([None, False, True]),
    st.sampled_from(["{}", '{"name":"Анна К"}', '{"city":1,"name":"Б"}']), st.none(),
    st.lists(keys, max_size=3).map(tuple), st.lists(consents, max_size=3).map(tuple),
).filter(lambda told: told.external_id is not None or told.addresses)  # fmt: skip


def someone(external_id: str, *letters: str) -> Told:
    return Told(
        external_id, None, None, None, None, "{}", None, tuple((MAIL, each) for each in letters), ()
    )  # fmt: skip


class _Enough(Exception):
    """Takes back what a transaction has written."""


def left(tx: Transaction) -> Counter[Any]:
    """Return what stands in the tables, whatever ids new contacts have."""

    def rows(text: str) -> list[Any]:
        asked = text if tx.dialect == "sqlite" else text.encode()
        return list(tx._connection.execute(asked).fetchall())  # type: ignore[attr-defined]

    addresses, consents = rows(ADDRESSES), rows(CONSENTS)
    return Counter(
        (
            own == contact_id or own is None, *person,
            tuple(sorted(row[1:] for row in addresses if row[0] == contact_id)),
            tuple(sorted(map(repr, (row[1:] for row in consents if row[0] == contact_id)))),
        )
        for contact_id, external_id, own, *person in rows(EVERYTHING)
    )  # fmt: skip


def folded(told: Told) -> Told:
    """Return the person with the names that are searched, as whoever reads a file makes them."""
    name = contacts.folded(told.contact.attributes)
    return Told(*(getattr(told, each) if each != "folded" else name for each in told.__struct_fields__))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(people, max_size=3), st.lists(keys, max_size=2), st.lists(people, max_size=8),
    st.booleans(), st.lists(people, max_size=2),
)  # fmt: skip
@example([], [], [someone("id0", "a", "b"), someone("id1", "c")], True, [someone("id2", "a", "c")])
def test_a_crowd_leaves_what_its_people_leave(
    db: Database, before: list[Told], stopped: list[crowd.Key], told: list[Told], placed: bool,
    meanwhile: list[Told],
) -> None:  # fmt: skip
    told, found, half = [folded(each) for each in told], [], len(told) // 2
    channels = {channel.code: channel for channel in Channel}

    def by_crowd(tx: Transaction) -> tuple[int, object]:
        first = book.reserve(tx, 1, "me", len(told)) if placed else None  # None: there is no book
        kept = () if first is None else range(first, first + len(told))
        places = zip(kept, told, strict=True) if kept else ()
        ahead = [
            (value, code, number) for number, each in places for code, value in dict.fromkeys(each.addresses)
        ]
        ahead.sort()
        book.place(tx, ahead[:half])
        contacts.save(tx, KEY, [each.contact for each in meanwhile], NOW)
        book.place(tx, ahead[half:])
        new, ids = 0, set()
        for part, numbers in ((told[:half], kept[:half]), (told[half:], kept[half:])):
            dry = crowd.identities_of_new(tx, part)
            came = crowd.save(tx, KEY, part, NOW, reserved=numbers)
            assert len(set(came.ids)) == len(came.ids) and came.new <= len(came.ids)
            assert came.stopped == {key for each in part for key in each.addresses if key in never(stopped)}
            assert len(dry) >= came.new
            new, ids = new + came.new, ids | set(came.ids)
        book.unplace(tx, [each for each in ahead if each[2] not in ids])
        assert in_book(tx) == has_address(tx)
        return new, left(tx)

    def one_by_one(tx: Transaction) -> tuple[int, object]:
        contacts.save(tx, KEY, [each.contact for each in meanwhile], NOW)
        parts = [[each.contact for each in part] for part in (told[:half], told[half:])]
        return sum(len(contacts.save(tx, KEY, part, NOW).new) for part in parts), left(tx)

    for way in (by_crowd, one_by_one):
        try:
            with db.write() as tx:
                suppress(tx, KEY, [(channels[code], value) for code, value in stopped], "asked", 1)
                contacts.save(tx, KEY, [each.contact for each in before], NOW - 1)
                found.append(way(tx))
                raise _Enough
        except _Enough:
            pass
    assert found[0] == found[1]


def in_book(tx: Transaction) -> object:
    if tx.dialect == "postgresql":
        return has_address(tx)
    return set(tx._connection.execute("SELECT value, channel, contact_id FROM address_book"))  # type: ignore[attr-defined]


def has_address(tx: Transaction) -> object:
    text = "SELECT value, channel, contact_id FROM addresses"
    asked = text if tx.dialect == "sqlite" else text.encode()
    return set(tx._connection.execute(asked))  # type: ignore[attr-defined]


def never(stopped: list[crowd.Key]) -> set[crowd.Key]:
    """Return what is not written to any more: a number is stopped for messages and for calls."""
    phones = {SMS, CALL, Channel.AGENT_CALL.code}
    return {
        (code, value)
        for was, value in stopped
        for code in (phones if was in phones else {was})
    }  # fmt: skip
