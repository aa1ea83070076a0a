"""Who opened and clicked: doubtful clicks, second signals, crowds, and verdicts that change."""

import pytest

from kaskad.analytics.courses import tally
from kaskad.analytics.measures import measured, of_lines, seen
from kaskad.analytics.reach import report
from kaskad.analytics.scope import EVERYTHING
from kaskad.domain.machine import CROWD, Ranges
from kaskad.domain.site import Site
from kaskad.domain.terms import Kind
from kaskad.domain.tokens import BEACON, FORM, BadToken
from kaskad.engine.hits import judge_again
from kaskad.engine.ingest import Ingest
from support.scenarios import GENERAL, URL, begun
from support.stage import Stage

PERSON = {"agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)", "ip": "203.0.113.7"}
GATEWAY = {"agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0", "ip": "192.0.2.9"}
CARTS = GENERAL.replace(
    "wait: [{unless: opened, for: 24h}, {unless: clicked, for: 4h, from: opened}]", "wait: 1h"
)


def judged_again(stage, *, change=True):
    """Judge everything again as the command does, and let the engine take what is new."""
    with stage.db.write() as tx:
        rows = tx.all("judged_messages", contact_id=0, run_id=0, step=0, since=0, limit=100)
        told, arrivals = judge_again(tx, stage.world, [tuple(row) for row in rows], change=change)
    stage.deliver(arrivals=arrivals)
    return told


def actors(stage, ann):
    run = stage.run(ann)
    rows = stage.rows("hits_of_message", contact_id=ann, run_id=run.id, step=0)
    return [(row[3], row[6], row[8]) for row in rows]


def test_a_doubtful_click_holds_for_a_quarter_of_an_hour_and_is_silence_then(either):
    stage = Stage(either)
    ann = begun(stage, CARTS)
    stage.hits(ann, 0, **GATEWAY)  # within five seconds of sending
    stage.passes("3590s")
    assert actors(stage, ann) == [(0, "suspected_machine", "instant")]
    stage.passes("20s")
    assert stage.sent(ann) == ["letter", "chat"] and stage.outcome(ann) is None
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2, url=URL)
    stage.passes("59m")
    stage.hits(bob, 0, agent="Mozilla/5.0", ip="203.0.113.7")
    stage.passes("14m")
    assert stage.sent(bob) == ["letter"]
    stage.passes("2m")
    assert stage.sent(bob) == ["letter", "chat"]


@pytest.mark.parametrize("signal", [BEACON, FORM])
def test_a_page_that_is_shown_or_a_form_makes_it_a_person(db, signal):
    stage = Stage(db)
    ann = begun(stage, CARTS)
    stage.world.set_sites([Site(1, "shop", "pk_1", ("https://shop.example.org",), "s", 60)])
    stage.passes("30s")
    stage.hits(ann, 0, agent="Mozilla/5.0", ip="203.0.113.7")
    stage.passes("3s")
    stage.hits(ann, signal, method="POST", **PERSON)
    stage.passes("6s")
    assert stage.outcome(ann) is None
    stage.passes("2s")
    assert stage.outcome(ann) == "responded"
    stage.passes("1h")
    assert stage.sent(ann) == ["letter"]


def test_a_click_to_a_page_of_a_site_without_a_beacon_is_a_point(db):
    stage = Stage(db)
    ann = begun(stage, CARTS)
    stage.world.set_sites([Site(1, "shop", "pk_1", ("https://shop.example.org",), "s", 60)])
    stage.passes("30s")
    stage.hits(ann, 0, **PERSON)
    stage.passes("40s")
    assert actors(stage, ann) == [(0, "suspected_machine", "soon no_beacon")]


def test_an_address_that_clicks_for_ten_people_is_seen_also_afterwards(either):
    stage = Stage(either)
    stage.cascade(CARTS)
    people = [stage.person(f"p{number}") for number in range(CROWD)]
    for number, who in enumerate(people):
        stage.event(who, "left", cart_id=number, url=URL)
    stage.passes("10m")
    for who in people:
        stage.hits(who, 0, **GATEWAY)
        stage.passes("6s")
    stage.passes("15s")
    assert [actors(stage, who)[0][1:] for who in people] == [("suspected_machine", "crowded_ip")] * CROWD
    # those who were judged before there was a crowd had ended as people; they are told to have been silent
    assert {stage.outcome(who) for who in people} == {"exhausted", None}
    assert all(stage.sent(who) == ["letter"] for who in people if stage.outcome(who))


