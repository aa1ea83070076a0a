"""What holds for every cascade and every history. The rules one by one are in test_rules_*.py.

`Play` checks after every decision that a live run has a next instant, that no step is sent twice, that a
finished run sends nothing, and that deciding again changes nothing; the histories here try to break that.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kaskad.domain.channels import CHANNELS, tells
from kaskad.domain.decide import Decision, decide
from kaskad.domain.definition import load
from kaskad.domain.policy import HOUR, MINUTE, Cap, PerClass, Policy, Window
from kaskad.domain.run import NOTHING, Passage, Run, state_of
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Phase, Reaction, Reason, RunState
from kaskad.domain.version import prepare
from support.examples import tries
from support.play import NOON, Play

CHOSEN = (Channel.EMAIL, Channel.TELEGRAM, Channel.WHATSAPP, Channel.SMS, Channel.PUSH, Channel.ROBOT_CALL)
FACTS = tuple(kind for kind in Kind if kind < Kind.IN_DOUBT)
FAILURES = (Kind.REJECTED, Kind.FAILED, Kind.BOUNCED, Kind.EXPIRED)
CALLS = (Reason.BUSY, Reason.NO_ANSWER, Reason.UNREACHABLE, Reason.OTHER)
MARKS = (Kind.GOAL, Kind.CANCELLED, Kind.UNSUBSCRIBED, Kind.COMPLAINED, Kind.ERASED, Kind.ANCHOR_CANCELLED)
CLASSES = ("service", "transactional", "advertising")
EXTRAS = ({}, {"stop_on": ["reply"]}, {"exit_if": "contact.gone"}, {"max_lateness": "1h"})
ANCHORS = (
    {"before": "trigger.starts_at", "by": "24h"}, {"before": "trigger.starts_at", "by": "1h"},
    {"after": "trigger.starts_at", "by": "2h"}, {"on": "day 2"},
)  # fmt: skip
SPANS = ("0s", "1m", "1h", "4h", "24h", "P1D", "30h")
POLICIES = (
    Policy.unlimited(),
    Policy(),
    Policy(windows=(Window(("09:00-18:00",)),), caps=(Cap(2, 1),), min_gap_ms=PerClass(service=2 * HOUR)),
)


@st.composite
def cascades(draw, retry=True):
    """A cascade that the checks accept."""
    count = draw(st.integers(1, 5))
    ids = [f"s{n}" for n in range(count)]
    steps = [draw(steps_of(number, ids, retry)) for number in range(count)]
    branches = [
        {"when": f"{ids[here]}.reacted", "go": ids[there], **extra}
        for here, there in draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=2))
        if here < there < count
        for extra in [draw(st.sampled_from(({}, {"unless_goal_in": "1d"})))]
    ]
    if branches and draw(st.booleans()):
        steps[ids.index(branches[0]["go"])]["only"] = "branch"
    told = {
        "cascade": "any", "title": "Any", "class": draw(st.sampled_from(CLASSES)),
        "trigger": {"event": "e"}, "goal": {"event": "g"}, "steps": steps, "branches": branches,
        **draw(st.sampled_from(EXTRAS)),
    }  # fmt: skip
    text = json.dumps(told if branches else {key: told[key] for key in told if key != "branches"})
    cascade = load(text, name="any").cascade
    assume(cascade is not None)
    return cascade


@st.composite
def steps_of(draw, number, ids, retry):
    channels = draw(st.lists(st.sampled_from(CHOSEN), min_size=1, max_size=3, unique=True))
    told = [r for r in Reaction if all(tells(channel, r) for channel in channels) and r is not Reaction.NONE]
    names = [channel.value for channel in channels]
    step = {"id": ids[number], "channel": names, "subject": "s", "text": "t", "say": "t"}
    wanted = {CHANNELS[channel].needs for channel in channels}
    used = {"mail": ("subject", "text"), "text": ("text",), "say": ("say",), "script": ("script",)}
    fields = {field for needs in wanted for field in used[needs.value]}
    step = {key: value for key, value in step.items() if key in {"id", "channel", *fields}}
    clock = st.fixed_dictionaries(
        {"unless": st.sampled_from([r.value for r in told]), "for": st.sampled_from(SPANS)},
        optional={"from": st.sampled_from([r.value for r in told])},
    )
    wait = draw(st.one_of(st.none(), st.sampled_from(SPANS), st.lists(clock, min_size=1, max_size=3)))
    if wait is not None:
        step["wait"] = wait
    step |= draw(st.fixed_dictionaries({}, optional={
        "success": st.sampled_from(["none", *(r.value for r in told)]),
        "on_fail": st.sampled_from(["next", "stop", *(["retry"] if retry else [])]),
        "holdout": st.just("30%"),
        "if": st.sampled_from(["contact.vip", *[f"steps.{ids[0]}.opened"] * bool(number)]),
        "at": st.sampled_from(ANCHORS),
    }))  # fmt: skip
    return step


actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("facts"), st.lists(st.tuples(st.integers(0, 4), st.sampled_from(FACTS)), max_size=3)
        ),
        st.tuples(st.just("mark"), st.sampled_from(MARKS)),
        st.tuples(st.just("call ends"), st.tuples(st.integers(0, 4), st.sampled_from(CALLS))),
        st.tuples(st.just("passes"), st.sampled_from(SPANS)),
        st.tuples(st.just("oversleeps"), st.sampled_from(SPANS)),
        st.tuples(st.just("provider"), st.sampled_from(("accepts", "rejects", "silent", "full"))),
        st.tuples(st.just("frees"), st.none()),
        st.tuples(st.just("paused"), st.booleans()),
        st.tuples(st.just("held"), st.dictionaries(st.integers(0, 4), st.booleans(), max_size=2)),
        st.tuples(st.just("unreachable"), st.sampled_from(CHOSEN)),
        st.tuples(st.just("down"), st.sampled_from(CHOSEN)),
        st.tuples(st.just("vip"), st.booleans()),
        st.tuples(st.just("starts_at"), st.integers(-2, 50)),
    ),
    max_size=14,
)


def live(play, history):
    """Let a history happen."""
    for name, what in history:
        match name:
            case "facts":
                play.tell([(step, kind, play.now) for step, kind in what])
            case "call ends":
                step, reason = what
                if step in play.passages and play.passages[step].state > MessageState.QUEUED.code:
                    play.happens(Kind.FAILED, step=step, reason=reason)
            case "mark":
                play.tell([(-1, what, play.now)])
            case "passes" | "oversleeps":
                getattr(play, name)(what)
            case "frees":
                play.frees()
            case "provider" | "paused":
                setattr(play, name, what)
                play.oversleeps("0s")
            case "held":
                play.hold(what)
            case "unreachable":
                play.addresses.pop(what.code, None)
            case "down":
                play.accounts = {**play.accounts, what.code: 0}
            case "vip":
                play.attributes = {"vip": what}
            case "starts_at":
                play.properties = {"starts_at": (NOON + what * HOUR) // 1000}
    return play


@st.composite
def plays(draw, retry=True):
    contact_id, policy = draw(st.integers(1, 50)), draw(st.sampled_from(POLICIES))
    retriable = retry and draw(st.booleans())
    return lambda cascade: Play(cascade, policy=policy, contact_id=contact_id, retriable=retriable,
                             properties={"starts_at": (NOON + 26 * HOUR) // 1000})  # fmt: skip


@given(cascades(retry=False), plays(retry=False), actions)
@settings(max_examples=tries(100))
def test_no_history_sends_a_step_twice(cascade, make, history):
    play = live(make(cascade), [deed for deed in history if deed[0] != "call ends"])
    assert len(play.steps) == len(set(play.steps))


@given(cascades(), plays(), actions)
@settings(max_examples=tries(100))
def test_every_run_ends_whatever_has_happened_once_the_world_works_again(cascade, make, history):
    play = live(make(cascade), history)
    play.paused, play.provider = False, "accepts"
    play.hold({})
    play.frees()
    for _ in range(60):
        if play.run.outcome is not None:
            break
        play.passes("P2D")
    assert play.outcome is not None


@given(cascades(retry=False), plays(retry=False), actions, st.dictionaries(st.integers(0, 4), st.booleans()))
@settings(max_examples=tries(100))
def test_nothing_goes_out_of_a_paused_step_and_nobody_is_lost_at_it(cascade, make, history, held):
    play = make(cascade)
    play.hold(held)
    before = len(play.sends)  # the first step may have gone out at once
    live(play, [deed for deed in history if deed[0] != "held"])
    assert not {step for step, _ in play.sends[before:]} & held.keys()
    assert play.run.outcome is not None or play.run.wake_at is not None


@given(cascades(), plays(), actions)
@settings(max_examples=tries(100))
def test_a_step_goes_out_again_only_after_a_proven_failure_or_under_its_key(cascade, make, history):
    play = live(make(cascade), history)
    for step, passage in play.passages.items():
        count = sum(sent == step for sent, _ in play.sends)
        assert count == passage.attempt or passage.state in (0, 11, 12)
        on_fail = play.version.cascade.steps[step].on_fail
        calls = play.version.policy.redial.calls if passage.channel == Channel.ROBOT_CALL.code else 1
        more = 3 if on_fail == "retry" else calls - 1 if on_fail != "next" else 0
        assert count <= (1 if not play.retriable else 3) + more


@st.composite
def calls(draw):
    """A cascade with a robot call, and the ends of its calls among other histories."""
    on_fail = draw(st.sampled_from(["", ", on_fail: retry", ", on_fail: next"]))
    text = f"""
