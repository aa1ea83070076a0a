"""What always holds, after whatever act; and what holds once all is over."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

from kaskad.actions import reports
from kaskad.actions.messages import money
from kaskad.domain.decide import Enter, settle
from kaskad.domain.hours import next_allowed
from kaskad.domain.ledger import held_of
from kaskad.domain.run import NOTHING, state_of
from kaskad.domain.terms import MessageClass, MessageState, Phase
from kaskad.engine.parcel import Parcel
from kaskad.store import runs as run_store
from support import one_count
from support.histories.acts import cascades_go_on, live_tasks, paused_steps_go_on
from support.histories.life import Key, Life
from support.spent import sums_agree

NONE = {
    "a live run has no next instant": "SELECT * FROM runs WHERE outcome IS NULL AND wake_at IS NULL",
    "a message waits though its run has ended":
        "SELECT m.* FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id"
        " WHERE r.outcome IS NOT NULL AND m.state IN (0, 1)",
    "an agent is to call about a run that has ended":
        "SELECT t.* FROM tasks t JOIN runs r ON r.contact_id = t.contact_id AND r.id = t.run_id"
        " WHERE r.outcome IS NOT NULL AND t.state <= 1",
    "a message is of no run":
        "SELECT m.* FROM messages m LEFT JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id"
        " WHERE r.id IS NULL",
    "what was done for good cost less than nothing":
        "SELECT * FROM cascades WHERE reserved < 0 OR charged < 0",
    "a run goes on after its goal":
        "SELECT f.* FROM facts f JOIN runs r ON r.contact_id = f.contact_id AND r.id = f.run_id"
        " WHERE f.kind = 32 AND f.step = -1 AND r.outcome IS NULL AND r.holdout = 0",
    "a launch goes through its people in the order of their ids, and let somebody enter twice":
        "SELECT id, enrolled, cursor FROM launches WHERE enrolled - enrolled_before > cursor",
}  # fmt: skip
UNSENT = {
    state.code
    for state in (MessageState.CREATED, MessageState.QUEUED, MessageState.SKIPPED, MessageState.CANCELLED)
}
OVER = {
    "a run never ends": "SELECT contact_id, id, phase, step, wake_at FROM runs WHERE outcome IS NULL",
    "a message is under way for ever": "SELECT contact_id, run_id, step, state FROM messages WHERE state < 3",
}


def check(life: Life) -> None:
    """Check what always holds; raise AssertionError."""
    new, life.parcels_seen = life.stage.parcels[life.parcels_seen :], len(life.stage.parcels)
    for place, parcel in enumerate(new, life.parcels_seen - len(new)):
        check_sent(life, place, parcel)
        check_hours(life, parcel)
    check_once(life, {life.key(one) for one in new})
    none_of(life, NONE)
    check_budgets(life)
    check_ledgers(life)
    check_folded(life)
    check_places(life)
    check_decided(life)


def none_of(life: Life, rules: dict[str, str]) -> None:
    for what, text in rules.items():
        assert not (found := life.rows(text)), f"{what}: {found}"


def check_sent(life: Life, place: int, parcel: Parcel) -> None:
    """It was sent to somebody who might get it, of a run and a step that go on."""
    key = life.key(parcel)[:2]
    found = life.rows(
        "SELECT r.finished_at, c.slug, r.version_id FROM runs r JOIN cascades c ON c.id = r.cascade_id"
        f" WHERE r.contact_id = {key[0]} AND r.id = {key[1]}"
    )
    for finished_at, slug, version_id in found:
        step = life.stage.world.versions[version_id].cascade.steps[parcel.step].id
        assert finished_at is None or parcel.outgoing.at <= finished_at, f"{key} got {step} after its end"
        assert place < life.paused.get(slug, place + 1), f"{key} got {step} of {slug}, which is paused"
        assert place < life.held.get((slug, step), place + 1), f"{key} got {step}, which is paused"
    stopped = life.stopped.get((parcel.outgoing.channel, parcel.outgoing.to), place + 1)
    assert place < stopped, f"{key} went to {parcel.outgoing.to}, which is on the stop-list"
    if parcel.outgoing.message_class is MessageClass.ADVERTISING:
        since = life.refused.get((life.current(parcel.contact_id), parcel.outgoing.channel), place + 1)
        assert place < since, f"{key} got advertising by {parcel.outgoing.channel} after a refusal"


def check_hours(life: Life, parcel: Parcel) -> None:
    """It was first handed over while windows are open where the person is; a card not before its hour."""
    who, out = parcel.contact_id, parcel.outgoing
    zones = life.rows(f"SELECT zone FROM contacts WHERE id = {who}")
    if parcel.attempt > 1 or not zones or who in life.moved or who in life.merged:
        return
    rule = life.stage.world.policy.rule(out.channel, out.message_class)
    (zone,) = zones[0]
    assert next_allowed(out.at, rule, (zone,)) == out.at, f"{life.key(parcel)} went outside of its hours"
    if parcel.step == 0 and life.cascade_of(who, parcel.run_id) == "birthday":
        at = datetime.fromtimestamp(out.at / 1000, ZoneInfo(zone))
        assert at.hour >= 9, f"{life.key(parcel)}, a card of nine o'clock, went at {at}"


def check_once(life: Life, keys: set[Key]) -> None:
    """No step went twice, but where nothing was taken, the key makes it safe or a failure was told."""
    for key in keys:
        earlier = Counter(life.answers[key][:-1])
        safe = life.idempotent * (earlier["doubt"] + earlier["nothing"])
        unsafe = earlier.total() - earlier["no"] - safe
        assert unsafe <= life.failures[key], f"{key} was sent twice: {life.answers[key]}"
        assert key not in life.passed_over, f"{key} was sent, as was that of a run it was joined with"


def check_decided(life: Life) -> None:
    """Every run is where its facts and the clocks take it, whatever woke it last, or has ended so."""
    world, now = life.stage.world, life.now()
    with life.db.read() as tx:
        runs = [run for found in run_store.of_contacts(tx, range(1, 50)).values() for run in found]
        passages, marks = run_store.passages(tx, runs, world.accounts.retriable, world.versions.plain)
    for run in runs:
        if run.wake_at is not None and run.wake_at <= now:
            continue  # its turn comes
        key, version = (run.contact_id, run.id), world.versions[run.version_id]
        settled = settle(version, run, passages[key], marks.get(key, NOTHING), now)
        if isinstance(settled, Enter):
            stands, follows = (run.step, run.phase in (Phase.ENTER, Phase.QUEUED)), (settled.step, True)
        else:
            looks_again = run.phase in (Phase.QUEUED, Phase.SUBMITTED)  # before it goes, or later
            phase = settled.phase if looks_again else run.phase
            wake_at = run.wake_at if run.phase == Phase.WAITING else settled.wake_at
            call = passages[key].get(run.step)
            if call is not None and call.deadline_at is not None and wake_at is not None:
                wake_at = max(wake_at, settled.wake_at or 0)  # an agent may have put that off
            stands = run.outcome, run.step, phase, wake_at
            follows = settled.outcome, settled.step, settled.phase, settled.wake_at
        assert stands == follows, f"{key} stands at {stands}, and {settled.reason!r} takes it to {follows}"


def check_folded(life: Life) -> None:
    """A message that has left is in the state that its facts add up to, in whatever order they came."""
    for *key, state, mask in life.rows("SELECT contact_id, run_id, step, state, mask FROM messages"):
        if state not in UNSENT:
            assert state == state_of(mask).code, f"{key} is in state {state}, its facts are {mask:b}"


def check_places(life: Life) -> None:
    """An account's places are held by messages without an answer, and by no others."""
    for stage in life.stages:
        asked = Counter(parcel.account_id for of, parcel, _ in life.unanswered if of is stage)
        for number, limits in stage.world.traffic.limits.items():
            places = 0 if number == life.desk else limits.in_flight
            assert places <= asked[number], f"{number} has {places} places taken, {asked[number]} unanswered"


