"""A message that waits for a slot is not forgotten when somebody better placed takes the slot."""

from kaskad.engine.receive import Delivery
from support.stage import Stage, accepted

CASCADE = """
cascade: {0}
title: Queue
class: {0}
trigger: {{event: {0}}}
goal: {{event: bought}}
steps:
  - {{id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}}
"""


def test_what_loses_its_slot_to_a_better_lane_is_sent_later(db):
    stage = Stage(db, account_each={"limits": {"concurrency": 2, "per_second": 1e6, "burst": 1000}})
    stage.cascade(CASCADE.format("service"))
    stage.cascade(CASCADE.format("transactional"))
    stage.answer = lambda parcel: None  # every slot stays taken until we say otherwise
    waiting = [stage.person(f"p{n}") for n in range(6)]
    for person in waiting:
        stage.event(person, "service")
    assert len(stage.parcels) == 2
    hasty = [stage.person(f"h{n}") for n in range(4)]
    for number, person in enumerate(hasty):  # a slot falls free in the very tick in which they come
        stage.engine._results.append(accepted(stage.parcels[number], stage.clock.now()))
        stage.engine._deliveries.append(Delivery(None, events=[stage.told(person, "transactional")]))
        stage.works()
    assert [parcel.contact_id for parcel in stage.parcels[2:]] == hasty
    for number in range(4, 10):
        stage.engine.take_results([accepted(stage.parcels[number], stage.clock.now())])
        stage.works()
    assert sorted(parcel.contact_id for parcel in stage.parcels) == sorted(waiting + hasty)
