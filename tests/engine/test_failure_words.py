"""Why messages failed, in the words of those who refused them."""

from msgspec.structs import replace

from kaskad.analytics.reach import report
from kaskad.cli.screens.run import _reasons
from kaskad.domain.definition import to_cascade
from kaskad.domain.terms import Kind, Reason
from kaskad.store.db import Database
from support.stage import Stage, accepted, refused

TEXT = """
cascade: ring
title: Ring
class: service
trigger: {event: left}
steps:
  - {id: sms, channel: sms, text: t, wait: 2h}
  - {id: chat, channel: telegram, text: t, wait: 2h}
"""


def test_a_failure_is_told_by_the_providers_own_code_or_words(either: Database) -> None:
    stage = Stage(either)
    codes = iter(["486", "486", ""])
    stage.answer = lambda parcel: (
        replace(refused(parcel, stage.clock.now(), Reason.OTHER), code=next(codes), detail="busy")
        if parcel.step == 0
        else accepted(parcel, stage.clock.now())
    )
    cascade_id = stage.cascade(TEXT)
    people = [stage.person(f"p{n}") for n in range(3)]
    for person in people:
        stage.event(person, "left")
    stage.receipt(people[0], Kind.BOUNCED, value='{"reason": "invalid_address", "code": "550"}')
    stage.receipt(people[1], Kind.FAILED)
    with either.read() as tx:
        made = report(tx, cascade_id, to_cascade(TEXT, name="ring"), stage.clock.now())
    assert made.failure_words == {
        "sms": {"other": {"486": 2, "busy": 1}},
        "chat": {"invalid_address": {"550": 1}},
    }
    shown = _reasons(made.failures, made.failure_words)
    assert shown.startswith("sms 3 other (2 486, 1 busy); chat 1 ")
    assert "1 invalid address (550)" in shown and shown.count("1 other") == 1
