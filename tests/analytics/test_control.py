"""Nobody of the control group gets advertising from any cascade, and all the others are held against it."""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from kaskad.actions import contacts, control, policy
from kaskad.actions.office import Office
from kaskad.analytics.control import Whole, held_of
from kaskad.analytics.intervals import Share
from kaskad.domain.cascade import Returned
from kaskad.domain.control import Drawn, drawn, lot
from kaskad.domain.errors import Invalid
from kaskad.domain.policy import ControlGroup, Policy
from kaskad.engine.catalog import POLICY
from kaskad.store import held_shares, settings
from kaskad.store.db import open_database
from kaskad.store.migrate import upgrade
from support.stage import VAULT, Stage

TEXT = """
cascade: {name}
title: T
class: {kind}
holdout: 0%
trigger: {{event: {name}}}
steps:
  - {{id: letter, channel: email, subject: s, text: t, wait: 1d}}
  - {{id: chat, channel: telegram, text: t}}
"""


def test_the_lot_is_even_sticky_and_the_same_for_all_at_once():
    group = drawn(ControlGroup(share=500, salt="a"), "UTC")
    other = drawn(ControlGroup(share=500, salt="b"), "UTC")
    assert isinstance(group, Drawn) and isinstance(other, Drawn) and drawn(ControlGroup(), "UTC") is None
    ids = np.arange(1, 40_001, dtype=np.uint64)
    many = held_of(ids, group)
    assert many.tolist() == [group.holds(number, 0) for number in range(1, 40_001)]
    assert stats.binomtest(int(many.sum()), 40_000, 0.05).pvalue > 0.001
    both = int((many & held_of(ids, other)).sum())
    assert stats.binomtest(both, 40_000, 0.0025).pvalue > 0.001  # another salt, another group
    places = Counter(lot(number, group.key) // 500 for number in range(20_000))
    assert stats.chisquare(list(places.values())).pvalue > 0.001 and len(places) == 20
    days = drawn(ControlGroup(share=1, since=date(2026, 3, 1), until=date(2026, 3, 2)), "Asia/Almaty")
    assert days is not None and (days.until - days.since, days.since % 86_400_000) == (
        86_400_000,
        19 * 3_600_000,
    )


def check_returns(stage: Stage, office: Office, people: list[int], gross: Whole, held: set[int]) -> None:
    """What came back is in nobody's worth, though who brought it back has bought."""
    named = Returned("refund", "amount", "order")
    group = replace(stage.engine.world.policy.control, returned=named)
    stage.engine.world.policy = replace(stage.engine.world.policy, control=group)
    back = Counter[int]()
    for person, amount, order in ((people[3], 12, None), (people[4], 5, None), (people[5], 99, "A")):
        stage.event(person, "bought", total=30, order="A")
        stage.event(person, "refund", amount=-amount, **({"order": order} if order else {}))
        back[person] += min(amount, 30) * 100
    stage.event(people[6], "refund", amount=2)  # of the last purchase, worth 1
    back[people[6]] = 100
    stage.passes("1m")
    net = control.show(office).told
    assert net is not None and net.deducts and (net.effect.one, net.effect.other) == (
        gross.effect.one, gross.effect.other,
    )  # fmt: skip
    for arm, was, now, of in ((False, gross.treated, net.treated, net.effect.one.of),
                              (True, gross.held, net.held, net.effect.other.of)):  # fmt: skip
        bought = 3_000 * sum((person in held) == arm for person in people[3:6])
        gone = sum(minor for person, minor in back.items() if (person in held) == arm)
        assert now == pytest.approx(was + (bought - gone) / of)


def test_the_control_group_gets_no_advertising_and_is_what_the_rest_is_held_against(tmp_path):
    db = open_database(str(tmp_path / "kaskad.db"))
    upgrade(db)
    stage = Stage(db, policy=Policy.unlimited())
    office = Office(db, VAULT, stage.engine, stage.world.signer, "")
    for name, kind in (("sale", "advertising"), ("order", "service")):
        stage.cascade(TEXT.format(name=name, kind=kind))
    assert all(version.control is None for version in stage.world.versions.values())
    unheld = replace(ControlGroup(), event="order")
    stage.engine.world.policy = replace(stage.engine.world.policy, control=unheld)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "measure", None)  # nobody is held out: nobody is read
        assert control.show(office).told is None
    early = [stage.person(f"e{n}") for n in range(12)]
    for person in early:
        stage.event(person, "sale")  # all get the letter; the control group begins a little later
    assert all(stage.sent(person) == ["letter"] for person in early)
    group = ControlGroup(share=5000, event="bought", value="total")
    stage.engine.world.policy = replace(stage.engine.world.policy, control=group)
    with db.write() as tx:
        settings.put(tx, POLICY, stage.engine.world.policy)
        settings.put(tx, "brand", {"name": "Shop", "currency": "KZT"})
    stage.restart()
    office = Office(db, VAULT, stage.engine, stage.world.signer, "")
    late = [stage.person(f"l{n}") for n in range(30)]
    for person in late:
        stage.event(person, "sale")
        stage.event(person, "order")
    stage.passes("2d")
    ready = drawn(group, "UTC")
    held = {person for person in early + late if ready.holds(person, 0)}
    assert 0 < len(held) < 42
    for person in early:
        letters = ["letter"] if person in held else ["letter", "chat"]
        assert stage.sent(person) == letters
        assert (stage.states(person).get("chat") == "control_group") == (person in held)
    for person in late:
        assert Counter(stage.sent(person))["letter"] == (1 if person in held else 2), person
        assert contacts.show(office, f"con_{person}").control_group == (person in held)
    assert stage.world.work.refusals[1, "control group"] == len(held & set(late))
    for number, person in enumerate(early + late[:5]):
        stage.event(person, "bought", total=10 * number)
        stage.event(person, "bought", total=1)
    stage.passes("1m")
    told = control.show(office).told
    buyers = {person: 1000 * number + 100 for number, person in enumerate(early + late[:5])}
    assert told.effect.other == Share(len(held & buyers.keys()), len(held))
    assert told.effect.one == Share(len(buyers.keys() - held), 42 - len(held))
    assert told.held == pytest.approx(sum(v for p, v in buyers.items() if p in held) / len(held))
    assert told.currency == "KZT" and told.worth.low < told.treated - told.held < told.worth.high
    assert not told.deducts
    check_returns(stage, office, early, told, held)
    with pytest.raises(Invalid, match="needs the name"):
        policy.change(office, {"control": {"share": 5, "returned": {"event": ""}}})
    # Another share: each is held against those of its own time, and the first time stays as it was told.
    half = control.show(office)
    now_held = stage.engine.world.policy
    changed = replace(now_held, control=replace(now_held.control, share=1000))
    with db.write() as tx:
        held_shares.put_policy(tx, changed, stage.clock.now())
    turned = stage.clock.now()
    stage.restart()
    office = Office(db, VAULT, stage.engine, stage.world.signer, "")
    for person in late[5:9]:
        stage.event(person, "bought", total=7)
    stage.passes("1m")
    now = control.show(office)
    (before,) = now.earlier
    assert before == replace(half.told, until=turned) and (before.share, before.since) == (5000, 0)
    tenth = {person for person in early + late if drawn(changed.control, "UTC").holds(person, turned)}
    assert now.told.effect.other == Share(len(tenth & set(late[5:9])), len(tenth))
    assert now.told.effect.one == Share(len(set(late[5:9]) - tenth), 42 - len(tenth))
    assert (now.told.share, now.told.since) == (1000, turned) and now.told.evenly > 0.001
    with pytest.raises(Invalid, match="0 to 5000"):
        policy.change(office, {"control": {"share": 6000}})
    with pytest.raises(Invalid, match="ends before it begins"):
        policy.change(office, {"control": {"share": 5, "since": "2026-03-02", "until": "2026-03-01"}})
    db.close()
