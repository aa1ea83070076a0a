"""Segments where they are used, scores, and seed contacts, who are in no figure."""

from __future__ import annotations

import pytest
from msgspec import structs

from kaskad.actions import (
    asked,
    attributes,
    cascades,
    columns,
    launches,
    reports,
    scores,
    seeds,
    segments,
    sunset,
    watching,
)
from kaskad.actions.audience import Audience
from kaskad.actions.office import Office
from kaskad.actions.reports import Among
from kaskad.domain.attributes import Attribute, Type
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.policy import Policy
from kaskad.domain.rfm import Rfm, RfmRule
from kaskad.domain.segment import Equals
from kaskad.engine.catalog import POLICY
from kaskad.store import cards, segment_base, segment_blocks, settings
from kaskad.store.db import Database
from kaskad.store.segments import RFM
from support.marked import staged
from support.stage import Stage

SALE = """cascade: sale
title: Sale
class: service
holdout: 99%
seeds: true
trigger: {broadcast: buyers}
steps:
  - {id: letter, channel: email, subject: Sale, text: Sale, wait: 10h}
"""
WELCOME = """cascade: welcome
title: Welcome
class: service
trigger: {segment: vip}
steps:
  - {id: letter, channel: email, if: segment("buyers"), subject: Hello, text: Hello, wait: 10h}
"""


@pytest.fixture
def office(either: Database) -> tuple[Stage, Office]:
    return staged(either)


def bought(stage: Stage, person: int, amount: int, times: int = 1) -> None:
    for _ in range(times):
        stage.event(person, "order", amount=amount)


def test_who_becomes_a_member_enters(office: tuple[Stage, Office]) -> None:
    stage, office = office
    ann, bob = stage.person("ann"), stage.person("bob")
    segments.create(office, "vip", 'event("order").count >= 2')
    segments.create(office, "buyers", 'event("order")')
    bought(stage, ann, 10, times=2)
    cascades.put(office, "welcome", WELCOME)
    cascades.activate(office, "welcome")
    assert watching.look(office) == 0, "who is a member already does not enter"
    bought(stage, bob, 10, times=2)
    assert watching.look(office) == 1 and watching.look(office) == 0
    stage.passes("1m")
    assert (stage.sent(ann), stage.sent(bob)) == ([], ["letter"])
    (launch,) = launches.listing(office, "welcome", before=2**31, limit=5)
    assert launch.audience == "segment vip"


def test_a_segment_in_use_stays_and_one_that_is_unknown_is_refused(office: tuple[Stage, Office]) -> None:
    _, office = office
    segments.create(office, "vip", "contact.vip")
    cascades.put(office, "welcome", WELCOME)
    with pytest.raises(Invalid) as refused:
        cascades.activate(office, "welcome")
    (problem,) = refused.value.problems
    assert "there is no segment `buyers`" in problem and "welcome:6" in problem
    segments.create(office, "buyers", 'segment("vip")')
    cascades.activate(office, "welcome")
    told = [each.words for each in segments.uses(office, "vip")]
    assert told == ["segment buyers", "cascade welcome (trigger.segment)"]
    assert [each.words for each in segments.uses(office, "buyers")] == ["cascade welcome (steps[0].if)"]
    with pytest.raises(Conflict, match=r"used by segment buyers; cascade welcome \(trigger.segment\)"):
        segments.delete(office, "vip")
    cascades.stop(office, "welcome")
    segments.delete(office, "buyers")
    segments.delete(office, "vip")


def test_what_a_declared_attribute_can_never_be_is_refused(office: tuple[Stage, Office]) -> None:
    _, office = office
    attributes.declare(office, "level", Attribute(type=Type.NUMBER))
    for told in ('contact.level > "high"', 'segment("vip") or contact.level in [1, "b"]'):
        with pytest.raises(Invalid, match=r"contact\.level is a number, and"):
            segments.put(office, "vip", told)
    with pytest.raises(Invalid, match=r"contact\.level is a number, and"):
        segments.put(office, "vip", (Equals("level", "high"),))
    (remark,) = segments.ask(office, "", 'contact.level > "high"', seeds=False, limit=0, wait_s=5).remarks
    assert remark == 'contact.level is a number, and "high" is compared with it.'
    segments.put(office, "vip", 'contact.level > 2 and contact.other == "high"')


