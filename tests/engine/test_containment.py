"""Nothing that comes in ends the engine: what it cannot apply is set aside, and all else goes on."""

from concurrent.futures import Future
from math import inf

import pytest
from structlog.testing import capture_logs

from kaskad.domain.errors import Conflict, Full, GivenUp, Unavailable, Unfit
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.engine import changes, containment, counting, hits, inbox, results, tick, versions
from kaskad.engine.arrival import Arrival
from kaskad.engine.defects import DEFECT_MS
from kaskad.engine.engine import Engine
from kaskad.engine.receive import Delivery
from kaskad.engine.work import Part
from kaskad.store import cascades, set_aside
from kaskad.store import runs as run_store
from support.plain import LETTER_AND_SMS
from support.stage import Stage, accepted, refused


def put(stage, *people, kind=Kind.CLICKED):
    """Let something about these people's letters lie in the inbox, as it does after a kill."""
    now = stage.clock.now()
    rows = [(now, who, stage.run(who).id, 0, kind.value, f"e{who}", now, None) for who in people]
    with stage.db.write() as tx:
        tx.many("put_inbox", rows)


def poison(monkeypatch, contact_id, error):
    """Let what arrives about one contact be what the code cannot apply."""
    real = inbox._MessageFacts.apply

    def failing(self, told):
        if any(one.contact_id == contact_id for one in told):
            raise error
        real(self, told)

    monkeypatch.setattr(inbox._MessageFacts, "apply", failing)


def entries(stage):
    with stage.db.read() as tx:
        return set_aside.page(tx, after=0, limit=100)


def resting(stage):
    with stage.db.read() as tx:
        return set_aside.resting(tx, stage.clock.now(), 100)


def started(db, count=7):
    stage = Stage(db)
    stage.cascade(LETTER_AND_SMS)
    people = [stage.person(f"p{n}") for n in range(count)]
    for who in people:
        stage.event(who, "joined")
    return stage, people


@pytest.mark.parametrize("error", [KeyError("ann@example.org"), Unfit("a constraint")])
def test_an_entry_that_cannot_be_applied_is_set_aside_and_all_others_count(either, monkeypatch, error):
    stage, people = started(either)
    ann, others = people[3], [*people[:3], *people[4:]]
    put(stage, *people)
    poison(monkeypatch, ann, error)
    with capture_logs() as logs:
        stage.works()
    assert {stage.outcome(who) for who in others} == {"responded"} and stage.outcome(ann) is None
    (entry,) = entries(stage)
    assert (entry.contact_id, entry.kind, entry.event) == (ann, Kind.CLICKED, f"e{ann}")
    assert entry.defect.startswith(f"{type(error).__name__} at test_containment.py:")
    assert "ann@" not in entry.defect
    assert [told["entry"] for told in logs if told["event"] == "an entry of the inbox was set aside"] == [
        entry.id
    ]
    assert stage.engine.problem() is None


def test_whose_entry_is_set_aside_gets_nothing_until_it_counts(either, monkeypatch):
    stage, (ann, bob) = started(either, 2)
    put(stage, ann)
    poison(monkeypatch, ann, KeyError("kind"))
    stage.passes("2d")
    assert stage.sent(ann) == ["letter"] and stage.sent(bob) == ["letter", "sms"]
    monkeypatch.undo()
    stage.engine.write(set_aside.retry)
    stage.works()
    assert stage.outcome(ann) == "responded" and not entries(stage)


def test_a_failure_told_later_moves_nobody_on_whose_entry_is_set_aside(either, monkeypatch):
    stage, (ann,) = started(either, 1)
    put(stage, ann)
    poison(monkeypatch, ann, KeyError("kind"))
    stage.works()
    monkeypatch.undo()
    stage.receipt(ann, Kind.FAILED)
    stage.passes("2d")
    assert stage.sent(ann) == ["letter"]
    stage.engine.write(lambda tx: set_aside.drop(tx, entries(stage)[0].id))
    stage.world.work.entries_set_aside = 0
    stage.passes("1h")
    assert stage.sent(ann) == ["letter", "sms"], "it is left out: all goes on"


ONE_SLOT = {"concurrency": 1, "per_second": 1e6, "burst": 100_000}


