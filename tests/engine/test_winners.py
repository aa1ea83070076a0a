"""A step's best variant takes over by its rule, on the real engine; the version stays what it was."""

from collections import Counter

from kaskad.actions import winners
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.arrival import Arrival
from kaskad.store import cascades
from support.marked import staged

TEXT = """cascade: news
title: News
class: service
trigger: {broadcast: all}
reentry: {after_finish: 1h}
steps:
  - id: sms
    channel: sms
    wait: 6h
    variants: [{id: plain, text: plain}, {id: warm, text: warm}]
    winner: {by: clicked, after: 100, explore: 5%}
"""


def launched(stage, version):
    before = len(stage.parcels)
    with stage.db.write() as tx:
        cascades.launch(tx, version, None, 0, stage.clock.now())
    stage.passes("1m")
    return {parcel.contact_id: parcel for parcel in stage.parcels[before:]}


def test_the_best_variant_takes_over_and_the_version_stays(db):
    stage, office = staged(db)
    number = stage.cascade(TEXT)
    for n in range(260):
        stage.person(f"p{n}", [Channel.SMS])
    version = stage.world.cascades[number].version_id
    sent = launched(stage, version)
    now = stage.clock.now()
    stage.deliver(arrivals=[
        Arrival(p.contact_id, p.run_id, p.step, Kind.CLICKED, f"c{p.contact_id}", now, None)
        for p in sent.values() if p.outgoing.text == "warm"
    ])  # fmt: skip
    assert winners.decide(office) == 0, "nobody's time is over"
    stage.passes("P3D")
    assert winners.decide(office) == 1 and winners.decide(office) == 0, "it is decided once"

    (told,) = winners.listing(office, "news")
    assert (told.version, told.step, told.winner, told.detail.by) == (1, "sms", "warm", "clicked")
    plain, warm = told.detail.variants
    assert (plain.of + warm.of, plain.hits, warm.hits) == (260, 0, warm.of) and told.detail.least[0] > 0.5
    assert stage.rows("audit", before=2**62, since=0, who="", object="", limit=9)[0][3].endswith("/winner")
    assert stage.world.versions[version].weights == {0: (500, 9_500)}
    with db.read() as tx:
        assert cascades.version(tx, version).source == TEXT

    again = Counter(parcel.outgoing.text for parcel in launched(stage, version).values())
    assert again.total() == 260 and again["warm"] > 225 and again["plain"] > 2
