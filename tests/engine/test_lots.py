"""Lots that do not fall as they should: where little can be said of them, and of which people they are."""

from collections import Counter

import pytest

from engine.test_winners import TEXT, TRIED, entered, launched, of_lots
from kaskad.actions import alarm_book, lots, migrating, trials, uplift, winners
from kaskad.analytics import changed
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.trials import Rule
from kaskad.engine.arrival import Arrival
from kaskad.store import cascades, courses
from support.marked import staged

LOST = TEXT.replace("text: warm", 'text: "{{ contact.nick }}"')


def activated(stage, text):
    number = stage.cascade(text)
    return stage.world.cascades[number].version_id


def people(stage, count, name="p", nameless=2):
    """Let so many people be there, every so many of them without a nick; 0: none."""
    return [
        stage.person(
            f"{name}{n}", [Channel.SMS], attributes={} if nameless and n % nameless == 0 else {"nick": "warm"}
        )
        for n in range(count)
    ]


def warmed(stage, version):
    """Launch a version, and let the warm text be clicked by all who got it."""
    sent, now = launched(stage, version), stage.clock.now()
    stage.deliver(arrivals=[
        Arrival(p.contact_id, p.run_id, p.step, Kind.CLICKED, f"c{p.contact_id}", now, None)
        for p in sent.values() if p.outgoing.text == "warm"
    ])  # fmt: skip
    return sent


def tried(stage, office):
    stage.cascade(TRIED % "old")
    with stage.db.write() as tx:
        row = cascades.by_slug(tx, "basket")
        cascades.freeze_version(tx, row.id, TRIED % "new", stage.clock.now())
    stage.engine._load()
    trials.start(office, "basket", {2: 5_000}, rule=Rule("goal", 100))
    stage.passes("1h")
    return row.version_id


def looked(office):
    """Look at all lots and keep the alarms; return those of lots."""
    lots.look(office)
    alarm_book.sync(office)
    return of_lots(office)


def test_an_alarm_stands_while_so_much_changes_that_nothing_can_be_said(db, monkeypatch):
    stage, office = staged(db)
    version = activated(stage, LOST)
    people(stage, 520)
    launched(stage, version)
    tried(stage, office)
    entered(stage, entrants := people(stage, 240, "t"), lambda version: 40)
    assert migrating.migrate(office, "basket", 1, {}, dry_run=False).moved > 20
    stage.passes("P3D")
    found = looked(office)
    assert [kind for kind, *_ in found] == ["uneven", "uneven_trial"]

    one = stage.runs(entrants[0])[-1]
    with stage.db.write() as tx:
        courses.due(tx, [(one.contact_id, one.id)])
    with monkeypatch.context() as little:
        little.setattr(changed, "CORRECTED", 0)  # a large launch is under way, somewhere
        little.setattr(lots, "LOOKED", 0)
        assert looked(office) == found
    stage.works()
    assert looked(office) == found
    books = alarm_book.listing(office, before=2**62, limit=9)
    assert sorted(each.alarm.kind for each in books) == ["uneven", "uneven_trial"], "raised once each"
    assert not any(each.alarm.over_at for each in books)


def test_a_site_that_is_never_done_with_counting_hears_of_a_lot_that_is_off(db, monkeypatch):
    stage, office = staged(db)
    version = activated(stage, LOST)
    monkeypatch.setattr(stage, "_is_counted", lambda: None)
    monkeypatch.setattr(changed, "CORRECTED", 3)
    people(stage, 520)
    launched(stage, version)
    stage.passes("P3D")
    with monkeypatch.context() as more:
        more.setattr(lots, "LOOKED", 3)  # but not of one of which too much is not known
        assert looked(office) == []
    assert [name for _, name, _ in looked(office)] == ["news/sms"]


def test_one_cascade_that_cannot_be_looked_at_stops_no_other(db, monkeypatch):
    stage, office = staged(db)
    both = [activated(stage, text) for text in (LOST, LOST.replace("cascade: news", "cascade: other"))]
    people(stage, 700)
    for version in both:
        launched(stage, version)
    stage.passes("P3D")
    drawn = lots.drawn

    def broken(office, slug, *told):
        if slug == "news":
            raise ZeroDivisionError
        return drawn(office, slug, *told)

    with monkeypatch.context() as once:
        once.setattr(lots, "drawn", broken)
        assert [name for _, name, _ in looked(office)] == ["other/sms"]
    assert [name for _, name, _ in looked(office)] == ["news/sms", "other/sms"]
    monkeypatch.setattr(lots, "drawn", broken)
    assert [name for _, name, _ in looked(office)] == ["news/sms", "other/sms"], "what was kept stays"


def test_a_version_that_is_activated_meanwhile_is_looked_at_with_steps_of_its_own(db, monkeypatch):
    stage, office = staged(db)
    version = activated(stage, LOST)
    people(stage, 520)
    launched(stage, version)
    stage.passes("P3D")
    drawn = lots.drawn

    def late(office, slug, *told):
        stage.cascade(LOST.replace("id: sms", "id: text"))
        return drawn(office, slug, *told)

    assert [one.step for one in lots.look(office)] == ["sms"]
    monkeypatch.setattr(lots, "drawn", late)
    assert lots.look(office) == []