def wait_for_a_slot(db, *names):
    """Return people whose texts wait for the only slot, which the first of them has."""
    stage = Stage(db)
    stage.account(Channel.SMS, "sms", limits=ONE_SLOT)
    stage.cascade(LETTER_AND_SMS)
    people = [stage.person(name) for name in names]
    for who in people:
        stage.event(who, "joined")
    stage.answer = lambda parcel: None
    stage.passes("1d")
    people.sort(key=lambda who: "sms" not in stage.sent(who))
    return stage, people


def frees_the_slot(stage):
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.engine.take_results([stage.answer(stage.parcels[-1])])


def left_out(stage):
    """Leave out what is set aside, as a person does."""
    stage.engine.write(lambda tx: set_aside.drop(tx, entries(stage)[0].id))
    stage.world.work.entries_set_aside = 0


def test_whose_entry_is_set_aside_keeps_nobody_from_the_only_slot(either, monkeypatch):
    stage, (_, ann, *others) = wait_for_a_slot(either, "ann", "bob", "cid", "dan")
    put(stage, ann)
    poison(monkeypatch, ann, KeyError("kind"))
    stage.works()
    frees_the_slot(stage)
    stage.passes("1s")
    assert all(stage.sent(who) == ["letter", "sms"] for who in others) and stage.sent(ann) == ["letter"]
    left_out(stage)
    stage.passes("2m")
    assert stage.sent(ann) == ["letter", "sms"]


def test_a_message_under_way_is_not_given_up_for_what_was_set_aside(either, monkeypatch):
    stage, (ann,) = wait_for_a_slot(either, "ann")
    put(stage, ann)
    poison(monkeypatch, ann, KeyError("kind"))
    stage.works()
    monkeypatch.undo()
    told = Arrival(ann, stage.run(ann).id, 0, Kind.UNKNOWN.value, "u1", stage.clock.now())
    stage.deliver(arrivals=[told])
    left_out(stage)
    stage.passes("1s")
    assert stage.states(ann)["sms"] == "submitted"


def test_what_one_process_has_set_aside_holds_in_the_others_at_once(either, monkeypatch):
    stage, (ann,) = started(either, 1)
    other = stage.beside(either)
    other.engine._loaded_s = inf  # it has not looked yet at what others change
    put(stage, ann)
    poison(monkeypatch, ann, KeyError("kind"))
    stage.works()
    monkeypatch.undo()
    assert len(entries(stage)) == 1
    (other if other.world.shared else stage).receipt(ann, Kind.FAILED)
    assert stage.sent(ann) == ["letter"]


def test_a_start_tries_again_what_was_set_aside(db, monkeypatch):
    stage, (ann,) = started(db, 1)
    put(stage, ann)
    poison(monkeypatch, ann, KeyError("kind"))
    stage.works()
    assert len(entries(stage)) == 1
    monkeypatch.undo()
    stage.restart()
    stage.engine.start()
    stage.engine.stop()
    assert stage.outcome(ann) == "responded" and not entries(stage)


@pytest.mark.parametrize("error", [Full("no room"), Unavailable("away"), Conflict("changed by another")])
def test_what_the_database_is_at_fault_for_sets_nothing_aside(db, monkeypatch, error):
    stage, (ann,) = started(db, 1)
    put(stage, ann)
    poison(monkeypatch, ann, error)
    with pytest.raises(type(error)):
        stage.works()
    assert not entries(stage)
    monkeypatch.undo()
    stage.works()
    assert stage.outcome(ann) == "responded"


def test_what_is_delivered_beside_a_poisoned_entry_is_kept(db, monkeypatch):
    stage, (ann, bob) = started(db, 2)
    put(stage, ann)
    poison(monkeypatch, ann, KeyError("kind"))
    taken = stage.deliver(events=[stage.told(bob, "bought")])
    assert taken.result() == [None] and stage.outcome(bob) == "converted"
    assert [each.contact_id for each in entries(stage)] == [ann]


def test_what_one_request_has_given_up_is_refused_alone_and_at_once(either):
    stage, (ann, bob) = started(either, 2)

    def gone(tx):
        raise GivenUp("nobody waits for it")

    given_up = stage.engine.deliver(Delivery(Future(), acts=[gone], events=[stage.told(ann, "bought")]))
    shared = stage.engine.deliver(Delivery(None, raw=[(1, stage.clock.now(), "{}", b"{}", None)]))
    taken = stage.deliver(events=[stage.told(bob, "bought")])
    assert taken.result() == [None] and shared.result() is None and stage.outcome(bob) == "converted"
    assert isinstance(given_up.exception(), GivenUp) and stage.outcome(ann) is None
    assert stage.engine.repeated == 0


