"""The short way for runs that stand alike leaves the very rows that deciding one by one leaves."""

import msgspec
import pytest
from msgspec.structs import replace

from kaskad.domain.consent import ANY
from kaskad.domain.policy import Cap, PerClass, Policy
from kaskad.domain.terms import Channel, Kind, MessageClass, Phase, Reason
from kaskad.engine import alike, versions
from kaskad.engine.world import Options
from kaskad.store import contacts, courses
from kaskad.store.db import Database, open_database
from kaskad.store.migrate import upgrade
from support.databases import migrated
from support.stage import HASH_KEY, Stage, accepted, refused

CASCADE = """
cascade: plain
title: Plain
class: advertising
topic: offers
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: first, channel: whatsapp, text: "{{ contact.name }}, {{ trigger.what }}", wait: 2h}
  - {id: second, channel: viber, text: "{{ contact.name }} {{ contact.city }}", wait: 1d}
  - {id: third, channel: sms, text: "{{ contact.name }}", wait: 2h}
"""
POLICY = replace(Policy.unlimited(), caps=(Cap(3, 7),), min_gap_ms=PerClass(advertising=60_000))
FEW_SLOTS = {"concurrency": 3, "per_second": 1e6, "burst": 1000}
TABLES = {
    "runs": "SELECT * FROM runs ORDER BY contact_id, id",
    "messages": "SELECT contact_id, run_id, account_id, mask, not_before, submitted_at, sent_at, price, cost,"
    " why_seq, step, channel, state, reason, variant, lane, attempt FROM messages"
    " ORDER BY contact_id, run_id, step",
    "message_bodies": "SELECT * FROM message_bodies ORDER BY contact_id, run_id, step",
    "facts": "SELECT * FROM facts ORDER BY contact_id, run_id, step, kind, event",
    "decisions": "SELECT d.contact_id, d.run_id, d.seq, d.at, i.detail FROM (SELECT * FROM decisions UNION"
    " SELECT contact_id, run_id, why_seq, submitted_at, why FROM messages WHERE why IS NOT NULL) d"
    " JOIN decision_inputs i ON i.id = d.input_id ORDER BY 1, 2, 3",
    "cascades": "SELECT reserved, charged FROM cascades",
}


def people(stage: Stage) -> list[int]:
    """Make contacts of many kinds, most of them alike."""
    found = [stage.person(f"p{n}", attributes={"city": "Almaty"}) for n in range(6)]
    found += [
        stage.person("nameless", attributes={"city": "Almaty", "name": None}),
        stage.person("homeless"),  # the second text cannot be filled
        stage.person("zoned", zone="Asia/Almaty", attributes={"city": "A"}, country="KZ"),
        stage.person("unzoned", zone=None, attributes={"city": "A"}),
        stage.person("untracked", tracking=False, attributes={"city": "A"}),
        stage.person("deaf", [Channel.SMS], attributes={"city": "A"}),
        stage.person("mute", consented=False, attributes={"city": "A"}),
        stage.person("twin1", addresses={Channel.WHATSAPP: "same"}, attributes={"city": "A"}),
        stage.person("twin2", addresses={Channel.WHATSAPP: "same"}, attributes={"city": "A"}),
        stage.person("left", attributes={"city": "A"}),
        stage.person("granted twice", attributes={"city": "A"}),
        stage.person("late grant", consented=False, attributes={"city": "A"}),
        stage.person("double", attributes={"city": "A"}),
        stage.person("full", attributes={"city": "A"}),
    ]
    with stage.db.write() as tx:
        no = contacts.Consent(granted=False, at=2, purpose=ANY, channels=1 << Channel.VIBER.code)
        yes = contacts.Consent(granted=True, at=3, purpose=MessageClass.ADVERTISING.code, proof="{}")
        later = replace(yes, at=stage.clock.now() + 3_600_000)
        contacts.add_consents(tx, [(found[-5], no), (found[-4], yes), (found[-3], later)])
        one = contacts.Contact(
            external_id="double", addresses=[contacts.Address(Channel.WHATSAPP, "second", 1)]
        )
        contacts.upsert(tx, HASH_KEY, [one], stage.clock.now())
    return found


