"""Of whom the ways of all steps are said to be the same, of these they are, however they are asked."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kaskad.domain.caps import Touch
from kaskad.domain.consent import ConsentRow
from kaskad.domain.control import Drawn
from kaskad.domain.definition import load
from kaskad.domain.policy import Policy
from kaskad.domain.run import Address, Answers, Dialogue, Run
from kaskad.domain.terms import Channel, Phase, RunState, SkipReason
from kaskad.domain.version import prepare
from kaskad.domain.ways import Way, address_of, standing, way

SOURCE = """
cascade: news
title: News
class: advertising
trigger: {broadcast: all}
steps:
  - {id: letter, channel: email, subject: s, text: t, wait: 1d}
  - {id: vip, channel: sms, text: t, if: 'contact.level > 3', wait: 1d}
  - {id: chat, channel: telegram, text: t, wait: 1d}
  - {id: call, channel: [sms, email], subject: s, text: t}
"""
NOW = 1_796_000_000_000  # an evening
EMAIL, SMS, CHAT = (channel.code for channel in (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
PLAIN = prepare(1, 1, load(SOURCE, name="news").cascade, Policy())
VERSIONS = (PLAIN, replace(PLAIN, control=Drawn(5_000, 7, 0, 1 << 62)))
WHEN = st.sampled_from([NOW - 9, NOW - 2, NOW, NOW + 2])
consents = st.lists(
    st.builds(
        ConsentRow, granted=st.booleans(), purpose=st.sampled_from([3, 9]), topic=st.just(""),
        channels=st.sampled_from([0, 1 << EMAIL, 1 << SMS]), at=WHEN, proven=st.booleans(),
        expires_at=st.one_of(st.none(), WHEN),
    ),
    max_size=3,
).map(tuple)  # fmt: skip
GRANTED = (ConsentRow(True, 9, 0, "", NOW - 9, None, True),)  # to anything
addresses = st.dictionaries(
    st.sampled_from([EMAIL, SMS, CHAT]),
    st.builds(
        Address, value=st.sampled_from("ab"), health=st.sampled_from([0, 0, 1]),
        shared=st.sampled_from([0, 0, 1]),
    ),
)  # fmt: skip
answers = st.builds(
    Answers, zones=st.sampled_from([("UTC",), ("Asia/Almaty",)]), country=st.just(""), addresses=addresses,
    preferred=st.sampled_from([(), (EMAIL, SMS)]), touches=st.just(()),
    consents=st.one_of(st.just(GRANTED), consents),
    accounts=st.sampled_from([{EMAIL: 1, SMS: 2, CHAT: 3}, {EMAIL: 1, SMS: 0, CHAT: 3}]),
    touched=st.sampled_from([frozenset(), frozenset({0})]),
    scope=st.sampled_from([{"contact": {"level": level}} for level in (1, 2, 4)]),
    dialogues=st.sampled_from([{}, {3: Dialogue(0, None)}, {3: Dialogue(NOW + 5, None)}]),
    fitting=st.sampled_from([{}, {1: None}, {1: Address("c")}]),
)  # fmt: skip


def _run(contact_id):
    return Run(contact_id, 1, 0, 0, 0, RunState.PENDING.code, Phase.ENTER, -1, None, 0, NOW, NOW, NOW)


def _ways(version, run, told):
    return [way(version, run, step, told, NOW) for step in version.cascade.steps]


@settings(max_examples=300)
@given(answers, answers)
def test_who_stands_alike_is_reached_alike(one, other):
    changed = [replace(one, **{name: getattr(other, name)}) for name in Answers.__struct_fields__]
    shared = {code: replace(each, shared=1 - each.shared) for code, each in one.addresses.items()}
    changed.append(replace(one, addresses=shared))
    for version in VERSIONS:
        known = {}
        for contact_id, told in enumerate([one, *changed]):
            place = standing(version, _run(contact_id), told, NOW)
            found = _ways(version, _run(contact_id), told)
            assert known.setdefault(place, found) == found


def test_whose_consents_and_addresses_differ_in_no_way_that_is_asked_stand_alike():
    one = Answers(
        ("UTC",), "", {EMAIL: Address("a"), SMS: Address("1")}, (),
        (ConsentRow(True, 3, 0, "", NOW - 50, None, True), ConsentRow(False, 3, 0, "", NOW - 20)), (),
        {EMAIL: 1, SMS: 2}, scope={"contact": {"level": 7}},
    )  # fmt: skip
    other = replace(
        one, addresses={SMS: Address("2"), EMAIL: Address("b")}, scope={"contact": {"level": 4}},
        consents=(replace(one.consents[0], at=5), replace(one.consents[1], at=6)),
    )  # fmt: skip
    place = standing(PLAIN, _run(1), one, NOW)
    assert place is not None and place == standing(PLAIN, _run(2), other, NOW)
    assert _ways(PLAIN, _run(1), one)[0] is SkipReason.NO_CONSENT
    again = replace(other, consents=other.consents[::-1][1:])
    assert place != standing(PLAIN, _run(2), again, NOW)
    (letter, vip, _, _) = _ways(PLAIN, _run(2), again)
    assert (letter, vip) == (Way(Channel.EMAIL, 1, False), Way(Channel.SMS, 2, False))
    assert [address_of(each, again) for each in (letter, vip)] == ["b", "2"]
    assert address_of(letter, replace(again, fitting={1: Address("c")})) == "c"


def test_who_was_written_to_or_whom_a_lot_decides_is_asked_alone():
    told = Answers(("UTC",), "", {EMAIL: Address("a")}, (), (), (), {EMAIL: 1})
    learnt = SOURCE.replace("[sms, email]", "[sms, email], choose: learn")
    versions = (PLAIN, prepare(1, 1, load(learnt, name="news").cascade, Policy()))
    for version, touches in product(versions, ((), (Touch(NOW - 1, 1, EMAIL, 3),))):
        alone = standing(version, _run(1), replace(told, touches=touches), NOW) is None
        assert alone == (version is not PLAIN or touches != ())
    assert standing(replace(PLAIN, best_hours=True), _run(1), told, NOW) is None