def test_a_tick_that_others_have_undone_too_often_lets_all_come_again(db, monkeypatch):
    stage, (ann,) = started(db, 1)
    put(stage, ann)
    poison(monkeypatch, ann, Conflict("changed by another"))
    shared = stage.engine.deliver(Delivery(None, events=[stage.told(ann, "bought")]))
    with pytest.raises(Conflict):
        stage.works()
    assert isinstance(shared.exception(), Unavailable), "a 409 would be final for some services"


def test_an_answer_that_cannot_be_noted_stops_nobody_else(db, monkeypatch):
    stage = Stage(db)
    stage.cascade(LETTER_AND_SMS)
    ann, bob = stage.person("ann"), stage.person("bob")
    real = results._note_ids

    def failing(world, changes, key, result):
        if key[0] == ann:
            raise KeyError("part")
        real(world, changes, key, result)

    monkeypatch.setattr(results, "_note_ids", failing)
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now(), f"id-{parcel.contact_id}")
    stage.deliver(events=[stage.told(ann, "joined"), stage.told(bob, "joined")])
    assert stage.states(bob) == {"letter": "sent"} and stage.states(ann) == {"letter": "submitted"}
    assert all(limits.in_flight == 0 for limits in stage.world.traffic.limits.values())
    stage.passes("2m")
    assert stage.states(ann) == {"letter": "unknown"}


def test_a_defect_that_is_of_no_entry_is_still_told(db, monkeypatch):
    stage, (ann,) = started(db, 1)
    put(stage, ann)
    monkeypatch.setattr("kaskad.engine.tick.apply_results", _fail)
    with pytest.raises(ZeroDivisionError):
        stage.works()
    assert not entries(stage) and isinstance(stage.engine, Engine)


def _fail(*_):
    raise ZeroDivisionError


@pytest.mark.parametrize("where", ["passages", "flush"])
def test_a_run_that_no_tick_can_move_is_put_off_and_all_others_go_on(either, monkeypatch, where):
    stage, people = started(either)
    ann, others = people[3], [*people[:3], *people[4:]]
    fail_at(monkeypatch, where, stage, ann)
    stage.passes("1d")
    assert all(stage.sent(who) == ["letter", "sms"] for who in others) and stage.sent(ann) == ["letter"]
    assert stage.run(ann).wake_at == stage.clock.now() + DEFECT_MS
    (one,) = resting(stage)
    assert (one.contact_id, one.run_id, one.what) == (ann, stage.run(ann).id, "run")
    assert one.until_at == stage.run(ann).wake_at and one.defect.startswith(
        "KeyError at test_containment.py:"
    )
    assert all(limits.in_flight == 0 for limits in stage.world.traffic.limits.values())
    taken = stage.deliver(events=[stage.told(others[0], "bought")])
    assert taken.result() == [None]
    monkeypatch.undo()
    stage.passes("1h")
    assert stage.sent(ann) == ["letter", "sms"] and not resting(stage)


def test_what_is_delivered_while_a_run_makes_ticks_fail_is_kept(db, monkeypatch):
    stage, (ann, bob) = started(db, 2)
    fail_at(monkeypatch, "passages", stage, ann)
    stage.sleeps("1d")
    taken = stage.deliver(events=[stage.told(bob, "bought")])
    assert taken.result() == [None] and stage.outcome(bob) == "converted"
    assert [one.contact_id for one in resting(stage)] == [ann]