def carried(db: Database, **options) -> dict[str, list[tuple]]:
    """Carry everybody through; return what all tables hold then."""
    sharers = options.pop("sharers", 0)
    stage = Stage(db, policy=POLICY, **options)
    for number in range(sharers):
        stage.account(Channel.WHATSAPP, f"other{number}", weight=2, **options["account_each"])
    stage.cascade(CASCADE.replace("goal:", "budget: {total: 3000 KZT}\ngoal:"))
    found = people(stage)
    chosen = {
        (found[1], 0): Reason.INVALID_ADDRESS, (found[2], 0): Reason.TRANSIENT, (found[4], 0): Reason.CONTENT,
        (found[8], 0): Reason.OPTED_OUT, (found[15], 1): Reason.CONTENT, (found[10], 2): Reason.CONTENT,
        (found[16], 0): Reason.CONTENT, (found[16], 1): Reason.CONTENT,
    }  # fmt: skip

    def answer(parcel):
        reason = chosen.pop((parcel.contact_id, parcel.step), None)
        if reason is not None:
            return refused(parcel, stage.clock.now(), reason)
        return accepted(parcel, stage.clock.now())

    stage.answer = answer
    for _ in range(3):  # the last one of them has touches enough already
        stage.event(found[-1], "joined", id=f"full{_}", what="x")
    stage.deliver(events=[stage.told(contact_id, "joined", what="a basket") for contact_id in found])
    stage.receipt(found[0], Kind.DELIVERED)
    stage.receipt(found[3], Kind.DELIVERED, Kind.READ)
    stage.passes("1h")
    stage.receipt(found[4], Kind.UNKNOWN)
    stage.passes("2h")
    stage.receipt(found[5], Kind.READ, step=0)  # late: of a step before
    stage.passes("60h")
    assert all(limits.in_flight == 0 for limits in stage.world.traffic.limits.values())
    with db.read() as tx:
        connection = tx._connection
        rows = {table: [tuple(row) for row in connection.execute(sql)] for table, sql in TABLES.items()}
    rows["decisions"] = [(*row[:4], told(row[4])) for row in rows["decisions"]]
    return rows


def told(detail: str) -> dict:
    """Return why something was decided; of a send only the address that the short way reads."""
    why = msgspec.json.decode(detail)
    if "send" in why:
        place, answers = why["send"]["channel"] * 4, why["answers"]
        answers["addresses"] &= 15 << place
        if not answers["addresses"] >> place & 8:  # nobody else has it
            answers.pop("touched", None)
    return why


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request, tmp_path):
    """Return a function that makes an empty database."""
    made, urls = [], []

    def make() -> Database:
        if request.param == "postgresql":
            urls.append(request.getfixturevalue("postgres").create())
            made.append(open_database(urls[-1]))
            upgrade(made[-1])
        else:
            made.append(migrated(tmp_path / f"{len(made)}.db"))
        return made[-1]

    yield make
    for db in made:
        db.close()
    for url in urls:
        request.getfixturevalue("postgres").drop(url)


@pytest.mark.parametrize(
    ("limits", "sharers", "least"),
    [(None, 0, 100), (FEW_SLOTS, 0, 100), (FEW_SLOTS, 0, 1), (None, 2, 100)],
    ids=["free", "queued", "unwritten", "shared"],
)
def test_both_ways_leave_the_same_rows(fresh, request, monkeypatch, limits, sharers, least):
    each = {"prices": {"minor": 150, "currency": "KZT"}} | ({"limits": limits} if limits else {})
    options = Options(base_url="https://go.example.org", wait_unwritten_from=least)
    short_ways, refusals = [], []
    real = alike.Alike._write_granted

    def counting(self, plan, takes):
        short_ways.append(len(takes))
        refusals.append(len(takes) if plan.standing.at_once else 0)
        return real(self, plan, takes)

    monkeypatch.setattr(alike.Alike, "_write_granted", counting)
    short = carried(fresh(), account_each=each, sharers=sharers, options=options)
    assert sum(short_ways) >= 20 and sum(refusals) >= 4
    monkeypatch.setattr(versions, "standing", lambda *_: None)
    monkeypatch.setattr(versions, "turn", lambda *_: None)
    monkeypatch.setattr(versions, "refusal", lambda *_: None)
    count = len(short_ways)
    long = carried(fresh(), account_each=each, sharers=sharers, options=options)
    assert len(short_ways) == count
    if limits and "postgresql" in request.node.name:  # it lets any of those who are equally old go first
        short, long = whatever_the_order(short), whatever_the_order(long)
    for table, rows in long.items():
        for mine, theirs in zip(short[table], rows, strict=True):
            assert mine == theirs, table
        assert rows


