"""Versions are frozen, numbered within their cascade, and a stopped cascade stays stopped."""

import pytest

from kaskad.actions.audience import People
from kaskad.domain.errors import Conflict, NotFound
from kaskad.store import cascades, settings
from kaskad.store.db import Database


def test_versions_are_numbered_within_their_cascade(db: Database) -> None:
    with db.write() as tx:
        one = cascades.save_version(tx, "cart", "a: 1", 5)
        other = cascades.save_version(tx, "visit", "b: 1", 6)
        two = cascades.save_version(tx, "cart", "a: 2", 7)
        assert [(v.cascade_id, v.number) for v in (one, other, two)] == [(1, 1), (2, 1), (1, 2)]
        assert len({one.id, other.id, two.id}) == 3
        assert cascades.by_slug(tx, "cart").version_id == two.id
        assert cascades.version(tx, one.id) == one
        assert cascades.versions_of(tx, one.cascade_id) == [one, two]


def test_the_same_text_is_the_same_version(db: Database) -> None:
    with db.write() as tx:
        one = cascades.save_version(tx, "cart", "a: 1", 5)
        assert cascades.save_version(tx, "cart", "a: 1", 6) == one


def test_a_new_version_of_a_paused_cascade_leaves_it_paused(db: Database) -> None:
    with db.write() as tx:
        one = cascades.save_version(tx, "cart", "a: 1", 5)
        assert cascades.cascade(tx, one.cascade_id).state == "active"
        cascades.set_state(tx, one.cascade_id, "paused", 6)
        cascades.save_version(tx, "cart", "a: 2", 7)
        assert cascades.by_slug(tx, "cart").state == "paused"


def test_a_stopped_cascade_stays_stopped(db: Database) -> None:
    with db.write() as tx:
        one = cascades.save_version(tx, "cart", "a: 1", 5)
        cascades.set_state(tx, one.cascade_id, "stopped", 6)
        with pytest.raises(Conflict, match="cart"):
            cascades.set_state(tx, one.cascade_id, "active", 7)
        with pytest.raises(Conflict, match="cart"):
            cascades.save_version(tx, "cart", "a: 2", 7)


def test_what_is_not_there_is_named(db: Database) -> None:
    with db.write() as tx:
        with pytest.raises(NotFound, match="'nothing'"):
            cascades.by_slug(tx, "nothing")
        with pytest.raises(NotFound, match="7"):
            cascades.version(tx, 7)
        with pytest.raises(NotFound):
            cascades.set_state(tx, 7, "paused", 1)


def test_a_list_holds_each_contact_once_and_is_read_in_pieces(db: Database) -> None:
    with db.write() as tx:
        vips = cascades.save_list(tx, "vips")
        assert cascades.save_list(tx, "vips") == vips
        assert cascades.add_members(tx, vips, [3, 1, 2]) == 3
        assert cascades.add_members(tx, vips, [3, 4]) == 1
        assert cascades.members(tx, vips, limit=3) == [1, 2, 3]
        assert cascades.members(tx, vips, after=3) == [4]


def test_a_launch_goes_to_a_list_or_to_everybody(db: Database) -> None:
    with db.write() as tx:
        one = cascades.save_version(tx, "cart", "a: 1", 5)
        assert cascades.launch(tx, one.id, None, 0, 5) == 1
        assert cascades.launch(tx, one.id, cascades.save_list(tx, "vips"), 1_000, 5) == 2


def test_settings_hold_anything_and_the_first_may_win(db: Database) -> None:
    with db.write() as tx:
        assert settings.get(tx, "brand", dict[str, int]) is None
        settings.put(tx, "brand", {"a": 1})
        settings.put(tx, "brand", {"a": 2})
        assert settings.get(tx, "brand", dict[str, int]) == {"a": 2}
        assert settings.put_first(tx, "brand", {"a": 3}, dict[str, int]) == {"a": 2}


def test_contacts_are_found_by_their_place_whatever_gaps_their_ids_have(db: Database) -> None:
    with db.write() as tx:
        tx.script(
            "INSERT INTO contacts (id, created_at, erased_at) VALUES (3, 0, NULL), (5, 0, 1), (70, 0, NULL), "
            "(71, 0, NULL), (5000000000, 0, NULL); INSERT INTO lists (id, name) VALUES (1, 'a'), (2, 'b'); "
            "INSERT INTO list_members (list_id, contact_id) VALUES (1, 3), (1, 5000000000), (2, 70), (2, 71);"
        )
        everybody = People(tx, "everybody", 4)
        assert everybody._at([0, 1, 3]) == [3, 70, 5_000_000_000]
        assert People(tx, "list b", 2, list_id=2)._at([1]) == [71]
        assert [*everybody.sample(9)] == [[3, 70, 71, 5_000_000_000]]
        ((one,),) = People(tx, "list a", 2, list_id=1).sample(1)
        assert one in (3, 5_000_000_000)
