"""Two contacts that are one person (E16): nothing goes out twice, no "no" is lost, old numbers lead there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaskad.domain.consent import ANY
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.terms import Channel, Kind, Outcome
from kaskad.engine import merging
from kaskad.engine.ingest import Ingest
from kaskad.store import cards, cascades, changes, contacts, courses, merges, set_aside
from kaskad.store.db import Database
from kaskad.store.statements import statements
from support.play import NOON
from support.scenarios import ADVERTISING, DESK, GENERAL, URL, WITH_AGENT, live_tasks
from support.stage import HASH_KEY, Stage, accepted
from support.tables import columns

STAYS = {  # found under the old number, which leads on; or told of nobody by it
    "provider_ids", "look_ups", "segment_touched", "run_touched", "due_runs", "run_courses", "erasures",
    "double_messages",
    "erasure_searches", "booked_twice",
    "resting",  # for an hour
    "choices", "contact_hours",  # told of nobody once they are counted anew
}  # fmt: skip
MOVED = ("put_addresses",)
MAIL, SMS = Channel.EMAIL, Channel.SMS


def merge(stage: Stage, kept: int, old: int) -> merging.Merged:
    """Merge two contacts between two ticks."""
    now = stage.clock.now()
    done = stage.engine.write(lambda tx: merging.merge(tx, stage.world, kept, old, "test", now))
    stage.works()
    return done.result()


def steps(stage: Stage, *people: int) -> list[str]:
    """Return the steps that went to a person under any of the numbers, in their order."""
    version = next(iter(stage.world.versions.values()))
    return [version.cascade.steps[p.step].id for p in stage.parcels if p.contact_id in people]


def both(stage: Stage, text: str = GENERAL, *, keys: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    """Two contacts of one person, each in the cascade by a trigger of its own."""
    stage.cascade(text)
    ann, anna = stage.person("ann"), stage.person("anna")
    stage.event(ann, "left", cart_id=keys[0], url=URL)
    stage.passes("25h")
    stage.event(anna, "left", cart_id=keys[1], url=URL)
    return ann, anna


@pytest.mark.parametrize("kept_is_further", [True, False])
def test_the_run_that_is_further_goes_on_and_nothing_is_sent_twice(either: Database, kept_is_further: bool):
    stage = Stage(either)
    ahead, behind = both(stage)
    assert steps(stage, ahead) == ["letter", "chat"] and steps(stage, behind) == ["letter"]
    kept, old = (ahead, behind) if kept_is_further else (behind, ahead)
    done = merge(stage, kept, old)
    assert (done.runs, done.ended) == (1, 1)
    stage.passes("P7D")
    assert steps(stage, kept, old) == ["letter", "chat", "letter", "sms", "robot"]
    assert sorted(run.outcome for run in stage.runs(kept)) == [3, 8] and stage.runs(old) == []
    with pytest.raises(Conflict, match="one contact already"):
        merge(stage, kept, old)
    with pytest.raises(NotFound):
        merge(stage, kept, 99)


@pytest.mark.parametrize("about_kept", [True, False])
def test_what_is_set_aside_about_either_hinders_no_merge_and_counts_when_it_is_applied(either, about_kept):
    stage = Stage(either)
    kept, old = both(stage)
    who, now = kept if about_kept else old, stage.clock.now()
    row = (who, stage.run(who).id, 0, Kind.CLICKED.value, "late", now, None)

    def put(tx):
        set_aside.keep(tx, [row], "KeyError at inbox.py:7", now)
        stage.world.work.entries_set_aside = set_aside.count(tx)

    stage.engine.write(put)
    stage.works()
    assert merge(stage, kept, old).ended == 1
    stage.passes("P7D")
    assert steps(stage, kept, old) == ["letter", "chat", "letter"], "nothing goes while it is not known"
    stage.engine.write(set_aside.retry)
    stage.works()
    assert {run.outcome for run in stage.runs(kept)} == {Outcome.RESPONDED.code, Outcome.SUPERSEDED.code}


def test_who_is_in_doubt_and_set_aside_is_told_what_hinders_the_merge(db):
    stage = Stage(db)
    stage.cascade(GENERAL)
    stage.answer = lambda parcel: None
    kept, old = stage.person("kept"), stage.person("old")
    stage.event(old, "left", cart_id=1, url=URL)
    row = (old, stage.run(old).id, 0, Kind.CLICKED.value, "late", stage.clock.now(), None)
    with pytest.raises(merging.InFlight, match="just being handed over"):
        merge(stage, kept, old)
    stage.engine.write(lambda tx: set_aside.keep(tx, [row], "KeyError at inbox.py:7", stage.clock.now()))
    with pytest.raises(merging.InFlight, match="set aside: apply that or leave it out first"):
        merge(stage, kept, old)


def test_a_late_reaction_to_either_ends_the_run_that_goes_on(either: Database):
    stage = Stage(either)
    ahead, behind = both(stage)
    merge(stage, ahead, behind)
    stage.receipt(behind, Kind.CLICKED, step=0)  # told of the number that is no more
    assert {run.outcome for run in stage.runs(ahead)} == {2, 8}
    stage.passes("P7D")
    assert steps(stage, ahead, behind) == ["letter", "chat", "letter"]


def test_what_a_finished_run_has_sent_is_passed_over_in_the_live_one(stage: Stage):
    stage.cascade(GENERAL)
    ann = stage.person("ann", [MAIL, SMS])
    stage.event(ann, "left", cart_id=1, url=URL)
    stage.passes("P3D")
    assert stage.outcome(ann) == "exhausted"
    anna = stage.person("anna", [Channel.WHATSAPP])
    stage.event(anna, "left", cart_id=1, url=URL)
    merge(stage, ann, anna)
    stage.passes("P7D")
    assert sorted(steps(stage, ann, anna)) == ["chat", "letter", "robot", "sms"]
    stage.receipt(ann, Kind.CLICKED, step=0)
    assert stage.runs(ann)[0].outcome == 2


def test_an_answer_ends_the_other_run_of_the_same_trigger(stage: Stage):
    stage.cascade(GENERAL)
    ann, anna = stage.person("ann"), stage.person("anna")
    for each in (ann, anna):
        stage.event(each, "left", cart_id=7, url=URL)
    stage.receipt(ann, Kind.CLICKED)
    merge(stage, anna, ann)
    stage.passes("P7D")
    assert steps(stage, ann, anna) == ["letter", "letter"]
    assert {run.outcome for run in stage.runs(anna)} == {2, 8}


def test_runs_of_other_triggers_stay_side_by_side(stage: Stage):
    text = GENERAL.replace("goal:", "reentry: parallel_by_key\ngoal:")
    ann, anna = both(stage, text, keys=(1, 2))
    merge(stage, ann, anna)
    stage.passes("P7D")
    assert steps(stage, ann, anna).count("sms") == 2 and len(stage.runs(ann)) == 2


def test_all_that_is_known_goes_to_the_kept_contact(either: Database):
    stage = Stage(either)
    stage.cascade(WITH_AGENT)
    ann = stage.person("ann", [MAIL], zone=None, attributes={"tier": "gold"}, language="ru")
    anna = stage.person("anna", [SMS], addresses={MAIL: "anna@example.org"}, attributes={"city": "Omsk",
                        "tier": "tin"}, tracking=False)  # fmt: skip
    shared = contacts.Address(SMS, "anna@sms.example.org")
    with stage.db.write() as tx:
        contacts.add_addresses(tx, HASH_KEY, ann, [shared])
        assert [(each.contact_id, list(each.others)) for each in merges.likely(tx, after=0, limit=9)] == [
            (ann, [anna])
        ]
        contacts.mark_invalid(tx, [(anna, SMS, shared.value)], 5)
        tx.many("put_events", [(each, "e1", "seen", NOON, "{}") for each in (ann, anna)])
        tx.many("put_events", [(anna, "e2", "seen", NOON, '{"sku":1}')])
        cascades.add_members(tx, cascades.save_list(tx, "vip"), [anna])
    stage.event(anna, "left", cart_id=1, url=URL)
    done = merge(stage, ann, anna)
    assert done.conflicts == {"name": "anna", "tier": "tin"}
    with stage.db.read() as tx:
        card, (mail, other, phone) = cards.card(tx, ann), cards.addresses(tx, ann)
        assert card is not None and cards.card(tx, anna) is None
        assert card.attributes == {"name": "ann", "tier": "gold", "city": "Omsk"}
        assert (card.zone, card.language, card.tracking, card.external_id) == ("UTC", "ru", False, "ann")
        assert (phone.health, phone.shared, mail.channel, other.channel) == (1, False, MAIL, MAIL)
        assert [event.id for event in cards.events(tx, ann, until=NOON, limit=9) if event.name == "seen"] == [
            "e1",
            "e2",
        ]
        assert cards.lists(tx, ann) == ["vip"] and len(cards.consents(tx, ann)) == 2
        assert merges.kept(tx, anna) == ann and merges.likely(tx, after=0, limit=9) == []
        (told,) = changes.page(tx, ann, limit=9)
        assert (told.what, told.who, told.detail["contact"]) == ("merged", "test", f"con_{anna}")
        for name in ("ann", "anna"):  # both external ids lead to the kept contact
            assert tx.one("contact_by_external_id", external_id=name) == (ann,)
    stage.event(anna, "bought", cart_id=1)  # and so does the number
    assert stage.outcome(ann) == "converted"


def test_a_no_of_either_outlives_a_later_yes_of_the_other(stage: Stage):
    stage.cascade(ADVERTISING)
    ann, anna = stage.person("ann", consented=False), stage.person("anna", consented=False)
    no = contacts.Consent(granted=False, at=100, purpose=ANY, proof='{"act":"stop"}')
    own = contacts.Consent(
        granted=True, at=150, purpose=ANY, channels=1 << MAIL.code, proof='{"act":"START"}'
    )
    yes = contacts.Consent(granted=True, at=200, purpose=ANY, proof='{"act":"form"}')
    with stage.db.write() as tx:
        contacts.add_consents(tx, [(ann, yes), (anna, no), (anna, own)])
    stage.event(ann, "left", cart_id=1, url=URL)
    assert steps(stage, ann) == ["letter"]
    merge(stage, ann, anna)
    stage.passes("P7D")
    assert steps(stage, ann) == ["letter"]
    with stage.db.read() as tx:
        told = [(each.granted, each.at, each.channels) for each in cards.consents(tx, ann)]
    assert (False, 200, 0) in told and (True, 201, 1 << MAIL.code) in told


def test_a_refusal_of_the_other_ends_the_runs_that_it_would_have_ended(stage: Stage):
    stage.cascade(ADVERTISING)
    ann, anna = stage.person("ann"), stage.person("anna")
    stage.event(ann, "left", cart_id=1, url=URL)
    stage.deliver(arrivals=[])
    stage.says(SMS, "anna@sms.example.org", "СТОП")
    merge(stage, ann, anna)
    assert stage.outcome(ann) == "opted_out"


def test_a_message_in_flight_is_waited_for(either: Database):
    stage = Stage(either)
    stage.cascade(GENERAL)
    ann, anna = stage.person("ann"), stage.person("anna")
    stage.answer = lambda parcel: None
    stage.event(anna, "left", cart_id=1, url=URL)
    with pytest.raises(merging.InFlight):
        merge(stage, ann, anna)
    assert len(stage.runs(anna)) == 1
    (parcel,) = stage.parcels
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.engine.take_results([accepted(parcel, stage.clock.now())])
    stage.works()
    with stage.db.write() as tx:
        tx.many("put_provider_ids", [(parcel.account_id, "id-of-theirs", anna, parcel.run_id, parcel.step)])
    merge(stage, ann, anna)
    stage.unmatched(parcel.account_id, "id-of-theirs", Kind.DELIVERED)
    assert stage.states(ann) == {"letter": "delivered"}
    stage.receipt(anna, Kind.CLICKED)
    assert stage.outcome(ann) == "responded" and stage.runs(anna) == []


def test_links_of_before_lead_to_the_kept_contact(stage: Stage):
    stage.cascade(GENERAL)
    ann, anna = stage.person("ann"), stage.person("anna")
    for each in (ann, anna):
        stage.event(each, "left", cart_id=each, url=URL)
    run = stage.run(anna)
    merge(stage, ann, anna)
    intake = Ingest(stage.engine, stage.db)
    assert intake.destination(anna, run.id, 0, 0) == URL
    stage.passes("1h")
    stage.hits(anna, 0)
    stage.passes("1m")
    assert {run.outcome for run in stage.runs(ann)} == {2, 8}
    intake.untrack(anna)
    intake.unsubscribe(anna, run.id, 0, "all")
    stage.works()
    with stage.db.read() as tx:
        card = cards.card(tx, ann)
        assert card is not None and not card.tracking
        assert not cards.consents(tx, ann)[-1].granted
        assert cards.consents(tx, anna) == []


def test_a_merge_after_a_merge_leads_on(stage: Stage):
    stage.cascade(GENERAL)
    people = [stage.person(name) for name in ("ann", "anna", "anne")]
    for each in people:
        stage.event(each, "left", cart_id=1, url=URL)
    first, second, third = people
    old = stage.run(first)
    merge(stage, second, first)
    merge(stage, third, second)
    assert [run.outcome for run in stage.runs(third)].count(None) == 1
    with stage.db.read() as tx:
        assert merges.kept(tx, first) == merges.kept(tx, second) == third
        key = merges.kept_run(tx, (first, old.id))
        assert key[0] == third and key[1] in {run.id for run in stage.runs(third)}
    stage.receipt(first, Kind.CLICKED)
    assert {run.outcome for run in stage.runs(third)} == {2, 8}
    for one, other in ((third, third), (first, second)):
        with pytest.raises(Conflict, match="one contact already"):
            merge(stage, one, other)


def test_what_another_process_adds_in_that_very_moment_is_taken_over(either: Database):
    stage = Stage(either)
    stage.cascade(GENERAL)
    ann, anna = stage.person("ann"), stage.person("anna")
    stage.event(ann, "left", cart_id=1, url=URL)
    merge(stage, ann, anna)
    late = stage.clock.now() // 1000 - 1_735_689_600 + 7
    version = next(iter(stage.world.versions.values()))
    with stage.db.write() as tx:
        tx.many("put_events", [(anna, "late", "left", NOON, "{}")])
        now = stage.clock.now()
        row = (anna, late, version.cascade_id, version.id, 0, 0, -1, now + 10**9, now, now, 0)
        tx.many("insert_runs", [row])
        courses.due(tx, {(anna, late)})
    anne = stage.person("anne")
    merge(stage, anne, ann)  # in the same moment, by yet another
    now = stage.clock.now()
    took = stage.engine.write(lambda tx: merging.take_over(tx, stage.world, anna, now))
    stage.works()
    assert took.result()
    assert stage.runs(anna) == stage.runs(ann) == []
    assert sorted(str(run.outcome) for run in stage.runs(anne)) == ["8", "None"]
    again = stage.engine.write(lambda tx: merging.take_over(tx, stage.world, anna, now))
    stage.works()
    assert not again.result()


def test_an_agents_task_of_the_run_that_ends_is_closed(stage: Stage):
    stage.account(Channel.AGENT_CALL, "agent_call", provider="desk", settings=DESK, limits={})
    stage.cascade(WITH_AGENT)
    ann, anna = stage.person("ann"), stage.person("anna")
    for each in (ann, anna):
        stage.event(each, "left", cart_id=1, url=URL)
    stage.passes("36h")
    assert len(live_tasks(stage)) == 2
    merge(stage, ann, anna)
    (task,) = live_tasks(stage)
    assert task.contact_id == ann


def test_every_table_of_people_is_carried(either: Database):
    """A new table with contacts in it has to be named here, or carried by `store/merges.py`."""
    told = [s for s in statements("sqlite").values() if s.file == "merges.sql" or s.name in MOVED]
    sql = " ".join(statement.source.replace("\n", " ") for statement in told) + " "
    with_people = {table for table, names in columns(either).items() if "contact_id" in names}
    assert not {table for table in with_people - STAYS if f" {table} " not in sql}


ACTS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["left", "clicked", "failed", "stop", "hour", "day", "merge"])
    ),
    max_size=14,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS, last=st.permutations(range(3)))
def test_no_step_reaches_a_person_twice_and_no_refusal_is_lost(stage: Stage, acts: Any, last: Any):
    """After any history of three contacts of one person, however they are merged."""
    if not stage.world.versions:
        stage.cascade(ADVERTISING)
    number = len(stage.rows("cards_after", country="", after=0, limit=9999))
    people = [stage.person(f"p{number}-{each}") for each in range(3)]
    now: dict[int, int] = {}
    refused = entered_since = False

    def whose(one: int) -> int:
        while one in now:
            one = now[one]
        return one

    def act(one: int, what: str) -> None:
        nonlocal refused, entered_since
        person = whose(people[one])
        if what == "left":
            stage.event(person, "left", cart_id=1, url=URL)
            entered_since = True
        elif what in ("clicked", "failed") and any(p.contact_id == people[one] for p in stage.parcels):
            stage.receipt(people[one], Kind.CLICKED if what == "clicked" else Kind.FAILED)
        elif what == "stop":
            stage.says(SMS, f"p{number}-{one}@sms.example.org", "STOP")
            refused, entered_since = True, False
        elif what in ("hour", "day"):
            stage.passes("1h" if what == "hour" else "1d")
        elif what == "merge":
            other = whose(people[(one + 1) % 3])
            if other != person:
                merge(stage, person, other)
                now[other] = person

    for one, what in acts:
        act(one, what)
    for one in last:
        act(one, "merge")
    mine = [p for p in stage.parcels if p.contact_id in people]
    had = {p.step for p in mine}
    stage.passes("P10D")
    later = [p for p in stage.parcels if p.contact_id in people][len(mine) :]
    assert not had & {p.step for p in later}
    assert len({p.step for p in later}) == len(later)
    # Whoever said stop by SMS and enters anew is written to by other channels only.
    assert not refused or entered_since or not later
    assert not (refused and [p for p in later if p.outgoing.channel in (SMS, Channel.ROBOT_CALL)])
    (person,) = {whose(each) for each in people}
    assert all(run.outcome is not None for run in stage.runs(person))
