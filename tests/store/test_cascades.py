"""Versions are frozen, numbered within their cascade, and a stopped cascade stays stopped."""

import pytest

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