def test_seed_contacts_get_every_launch_and_are_in_no_figure(office: tuple[Stage, Office]) -> None:
    stage, office = office
    ann, bob, eve = stage.person("ann"), stage.person("bob"), stage.person("eve")
    bought(stage, ann, 10)
    bought(stage, eve, 10)
    segments.create(office, "buyers", 'event("order")')
    assert segments.count(office, "buyers") == 2
    assert seeds.mark(office, ["bob", "eve"], "", True) == 2 and seeds.mark(office, ["eve"], "", True) == 0
    assert [card.id for card in seeds.listing(office).cards] == [bob, eve]
    assert (segments.count(office, "buyers"), segments.count(office, "buyers", seeds=True)) == (1, 2)
    cascades.put(office, "sale", SALE)
    cascades.activate(office, "sale")
    for _ in range(2):
        assert launches.begin(office, "sale", Audience(segment="buyers")).size == 1
        stage.passes("11h")
    assert (stage.sent(ann), stage.sent(bob), stage.sent(eve)) == ([], ["letter"] * 2, ["letter"] * 2)
    made = reports.report(office, "sale").report
    assert (made.holdouts, made.entered, made.lines, made.levels[0].contacts) == (1, 0, [], 0)
    assert cascades.find(office, "sale").overview.entered == 0
    seeds.mark(office, ["bob", "eve"], "", False)
    assert reports.report(office, "sale").report.lines[0].sent == 4, "marked as people again"


def test_a_report_is_of_a_segment(office: tuple[Stage, Office]) -> None:
    stage, office = office
    ann, bob = stage.person("ann"), stage.person("bob")
    cascades.put(office, "sale", SALE.replace("99%", "0%"))
    cascades.activate(office, "sale")
    launches.begin(office, "sale", Audience(everybody=True))
    stage.passes("1m")
    bought(stage, bob, 10)
    segments.create(office, "buyers", 'event("order")')
    everybody, some = (reports.report(office, "sale", Among(segment=name)).report for name in ("", "buyers"))
    assert (everybody.entered, everybody.lines[0].sent) == (2, 2)
    assert (some.entered, some.lines[0].sent, some.levels[0].contacts) == (
        1,
        1,
        everybody.levels[0].contacts // 2,
    )
    assert reports.report(office, "sale", Among(segment="unreachable")).report.entered == 0
    assert stage.sent(ann) == stage.sent(bob)


def test_the_sunset_ends_advertising_by_mail_to_the_silent(office: tuple[Stage, Office]) -> None:
    stage, office = office
    ann, bob = stage.person("ann"), stage.person("bob")
    cascades.put(office, "sale", SALE.replace("99%", "0%"))
    cascades.activate(office, "sale")
    launches.begin(office, "sale", Audience(everybody=True))
    stage.passes("1m")
    may = 'consent("advertising", "email")'
    stage.passes("181d")
    bought(stage, bob, 10)
    assert segments.count_text(office, may) == 2 and sunset.let_go(office) == 0, "it is off by default"
    office.write(lambda tx: settings.put(tx, POLICY, structs.replace(Policy.unlimited(), sunset_days=180)))
    assert sunset.let_go(office) == 1 and sunset.let_go(office) == 0
    assert segments.count_text(office, may) == 1
    assert segments.count_text(office, 'consent("advertising", "sms")') == 2
    with office.read() as tx:
        (told,) = [one for one in cards.consents(tx, ann) if not one.granted]
    assert told.proof is not None and told.proof["act"] == "sunset"