def check_budgets(life: Life) -> None:
    """What is held of a budget is what messages hold; no hand-over has taken it above what it allows."""
    spent, life.spent = life.spent, []
    for whose, taken, most in spent:
        assert taken <= most, f"{whose} holds {taken} of {most} once a message was handed over"
    held = Counter[int]()
    for cascade_id, state, price, cost, spent in life.rows(
        "SELECT r.cascade_id, m.state, m.price, m.cost, m.spent FROM messages m"
        " JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id WHERE m.submitted_at IS NOT NULL"
    ):
        held[cascade_id] += (spent or 0) + held_of(state, price, cost)
    told = life.rows("SELECT coalesce(sum(amount), 0) FROM spending")[0][0] if life.limited else held.total()
    assert told == held.total(), f"budgets of accounts hold {told}, all messages {held.total()}"
    for number, slug, reserved in life.rows("SELECT id, slug, reserved FROM cascades"):
        assert reserved == held[number], f"{slug} holds {reserved}, its messages {held[number]}"


def check_ledgers(life: Life) -> None:
    """What is told of a message's amount, step by step, comes to what is held for it, without a gap."""
    with life.db.read() as tx:
        for *key, state, price, cost, spent in life.rows(
            "SELECT contact_id, run_id, step, state, price, cost, spent FROM messages"
        ):
            told = money(tx, dict(zip(("contact_id", "run_id", "step"), key, strict=True)))
            total = 0
            for entry in told:
                total += entry.amount
                assert entry.total == total, f"{key}: {entry} follows {total - entry.amount}: {told}"
            held = (spent or 0) + held_of(state, price, cost)
            assert total == held, f"{key} in state {state} holds {held}, {total} are told: {told}"


def check_over(life: Life) -> None:
    """Let all that was begun come to its end, and check that nothing is left and all figures agree."""
    life.mode = "taken"
    paused_steps_go_on(life)
    cascades_go_on(life)
    for stage in life.stages:
        life.restarts(stage, answers_lost=True)
    life.looks_at_dates_no_more()
    for span in ("P40D", "P60D"):  # nobody is at the desk: tasks expire
        life.passes(span)
        check(life)
    none_of(life, OVER)
    assert not live_tasks(life)
    for stage in life.stages:
        assert not stage.world.work.handed, stage.world.work.handed
        busy = {number: one.in_flight for number, one in stage.world.traffic.limits.items() if one.in_flight}
        assert busy.keys() <= {life.desk}, f"places are not given back: {busy}"
    check_figures(life)


def check_figures(life: Life) -> None:
    """Reports and sums of money say what rows say, counted slowly."""
    sums_agree(life.db)
    for slug in life.slugs:
        runs = one_count.runs(life.db, slug)
        told = reports.report(life.office, slug).report
        slow, lines = one_count.line(one_count.messages(runs)), told.lines
        line = {name: sum(getattr(one, name) for one in lines) for name in slow}
        other = {name: (line[name], slow[name]) for name in slow if line[name] != slow[name]}
        assert not other, f"a report tells of {slug} otherwise than its rows: {other}"
        assert {one.name: one.contacts for one in told.levels} == one_count.levels(runs), slug
        live = [run for run in runs if not run.holdout]
        assert (told.entered, told.holdouts) == (len(live), len(runs) - len(live)), slug
        assert told.goals == sum(run.goal for run in live), f"{slug}: {told.goals} goals"