@pytest.mark.parametrize("where", ["passages", "flush"])
def test_what_is_told_of_a_run_that_cannot_be_moved_counts(either, monkeypatch, where):
    stage = Stage(either)
    stage.cascade(LETTER_AND_SMS)
    stage.answer = lambda parcel: None
    ann = stage.person("ann")
    stage.event(ann, "joined")
    run = stage.run(ann)
    fail_at(monkeypatch, where, stage, ann)
    now = stage.clock.now()
    stage.engine.take_results([refused(stage.parcels[0], now, Reason.INVALID_ADDRESS)])
    put(stage, ann, kind=Kind.CLICKED)
    no = stage.deliver(arrivals=[Arrival(ann, run.id, 0, Kind.UNSUBSCRIBED.value, "u1", now)])
    assert no.exception() is None and not entries(stage)
    stage.event(ann, "left")
    assert not stage.world.work.resting, "launches go on, though it is put off once more"
    monkeypatch.undo()
    facts = {row[1] for row in stage.rows("facts_of_run", contact_id=ann, run_id=run.id)}
    assert facts >= {Kind.REJECTED.value, Kind.CLICKED.value, Kind.UNSUBSCRIBED.value}
    with stage.db.read() as tx:
        assert [row[0] for row in tx.all("card_consents", contact_id=ann)] == [1, 0]
    stage.passes("1h")
    assert stage.outcome(ann) == "responded" and stage.sent(ann) == ["letter"]


def test_what_comes_in_while_a_tick_is_done_in_pieces_counts_before_timers(either, monkeypatch):
    stage, people = started(either, 4)
    ann, bob, *others = people
    fail_at(monkeypatch, "passages", stage, ann)
    real = containment.Containment._move

    def moves(self, *args):
        put(stage, bob)  # another process keeps it, and answers
        monkeypatch.setattr(containment.Containment, "_move", real)
        return real(self, *args)

    monkeypatch.setattr(containment.Containment, "_move", moves)
    stage.passes("1d")
    assert stage.outcome(bob) == "responded" and stage.sent(bob) == ["letter"]
    assert all(stage.sent(who) == ["letter", "sms"] for who in others)


def fail_at(monkeypatch, where, stage, contact_id):
    """Let what is asked or written about many runs at once fail where a contact's is among them."""
    if where == "passages":
        monkeypatch.setattr(
            versions, "standing", lambda *_: None
        )  # nobody stands alike: the long way for all
        real = run_store.passages

        def passages(tx, runs, *rest):
            if any(run.contact_id == contact_id for run in runs):
                raise KeyError("mask")
            return real(tx, runs, *rest)

        monkeypatch.setattr(run_store, "passages", passages)
        return
    real_flush = changes.Changes.flush_moves

    def flush(self, tx):
        rows = (*self.runs, *self.submits, *self.messages, *self.new_messages)
        if any(row[0] == contact_id for row in rows):
            raise KeyError("seq")
        real_flush(self, tx)

    monkeypatch.setattr(changes.Changes, "flush_moves", flush)


def test_clicks_that_cannot_be_judged_wait_and_all_others_count(db, monkeypatch):
    stage, (ann, bob) = started(db, 2)
    real = hits._verdicts

    def verdicts(tx, world, key, *rest):
        if key[0] == ann:
            raise KeyError("links")
        return real(tx, world, key, *rest)

    monkeypatch.setattr(hits, "_verdicts", verdicts)
    stage.passes("1h")
    for who in (ann, bob):
        stage.hits(who, 0)
    stage.passes("1m")
    assert stage.outcome(bob) == "responded" and stage.outcome(ann) is None
    assert [(one.contact_id, one.what) for one in resting(stage)] == [(ann, "hits")]
    monkeypatch.undo()
    stage.passes("1h")
    assert not resting(stage)
    assert stage.outcome(ann) == "responded"


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("tick.broadcast", Part.LAUNCHES),
        ("tick.dated", Part.DATES),
        ("housekeeping._match_late", Part.ORPHANS),
        ("counting.Counting.run", Part.COUNTING),
    ],
)
def test_a_part_of_the_work_that_fails_rests_and_people_are_written_to(db, monkeypatch, place, part):
    stage, (ann,) = started(db, 1)
    monkeypatch.setattr(f"kaskad.engine.{place}", _fail)
    stage.passes("1d")
    assert stage.sent(ann) == ["letter", "sms"] and stage.engine.problem() is None
    assert stage.world.work.rests(part, stage.clock.now()) and len(stage.world.work.resting) == 1
    assert [(one.what, one.defect[:20]) for one in resting(stage)] == [
        (part.name.lower(), "ZeroDivisionError at")
    ]
    monkeypatch.undo()
    stage.passes("1h")
    assert not stage.world.work.rests(part, stage.clock.now())


