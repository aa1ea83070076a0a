"""Runs that stand alike are decided about exactly as one by one: the short way has no rules of its own."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.test_decide import CHOSEN, actions, cascades, live, plays
from kaskad.domain.alike import (
    TOLD,
    answered,
    free_below,
    is_shared,
    may_be_touched,
    refusal,
    standing,
    turn,
)
from kaskad.domain.caps import Touch
from kaskad.domain.decide import Enter, enter, settle
from kaskad.domain.definition import load
from kaskad.domain.entering import ADDRESS_CHANNEL
from kaskad.domain.policy import HOUR, Cap, Counted, PerClass, Policy, Window
from kaskad.domain.run import NO_ANSWERS, PLAIN, Address, Answers
from kaskad.domain.terms import Kind, MessageState, Phase
from support.examples import tries
from support.plain import HEAD
from support.play import NOON, Play

POLICIES = (
    Policy.unlimited(),
    Policy(),
    Policy(windows=(Window(("09:00-18:00",)),), caps=(Cap(2, 1),), min_gap_ms=PerClass(service=2 * HOUR)),
    replace(
        Policy.unlimited(),
        caps=(Cap(2, 0), Cap(1, 1, Counted.RUNS)),
        min_gap_ms=PerClass(advertising=HOUR),
    ),
)


EXTRAS = ({}, {"max_lateness": "1h"}, {"max_lateness": "P1D"}, {"stop_on": ["reply"]})


class Compared(Play):
    """A play in which each decision that could be shared is compared with the one that is shared."""

    shared_ways = 0
    answered_ways = 0
    turns = 0
    refused_ways = 0

    def __init__(self, *args, **named):
        self.told = False
        self.before = None  # facts: the messages' masks, where nothing telling was known of any
        super().__init__(*args, **named)

    def _take(self, passage):
        before = self.passages.get(passage.step)
        again = passage.state == MessageState.CREATED.code and before is not None and bool(before.mask)
        self.told = self.told or again or (bool(passage.mask & ~PLAIN) and not self._is_refused(passage))
        super()._take(passage)

    def _is_refused(self, passage):
        """Say whether nothing is known of a message but that it was refused at once."""
        refused = passage.mask == Kind.REJECTED.bit and passage.sent_at is None
        before = self.passages.get(passage.step)
        if before is not None and before.mask == passage.mask:
            return refused
        return refused and self.run.phase == Phase.SUBMITTED and self.run.step == passage.step

    def tell(self, facts):
        self.before = None if self.told else {step: p.mask for step, p in self.passages.items()}
        return super().tell(facts)

    def _compare_answered(self, decision):
        before, self.before = self.before, None
        new = [p for step, p in self.passages.items() if p.mask & ~PLAIN & ~before.get(step, 0)]
        if len(new) != 1:
            return
        (message,) = new
        first = {kind: at for kind, at in message.first.items() if 1 << kind & ~before[message.step]}
        run = replace(self.run, marks=sum(1 << kind for kind in self.marks))
        alike = answered(self.version, run, message.step, message.channel, message.mask, first, self.now)
        if alike is not None:
            assert replace(alike, due_at=self.run.due_at) == decision
            type(self).answered_ways += 1

    def decide(self):
        decision = super().decide()
        if self.before is not None:
            self._compare_answered(decision)
        current = self.passages.get(self.run.step)
        refused = self.run.phase == Phase.SUBMITTED and current is not None and self._is_refused(current)
        find = refusal if refused else standing
        place = find(self.version, *(() if refused else (self.run.phase,)), self.run.step)
        marked = replace(self.run, marks=(TOLD if self.told else 0) | sum(1 << kind for kind in self.marks))
        if place is None or not place.fits(marked, self.now):
            return decision
        wish = settle(self.version, self.run, self.passages, self.marks, self.now)
        assert wish == place.wish(place.due_at(self.run, self.now))
        if place.enters is None:
            alike = enter(self.version, self.run, place.passages, wish, NO_ANSWERS, self.now)
        else:
            alike = self._as_another(place)
        if alike is not None:
            assert alike == decision
            type(self).shared_ways += 1
            type(self).refused_ways += refused
        return decision

    def frees(self):
        current = self.passages.get(self.run.step)
        queued = current is not None and current.state == MessageState.QUEUED.code and not current.mask
        if queued and not current.attempt and self.run.phase == Phase.QUEUED and self.run.wake_at > self.now:
            self._compare_turn()
        return super().frees()

    def _compare_turn(self):
        place = turn(self.version, self.run.step)
        marked = replace(self.run, marks=(TOLD if self.told else 0) | sum(1 << kind for kind in self.marks))
        if place is None or not place.fits(marked, self.now):
            return
        settled = settle(self.version, self.run, self.passages, self.marks, self.now)
        assert settled.phase == Phase.QUEUED and settled.outcome is None
        wish = place.wish(self.run.due_at)
        assert wish == Enter(self.run.step, self.run.due_at, "handed over")
        alike = self._as_another(place)
        if alike is not None:
            assert alike == enter(self.version, self.run, self.passages, wish, self.answers(), self.now)
            type(self).turns += 1

    def _as_another(self, place):
        """Return the decision made about another run that stands here, with this one's own values in it."""
        answers, now = self.answers(), self.now
        (channel,) = self.version.cascade.steps[place.enters].channels
        code = ADDRESS_CHANNEL.get(channel.code, channel.code)
        mine = answers.addresses.get(code)
        if mine is None or mine.shared or any(not consent.granted for consent in answers.consents):
            return None
        if len(answers.touches) >= free_below(self.version, place.enters) and not may_be_touched(
            self.version, place.enters, self.run, answers, now
        ):
            return None
        other = replace(self.run, contact_id=99, id=7, due_at=now, entered_at=now - 5)
        theirs = Answers(
            answers.zones, answers.country, {code: Address("another", mine.health)}, (),
            tuple(replace(c, at=0, expires_at=None) for c in answers.consents), (), answers.accounts,
            answers.paused,
        )  # fmt: skip
        wish = place.wish(place.due_at(other, now))
        decision = enter(self.version, other, place.passages, wish, theirs, now)
        if not is_shared(decision):
            return None
        assert decision.send is not None
        due_at = place.due_at(self.run, now)
        return replace(decision, due_at=due_at, send=replace(decision.send, to=mine.value))


