"""Guardrails stop what goes wrong, say why, tell people, and watch anew once somebody has looked."""

import threading
import time
from concurrent.futures import Future

import pytest

from kaskad.actions import alarm_book, cascades, guards, watch
from kaskad.actions.alarm_book import Way
from kaskad.actions.alarms import alarms
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid
from kaskad.domain.guard import Figure
from kaskad.domain.policy import DAY, MINUTE
from kaskad.domain.terms import Kind
from kaskad.engine import announce
from kaskad.engine.outbox import EventType
from kaskad.engine.trial import Trial
from kaskad.engine.work import Part
from kaskad.store import set_aside, settings, webhooks
from kaskad.store.guards import LONG_DAYS
from kaskad.store.webhooks import Secret
from support.stage import VAULT, Stage

CASCADE = """
cascade: cart
title: Cart
class: service
trigger: {event: left}
guard: {bounces: 4%, then: pause}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
  - {id: sms, channel: sms, text: Hello}
"""


def directly(stage: Stage) -> Office:
    """Return an office whose writes are done at once, without the engine's thread."""

    def write(change, *, synced=True):
        done = Future()
        with stage.db.write(synced=synced) as tx:
            done.set_result(change(tx))
        return done

    stage.engine.write = write  # type: ignore[method-assign]
    return Office(stage.db, VAULT, stage.engine, stage.world.signer, "https://go.example.org")


def subscribe(stage: Stage) -> None:
    """Let an endpoint be told of whatever happens."""
    with stage.db.write() as tx:
        webhooks.add(tx, VAULT, "https://example.org/", "", [kind.value for kind in EventType],
                     [Secret("whsec_")], True, 1)  # fmt: skip
    stage.engine._load()


def told(stage: Stage) -> list[str]:
    """Return of what subscribers are to be told, and let them be."""
    with stage.db.write() as tx:
        piece = announce.word(tx, stage.world, webhooks.all_webhooks(tx, VAULT), 5)
        announce.keep(tx, piece)
    return [row[2] for row in piece.deliveries]


def let_in(stage: Stage, name: str, people: int, bounced: int, after: str = "0m") -> None:
    persons = [stage.person(f"{name}{n}") for n in range(people)]
    for person in persons:
        stage.event(person, "left")
    stage.passes(after)
    for person in persons[:bounced]:
        stage.receipt(person, Kind.BOUNCED)


def test_one_alarm_stands_however_many_entries_are_set_aside(db):
    stage = Stage(db)
    office = directly(stage)
    office.write(lambda tx: settings.put(tx, alarm_book.WAYS, [Way("email", "ops@example.org")]))
    for count in range(1, 4):
        who = stage.person(f"p{count}")
        with db.write() as tx:
            tx.many("put_inbox", [(1, who, 0, -1, 24, "stop", 1, None)])
            set_aside.put(tx, tx.all("look_at_inbox", limit=1)[0][0], "KeyError at inbox.py:7", 1)
        alarm_book.sync(office)
    (raised,) = [each for each in alarm_book.listing(office, before=2**62, limit=99)
                 if each.alarm.kind == "set_aside"]  # fmt: skip
    assert raised.alarm.over_at is None and len(raised.told) == 1
    stage.clock.at += alarm_book.AGAIN_MS
    alarm_book.sync(office)
    assert [each.name for each in alarms(office) if each.kind == "set_aside"] == ["3"]
    with db.write() as tx:
        set_aside.retry(tx)
    alarm_book.sync(office)
    ended = alarm_book.listing(office, before=2**62, limit=99)
    (raised,) = [each for each in ended if each.alarm.kind == "set_aside"]
    assert raised.alarm.over_at is not None and len(raised.told) == 3


def test_what_one_breach_fails_of_keeps_no_other_from_being_stopped(db, monkeypatch):
    stage = Stage(db)
    office = directly(stage)
    stage.cascade(CASCADE)
    stage.cascade(CASCADE.replace("cascade: cart", "cascade: other").replace("left", "went"))
    let_in(stage, "p", 60, 20)
    people = [stage.person(f"q{n}") for n in range(60)]
    for who in people:
        stage.event(who, "went")
    for who in people[:20]:
        stage.receipt(who, Kind.BOUNCED)
    first, *_ = guards.breaches(office)
    assert len({each.subject.slug for each in guards.breaches(office)}) == 3, "two cascades and the account"
    real = guards._act

    def act(office, breach):
        if breach.subject == first.subject:
            raise KeyError("step")
        return real(office, breach)

    monkeypatch.setattr(guards, "_act", act)
    with pytest.raises(KeyError):
        guards.watch(office)
    assert {each.subject for each in guards.breaches(office)} == {first.subject}, "the other one is stopped"


