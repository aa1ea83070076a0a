"""The worked example of cascades: who is reached, and for how much; arithmetic that anyone can redo."""

from itertools import product

import numpy as np
import pytest

from kaskad.domain.definition import to_cascade
from kaskad.domain.definition.sketch import sketch
from kaskad.domain.terms import Channel, Reaction
from kaskad.planning.priors import reacts
from kaskad.planning.walk import Ask, Crowd, Rate, Stage, at_its_rate, stages, walk

CHANNELS = (Channel.EMAIL, Channel.TELEGRAM, Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL)
PRICES = (0.05, 17.5, 15.0, 37.5, 375.0)
TABLE = (0.20, 0.80, 0.95, 0.50, 0.70)


def row(shares, ends=True):
    return [Stage(n + 1 if n + 1 < len(shares) else None, ends) for n in range(len(shares))], tuple(
        Ask(channel, price, "KZT") for channel, price, _ in zip(CHANNELS, PRICES, shares, strict=False)
    )


def expected(stages, crowds, shares):
    rates = lambda step, ask, before: Rate(np.array([shares[step]]), np.zeros(1))  # noqa: E731
    people = [Crowd(np.array([crowd.people]), crowd.asks) for crowd in crowds]
    return walk(stages, people, 0, rates, at_its_rate)


@pytest.mark.parametrize(
    "depth, entering, reach, each, reached, blast, blast_reached, saving",
    [
        (1, 1.000, 20.00, 0.05, 0.25, 0.05, 0.25, 0.0),
        (2, 0.800, 84.00, 14.05, 16.73, 17.55, 20.89, 19.9),
        (3, 0.160, 99.20, 16.45, 16.58, 32.55, 32.81, 49.5),
        (4, 0.008, 99.60, 16.75, 16.82, 70.05, 70.33, 76.1),
        (5, 0.004, 99.88, 18.25, 18.27, 445.05, 445.58, 95.9),
    ],
)
def test_each_depth_costs_what_the_worked_example_says(
    depth, entering, reach, each, reached, blast, blast_reached, saving
):
    steps, asks = row(TABLE[:depth])
    told = expected(steps, [Crowd(1.0, asks)], TABLE)
    assert told.steps[-1].arrived == pytest.approx(entering)
    assert round(100 * told.reached[0], 2) == reach
    assert round(told.cost["KZT"][0], 2) == each
    assert round(told.cost["KZT"][0] / told.reached[0], 2) == reached
    cost = told.cost["KZT"][0]
    steps, asks = row(TABLE[:depth], ends=False)  # everybody gets everything
    told = expected(steps, [Crowd(1.0, asks)], TABLE)
    assert (round(100 * told.reached[0], 2), round(told.cost["KZT"][0], 2)) == (reach, blast)
    assert round(told.cost["KZT"][0] / told.reached[0], 2) == blast_reached
    assert round(100 * (1 - cost / told.cost["KZT"][0]), 1) == saving


@pytest.mark.parametrize(
    "shares, prices, reach, each",
    [
        ((0.25, 0.90, 0.95, 0.60, 0.80), (0.05, 10, 10, 25, 250), 99.97, 8.77),  # S3's best case
        ((0.15, 0.70, 0.95, 0.40, 0.60), (0.05, 25, 20, 50, 500), 99.69, 30.86),  # and its worst
        (TABLE, (0.05, 0.0, 15, 37.5, 375), 99.88, 4.25),  # a free messenger
        ((0.20, 0.50, 0.375, 0.40), PRICES[:4], 85.0, 29.43),  # its own story; agents besides
        ((0.20, 0.50, 0.375, 0.40, 0.70), PRICES, 95.5, 85.68),
    ],
)
def test_the_range_of_the_worked_example(shares, prices, reach, each):
    asks = tuple(Ask(channel, price, "KZT") for channel, price in zip(CHANNELS, prices, strict=False))
    told = expected(row(shares)[0], [Crowd(1.0, asks)], shares)
    assert round(100 * told.reached[0], 2) == reach
    assert told.cost["KZT"][0] == pytest.approx(each, abs=0.0051)  # 29.425 and 85.675 in full
    if len(shares) == 4:
        cost = told.cost["KZT"][0]
        assert round(cost / told.reached[0], 2) == 34.62
        blast = expected(row(shares, ends=False)[0], [Crowd(1.0, asks)], shares).cost["KZT"][0]
        assert (round(blast, 2), round(blast / told.reached[0], 2)) == (70.05, 82.41)