@st.composite
def compared(draw):
    make = draw(plays())
    policy, others = draw(st.sampled_from(POLICIES)), draw(st.integers(0, 2))

    def play(cascade):
        plain = make(cascade)
        found = Compared(
            cascade, policy=policy, contact_id=plain.run.contact_id, retriable=plain.retriable,
            properties=plain.properties,
        )  # fmt: skip
        found.others = [Touch(NOON - n * HOUR, 2 + n, 1, 3) for n in range(others)]
        return found

    return play


@st.composite
def plain_cascades(draw):
    """Cascades of which most runs stand alike: no conditions, plain clocks."""
    count = draw(st.integers(1, 4))
    steps = [
        {"id": f"s{n}", "channel": draw(st.sampled_from(CHOSEN[1:5])).value, "text": "t",
         "wait": draw(st.sampled_from(("1m", "1h", "4h", "P1D")))}
        for n in range(count)
    ]  # fmt: skip
    told = {
        "cascade": "plain", "title": "Plain", "class": draw(st.sampled_from(("service", "advertising"))),
        "trigger": {"event": "e"}, "goal": {"event": "g"}, "steps": steps,
        **draw(st.sampled_from(EXTRAS)),
    }  # fmt: skip
    cascade = load(json.dumps(told), name="plain").cascade
    assert cascade is not None
    return cascade


@given(st.one_of(cascades(), plain_cascades()), compared(), actions)
@settings(max_examples=tries(300))
def test_a_shared_decision_is_that_of_each(cascade, make, history):
    live(make(cascade), history)  # compares at every decision


CASCADE = f"""{HEAD}
  - {{id: letter, channel: whatsapp, text: Hello, wait: 2h}}
  - {{id: sms, channel: sms, text: Hello, wait: 2h}}
"""


def test_the_comparison_does_compare():
    Compared.shared_ways = 0
    play = Compared(CASCADE, policy=Policy.unlimited()).passes("5h")
    assert play.steps == ["letter", "sms"] and Compared.shared_ways >= 3  # two sends and the end


