"""What is expected of a cascade that people enter by an event, beside the week that then came."""

import pytest

from engine.test_guards import directly
from kaskad.actions import cascades, forecast, hindsight, version_canaries, weeks
from kaskad.actions.audience import Audience
from kaskad.actions.canaries import Wanted
from kaskad.analytics import changed
from kaskad.domain.terms import Channel, Kind
from support.stage import Stage

TEXT = """cascade: cart
class: service
trigger: {event: left}
steps:
  - {id: letter, channel: email, subject: %s, text: Hello, success: clicked, wait: 1h}
"""


@pytest.fixture
def office(stage):
    stage.cascade(TEXT % "old")
    return directly(stage)


def transaction(db):
    """Return what a database's transactions are."""
    with db.read() as tx:
        return type(tx)


def day(stage, name, people):
    """Let people enter, of whom every fourth clicks, and the day pass."""
    for number in range(people):
        person = stage.person(f"{name} {number}", [Channel.EMAIL])
        stage.event(person, "left")
        if number % 4 == 0:
            stage.receipt(person, Kind.CLICKED)
    stage.passes("24h")


def test_where_nothing_is_known_that_is_said(stage, office):
    weeks.go_on(office)
    (told,) = hindsight.of_cascade(office, "cart")
    assert (told.launch, told.version, told.audience, told.basis) == (0, 1, "trigger left", "prior")
    assert told.figures == () and not told.over, "of nobody nothing is told, nor how many will come"
    assert hindsight.lately(office, "cart", 1) == [], "nor is it shown with the report"
    stage.passes("P9D")
    assert not hindsight.of_cascade(office, "cart")[0].over, "nobody has come: nothing can be held against it"
    stage.cascade(TEXT % "new" + "budget: {total: 10 KZT}\n")
    weeks.go_on(office)
    assert [one.uncounted for one in hindsight.of_cascade(office, "cart")] == [("budgets",), ()]


def test_a_week_is_held_against_what_was_told_of_as_many_as_came(either, monkeypatch):
    stage = Stage(either)
    stage.cascade(TEXT % "old")
    office = directly(stage)
    for number in range(9):
        day(stage, f"before {number}", 8)
    cascades.put(office, "cart", TEXT % "new")
    looks, waiting, week = [], changed.waiting, hindsight._week
    with monkeypatch.context() as patch:
        patch.setattr(changed, "waiting", lambda *told: looks.append(told) or waiting(*told))
        weeks.go_on(office)
    assert 0 < len(looks) < weeks.DAYS, "who is still to be counted is not looked at for each day"
    version_canaries.begin(office, "cart", Wanted(1, 1))
    weeks.go_on(office)
    assert [one.version for one in hindsight.of_cascade(office, "cart")] == [1]
    stage.passes("2h")
    version_canaries.let_pass(office, "cart")
    weeks.go_on(office)
    weeks.go_on(office)  # once
    asked, kind = [], transaction(either)
    many = kind.many
    with monkeypatch.context() as patch:
        patch.setattr(
            kind, "many", lambda own, name, rows: asked.extend([name] * bool(rows)) or many(own, name, rows)
        )
        first, *_ = told = hindsight.of_all(office)
    assert asked.count("part_sums") == 1, "for all of them together"
    assert [one.version for one in told] == [2, 1] and first.basis == "own"
    assert hindsight.among(told, "cart") == hindsight.of_cascade(office, "cart")
    with monkeypatch.context() as patch:
        patch.setattr(hindsight, "MOST", 2)
        assert hindsight.among(told, "cart") is None, "there may be more"
    stage.passes("2h")
    for number in range(7):
        day(stage, f"after {number}", 8)
    told = hindsight.of_cascade(office, "cart")[0]
    figures = {one.figure: one for one in told.figures}
    assert told.over and told.under_way == 0
    assert (figures["entered"].happened, figures["entered"].expected) == (56, 56)
    assert figures["reached"].happened == 14 and figures["messages"].happened == 56
    assert all(one.held for one in told.figures), told.figures
    assert 5 < figures["reached"].between.low < 14 < figures["reached"].between.high < 25
    assert hindsight.calibrated([told]).launches == 1
    stage.cascade(TEXT % "newer")
    weeks.go_on(office)
    asked = []
    monkeypatch.setattr(hindsight, "_week", lambda seen, row: asked.append(row.number) or week(seen, row))
    assert [one.version for one in hindsight.lately(office, "cart", 1)] == [3] == asked, "no others"
    every = hindsight.of_cascade(office, "cart")
    assert hindsight.lately(office, "cart", 9) == [one for one in every if one.figures]


def test_steps_due_by_a_date_are_said_to_be_uncounted(stage, office):
    """Who registers after the day before would be passed over as too late: that no forecast knows."""
    plain = TEXT % "soon"
    dated = plain.replace("wait: 1h", "wait: 1h, at: {before: trigger.starts_at, by: 24h}")
    by_day = plain.replace("wait: 1h", "wait: 1h, at: {on: day 2}")
    assert forecast.of_typical(office, "cart", plain).uncounted == ()
    assert forecast.of_typical(office, "cart", dated).uncounted == ("dates",)
    assert forecast.of_typical(office, "cart", by_day).uncounted == (), "a day after the entry comes for all"
    everybody = Audience(everybody=True)
    assert forecast.expect(office, "cart", dated, whom=everybody).uncounted == ("dates",)
    stage.cascade(dated + "budget: {total: 10 KZT}\n")
    weeks.go_on(office)
    assert hindsight.of_cascade(office, "cart")[0].uncounted == ("budgets", "dates")
