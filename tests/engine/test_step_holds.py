"""A step that misbehaves is paused alone: who comes to it waits or passes it over; nobody twice, or lost."""

from contextlib import suppress
from random import Random

import pytest
from msgspec import structs

from engine.test_guards import directly, let_in
from kaskad.actions import alarms, cascades, guards, step_holds, trials, version_canaries, winners
from kaskad.actions.canaries import Wanted
from kaskad.actions.cascade_texts import versions
from kaskad.actions.step_pauses import SENT_AGAIN, WAITS
from kaskad.analytics.winners import Count
from kaskad.domain.cascade import Anchor, Choose, Clock, Content, Span, Step, Utm, Variant, Winner
from kaskad.domain.condition import parse
from kaskad.domain.errors import Conflict, NotFound
from kaskad.domain.guard import Figure
from kaskad.domain.terms import Channel, Kind, Reaction
from kaskad.domain.trials import Rule
from kaskad.engine.step_pauses import told_by
from kaskad.store import step_holds as store
from support.stage import Stage

CASCADE = """
cascade: cart
class: service
trigger: {event: left}
guard: {bounces: 4%%, then: %s}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1h}
  - {id: sms, channel: sms, text: Hello, wait: 1h}
  - {id: chat, channel: telegram, text: Hello, wait: 1h}
"""


@pytest.mark.parametrize("then", ["pause_step", "skip_step"])
def test_a_guard_pauses_the_step_and_the_others_go_on(either, then):
    stage = Stage(either)
    office = directly(stage)
    stage.cascade(CASCADE % then)
    guards.raise_account_bounds(office, "email", dict.fromkeys(Figure, 0))
    let_in(stage, "bad", 12, 12)
    assert {one.stream.step for one in guards.watch(office)} == {0}
    assert cascades.find(office, "cart").overview.state == "active"
    (held,) = step_holds.listing(office, "cart")
    assert (held.step, held.hold.skip, held.hold.by) == ("letter", then == "skip_step", "")
    told = [(one.kind, one.name) for one in alarms.alarms(office)]
    assert ("guard_step", "cart/letter") in told and "guard" not in [kind for kind, _ in told]
    guards.looked(office, "cart", "ann")
    assert "guard_step" in [one.kind for one in alarms.alarms(office)]  # it is paused still

    late = [stage.person(f"late{number}") for number in range(5)]
    for person in late:
        stage.event(person, "left")
    stage.passes("30m")
    stage.restart()  # in the database, not in memory
    office = directly(stage)
    stage.passes("30m")
    if then == "skip_step":
        assert all(stage.sent(person) == ["sms", "chat"][: len(stage.sent(person))] for person in late)
        assert all(stage.states(person)["letter"] == "step_paused" for person in late)
    else:
        assert not any(stage.sent(person) for person in late)
    bad = [parcel.contact_id for parcel in stage.parcels if parcel.step == 1]
    assert len(set(bad)) >= 12  # they go on
    done = step_holds.resume(office, "cart", "letter", by="ann")
    assert done.runs == (0 if then == "skip_step" else 5)
    assert not [one for one in alarms.alarms(office) if one.kind == "guard_step"]
    assert guards.watch(office) == []  # what had been counted is not held against it again
    stage.passes("4h")
    if then == "pause_step":
        assert all(stage.sent(person) == ["letter", "sms", "chat"] for person in late)
    assert all(stage.outcome(person) == "exhausted" for person in late)


def test_whatever_is_paused_when_each_step_goes_out_once_to_everybody(stage):
    office = directly(stage)
    stage.cascade(CASCADE % "tell")
    lot, people = Random(7), [stage.person(f"p{number}") for number in range(12)]
    entered, steps = 0, ("letter", "sms", "chat")
    for _ in range(60):
        deed = lot.randrange(5)
        if deed == 0 and entered < len(people):
            stage.event(people[entered], "left")
            entered += 1
        elif deed == 1:
            stage.passes(lot.choice(("10m", "61m")))
        else:
            act, step = lot.choice((step_holds.pause, step_holds.resume)), lot.choice(steps)
            with suppress(Conflict):
                act(office, "cart", step)
    for held in step_holds.listing(office, "cart"):
        step_holds.resume(office, "cart", held.step)
    for person in people[entered:]:
        stage.event(person, "left")
    stage.passes("6h")
    assert all(stage.sent(person) == list(steps) for person in people)
    assert {stage.outcome(person) for person in people} == {"exhausted"}


def test_what_ends_a_run_ends_it_while_it_waits_and_strange_steps_are_refused(stage):
    office = directly(stage)
    stage.cascade(CASCADE % "tell")
    person = stage.person("ann")
    stage.event(person, "left")
    assert len(step_holds.pause(office, "cart", "sms", by="ann")) == 1
    stage.passes("90m")
    assert stage.sent(person) == ["letter"]
    stage.receipt(person, Kind.CLICKED)
    assert stage.outcome(person) == "responded"
    with pytest.raises(Conflict, match="paused already"):
        step_holds.pause(office, "cart", "sms")
    with pytest.raises(NotFound, match="'none'"):
        step_holds.pause(office, "cart", "none")
    with pytest.raises(Conflict, match="not paused"):
        step_holds.resume(office, "cart", "chat")


