"""Table 2.2: what channels tell, and which facts show which reaction."""

from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.cascade import Clock, Span
from kaskad.domain.channels import CHANNELS, Family, Needs, mask_of, success_mask, tells
from kaskad.domain.terms import Channel, Kind, Reaction

HOUR = 3_600_000
kinds = st.sets(st.sampled_from([kind for kind in Kind if kind < Kind.GOAL]))
channels = st.sampled_from(Channel)


def bits(found):
    return sum(kind.bit for kind in found)


def test_every_channel_has_its_row():
    assert set(CHANNELS) == set(Channel)


def test_no_read_is_told_where_there_is_no_read_event():
    for channel in (Channel.SMS, Channel.TELEGRAM, Channel.MAX, Channel.PUSH, Channel.EMAIL):
        assert not tells(channel, Reaction.READ)
    for channel in (Channel.WHATSAPP, Channel.VIBER, Channel.VK):
        assert tells(channel, Reaction.READ)


def test_only_email_is_opened_and_only_calls_are_answered():
    assert [channel for channel in Channel if tells(channel, Reaction.OPENED)] == [Channel.EMAIL]
    answered = {channel for channel in Channel if tells(channel, Reaction.ANSWERED)}
    assert answered == {channel for channel in Channel if CHANNELS[channel].family is Family.CALL}


@given(channels)
def test_reacted_and_none_can_be_asked_of_every_channel_and_a_default_success_is_told(channel):
    assert tells(channel, Reaction.REACTED)
    assert tells(channel, Reaction.NONE)
    assert tells(channel, CHANNELS[channel].default_success)


def test_default_clocks_are_those_of_the_sources():
    assert CHANNELS[Channel.EMAIL].default_wait == (
        Clock(Reaction.OPENED, Span(ms=24 * HOUR)),
        Clock(Reaction.CLICKED, Span(ms=4 * HOUR), Reaction.OPENED),
    )
    hours = {Channel.TELEGRAM: 6, Channel.WHATSAPP: 6, Channel.SMS: 2, Channel.PUSH: 2, Channel.ROBOT_CALL: 2}
    for channel, count in hours.items():
        assert CHANNELS[channel].default_wait == (Clock(Reaction.NONE, Span(ms=count * HOUR)),)
    assert CHANNELS[Channel.AGENT_CALL].default_timeout == Span(days=1)
    assert CHANNELS[Channel.SMS].receipt_ttl == CHANNELS[Channel.EMAIL].receipt_ttl == Span(ms=72 * HOUR)
    assert CHANNELS[Channel.VIBER].receipt_ttl == Span(ms=24 * HOUR)


def test_what_a_step_must_say_follows_its_channel():
    assert CHANNELS[Channel.EMAIL].needs is Needs.MAIL
    assert CHANNELS[Channel.ROBOT_CALL].needs is Needs.SAY
    assert CHANNELS[Channel.AGENT_CALL].needs is Needs.SCRIPT
    assert CHANNELS[Channel.PUSH].needs is Needs.TEXT


def satisfies(facts, reaction, channel):
    return facts & mask_of(reaction, channel) != 0


@given(channels, kinds, kinds)
def test_more_facts_never_take_a_reaction_away(channel, some, more):
    for reaction in Reaction:
        if satisfies(bits(some), reaction, channel):
            assert satisfies(bits(some | more), reaction, channel)


@given(channels, kinds)
def test_a_stronger_reaction_shows_every_weaker_one(channel, found):
    mask = bits(found)
    weaker = {
        Reaction.CLICKED: (Reaction.OPENED, Reaction.READ, Reaction.ANSWERED),
        Reaction.REPLIED: (Reaction.OPENED, Reaction.READ, Reaction.ANSWERED),
        Reaction.OPENED: (Reaction.DELIVERED,),
        Reaction.READ: (Reaction.DELIVERED,),
        Reaction.ANSWERED: (Reaction.DELIVERED,),
    }
    for strong, weak in weaker.items():
        if satisfies(mask, strong, channel):
            assert all(satisfies(mask, reaction, channel) for reaction in weak)


@given(channels)
def test_a_reply_is_a_click_and_a_click_is_an_open(channel):
    assert satisfies(Kind.REPLIED.bit, Reaction.CLICKED, channel)
    assert satisfies(Kind.CLICKED.bit, Reaction.OPENED, channel)
    assert not satisfies(Kind.OPENED.bit, Reaction.CLICKED, channel)


@given(channels, st.sampled_from(Reaction))
def test_machines_receipts_and_failures_are_no_reaction(channel, reaction):
    silent = {Kind.SENT, Kind.UNKNOWN, Kind.FAILED, Kind.BOUNCED, Kind.UNSUBSCRIBED, Kind.COMPLAINED}
    machines = {Kind.MACHINE_OPENED, Kind.MACHINE_CLICKED, Kind.SUSPECTED_CLICKED, Kind.MACHINE_ANSWERED}
    assert not satisfies(bits(silent | machines), reaction, channel)


@given(channels, kinds)
def test_nothing_satisfies_none_and_reacted_is_the_default_success(channel, found):
    assert not satisfies(bits(found), Reaction.NONE, channel)
    assert mask_of(Reaction.REACTED, channel) == mask_of(CHANNELS[channel].default_success, channel)
    assert success_mask(None, channel) == mask_of(Reaction.REACTED, channel)
    assert success_mask(Reaction.DELIVERED, channel) == mask_of(Reaction.DELIVERED, channel)


def test_a_pressed_key_is_the_answer_to_a_call_and_nothing_elsewhere():
    assert satisfies(Kind.KEYPRESS.bit, Reaction.REACTED, Channel.ROBOT_CALL)
    assert satisfies(Kind.KEYPRESS.bit, Reaction.REPLIED, Channel.ROBOT_CALL)
    assert not satisfies(Kind.KEYPRESS.bit, Reaction.CLICKED, Channel.ROBOT_CALL)
    assert not satisfies(Kind.KEYPRESS.bit, Reaction.DELIVERED, Channel.SMS)
