"""Alarms of accounts that do not take what they are asked to, also where several processes send by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from engine.test_guards import directly
from kaskad.actions import alarm_book
from kaskad.actions.alarms import alarms
from kaskad.actions.office import Office
from kaskad.domain.terms import Reason
from kaskad.engine.parcel import Parcel
from kaskad.store.db import Database
from support.postgres import clear
from support.stage import Stage, accepted, refused

TEXT = """
cascade: basket
title: Basket
class: service
trigger: {event: left}
steps: [{id: sms, channel: sms, text: t, wait: 2h}]
"""
ACCOUNTS = ("account_down", "account_silent")


def of_accounts(office: Office) -> list[str]:
    """Return what there is to say of accounts."""
    return [each.kind for each in alarms(office) if each.kind in ACCOUNTS]


def told(office: Office) -> list[tuple[str, bool]]:
    """Return the alarms of accounts that were ever raised, and whether each is over."""
    raised = [book.alarm for book in alarm_book.listing(office, before=2**60, limit=99)]
    return [(one.kind, one.over_at is not None) for one in raised if one.kind in ACCOUNTS]


def begin(stage: Stage, people: int) -> None:
    persons = [stage.person(f"p{stage.clock.now()}-{number}") for number in range(people)]
    stage.deliver(events=[stage.told(person, "left") for person in persons])


def give_up(stage: Stage, parcels: Sequence[Parcel]) -> None:
    """Let the answers to these be lost."""
    now = stage.clock.now()
    stage.engine.take_results([refused(one, now, Reason.AMBIGUOUS, proven=False) for one in parcels])
    stage.works()


@pytest.fixture
def hangs(db: Database) -> Stage:
    """A stage whose account answers nothing, with slots left."""
    stage = Stage(db)
    stage.cascade(TEXT)
    stage.answer = lambda parcel: None
    return stage


def test_an_account_that_hangs_is_told_of_before_anything_has_failed(hangs):
    office = directly(hangs)
    begin(hangs, 2)
    hangs.clock.at += 29_000
    assert of_accounts(office) == []
    hangs.clock.at += 1_000
    assert of_accounts(office) == ["account_silent"]
    hangs.engine.take_results([accepted(hangs.parcels[0], hangs.clock.now())])
    hangs.works()
    assert of_accounts(office) == []


def test_an_account_that_hangs_stays_told_of_while_what_it_is_asked_for_is_given_up(hangs):
    office = directly(hangs)
    begin(hangs, 2)
    for _ in range(3):
        hangs.clock.at += 30_000
        lost = hangs.parcels[-2:]
        give_up(hangs, lost)
        begin(hangs, 2)
        assert len(of_accounts(office)) == 1


def test_an_account_that_nobody_asks_is_not_told_of(hangs):
    office = directly(hangs)
    begin(hangs, 1)
    give_up(hangs, hangs.parcels)
    hangs.clock.at += 3_600_000
    begin(hangs, 1)
    assert of_accounts(office) == []


def test_an_account_that_is_down_stays_told_of_while_a_message_tries_it(hangs):
    office = directly(hangs)
    hangs.answer = lambda parcel: refused(parcel, hangs.clock.now(), Reason.TRANSIENT)
    begin(hangs, 5)
    alarm_book.sync(office)
    hangs.answer = lambda parcel: None
    hangs.passes("30s")
    assert hangs.world.traffic.limits[hangs.parcels[0].account_id].breaker.probing
    alarm_book.sync(office)
    assert told(office) == [("account_down", False)]


@pytest.fixture
def several(postgres_db: Database) -> Iterator[Database]:
    """A database of several processes, empty again after the test."""
    yield postgres_db
    clear(postgres_db)


def test_an_account_that_is_down_to_one_process_is_told_of_once_by_all(several):
    first = Stage(several)
    first.cascade(TEXT)
    first.answer = lambda parcel: refused(parcel, first.clock.now(), Reason.TRANSIENT)
    offices = [directly(first), directly(first.beside(several))]
    begin(first, 5)
    for _ in range(3):
        for office in offices:
            alarm_book.sync(office)
            assert of_accounts(office) == ["account_down"]
        first.clock.at += 15_000
    assert told(offices[0]) == [("account_down", False)]
    first.answer = lambda parcel: accepted(parcel, first.clock.now())
    first.passes("2m")
    for office in reversed(offices):
        alarm_book.sync(office)
    assert told(offices[0]) == [("account_down", True)]
    assert [of_accounts(office) for office in offices] == [[], []]