def test_what_one_part_of_a_look_fails_of_keeps_nobody_from_being_told(db, monkeypatch):
    looked = threading.Event()

    def fails(*_):
        raise KeyError("step")

    monkeypatch.setattr(watch, "EVERY_S", 0.01)
    monkeypatch.setattr(watch.guards, "watch", fails)
    monkeypatch.setattr(watch.alarm_book, "tell", lambda *_, **__: looked.set())
    thread = watch.Watch(directly(Stage(db)))
    thread.start()
    try:
        assert looked.wait(30)
    finally:
        thread.stop()


def test_launches_begin_at_their_dates_however_long_a_look_takes(db, monkeypatch):
    looks, begun, often = [], [], threading.Event()

    def slow(*_):
        looks.append(1)
        time.sleep(0.3)  # so the next look is in twelve seconds

    def go_on(*_):
        begun.append(len(looks))
        if begun.count(1) == 3:
            often.set()

    monkeypatch.setattr(watch, "EVERY_S", 0.01)
    monkeypatch.setattr(watch.guards, "watch", slow)
    monkeypatch.setattr(watch.launch_dates, "go_on", go_on)
    thread = watch.Watch(directly(Stage(db)))
    thread.start()
    try:
        assert often.wait(10)
    finally:
        thread.stop()


def test_a_part_of_the_work_that_rests_is_an_alarm(db):
    stage = Stage(db)
    office, until = directly(stage), stage.clock.now() + DAY
    with stage.db.write() as tx:
        for part in Part:
            set_aside.rest(tx, (0, 0), until, "KeyError at enrol.py:7", part=part.name.lower())
    assert [each.kind for each in alarms(office)][:2] == ["entries_rest", "counting_rests"]
    stage.clock.at = until + 1
    assert "entries_rest" not in [each.kind for each in alarms(office)]


def test_bounces_pause_a_cascade_until_somebody_has_looked(either):
    stage = Stage(either)
    office = directly(stage)
    subscribe(stage)
    alarm_book.put_ways(office, [Way("email", "Ops@example.org"), Way("telegram", "77", ("guard",))])
    sent = []

    def send(account, outgoing, clock):
        sent.append((account.name, outgoing.to, outgoing.subject, outgoing.text))
        return Trial(accepted=account.name != "telegram", took_ms=1, detail="busy")

    stage.cascade(CASCADE)
    guards.raise_account_bounds(office, "email", {Figure.BOUNCES: 0, Figure.FAILURES: 0})
    let_in(stage, "good", 12, 0)
    assert guards.watch(office) == []
    assert alarms(office) == []
    let_in(stage, "bad", 12, 12)
    (breach, *_) = guards.watch(office)
    assert (breach.stream.figure, breach.subject.slug) == (Figure.BOUNCES, "cart")
    assert str(breach.words) == "bounces of step 'letter': 12 of 24 messages, 50 %; the bound is 4 %"
    assert cascades.find(office, "cart").overview.state == "paused"
    assert guards.watch(office) == []  # once

    before = len(stage.parcels)
    stage.passes("25h")
    assert len(stage.parcels) == before  # nothing more leaves

    alarm_book.sync(office)
    alarm_book.sync(office)
    assert next((each.kind, each.name) for each in alarms(office)) == ("guard", "cart")
    assert alarm_book.tell(office, send, lambda why: why.replace("bounces of step", "возвраты шага")) == 1
    assert alarm_book.tell(office, send) == 0  # the mail is told once, the other waits for its next attempt
    assert [one[:2] for one in sent] == [("email", "ops@example.org"), ("telegram", "77")]
    english, russian, page = sent[0][3].split("\n\n")
    assert english.endswith("guardrail. Bounces of step 'letter': 12 of 24 messages, 50 %; the bound is 4 %.")
    assert "приостановлен предохранителем. Возвраты шага 'letter'" in russian
    assert page == "https://go.example.org/cascades/cart/guard"
    kinds = told(stage)
    assert "message.failed" in kinds
    assert kinds.count("cascade.paused") == 1 and kinds.count("alarm.raised") == 1

    status = guards.status(office, "cart")
    shown = {one.stream.figure: one for one in status.watched}
    assert shown[Figure.BOUNCES].stop is not None and shown[Figure.BOUNCES].suspicion == 1.0
    assert (shown[Figure.BOUNCES].bound, shown[Figure.FAILURES].bound) == (400, 2_000)

    cascades.resume(office, "cart", by="ann")
    stage.works()
    assert len(stage.parcels) == before + 12  # the good ones go on
    assert guards.watch(office) == []  # what had been counted is not held against it again
    assert guards.status(office, "cart").history[0].looked_by == "ann"
    alarm_book.sync(office)
    alarm_book.tell(office, send)
    assert sent[-1][2] == "Kaskad: Over: Cascade cart is paused by a guardrail"
    assert {"cascade.resumed", "alarm.over"} <= set(told(stage))

    guards.raise_bounds(office, "cart", {Figure.BOUNCES: 9_000, Figure.FAILURES: 0})
    let_in(stage, "worse", 10, 8)
    assert guards.watch(office) == []  # within its own bound
    guards.raise_bounds(office, "cart", {Figure.BOUNCES: 100})
    assert [each.stream.figure for each in guards.watch(office)] == [Figure.BOUNCES]
    with pytest.raises(Invalid):
        guards.raise_bounds(office, "cart", {Figure.BOUNCES: 10_000})