def test_scores_are_fifths_of_who_has_bought(office: tuple[Stage, Office]) -> None:
    stage, office = office
    people = [stage.person(f"p{number}") for number in range(6)]
    for number, person in enumerate(people[:5], 1):
        bought(stage, person, 100 * number, times=number)
        stage.passes("1d")
    known = scores.count(office, RfmRule(("order",)))
    assert (known.customers, known.counts, known.amounts) == (
        5,
        (1, 2, 3, 4),
        (10_000, 40_000, 90_000, 160_000),
    )
    for part in "rfm":
        counts = [segments.count_text(office, f"rfm.{part} == {score}") for score in range(1, 6)]
        assert counts == [1] * 5, part
    assert segments.count(office, "champions") == 2 and segments.count(office, "lost") == 1
    assert segments.count_text(office, "rfm.r exists") == 5, "who has bought nothing has no scores"
    with office.read() as tx:
        assert segment_base.edges(tx, RfmRule(("order",)), office.now()) == known
    stage.passes("1d")
    office.write(lambda tx: tx.script("DELETE FROM settings WHERE name = 'rfm';"))
    cascades.put(
        office, "welcome", WELCOME.replace("segment: vip", "segment: champions").replace("buyers", "lost")
    )
    cascades.activate(office, "welcome")
    with office.read() as tx:
        again = settings.get(tx, RFM, Rfm)
    assert again is not None and again.customers == 5, "scores are counted before a cascade asks for them"
    scores.count(office, known.rule)
    known = scores.show(office)
    stage.passes("1d")
    scores.renew(office)
    assert scores.show(office).at > known.at


def test_columns_are_made_unasked_and_dropped_where_nobody_asks(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, office = office
    monkeypatch.setattr(columns, "_FEW", 0)
    keeper = columns.Keeper(office)
    ann = stage.person("ann")

    def kept() -> tuple[int, int, int]:
        with office.read() as tx:
            standing, of_runs = asked.standings(tx)
            assert (of_runs.kept, of_runs.made) == (standing.kept, standing.made)
            return standing.kept, standing.made, len(tx.all("segment_touched"))

    assert not keeper.round() and kept() == (0, 0, 0), "nobody asks"
    segments.create(office, "buyers", 'event("order")')
    assert keeper.round() and kept() == (1, 1, 0), "before anybody has asked"
    assert not keeper.round()
    bought(stage, ann, 10, times=3)
    assert kept()[2] >= 1 and not keeper.round(), "few were changed"
    monkeypatch.setattr(segment_blocks, "_MANY", 0)
    monkeypatch.setattr(segment_blocks, "_SHARE", 0.0)
    assert keeper.round() and kept() == (1, 1, 0)
    bought(stage, ann, 10)
    stage.passes("31d")
    assert keeper.round() and kept() == (0, 0, 0), "nobody has asked for a month"
    bought(stage, ann, 10)
    assert not keeper.round() and kept() == (0, 0, 0)
    cascades.put(office, "welcome", WELCOME.replace("vip", "buyers"))
    cascades.activate(office, "welcome")
    stage.passes("1h")
    assert keeper.round() and kept() == (1, 1, 0), "a live cascade asks"
    assert segments.count(office, "buyers") == 1


def test_what_is_done_once_an_hour_is_done_whatever_fails_of_it_and_sooner_then(
    office: tuple[Stage, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, office = office
    keeper, done, decided = columns.Keeper(office), [], []

    def fails(office: Office) -> None:
        raise ZeroDivisionError

    keeper.round()
    with monkeypatch.context() as once:
        once.setattr(columns.learning, "renew", fails)
        once.setattr(columns.lots, "look", fails)
        once.setattr(columns.winners, "decide", done.append)
        stage.passes("1h")
        keeper.round()
        assert done == [office]
    monkeypatch.setattr(columns.lots, "look", done.append)
    monkeypatch.setattr(columns.winners, "decide", decided.append)
    for wait, times, well in (("9m", 1, 0), ("5m", 2, 0), ("50m", 2, 1), ("15m", 3, 1)):
        stage.passes(wait)
        keeper.round()
        assert (len(done), len(decided)) == (times, well), wait
