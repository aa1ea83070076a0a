"""What is kept of people for a time only goes by itself, on both databases, and no day earlier."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec.structs import replace

from kaskad.actions import erasure, person_file
from kaskad.actions.office import Office
from kaskad.domain.policy import DAY, Policy, Retention
from kaskad.domain.terms import Kind
from kaskad.engine import retention
from kaskad.engine.catalog import POLICY
from kaskad.store import settings
from kaskad.store.db import Database
from support.marked import lived, staged
from support.stage import Stage


@pytest.fixture
def office(either: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[Stage, Office]:
    monkeypatch.setattr(retention, "CONTACTS", 2)
    monkeypatch.setattr(retention, "OLDEST", 2)
    return staged(either)


def known(stage: Stage, office: Office, person: int) -> dict[str, int]:
    """Return how much of each kind is kept."""
    told = person_file.gather(office, f"con_{person}").parts
    with stage.db.read() as tx:
        hooks = len(tx.all("kept_webhooks", after=0, limit=100))
    return {
        "bodies": sum(bool(each["body"]) for each in told["messages"]),
        "replies": sum(bool(each["value"]) for each in told["facts"] if each["kind"] == "replied"),
        "notes": sum(bool(each["notes"]) for each in told["calls"]),
        "events": len(told["events"]),
        "requests": len(told["requests"]),
        "webhooks": hooks,
    }


def later(stage: Stage, days: float) -> None:
    """Let days pass, and housekeeping do all that it has to do."""
    stage.clock.at += int(days * DAY)
    for _ in range(30):
        stage.clock.at += 5_000
        stage.works()


def test_each_kind_goes_when_its_own_time_is_over(office):
    stage, office = office
    for name in ("a", "b", "c", "d", "e"):
        stage.person(name)
    person = lived(stage)
    stage.receipt(person, Kind.REPLIED, step=0, event="r", value=json.dumps({"text": "hello"}))
    stage.passes("P2D")
    later(stage, 20)
    everything = known(stage, office, person)
    assert everything["bodies"] >= 4 and everything["webhooks"] == 4
    assert {everything[kind] for kind in ("replies", "notes", "events", "requests")} == {1}
    later(stage, 10)
    everything |= {"webhooks": 0}
    assert known(stage, office, person) == everything
    later(stage, 70)
    everything |= {"requests": 0}
    assert known(stage, office, person) == everything
    later(stage, 270)
    everything |= {"bodies": 0, "replies": 0, "notes": 0}
    assert known(stage, office, person) == everything
    messages = person_file.gather(office, f"con_{person}").parts["messages"]
    assert len(messages) >= 4 and messages[0]["state"] != "created", "what reports count stays"
    later(stage, 400)
    everything |= {"events": 0}
    assert known(stage, office, person) == everything


def test_periods_are_those_of_the_policy_and_0_is_for_ever(office):
    stage, office = office
    with stage.db.write() as tx:
        kept = Retention(texts=0, requests=5, events=0, raw_webhooks=0)
        settings.put(tx, POLICY, replace(Policy.unlimited(), retention=kept))
    person = lived(stage)
    stage.passes("P2D")
    later(stage, 3000)
    told = known(stage, office, person)
    assert told["bodies"] >= 4 and told["events"] == 1 and told["webhooks"] == 4 and told["requests"] == 0


def test_the_consents_of_an_erased_person_are_kept_until_claims_expire(office):
    stage, office = office
    person = lived(stage)
    act = erasure.erase(office, f"con_{person}", "me")
    later(stage, 1094)
    assert len(erasure.show(office, act.id).consents) == 1
    later(stage, 2)
    assert erasure.show(office, act.id).consents == [] and erasure.show(office, act.id).act == act


def test_a_period_that_makes_no_sense_is_refused():
    for days in (-1, 40_000):
        with pytest.raises(msgspec.ValidationError, match="number of days"):
            msgspec.convert({"texts": days}, Retention)


def test_a_gap_in_the_numbers_of_contacts_is_passed_over(office):
    """On PostgreSQL numbers are never given again, and an import that was undone leaves a hole."""
    stage, office = office
    stage.person("a")
    with stage.db.write() as tx:
        tx.script("UPDATE contacts SET id = 900000")
    person = lived(stage)
    stage.passes("P2D")
    later(stage, 370)
    assert known(stage, office, person)["bodies"] == 0


def test_what_only_machines_keep_of_people_goes_too(office):
    stage, office = office
    lived(stage)
    now = stage.clock.now()
    with stage.db.write() as tx:
        tx.run("begin_idempotent", caller="shop", name="k", request=b"x", now=now)
        tx.run("end_import", id=1, owner="me", state="done", problem="", now=now)
    stage.passes("P2D")
    with stage.db.read() as tx:
        assert tx.one("idempotent", caller="shop", name="k") is None
        assert tx.one("import", id=1)[11] != "[]"
    stage.passes("P29D")
    with stage.db.read() as tx:
        assert tx.one("import", id=1)[11] == "[]"