def test_the_comparison_compares_reactions_too():
    Compared.answered_ways = 0
    play = Compared(CASCADE, policy=Policy.unlimited()).passes("1h").happens(Kind.READ)
    assert play.outcome == "responded" and Compared.answered_ways == 1
    late = Compared(CASCADE, policy=Policy.unlimited()).passes("3h").happens(Kind.READ, step=0)
    assert late.outcome == "responded" and Compared.answered_ways == 2


def test_the_comparison_compares_the_turns_of_queued_messages_too():
    Compared.turns = 0
    play = Compared(CASCADE, policy=Policy.unlimited(), provider="full")
    assert play.frees().steps == ["letter"] and Compared.turns == 1


def test_the_comparison_compares_refusals_and_those_who_were_refused_before():
    Compared.refused_ways = Compared.shared_ways = 0
    play = Compared(CASCADE, policy=Policy.unlimited(), provider="rejects")
    assert play.steps == ["letter", "sms"] and play.outcome == "unreachable" and Compared.refused_ways == 1
    third = "  - {id: call, channel: viber, text: Hello, wait: 2h}\n"
    play = Compared(CASCADE + third, policy=Policy.unlimited(), provider="silent")
    Compared.shared_ways = 0
    play.provider = "accepts"
    play.passes("30s").happens(Kind.REJECTED).passes("5h")
    assert play.steps == ["letter", "sms", "call"] and play.outcome == "exhausted"
    assert Compared.shared_ways == 3  # the step after the refusal, the one after silence, the end


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        ("wait: 2h", True),
        ("wait: 2h, on_fail: next", True),
        ("wait: 2h, on_fail: stop", False),
        ("wait: 2h, on_fail: retry", False),
        ("wait: 2h, urgent: true", False),  # it need not have waited for the gap after the one before
    ],
)
def test_a_refusal_leads_on_only_where_the_step_says_so(change, stands):
    text = CASCADE.replace("whatsapp, text: Hello, wait: 2h", f"whatsapp, text: Hello, {change}")
    play = Play(text, policy=replace(Policy.unlimited(), min_gap_ms=PerClass(service=HOUR)))
    assert (refusal(play.version, 0) is not None) == stands
    assert refusal(play.version, 1) is None  # the last one: what became of the others says how it ends


@pytest.mark.parametrize("kind", [Kind.READ, Kind.REJECTED, Kind.UNKNOWN, Kind.SUSPECTED_CLICKED])
def test_a_run_about_which_something_was_told_stands_alone(kind):
    play = Play(CASCADE)
    place = standing(play.version, play.run.phase, play.run.step)
    assert place is not None and place.fits(play.run, play.run.due_at)
    assert not place.fits(replace(play.run, marks=TOLD), play.run.due_at)
    assert not place.fits(replace(play.run, marks=1 << kind), play.run.due_at)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("wait: 2h", True),
        ("wait: 2d", True),
        ("wait: P1D", True),
        ("wait: [{unless: delivered, for: 1h}]", False),
        ("wait: 30m", False),  # shorter than the gap between two touches
        ("wait: 2h, success: delivered", False),
    ],
)
def test_silence_is_plain_only_where_receipts_of_delivery_mean_nothing(change, place):
    text = CASCADE.replace("whatsapp, text: Hello, wait: 2h", f"whatsapp, text: Hello, {change}")
    play = Play(text, policy=replace(Policy.unlimited(), min_gap_ms=PerClass(service=HOUR)))
    assert (standing(play.version, 3, 0) is not None) == place


@pytest.mark.parametrize(
    "change",
    [
        "text: Hello, if: contact.vip",
        "text: Hello, holdout: 10%",
        "text: Hello, at: {after: trigger.at, by: 2h}",
        "variants: [{id: a, weight: 1, text: A}, {id: b, weight: 1, text: B}]",
    ],
)
def test_a_step_that_asks_something_personal_is_entered_one_by_one(change):
    play = Play(CASCADE.replace("sms, text: Hello", f"sms, {change}"))
    assert standing(play.version, 3, 0) is None
