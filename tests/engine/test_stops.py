"""Stops in free text: they count at once, and a person looks at each."""

import pytest

from kaskad.actions import stops
from kaskad.domain.consent import ConsentRow, may
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.terms import Channel, MessageClass
from kaskad.store import cards
from kaskad.store.stops import Verdict
from support.marked import staged

PHONE = "+77000000001"
TEXT = """
cascade: offers
class: advertising
holdout: 0%
trigger: {event: sale}
steps: [{id: sms, channel: sms, text: t, wait: 9d}]
"""


@pytest.fixture
def stage(either):
    made, rooms = staged(either)
    made.office = rooms
    made.cascade(TEXT)
    made.ann = made.person("ann", [Channel.SMS], addresses={Channel.SMS: PHONE})
    return made


def allowed(stage, message_class=MessageClass.ADVERTISING, channel=Channel.SMS):
    with stage.db.read() as tx:
        rows = [
            ConsentRow(
                k.granted, k.purpose, k.channels, k.topic, k.at, k.expires_at, k.proof is not None, k.brand
            )
            for k in cards.consents(tx, stage.ann)
        ]
    return may(rows, channel, message_class, "", stage.clock.now()) is None


def judged(stage, number, verdict):
    return stops.judge(stage.office, number, verdict, "eva")


def test_a_stop_in_other_words_counts_and_waits_to_be_looked_at(stage):
    stage.says(Channel.SMS, PHONE, "СТОП")
    assert stops.listing(stage.office, after=0, limit=9) == [], "the bare word needs no look"
    stage.passes("1m")
    stage.says(Channel.SMS, PHONE, "START")
    stage.passes("1m")
    stage.says(Channel.SMS, PHONE, "Не пишите мне после девяти, пожалуйста")
    assert not allowed(stage) and not allowed(stage, MessageClass.SERVICE)
    (stop,) = stops.listing(stage.office, after=0, limit=9)
    assert (stop.contact_id, stop.verdict) == (stage.ann, Verdict.OPEN) and "после девяти" in stop.said
    assert stop.channels == 1 << Channel.SMS.code | 1 << Channel.ROBOT_CALL.code
    stage.passes("1m")
    assert judged(stage, stop.id, Verdict.UNDONE).looked_by == "eva"
    assert (
        allowed(stage) and allowed(stage, MessageClass.SERVICE) and allowed(stage, MessageClass.TRANSACTIONAL)
    )
    assert stops.listing(stage.office, after=0, limit=9) == []
    assert len(stops.listing(stage.office, after=0, limit=9, everything=True)) == 1
    with stage.db.read() as tx:
        last = cards.consents(tx, stage.ann)[-1]
    assert last.proof["again"]["operator"] == "eva" or last.proof["operator"] == "eva"
    with pytest.raises(Conflict, match="eva has looked"):
        judged(stage, stop.id, Verdict.STANDS)
    with pytest.raises(NotFound):
        judged(stage, 99, Verdict.STANDS)


def test_what_is_undone_gives_back_no_more_than_there_was(stage):
    bob = stage.person("bob", [Channel.SMS], addresses={Channel.SMS: "+77000000002"}, consented=False)
    stage.says(Channel.SMS, "+77000000002", "please stop texting at night")
    (stop,) = stops.listing(stage.office, after=0, limit=9)
    stage.passes("1m")
    stage.ann = bob
    judged(stage, stop.id, Verdict.UNDONE)
    assert not allowed(stage) and allowed(stage, MessageClass.SERVICE)
    stage.says(Channel.SMS, "+77000000002", "STOP")
    stage.passes("1m")
    assert not allowed(stage, MessageClass.SERVICE)


def test_a_later_stop_stays_when_an_earlier_one_is_undone(stage):
    stage.says(Channel.SMS, PHONE, "please do not text me at night")
    (stop,) = stops.listing(stage.office, after=0, limit=9)
    stage.passes("1m")
    stage.says(Channel.SMS, PHONE, "STOP")
    stage.passes("1m")
    judged(stage, stop.id, Verdict.UNDONE)
    assert not allowed(stage) and not allowed(stage, MessageClass.SERVICE)


def test_a_stop_that_stands_changes_nothing(stage):
    stage.says(Channel.SMS, PHONE, "уберите меня, отпишите меня из базы")
    (stop,) = stops.listing(stage.office, after=0, limit=9)
    stage.passes("1m")
    judged(stage, stop.id, Verdict.STANDS)
    assert not allowed(stage)