def whatever_the_order(rows: dict[str, list[tuple]]) -> dict[str, list[tuple]]:
    """Return the rows without what tells how often a message has waited."""
    runs = [(*row[:2], *row[3:]) for row in rows["runs"]]
    messages = [(*row[:9], *row[10:]) for row in rows["messages"]]
    sends = [(*row[:2], row[4]["to"]) for row in rows["decisions"] if row[4]["to"]["phase"] != Phase.QUEUED]
    return rows | {"runs": runs, "messages": messages, "decisions": sends}


@pytest.mark.parametrize(
    ("kinds", "marked"),
    [((), 0), ((Kind.DELIVERED,), 0), ((Kind.DELIVERED, Kind.MACHINE_OPENED), 1), ((Kind.SOFT_BOUNCED,), 1)],
)
def test_whatever_is_more_than_a_delivery_marks_the_run(either, kinds, marked):
    stage = Stage(either)
    stage.cascade(CASCADE)
    ann = stage.person("ann", attributes={"city": "A"})
    stage.event(ann, "joined", what="x")
    stage.receipt(ann, *kinds)
    assert stage.run(ann).marks == marked
    stage.passes("3h")
    assert stage.sent(ann) == ["first", "second"]


def test_a_message_that_is_refused_at_once_leaves_its_run_like_others(either):
    stage = Stage(either)
    stage.cascade(CASCADE)
    ann = stage.person("ann", attributes={"city": "A"})
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.CONTENT)
    stage.event(ann, "joined", what="x")
    assert stage.run(ann).marks == 0 and stage.sent(ann) == ["first", "second", "third"]


@pytest.mark.parametrize(("reason", "again"), [(Reason.CONTENT, 0), (Reason.OTHER, 1)])
def test_a_refused_message_that_is_tried_again_marks_the_run(either, reason, again):
    stage = Stage(either)
    stage.cascade(CASCADE.replace("wait: 1d", "wait: 1d, on_fail: retry"))
    ann = stage.person("ann", attributes={"city": "A"})
    answers = [lambda parcel: accepted(parcel, stage.clock.now())] * 3
    answers[1] = lambda parcel: refused(parcel, stage.clock.now(), reason)
    stage.answer = lambda parcel: answers.pop(0)(parcel)
    stage.event(ann, "joined", what="x")
    stage.passes("3h")
    assert stage.run(ann).marks == again
    assert stage.sent(ann) == ["first", "second", "second" if again else "third"]


@pytest.mark.parametrize("way", ["short", "long"])
def test_what_follows_from_a_refusal_is_due_from_then_on(either, monkeypatch, way):
    if way == "long":
        monkeypatch.setattr(versions, "refusal", lambda *_: None)
    stage = Stage(either)
    stage.cascade(CASCADE)
    people = [stage.person(name, attributes={"city": "A"}) for name in ("ann", "ben")]
    stage.answer = lambda parcel: None
    stage.deliver(events=[stage.told(contact_id, "joined", what="x") for contact_id in people])
    (second,) = stage.world.accounts.by_channel[Channel.VIBER.code]
    stage.world.traffic.limits[second.id].change(1, 1e6, 1000)  # one of them is queued there
    stage.passes("30s")
    now = stage.clock.now()
    stage.engine.take_results([refused(parcel, now, Reason.CONTENT) for parcel in stage.parcels[:2]])
    stage.works()
    runs = [stage.run(contact_id) for contact_id in people]
    assert sorted(run.phase for run in runs) == [Phase.QUEUED, Phase.SUBMITTED]
    assert [(run.step, run.due_at) for run in runs] == [(1, now)] * 2


