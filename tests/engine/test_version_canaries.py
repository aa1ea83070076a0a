"""The next version goes to a share of those who enter first: to all once it fares well, else to nobody."""

from collections import Counter

import pytest

from engine.test_guards import directly
from kaskad.actions import alarms, cascades, guards, version_canaries
from kaskad.actions.canaries import Wanted
from kaskad.analytics import changed
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.terms import Kind
from support.stage import Stage

TEXT = """cascade: cart
title: Cart
class: service
trigger: {event: left}
reentry: {after_finish: 1h}
steps:
  - {id: letter, channel: email, subject: %s, text: Hello, wait: 2h}
"""
HALF = Wanted(5_000, 3_600_000)


def put(stage, office, words):
    cascades.put(office, "cart", TEXT % words)


def begun(either):
    """Return stage, office and 40 people, half of whom enter a second version."""
    stage = Stage(either)
    office = directly(stage)
    stage.cascade(TEXT % "old")
    put(stage, office, "new")
    told = version_canaries.begin(office, "cart", HALF, people=15, by="ann")
    assert (told.base, told.version, told.entered, told.row.due_at) == (1, 2, 0, None)
    return stage, office, [stage.person(f"p{number}") for number in range(40)]


def entered(stage, people):
    return {contact: stage.run(contact).version_id for contact in people}


def state(office):
    row = version_canaries.listing(office, "cart")[0].row
    return row.state, cascades.find(office, "cart").overview.version, row.why


def test_a_version_that_fares_well_becomes_that_of_all_by_itself(either):
    stage, office, people = begun(either)
    for contact in people[:10]:
        stage.event(contact, "left")
    version_canaries.go_on(office)
    assert (
        state(office)[:2] == ("running", 1) and version_canaries.listing(office, "cart")[0].row.due_at is None
    )
    stage.restart()  # it is kept, not remembered
    office = directly(stage)
    for contact in people[10:]:
        stage.event(contact, "left")
    first = entered(stage, people)
    assert set(first.values()) == {1, 2} and 15 <= Counter(first.values())[2] <= 32
    stage.passes("4h")
    for contact in people[:10]:  # the same lot falls again
        stage.event(contact, "left")
    assert entered(stage, people) == first

    put(stage, office, "third")
    for refused in (
        lambda: cascades.activate(office, "cart"),
        lambda: version_canaries.begin(office, "cart", HALF),
    ):
        with pytest.raises(Conflict, match="canary of 'cart' is under way"):
            refused()
    cascades.pause(office, "cart")
    version_canaries.go_on(office)  # enough are in: their time begins, paused or not
    stage.passes("30m")
    version_canaries.go_on(office)
    assert state(office)[:2] == ("running", 1)
    stage.passes("40m")
    version_canaries.go_on(office)
    assert state(office)[:2] == ("passed", 2)
    assert "bounces 0/" in state(office)[2]
    cascades.resume(office, "cart")
    new = [stage.person(f"n{number}") for number in range(4)]
    for contact in new:
        stage.event(contact, "left")
    assert set(entered(stage, new).values()) == {2}
    with pytest.raises(Conflict):
        version_canaries.stop(office, "cart")


@pytest.mark.parametrize("by_guard", [True, False])
def test_a_version_that_fares_badly_is_stopped_and_the_old_one_goes_on(stage, by_guard):
    stage, office, people = begun(stage.db)
    for contact in people:
        stage.event(contact, "left")
    first = entered(stage, people)
    bad = [contact for contact in people if first[contact] == 2]
    for contact in bad if by_guard else bad[:4]:
        stage.receipt(contact, Kind.BOUNCED)
    if by_guard:
        guards.raise_account_bounds(office, "email", dict.fromkeys(guards.Figure, 0))
        assert {breach.stream.version_id for breach in guards.watch(office)} == {2}
    else:
        version_canaries.go_on(office)
        stage.passes("61m")
        version_canaries.go_on(office)
    found, current, why = state(office)
    assert (found, current) == ("stopped", 1) and why.startswith("bounces")
    assert cascades.find(office, "cart").overview.state == "active"
    told = [(one.kind, one.name) for one in alarms.alarms(office)]
    assert ("canary_version", "cart/2") in told and ("guard", "cart") not in told
    stage.passes("4h")
    for contact in people:
        stage.event(contact, "left")
    assert set(entered(stage, people).values()) == {1}
    guards.looked(office, "cart", "ann")
    assert not [one for one in alarms.alarms(office) if one.kind == "canary_version"]


def test_a_version_is_judged_in_time_by_what_came_last_however_much_is_to_be_counted(either, monkeypatch):
    stage, office, people = begun(either)
    for contact in people:
        stage.event(contact, "left")
    bad = [contact for contact, version in entered(stage, people).items() if version == 2]
    version_canaries.go_on(office)
    stage.passes("3h")
    with monkeypatch.context() as busy:
        busy.setattr(stage, "_is_counted", lambda: None)
        busy.setattr(changed, "CORRECTED", 3)
        for contact in bad[:4]:
            stage.receipt(contact, Kind.BOUNCED)
        version_canaries.go_on(office)
    found, current, why = state(office)
    assert (found, current) == ("stopped", 1) and why.startswith(f"bounces: 4 of {len(bad)} messages")


def test_what_can_have_no_canary_is_refused_and_a_person_may_decide(stage):
    office = directly(stage)
    put(stage, office, "draft")
    with pytest.raises(Conflict, match="Nobody enters"):
        version_canaries.begin(office, "cart", HALF)
    stage.cascade(TEXT % "old")
    cascades.put(office, "cart", (TEXT % "x").replace("left", "gone"))
    with pytest.raises(Invalid, match="another `trigger`"):
        version_canaries.begin(office, "cart", HALF)
    put(stage, office, "old")
    with pytest.raises(Invalid, match="nothing new"):
        version_canaries.begin(office, "cart", HALF)
    put(stage, office, "new")
    version_canaries.begin(office, "cart", HALF)
    assert version_canaries.let_pass(office, "cart", by="ann").row.ended_by == "ann"
    assert state(office) == ("passed", 2, "")
    put(stage, office, "newer")
    version_canaries.begin(office, "cart", HALF)
    assert version_canaries.stop(office, "cart", by="ann").row.state == "stopped"
    assert not [one for one in alarms.alarms(office) if one.kind == "canary_version"]  # a person knows
    put(stage, office, "newest")
    version_canaries.begin(office, "cart", HALF)
    cascades.stop(office, "cart")
    version_canaries.go_on(office)
    assert state(office) == ("stopped", 2, "the cascade was stopped")
    with pytest.raises(Conflict, match="was stopped"):
        version_canaries.begin(office, "cart", HALF)
