"""The inbox: what people write is in a thread, answered once by an ordinary run, and goes with its person."""

import pytest

from kaskad.actions import erasure, threads
from kaskad.actions.threads import Filter
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.terms import Channel
from kaskad.engine import merging
from support.marked import staged

PHONE, OTHER = "+77000000001", "+77000000002"
CHAT = "990001"
TEXT = """
cascade: offers
class: service
holdout: 0%
trigger: {event: sale}
steps: [{id: sms, channel: sms, text: t, success: none, wait: 9d}]
"""


@pytest.fixture
def stage(either):
    made, made.office = staged(either)
    made.cascade(TEXT)
    made.account(Channel.TELEGRAM, "telegram")
    made.ann = made.person("ann", [], addresses={Channel.SMS: PHONE, Channel.TELEGRAM: CHAT})
    return made


def listed(stage, **more):
    return threads.listing(stage.office, Filter(**more), limit=10)[0]


def shown(stage, who="ann"):
    return threads.show(stage.office, who)


def said(conversation):
    return [(each.channel, each.author, each.said) for each in conversation.lines]


def test_what_a_person_writes_on_any_channel_lies_in_one_thread(stage):
    with pytest.raises(NotFound, match="has written nothing"):
        shown(stage)
    stage.event(stage.ann, "sale")
    stage.says(Channel.SMS, PHONE, "How much is it?")  # answers a message of ours
    stage.passes("1m")
    stage.says(Channel.TELEGRAM, CHAT, "Hello?")  # answers none
    found = shown(stage)
    assert said(found) == [("sms", "", "How much is it?"), ("telegram", "", "Hello?")]
    assert found.channels == ["telegram", "sms"] and found.view.thread.unread == 2
    (one,) = listed(stage, unread=True)
    assert (one.id, one.channel, one.thread.words) == (f"con_{stage.ann}", "telegram", "Hello?")
    assert (
        [each.id for each in listed(stage, q="much IS")]
        == [one.id]
        == [each.id for each in listed(stage, q=PHONE)]
    )
    assert listed(stage, q="nothing of the kind") == []
    assert threads.waiting(stage.office)[0] == 1
    threads.change(stage.office, "ann", seen=True, assignee="eva")
    assert threads.waiting(stage.office)[0] == 0
    assert listed(stage, assignee="eva") and not listed(stage, assignee="bob")
    threads.change(stage.office, "ann", state="closed")
    assert listed(stage) == [] and listed(stage, state="closed")
    stage.passes("1m")
    stage.says(Channel.SMS, PHONE, "STOP")
    assert listed(stage) == [], "a bare stop wants no answer"
    stage.passes("1m")
    stage.says(Channel.SMS, PHONE, "Are you there?")
    (one,) = listed(stage)
    assert one.thread.unread == 1 and one.channel == "sms"


def test_a_reply_goes_once_by_the_channel_that_the_person_wrote_on(stage):
    stage.says(Channel.TELEGRAM, CHAT, "Is it there in red?")
    for _ in range(2):  # pressed twice
        found = threads.reply(stage.office, "ann", "Yes: {{ contact.name }} & <co>", "eva", key="one")
    assert [parcel.outgoing.text for parcel in stage.parcels] == ["Yes: {{ contact.name }} & <co>"]
    assert stage.parcels[0].outgoing.to == CHAT
    assert found.lines[-1].author == "eva" and found.lines[-1].state == "sent" and not found.lines[-1].why
    assert found.view.thread.assignee == "eva" and found.view.thread.unread == 0
    found = threads.reply(stage.office, "ann", "Anything else?", "eva", key="two")
    assert len(stage.parcels) == 2, "the second one does not wait for an hour"
    with pytest.raises(Invalid, match="has not written on sms"):
        threads.reply(stage.office, "ann", "x", "eva", key="three", channel="sms")
    stage.passes("1m")
    stage.says(Channel.TELEGRAM, CHAT, "No, thank you")
    assert said(shown(stage))[-1] == ("telegram", "", "No, thank you")


def test_who_has_refused_is_answered_only_what_they_asked(stage):
    stage.says(Channel.SMS, PHONE, "STOP")
    stage.passes("1m")
    found = threads.reply(stage.office, "ann", "Why?", "eva", key="one")
    assert stage.parcels == [] and (found.lines[-1].state, found.lines[-1].why) == ("skipped", "no_consent")
    stage.passes("1m")
    stage.says(Channel.SMS, PHONE, "Where is my order?")
    found = threads.reply(stage.office, "ann", "On its way", "eva", key="two")
    assert [parcel.outgoing.text for parcel in stage.parcels] == ["On its way"]
    stage.passes("25h")
    found = threads.reply(stage.office, "ann", "Has it come?", "eva", key="three")
    assert found.lines[-1].why == "no_consent" and len(stage.parcels) == 1


def test_a_thread_goes_with_its_person_and_with_time(stage):
    bob = stage.person("bob", [], addresses={Channel.SMS: OTHER})
    stage.says(Channel.SMS, PHONE, "From Ann")
    stage.passes("1m")
    stage.says(Channel.SMS, OTHER, "From Bob")
    stage.office.write(lambda tx: merging.merge(tx, stage.world, stage.ann, bob, "eva", stage.clock.now()))
    found = shown(stage)
    assert [each.said for each in found.lines] == ["From Ann", "From Bob"]
    assert found.view.thread.unread == 2 and found.view.thread.words == "From Bob"
    erasure.erase(stage.office, "ann", "eva")
    assert stage.rows("thread", contact_id=stage.ann) == [] == listed(stage)
    assert stage.rows("newest_thread_texts", limit=9) == []
