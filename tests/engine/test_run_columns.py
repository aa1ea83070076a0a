"""Figures of some people by columns: what the rows say, whatever was counted anew since they were made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from kaskad.actions import asked, cascades, launches, reports, segments, uplift
from kaskad.actions.audience import Audience
from kaskad.actions.crowds import drawn
from kaskad.actions.office import Office
from kaskad.actions.reactions import reactions
from kaskad.actions.reports import Among
from kaskad.analytics.courses import tally, worth_each
from kaskad.analytics.scope import EVERYTHING, People, Scope
from kaskad.domain.terms import Kind
from kaskad.engine import counting
from kaskad.store import courses, deed_columns, run_blocks, run_columns
from kaskad.store import reactions as store_reactions
from kaskad.store.db import Database, Transaction
from kaskad.store.reactions import Sample
from kaskad.store.segment_blocks import BLOCK, writer
from support.marked import staged
from support.stage import Stage

SALE = """cascade: sale
title: Sale
class: service
holdout: 30%
trigger: {broadcast: all}
goal: {event: purchase, within: 7d, value: amount, returned: {event: refund, value: amount}}
budget: {total: 900000 KZT}
steps:
  - {id: letter, channel: email, subject: Sale, text: Sale, wait: 1h}
  - {id: sms, channel: sms, text: Sale, wait: 1h}
