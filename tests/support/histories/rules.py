"""What always holds, after whatever act; and what holds once all is over."""

from __future__ import annotations

from collections import Counter

from kaskad.actions import reports
from kaskad.domain.ledger import held_of
from kaskad.domain.terms import MessageClass
from kaskad.engine.parcel import Parcel
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
}  # fmt: skip
OVER = {
    "a run never ends": "SELECT contact_id, id, phase, step, wake_at FROM runs WHERE outcome IS NULL",
    "a message is under way for ever": "SELECT contact_id, run_id, step, state FROM messages WHERE state < 3",
}


def check(life: Life) -> None:
    """Check what always holds; raise AssertionError."""
    new, life.parcels_seen = life.stage.parcels[life.parcels_seen :], len(life.stage.parcels)
    for place, parcel in enumerate(new, life.parcels_seen - len(new)):
        check_sent(life, place, parcel)
    check_once(life, {(p.contact_id, p.run_id, p.step) for p in new})
    none_of(life, NONE)
    check_budgets(life)


def none_of(life: Life, rules: dict[str, str]) -> None:
    for what, text in rules.items():
        assert not (found := life.rows(text)), f"{what}: {found}"


def check_sent(life: Life, place: int, parcel: Parcel) -> None:
    """It was sent to somebody who might get it, of a run and a step that go on."""
    key = (parcel.contact_id, parcel.run_id)
    found = life.rows(
        "SELECT r.finished_at, c.slug, r.version_id FROM runs r JOIN cascades c ON c.id = r.cascade_id"
        f" WHERE r.contact_id = {key[0]} AND r.id = {key[1]}"
    )
    for finished_at, slug, version_id in found:  # none where the contact was merged meanwhile
        step = life.stage.world.versions[version_id].cascade.steps[parcel.step].id
        assert finished_at is None or parcel.outgoing.at <= finished_at, f"{key} got {step} after its end"
        assert place < life.paused.get(slug, place + 1), f"{key} got {step} of {slug}, which is paused"
        assert place < life.held.get((slug, step), place + 1), f"{key} got {step}, which is paused"
    if parcel.outgoing.message_class is MessageClass.ADVERTISING:
        since = life.refused.get((life.current(parcel.contact_id), parcel.outgoing.channel), place + 1)
        assert place < since, f"{key} got advertising by {parcel.outgoing.channel} after a refusal"


def check_once(life: Life, keys: set[Key]) -> None:
    """No step went twice, but where nothing was taken, the key makes it safe or a failure was told."""
    for key in keys:
        earlier = Counter(life.answers[key][:-1])
        safe = life.idempotent * (earlier["doubt"] + earlier["nothing"])
        unsafe = earlier.total() - earlier["no"] - safe
        assert unsafe <= life.failures[key], f"{key} was sent twice: {life.answers[key]}"


def check_budgets(life: Life) -> None:
    """What is held of a budget is what messages hold."""
    held = Counter[int]()
    for cascade_id, state, price, cost, spent in life.rows(
        "SELECT r.cascade_id, m.state, m.price, m.cost, m.spent FROM messages m"
        " JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id WHERE m.submitted_at IS NOT NULL"
    ):
        held[cascade_id] += (spent or 0) + held_of(state, price, cost)
    for number, slug, reserved in life.rows("SELECT id, slug, reserved FROM cascades"):
        assert reserved == held[number], f"{slug} holds {reserved}, its messages {held[number]}"


def check_over(life: Life) -> None:
    """Let all that was begun come to its end, and check that nothing is left and all figures agree."""
    life.mode = "taken"
    paused_steps_go_on(life)
    cascades_go_on(life)
    life.restarts(answers_lost=True)
    life.looks_at_dates_no_more()
    for span in ("P40D", "P60D"):  # nobody is at the desk: tasks expire
        life.passes(span)
        check(life)
    none_of(life, OVER)
    assert not live_tasks(life)
    for stage in life.stages:
        assert not stage.world.handed, stage.world.handed
        busy = {number: one.in_flight for number, one in stage.world.limits.items() if one.in_flight}
        assert busy.keys() <= {life.desk}, f"places are not given back: {busy}"
    check_figures(life)


def check_figures(life: Life) -> None:
    """Reports and sums of money say what rows say, counted slowly."""
    sums_agree(life.db)
    for slug in life.slugs:
        runs = one_count.runs(life.db, slug)
        told = reports.report(life.office, slug).report
        slow, lines = one_count.line(one_count.messages(runs)), told.lines
        assert {name: sum(getattr(one, name) for one in lines) for name in slow} == slow, slug
        assert {one.name: one.contacts for one in told.levels} == one_count.levels(runs), slug
        live = [run for run in runs if not run.holdout]
        assert (told.entered, told.holdouts) == (len(live), len(runs) - len(live)), slug
        assert told.goals == sum(run.goal for run in live), slug