def activated(office, text):
    """Save a text and activate it as a person does; return what is told of it."""
    cascades.put(office, "cart", text)
    told = cascades.plan(office, "cart").paused
    assert cascades.activate(office, "cart").paused == told
    return [str(one.words) for one in told]


def test_what_a_person_has_paused_stays_so_in_the_next_version_until_somebody_resumes_it(either):
    stage = Stage(either)
    office = directly(stage)
    stage.cascade(CASCADE % "tell")
    step_holds.pause(office, "cart", "sms", by="ann")
    # In another place, and saying something else: it is the same step to whoever has paused it.
    other = (
        (CASCADE % "tell")
        .replace("channel: sms, text: Hello", "channel: sms, text: Good day")
        .replace("steps:", "steps:\n  - {id: first, channel: email, subject: Hi, text: Hi, wait: 1h}")
    )
    assert activated(office, other) == [
        "Step 'sms' stays paused: people wait at it until somebody resumes it."
    ]
    assert {(one.version, one.step, one.hold.by) for one in step_holds.listing(office, "cart")} == {
        (1, "sms", "ann"), (2, "sms", "ann"),
    }  # fmt: skip
    stage.restart()
    office = directly(stage)
    person = stage.person("bea")
    stage.event(person, "left")
    stage.passes("5h")
    assert stage.sent(person) == ["first", "letter"]
    step_holds.resume(office, "cart", "sms")
    stage.passes("5h")
    assert stage.sent(person) == ["first", "letter", "sms", "chat"]
    assert activated(office, CASCADE % "tell") == [], "lifted in all versions"


def test_a_version_that_is_activated_just_before_a_pause_or_its_end_is_written_has_it_too(
    either, monkeypatch
):
    stage = Stage(either)
    office = directly(stage)
    stage.cascade(CASCADE % "tell")
    write = office.engine.write

    def overtaken(change):
        monkeypatch.setattr(office.engine, "write", write)
        cascades.activate(office, "cart")
        return write(change)

    for number, act in ((2, step_holds.pause), (3, step_holds.resume)):
        cascades.put(office, "cart", (CASCADE % "tell").replace("subject: Hello", f"subject: Hello {number}"))
        monkeypatch.setattr(office.engine, "write", overtaken)
        act(office, "cart", "sms", by="ann")
        assert cascades.find(office, "cart").overview.version == number
        held = [(one.version, one.step) for one in step_holds.listing(office, "cart")]
        assert held == ([(1, "sms"), (2, "sms")] if number == 2 else [])


def test_what_a_guardrail_has_paused_stays_so_as_long_as_the_step_says_the_same(either):
    stage = Stage(either)
    office = directly(stage)
    stage.cascade(CASCADE % "skip_step")
    guards.raise_account_bounds(office, "email", dict.fromkeys(Figure, 0))
    let_in(stage, "bad", 12, 12)
    assert guards.watch(office)
    later = (CASCADE % "skip_step").replace("text: Hello, wait: 1h", "text: Hello, wait: 2h")
    passed_over = ["Step 'letter' stays paused: people pass it over until somebody resumes it."]
    assert activated(office, later) == passed_over, "only what comes after the message is new"
    held = next(one for one in step_holds.listing(office, "cart") if one.version == 2)
    assert (held.hold.by, held.hold.skip, "bounces" in held.hold.why) == ("", True, True)
    paused = [one.name for one in alarms.alarms(office) if one.kind == "guard_step"]
    assert paused == ["cart/letter"], "once, in however many versions it is"
    mended = later.replace("subject: Hello", "subject: Good day")
    assert activated(office, mended) == [
        "Step 'letter', which a guardrail has paused, has changed and is sent again."
    ]
    person = stage.person("bea")
    stage.event(person, "left")
    stage.passes("30m")
    assert stage.sent(person) == ["letter"]
    assert activated(office, later) == passed_over, "as it was when it went wrong"


GONE = "Step %r, which is paused, is not in this version: what has taken its place is sent."