"""
COUNT = 80  # people, so many that their columns are read


@pytest.fixture
def office(either: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[Stage, Office]:
    stage, office = staged(either)
    for number in range(COUNT):
        stage.person(f"p{number}")
    cascades.put(office, "sale", SALE)
    cascades.activate(office, "sale")
    launches.begin(office, "sale", Audience(everybody=True))
    stage.passes("1m")
    return stage, office


def everybody(stage: Stage) -> list[int]:
    with stage.db.read() as tx:
        return sorted(row[0] for row in tx.all("segment_contacts_within", first=0, last=BLOCK))


def check(stage: Stage) -> None:
    """Of all people the figures are those of the sums, and of halves of them together too."""
    people = everybody(stage)
    with stage.db.read() as tx:
        told, amounts = tally(tx, 1, EVERYTHING), worth_each(tx, 1, EVERYTHING)
        assert told.shapes.total() == COUNT
        for parts in ([people], [people[:40] + people[79:], people[40:79]], [people[:3], people[3:]]):
            scopes = [Scope(People(part)) for part in parts]
            found = [tally(tx, 1, scope) for scope in scopes]
            assert sum((one.shapes for one in found[1:]), found[0].shapes) == told.shapes
            assert sum((one.legs for one in found[1:]), found[0].legs) == told.legs
            assert sum((one.values for one in found[1:]), found[0].values) == told.values
            assert sum((one.returned for one in found[1:]), found[0].returned) == told.returned
            each = [worth_each(tx, 1, scope) for scope in scopes]
            assert {arm: sum((one[arm] for one in each[1:]), each[0][arm]) for arm in (0, 1)} == amounts


def rows_read(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> list[int]:
    """Return of whom rows were read when everybody was asked about."""
    seen: list[int] = []
    add_rows = run_columns._Together.add_rows

    def added(self: run_columns._Together, rows: list[tuple[int, ...]]) -> None:
        seen.extend(row[0] for row in rows)
        add_rows(self, rows)

    with monkeypatch.context() as patch, stage.db.read() as tx:
        patch.setattr(run_columns._Together, "add_rows", added)
        run_columns.counted(tx, 1, everybody(stage))
    return sorted(seen)


def test_figures_by_columns_are_those_of_the_rows(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, _ = office
    people = everybody(stage)
    check(stage)
    assert rows_read(monkeypatch, stage) == people, "nothing is made yet"
    with stage.db.read() as tx:
        assert not tx.all("touched_runs"), "and nothing is noted"
    assert list(run_columns.making(stage.db)) == [(1, 1)]
    check(stage)
    assert rows_read(monkeypatch, stage) == []
    for contact_id in people[::20]:
        stage.event(contact_id, "purchase", amount=100 + contact_id)
    stage.event(people[20], "refund", amount=50)
    stage.works()
    check(stage)
    assert rows_read(monkeypatch, stage) == people[::20], "who was counted anew since"
    assert list(run_columns.making(stage.db)) == [(1, 1)] and not list(run_columns.making(stage.db))
    check(stage)
    assert rows_read(monkeypatch, stage) == []


def counted_anew(stage: Stage, contact_id: int, value: int) -> Callable[[Transaction], None]:
    """Return what gives the run of a contact another worth, and counts it."""
    (run,) = stage.runs(contact_id)

    def change(tx: Transaction) -> None:
        tx.script(f"UPDATE runs SET value = {value} WHERE contact_id = {contact_id} AND id = {run.id};")
        courses.due(tx, [(contact_id, run.id)])
        assert counting.count(tx, 100, noted=stage.engine.world.work.noted) == 1

    return change


def test_who_is_counted_while_a_block_is_made_stays_noted(office: tuple[Stage, Office]) -> None:
    stage, _ = office
    somebody, other = everybody(stage)[:2]
    db = stage.db
    changes = [counted_anew(stage, somebody, 500), counted_anew(stage, other, 700)]
    plain = writer(db)
    run_columns.make(db, 0, plain)
    written = []

    def late(change: Callable[[Transaction], int]) -> int:
        if written:  # it has been read, and is about to be kept
            plain(lambda tx: changes[0](tx) or 0)
        written.append(plain(change))
        return written[-1]

    run_columns.make(db, 0, late)
    check(stage)
    written.clear()

    def overtaken(change: Callable[[Transaction], int]) -> int:
        if written:
            plain(lambda tx: changes[1](tx) or 0)
            run_columns.make(db, 0, plain)
        written.append(plain(change))
        return written[-1]

    run_columns.make(db, 0, overtaken)
    check(stage)


def test_no_turn_comes_again_once_another_block_is_made(office: tuple[Stage, Office]) -> None:
    stage, _ = office
    db, plain = stage.db, writer(stage.db)
    change = counted_anew(stage, everybody(stage)[0], 500)
    run_columns.make(db, 0, plain)
    plain(lambda tx: run_blocks.note(tx, [BLOCK]) or 0)
    written = []

    def late(own: Callable[[Transaction], int]) -> int:
        if written:  # it has read the turn of who is in the other block; nobody is noted with it any more
            run_columns.make(db, 1, plain)
            plain(lambda tx: change(tx) or 0)
        written.append(plain(own))
        return written[-1]

    run_columns.make(db, 0, late)
    check(stage)


def test_only_who_was_counted_anew_in_blocks_that_are_read_is_looked_for(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, _ = office
    people = everybody(stage)
    list(run_columns.making(stage.db))
    writer(stage.db)(lambda tx: run_blocks.note(tx, [people[0], BLOCK, 3 * BLOCK]) or 0)
    with stage.db.read() as tx:
        asked, among = [], type(tx).among

        def looked(*args: object, **params: object) -> object:
            rows = among(*args, **params)
            asked.append((args[1], [row[0] for row in rows]))
            return rows

        monkeypatch.setattr(type(tx), "among", looked)
        assert len(run_columns.counted(tx, 1, [*people, BLOCK + 1]).contacts) == COUNT
        assert len(run_columns.counted(tx, 1, people[:3]).contacts) == 3
    assert [ids for name, ids in asked if name == "touched_runs_of"] == [[people[0]]]


def test_a_block_that_another_process_has_made_is_not_made_again(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, _ = office
    with stage.db.write() as tx:  # somebody in the next block
        tx.script(
            f"INSERT INTO contacts (id, created_at, attributes, erased_at) VALUES ({BLOCK}, 0, '{{}}', 1);"
        )
    made, make = [], run_columns.make
    monkeypatch.setattr(
        run_columns, "make", lambda db, block, write: made.append(block) or make(db, block, write)
    )
    slow = run_columns.making(stage.db)
    assert next(slow) == (1, 2)
    assert list(run_columns.making(stage.db)) == [(1, 1)]
    assert list(slow) == [(2, 2)] and made == [0, 1]


def test_the_first_making_waits_for_who_counts(office: tuple[Stage, Office]) -> None:
    stage, _ = office
    change = counted_anew(stage, everybody(stage)[0], 500)
    making = threading.Thread(target=lambda: list(run_columns.making(stage.db)))
    with stage.db.write() as tx:
        change(tx)
        making.start()
        making.join(0.3)
        assert making.is_alive()
    making.join()
    with stage.db.read() as tx:
        assert run_blocks.standing(tx).made == 1
    check(stage)


def test_what_is_read_while_a_block_is_made_anew_does_not_stay(office: tuple[Stage, Office]) -> None:
    stage, office = office
    list(asked.refresh(office))
    office.write(counted_anew(stage, everybody(stage)[0], 500))

    def write(change: Callable[[Transaction], int]) -> int:
        done = office.write(change)
        check(stage)  # it is begun, and its columns are still those of before
        return done

    run_columns.make(stage.db, 0, write)
    with stage.db.read() as tx:
        assert not tx.all("touched_runs")
    check(stage)


def test_what_segments_ask_is_in_memory_before_they_do(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, office = office
    silent = 'cascade("sale").sent(9d) and not cascade("sale").reacted and not event("visit").count(9d)'
    segments.create(office, "silent", silent)
    monkeypatch.setattr(asked, "LARGE", 1)
    assert not list(asked.to_memory(office)), "nothing is made yet"
    list(asked.refresh(office))
    one, other = [each for each in everybody(stage) if stage.sent(each)][:2]
    stage.receipt(one, Kind.OPENED)
    stage.passes("1m")
    pieces = list(asked.to_memory(office))
    assert len(pieces) == 10, "events; deeds; the control group; messages; reactions and runs of the cascade"
    for piece in pieces:
        piece()
    read: list[str] = []
    with stage.db.read() as tx:
        kind = type(tx)
    for method in ("all", "among"):
        ask = getattr(kind, method)

        def spied(own: Transaction, what: str, /, *a: Any, _ask: Any = ask, **more: Any) -> Any:
            read.append(what)
            return _ask(own, what, *a, **more)

        monkeypatch.setattr(kind, method, spied)
    found = segments.count(office, "silent")
    with stage.db.read() as tx:
        run_columns.counted(tx, 1, everybody(stage))
    assert not {"deed_columns_of", "run_columns_of", "segment_column", "sends_of", "counted_among"} & {*read}
    stage.receipt(other, Kind.CLICKED)
    assert segments.count(office, "silent") == found - 1 and "sends_of" in read, "who is due is asked"
    stage.passes("1m")
    assert segments.count(office, "silent") == found - 1
    stage.receipt(one, Kind.CLICKED)
    stage.passes("1m")
    assert segments.count(office, "silent") == found - 1
    check(stage)
    list(asked.drop(office))
    assert segments.count(office, "silent") == found - 1


def test_how_people_react_stays_in_memory_until_somebody_is_counted_anew(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, office = office
    list(asked.refresh(office))
    cascade, read = drawn("sale", SALE), list[int]()
    sample, standing = store_reactions._sample, store_reactions._standing

    def spied(tx: Transaction, cascade_id: int) -> Sample:
        read.append(cascade_id)
        return sample(tx, cascade_id)

    monkeypatch.setattr(store_reactions, "_sample", spied)

    def check(*, anew: bool) -> None:
        read.clear()
        told = reactions(office, "sale", cascade)
        assert bool(read) == anew and told.people
        monkeypatch.setattr(store_reactions, "_standing", lambda tx: None)
        assert reactions(office, "sale", cascade) == told
        monkeypatch.setattr(store_reactions, "_standing", standing)

    check(anew=True)
    check(anew=False)
    person = next(each for each in everybody(stage) if stage.sent(each))
    stage.receipt(person, Kind.CLICKED)
    stage.passes("1m")
    check(anew=True)
    check(anew=False)
    (run,) = stage.runs(person)
    with stage.db.write() as tx:
        courses.due(tx, [(person, run.id)])
    check(anew=True)
    check(anew=True)
    stage.passes("1m")
    check(anew=True)
    check(anew=False)
    stage.person("one more")
    check(anew=True)
    list(asked.drop(office))
    check(anew=True)
    check(anew=True)


def test_columns_that_nobody_asks_for_are_dropped(office: tuple[Stage, Office]) -> None:
    stage, office = office
    list(asked.refresh(office))
    office.write(counted_anew(stage, everybody(stage)[0], 500))
    with stage.db.read() as tx:
        assert run_blocks.standing(tx).kept and tx.all("touched_runs")
    list(asked.drop(office))
    office.write(counted_anew(stage, everybody(stage)[0], 600))
    with stage.db.read() as tx:
        assert not run_blocks.standing(tx).kept and not tx.all("touched_runs")
        assert tx.among("run_columns_of", [0], cascade_id=1) == []
    check(stage)


def test_reports_of_a_segment_are_those_of_its_people(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, office = office
    segments.create(office, "all", 'reachable("any")')
    stage.event(everybody(stage)[0], "purchase", amount=100)
    stage.passes("8d")
    whole, measured = reports.report(office, "sale").report, uplift.measure(office, "sale")
    list(asked.refresh(office))
    monkeypatch.setattr("kaskad.analytics.uplift.LOOKED_AT", 5)
    among = Among(segment="all")
    assert reports.report(office, "sale", among).report == whole
    told = uplift.measure(office, "sale", among)
    assert (told.effect, told.worth, told.steps) == (measured.effect, measured.worth, measured.steps)
    assert (told.touched.looked_at, told.pace) == (5, measured.pace)
    assert told.effect.one.of + told.effect.other.of == COUNT


def test_what_people_did_once_more_is_known_by_columns(office: tuple[Stage, Office]) -> None:
    stage, office = office
    person = next(each for each in everybody(stage) if stage.sent(each))
    segments.create(office, "lively", 'cascade("sale").opened(1h)')
    stage.receipt(person, Kind.OPENED)
    stage.passes("30m")
    list(asked.refresh(office))
    assert segments.count(office, "lively") == 1
    stage.passes("40m")
    assert segments.count(office, "lively") == 0
    list(asked.refresh(office))
    stage.receipt(person, Kind.OPENED)
    stage.works()
    with stage.db.read() as tx:
        assert deed_columns.Deeds(tx).doers("sale", "opened", 0, stage.clock.now()) is not None
    assert segments.count(office, "lively") == 1
    list(asked.refresh(office))
    assert segments.count(office, "lively") == 1


def test_who_is_asked_as_they_stand_is_looked_up_once(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, office = office
    list(asked.refresh(office))
    seen: list[int] = []
    waiting = courses.waiting
    monkeypatch.setattr(courses, "waiting", lambda tx, most: seen.append(most) or waiting(tx, most))
    segments.create(office, "both", 'cascade("sale").entered(9d) and not cascade("sale").clicked(1d)')
    assert segments.count(office, "both") == COUNT and seen
    before = len(seen)
    assert segments.count(office, "both") == COUNT and len(seen) == before + 1
