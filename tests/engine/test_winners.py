"""A step's best variant takes over by its rule, on the real engine; the version stays what it was."""

from collections import Counter

import pytest

from kaskad.actions import alarm_book, lots, migrating, reports, trials, uplift, winners
from kaskad.actions.alarm_book import Way
from kaskad.actions.alarms import alarms
from kaskad.domain.errors import NotFound
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.trials import Rule
from kaskad.engine.arrival import Arrival
from kaskad.store import cascades, uneven_lots
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
    assert [(a.name, a.detail) for a in alarms(office) if a.kind == "winner"] == [
        ("news/sms", "Variant warm has won.")
    ]
    assert stage.world.versions[version].weights == {0: (500, 9_500)}
    with db.read() as tx:
        assert cascades.version(tx, version).source == TEXT

    again = Counter(parcel.outgoing.text for parcel in launched(stage, version).values())
    assert again.total() == 260 and again["warm"] > 225 and again["plain"] > 2
    for n in range(200):
        stage.person(f"new{n}", [Channel.SMS])
    launched(stage, version)
    stage.passes("P9D")
    (compared,) = uplift.measure(office, "news").variants
    assert compared.evenly is None and compared.until == told.at // 3_600_000 * 3_600_000
    assert [arm.messages for arm in compared.arms] == [plain.of, warm.of], "not who got the new weights"

    assert not told.undone
    with pytest.raises(NotFound, match="No variant of step 'sms' has won in version 2"):
        winners.undo(office, "news", 2, "sms")
    for _ in range(2):
        winners.undo(office, "news", 1, "sms")
    assert stage.world.versions[version].weights == {0: (1, 1)} and winners.listing(office, "news")[0].undone
    assert winners.decide(office) == 0 and not [a for a in alarms(office) if a.kind == "winner"]
    again = Counter(parcel.outgoing.text for parcel in launched(stage, version).values())
    assert again.total() == 460 and 180 < again["warm"] < 280


TRIED = """cascade: basket
title: Basket
class: service
trigger: {event: left}
goal: {event: bought}
reentry: {after_finish: 1d}
steps:
  - {id: sms, channel: sms, text: "%s", wait: 2h}
"""