def test_a_paused_step_under_another_name_is_told_of_and_a_guardrails_is_known_by_what_it_says(either):
    stage = Stage(either)
    office = directly(stage)
    stage.cascade(CASCADE % "tell")
    with stage.db.write() as tx:
        store.put(tx, (versions(office, "cart")[0].id, 0), 1, skip=True, why="too many came back")
    step_holds.pause(office, "cart", "sms", by="ann")
    other = (CASCADE % "tell").replace("id: letter", "id: mail").replace("id: sms", "id: short")
    passed_over = "Step 'mail' stays paused: people pass it over until somebody resumes it."
    assert activated(office, other) == [passed_over, GONE % "sms"]
    held = [(one.version, one.step, one.hold.why) for one in step_holds.listing(office, "cart")]
    assert held[2:] == [(2, "mail", "too many came back")]
    person = stage.person("bea")
    stage.event(person, "left")
    stage.passes("5h")
    assert stage.sent(person) == ["short", "chat"]
    # It says the same as what is paused, beside it: that is not what was paused.
    both = other.replace(
        "steps:", "steps:\n  - {id: twin, channel: email, subject: Hello, text: Hello, wait: 1h}"
    )
    assert activated(office, both) == [passed_over]
    step_holds.resume(office, "cart", "mail")
    assert activated(office, other) == [], "lifted, though an older version has it under its older name"
    step_holds.pause(office, "cart", "chat", skip=True, by="ann")
    without = other.replace("  - {id: chat, channel: telegram, text: Hello, wait: 1h}\n", "")
    assert activated(office, without) == [GONE % "chat"]
    assert activated(office, without.replace("1h", "2h")) == [], "once, where it goes"


SAID = Step(0, "letter", (Channel.EMAIL,), Content(text="Hello"))
MENDS = {
    "channels": (Channel.SMS,), "content": Content(text="Good day"),
    "variants": (Variant("a", 1, Content(text="Hello")), Variant("b", 1, Content(text="Hi"))),
    "condition": parse("contact.vip == true"), "keys": {"confirm": "1"}, "only_branch": True,
    "account": "other",
}  # fmt: skip
LEAVES = {
    "number": 1, "id": "mail", "success": Reaction.CLICKED, "wait": (Clock(Reaction.READ, Span(1)),),
    "at": Anchor(day=3), "holdout": 500, "on_fail": "stop", "urgent": True,
    "utm": Utm((("campaign", "a"),)), "choose": Choose(), "winner": Winner(), "best_hour": True, "next": 2,
}  # fmt: skip


def test_each_field_of_a_step_either_mends_what_a_guardrail_has_paused_or_leaves_it():
    assert set(MENDS) | set(LEAVES) == set(Step.__struct_fields__)
    for fields, same in ((MENDS, False), (LEAVES, True)):
        for name, value in fields.items():
            assert getattr(SAID, name) != value, name
            assert (told_by(structs.replace(SAID, **{name: value})) == told_by(SAID)) is same, name
    shared_out = [
        told_by(structs.replace(SAID, variants=(Variant(first, weight, SAID.content),)))
        for first, weight in (("a", 50), ("b", 60))
    ]
    assert shared_out[0] == shared_out[1], "whoever gets which, they say the same"


def test_an_earlier_version_that_is_tried_has_the_pauses_of_what_runs(stage):
    office = directly(stage)
    stage.cascade(CASCADE % "tell")
    cascades.put(office, "cart", (CASCADE % "tell").replace("sms, text: Hello", "sms, text: Good day"))
    cascades.activate(office, "cart")
    with stage.db.write() as tx:
        for step in (0, 1):
            store.put(tx, (versions(office, "cart")[0].id, step), 1, skip=False, why="bad")
    told = trials.start(office, "cart", {1: 5_000}).paused
    assert [(one.step, one.what) for one in told[1]] == [("letter", WAITS), ("sms", SENT_AGAIN)]
    held = [(one.version, one.step) for one in step_holds.listing(office, "cart")]
    assert held == [(1, "letter"), (2, "letter"), (2, "sms")]


@pytest.mark.parametrize("way", ["canary", "trial", "winner"])
def test_what_a_guardrail_pauses_meanwhile_stays_paused_in_the_version_that_takes_over(
    stage, way, monkeypatch
):
    office = directly(stage)
    stage.cascade(CASCADE % "tell")
    cascades.put(office, "cart", (CASCADE % "tell").replace("sms, text: Hello", "sms, text: Good day"))
    if way == "canary":
        version_canaries.begin(office, "cart", Wanted(5_000, None))
    else:
        rule = Rule("reacted", 100, promote=True) if way == "winner" else None
        trials.start(office, "cart", {trials.NEXT: 5_000}, rule=rule)
    (_, first) = versions(office, "cart")
    with stage.db.write() as tx:
        for step in (0, 1):
            store.put(tx, (first.id, step), stage.clock.now(), skip=False, why="too many came back")
    if way == "canary":
        version_canaries.let_pass(office, "cart")
    elif way == "trial":
        trials.promote(office, "cart", 2)
    else:  # figures by which the second version has won
        found = iter((Count(900, 90, 1), Count(900, 300, 1)))
        monkeypatch.setattr(winners, "_people", lambda *_: next(found))
        assert winners.decide(office) == 1
    held = [(one.version, one.step, one.hold.why) for one in step_holds.listing(office, "cart")]
    assert [one[:2] for one in held] == [(1, "letter"), (1, "sms"), (2, "letter")]
    assert {one[2] for one in held} == {"too many came back"}
