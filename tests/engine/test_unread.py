"""A version whose stored text no longer reads keeps its own people waiting, and nobody else."""

import pytest
from msgspec import structs

from kaskad.domain.errors import Invalid
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Kind, Outcome
from kaskad.engine import catalog, unread
from kaskad.engine.catalog import POLICY
from kaskad.store import set_aside, settings
from support.stage import VAULT, Stage

CASCADE = """
cascade: {name}
title: Plain
class: service
trigger: {{event: {event}}}
goal: {{event: bought}}
steps:
  - {{id: letter, channel: email, subject: Hello, text: Hello, wait: 1d, success: opened}}
  - {{id: sms, channel: sms, text: Hello, wait: 1d}}
"""
FIRST, SECOND = CASCADE.format(name="first", event="joined"), CASCADE.format(name="second", event="asked")
DAMAGE = pytest.mark.parametrize("text", ["cascade: first\nsteps: later", "{", "", "\x01"])


def damage(stage, text, slug="first"):
    """Let the text of a cascade's versions be another one."""
    with stage.db.write() as tx:
        tx.script(
            f"UPDATE versions SET source = '{text}'"
            f" WHERE cascade_id IN (SELECT id FROM cascades WHERE slug = '{slug}')"
        )


def started(db):
    """Let one person be in each of two cascades, another in both."""
    stage = Stage(db)
    stage.cascade(FIRST)
    stage.cascade(SECOND)
    ann, bob = stage.person("ann"), stage.person("bob")
    stage.event(ann, "joined")
    stage.event(bob, "asked")
    return stage, ann, bob


def steps(stage, contact_id):
    """Return the steps that were sent to a person, by their numbers: names are what does not read."""
    return [parcel.step for parcel in stage.parcels if parcel.contact_id == contact_id]


@DAMAGE
def test_the_engine_starts_and_all_other_cascades_go_on(either, text):
    if text == "\x01" and either.dialect == "postgresql":
        text = "\t"
    stage, ann, bob = started(either)
    damage(stage, text)
    stage.restart()
    (one,) = stage.world.versions.unread.values()
    assert (one.slug, one.number) == ("first", 1) and one.why
    stage.passes("2d")
    assert steps(stage, bob) == [0, 1] and steps(stage, ann) == [0]
    assert stage.run(ann).outcome is None and stage.run(ann).wake_at > stage.clock.now()
    stage.event(stage.person("eve"), "joined")  # kept; nobody can tell whom it concerns
    assert stage.engine.problem() is None


def test_a_reload_that_cannot_read_a_version_goes_on_too(either):
    stage, ann, bob = started(either)
    damage(stage, "later")
    with stage.db.write() as tx:  # so that all versions are made anew
        settings.put(tx, POLICY, structs.replace(Policy.unlimited(), zone="Asia/Almaty"))
    with stage.db.write() as tx:
        catalog.load(tx, VAULT, stage.world)
    stage.passes("2d")
    assert steps(stage, bob) == [0, 1] and steps(stage, ann) == [0]
    with pytest.raises(Invalid, match="Version 1 of 'first' does not read"):
        stage.world.versions[stage.run(ann).version_id]


def test_what_is_told_of_people_who_wait_is_set_aside_and_counts_once_it_reads(either):
    stage, ann, bob = started(either)
    damage(stage, "later")
    stage.restart()
    stage.deliver(events=[stage.told(ann, "bought"), stage.told(bob, "bought")]).result()
    stage.receipt(ann, Kind.UNSUBSCRIBED)
    assert stage.outcome(bob) == "converted" and stage.outcome(ann) is None
    with stage.db.read() as tx:
        kept = set_aside.page(tx, after=0, limit=10)
    assert [each.contact_id for each in kept] == [ann, ann] and kept[0].defect == "first/1 does not read"
    stage.event(ann, "asked")
    stage.passes("2d")
    assert steps(stage, ann) == [0], "it may have been a no: no other cascade writes either"
    damage(stage, FIRST)
    stage.restart()
    stage.engine.start()
    stage.engine.stop()
    assert stage.runs(ann)[0].outcome == Outcome.CONVERTED.code


def test_runs_that_waited_go_on_within_the_hour(either):
    stage, ann, _ = started(either)
    damage(stage, "later")
    stage.restart()
    stage.passes("25h")
    damage(stage, FIRST)
    stage.restart()
    stage.passes(f"{unread.LOOK_MS // 1000}s")
    assert steps(stage, ann) == [0, 1]


def test_a_message_that_waited_for_its_account_waits_on(either):
    stage = Stage(either)
    stage.cascade(FIRST)
    stage.answer = lambda parcel: None  # and takes none besides
    people = [stage.person(f"p{n}") for n in range(2)]
    stage.world.traffic.limits[1].change(1, 1e6, 1)
    for who in people:
        stage.event(who, "joined")
    damage(stage, "later")
    stage.restart()
    before = stage.engine.ticks
    stage.passes("3h")
    assert stage.engine.ticks - before < 100 and stage.engine.problem() is None


def test_of_people_who_had_been_in_it_all_is_heard(either):
    stage, ann, _ = started(either)
    stage.cascade(SECOND)
    stage.receipt(ann, Kind.OPENED)
    assert stage.outcome(ann) == "responded"
    damage(stage, "later")
    stage.restart()
    stage.event(ann, "asked")
    assert steps(stage, ann) == [0, 0]
    stage.deliver(events=[stage.told(ann, "bought")]).result()
    with stage.db.read() as tx:
        assert not set_aside.count(tx)
