"""A report of an instant concerns what was sent to the person until then, and nothing else."""

import pytest

from kaskad.domain.terms import Channel, Kind
from kaskad.engine.ingest import Ingest
from kaskad.engine.watermark import MARGIN_MS
from kaskad.providers.base import UpTo
from kaskad.store import runs as run_store
from support.stage import Stage

CASCADE = """
cascade: chats
class: service
trigger: {event: went}
goal: {event: bought}
steps:
  - {id: one, channel: facebook_messenger, text: one, success: replied, wait: 2h}
  - {id: two, channel: facebook_messenger, text: two, success: replied, wait: 2h}
  - {id: sms, channel: sms, text: three, wait: 2h}
"""
ON_READ = CASCADE.replace("success: replied", "success: read")
ANN = "1254477777772919"


@pytest.fixture
def stage(either):
    return Stage(either)


def went(stage, text=CASCADE, name="ann", address=ANN):
    stage.cascade(text)
    return goes(stage, name, address)


def goes(stage, name, address):
    person = stage.person(name, addresses={Channel.FACEBOOK_MESSENGER: address})
    stage.event(person, "went")
    return person


def told(stage, until, kind=Kind.READ, address=ANN, account="facebook_messenger", real_time=True):
    """The service says that everything until then was read."""
    report = UpTo(channel=Channel.FACEBOOK_MESSENGER, address=address, kind=kind, until=until, raw=b"{}")
    ingest = Ingest(stage.engine, stage.db, real_time=real_time)
    ingest.receipts(stage.world.accounts.by_name[account], [report], {}, b"{}", None)
    stage.works()


def facts(stage, person, kind=Kind.READ):
    """Return the steps whose message has the fact."""
    with stage.db.write() as tx:
        (run,) = run_store.of_contacts(tx, [person])[person]
        rows = tx.all("facts_of_run", contact_id=person, run_id=run.id)
    return sorted(row[0] for row in rows if row[1] == kind.value)


def test_what_was_sent_until_then_was_read_and_what_came_later_was_not(stage):
    ann = went(stage)
    first = stage.clock.now()
    stage.passes("2h")
    assert stage.sent(ann) == ["one", "two"]
    told(stage, first)
    assert facts(stage, ann) == [0]
    told(stage, stage.clock.now())
    assert facts(stage, ann) == [0, 1]


def test_a_read_ends_the_run_as_a_report_about_the_message_would(stage):
    ann = went(stage, ON_READ)
    told(stage, stage.clock.now())
    stage.passes("24h")
    assert stage.outcome(ann) == "responded" and stage.sent(ann) == ["one"]


def test_it_counts_once_however_often_it_is_told(stage):
    ann = went(stage)
    for _ in range(3):
        told(stage, stage.clock.now())
    assert facts(stage, ann) == [0]


def test_delivery_is_told_in_the_same_way(stage):
    ann = went(stage)
    told(stage, stage.clock.now(), Kind.DELIVERED)
    assert (facts(stage, ann, Kind.DELIVERED), facts(stage, ann)) == ([0], [])


def test_clocks_may_differ_a_little(stage):
    ann = went(stage)
    told(stage, stage.clock.now() - MARGIN_MS - 1)
    assert facts(stage, ann) == []
    told(stage, stage.clock.now() - MARGIN_MS)
    assert facts(stage, ann) == [0]


def test_neither_other_people_nor_other_accounts_are_meant(stage):
    ann = went(stage)
    bob = goes(stage, "bob", "7")
    stage.account(Channel.FACEBOOK_MESSENGER, "other")
    told(stage, stage.clock.now(), account="other")
    assert facts(stage, ann) == facts(stage, bob) == []
    told(stage, stage.clock.now(), address="7")
    assert (facts(stage, ann), facts(stage, bob)) == ([], [0])
    told(stage, stage.clock.now(), address="nobody's")


def test_where_time_runs_faster_everything_until_now_is_meant(stage):
    ann = went(stage)
    told(stage, 5, real_time=False)
    assert facts(stage, ann) == [0]
