"""Who is told by two names is the same person by either."""

import pytest

from kaskad.domain.terms import Channel, Kind
from kaskad.engine.ingest import Ingest
from kaskad.providers.base import Inbound
from support.stage import Stage

CASCADE = """
cascade: chats
class: service
trigger: {event: went, key: number}
reentry: parallel_by_key
goal: {event: bought}
steps:
  - {id: chat, channel: whatsapp, text: one, success: replied, wait: 2h}
"""
NUMBER, HIDDEN = "+77010000001", "KZ.13491208655302741918"


@pytest.fixture
def stage(either):
    stage = Stage(either)
    stage.cascade(CASCADE)
    return stage


def writes(stage, address, also=""):
    told = Inbound(channel=Channel.WHATSAPP, address=address, kind=Kind.REPLIED, text="hello", also=also,
                   at=stage.clock.now(), raw=f"{address}{also}".encode())  # fmt: skip
    account = stage.world.accounts.by_name["whatsapp"]
    Ingest(stage.engine, stage.db).receipts(account, [told], {}, b"{}", None)
    stage.works()


def known(stage, person):
    with stage.db.write() as tx:
        return {row[2] for row in tx.among("look_addresses", [person]) if row[1] == Channel.WHATSAPP.code}


def test_who_hides_the_number_later_is_still_the_same_person(stage):
    ann = stage.person("ann", addresses={Channel.WHATSAPP: NUMBER})
    writes(stage, NUMBER, also=HIDDEN)
    assert known(stage, ann) == {NUMBER, HIDDEN}
    stage.event(ann, "went", number=1)
    writes(stage, HIDDEN)
    assert stage.outcome(ann) == "responded"


def test_the_number_is_still_what_is_written_to(stage):
    ann = stage.person("ann", addresses={Channel.WHATSAPP: NUMBER})
    writes(stage, NUMBER, also=HIDDEN)
    stage.event(ann, "went", number=1)
    assert [parcel.outgoing.to for parcel in stage.parcels] == [NUMBER]


def test_a_name_that_is_somebodys_is_nobody_elses(stage):
    ann = stage.person("ann", addresses={Channel.WHATSAPP: NUMBER})
    bob = stage.person("bob", addresses={Channel.WHATSAPP: HIDDEN})
    writes(stage, NUMBER, also=HIDDEN)
    assert (known(stage, ann), known(stage, bob)) == ({NUMBER}, {HIDDEN})


def test_a_stranger_gets_no_name(stage):
    writes(stage, "+77010000009", also=HIDDEN)
    ann = stage.person("ann", addresses={Channel.WHATSAPP: NUMBER})
    assert known(stage, ann) == {NUMBER}
