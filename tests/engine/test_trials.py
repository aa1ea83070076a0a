"""Versions on trial, on the real engine: who enters them, what runs keep, what a promotion changes."""

from collections import Counter

import pytest

from kaskad.actions.office import Office
from kaskad.actions.trials import listing
from kaskad.analytics.courses import tally
from kaskad.analytics.samples import sample_ratio
from kaskad.analytics.scope import FOREVER, Scope
from kaskad.analytics.trials import COMPARED, design_effects
from kaskad.domain.errors import Conflict
from kaskad.domain.terms import Channel
from kaskad.domain.trials import shared_out
from kaskad.store import cascades, trials
from support.stage import VAULT, Stage

TEXT = """cascade: basket
title: Basket
class: service
trigger: {event: left}
goal: {event: bought}
reentry: {after_finish: 1d}
steps:
  - {id: sms, channel: sms, text: "%s", wait: 2h}
"""
SENT = """cascade: news
title: News
class: service
trigger: {broadcast: all, pace: 60/h}
steps:
  - {id: sms, channel: sms, text: "%s", wait: 2h}
"""


def tried(stage, text, share):
    """Put a text on trial against what runs; return the numbers of both versions."""
    slug = text.split("cascade:")[1].split()[0]
    with stage.db.write() as tx:
        row = cascades.by_slug(tx, slug)
        made = cascades.freeze_version(tx, row.id, text, stage.clock.now())
        number = trials.begin(tx, row.id, row.version_id, None, "ann", stage.clock.now())
        trials.put_arms(tx, number, shared_out((), {made.id: share}), stage.clock.now())
    stage.engine._load()
    return row.version_id, made.id


def ended(stage, slug, winner=None):
    with stage.db.write() as tx:
        running = trials.under_way(tx, cascades.by_slug(tx, slug).id)
        assert trials.end(tx, running, stage.clock.now(), winner_id=winner, by="ann")
        assert not trials.end(tx, running, stage.clock.now()), "it ends once"
    stage.engine._load()


def test_a_share_of_those_who_enter_get_the_other_version_and_keep_it(either):
    stage = Stage(either)
    stage.cascade(TEXT % "old")
    people = [stage.person(f"p{number}", [Channel.SMS]) for number in range(40)]
    base, other = tried(stage, TEXT % "new", 5_000)
    for contact in people:
        stage.event(contact, "left")
    first = {contact: stage.run(contact).version_id for contact in people}
    assert 8 <= Counter(first.values())[other] <= 32 and set(first.values()) == {base, other}
    words = {parcel.contact_id: parcel.outgoing.text for parcel in stage.parcels}
    assert all(words[contact] == ("new" if first[contact] == other else "old") for contact in people)

    stage.passes("P3D")
    for contact in people[:6]:
        stage.event(contact, "left")
        assert stage.run(contact).version_id == first[contact] and len(stage.runs(contact)) == 2

    office = Office(either, VAULT, stage.engine, stage.world.signer, "")
    assert listing(office, "basket")[0].evenly is None, "nobody is new since the first day"
    new = [stage.person(f"n{number}", [Channel.SMS]) for number in range(7)]
    for contact in new:
        stage.event(contact, "left")
    counts = Counter(stage.run(contact).version_id for contact in new)
    told = listing(office, "basket")[0]
    assert told.evenly == sample_ratio([counts[base], counts[other]], [1, 1]) and not told.uneven
    assert not told.arms[0].apart and tuple(told.arms[1].apart) == COMPARED
    assert sum(arm.found.entered for arm in told.arms) == 13, "who enters again counts, but not for the lot"

    # Six have entered twice and nobody has bought: each person counts as one, by how often they entered.
    with either.read() as tx:
        for version in (base, other):
            told = tally(tx, 1, Scope(None, version))
            runs = [len(stage.runs(one)) for one in (*people, *new) if stage.run(one).version_id == version]
            assert len(set(runs)) == 2
            effects = design_effects(tx, version, 0, FOREVER, told)
            assert effects["goal"] == sum(each * each for each in runs) / sum(runs) > 1
            once = tally(tx, 1, Scope(None, version, 0, stage.clock.now() - 2 * 86_400_000))
            assert design_effects(tx, version, 0, FOREVER, once)["goal"] == 1  # nobody has come again

    with pytest.raises(Conflict, match="on trial"):
        stage.cascade(TEXT % "third")
    ended(stage, "basket", other)
    late = stage.person("late", [Channel.SMS])
    stage.event(late, "left")
    assert stage.run(late).version_id == other
    assert {stage.runs(contact)[0].version_id for contact in people} == {base, other}, "runs keep theirs"
    stage.cascade(TEXT % "third")


def test_a_launch_is_shared_out_too_and_goes_on_by_what_was_promoted(db):
    stage = Stage(db)
    stage.cascade(SENT % "old")
    people = [stage.person(f"p{number}", [Channel.SMS]) for number in range(30)]
    base, other = tried(stage, SENT % "new", 5_000)
    with stage.db.write() as tx:
        launch = cascades.launch(tx, base, None, 60, stage.clock.now())
    stage.passes("14m")
    seen = [stage.runs(contact)[0].version_id for contact in people if stage.runs(contact)]
    assert set(seen) == {base, other} and 10 <= len(seen) < 20
    ended(stage, "news", other)
    stage.passes("1h")
    rest = [stage.runs(contact)[0].version_id for contact in people][len(seen) :]
    assert set(rest) == {other}
    with stage.db.read() as tx:
        assert cascades.launches_of(tx, cascades.by_slug(tx, "news").id, before=99, limit=9)[0].id == launch