@pytest.mark.parametrize("kind", [Kind.SENT, None])
def test_a_refusal_that_a_service_tells_of_later_marks_the_run(either, kind):
    stage = Stage(either)
    stage.cascade(CASCADE)
    ann = stage.person("ann", attributes={"city": "A"})
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now(), kind=kind)
    stage.event(ann, "joined", what="x")
    stage.receipt(ann, Kind.REJECTED)
    assert stage.run(ann).marks == 1 and stage.sent(ann) == ["first", "second"]


def test_a_message_that_is_there_already_is_left_to_the_long_way(either):
    stage = Stage(either)
    stage.cascade(CASCADE)
    people = [stage.person(name, attributes={"city": "A"}) for name in ("ann", "ben")]
    stage.deliver(events=[stage.told(contact_id, "joined", what="x") for contact_id in people])
    ann = stage.run(people[0])
    with either.write() as tx:  # postponed: nothing has left us
        row = (ann.contact_id, ann.id, 1, Channel.VIBER.code, 0, *[None] * 6, 0, None, None)
        tx.many("put_messages", [row])
        courses.due(tx, {row[:2]})
    stage.passes("3h")
    assert [stage.sent(contact_id) for contact_id in people] == [["first", "second"]] * 2
    assert stage.world.work.conflicts == 0
    stage.passes("2d")
    assert [stage.sent(contact_id) for contact_id in people] == [["first", "second", "third"]] * 2


def test_a_submission_leaves_the_timer_where_it_was_until_its_guard_runs_out(either):
    stage = Stage(either)
    stage.cascade(CASCADE)
    ann = stage.person("ann", attributes={"city": "A"})
    stage.answer = lambda parcel: None
    began = stage.clock.now()
    stage.event(ann, "joined", what="x")
    guard_at = stage.clock.now() + stage.world.options.submit_guard_ms
    assert stage.run(ann).wake_at == guard_at
    with either.read() as tx:
        (timer,) = tx._connection.execute("SELECT wake_at FROM runs").fetchall()
    assert timer[0] <= began + 1_000
    stage.passes("89s")
    assert stage.states(ann) == {"first": "submitted"} and stage.run(ann).wake_at == guard_at
    stage.passes("2s")
    assert stage.states(ann) == {"first": "unknown"}
    stage.answer = lambda parcel: accepted(parcel, stage.clock.now())
    stage.passes("2h")
    assert stage.sent(ann) == ["first", "second"]
    assert stage.run(ann).wake_at == stage.engine.next_at > stage.clock.now() + 22 * 3_600_000


def test_the_guard_of_a_message_that_was_queued_runs_out_before_its_patience(either):
    limits = {"concurrency": 1, "per_second": 1e6, "burst": 1000}
    stage = Stage(either, account_each={"limits": limits})
    stage.cascade(CASCADE)
    people = [stage.person(name, attributes={"city": "A"}) for name in ("ann", "ben")]
    held = []
    stage.answer = held.append
    stage.deliver(events=[stage.told(contact_id, "joined", what="x") for contact_id in people])
    assert sorted(stage.states(one)["first"] for one in people) == ["queued", "submitted"]
    stage.engine.take_results([accepted(stage.parcels[0], stage.clock.now())])
    stage.works()
    last = stage.parcels[1].contact_id
    assert stage.states(last) == {"first": "submitted"}
    stage.passes("91s")
    assert stage.states(last) == {"first": "unknown"}


@pytest.mark.parametrize("way", ["short", "long"])
@pytest.mark.parametrize("answered", ["accepted", "refused", "lost"])
def test_nothing_is_remembered_of_a_submission_that_is_over(stage, monkeypatch, way, answered):
    if way == "long":
        monkeypatch.setattr(versions, "standing", lambda *_: None)
        monkeypatch.setattr(versions, "refusal", lambda *_: None)
    stage.cascade(CASCADE)
    people = [stage.person(f"p{n}", attributes={"city": "A"}) for n in range(3)]
    now = stage.clock.now
    stage.answer = {
        "accepted": lambda parcel: accepted(parcel, now()),
        "refused": lambda parcel: refused(parcel, now(), Reason.CONTENT),
        "lost": lambda parcel: None,
    }[answered]
    stage.deliver(events=[stage.told(person, "joined", what="x") for person in people])
    stage.passes("60h")
    assert {stage.run(person).outcome for person in people} != {None}
    assert stage.parcels and not stage.world.work.handed
