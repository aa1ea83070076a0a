"""Which steps of an earlier version are which of a later one: renamed, parted by segment, joined again."""

import pytest

from kaskad.actions.splitting import Way, split_drawn
from kaskad.domain.definition import to_cascade
from kaskad.planning.same_steps import named_as

HEAD = "cascade: demo\nclass: service\ntrigger: {event: left}\nsteps:\n"
MAIL = "{id: mail, channel: email, subject: s, text: t, wait: 1d}"


def sms(name, asks=""):
    return f"{{id: {name}, channel: sms, text: pay, wait: 1d{', if: ' + asks if asks else ''}}}"


def of(*steps):
    return to_cascade(HEAD + "".join(f"  - {step}\n" for step in steps), name="demo")


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([sms("a"), MAIL], [MAIL, sms("b")], {0: (1,), 1: (0,)}),  # moved and renamed
        # A reminder of the same words is another step: dropped, added, added again, renamed.
        ([sms("a"), MAIL, sms("b")], [sms("a"), MAIL], {0: (0,), 1: (1,)}),
        ([sms("a"), MAIL], [sms("a"), MAIL, sms("b")], {0: (0,), 1: (1,)}),
        ([sms("a"), sms("b")], [sms("a"), sms("b"), sms("c")], {0: (0,), 1: (1,)}),
        ([sms("a"), sms("b")], [sms("a"), sms("c")], {0: (0,), 1: (1,)}),
        ([sms("a"), sms("b")], [sms("c"), sms("d")], {0: (0,), 1: (1,)}),
        ([sms("a"), sms("b")], [sms("a")], {0: (0,)}),
        # Written for some and for all others.
        ([sms("a")], [sms("a", 'segment("x")'), sms("b", 'not segment("x")')], {0: (0, 1)}),
        ([sms("a", 'not segment("x")'), sms("b", 'segment("x")')], [sms("a")], {0: (0,), 1: (0,)}),
        (  # both stand, then and now: each has its own past
            [sms("a", 'not segment("x")'), sms("b", 'segment("x")')],
            [sms("a", 'not segment("y")'), sms("b", 'segment("y")')],
            {0: (0,), 1: (1,)},
        ),
        ([sms("a", 'segment("x")'), sms("b", 'segment("y")')], [sms("a")], {0: (0,)}),  # who is in both
        ([sms("a")], [sms("b"), sms("c", "not steps.b.sent")], {0: (0, 1)}),
        ([sms("a")], ["{id: a, channel: email, subject: pay, text: pay, wait: 1d}"], {}),
    ],
)
def test_a_step_is_known_by_its_id_or_by_its_words_to_as_many_people(before, now, expected):
    assert named_as(of(*now), of(*before)) == expected


def test_steps_that_a_proposal_has_laid_out_for_segments_are_what_they_were():
    text = HEAD + f"  - {sms('a')}\n  - {MAIL}\n"
    ways = [Way("x", ("mail", "a")), Way("", ("a", "mail"))]
    whole, parted = (to_cascade(each, name="demo") for each in (text, split_drawn("demo", text, ways)))
    assert len(parted.steps) == 3
    there, back = named_as(parted, whole), named_as(whole, parted)
    assert sorted(number for numbers in there.values() for number in numbers) == [0, 1, 2]
    assert sorted(len(numbers) for numbers in there.values()) == [1, 2]
    assert {step.number: back[step.number] for step in parted.steps} == {
        step.number: tuple(n for n, at in there.items() if step.number in at) for step in parted.steps
    }
