"""Goals shared out, and what people brought, by columns: what the tables tell, whatever has changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from kaskad.actions import asked, erasure
from kaskad.actions.attribution import DAY_MS, attribute
from kaskad.analytics.attribution import Shared, share_out
from kaskad.analytics.changed import Changed
from kaskad.analytics.courses import look_ahead, tally, weekly, worth_each
from kaskad.analytics.scope import EVERYTHING, Scope
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.store import courses, deed_columns
from kaskad.store.courses import HOUR_MS
from kaskad.store.db import Database
from support.marked import staged
from support.stage import accepted, refused

CASCADE = """cascade: {slug}
title: T
class: service
holdout: 0%
trigger: {{event: {event}}}
goal: {{event: bought, value: amount, within: 20d}}
steps:
  - {{id: letter, channel: email, subject: s, text: t, wait: 2d}}
  - {{id: chat, channel: telegram, text: t, wait: 2d}}
"""
COUNT = 24
Figures = tuple[Shared, dict[int, Counter[int]]]


class Told:
    """People who were written to by two cascades, and bought."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage, self.office = staged(db)
        self._patch = monkeypatch
        stage = self.stage
        stage.answer = lambda parcel: (
            refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
            if parcel.contact_id % 7 == 0
            else accepted(parcel, stage.clock.now())
        )
        for slug, event in (("one", "left"), ("two", "asked")):
            stage.cascade(CASCADE.format(slug=slug, event=event))
        self.people = [stage.person(f"p{n}") for n in range(COUNT)]
        for n, person in enumerate(self.people):
            stage.event(person, "left")
            stage.receipt(person, *((), (Kind.DELIVERED,), (Kind.BOUNCED,), (Kind.COMPLAINED,))[n // 2 % 4])
        stage.passes("49h")
        for n, person in enumerate(self.people):
            if n % 3:
                stage.event(person, "asked")
        stage.passes("1h")
        self.buy(self.people[::2])

    def buy(self, people: Sequence[int]) -> None:
        """These buy something, each for another amount, after their second message where they got it."""
        for person in people:
            if "chat" in self.stage.sent(person):
                self.stage.receipt(person, Kind.DELIVERED, step=1)
            self.stage.event(person, "bought", amount=100 + person)
            self.stage.passes("1m")
        self.stage.works()

    def make(self) -> Figures:
        """Make all columns; return what they alone tell."""
        list(asked.refresh(self.office))
        assert self.loose() == []
        return self.check()

    def loose(self) -> list[int] | None:
        with self.stage.db.read() as tx:
            return deed_columns.loose(tx)

    def found(self) -> Figures:
        now = self.stage.clock.now()
        with self.stage.db.read() as tx:
            return share_out(tx, now - 90 * DAY_MS, now + 1, 20 * DAY_MS), worth_each(tx, 1, EVERYTHING)

    def check(self) -> Figures:
        """Hold what is told against the tables; return it."""
        found = self.found()
        with self._patch.context() as patch:
            patch.setattr("kaskad.store.run_blocks.anew", lambda tx, most: None)
            shared, amounts = self.found()
        assert found[1] == amounts
        assert (found[0].goals, found[0].without, found[0].touches) == (
            shared.goals, shared.without, shared.touches,
        )  # fmt: skip
        for place, credit in shared.credits.items():
            assert found[0].credits[place] == pytest.approx(credit)
        return found


@pytest.fixture
def told(either: Database, monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(either, monkeypatch)


def test_columns_tell_what_the_tables_do(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, amounts = told.check()
    assert shared.goals == COUNT // 2 and 0 < shared.without < shared.goals
    assert {place.channel for place in shared.touches} == {Channel.EMAIL.code, Channel.TELEGRAM.code}
    assert len(amounts[0]) == COUNT // 2
    assert told.make()[1] == amounts

    attribute(told.office)
    with told.stage.db.read() as tx:
        assert not asked.is_wanted(told.office, tx), "of few people nobody needs columns"
    monkeypatch.setattr(asked, "LARGE", 0)
    attribute(told.office)
    with told.stage.db.read() as tx:
        assert asked.is_wanted(told.office, tx), "and of many they are kept made"


def test_neither_messages_nor_amounts_are_read_of_whom_columns_tell(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.make()
    seen = []
    with told.stage.db.read() as tx:
        for name in ("all", "among"):
            own = getattr(type(tx), name)

            def noted(self, statement, *ids, own=own, **asked_for):  # type: ignore[no-untyped-def]
                seen.append((statement, *map(len, ids)))
                return own(self, statement, *ids, **asked_for)

            monkeypatch.setattr(type(tx), name, noted)
    told.found()
    assert ("arrived_touches", 0) in seen and "counted_among" not in [each[0] for each in seen]
    assert "worth_scan" not in {statement for statement, *_ in seen}


def test_what_comes_later_is_told(told: Told) -> None:
    before = told.make()
    told.stage.passes("50h")
    told.buy(told.people[1::2])
    assert told.loose()
    after = told.check()
    assert after[0].touches.total() > before[0].touches.total() and after[1] != before[1]
    assert {place.cascade_id for place in after[0].touches} == {1, 2} and told.make() == after
    with told.stage.db.write() as tx:
        tx.script("UPDATE accounts SET tells = 0")  # so silence means yes
    assert told.loose() == [], "what an account tells of is asked when goals are shared out"
    assert told.check()[0].touches.total() > after[0].touches.total()


def test_who_is_not_counted_yet_is_told_as_they_stand(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    before = told.make()[0].touches
    person = told.people[2]
    run_id = told.stage.runs(person)[0].id
    with told.stage.db.write() as tx:
        tx.script(f"UPDATE messages SET state = 8, mask = 0 WHERE contact_id = {person}")
        courses.due(tx, {(person, run_id)})
    assert told.loose() == [person] and told.check()[0].touches != before
    monkeypatch.setattr(deed_columns, "MOST", 0)
    assert told.loose() is None and told.check()[0].touches != before


def test_who_is_forgotten_is_told_as_by_the_tables(told: Told) -> None:
    told.make()
    erasure.erase(told.office, f"con_{told.people[2]}", "ann's key")
    assert told.make() == told.check()


def test_who_entered_before_an_hour_is_counted_however_the_days_are_summed(told: Told) -> None:
    stage = told.stage
    for n in range(3):
        stage.event(stage.person(f"late{n}"), "left")
        stage.passes("26h")
    stage.works()
    now, found = stage.clock.now(), set[int]()
    with stage.db.read() as tx:
        lately = Changed(tx, now)  # so what came since is taken from the whole
        for hours in range(0, 140, 7):
            scope = Scope(until=now // HOUR_MS * HOUR_MS - hours * HOUR_MS)
            expected = tally(tx, 1, scope)
            assert tally(tx, 1, scope, lately) == expected
            assert tally(tx, 1, replace(scope, version_id=1), lately) == expected, "asked for once"
            found.add(expected.shapes.total())
    assert found == {0, COUNT, COUNT + 1, COUNT + 2, COUNT + 3}


def test_sums_that_are_asked_for_together_are_those_that_are_asked_for_one_by_one(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = told.stage
    stage.passes("50h")
    stage.event(stage.person("late"), "left")
    stage.works()
    hour = stage.clock.now() // HOUR_MS * HOUR_MS
    scopes = [Scope(None, 1, hour - since * HOUR_MS, hour - until * HOUR_MS)
              for since, until in ((90, 60), (60, 31), (31, 0), (90, -1))]  # fmt: skip
    scopes += [
        replace(scopes[1], version_id=0),
        Scope(until=hour - 5 * HOUR_MS),
        Scope(),
        Scope(None, 1, 5, 6),
    ]
    with stage.db.read() as tx:
        alone = [tally(tx, 1, scope) for scope in scopes]
        changed, asked, many = Changed(tx, stage.clock.now()), [], type(tx).many
        monkeypatch.setattr(
            type(tx),
            "many",
            lambda own, name, rows: asked.extend([name] * bool(rows)) or many(own, name, rows),
        )
        look_ahead(tx, [(1, scope) for scope in scopes], changed)
        assert asked.count("part_sums") == 1
        asked.clear()
        assert [tally(tx, 1, scope, changed) for scope in scopes] == alone
        assert "part_sums" not in asked
    assert len({one.shapes.total() for one in alone}) > 2


def test_weeks_without_messages_tell_the_same_of_whoever_was_not_held_out(told: Told) -> None:
    stage, person = told.stage, told.people[2]
    keys = {(person, run.id) for run in stage.runs(person)}
    with stage.db.write() as tx:
        tx.script(f"UPDATE runs SET holdout = 1 WHERE contact_id = {person}")
        courses.due(tx, keys)
    for _ in range(2):  # while that is due, and when it is counted
        with stage.db.read() as tx:
            changed, scope = Changed(tx, stage.clock.now()), Scope(version_id=1)
            whole, shapes = (weekly(tx, 1, scope, changed, legs=legs) for legs in (True, False))
        assert any(week.legs for week in whole.values()) and not any(week.legs for week in shapes.values())
        for week, one in whole.items():
            kept = {shape: runs for shape, runs in one.shapes.items() if runs and not shape.holdout}
            assert kept == {shape: runs for shape, runs in shapes[week].shapes.items() if runs}
        assert sum(week.shapes.total() for week in whole.values()) == COUNT
        assert sum(week.shapes.total() for week in shapes.values()) == COUNT - 1
        stage.works()