cascade: calls
class: service
trigger: {{event: e}}
goal: {{event: g}}
steps:
  - {{id: call, channel: robot_call, say: t, wait: 2h{on_fail}}}
  - {{id: sms, channel: sms, text: t, wait: 2h}}
"""
    ends = st.tuples(st.just("call ends"), st.tuples(st.just(0), st.sampled_from(CALLS)))
    return load(text, name="calls").cascade, draw(
        st.lists(
            st.one_of(ends, actions.map(lambda a: a[:1]).map(lambda a: a[0] if a else ("passes", "1h"))),
            max_size=10,
        )
    )


@given(calls(), plays(retry=False))
@settings(max_examples=tries(300))
def test_a_robot_calls_again_only_whom_the_call_before_provably_has_not_reached(story, make):
    cascade, history = story
    play, told, before = make(cascade), [], []
    send = play._submit

    def watched(step, channel):
        if step == 0:
            told.append(before[-1] if before else None)
        send(step, channel)

    play._submit = watched
    take = play._take

    def noted(passage):
        if passage.step == 0 and passage.state > MessageState.SUBMITTED.code:
            before.append(passage)
        take(passage)

    play._take = noted
    live(play, history)
    if cascade.steps[0].on_fail != "retry":
        assert len(told) <= play.version.policy.redial.calls
    if cascade.steps[0].on_fail == "next":
        assert len(told) <= 1
    for passage in told[1:]:
        assert passage is not None and passage.mask & (Kind.FAILED.bit | Kind.REJECTED.bit)
        assert not passage.mask & (Kind.ANSWERED.bit | Kind.MACHINE_ANSWERED.bit | Kind.UNKNOWN.bit)


facts = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(FACTS), st.integers(0, 600)), max_size=6)


def state_after(play):
    return play.run, play.passages, play.marks, play.sends


@given(cascades(), plays(), actions, facts, st.data())
@settings(max_examples=tries(100))
def test_facts_of_one_tick_count_the_same_in_any_order_and_however_often(cascade, make, history, told, data):
    shuffled = data.draw(
        st.permutations(told + data.draw(st.lists(st.sampled_from(told or [None]))) * bool(told))
    )
    outcomes = []
    for order in (told, shuffled):
        play = live(make(cascade), history)
        play.tell([(step, kind, play.now - minutes * MINUTE) for step, kind, minutes in order])
        outcomes.append(state_after(play.passes("30h")))
    assert outcomes[0] == outcomes[1]


@given(cascades(), plays(), facts, st.data())
@settings(max_examples=tries(100))
def test_facts_of_several_ticks_count_the_same_in_any_order_unless_one_of_them_sends(
    cascade, make, told, data
):
    """A failure or a branch may send at once, and what has left us cannot be called back."""
    told = [(step, kind, minutes) for step, kind, minutes in told if kind not in FAILURES]
    outcomes, sends = [], []
    for order in (told, data.draw(st.permutations(told))):
        play = make(cascade).passes("10h")
        before = len(play.sends)
        for step, kind, minutes in order:
            play.tell([(step, kind, play.now - minutes * MINUTE)])
        sends.append(len(play.sends) - before)
        left = {
            n: (p.mask, p.state) for n, p in play.passages.items() if p.state > MessageState.SUBMITTED.code
        }
        outcomes.append((play.run.outcome, play.run.outcome_step, left))
    assume(sends == [0, 0])
    assert outcomes[0] == outcomes[1]


@given(cascades(), plays(), actions)
@settings(max_examples=tries(100))
def test_a_replay_decides_the_same(cascade, make, history):
    first, second = live(make(cascade), history), live(make(cascade), history)
    assert state_after(first) == state_after(second) and first.reasons == second.reasons


instants = st.one_of(st.none(), st.integers(NOON - 90 * HOUR, NOON + HOUR))
passages_of_any_kind = st.dictionaries(
    st.integers(0, 4),
    st.tuples(
        st.sampled_from(list(MessageState)), st.sets(st.sampled_from((*FACTS, Kind.IN_DOUBT)), max_size=4),
        instants, instants, st.integers(0, 5), st.booleans(), st.booleans(),
    ),
    max_size=5,
)  # fmt: skip


def built(cascade, number, stored, kinds, submitted_at, sent_at, attempt, retriable, known):
    channel, mask = cascade.steps[number].channels[0].code, sum(kind.bit for kind in kinds)
    first = dict.fromkeys(kinds, NOON - HOUR) if known else NOTHING
    return Passage(number, channel, stored.code, mask, submitted_at, sent_at, attempt, 1, 0, retriable, first)


@given(
    cascades(), passages_of_any_kind, st.sampled_from(list(RunState)), st.sampled_from(list(Phase)),
    st.integers(-1, 4), instants, instants, st.sampled_from([None, *Outcome]), st.sampled_from(POLICIES),
    st.dictionaries(st.sampled_from([kind.value for kind in MARKS]), st.integers(NOON - 90 * HOUR, NOON)),
)  # fmt: skip
@settings(max_examples=tries(100))
def test_there_is_an_answer_for_every_state_of_a_run_also_for_impossible_ones(
    cascade, told, state, phase, step, wake_at, due_at, outcome, policy, marks
):  # fmt: skip
    version = prepare(1, 1, cascade, policy)
    count = len(cascade.steps)
    run = Run(7, 1, 1, 1, 0, state.code, phase, min(step, count - 1), None, 0, wake_at, due_at or 0,
              NOON - 80 * HOUR, outcome=outcome and outcome.code)  # fmt: skip
    passages = {number: built(cascade, number, *row) for number, row in told.items() if number < count}
    play = Play(cascade, policy=policy)
    decision = decide(version, run, passages, marks, play.answers, NOON)
    assert isinstance(decision, Decision)
    if run.outcome is not None:
        assert decision.send is None and decision.wake_at is None
    if decision.outcome is None and decision.send is None:
        assert decision.wake_at is not None or run.wake_at is None
    if decision.send is not None and decision.send.step in passages:
        assert passages[decision.send.step].state < MessageState.SUBMITTED.code


@given(st.lists(st.sampled_from(FACTS), max_size=8))
def test_a_message_s_state_is_what_its_facts_add_up_to(kinds):
    mask = 0
    for kind in kinds:
        mask |= kind.bit
    assert state_of(mask) is state_of(sum({kind.bit for kind in kinds}))


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ((), "submitted"),
        ((Kind.SENT,), "sent"),
        ((Kind.DELIVERED,), "delivered"),
        ((Kind.READ, Kind.DELIVERED, Kind.SENT), "read"),
        ((Kind.CLICKED,), "read"),
        ((Kind.OPENED,), "delivered"),
        ((Kind.REJECTED, Kind.DELIVERED), "delivered"),
        ((Kind.SENT, Kind.EXPIRED), "expired"),
        ((Kind.DELIVERED, Kind.BOUNCED), "bounced"),
        ((Kind.DELIVERED, Kind.BOUNCED, Kind.CLICKED), "read"),
        ((Kind.BOUNCED, Kind.OPENED), "delivered"),
        ((Kind.SENT, Kind.UNKNOWN), "unknown"),
        ((Kind.UNKNOWN, Kind.DELIVERED), "delivered"),
        ((Kind.SENT, Kind.MACHINE_OPENED, Kind.MACHINE_CLICKED), "sent"),
    ],
)
def test_positive_evidence_wins_but_for_a_bounce_that_only_a_person_overrides(kinds, state):
    assert state_of(sum(kind.bit for kind in kinds)) == state
