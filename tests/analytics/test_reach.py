"""The report, counted again slowly from the rows of messages and facts."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kaskad.analytics import changed
from kaskad.analytics.courses import standings, tally, worth_each
from kaskad.analytics.gains import gains
from kaskad.analytics.measures import EVERY, Chosen, Measured, measured, seen
from kaskad.analytics.paths import Flow, flows
from kaskad.analytics.reach import Line, Report, report, trips
from kaskad.analytics.recent import Lately, hours, lately
from kaskad.analytics.scope import EVERYTHING, People, Scope
from kaskad.analytics.services import services
from kaskad.analytics.who import Figure, who
from kaskad.domain.cascade import Cascade
from kaskad.domain.definition import to_cascade
from kaskad.domain.measures import OF_MESSAGES, OF_MONEY, OF_RUNS
from kaskad.domain.returns import LATE, WHOLE
from kaskad.domain.run import HUMAN, state_of
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Reason, SkipReason
from kaskad.engine.counting import count as count_anew
from kaskad.store import accounts, courses, run_columns, settings
from kaskad.store.db import Database, Transaction, open_database
from kaskad.store.migrate import upgrade
from kaskad.store.vault import Vault
from support.examples import tries
from support.slow_measures import RECEIPTS, Sent, at_of, mark_left, slow_rates, slow_runs, submitted_at

TEXT = """
cascade: three
title: Three
class: service
topic: x
trigger: {broadcast: all}
goal: {event: purchase}
steps:
  - {id: letter, channel: email, subject: a, text: a, html: <p>a</p>, wait: 1h}
  - {id: chat, channel: [telegram, whatsapp], text: a, wait: 1h}
  - {id: sms, channel: sms, text: a, wait: 1h}