def test_verdicts_that_change_correct_what_was_kept_and_send_nothing(either):
    stage = Stage(either)
    ann = begun(stage, CARTS)
    stage.passes("20m")
    stage.hits(ann, -1, 0, **GATEWAY)
    stage.passes("20s")
    assert stage.outcome(ann) == "responded" and stage.states(ann) == {"letter": "read"}
    before = judged_again(stage)
    assert (before.changed, before.facts) == ({}, 0)

    stage.world.ranges = Ranges({"relay": ["192.0.2.0/24"], "scanner": []})
    dry = judged_again(stage, change=False)
    assert dry.changed == {"human -> machine": 1, "human -> suspected_machine": 1}
    assert stage.outcome(ann) == "responded"
    told = judged_again(stage)
    assert told.changed == dry.changed and told.outcomes == {"responded -> exhausted": 1}
    assert stage.outcome(ann) == "exhausted" and stage.states(ann) == {"letter": "sent"}
    assert not stage.passages(ann)[0].mask & (Kind.CLICKED.bit | Kind.OPENED.bit)
    assert judged_again(stage).changed == {}

    stage.world.ranges = Ranges({})
    stage.passes("1h")
    told = judged_again(stage)
    assert told.changed == {"machine -> human": 1, "suspected_machine -> human": 1}
    assert stage.outcome(ann) == "responded" and stage.run(ann).late
    assert stage.sent(ann) == ["letter"]


def test_a_live_run_goes_on_when_its_opening_was_a_machine_s(db):
    stage = Stage(db)
    ann = begun(stage)
    stage.passes("23h")
    stage.hits(ann, -1, **GATEWAY)  # a person opens: four hours for the click
    stage.passes("2h")
    assert stage.sent(ann) == ["letter"]
    stage.world.ranges = Ranges({"relay": ["192.0.2.0/24"]})
    judged_again(stage)
    assert stage.sent(ann) == ["letter", "chat"]


def test_the_report_has_people_and_machines_side_by_side(db):
    """Scenario 3: the open rate leaves out what only a machine opened, on both sides."""
    stage = Stage(db)
    cascade_id = stage.cascade(CARTS)
    people = [stage.person(f"p{number}") for number in range(4)]
    for number, who in enumerate(people):
        stage.event(who, "left", cart_id=number, url=URL)
    stage.passes("10m")
    stage.hits(people[0], -1, **PERSON)
    for who in people[:3]:
        stage.hits(who, -1, agent="Mozilla/5.0", ip="192.0.2.9")
    stage.hits(people[3], 0, method="HEAD")
    for who in people:
        stage.receipt(who, Kind.DELIVERED)
    stage.passes("1m")
    version = next(iter(stage.world.versions.values()))
    with db.read() as tx:
        line = report(tx, cascade_id, version.cascade, stage.clock.now()).lines[0]
        told = tally(tx, cascade_id, EVERYTHING)
        made = measured(told, version.cascade, seen(tx, told, {}, ""))
    rates = of_lines(made)[line.id, line.channel]
    assert (line.arrived, line.opened, line.opened_raw, line.prefetched) == (4, 1, 3, 2)
    assert (rates["open_rate"].share, rates["open_rate_raw"].share) == (1 / 2, 3 / 4)
    assert (line.clicked, line.clicked_raw) == (0, 1)
    assert (rates["ctr"].share, rates["ctr_raw"].share) == (0, 1 / 4)


def test_only_pages_of_a_site_are_told_of_their_click(db):
    stage = Stage(db)
    ann = begun(stage, CARTS)
    ingest, key = Ingest(stage.engine, db), (ann, stage.run(ann).id, 0)
    assert ingest.arrival(URL, key) == URL
    stage.world.set_sites([Site(1, "shop", "pk_1", ("https://shop.example.org",), "s", 60)])
    went = ingest.arrival(URL, key)
    assert went.startswith(f"{URL}#ksk=")
    assert stage.world.signer.read_page(went.partition("=")[2], stage.clock.now()) == key
    for now, token in ((stage.clock.now() + 90_000_000, went.partition("=")[2]), (0, "x" * 40)):
        with pytest.raises(BadToken):
            stage.world.signer.read_page(token, now)
    assert ingest.arrival("https://other.example.org/", key) == "https://other.example.org/"
