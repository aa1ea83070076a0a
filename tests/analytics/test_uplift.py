"""What a cascade brings, counted again slowly from runs, messages and facts."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from kaskad.actions import uplift
from kaskad.actions.office import Office
from kaskad.actions.reports import Among
from kaskad.analytics import changed
from kaskad.analytics.intervals import Share
from kaskad.domain.policy import PerClass, Policy
from kaskad.domain.terms import Channel, Kind, SkipReason
from kaskad.store import held_shares
from kaskad.store import runs as run_store
from kaskad.store.courses import HOUR_MS
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from support.stage import VAULT, Stage

TEXT = """
cascade: tried
title: Tried
class: advertising
trigger: {event: left}
goal: {event: bought, within: 7d, value: total}
holdout: 30%
budget: {total: 100000 KZT}
reentry: {after_finish: 1d}
steps:
  - id: letter
    channel: email
    subject: s
    variants: [{id: a, text: a}, {id: b, text: b, weight: 2}]
    wait: 1h
  - {id: chat, channel: telegram, text: t, holdout: 40%, wait: 1h}
  - {id: sms, channel: sms, text: t, if: "contact.vip == true", holdout: 50%, wait: 1h}
"""
BEFORE_THE_CHANGE = 1_792_836_000_000  # 24 Oct 2026 12:00 in Berlin
OTHER = """
cascade: other
title: Other
class: service
holdout: 0%
trigger: {event: asked}
steps: [{id: letter, channel: email, subject: s, text: t}]
"""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path: Path = tmp_path_factory.mktemp("uplift") / "kaskad.db"
    db = open_database(str(path))
    upgrade(db)
    yield db
    db.close()


def stage_of(db: Database) -> tuple[Stage, Office]:
    stage = Stage(db, policy=Policy.unlimited())
    for channel in ("email", "telegram", "sms"):
        stage.account(Channel(channel), channel, prices={"minor": 3, "currency": "KZT"})
    return stage, Office(db, VAULT, stage.engine, stage.world.signer, "")


def slow(path: str, cascade_id: int, people: list[int], until: int) -> dict[str, dict]:
    """Count from the rows: the first run of each person, of those that entered before `until`."""
    found = {"lot": {0: [0, 0], 1: [0, 0]}, "steps": {}, "variants": {}, "worth": {0: [], 1: []}, "cost": 0}
    rows = sqlite3.connect(path)
    for person in people:
        run = rows.execute(
            "SELECT id, holdout, value, entered_at FROM runs WHERE contact_id = ? AND cascade_id = ? "
            "ORDER BY id",
            (person, cascade_id),
        ).fetchone()
        if run is None or run[3] >= until:
            continue
        key = "WHERE contact_id = ? AND run_id = ?"
        kinds = {row[0] for row in rows.execute(f"SELECT kind FROM facts {key}", (person, run[0]))}
        goal = Kind.GOAL in kinds
        add(found["lot"], run[1], goal)
        found["worth"][run[1]].append(run[2] or 0)
        told = rows.execute(
            f"SELECT step, state, reason, variant, coalesce(cost, price) FROM messages {key}",
            (person, run[0]),
        )
        for step, state, reason, variant, cost in told:
            found["cost"] += cost if state in (3, 4, 5, 7, 8, 9, 10) else 0
            if variant is not None:
                add(found["variants"], variant, goal)
            if state != 11 or reason != SkipReason.CONDITION_FALSE.code:
                add(found["steps"], (step, state == 11 and reason == SkipReason.STEP_HOLDOUT.code), goal)
    rows.close()
    return found


def test_nobody_is_counted_before_the_time_for_the_goal_is_over_by_the_brands_clock(tmp_path):
    db = open_database(str(tmp_path / "kaskad.db"))
    upgrade(db)
    stage = Stage(db, policy=replace(Policy.unlimited(), zone="Europe/Berlin"), at=BEFORE_THE_CHANGE)
    office = Office(db, VAULT, stage.engine, stage.world.signer, "")
    stage.cascade(TEXT)
    stage.event(stage.person("p", [Channel.EMAIL]), "left")
    for hours, counted in ((169, 0), (1, 1)):  # a week of 169 hours, and figures are by whole hours
        stage.passes(f"{hours}h")
        told = uplift.measure(office, "tried")
        assert told.effect.one.of + told.effect.other.of == counted
        assert told.first_ripe_at == (None if counted else BEFORE_THE_CHANGE + 170 * HOUR_MS)
    db.close()


def add(counts, place, goal):
    of = counts.setdefault(place, [0, 0])
    of[0] += goal
    of[1] += 1


def test_the_effect_is_what_a_slow_count_of_the_rows_gives(db, monkeypatch):
    stage, office = stage_of(db)
    cascade_id = stage.cascade(TEXT)
    stage.cascade(OTHER)
    lots = random.Random(3)
    people = [stage.person(f"p{n}", attributes={"vip": n % 2 == 0}) for n in range(60)]
    began = stage.clock.now()
    for person in people:
        stage.event(person, "left")
    stage.passes("90m")
    for person in lots.sample(people, 20):
        if stage.sent(person):
            stage.receipt(person, Kind.CLICKED)
        else:
            stage.event(person, "asked")
            stage.receipt(person, Kind.DELIVERED)
    left = [person for person in people if stage.sent(person)][:3]
    for person in left:  # who says no and buys has bought
        stage.receipt(person, Kind.UNSUBSCRIBED, step=0)
        stage.event(person, "bought", total=50)
    for person in lots.sample(people, 25):
        stage.event(person, "bought", total=lots.randint(1, 90))
        stage.event(person, "bought", total=1000)  # the first one counts
    stage.passes("3d")
    for person in people[::3]:
        stage.event(person, "left")  # again, where they may: counted with their first run only
    late = [stage.person(f"late{n}") for n in range(9)]
    for person in late:
        stage.event(person, "left")
    stage.passes("5d")
    checked(stage, office, cascade_id, people + late)
    assert uplift.measure(office, "tried").touched.touched > 0
    version = uplift.measure(office, "tried", Among(version=1))
    assert version.effect == uplift.measure(office, "tried").effect and version.effect.one.of
    assert version.only == ()
    early = uplift.measure(office, "tried", Among(until=began))
    assert early.effect.one == Share(0, 0) and early.effect.difference is None and early.worth is None
    monkeypatch.setattr(changed, "CORRECTED", -1)  # nothing is looked at: it was counted before
    checked(stage, office, cascade_id, people + late)
    known = uplift.measure(office, "tried")
    stage.cascade(TEXT.replace("holdout: 30%", "holdout: 0%", 1))
    for number in range(20):  # who all buy, and have nobody to be held against
        person = stage.person(f"free{number}")
        stage.event(person, "left")
        stage.event(person, "bought", total=9)
    stage.passes("8d")
    now = uplift.measure(office, "tried", Among(until=known.until))
    assert (now.effect, now.only) == (known.effect, ())
    now = uplift.measure(office, "tried")
    assert now.only == (1,) and now.evenly > 0.001 and now.expected_share == pytest.approx(0.3)
    assert now.effect.one.of + now.effect.other.of == 69 and now.worth.treated == pytest.approx(
        known.worth.treated * known.effect.one.of / now.effect.one.of
    )
    assert uplift.measure(office, "tried", Among(version=2)).effect.one == Share(20, 20)


def checked(stage, office, cascade_id, people):
    told = uplift.measure(office, "tried")
    known = slow(office.db.name, cascade_id, people, told.until)
    assert (told.effect.one, told.effect.other) == (Share(*known["lot"][0]), Share(*known["lot"][1]))
    assert told.waiting == 9 and told.effect.one.of + told.effect.other.of == 60
    treated, held = known["worth"][0], known["worth"][1]
    assert told.worth is not None and told.worth.currency == "KZT"
    assert told.worth.treated == pytest.approx(sum(treated) / len(treated))
    assert told.worth.held == pytest.approx(sum(held) / len(held))
    assert told.worth.difference.low < told.worth.treated - told.worth.held < told.worth.difference.high
    assert told.cost == {"KZT": known["cost"]}
    steps = {step.step: step.goal for step in told.steps}
    for number, name in ((1, "chat"), (2, "sms")):
        for held, got in ((False, steps[name].one), (True, steps[name].other)):
            assert got == Share(*known["steps"].get((number, held), (0, 0))), (name, held)
    assert [arm.goal.one for arm in told.variants[0].arms] == [
        Share(*known["variants"][variant]) for variant in (0, 1)
    ]
    assert told.expected_share == pytest.approx(0.3) and told.evenly > 0.001 and not told.uneven
    every = uplift.measure(office, "tried", ripe=False)
    assert every.effect.one.of + every.effect.other.of == 69 and every.waiting == 0


def test_people_are_held_against_those_held_out_by_the_share_of_their_time(db, monkeypatch):
    stage, office = stage_of(db)
    text = TEXT.replace("cascade: tried", "cascade: shared").replace("holdout: 30%\n", "", 1)
    assert "\nholdout" not in text

    def held_out(share):
        with db.write() as tx:
            wanted = replace(Policy.unlimited(), holdout=PerClass(advertising=share))
            held_shares.put_policy(tx, wanted, stage.clock.now())
        stage.engine._load()

    held_out(4000)
    cascade_id = stage.cascade(text)
    groups = {}
    for name, share in (("a", 4000), ("b", 1000), ("c", 0)):
        held_out(share)
        stage.passes("20m")  # so the share changes within an hour
        groups[name] = [stage.person(f"{name}{n}") for n in range(40)]
        for person in groups[name]:
            stage.event(person, "left")
        stage.passes("1m")
        if name == "a":
            first = stage.clock.now()
    stage.passes("8d")
    told = uplift.measure(office, "shared")
    counts = lambda one: (one.effect.one.of, one.effect.other.of)  # noqa: E731
    assert counts(told) == rows(office, cascade_id, groups["b"]) and sum(counts(told)) == 40
    assert (told.expected_share, told.later, told.share) == (0.1, True, 0.0)
    assert told.evenly > 0.001 and first == told.since < told.until
    # The past is what it was when it was told: by the share of then.
    before = uplift.measure(office, "shared", Among(until=first))
    assert counts(before) == rows(office, cascade_id, groups["a"]) and sum(counts(before)) == 40
    assert (before.expected_share, before.later, before.since) == (0.4, False, None)
    # As before again: what lies between still divides.
    held_out(1000)
    stage.passes("1h")
    again = uplift.measure(office, "shared")
    assert counts(again) == counts(told) and again.share == 0.1
    # Where the hours beside a change were entered too, no run of its hour is looked at by itself.
    begun, looked, entered = stage.clock.now(), [], uplift._entered
    for share in (2000, 3000):
        held_out(share)
        for number in range(3):
            stage.event(stage.person(f"{share} {number}"), "left")
            stage.passes("1h")
    stage.passes("8d")

    def noted(tx, row, scope, since, until, changed):
        looked.append((since, until))
        return entered(tx, row, scope, since, until, changed)

    monkeypatch.setattr(uplift, "_entered", noted)
    assert uplift.measure(office, "shared").share == 0.3
    recent = [span for span in looked if span[1] > begun + HOUR_MS]
    assert len(recent) == 4 and all(at % HOUR_MS == 0 for span in recent for at in span)


def rows(office, cascade_id, people):
    """Return how many of these people are treated and held out, by their runs."""
    with office.read() as tx:
        runs = [run for own in run_store.of_contacts(tx, people).values() for run in own]
    runs = [run for run in runs if run.cascade_id == cascade_id]
    return len(runs) - sum(run.holdout for run in runs), sum(run.holdout for run in runs)