def test_a_run_whose_message_is_under_way_keeps_its_guard(either, monkeypatch):
    stage = Stage(either)
    stage.cascade(LETTER_AND_SMS)
    stage.answer = lambda parcel: None
    ann = stage.person("ann")
    stage.event(ann, "joined")
    with monkeypatch.context() as failing:
        fail_at(failing, "flush", stage, ann)
        stage.receipt(ann, Kind.CLICKED)  # it cannot be moved by what is told
    assert stage.outcome(ann) is None
    stage.passes("2m")
    assert stage.outcome(ann) == "responded", "not after an hour"


def test_answers_that_are_noted_in_pieces_count_once_against_the_account(db, monkeypatch):
    stage, people = started(db, 3)
    breaker = stage.world.traffic.limits[stage.world.accounts.by_name["email"].id].breaker
    people = [stage.person(f"q{n}") for n in range(3)]
    stage.answer = lambda parcel: None
    for who in people:
        stage.event(who, "joined")
    real = results._refuse

    def failing(tx, world, changes, told, now):
        if any(one.contact_id == people[0] for one in told):
            raise KeyError("part")
        real(tx, world, changes, told, now)

    monkeypatch.setattr(results, "_refuse", failing)
    now = stage.clock.now()
    refusals = [refused(parcel, now, Reason.TRANSIENT) for parcel in stage.parcels[-3:]]
    stage.engine.take_results(refusals)
    stage.works()
    assert breaker.open_until is None, "two failures were noted, and five open it"
    assert sum(breaker.learnt()[1]) == 2


def test_a_run_that_cannot_be_counted_is_left_out_and_all_others_are_counted(either, monkeypatch):
    stage = Stage(either)
    monkeypatch.setattr(stage, "_is_counted", lambda: None)
    stage.cascade(LETTER_AND_SMS)
    people = [stage.person(f"p{n}") for n in range(5)]
    for who in people:
        stage.event(who, "joined")
    ann = people[2]
    real = counting.alike

    def alike(tx, keys, *rest):
        if any(key[0] == ann for key in keys):
            raise KeyError("course")
        return real(tx, keys, *rest)

    monkeypatch.setattr(counting, "alike", alike)
    stage.engine._counting._next_s = 0.0
    stage.works()
    assert stage.engine.problem() is None and not stage.world.work.resting
    assert counted(stage) == {who for who in people if who != ann}
    assert [(one.contact_id, one.what) for one in resting(stage)] == [(ann, "counting")]
    monkeypatch.setattr(counting, "alike", real)
    stage.passes("61m")
    stage.engine._counting._next_s = 0.0
    stage.works()
    assert counted(stage) == set(people)


def counted(stage):
    with stage.db.read() as tx:
        return {row[0] for row in tx.among("counted_of_contacts", list(range(1, 20)))}


def test_a_launch_that_fails_rests_and_the_others_go_on(db, monkeypatch):
    stage = Stage(db)
    other = LETTER_AND_SMS.replace("cascade: plain", "cascade: other").replace("joined", "left")
    bad, good = stage.cascade(LETTER_AND_SMS), stage.cascade(other)
    ann = stage.person("ann")
    real = tick.broadcast

    def broadcast(tx, world, now):
        if not world.work.rests(1, now):
            raise KeyError("slot")
        return real(tx, world, now)

    monkeypatch.setattr(tick, "broadcast", broadcast)
    with stage.db.write() as tx:
        for cascade in (bad, good):
            cascades.launch(tx, cascades.cascade(tx, cascade).version_id, None, 0, stage.clock.now())
    stage.passes("10m")
    assert stage.sent(ann) == ["letter"] and len(stage.runs(ann)) == 1
    assert [one.what for one in resting(stage)] == ["launches"]
    monkeypatch.undo()
    stage.passes("1h")
    assert len(stage.runs(ann)) == 2


def test_what_the_database_is_at_fault_for_while_the_cause_is_looked_for_lets_no_launch_rest(db, monkeypatch):
    stage, _ = started(db, 1)
    stage.cascade(LETTER_AND_SMS.replace("plain", "news").replace("{event: joined}", "{broadcast: all}"))
    failures = iter([KeyError("step")] * 2)  # of the tick itself, and of the first look at what it fails of

    def failing(*_):
        raise next(failures, Full("no room"))

    with stage.db.write() as tx:
        cascades.launch(tx, 2, None, 0, stage.clock.now())
    monkeypatch.setattr("kaskad.engine.tick.broadcast", failing)
    with pytest.raises(Full):
        stage.works()
    assert not stage.world.work.resting and not resting(stage)
