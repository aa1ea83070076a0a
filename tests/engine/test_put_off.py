"""A mail that is refused for now for whom it is to, as by greylisting, holds nobody else up."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.engine.limits import PUT_OFF
from kaskad.engine.parcel import Parcel, Result
from kaskad.providers import provider
from kaskad.providers.smtp import Reply
from support.stage import Stage, accepted, refused

LETTER = """
cascade: letters
title: Letters
class: service
trigger: {event: left}
steps: [{id: letter, channel: email, subject: s, text: t, wait: 2h}]
"""


def put_off(parcel: Parcel, at: int) -> Result:
    """The mailbox takes nothing for now."""
    return replace(refused(parcel, at, Reason.TRANSIENT), of_person=True)


@pytest.fixture
def stage(either):
    made = Stage(either)
    made.account(Channel.EMAIL, "email", limits={"concurrency": 1_000, "per_second": 1e6, "burst": 1_000})
    made.cascade(LETTER)
    return made


def people(stage: Stage, count: int) -> list[int]:
    """Let so many people get a letter, one after the other."""
    made = [stage.person(f"p{len(stage.parcels)}-{number}") for number in range(count)]
    for person in made:
        stage.event(person, "left")
    return made


def test_those_who_are_put_off_hold_nobody_up_and_are_tried_again_later(stage):
    stage.answer = lambda parcel: put_off(parcel, stage.clock.now())
    late = people(stage, 60)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    (ann,) = people(stage, 1)
    assert stage.states(ann) == {"letter": "sent"}
    stage.passes("14s")
    assert {stage.states(person)["letter"] for person in late} == {"queued"}
    stage.passes("17s")
    assert {stage.states(person)["letter"] for person in late} == {"sent"}
    assert [parcel.contact_id for parcel in stage.parcels].count(late[0]) == 2


def test_a_mailbox_that_stays_shut_is_asked_less_and_less(stage):
    stage.answer = lambda parcel: put_off(parcel, stage.clock.now())
    people(stage, 1)
    asked = []
    for _ in range(16):
        stage.passes("1m")
        asked.append(len(stage.parcels))
    assert asked[-1] <= 7, "at 0, half a minute, 1, 2, 4, 8 more"


def test_where_everybody_is_put_off_and_nobody_is_taken_the_backup_takes_over(stage):
    backup = stage.account(Channel.EMAIL, "backup", priority=9)
    stage.answer = lambda parcel: (accepted if parcel.account_id == backup else put_off)(
        parcel, stage.clock.now()
    )
    people(stage, PUT_OFF)
    assert backup not in {parcel.account_id for parcel in stage.parcels}
    people(stage, 6)
    assert stage.parcels[-1].account_id == backup
    stage.passes("2m")
    assert all(stage.states(parcel.contact_id) == {"letter": "sent"} for parcel in stage.parcels)


def test_those_who_are_put_off_are_no_row_where_others_are_taken(stage):
    backup = stage.account(Channel.EMAIL, "backup", priority=9)
    for _ in range(4):
        stage.answer = lambda parcel: put_off(parcel, stage.clock.now())
        people(stage, PUT_OFF // 2)
        stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
        people(stage, 1)
    assert backup not in {parcel.account_id for parcel in stage.parcels}


@pytest.mark.parametrize(
    ("code", "text", "of_person"),
    [
        (450, "4.2.0 <ann@example.org>: Recipient address rejected: Greylisted", True),
        (451, "4.7.1 Greylisting in action, please come back in 00:05:00", True),
        (451, "Temporarily greylisted", True),
        (452, "4.2.2 over quota", True),
        (450, "mailbox busy", True),
        (450, "4.1.1 unverified address: the server of its domain does not answer", True),
        (450, "4.1.8 sender address rejected: domain not found", False),
        (450, "4.3.2 service currently unavailable", False),
        (451, "4.3.0 local error", False),
        (452, "4.3.1 insufficient storage", False),
        (451, "4.7.1 try again later", False),
        (421, "4.2.1 greylisted", False),
        (450, "4.7.28 too many", False),
        (550, "5.1.1 nobody", False),
    ],
)
def test_what_is_said_of_one_mailbox_is_told_from_what_is_said_of_the_server(code, text, of_person):
    for to_person in (True, False):
        with pytest.raises(SendError) as told:
            provider("smtp").read_reply(Reply(code, text, to_person=to_person))
        assert told.value.of_person is (of_person and to_person)