def test_whoever_cannot_be_reached_goes_on_for_nothing():
    _, asks = row(TABLE)
    shares = (0.90, 0.55, 0.80, 0.70, 0.70)
    for depth, reach, each in ((3, 89.0, 13.45), (5, 96.3, 35.15)):  # 96.35, which the rules write as 96.4
        crowds = []
        for has in product((True, False), repeat=depth):
            weight = 1.0
            for share, there in zip(shares, has, strict=False):
                weight *= share if there else 1 - share
            crowds.append(
                Crowd(weight, tuple(ask if there else None for ask, there in zip(asks, has, strict=False)))
            )
        told = expected(row(TABLE[:depth])[0], crowds, TABLE)
        assert (round(100 * told.reached[0], 1), round(told.cost["KZT"][0], 2)) == (reach, each)


def test_a_branch_takes_those_who_react_and_they_count_as_reached_once():
    text = """
cascade: b
class: service
goal: {event: bought}
trigger: {event: x}
steps:
  - {id: letter, channel: email, subject: s, text: t, wait: 1h}
  - {id: chat, channel: telegram, text: t, wait: 1h, holdout: 10%}
  - {id: offer, channel: email, subject: s, text: t, only: branch, success: none}
branches: [{when: letter.clicked, unless_goal_in: 1d, go: offer}]
"""
    cascade = to_cascade(text, name="b")
    assert reacts(Channel.SMS, Reaction.DELIVERED) == 0.95 and reacts(Channel.PUSH, None) is None
    asks = tuple(Ask(step.channels[0]) for step in cascade.steps)
    told = expected(stages(cascade), [Crowd(1.0, asks)], (0.2, 0.5, 0.2))
    letter, chat, offer = told.steps
    assert (letter.branched, letter.ended, offer.arrived) == pytest.approx((0.2, 0.0, 0.2))
    assert (chat.arrived, chat.sent, chat.ended) == pytest.approx((0.8, 0.72, 0.36))
    assert told.reached == pytest.approx(0.56) and told.silent == pytest.approx(0.44)
    assert offer.went_on == pytest.approx(0.2) and told.messages == pytest.approx(1.92)


def test_a_sketch_keeps_what_a_step_sends_where_another_line_of_it_is_wrong():
    text = """
cascade: b
class: service
trigger: {event: x}
steps:
  - id: sms
    channel: sms
    account: dear
    if: contact.city ==
    variants: [{id: a, text: "{{ contact.name }} is long"}, {id: b, text: short}]
"""
    drawn = sketch(text, "b")
    assert drawn is not None and drawn.wordless == set()
    (step,) = drawn.cascade.steps
    assert (step.account, [each.content.text for each in step.variants]) == (
        "dear", ["{{ contact.name }} is long", "short"],
    )  # fmt: skip
    broken = sketch(text.replace("contact.name }}", "contact.name"), "b")
    assert broken is not None and broken.wordless == {0}, "what it would cost nobody knows"


def test_a_sketch_has_every_step_whatever_is_wrong_with_the_rest():
    text = """
cascade: b
class: shouting
trigger: {event: x}
steps:
  - {id: letter, channel: email, subject: s, text: t, wait: 3q}
  - {id: sms, channel: sms}
  - {id: chat, channel: [telegram, vk], text: "{{ contact.name", success: none}
"""
    drawn = sketch(text, "b")
    assert drawn is not None and drawn.wordless == {1, 2}
    cascade = drawn.cascade
    assert [step.channels[0] for step in cascade.steps] == [Channel.EMAIL, Channel.SMS, Channel.TELEGRAM]
    assert cascade.steps[2].success is Reaction.NONE
    assert cascade.steps[0].content.text == "t", "what is wrong is the wait"
    assert sketch("steps: [", "b") is None and sketch("cascade: b\nsteps: []", "b") is None