"""
CASCADE = to_cascade(TEXT, name="three")
VALUED = to_cascade(TEXT.replace("purchase}", "purchase, value: total}"), name="three")
WORTH = {1: "KZT", 2: "USD", 3: "EUR"}  # currencies of what goals bring, by version
CHANNELS = {0: [Channel.EMAIL], 1: [Channel.TELEGRAM, Channel.WHATSAPP], 2: [Channel.SMS]}
CURRENCIES = {Channel.EMAIL: "KZT", Channel.TELEGRAM: "KZT", Channel.WHATSAPP: "USD", Channel.SMS: "KZT"}
FACTS = [kind for kind in Kind if kind < Kind.GOAL]

message = st.one_of(
    st.none(),
    st.tuples(st.just("skip"), st.sampled_from(SkipReason)),
    st.tuples(
        st.just("sent"),
        st.sets(st.sampled_from(FACTS), max_size=5),
        st.integers(0, 50),
        st.none() | st.integers(0, 50),
        st.sampled_from([0, 1]),
    ),
)
person = st.tuples(
    st.booleans(),
    st.none() | st.sampled_from(Outcome),
    st.tuples(message, message, message),
    st.booleans(),
    st.none() | st.tuples(st.sampled_from([1, 2, 3]), st.none() | st.integers(0, 900), st.integers(0, 2)),
)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path: Path = tmp_path_factory.mktemp("reach") / "kaskad.db"
    db = open_database(str(path))
    upgrade(db)
    vault = Vault(["v" * 40])
    with db.write() as tx:
        for channel, currency in CURRENCIES.items():
            prices = {"minor": 1, "currency": currency}
            accounts.save(tx, vault, accounts.Account(
                name=channel.value, provider="generic_webhook", channel=channel, prices=prices
            ))  # fmt: skip
            told = 0 if channel is Channel.EMAIL else sum(kind.bit for kind in RECEIPTS)
            tx.script(f"UPDATE accounts SET tells = {told} WHERE name = '{channel.value}'")
        tx.script("INSERT INTO cascades (id, slug, version_id, changed_at) VALUES (7, 'three', 1, 0)")
        settings.put(tx, "brand", {"name": "Shop", "currency": WORTH[3]})
        for version, budget in ((1, "{total: 5 KZT}"), (2, "{per_contact: 5 USD}"), (3, "{}")):
            source = f"{TEXT}budget: {budget}".replace("'", "''")
            tx.script("INSERT INTO versions (id, cascade_id, number, source, activated_at) "
                      f"VALUES ({version}, 7, {version}, '{source}', 0)")  # fmt: skip
        tx.script('INSERT INTO contacts (id, attributes, created_at) VALUES (1, \'{"name": "A"}\', 0)')
        tx.script("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
                  "INSERT INTO contacts (id, created_at, tracking) SELECT i, 0, i % 3 > 0 "
                  "FROM n")  # fmt: skip
    yield db
    db.close()


DUE = "INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',' || id || ']' FROM runs"


def fill(db: Database, people: list[Any]) -> list[dict[str, Any]]:
    """Write runs and messages; return the messages as plain rows."""
    with db.write() as tx:
        ids = {row[1]: row[0] for row in tx.all("accounts")}
        tx.script(
            DUE
        )  # of the runs that go, and of those that come: what the engine does where it changes any
        tx.script("DELETE FROM facts; DELETE FROM messages; DELETE FROM runs")
        rows = []
        for contact, (holdout, outcome, messages, _, goal) in enumerate(people, 1):
            version, value, back = goal or (1, None, 0)
            marks = Kind.GOAL.bit if goal else 0
            marks |= (0, Kind.RETURNED.bit | LATE, Kind.RETURNED.bit | WHOLE)[back]
            code, wake = (outcome.code, "NULL") if outcome else ("NULL", "5")
            state = 3 if outcome else 1
            tx.script(
                "INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, "
                "wake_at, due_at, entered_at, holdout, outcome, marks, returned, value) "
                f"VALUES ({contact}, 1, 7, {version}, 0, {state}, 3, 0, 0, {wake}, 0, 0, {int(holdout)}, "
                f"{code}, {marks}, {came_back(value, back)}, {'NULL' if value is None else value})"
            )
            for step, told in enumerate(messages):
                if told is None:
                    continue
                row = _row(contact, step, told)
                row["holdout"] = holdout
                rows.append(row)
                account = "NULL" if row["skip"] else ids[row["channel"].value]
                cost = "NULL" if row["cost"] is None else row["cost"]
                reason = "NULL" if row["reason"] is None else row["reason"].code
                tx.script(
                    "INSERT INTO messages (contact_id, run_id, step, channel, state, mask, reason, "
                    f"account_id, price, cost, submitted_at) VALUES ({contact}, 1, {step}, "
                    f"{row['channel'].code}, {row['state'].code}, {row['mask']}, {reason}, "
                    f"{account}, {row['price']}, {cost}, "
                    f"{'NULL' if row['skip'] else submitted_at(step)})"
                )
                tx.many("put_facts", [
                    (contact, 1, step, kind.value, "e", at_of(contact, step, kind), None)
                    for kind in row["facts"]
                ])  # fmt: skip
        tx.script(DUE)
    return rows


HOUR = 3_600_000


def came_back(value: int | None, back: int) -> int:
    """Return what of a goal's worth came back: nothing, a half or all of it."""
    return (0, (value or 0) // 2, value or 0)[back]


def _row(contact: int, step: int, told: Any) -> dict[str, Any]:
    if told[0] == "skip":
        return {"contact": contact, "step": step, "channel": CHANNELS[step][0], "skip": True,
                "reason": told[1], "state": MessageState.SKIPPED, "mask": 0, "facts": [], "price": 0,
                "cost": None}  # fmt: skip
    _, facts, price, cost, which = told
    mask = sum(kind.bit for kind in facts)
    return {"contact": contact, "step": step, "channel": CHANNELS[step][which % len(CHANNELS[step])],
            "skip": False, "reason": None, "state": state_of(mask), "mask": mask,
            "facts": sorted(facts), "price": price, "cost": cost}  # fmt: skip


SENT = {"sent", "delivered", "read", "failed", "bounced", "expired", "unknown"}
ACTED = {Kind.CLICKED, Kind.REPLIED, Kind.KEYPRESS, Kind.ASKED_AGENT}
LOOKED = ACTED | {Kind.OPENED, Kind.READ, Kind.ANSWERED}


@hypothesis_settings(max_examples=tries(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(person, max_size=12))
def test_every_figure_is_what_a_slow_count_of_the_rows_gives(db: Database, people: list[Any]) -> None:
    rows = fill(db, people)
    with db.read() as tx:
        told, valued = report(tx, 7, CASCADE, 1), report(tx, 7, VALUED, 1)
        listed = trips(tx, 7, CASCADE, 1000)
        stands = standings(tx)
        assert stands == ({7: (told.entered, told.under_way)} if told.entered else {}) == standings(tx, 7)
        check_ways(told, flows(tally(tx, 7, EVERYTHING), CASCADE))
        check_people(tx, told)
        check_recent(tx, rows)
    with db.write() as tx:
        while count_anew(tx, 7):
            pass
    with db.read() as tx:
        assert report(tx, 7, CASCADE, 1) == told, "counted"
        check_recent(tx, rows)
        assert standings(tx) == stands and standings(tx, 8) == {}
        assert report(tx, 7, CASCADE, 1, Scope(until=1)) == told, "by each run"
        for span in (1, 24, 25, 49):
            assert report(tx, 7, CASCADE, 1, Scope(until=span * 3_600_000)) == told, "by hours and days"
        assert report(tx, 7, CASCADE, 1, Scope(People(range(100)))) == told, "of these people"
        assert report(tx, 7, CASCADE, 1, Scope(since=1)).entered == 0
    list(run_columns.making(db))
    with db.read() as tx:
        everybody = Scope(People(range(1, 100)))
        assert report(tx, 7, CASCADE, 1, everybody) == told, "by columns"
        amounts = worth_each(tx, 7, EVERYTHING)
        assert worth_each(tx, 7, everybody) == amounts, "by columns"
    live = [p for p in people if not p[0]]
    assert told.entered == len(live) and told.holdouts == len(people) - len(live)
    assert told.outcomes == dict(Counter(p[1].value for p in live if p[1]))
    assert told.under_way == sum(p[1] is None for p in live)
    check_lines(told, rows, people)
    check_reach(told, rows, len(live))
    check_money(told, live)
    check_money(valued, live, VALUED)
    with db.read() as tx:
        check_measures(tx, people, rows)
    assert {trip.contact_id: trip.sent for trip in listed} == {
        contact: sum(r["state"].value in SENT for r in rows if r["contact"] == contact)
        for contact in range(1, len(people) + 1)
    }  # fmt: skip


def test_a_report_says_what_it_has_not_counted(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(db, [])  # the runs of the tests before are gone, and counted so
    with db.write() as tx:
        while count_anew(tx, 1_000):
            pass
    fill(db, [(False, None, (None, None, None), False, None)] * 9)
    with db.read() as tx:
        assert (report(tx, 7, CASCADE, 1).entered, report(tx, 7, CASCADE, 1).uncounted) == (9, 0)
        monkeypatch.setattr(changed, "CORRECTED", 8)
        assert report(tx, 7, CASCADE, 1).uncounted == 9


def test_what_has_changed_is_looked_at_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(db, [(False, None, (None, None, None), False, None)] * 9)
    looked: list[set[tuple[int, int]]] = []

    def stand(tx: Transaction, keys: set[tuple[int, int]], *more: Any) -> Any:
        looked.append(keys)
        return courses.stand(tx, keys, *more)

    monkeypatch.setattr(changed, "stand", stand)
    with db.read() as tx:
        once, some = changed.Changed(tx), Scope(People([2, 3]))
        of_some, whole = tally(tx, 7, some, once), tally(tx, 7, EVERYTHING, once)
        assert [len(keys) for keys in looked] == [2, 7] and len(set.union(*looked)) == 9
        assert sum(of_some.shapes.values()) == 2 and sum(whole.shapes.values()) == 9
        assert (tally(tx, 7, some), tally(tx, 7, EVERYTHING)) == (of_some, whole)
        assert len(looked) == 4, "whoever asks once looks itself"


def check_lines(told: Report, rows: list[dict[str, Any]], people: list[Any]) -> None:
    mine = [row for row in rows if not row["skip"]]
    for line in told.lines:
        check_week(line, [Sent(r, people[r["contact"] - 1]) for r in mine])
        of = [r for r in mine if r["step"] == line.step and r["channel"].value == line.channel]
        assert line.sent == sum(r["state"].value in SENT for r in of)
        assert line.delivered == sum(r["state"].value in ("delivered", "read") for r in of)
        assert line.failed == sum(
            r["state"].value in ("rejected", "failed", "bounced", "expired") for r in of
        )
        assert line.unknown == sum(r["state"].value == "unknown" for r in of)
        currency = CURRENCIES[Channel(line.channel)] if of else ""
        if of:
            assert line.cost == {currency: sum(cost_of(r) for r in of)}
    assert sum(line.sent for line in told.lines) == sum(r["state"].value in SENT for r in mine)
    steps = ["letter", "chat", "sms"]
    skipped = Counter((steps[r["step"]], r["reason"].value) for r in rows if r["skip"])
    assert skipped == Counter({(s, why): n for s, whys in told.skips.items() for why, n in whys.items()})
    failed = Counter(
        (steps[r["step"]], Reason.OTHER.value)
        for r in mine if r["state"].value in ("rejected", "failed", "bounced", "expired")
    )  # fmt: skip
    assert failed == Counter({(s, why): n for s, whys in told.failures.items() for why, n in whys.items()})


MACHINES = {Kind.MACHINE_OPENED, Kind.MACHINE_CLICKED, Kind.MACHINE_ANSWERED}
CLICKS = {Kind.CLICKED, Kind.MACHINE_CLICKED}


def check_week(line: Line, messages: list[Sent]) -> None:
    """What a line says that people and machines did is what they did within a week of each message."""
    of = [one for one in messages if (one.number, one.channel) == (line.step, line.channel)]

    def count(*kinds: Kind, none: set[Kind] = frozenset(), among: list[Sent] = of) -> int:  # type: ignore[assignment]
        return sum(bool(one.week & {*kinds}) and not one.week & none for one in among)

    arrived = [one for one in of if one.arrived]
    assert line.arrived == len(arrived)
    assert line.silent == sum(not one.week & LOOKED for one in arrived)
    assert line.seen == count(*LOOKED) and line.reacted == count(*ACTED) and line.machine == count(*MACHINES)
    assert line.opened == count(Kind.OPENED) and line.clicked == count(Kind.CLICKED)
    assert line.opened_raw == count(Kind.OPENED, Kind.MACHINE_OPENED)
    assert line.clicked_raw == count(*CLICKS, Kind.SUSPECTED_CLICKED)
    assert line.suspected == count(Kind.SUSPECTED_CLICKED, none=CLICKS)
    assert line.prefetched == count(Kind.MACHINE_OPENED, none={Kind.OPENED}, among=arrived)


def cost_of(row: dict[str, Any]) -> int:
    if row["cost"] is not None:
        return int(row["cost"])
    return int(row["price"]) if row["state"].value in SENT else 0


def check_reach(told: Report, rows: list[dict[str, Any]], entered: int) -> None:
    reached: dict[str, set[int]] = defaultdict(set)
    firsts: dict[int, tuple[int, int, str]] = {}
    for r in rows:
        arrived = r["state"].value in ("delivered", "read")
        human = [kind for kind in r["facts"] if kind.bit & HUMAN]
        for kind in human:
            at = (at_of(r["contact"], r["step"], kind), r["step"], r["channel"].value)
            firsts[r["contact"]] = min(firsts.get(r["contact"], at), at)
        if r["holdout"]:
            continue
        for name, yes in (
            ("delivered", arrived), ("seen", bool(human)), ("reacted", bool(ACTED & set(r["facts"]))),
            ("seen_or_sms_delivered", bool(human) or (arrived and r["channel"] is Channel.SMS)),
        ):  # fmt: skip
            if yes:
                reached[name].add(r["contact"])
    for level in told.levels:
        assert level.contacts == len(reached[level.name])
        assert level.share == (level.contacts / entered if entered else 0)
        if level.contacts:
            assert level.cost_each == {c: round(m / level.contacts) for c, m in told.cost.items()}
    by = Counter((step, channel) for _, step, channel in firsts.values())
    assert by == Counter({(line.step, line.channel): line.reached for line in told.lines if line.reached})


def check_measures(tx: Transaction, people: list[Any], rows: list[dict[str, Any]]) -> None:
    """The measures are what a slow count of messages, facts and times gives (domain/measures.py)."""
    counted = tally(tx, 7, EVERYTHING)
    known = seen(tx, counted, services(tx), settings.currency(tx))
    made = measured(
        counted, CASCADE, known, EVERY, gains(tx, 7, EVERYTHING, counted, known, changed.Changed(tx))
    )
    messages = [Sent(r, people[r["contact"] - 1]) for r in rows if not r["skip"]]
    mark_left(messages)
    for row in made.rows:
        mine = [m for m in messages if (m.step, m.channel) == (row.step, row.channel)]
        slow = slow_rates(mine)
        assert {name: (each.part, each.whole) for name, each in row.rates.items()} == slow, row.step
        chosen = measured(counted, CASCADE, known, Chosen(row.step, row.channel))
        assert chosen.all.rates == row.rates and chosen.rates == made.rates
    assert {name: (each.part, each.whole) for name, each in made.all.rates.items()} == slow_rates(messages)
    assert made.all.rates.keys() == OF_MESSAGES.keys()
    assert {*made.rates, "goal_gain"} == OF_RUNS.keys() and made.money.keys() == OF_MONEY.keys()
    slow = slow_runs(people, messages, [r["contact"] for r in rows if r["step"]])
    assert {name: (each.part, each.whole) for name, each in made.rates.items()} == slow
    check_gains(made, people)


def check_gains(made: Measured, people: list[Any]) -> None:
    """Money by run and above the hold-outs' is what each person's goal brought."""
    arms: dict[bool, list[Any]] = {held: [p for p in people if p[0] is held] for held in (False, True)}
    worth = {held: Counter[str]() for held in arms}
    for held, arm in arms.items():
        for person in arm:
            if person[4]:
                worth[held][WORTH[person[4][0]]] += (person[4][1] or 0) - came_back(*person[4][1:])
    live, kept = len(arms[False]), len(arms[True])
    assert made.money["revenue"] == {c: n for c, n in worth[False].items() if n}
    if not (live and kept):
        assert made.goal_gain is None and made.money["revenue_gain"] == {}
        return
    goals = [sum(bool(p[4]) for p in arms[held]) for held in (False, True)]
    assert made.goal_gain == goals[0] / live - goals[1] / kept
    for currency, gain in made.money["revenue_gain"].items():
        assert gain == round(worth[False][currency] / live - worth[True][currency] / kept)


def check_recent(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    """What has left since an hour is what the messages of that time say; those of hold-outs too."""
    sent = [r for r in rows if not r["skip"]]
    failing = ("rejected", "failed", "bounced", "expired")
    for since in (1, 15, 16, 30, 31):
        of = [r for r in sent if submitted_at(r["step"]) >= since * HOUR]
        one = lately(tx, since * HOUR, 99 * HOUR).get(7, Lately())
        assert one.sent == sum(r["state"].value in SENT for r in of)
        assert one.failed == sum(r["state"].value in failing for r in of)
        assert one.refused == sum(r["state"].value in {*failing} - {*SENT} for r in of)
        reached = [r for r in of if LOOKED & set(r["facts"])
                   or (r["channel"] is Channel.SMS and r["state"].value == "delivered")]  # fmt: skip
        assert one.reached == len({r["contact"] for r in reached})
        assert sum(one.cost.values()) == sum(cost_of(r) for r in of)
    left = Counter(submitted_at(r["step"]) // HOUR for r in sent if r["state"].value in SENT)
    assert {h.begins_at // HOUR: h.sent for h in hours(tx, 30 * HOUR, 31) if h.sent} == dict(left)


def check_money(told: Report, live: list[Any], cascade: Cascade = CASCADE) -> None:
    goals = [each[4] for each in live if each[4]]
    revenue = Counter[str]()
    returned = Counter[str]()
    for version, value, back in goals:
        revenue[WORTH[version]] += (value or 0) - came_back(value, back)
        returned[WORTH[version]] += came_back(value, back)
    assert told.goals == len(goals)
    assert told.returned == {currency: minor for currency, minor in returned.items() if minor}
    assert told.goals_returned == sum(bool(back) for *_, back in goals)
    assert told.returned_late == sum(back == 1 for *_, back in goals)
    assert told.revenue == {currency: minor for currency, minor in revenue.items() if minor}
    assert told.revenue_each == {
        currency: round(minor / len(live)) for currency, minor in told.revenue.items()
    }
    assert told.goal_cost == (
        {c: round(minor / len(goals)) for c, minor in told.cost.items()} if goals else {}
    )
    both = {currency for currency, minor in (*told.cost.items(), *told.revenue.items()) if minor}
    one = both.pop() if len(both) == 1 else ""
    spent = told.cost.get(one, 0)
    worth = told.revenue or told.returned if goals else cascade.goal and cascade.goal.value
    assert told.return_rate == (told.revenue.get(one, 0) / spent if spent and worth else None)


def check_ways(told: Report, ways: list[Flow]) -> None:
    """Everybody who enters comes to one end, and goes into each step as often as out of it."""
    come, gone = Counter[str](), Counter[str]()
    for way in ways:
        come[way.target] += way.runs
        gone[way.source] += way.runs
    steps = {place for place in {*come, *gone} if place.startswith("step:")}
    assert gone["entered"] == told.entered and all(come[step] == gone[step] for step in steps)
    ends = {place.removeprefix("end:"): n for place, n in come.items() if place.startswith("end:")}
    assert ends == {**told.outcomes, **({"under_way": told.under_way} if told.under_way else {})}


def check_people(tx: Transaction, told: Report) -> None:
    """The people behind a figure are as many as it says."""

    def count(figure: Figure, scope: Scope = EVERYTHING) -> int:
        return len(who(tx, 7, figure, scope, limit=100).people)

    for line in told.lines:
        for name in ("sent", "delivered", "seen", "reacted", "machine", "suspected", "failed", "unknown",
                     "opened", "clicked", "waiting", "silent"):  # fmt: skip
            assert count(Figure(name, line.step, line.channel)) == getattr(line, name), name
        assert count(Figure("first", line.step, line.channel)) == line.reached
        assert count(Figure("sent", line.step, line.channel), Scope(version_id=9)) == 0
        assert count(Figure("sent", line.step, line.channel), Scope(since=1)) == 0
    for number, name in enumerate(("letter", "chat", "sms")):
        for reason, skips in told.skips.get(name, {}).items():
            assert count(Figure("skipped", number, reason=reason)) == skips
    for outcome, ended in told.outcomes.items():
        assert count(Figure("ended", reason=outcome)) == ended
    for level, name in (
        ("delivered",) * 2,
        ("seen",) * 2,
        ("seen_or_sms_delivered", "reached"),
        ("reacted",) * 2,
    ):
        assert count(Figure(name)) == next(each.contacts for each in told.levels if each.name == level)
    assert count(Figure("entered")) == told.entered and count(Figure("holdouts")) == told.holdouts
    assert count(Figure("under_way")) == told.under_way and count(Figure("goals")) == told.goals
    assert count(Figure("returned")) == told.goals_returned
    assert count(Figure("entered"), Scope(People([1]))) == min(
        told.entered, count(Figure("entered"), Scope(People([1])))
    )