def entered(stage, people, rates):
    """Let people enter, and of each version so many in a hundred reach the goal within a day."""
    stage.deliver(events=[stage.told(contact, "left") for contact in people])
    by = {contact: stage.runs(contact)[-1].version_id for contact in people}
    for version in set(by.values()):
        mine = [contact for contact in people if by[contact] == version]
        some = mine[: len(mine) * rates(version) // 100]
        stage.deliver(events=[stage.told(contact, "bought") for contact in some])


def test_a_version_wins_its_trial_by_the_rule_and_never_on_no_effect(db):
    stage, office = staged(db)
    stage.cascade(TRIED % "old")
    stage.account(Channel.EMAIL, "email")
    alarm_book.put_ways(office, [Way("email", "ops@example.org")])
    with stage.db.write() as tx:
        row = cascades.by_slug(tx, "basket")
        cascades.freeze_version(tx, row.id, TRIED % "new", stage.clock.now())
    stage.engine._load()
    base = row.version_id
    rule = Rule("goal", 100)
    trials.start(office, "basket", {2: 5_000}, rule=rule)
    people = [stage.person(f"p{n}", [Channel.SMS]) for n in range(240)]
    entered(stage, people, lambda version: 20)
    assert winners.decide(office) == 0, "nobody's time is over"
    stage.passes("P9D")
    assert winners.decide(office) == 0, "both do the same"
    entered(stage, people[:200], lambda version: 0 if version == base else 100)
    stage.passes("P9D")
    assert winners.decide(office) == 0, "a person counts once, by the first entrance"
    assert trials.listing(office, "basket")[0].verdict is None

    trials.share(office, "basket", {2: 5_000})
    entered(stage, people, lambda version: 10 if version == base else 60)
    stage.passes("P7D")
    assert winners.decide(office) == 0, "the time for the goal is not over"
    stage.passes("P2D")
    assert winners.decide(office) == 1 and winners.decide(office) == 0, "it is decided once"
    (told,) = trials.listing(office, "basket")
    assert told.state == "running" and told.verdict is not None and told.verdict.winner == 2
    old, new = told.verdict.detail.variants
    assert (old.id, new.id, old.of + new.of) == ("1", "2", 240) and old.hits < new.hits
    assert told.verdict.detail.least[0] > 0 and winners.listing(office, "basket") == []

    alarm_book.sync(office)
    stage.passes("P2D")
    (alarm,) = [each for each in alarms(office) if each.kind == "winner"]
    assert (alarm.name, alarm.detail) == ("basket", "Version 2 is the best: promote it, or end the trial.")
    trials.share(office, "basket", {2: 5_000})
    assert not [each for each in alarms(office) if each.kind == "winner"], "shares that change begin anew"
    alarm_book.sync(office)

    with stage.db.write() as tx:
        (running,) = trials.trial_store.running(tx)
        trials.trial_store.put_rule(tx, running.id, Rule("goal", 100, promote=True))
    entered(stage, people, lambda version: 60 if version == base else 10)
    stage.passes("P9D")
    assert winners.decide(office) == 1
    (told,) = trials.listing(office, "basket")
    assert (told.state, told.winner, told.ended_by, told.verdict.winner) == ("promoted", 1, "", 1)
    noted = stage.rows("audit", before=2**62, since=0, who="", object="", limit=9)
    assert noted[0][2:5] == ("Kaskad", "POST /cascades/{slug}/trials/promote", "basket")
    late = stage.person("late", [Channel.SMS])
    stage.event(late, "left")
    assert stage.run(late).version_id == base
    assert [each.detail for each in alarms(office) if each.kind == "winner"] == [
        "Everybody enters version 1 now."
    ]
    alarm_book.sync(office)
    stage.passes("P2D")
    alarm_book.sync(office)
    books = [
        each for each in alarm_book.listing(office, before=2**62, limit=9) if each.alarm.kind == "winner"
    ]
    assert len(books) == 2 and all(each.alarm.over_at for each in books)
    assert [one.occasion for each in books for one in each.told] == ["raised", "raised"], "told once each"


def of_lots(office):
    return [(one.kind, one.name, one.detail) for one in alarms(office) if one.kind.startswith("uneven")]


def test_variants_whose_lot_is_uneven_have_no_winner_and_an_alarm_says_so(db):
    stage, office = staged(db)
    # One text cannot be made for whoever has no nick: half of its people are lost.
    number = stage.cascade(TEXT.replace("text: warm", 'text: "{{ contact.nick }}"'))
    for n in range(520):
        stage.person(f"p{n}", [Channel.SMS], attributes={"nick": "warm"} if n % 2 else {})
    version = stage.world.cascades[number].version_id
    sent = launched(stage, version)
    now = stage.clock.now()
    stage.deliver(arrivals=[
        Arrival(p.contact_id, p.run_id, p.step, Kind.CLICKED, f"c{p.contact_id}", now, None)
        for p in sent.values() if p.outgoing.text == "warm"
    ])  # fmt: skip
    stage.passes("P3D")
    warm = Counter(parcel.outgoing.text for parcel in sent.values())["warm"]
    assert winners.decide(office) == 0 and winners.listing(office, "news") == []
    assert warm > 100 and not stage.world.versions[version].weights

    assert of_lots(office) == [], "it is looked at once an hour"
    lots.look(office)
    why = f"variant plain of step 'sms' went to {len(sent) - warm} of {len(sent)} people"
    ((kind, name, detail),) = of_lots(office)
    assert (kind, name) == ("uneven", "news/sms") and detail.startswith(why)
    assert reports.report(office, "news").uneven == [detail]
    alarm_book.sync(office)
    lots.look(office)
    alarm_book.sync(office)
    assert len(alarm_book.listing(office, before=2**62, limit=9)) == 1

    stage.cascade(TEXT)
    assert of_lots(office) == [], "the version is over"
    lots.look(office)
    with db.read() as tx:
        assert uneven_lots.kept(tx) == []


def test_a_version_does_not_win_by_losing_its_people(db):
    stage, office = staged(db)
    stage.cascade(TRIED % "old")
    with stage.db.write() as tx:
        row = cascades.by_slug(tx, "basket")
        cascades.freeze_version(tx, row.id, TRIED % "new", stage.clock.now())
    stage.engine._load()
    trials.start(office, "basket", {2: 5_000}, rule=Rule("goal", 100, promote=True))
    stage.passes("1h")  # of the hour of the shares nobody counts later
    people = [stage.person(f"p{n}", [Channel.SMS]) for n in range(480)]
    entered(stage, people, lambda version: 50)
    lots.look(office)
    assert of_lots(office) == []
    # Whoever has not bought is taken back to the first version: all who stay in the second have bought.
    assert migrating.migrate(office, "basket", 1, {}, dry_run=False).moved > 100
    stage.passes("P9D")
    assert winners.decide(office) == 0
    (told,) = trials.listing(office, "basket")
    assert told.uneven and told.state == "running" and told.verdict is None
    assert told.arms[1].found.goal == told.arms[1].found.entered > 100
    lots.look(office)
    ((kind, name, detail),) = of_lots(office)
    old, new = (arm.people for arm in told.arms)
    assert (kind, name) == ("uneven_trial", "basket") and old + new == 480
    assert detail in (f"version 1 got {old} of 480 people; 240 should have got it",
                      f"version 2 got {new} of 480 people; 240 should have got it")  # fmt: skip
    trials.share(office, "basket", {2: 4_000})
    assert of_lots(office) == [], "with other shares it begins anew"