@pytest.mark.parametrize("first", [True, False], ids=["those compared", "those who came later"])
def test_no_variant_wins_by_people_lost_among_those_compared_or_later(db, first):
    stage, office = staged(db)
    version = activated(stage, LOST)
    people(stage, 450 if first else 300, nameless=3 if first else 0)
    warmed(stage, version)
    stage.passes("P3D")
    people(stage, 900 if first else 500, "late", nameless=0 if first else 2)
    launched(stage, version)
    now_uneven = lots.variants_uneven(
        office, stage.world.versions[version], stage.world.versions[version].cascade.steps[0]
    )
    assert now_uneven is not first, "of all who have entered so far"
    assert winners.decide(office) == 0


@pytest.mark.parametrize("first", [True, False], ids=["those compared", "those who came later"])
def test_no_version_wins_by_people_lost_among_those_compared_or_later(db, first):
    stage, office = staged(db)
    base = tried(stage, office)
    entered(stage, people(stage, 520), lambda version: 50 if first else 10 if version == base else 60)
    if first:
        assert migrating.migrate(office, "basket", 1, {}, dry_run=False).moved > 80
    stage.passes("P9D")
    entered(stage, people(stage, 240, "late"), lambda version: 0)
    assert migrating.migrate(office, "basket", 2 if first else 1, {}, dry_run=False).moved > 80
    stage.passes("3h")
    assert trials.listing(office, "basket")[0].uneven is not first, "of all who have entered so far"
    assert winners.decide(office) == 0
    if not first:
        entered(stage, people(stage, 240, "last"), lambda version: 0)
        migrating.migrate(office, "basket", 2, {}, dry_run=False)
        stage.passes("3h")
        assert winners.decide(office) == 1, "both sides have as many again"


LAST = "  - {id: last, channel: sms, text: last, wait: 9d}\n"
SHARED = (
    TEXT.replace(": plain}", ": plain, weight: 9}").replace("    wait: 6h", "    holdout: 40%\n    wait: 6h")
    + LAST
)


def test_who_was_moved_here_from_another_version_is_of_that_ones_lot(either):
    stage, office = staged(either)
    old = activated(stage, SHARED)
    before = set(people(stage, 300))
    launched(stage, old)
    stage.passes("1h")
    new = activated(stage, SHARED.replace(", weight: 9", "").replace("40%", "10%"))
    assert migrating.migrate(office, "news", 2, {}, dry_run=False).moved == 300
    stage.passes("1d")
    after = people(stage, 120, "late")
    sent = launched(stage, new)
    stage.passes("1d")
    assert before.isdisjoint(sent), "they are under way"
    # Counted again, slowly: who entered the version itself, by the text that went out.
    texts = Counter(parcel.outgoing.text for parcel in sent.values() if parcel.step == 0)
    told = lots.drawn(office, "news")
    assert [arm.messages for arm in told.variants[0].arms] == [texts["plain"], texts["warm"]]
    assert (told.steps[0].goal.one.of, told.steps[0].goal.other.of) == (
        texts.total(),
        len(after) - texts.total(),
    )
    assert texts.total() > 90 and told.variants[0].evenly > 0.001 and told.steps[0].evenly > 0.001
    assert looked(office) == []


HELD = """cascade: news
title: News
class: service
holdout: 10%
trigger: {broadcast: all}
goal: {event: bought}
steps:
  - {id: sms, channel: sms, text: one, wait: 9d}
  - {id: last, channel: sms, text: last, wait: 9d}
"""


def test_who_was_moved_from_a_version_that_holds_out_another_share_is_of_that_ones_lot(either):
    stage, office = staged(either)
    old = activated(stage, HELD)
    people(stage, 400)
    launched(stage, old)
    stage.passes("1h")
    new = activated(stage, HELD.replace("holdout: 10%", "holdout: 30%"))
    assert migrating.migrate(office, "news", 2, {}, dry_run=False).moved > 300
    after = people(stage, 200, "late")
    sent = launched(stage, new)
    stage.passes("1d")
    # Counted again, slowly: who entered the version itself, written to or not.
    held = len(after) - len(sent)
    assert lots.drawn(office, "news").groups == (held, len(sent)) and 40 < held < 80
    told = uplift.measure(office, "news", ripe=False)
    assert (told.effect.other.of, told.effect.one.of, told.uneven) == (held, len(sent), False)
    assert looked(office) == []
    # Nobody is lost where the share stays the same: those held out stay where they are.
    activated(stage, HELD.replace("holdout: 10%", "holdout: 30%").replace("text: one", "text: two"))
    assert migrating.migrate(office, "news", 3, {}, dry_run=False).moved > 400
    stage.passes("1h")
    assert lots.drawn(office, "news").groups == (held, len(sent)) and looked(office) == []
