"""Databases are brought up to date once, in order, and only by the program that they belong to."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kaskad.domain.errors import StoreError
from kaskad.store import alarms, approvals, cascades, keys, settings
from kaskad.store.db import Database
from kaskad.store.migrate import Migration, migrations, upgrade, words_for

FIRST = Migration(
    1, "first", "CREATE TABLE pets (contact_id BIGINT NOT NULL PRIMARY KEY, name TEXT) /* by contact */;"
)
SECOND = Migration(2, "second", "CREATE TABLE toys (contact_id BIGINT PRIMARY KEY) /* by contact */;")
BROKEN = Migration(2, "broken", "CREATE TABLE toys (id BIGINT PRIMARY KEY); INSERT INTO nowhere VALUES (1);")


def test_an_empty_database_gets_every_migration_once(empty: Database) -> None:
    assert [migration.number for migration in upgrade(empty)] == [m.number for m in migrations()]
    assert upgrade(empty) == []


def test_the_numbers_of_the_migrations_have_no_gap() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migration_that_fails_leaves_nothing(empty: Database) -> None:
    with pytest.raises(StoreError):
        upgrade(empty, known=[FIRST, BROKEN])
    assert upgrade(empty, known=[FIRST, SECOND]) == [SECOND]


def test_an_edited_migration_is_refused(empty: Database) -> None:
    upgrade(empty, known=[FIRST])
    edited = Migration(1, "first", FIRST.text + " ")
    with pytest.raises(StoreError, match="0001 first"):
        upgrade(empty, known=[edited, SECOND])


def test_a_newer_database_is_refused(empty: Database) -> None:
    upgrade(empty, known=[FIRST, SECOND])
    with pytest.raises(StoreError, match="newer Kaskad"):
        upgrade(empty, known=[FIRST])


def test_two_programs_that_start_at_once_upgrade_once(empty: Database) -> None:
    with ThreadPoolExecutor(4) as programs:
        applied = list(programs.map(upgrade, [empty] * 4))
    made = [migration for part in applied for migration in part]
    assert sorted(made, key=lambda migration: migration.number) == list(migrations())


def test_whoever_is_told_of_bounds_stays_told_of_accounts(db: Database) -> None:
    text = next(each.text for each in migrations() if each.name == "account_told")
    ways = [
        {"account": "guard_told", "to": 'ops,"guard_told"', "kinds": ["guard", "guard_told"]},
        {"account": "mail", "to": "a@example.org", "kinds": ["guard_told", "stops"]},
        {"account": "mail", "to": "b@example.org", "kinds": []},
    ]
    with db.write() as tx:
        tx.script(
            "INSERT INTO accounts (id, name, provider, channel, settings, secrets, limits, prices) VALUES "
            "(1, 'mail', 'smtp', 5, '', '', '', ''), (2, 'cart', 'smtp', 5, '', '', '', ''); "
            "INSERT INTO cascades (id, slug, changed_at) VALUES (1, 'cart', 0); "
            "INSERT INTO alarms (kind, name, detail, began_at, told_at, over_at) VALUES "
            "('guard_told', 'mail', '', 1, 1, NULL), ('guard_told', 'cart', '', 1, 1, NULL), "
            "('guard_told', 'mail', 'over', 0, 0, 1)"
        )
        settings.put(tx, "alarm_ways", ways)
        for _ in range(2):  # done again, it changes nothing
            tx.script(words_for(text, tx.dialect, 0))
    with db.read() as tx:
        kept = settings.get(tx, "alarm_ways", list[dict[str, Any]])
        standing = {(row.kind, row.name) for row in alarms.standing(tx)}
    assert kept is not None and [one["kinds"] for one in kept] == [
        ["guard", "guard_told", "account_told"], ["guard_told", "account_told", "stops"], [],
    ]  # fmt: skip
    assert kept[0]["to"] == ways[0]["to"] and kept[0]["account"] == "guard_told"
    assert standing == {("account_told", "mail"), ("guard_told", "cart")}, (
        "a cascade of that name may be meant"
    )


@pytest.mark.parametrize("partitions", [0, 4])
def test_amounts_are_kept_as_they_were_and_several_of_one_instant_from_then_on(
    empty: Database, partitions: int
) -> None:
    before = [each for each in migrations() if each.number < 106]
    upgrade(empty, partitions, known=before)
    kept = [(person, 2, 1, 1000, kind, 700, 0, "b.csv") for person in range(1, 9) for kind in (3, 4)]
    columns, told = "contact_id, run_id, step, at, kind, before, after, source", ", ".join(map(str, kept))
    with empty.write() as tx:
        tx.script(f"INSERT INTO amounts ({columns}) VALUES {told}")
    upgrade(empty)
    with empty.write() as tx:
        tx.many("put_amounts", [(1, 2, 1, 1000, 4, 800, 0, ""), (1, 2, 1, 1000, 4, 900, 0, "")])
    with empty.read() as tx:
        found = [tx.all("amounts_of", contact_id=person, run_id=2, step=1) for person in range(1, 9)]
    assert found[1:] == [[(1000, 3, 700, 0, "b.csv"), (1000, 4, 700, 0, "b.csv")]] * 7
    assert [row[2] for row in found[0]] == [700, 700, 800, 900]


def test_later_tables_are_spread_as_the_first_ones(empty: Database) -> None:
    upgrade(empty, partitions=4, known=[FIRST])
    upgrade(empty, known=[FIRST, SECOND])
    with empty.read() as tx:
        assert {row[3] for row in tx.all("migrations")} == {4 if empty.dialect == "postgresql" else 0}


def test_large_tables_are_clustered_or_spread() -> None:
    text = "CREATE TABLE small (id BIGINT);\n-- no; this is /* by contact */;\n" + FIRST.text
    assert "name TEXT) WITHOUT ROWID;" in words_for(text, "sqlite", 0)
    assert "PARTITION" not in words_for(text, "postgresql", 0)
    spread = words_for(text, "postgresql", 2)
    assert "CREATE TABLE small (id BIGINT);" in spread
    assert "PARTITION OF pets FOR VALUES WITH (MODULUS 2, REMAINDER 1);" in spread
    assert spread.count("PARTITION OF") == 2


def test_a_table_of_contacts_is_spread_by_its_own_key_and_leaves_room_where_asked() -> None:
    own = "CREATE TABLE people (id BIGINT PRIMARY KEY) /* by contact: id */;"
    assert words_for(own, "sqlite", 0) == "CREATE TABLE people (id BIGINT PRIMARY KEY);"
    assert "PARTITION BY HASH (id);" in words_for(own, "postgresql", 2)
    half = "CREATE TABLE pets (contact_id BIGINT) /* by contact, fillfactor 50 */;"
    assert words_for(half, "sqlite", 0) == "CREATE TABLE pets (contact_id BIGINT) WITHOUT ROWID;"
    assert words_for(half, "postgresql", 0).count("BIGINT) WITH (fillfactor = 50, ") == 1
    assert words_for(half, "postgresql", 2).count(") WITH (fillfactor = 50, ") == 2


def test_every_table_by_contact_is_found() -> None:
    for migration in migrations():
        marked = sum("/* by contact" in line and line.startswith(")") for line in migration.text.splitlines())
        assert words_for(migration.text, "sqlite", 0).count("WITHOUT ROWID;") >= marked - 1  # not of contacts
        assert words_for(migration.text, "postgresql", 1).count("PARTITION OF") == marked


def test_whoever_was_noted_as_an_author_by_their_name_is_known_by_their_address(db: Database) -> None:
    text = next(each.text for each in migrations() if each.name == "authors")
    with db.write() as tx:
        tx.script(
            "INSERT INTO users (email, name, role, created_at) VALUES "
            "('ann@example.org', 'Ann', 'owner', 0), ('bob@example.org', 'Bob', 'owner', 0), "
            "('bob2@example.org', 'Bob', 'owner', 0), ('shop@example.org', 'shop', 'owner', 0); "
            "INSERT INTO cascades (id, slug, changed_at) VALUES (1, 'cart', 0); "
            "INSERT INTO drafts (cascade_id, source, saved_at, saved_by) VALUES (1, '', 0, 'Ann')"
        )
        keys.add(tx, "shop", "hash", ["cascades:write"], 0)
        for by in ("Ann", "Bob", "shop", "cid@example.org"):
            approvals.add(tx, "text", "written", "step a", by, "", 0)
        for _ in range(2):  # done again, it changes nothing
            tx.script(words_for(text, tx.dialect, 0))
        noted = [one.by for one in approvals.of_texts(tx, ["text"])["text"]]
        draft = cascades.draft(tx, 1)
    assert noted == ["ann@example.org", "Bob", "shop", "cid@example.org"]  # of two Bobs it is not known which
    assert draft is not None and draft.saved_by == "ann@example.org"
