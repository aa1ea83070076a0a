"""What was paid for and need not have been, and that all sums of money agree."""

from msgspec.structs import replace

from kaskad.actions import uplift
from kaskad.actions.money import money
from kaskad.domain.plainer import latin, plain, spared
from kaskad.domain.policy import HOUR, PerClass, Policy
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.catalog import POLICY
from kaskad.store import settings
from support.marked import staged
from support.spent import sums_agree
from support.stage import accepted

CASCADE = """
cascade: {slug}
title: Spent
class: service
trigger: {{event: {slug}}}
goal: {{event: bought}}
budget: {{total: 1000 KZT}}
steps:
  - {{id: letter, channel: email, subject: a, text: a, success: clicked, wait: 1h}}
  - {{id: sms, channel: sms, text: "{text}", wait: 1h}}
"""
QUOTED = "«" + "a" * 100 + "»"  # two parts with these quotes, one with plain ones


def test_what_was_wasted_is_counted_by_kind_and_all_sums_agree(either, monkeypatch):
    stage, office = staged(either)
    stage.account(Channel.EMAIL, "email", prices={"minor": 5, "currency": "KZT"})
    stage.account(Channel.SMS, "sms", prices={"minor": 1000, "currency": "KZT", "per": "part"})
    for slug in ("main", "other"):
        stage.cascade(CASCADE.format(slug=slug, text=QUOTED))
    late, dead, unheard, quiet = (
        stage.person(name, [Channel.EMAIL, Channel.SMS]) for name in ("late", "dead", "unheard", "quiet")
    )
    for person in (late, dead, unheard):
        stage.event(person, "main")
    stage.passes("2h")
    stage.receipt(late, Kind.CLICKED, step=0, ago="90m")  # before the SMS left, and told after it
    stage.receipt(dead, Kind.FAILED, step=1, value='{"cost": 900}')
    stage.receipt(unheard, Kind.UNKNOWN, step=1)
    with stage.db.write() as tx:
        tx.script(
            f"UPDATE addresses SET health = 1, changed_at = 1 WHERE contact_id = {dead} AND channel = 8"
        )
    stage.event(quiet, "other")
    stage.passes("30m")
    stage.event(quiet, "main")
    with stage.db.write() as tx:
        settings.put(tx, POLICY, replace(Policy.unlimited(), run_gap_ms=PerClass(service=HOUR)))
    told = money(office, "main")
    sums_agree(either)
    assert money(office, "main") == told  # counted or still due
    with monkeypatch.context() as patch:
        patch.setattr("kaskad.analytics.waste.MANY", 3)  # SMS, as many as there are
        assert money(office, "main") == told
    found = {(one.kind, one.step): (one.count, one.amounts, one.of) for one in told.wasted}
    assert found == {
        ("late", "sms"): (1, {"KZT": 2000}, None),
        ("double", "letter"): (1, {"KZT": 5}, None),
        ("dead", "sms"): (1, {"KZT": 900}, None),
        ("failed", "sms"): (1, {"KZT": 900}, None),
        ("unheard", "sms"): (1, {"KZT": 2000}, None),
        ("signs", "sms"): (3, {"KZT": 1000 + 1000 + 450}, 3),
    }
    whole = 4 * 5 + 2000 + 2000 + 900
    assert told.whole.cost == {"KZT": whole} and told.whole.price == {"KZT": 4 * 5 + 3 * 2000}
    for sums in (told.days, told.accounts, told.steps, told.cascades):
        assert sum(one.cost.get("KZT", 0) for one in sums) == whole
        assert sum(one.messages for one in sums) == told.whole.messages == 7
    assert told.budget is not None and told.budget.total.minor == 100_000
    assert [(one.reason, one.minor) for one in told.changes] == [("receipt", -1100)]
    everywhere = money(office)
    assert {one.name: one.cost["KZT"] for one in everywhere.cascades} == {"main": whole, "other": 5}
    assert money(office, "main", since=1, until=2).whole.messages == 0
    brought = uplift.measure(office, "main")  # nobody's time for the goal is over yet
    assert brought.waiting == 4 and brought.first_ripe_at is not None


def test_amounts_of_two_currencies_stand_apart(db):
    stage, office = staged(db)
    stage.account(Channel.EMAIL, "email", prices={"minor": 5, "currency": "USD"})
    stage.account(Channel.SMS, "sms", prices={"minor": 1000, "currency": "KZT"})
    stage.cascade(CASCADE.format(slug="two", text="Hello").replace("budget: {total: 1000 KZT}", ""))
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now()) if parcel.step == 0 else None
    stage.event(stage.person("ann", [Channel.EMAIL, Channel.SMS]), "two")
    stage.passes("61m")
    told = money(office, "two")
    assert told.whole.cost == {"USD": 5} and told.under_way == {"KZT": 1000} and told.budget is None
    assert told.wasted == [] and told.gap_ms == 0


def test_the_same_words_in_fewer_parts():
    assert plain("«Ёлка» — 5\u00a0%…") == '"Ёлка" - 5 %...' and latin("Щука, Юля №7") == "Shchuka, Iulia No7"
    assert spared("Hello") == (1, 0, 0) and spared(QUOTED) == (2, 1, 0)
    assert spared("Привет " * 12) == (2, 0, 1) and spared("a" * 161) == (2, 0, 0)


def test_a_double_message_is_told_whichever_of_both_is_known_to_have_left_first(either):
    stage, office = staged(either)
    stage.account(Channel.EMAIL, "email", prices={"minor": 5, "currency": "KZT"})
    for slug in ("main", "other"):
        stage.cascade(CASCADE.format(slug=slug, text="Hello"))
    policy = replace(Policy.unlimited(), run_gap_ms=PerClass(service=HOUR))
    person = stage.person("quick", [Channel.EMAIL])
    stage.answer = lambda parcel: None
    stage.event(person, "other")
    stage.passes("10s")
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.event(person, "main")
    stage.passes("10s")
    with stage.db.write() as tx:
        settings.put(tx, POLICY, policy)
    sums_agree(either)
    assert _doubles(office, "main") == {}  # nobody knows yet that the first one left
    stage.engine.take_results([accepted(stage.parcels[0], stage.clock.now())])
    stage.passes("10s")
    assert _doubles(office, "main") == {"letter": (1, {"KZT": 5})}
    sums_agree(either)
    stage.receipt(person, Kind.FAILED, step=0, value='{"cost": 3}')
    assert _doubles(office, "main") == {"letter": (1, {"KZT": 3})}
    sums_agree(either)
    assert _doubles(office, "main") == {"letter": (1, {"KZT": 3})} and _doubles(office, "other") == {}


def _doubles(office, slug):
    return {one.step: (one.count, one.amounts) for one in money(office, slug).wasted if one.kind == "double"}