def test_who_dies_between_an_alarm_and_telling_it_tells_it_later_and_each_day_that_it_stands(stage):
    office = directly(stage)
    alarm_book.put_ways(office, [Way("email", "ops@example.org")])
    sent = []

    def send(account, outgoing, clock):
        sent.append(outgoing.key)
        return Trial(accepted=True, took_ms=1)

    def dies(account, outgoing, clock):
        sent.append(outgoing.key)
        raise KeyboardInterrupt

    stage.cascade(CASCADE.replace("guard: {bounces: 4%, then: pause}", "guard: {bounces: 4%, then: tell}"))
    let_in(stage, "bad", 12, 12)
    guards.raise_account_bounds(office, "email", {Figure.BOUNCES: 0, Figure.FAILURES: 0})
    guards.watch(office)
    assert cascades.find(office, "cart").overview.state == "active"  # it was only to be told
    alarm_book.sync(office)
    with pytest.raises(KeyboardInterrupt):
        alarm_book.tell(office, dies)
    assert alarm_book.tell(office, send) == 0  # another may be at it
    stage.clock.at += alarm_book.LEASE_MS
    while alarm_book.tell(office, send):
        pass
    assert sent[0] in sent[1:]  # at least once: under one key, by which a service may know it again
    assert len(sent) == len(set(sent)) + 1

    before = len(sent)
    stage.clock.at += alarm_book.AGAIN_MS
    alarm_book.sync(office)
    alarm_book.sync(office)
    alarm_book.tell(office, send)
    standing = [
        book for book in alarm_book.listing(office, before=2**60, limit=9) if book.alarm.over_at is None
    ]
    assert len(sent) == before + len(standing)
    assert all(book.told[-1].occasion == "stands" for book in standing)
    with pytest.raises(Invalid):
        alarm_book.put_ways(office, [Way("nobody", "x"), Way("email", "no address")])


def test_a_way_that_fails_of_a_defect_waits_as_one_that_is_down_and_keeps_nobody_from_being_told(stage):
    office = directly(stage)
    alarm_book.put_ways(office, [Way("email", "ops@example.org"), Way("telegram", "77")])
    told = []

    def send(account, outgoing, clock):
        told.append(account.name)
        if account.name == "email":
            raise KeyError("ops@example.org")
        return Trial(accepted=True, took_ms=1)

    stage.cascade(CASCADE.replace("guard: {bounces: 4%, then: pause}", "guard: {bounces: 4%, then: tell}"))
    let_in(stage, "bad", 12, 12)
    guards.watch(office)
    alarm_book.sync(office)
    alarm_book.tell(office, send)
    assert set(told) == {"email", "telegram"}
    failed = told.count("email")
    stage.clock.at += alarm_book.RETRY_MS[0]
    alarm_book.tell(office, send)
    assert told.count("email") == 2 * failed
    stage.clock.at += alarm_book.LEASE_MS
    alarm_book.tell(office, send)
    assert told.count("email") == 2 * failed, "the next attempt is later than the lease ends"
    mails = [one for book in alarm_book.listing(office, before=2**60, limit=9) for one in book.told]
    assert {one.answer for one in mails if one.account == "email"} == {"a defect: KeyError"}


def test_an_account_beyond_a_bound_is_held_whatever_cascade_it_was(stage):
    office = directly(stage)
    stage.cascade(CASCADE.replace("4%", "0%"))  # this cascade does not watch bounces itself
    stage.cascade(CASCADE.replace("4%", "0%").replace("cascade: cart", "cascade: other"))
    block = LONG_DAYS * DAY
    stage.clock.at = (stage.clock.at // block + 1) * block - 30 * MINUTE  # the block ends before they bounce
    let_in(stage, "bad", 12, 12, after="1h")
    found = guards.watch(office)
    assert next((each.subject.account, each.stream.figure) for each in found) == ("email", Figure.BOUNCES)
    assert stage.world.traffic.holds.held.keys() == {stage.world.accounts.by_name["email"].id}
    before = len(stage.parcels)
    let_in(stage, "held", 2, 0)
    assert len(stage.parcels) == before
