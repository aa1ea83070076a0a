"""Moving a run to another version: whatever both look like, nothing is sent twice."""

from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.definition import to_cascade
from kaskad.domain.migrating import Move, move, wrong_mapping
from kaskad.domain.policy import Policy
from kaskad.domain.run import Passage, Run
from kaskad.domain.terms import Channel, MessageState, Phase
from kaskad.domain.version import prepare

IDS = ["a", "b", "c", "d", "e"]
SENT, SKIPPED = MessageState.SENT.code, MessageState.SKIPPED.code


def cascade(ids, channel="sms"):
    steps = "".join(f"\n  - {{id: {one}, channel: {channel}, text: x, wait: 1d}}" for one in ids)
    return to_cascade(
        f"cascade: x\ntitle: X\nclass: service\ntrigger: {{event: e}}\nsteps:{steps}\n", name="x"
    )


def version(ids, channel="sms"):
    return prepare(2, 1, cascade(ids, channel), Policy.unlimited())


def run(step, phase=Phase.WAITING):
    return Run(1, 1, 1, 1, 0, 1, phase, step, None, 0, 5, 5, 1)


def passed(*states, channel=Channel.SMS):
    return {
        n: Passage(n, channel.code, state, 2, 1, 1 if state == SENT else None)
        for n, state in enumerate(states)
    }


def test_a_step_between_and_another_at_the_end():
    old, new = cascade("abc"), version("abxc".replace("x", "d"))
    assert move(run(0), passed(SENT), old, new, {}) == Move(0)
    assert move(run(1), passed(SENT, SENT), old, new, {}) == Move(1)
    assert move(run(2, Phase.ENTER), passed(SENT, SENT), old, new, {}) == Move(3)
    assert "place has changed" in move(run(2), passed(SENT, SENT, SENT), old, new, {})
    assert move(run(-1, Phase.ENTER), {}, old, new, {}) == Move(-1)
    assert "later" in move(run(1, Phase.SUBMITTED), passed(SENT, SENT), old, new, {})
    assert "channel" in move(run(0), passed(SENT), old, version("abc", "viber"), {})


def test_a_step_that_is_gone_or_renamed():
    old = cascade("abc")
    assert move(run(1, Phase.ENTER), passed(SENT), old, version("ac"), {}) == Move(1)
    assert move(run(1, Phase.ENTER), passed(SENT), old, version("ade"), {"b": "e"}) == Move(2)
    assert "--map" in move(run(2, Phase.ENTER), passed(SENT, SKIPPED), old, version("ab"), {})
    assert move(run(2, Phase.ENTER), passed(SENT, SKIPPED), old, version("ac"), {}) == Move(1, (1,))
    assert len(wrong_mapping(old, version("ade").cascade, {"b": "z", "q": "a"})) == 2


@given(
    st.permutations(IDS).flatmap(lambda ids: st.integers(1, 5).map(lambda n: ids[:n])),
    st.permutations(IDS).flatmap(lambda ids: st.integers(1, 5).map(lambda n: ids[:n])),
    st.lists(st.sampled_from([SENT, SKIPPED]), max_size=5),
    st.booleans(),
    st.dictionaries(st.sampled_from(IDS), st.sampled_from(IDS), max_size=2),
)
def test_nothing_that_was_sent_lies_ahead(before, after, states, waits, mapping):
    old, new = cascade(before), version(after)
    states = states[: len(before)]
    passages = passed(*states)
    at = len(states) - 1 if waits or len(states) == len(before) else len(states)
    phase = Phase.WAITING if states and at < len(states) and states[at] == SENT else Phase.ENTER
    found = move(run(at, phase), passages, old, new, mapping)
    if isinstance(found, str):
        return
    sent = [number for number, one in passages.items() if one.state == SENT]
    for number in sent:
        assert after[number] == mapping.get(before[number], before[number])
        assert number < found.step or (number == found.step == at and phase == Phase.WAITING)
    left = set(passages) - set(found.dropped)
    assert all(number < found.step or number in sent for number in left)
